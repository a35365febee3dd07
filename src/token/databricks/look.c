/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the workspace says of a database that keyturn rotates roles of: may they
 * log in at all, is its endpoint there.  Must never change anything.
 */
#include "token/databricks/common.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define SENTENCE_SIZE 384

static void say_finding(const struct token_databricks_look *k,
			enum token_severity severity, const char *topic,
			const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void say_finding(const struct token_databricks_look *k,
			enum token_severity severity, const char *topic,
			const char *fmt, ...)
{
	char sentence[SENTENCE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	k->finding(k->arg, severity, topic, sentence);
}

/* GET /api/2.0/PATH */
static enum status get_document(const struct token_databricks_look *k,
				const char *path, struct token_web_answer *ret,
				struct reason *why)
{
	char url[TOKEN_WEB_URL_SIZE];

	if (snprintf(url, sizeof(url), "/api/2.0/%s", path) >= (int)sizeof(url))
		return reason_set(why, STATUS_LIMIT, "the path is too long");
	return token_databricks_login_call(k->web, k->login, "GET", url, NULL,
					   ret, why);
}

/* Roles survive while the switch is off, and are told that their password is
 * wrong: so the cause is named here. */
static void tell_native(const struct token_databricks_look *k,
			const struct json_doc *on, const char *where)
{
	if (!json_doc_is(on, JSON_DOC_BOOLEAN))
		say_finding(k, TOKEN_WARN, "native login",
			    "%s does not say whether native roles may log in "
			    "(enable_pg_native_login)",
			    where);
	else if (json_doc_bool(on, false))
		say_finding(
			k, TOKEN_NOTE, "native login",
			"native roles may log in to %s (enable_pg_native_login)",
			where);
	else
		say_finding(k, TOKEN_FAIL, "native login",
			    "native roles may not log in to %s, whatever their "
			    "password: switch enable_pg_native_login on",
			    where);
}

static void tell_host(const struct token_databricks_look *k,
		      const struct json_doc *hosts, const char *endpoint)
{
	const char *own = json_doc_text(json_doc_get(hosts, "host"));
	char shown[TOKEN_DATABRICKS_WORD_SIZE];

	if (token_databricks_find_is_host(hosts, "host", k->host))
		return;
	text_escape(shown, sizeof(shown), own ? own : "not there",
		    strlen(own ? own : "not there"));
	if (token_databricks_find_is_host(hosts, "read_write_pooled_host",
					  k->host) ||
	    token_databricks_find_is_host(hosts, "read_only_pooled_host",
					  k->host))
		say_finding(k, TOKEN_FAIL, "pooler",
			    "%s is the pooler of %s; name %s in conninfo",
			    k->host, endpoint, shown);
	else if (token_databricks_find_is_host(hosts, "read_only_host",
					       k->host))
		say_finding(
			k, TOKEN_FAIL, "endpoint",
			"%s is the read-only host of %s; name %s in conninfo",
			k->host, endpoint, shown);
	else
		say_finding(k, TOKEN_WARN, "endpoint",
			    "%s is not a host of %s, whose host is %s", k->host,
			    endpoint, shown);
}

static void tell_endpoint(const struct token_databricks_look *k,
			  const struct json_doc *d, const char *endpoint)
{
	const char *state =
		json_doc_text(json_doc_path(d, "status.current_state"));
	const char *end = strstr(endpoint, "/endpoints/");
	char shown[64];

	text_escape(shown, sizeof(shown), state ? state : "not told",
		    strlen(state ? state : "not told"));
	if (json_doc_bool(json_doc_path(d, "status.disabled"), false))
		say_finding(
			k, TOKEN_FAIL, "endpoint",
			"%s is disabled, and a connection does not wake it; enable "
			"it",
			endpoint);
	else
		say_finding(k, TOKEN_NOTE, "endpoint", "%s is %s", endpoint,
			    shown);
	if (end)
		say_finding(k, TOKEN_NOTE, "branch", "this is %.*s",
			    (int)(end - endpoint), endpoint);
	tell_host(k, json_doc_path(d, "status.hosts"), endpoint);
}

enum status token_databricks_look_endpoint(
	const struct token_databricks_look *k, const char *endpoint,
	struct reason *why)
{
	struct token_web_answer a = { .doc = NULL };
	char path[TOKEN_DATABRICKS_WORD_SIZE + 32];
	const char *end = strstr(endpoint, "/branches/");
	int n = end ? (int)(end - endpoint) : (int)strlen(endpoint);
	enum status s;

	snprintf(path, sizeof(path), "postgres/%.*s", n, endpoint);
	s = get_document(k, path, &a, why);
	if (s == STATUS_OK)
		tell_native(k,
			    json_doc_path(a.doc,
					  "status.enable_pg_native_login"),
			    path + strlen("postgres/"));
	token_web_free(&a);
	if (s != STATUS_OK)
		return s;
	snprintf(path, sizeof(path), "postgres/%s", endpoint);
	s = get_document(k, path, &a, why);
	if (s == STATUS_OK)
		tell_endpoint(k, a.doc, endpoint);
	token_web_free(&a);
	return s;
}

enum status token_databricks_look_instance(
	const struct token_databricks_look *k, const char *instance,
	struct reason *why)
{
	struct token_web_answer a = { .doc = NULL };
	char path[TOKEN_DATABRICKS_WORD_SIZE + 32];
	const struct json_doc *on;
	enum status s;

	snprintf(path, sizeof(path), "database/instances/%s", instance);
	s = get_document(k, path, &a, why);
	if (s == STATUS_OK) {
		on = json_doc_get(a.doc, "effective_enable_pg_native_login");
		tell_native(k,
			    on ? on :
				 json_doc_get(a.doc, "enable_pg_native_login"),
			    instance);
		if (!json_doc_says(json_doc_get(a.doc, "state"), "AVAILABLE"))
			say_finding(k, TOKEN_WARN, "endpoint",
				    "instance %s is not AVAILABLE", instance);
	}
	token_web_free(&a);
	return s;
}
