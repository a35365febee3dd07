/* SPDX-License-Identifier: PostgreSQL */
/*
 * Mints tokens for Lakebase: one POST, whose answer says when they expire.
 * Must never assume a life that the workspace did not promise.
 */
#include "token/databricks/databricks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "token/databricks/common.h"
#include "json/json_out.h"

struct databricks {
	struct token_source base;
	struct token_web web;
	struct token_databricks_login login;
	char *endpoint; /* "" when it is looked for */
	char *host;
	char *user;
	char *instances[TOKEN_DATABRICKS_INSTANCES_MAX];
	size_t n_instances;
	int64_t ttl_us;
	char found[TOKEN_DATABRICKS_WORD_SIZE]; /* what was looked for */
	char me[TOKEN_USER_SIZE];
};

/* ---- the request ------------------------------------------------------------ */

/* The endpoint's path: given, or looked for once. */
static enum status find_endpoint(struct databricks *d, const char **ret,
				 struct reason *why)
{
	enum status s;

	if (d->endpoint[0] || d->found[0]) {
		*ret = d->endpoint[0] ? d->endpoint : d->found;
		return STATUS_OK;
	}
	if (!d->host[0])
		return reason_set(
			why, STATUS_CONFIG,
			"[token %s]: set endpoint, instance, or host, "
			"by which the endpoint can be found",
			d->base.name);
	s = token_databricks_find(&d->web, &d->login, d->host, d->found,
				  sizeof(d->found), why);
	if (s == STATUS_OK)
		*ret = d->found;
	return s;
}

static void put_autoscaling(const struct databricks *d, const char *endpoint,
			    struct json_out *body)
{
	char ttl[32];

	json_out_text(body, "endpoint", endpoint);
	snprintf(ttl, sizeof(ttl), "%llds",
		 (long long)(d->ttl_us / NOW_SECOND));
	if (d->ttl_us > 0)
		json_out_text(body, "ttl", ttl);
}

static enum status put_provisioned(const struct databricks *d,
				   struct json_out *body)
{
	struct json_out names = json_out_array();
	char id[RANDOM_UUID_SIZE];
	enum status s = random_uuid(d->web.random, id);

	for (size_t i = 0; i < d->n_instances; i++)
		json_out_text(&names, NULL, d->instances[i]);
	json_out_put(body, "instance_names", &names);
	/* A retry within this mint is the same request. */
	if (s == STATUS_OK)
		json_out_text(body, "request_id", id);
	return s;
}

/* ---- the answer ------------------------------------------------------------- */

static enum status name_user(struct databricks *d, char *ret,
			     struct reason *why)
{
	struct token_web_answer a = { .doc = NULL };
	const char *name = d->me;
	enum status s = STATUS_OK;

	if (d->user[0])
		name = d->user;
	else if (d->login.auth == TOKEN_DATABRICKS_M2M)
		name = d->login.client_id;
	else if (!d->me[0]) {
		s = token_databricks_login_call(&d->web, &d->login, "GET",
						"/api/2.0/preview/scim/v2/Me",
						NULL, &a, why);
		if (s == STATUS_OK &&
		    json_doc_copy(json_doc_get(a.doc, "userName"), d->me,
				  sizeof(d->me)) != STATUS_OK)
			s = reason_set(why, STATUS_CORRUPT,
				       "[token %s]: the workspace does not "
				       "say who we are; set user",
				       d->base.name);
	}
	if (s == STATUS_OK &&
	    text_copy(ret, TOKEN_USER_SIZE, name) != STATUS_OK)
		s = reason_set(why, STATUS_CONFIG,
			       "[token %s]: the user's name is too long",
			       d->base.name);
	token_web_free(&a);
	return s;
}

static enum status take_token(struct databricks *d,
			      const struct token_web_answer *a,
			      const char *endpoint, struct token *ret,
			      struct reason *why)
{
	int64_t until = token_web_time(json_doc_get(
		a->doc, endpoint ? "expire_time" : "expiration_time"));
	struct token t = { .secret = NULL };
	enum status s;

	s = token_web_secret(json_doc_get(a->doc, "token"), TOKEN_SECRET_MAX,
			     &t.secret);
	if (s != STATUS_OK || until < 0) {
		token_free(&t);
		return reason_set(why, STATUS_CORRUPT,
				  "[token %s]: the workspace's answer has no "
				  "token, or does not say when it expires",
				  d->base.name);
	}
	t.issued_us = now_wall(d->web.now);
	t.expires_us = until - a->skew_us;
	snprintf(t.scope, sizeof(t.scope),
		 "what the user may open in %.120s (for %.80s)", d->login.host,
		 endpoint ? endpoint : d->instances[0]);
	*ret = t;
	return STATUS_OK;
}

/* ---- the interface ---------------------------------------------------------- */

static enum status mint_once(struct databricks *d, struct token *ret,
			     struct reason *why)
{
	struct token_web_answer a = { .doc = NULL };
	struct json_out body = json_out_object();
	const char *endpoint = NULL;
	enum status s = STATUS_OK;

	if (d->n_instances == 0) {
		s = find_endpoint(d, &endpoint, why);
		if (s != STATUS_OK)
			goto out;
		put_autoscaling(d, endpoint, &body);
	} else {
		s = put_provisioned(d, &body);
	}
	if (s == STATUS_OK)
		s = body.status;
	if (s != STATUS_OK) {
		s = reason_set(why, s, "[token %s]: cannot make the request",
			       d->base.name);
		goto out;
	}
	s = token_databricks_login_call(
		&d->web, &d->login, "POST",
		endpoint ? "/api/2.0/postgres/credentials" :
			   "/api/2.0/database/credentials",
		body.doc, &a, why);
	if (s == STATUS_OK)
		s = take_token(d, &a, endpoint, ret, why);
out:
	json_out_free(&body);
	token_web_free(&a);
	return s;
}

static enum status mint_token(struct token_source *source, struct token *ret,
			      struct reason *why)
{
	struct databricks *d = (struct databricks *)source;
	struct token t = { .secret = NULL };
	enum status s;

	token_web_begin(&d->web);
	s = mint_once(d, &t, why);
	if (s == STATUS_NOT_FOUND && d->found[0]) {
		/* It may have been made again under another name. */
		d->found[0] = '\0';
		s = mint_once(d, &t, why);
	}
	if (s == STATUS_OK)
		s = name_user(d, t.user, why);
	if (s == STATUS_NOT_FOUND)
		s = STATUS_REFUSED;
	if (s != STATUS_OK) {
		token_free(&t);
		return s;
	}
	*ret = t;
	return STATUS_OK;
}

static enum status look_at_host(struct token_source *source, const char *host,
				token_finding_fn *finding, void *arg,
				struct reason *why)
{
	struct databricks *d = (struct databricks *)source;
	const struct token_databricks_look k = { &d->web, &d->login, host,
						 finding, arg };
	const char *endpoint = NULL;
	enum status s = STATUS_OK;

	token_web_begin(&d->web);
	if (d->n_instances == 0) {
		s = find_endpoint(d, &endpoint, why);
		if (s == STATUS_OK)
			s = token_databricks_look_endpoint(&k, endpoint, why);
	}
	for (size_t i = 0; i < d->n_instances && s == STATUS_OK; i++)
		s = token_databricks_look_instance(&k, d->instances[i], why);
	return s;
}

static void close_source(struct token_source *source)
{
	struct databricks *d = (struct databricks *)source;

	token_databricks_login_clear(&d->login);
	http_close(d->web.http);
	for (size_t i = 0; i < d->n_instances; i++)
		free(d->instances[i]);
	free(d->endpoint);
	free(d->host);
	free(d->user);
	free((char *)d->base.name);
	free(d);
}

static const struct token_source_ops ops = {
	.type = "databricks",
	.mint = mint_token,
	.look = look_at_host,
	.close = close_source,
};

/* "projects/P/branches/B/endpoints/E" */
static enum status check_endpoint(const struct token_databricks_options *o,
				  struct reason *why)
{
	static const char *const words[] = { "projects/", "/branches/",
					     "/endpoints/" };
	const char *p = o->endpoint;
	size_t n;

	for (int i = 0; i < 3; i++) {
		if (strncmp(p, words[i], strlen(words[i])) != 0)
			break;
		p += strlen(words[i]);
		n = strcspn(p, "/");
		if (n == 0 || n > 63)
			break;
		p += n;
		if (i == 2 && *p == '\0')
			return STATUS_OK;
	}
	return reason_set(why, STATUS_CONFIG,
			  "[token %s]: endpoint must be "
			  "projects/P/branches/B/endpoints/E",
			  o->name);
}

static enum status check_options(const struct token_databricks_options *o,
				 struct reason *why)
{
	if (o->n_instances > TOKEN_DATABRICKS_INSTANCES_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "[token %s]: %d instances at most", o->name,
				  TOKEN_DATABRICKS_INSTANCES_MAX);
	if (o->n_instances > 0 && *o->endpoint)
		return reason_set(
			why, STATUS_CONFIG,
			"[token %s]: endpoint is of Lakebase "
			"Autoscaling and instance of Provisioned; set "
			"one of them",
			o->name);
	if (o->n_instances > 0 && o->ttl_us > 0)
		return reason_set(why, STATUS_CONFIG,
				  "[token %s]: the ttl of a Provisioned "
				  "instance's tokens cannot be chosen",
				  o->name);
	return *o->endpoint ? check_endpoint(o, why) : STATUS_OK;
}

static bool copy_options(struct databricks *d,
			 const struct token_databricks_options *o)
{
	d->base.name = strdup(o->name);
	d->endpoint = strdup(o->endpoint);
	d->host = strdup(o->host);
	d->user = strdup(o->user);
	if (!d->base.name || !d->endpoint || !d->host || !d->user)
		return false;
	for (size_t i = 0; i < o->n_instances; i++) {
		d->instances[i] = strdup(o->instances[i]);
		if (!d->instances[i])
			return false;
		d->n_instances++;
	}
	return true;
}

enum status token_databricks_open(const struct token_databricks_options *o,
				  struct token_source **ret, struct reason *why)
{
	struct databricks *d;
	enum status s = check_options(o, why);

	if (s != STATUS_OK)
		return s;
	d = calloc(1, sizeof(*d));
	if (!d)
		return reason_no_memory(why);
	d->base.ops = &ops;
	d->ttl_us = o->ttl_us;
	if (!copy_options(d, o)) {
		s = reason_no_memory(why);
		goto out;
	}
	d->web = (struct token_web){ .name = d->base.name,
				     .now = o->now,
				     .random = o->random,
				     .timeout_us = o->timeout_us };
	s = token_databricks_settings(o, &d->login, why);
	if (s == STATUS_OK)
		s = token_web_open(&d->web, o->ca_file, why);
	if (s == STATUS_OK) {
		*ret = &d->base;
		d = NULL;
	}
out:
	if (d)
		close_source(&d->base);
	return s;
}
