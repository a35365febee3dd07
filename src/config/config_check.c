/* SPDX-License-Identifier: PostgreSQL */
/*
 * Judges values and the references between sections.  Must never repeat the
 * value of a connection string: it is where people put passwords.
 */
#include "config/config_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/now.h"
#include "config/config_check_token.h"
#include "config/config_conninfo.h"
#include "config/config_grant.h"
#include "config/config_read.h"

#define SERVERS_MAX 8192 /* more than a conninfo can name */

/* "FILE:LINE: [role sap] key: sentence". */
static enum status refuse(struct reason *why, const struct config_group *g,
			  const struct config_value *v, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static enum status refuse(struct reason *why, const struct config_group *g,
			  const struct config_value *v, const char *fmt, ...)
{
	char sentence[REASON_MAX], title[CONFIG_TITLE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	config_model_title(g, title);
	if (!v)
		return reason_set(why, STATUS_CONFIG, "%s: %s %s", g->where,
				  title, sentence);
	return reason_set(why, STATUS_CONFIG, "%s: %s %s: %s", v->origin, title,
			  config_model_row(v->key)->key, sentence);
}

static enum status check_length(const struct config_group *g,
				const struct config_value *v,
				const struct config_row *row,
				struct reason *why)
{
	size_t n = strlen(v->text);

	if (n == 0 && row->min > 0)
		return refuse(why, g, v,
			      "has no value; leave the line out for "
			      "the default");
	if (n < (size_t)row->min || n > (size_t)row->max)
		return refuse(why, g, v,
			      "has %zu bytes, and may have %lld to "
			      "%lld",
			      n, (long long)row->min, (long long)row->max);
	/* A tab is the one control character a file may hold. */
	if (text_has_control(v->text, n))
		return refuse(why, g, v, "holds a tab; write spaces");
	if (row->type == CONFIG_TYPE_PATH && v->text[0] != '/')
		return refuse(why, g, v, "must be an absolute path");
	return STATUS_OK;
}

static enum status check_number(const struct config_group *g,
				struct config_value *v,
				const struct config_row *row,
				struct reason *why)
{
	bool duration = row->type == CONFIG_TYPE_DURATION;
	int64_t unit = duration ? NOW_SECOND : 1, n;
	struct reason detail = { { 0 } };

	if (config_model_number(row, v->text, &n, &detail) != STATUS_OK)
		return refuse(why, g, v, "%s", detail.text);
	if (row->type != CONFIG_TYPE_BOOL &&
	    (n < row->min * unit || n > row->max * unit))
		return refuse(why, g, v, "%s is out of range, %lld%s to %lld%s",
			      v->text, (long long)row->min, duration ? "s" : "",
			      (long long)row->max, duration ? "s" : "");
	v->number = n;
	return STATUS_OK;
}

static enum status check_values(struct config_group *g, struct reason *why)
{
	struct reason detail = { { 0 } };
	enum status s = STATUS_OK;

	for (struct config_value *v = g->first; v && s == STATUS_OK;
	     v = v->next) {
		const struct config_row *row = config_model_row(v->key);

		if (config_read_unquote(v->text, &detail) != STATUS_OK)
			return refuse(why, g, v, "%s", detail.text);
		if (row->type == CONFIG_TYPE_INT ||
		    row->type == CONFIG_TYPE_DURATION ||
		    row->type == CONFIG_TYPE_BOOL)
			s = check_number(g, v, row, why);
		else
			s = check_length(g, v, row, why);
	}
	return s;
}

static enum status check_required(const struct config_group *g,
				  struct reason *why)
{
	for (int k = 0; k < CONFIG_KEY_COUNT; k++) {
		enum config_key key = (enum config_key)k;
		const struct config_row *row = config_model_row(key);

		if (row->section == g->section && row->required &&
		    !config_model_value(g, key))
			return refuse(why, g, NULL, "lacks the setting \"%s\"",
				      row->key);
	}
	return STATUS_OK;
}

/* s in words, which are divided by spaces? */
static bool is_word_of(const char *s, size_t n, const char *words)
{
	for (const char *w = words; *w; w += strspn(w, " ")) {
		size_t len = strcspn(w, " ");

		if (len == n && memcmp(w, s, n) == 0)
			return true;
		w += len;
	}
	return false;
}

static enum status check_keyturn(const struct config_group *g,
				 struct reason *why)
{
	const struct config_value *v;

	v = config_model_value(g, CONFIG_keyturn_ledger);
	if (v && v->text[0] != '/') {
		if (strstr(v->text, "://"))
			return refuse(why, g, v,
				      "a ledger in a server is not "
				      "available in this release; name a "
				      "SQLite file");
		return refuse(why, g, v, "must be an absolute path");
	}
	return STATUS_OK;
}

/* Which types of store know a setting; what has no effect is a mistake, unless
 * it is the default, which `config show` prints. */
static enum status check_store_keys(const struct config_group *g,
				    const char *type, struct reason *why)
{
	static const struct {
		enum config_key key;
		const char *types;
	} known[] = {
		{ CONFIG_store_path, "local" },
		{ CONFIG_store_key, "local" },
		{ CONFIG_store_ring, "local vault" },
		{ CONFIG_store_prefix, "vault aws" },
		{ CONFIG_store_region, "aws" },
		{ CONFIG_store_endpoint, "aws" },
		{ CONFIG_store_profile, "aws" },
		{ CONFIG_store_ca_file, "vault aws" },
		{ CONFIG_store_address, "vault" },
		{ CONFIG_store_mount, "vault" },
		{ CONFIG_store_namespace, "vault" },
		{ CONFIG_store_auth_namespace, "vault" },
		{ CONFIG_store_auth, "vault" },
		{ CONFIG_store_auth_mount, "vault" },
		{ CONFIG_store_auth_role, "vault" },
		{ CONFIG_store_token_file, "vault" },
		{ CONFIG_store_role_id, "vault" },
		{ CONFIG_store_secret_id_file, "vault" },
		{ CONFIG_store_secret_id_wrapped, "vault" },
		{ CONFIG_store_jwt_file, "vault" },
		{ CONFIG_store_ca_dir, "vault" },
		{ CONFIG_store_client_cert, "vault" },
		{ CONFIG_store_client_key, "vault" },
		{ CONFIG_store_proxy, "vault" },
		{ CONFIG_store_timeout, "vault aws" },
		{ CONFIG_store_create, "aws" },
		{ CONFIG_store_kms_key, "aws" },
		{ CONFIG_store_tag, "aws" },
		{ CONFIG_store_announce, "aws" },
		{ CONFIG_store_fips, "aws" },
		{ CONFIG_store_dualstack, "aws" },
	};

	for (const struct config_value *v = g->first; v; v = v->next)
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (v->key == known[i].key &&
			    strcmp(v->text, config_model_row(v->key)->def) !=
				    0 &&
			    !is_word_of(type, strlen(type), known[i].types))
				return refuse(
					why, g, v,
					"has no effect in a store of type "
					"%s",
					type);
	return STATUS_OK;
}

/* Where tokens and passwords would go; the store looks at the rest of it. */
static enum status check_vault(const struct config_group *g, struct reason *why)
{
	const struct config_value *v =
		config_model_value(g, CONFIG_store_address);

	if (!v)
		return refuse(why, g, NULL, "needs an address");
	for (v = g->first; v; v = v->next) {
		if (v->key == CONFIG_store_address &&
		    strncmp(v->text, "https://", 8) != 0 &&
		    strncmp(v->text, "http://", 7) != 0)
			return refuse(why, g, v, "must begin with https://");
		if (v->key == CONFIG_store_auth &&
		    !is_word_of(v->text, strlen(v->text),
				"token approle kubernetes jwt cert"))
			return refuse(why, g, v,
				      "must be token, approle, kubernetes, jwt "
				      "or cert");
	}
	return STATUS_OK;
}

static enum status check_store(const struct config_group *g, struct reason *why)
{
	const struct config_value *v;
	enum status s;

	v = config_model_value(g, CONFIG_store_type);
	if (v && !is_word_of(v->text, strlen(v->text), "local vault aws"))
		return refuse(why, g, v,
			      "\"%s\" is not available in this "
			      "release; the type of a store is local, vault "
			      "or aws",
			      v->text);
	s = check_store_keys(g, v ? v->text : "local", why);
	if (s == STATUS_OK && v && strcmp(v->text, "vault") == 0)
		s = check_vault(g, why);
	return s;
}

static enum status check_conninfo(const struct config_group *g,
				  const struct config_value *v,
				  struct reason *why)
{
	const char *keyword = config_conninfo_secret(v->text);

	if (!keyword)
		return STATUS_OK;
	return refuse(why, g, v,
		      "holds a %s; secrets are never settings, they "
		      "are files: use admin_passfile for the administrator's "
		      "password",
		      keyword);
}

static enum status check_cluster(const struct config_group *g,
				 struct reason *why)
{
	const struct config_value *v;
	enum status s = STATUS_OK;
	char *end;
	long port;

	for (v = g->first; v && s == STATUS_OK; v = v->next) {
		if (v->key == CONFIG_cluster_conninfo ||
		    v->key == CONFIG_cluster_endpoint)
			s = check_conninfo(g, v, why);
	}
	if (s != STATUS_OK)
		return s;
	v = config_model_value(g, CONFIG_cluster_sslmode);
	if (v && !is_word_of(v->text, strlen(v->text),
			     "disable allow prefer require verify-ca "
			     "verify-full"))
		return refuse(why, g, v,
			      "\"%s\" is none of disable, allow, "
			      "prefer, require, verify-ca, verify-full",
			      v->text);
	v = config_model_value(g, CONFIG_cluster_admin);
	if (v && !is_word_of(v->text, strlen(v->text), "passfile self") &&
	    (strncmp(v->text, "token:", 6) != 0 || !v->text[6]))
		return refuse(why, g, v,
			      "\"%s\" is none of passfile, token:NAME, self",
			      v->text);
	if (v && strcmp(v->text, "passfile") != 0 &&
	    config_model_value(g, CONFIG_cluster_admin_passfile))
		return refuse(why, g, v,
			      "is %s, so admin_passfile would not be used; "
			      "remove one of them",
			      v->text);
	v = config_model_value(g, CONFIG_cluster_marker);
	if (v && !is_word_of(v->text, strlen(v->text), "table none"))
		return refuse(why, g, v, "\"%s\" is none of table, none",
			      v->text);
	v = config_model_value(g, CONFIG_cluster_password_send);
	if (v && !is_word_of(v->text, strlen(v->text), "scram auto plain"))
		return refuse(why, g, v, "\"%s\" is none of scram, auto, plain",
			      v->text);
	v = config_model_value(g, CONFIG_cluster_refusal_wait);
	if (v && config_duration_us(g, CONFIG_cluster_refusal_wait) >=
			 config_duration_us(g, CONFIG_cluster_prove_deadline))
		return refuse(
			why, g, v,
			"is not shorter than prove_deadline, within which "
			"it must pass");
	v = config_model_value(g, CONFIG_cluster_port);
	if (!v)
		return STATUS_OK;
	port = strtol(v->text, &end, 10);
	if (v->text[strspn(v->text, "0123456789")] || *end || port < 1 ||
	    port > 65535)
		return refuse(why, g, v, "%s is out of range, 1 to 65535",
			      v->text);
	return STATUS_OK;
}

static enum status check_policy(const struct config_group *g,
				struct reason *why)
{
	const struct config_value *v;
	size_t n;

	v = config_model_value(g, CONFIG_policy_require);
	if (!v)
		return STATUS_OK;
	for (const char *w = v->text + strspn(v->text, " "); *w;
	     w += n, w += strspn(w, " ")) {
		n = strcspn(w, " ");
		if (!is_word_of(w, n, "upper lower digit symbol"))
			return refuse(why, g, v,
				      "\"%.*s\" is none of upper, "
				      "lower, digit, symbol",
				      (int)n, w);
	}
	return STATUS_OK;
}

/* A setting that names another section. */
static enum status check_reference(const struct config *c,
				   const struct config_group *g,
				   enum config_key key,
				   enum config_section section,
				   struct reason *why)
{
	const struct config_value *v = config_model_value(g, key);

	if (!v || config_find(c, section, v->text))
		return STATUS_OK;
	return refuse(why, g, v, "there is no [%s %s]",
		      config_model_kind(section)->word, v->text);
}

/* An interval that schedule.h will read; zero makes no sense there. */
static enum status check_interval(const struct config_group *g,
				  enum config_key key, struct reason *why)
{
	const struct config_value *v = config_model_value(g, key);
	struct reason detail = { { 0 } };
	int64_t us;

	if (!v)
		return STATUS_OK;
	if (duration_parse(v->text, &us, &detail) != STATUS_OK)
		return refuse(why, g, v, "%s", detail.text);
	if (us == 0)
		return refuse(why, g, v, "must be more than nothing");
	return STATUS_OK;
}

static enum status check_timing(const struct config_group *g,
				struct reason *why)
{
	static const enum config_key needs_time[] = { CONFIG_role_window,
						      CONFIG_role_splay };
	const struct config_value *cron, *every, *v;
	enum status s;

	cron = config_model_value(g, CONFIG_role_schedule);
	every = config_model_value(g, CONFIG_role_every);
	if (cron && every)
		return refuse(why, g, every,
			      "schedule is set at %s; a role "
			      "has one or the other",
			      cron->origin);
	for (size_t i = 0; i < 2 && !cron && !every; i++) {
		v = config_model_value(g, needs_time[i]);
		if (v)
			return refuse(why, g, v,
				      "has no effect without "
				      "schedule or every");
	}
	s = check_interval(g, CONFIG_role_every, why);
	return s == STATUS_OK ? check_interval(g, CONFIG_role_splay, why) : s;
}

/* Secrets Manager keeps about 100 versions and purges none within 24 hours: more
 * than one in 14.4 minutes fills a secret up, and then no write succeeds. */
static enum status check_quota(const struct config *c,
			       const struct config_group *g, struct reason *why)
{
	const struct config_value *v = config_model_value(g, CONFIG_role_every);
	const struct config_group *store = config_find(
		c, CONFIG_SECTION_store, config_string(g, CONFIG_role_store));
	int64_t us;

	if (!v || !store ||
	    strcmp(config_string(store, CONFIG_store_type), "aws") != 0 ||
	    duration_parse(v->text, &us, NULL) != STATUS_OK)
		return STATUS_OK;
	if (us >= 15 * 60 * NOW_SECOND)
		return STATUS_OK;
	return refuse(why, g, v,
		      "is too often for AWS, which keeps 100 versions for 24 "
		      "hours; at least 15m");
}

/* Whom the agent serves.  Whether the names exist is its host's affair. */
static enum status check_grants(const struct config_group *g,
				struct reason *why)
{
	static const enum config_key keys[] = { CONFIG_role_readers,
						CONFIG_role_verifiers,
						CONFIG_role_listers,
						CONFIG_role_requesters };
	struct reason detail = { { 0 } };
	struct config_grant grant;
	enum status s;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const struct config_value *v = config_model_value(g, keys[i]);
		const char *at = v ? v->text : "";

		do
			s = config_grant_next(&at, &grant, &detail);
		while (s == STATUS_OK);
		if (s != STATUS_NOT_FOUND)
			return refuse(why, g, v, "%s", detail.text);
	}
	return STATUS_OK;
}

/* What systemd never asks for would be there without effect. */
static enum status check_units(const struct config_group *g, struct reason *why)
{
	static const char *const kinds[] = { ".service", ".socket", ".mount",
					     ".swap" };
	const struct config_value *v = config_model_value(g, CONFIG_role_units);
	const char *w = v ? v->text : "";
	size_t n, k;

	for (w += strspn(w, " "); *w; w += n, w += strspn(w, " ")) {
		n = strcspn(w, " ");
		for (k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
			if (n > strlen(kinds[k]) &&
			    memcmp(w + n - strlen(kinds[k]), kinds[k],
				   strlen(kinds[k])) == 0)
				break;
		if (k == sizeof(kinds) / sizeof(*kinds))
			return refuse(why, g, v,
				      "%.*s is no unit that can load a "
				      "credential; write its whole name, as in "
				      "app.service",
				      (int)n, w);
	}
	return STATUS_OK;
}

static enum status check_role(const struct config *c,
			      const struct config_group *g, struct reason *why)
{
	const struct config_value *v;
	enum status s;

	s = check_reference(c, g, CONFIG_role_cluster, CONFIG_SECTION_cluster,
			    why);
	if (s == STATUS_OK)
		s = check_reference(c, g, CONFIG_role_store,
				    CONFIG_SECTION_store, why);
	if (s == STATUS_OK)
		s = check_reference(c, g, CONFIG_role_policy,
				    CONFIG_SECTION_policy, why);
	if (s != STATUS_OK)
		return s;
	v = config_model_value(g, CONFIG_role_strategy);
	if (v && strcmp(v->text, "single") != 0)
		return refuse(why, g, v,
			      "\"%s\" is not available in this "
			      "release; the strategy is single",
			      v->text);
	s = check_quota(c, g, why);
	if (s == STATUS_OK)
		s = check_grants(g, why);
	if (s == STATUS_OK)
		s = check_units(g, why);
	return s == STATUS_OK ? check_timing(g, why) : s;
}

static enum status check_group(struct config *c, struct config_group *g,
			       struct reason *why)
{
	enum status s = check_values(g, why);

	if (s == STATUS_OK)
		s = check_required(g, why);
	if (s != STATUS_OK)
		return s;
	switch (g->section) {
	case CONFIG_SECTION_keyturn:
		return check_keyturn(g, why);
	case CONFIG_SECTION_store:
		return check_store(g, why);
	case CONFIG_SECTION_cluster:
		return check_cluster(g, why);
	case CONFIG_SECTION_policy:
		return check_policy(g, why);
	case CONFIG_SECTION_role:
		return check_role(c, g, why);
	case CONFIG_SECTION_hook: /* assembly/courier.c looks at it whole */
	case CONFIG_SECTION_agent:
	case CONFIG_SECTION_COUNT:
		break;
	case CONFIG_SECTION_token:
		return config_check_token(g, why);
	case CONFIG_SECTION_sink:
		return config_check_token_sink(c, g, why);
	}
	return STATUS_OK;
}

/* The name that PostgreSQL knows. */
static const char *rolname(const struct config_group *g)
{
	const char *set = config_string(g, CONFIG_role_rolname);

	return *set ? set : g->name;
}

/* A role as its servers know it. */
struct login {
	const struct config_group *group;
	struct text servers; /* config_conninfo.h */
};

static int by_login(const void *a, const void *b)
{
	const struct login *x = a, *y = b;
	int order = strcmp(rolname(x->group), rolname(y->group));

	return order ? order :
		       strcmp(config_string(x->group, CONFIG_role_cluster),
			      config_string(y->group, CONFIG_role_cluster));
}

/* The first server of one that is also the other's; "" when there is none. */
static void shared_server(const struct login *a, const struct login *b,
			  char *ret, size_t size)
{
	const char *s = text_str(&a->servers);
	size_t n;

	/* With the blanks on both sides. */
	for (; *s && s[1]; s += n - 1) {
		n = strcspn(s + 1, " ") + 2;
		if (n >= size)
			continue;
		memcpy(ret, s, n);
		ret[n] = '\0';
		if (strstr(text_str(&b->servers), ret))
			return;
	}
	ret[0] = '\0';
}

/* Two sections that rotate one login would undo each other's work. */
static enum status compare_logins(const struct login *a, const struct login *b,
				  struct reason *why)
{
	const char *one = config_string(a->group, CONFIG_role_cluster);
	const char *other = config_string(b->group, CONFIG_role_cluster);
	char title[CONFIG_TITLE_SIZE], server[512];

	config_model_title(a->group, title);
	if (strcmp(one, other) == 0)
		return refuse(why, b->group, NULL,
			      "and %s at %s are the same role of the same "
			      "cluster",
			      title, a->group->where);
	shared_server(a, b, server, sizeof(server));
	if (!server[0])
		return STATUS_OK;
	return refuse(why, b->group, NULL,
		      "and %s at %s are the same role of one server:%sis in "
		      "[cluster %s] and in [cluster %s]",
		      title, a->group->where, server, one, other);
}

static enum status list_logins(const struct config *c, struct login *logins,
			       struct reason *why)
{
	const struct config_groups *roles = &c->sections[CONFIG_SECTION_role];

	for (size_t i = 0; i < roles->n; i++) {
		const struct config_group *cluster;

		logins[i].group = roles->in_order[i];
		logins[i].servers = text_make(SERVERS_MAX);
		cluster = config_find(c, CONFIG_SECTION_cluster,
				      config_string(roles->in_order[i],
						    CONFIG_role_cluster));
		config_conninfo_servers(config_string(cluster,
						      CONFIG_cluster_conninfo),
					&logins[i].servers);
		if (text_status(&logins[i].servers) != STATUS_OK)
			return reason_set(why, STATUS_NO_MEMORY,
					  "no memory for the configuration");
	}
	return STATUS_OK;
}

static enum status check_logins(const struct config *c, struct reason *why)
{
	size_t n = c->sections[CONFIG_SECTION_role].n;
	struct login *logins = NULL;
	enum status s;

	if (n < 2)
		return STATUS_OK;
	logins = calloc(n, sizeof(*logins));
	if (!logins)
		return reason_set(why, STATUS_NO_MEMORY,
				  "no memory for the configuration");
	s = list_logins(c, logins, why);
	if (s == STATUS_OK)
		qsort(logins, n, sizeof(*logins), by_login);
	for (size_t i = 0; i < n && s == STATUS_OK; i++)
		for (size_t j = i + 1; j < n && s == STATUS_OK &&
				       strcmp(rolname(logins[i].group),
					      rolname(logins[j].group)) == 0;
		     j++)
			s = compare_logins(&logins[i], &logins[j], why);
	for (size_t i = 0; i < n; i++)
		text_free(&logins[i].servers);
	free(logins);
	return s;
}

enum status config_check_all(struct config *c, struct reason *why)
{
	enum status s = STATUS_OK;

	for (size_t k = 0; k < CONFIG_SECTION_COUNT; k++) {
		for (size_t i = 0; i < c->sections[k].n; i++) {
			s = check_group(c, c->sections[k].in_order[i], why);
			if (s != STATUS_OK)
				return s;
		}
	}
	return check_logins(c, why);
}
