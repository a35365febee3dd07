/* SPDX-License-Identifier: PostgreSQL */
/*
 * Checks each value against its row of settings.def, and then what no row can
 * say: how settings of a section, and sections, go together.  Must never accept
 * a setting that has no effect, nor repeat a value that may be a secret: people
 * put passwords into connection strings.
 */
#include "config/config_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/consumer.h"
#include "base/now.h"
#include "base/words.h"
#include "config/config_conninfo.h"
#include "config/config_gateway.h"
#include "config/config_grant.h"
#include "config/config_read.h"
#include "config/config_refuse.h"

#define SERVERS_MAX  8192 /* more than a conninfo can name */
#define TOKEN_LEAST  (5 * 60 * NOW_SECOND)
#define AWS_INTERVAL (15 * 60 * NOW_SECOND)

/* ---- one value, by its row --------------------------------------------- */

static enum status check_length(const struct config_group *g,
				const struct config_value *v,
				const struct config_row *row,
				struct reason *why)
{
	size_t n = strlen(v->text);

	if (n == 0 && row->min > 0)
		return config_refuse(why, g, v,
				     "has no value; leave the line out for "
				     "the default");
	if (n < (size_t)row->min || n > (size_t)row->max)
		return config_refuse(why, g, v,
				     "has %zu bytes, and may have %lld to "
				     "%lld",
				     n, (long long)row->min,
				     (long long)row->max);
	/* A tab is the only control character that a file may contain. */
	if (text_has_control(v->text, n))
		return config_refuse(why, g, v, "holds a tab; write spaces");
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
		return config_refuse(why, g, v, "%s", detail.text);
	if (row->type == CONFIG_TYPE_INTERVAL && n == 0)
		return config_refuse(why, g, v, "must be greater than zero");
	if ((row->type == CONFIG_TYPE_INT || duration) &&
	    (n < row->min * unit || n > row->max * unit))
		return config_refuse(why, g, v,
				     "%s is out of range, %lld%s to %lld%s",
				     v->text, (long long)row->min,
				     duration ? "s" : "", (long long)row->max,
				     duration ? "s" : "");
	v->number = n;
	return STATUS_OK;
}

static enum status check_port(const struct config_group *g,
			      const struct config_value *v, struct reason *why)
{
	long n = strtol(v->text, NULL, 10);

	if (v->text[strspn(v->text, "0123456789")] || n < 1 ||
	    n > CONFIG_PORT_MAX)
		return config_refuse(why, g, v, "%s is out of range, 1 to %d",
				     v->text, CONFIG_PORT_MAX);
	return STATUS_OK;
}

/* The words of ENUM, SET and SOURCE. */
static enum status check_words(const struct config_group *g,
			       const struct config_value *v, const char *type,
			       struct reason *why)
{
	const struct config_row *row = config_model_row(v->key);
	const char *at = v->text, *word = at;
	char words[CONFIG_WORDS_SIZE];
	size_t n = strlen(word);
	struct text list;
	enum status s;

	config_model_words(row, type, words);
	if (row->type == CONFIG_TYPE_SET)
		word = words_next_item(&at, &n);
	while (row->type == CONFIG_TYPE_SET && word &&
	       words_have(words, word, n))
		word = words_next_item(&at, &n);
	if (!word || words_have(words, word, n) ||
	    (row->type == CONFIG_TYPE_SOURCE && *word == '/'))
		return STATUS_OK;
	list = text_make(REASON_MAX);
	words_join(words, " or ", &list);
	if (row->type == CONFIG_TYPE_SOURCE)
		s = config_refuse(why, g, v,
				  "must be %s; secrets are never settings",
				  text_str(&list));
	else
		s = config_refuse(why, g, v, "must be %s, not \"%.*s\"",
				  text_str(&list), (int)(n > 40 ? 40 : n),
				  word);
	text_free(&list);
	return s;
}

/* A setting that names a section. */
static enum status check_name(const struct config *c,
			      const struct config_group *g,
			      const struct config_value *v, struct reason *why)
{
	const char *word = config_model_row(v->key)->words;

	if (config_find(c, config_model_find_kind(word, strlen(word)), v->text))
		return STATUS_OK;
	return config_refuse(why, g, v, "there is no [%s %s]", word, v->text);
}

/* Whether the users and groups exist depends on the agent's host. */
static enum status check_grants(const struct config_group *g,
				const struct config_value *v,
				struct reason *why)
{
	struct reason detail = { { 0 } };
	struct config_grant grant;
	const char *at = v->text;
	enum status s;

	do
		s = config_grant_next(&at, &grant, &detail);
	while (s == STATUS_OK);
	return s == STATUS_NOT_FOUND ?
		       STATUS_OK :
		       config_refuse(why, g, v, "%s", detail.text);
}

static enum status check_value(const struct config *c,
			       const struct config_group *g,
			       struct config_value *v, const char *type,
			       struct reason *why)
{
	const struct config_row *row = config_model_row(v->key);
	enum status s;

	/* `config show` prints defaults, and what it prints must load. */
	if (!config_model_applies(row, type) && strcmp(v->text, row->def) != 0)
		return config_refuse(why, g, v,
				     "has no effect in a %s of type %s",
				     config_model_kind(g->section)->word, type);
	if (config_model_is_number(row))
		return check_number(g, v, row, why);
	s = row->max > 0 ? check_length(g, v, row, why) : STATUS_OK;
	if (s != STATUS_OK)
		return s;
	switch (row->type) {
	case CONFIG_TYPE_PATH:
		if (v->text[0] != '/')
			s = config_refuse(why, g, v,
					  "must be an absolute path");
		return s;
	case CONFIG_TYPE_INTERVAL:
		return check_number(g, v, row, why);
	case CONFIG_TYPE_PORT:
		return check_port(g, v, why);
	case CONFIG_TYPE_ENUM:
	case CONFIG_TYPE_SET:
	case CONFIG_TYPE_SOURCE:
		return check_words(g, v, type, why);
	case CONFIG_TYPE_NAME:
		return check_name(c, g, v, why);
	case CONFIG_TYPE_GRANTS:
		return check_grants(g, v, why);
	default:
		return STATUS_OK;
	}
}

/* The rows of a section depend on its type, so that one comes first. */
static enum status check_type(const struct config_group *g, struct reason *why)
{
	enum config_key k = config_model_find_key(g->section, "type");
	const struct config_value *v =
		k == CONFIG_KEY_COUNT ? NULL : config_model_value(g, k);

	return v ? check_words(g, v, "", why) : STATUS_OK;
}

static enum status check_required(const struct config_group *g,
				  const char *type, struct reason *why)
{
	for (int k = 0; k < CONFIG_KEY_COUNT; k++) {
		enum config_key key = (enum config_key)k;
		const struct config_row *row = config_model_row(key);

		if (row->section == g->section && row->required &&
		    config_model_applies(row, type) &&
		    !config_model_value(g, key))
			return config_refuse(why, g, NULL,
					     "lacks the setting \"%s\"",
					     row->key);
	}
	return STATUS_OK;
}

static enum status check_values(const struct config *c, struct config_group *g,
				struct reason *why)
{
	struct reason detail = { { 0 } };
	enum status s;

	for (struct config_value *v = g->first; v; v = v->next) {
		if (config_read_unquote(v->text, &detail) != STATUS_OK)
			return config_refuse(why, g, v, "%s", detail.text);
	}
	s = check_type(g, why);
	if (s == STATUS_OK)
		s = check_required(g, config_model_type(g), why);
	for (struct config_value *v = g->first; v && s == STATUS_OK;
	     v = v->next)
		s = check_value(c, g, v, config_model_type(g), why);
	return s;
}

/* ---- what goes together ------------------------------------------------ */

static enum status check_keyturn(const struct config_group *g,
				 struct reason *why)
{
	const struct config_value *v =
		config_model_value(g, CONFIG_keyturn_ledger);

	if (!v || v->text[0] == '/')
		return STATUS_OK;
	if (strstr(v->text, "://"))
		return config_refuse(
			why, g, v,
			"a ledger in a server is not available in this "
			"release; name a SQLite file");
	return config_refuse(why, g, v, "must be an absolute path");
}

/* Tokens and passwords go to these addresses; the store checks the rest. */
static enum status check_store(const struct config_group *g, struct reason *why)
{
	for (const struct config_value *v = g->first; v; v = v->next) {
		if (v->key == CONFIG_store_address &&
		    strncmp(v->text, "https://", 8) != 0 &&
		    strncmp(v->text, "http://", 7) != 0)
			return config_refuse(why, g, v,
					     "must begin with https://");
	}
	return STATUS_OK;
}

static enum status check_cluster(const struct config_group *g,
				 struct reason *why)
{
	const struct config_value *v;
	const char *keyword;

	if (config_gateway_check_cluster(g, why) != STATUS_OK)
		return STATUS_CONFIG;
	for (v = g->first; v; v = v->next) {
		if (v->key != CONFIG_cluster_conninfo &&
		    v->key != CONFIG_cluster_endpoint)
			continue;
		keyword = config_conninfo_secret(v->text);
		if (keyword)
			return config_refuse(
				why, g, v,
				"holds a %s; secrets are never "
				"settings, they are files: use "
				"admin_passfile for the administrator's "
				"password",
				keyword);
	}
	v = config_model_value(g, CONFIG_cluster_admin);
	if (v && strcmp(v->text, "passfile") != 0 &&
	    config_is_set(g, CONFIG_cluster_admin_passfile))
		return config_refuse(
			why, g, v,
			"is %s, so admin_passfile would not be used; "
			"remove one of them",
			v->text);
	v = config_model_value(g, CONFIG_cluster_refusal_wait);
	if (v &&
	    v->number >= config_duration_us(g, CONFIG_cluster_prove_deadline))
		return config_refuse(
			why, g, v,
			"is not shorter than prove_deadline, within which "
			"it must pass");
	return STATUS_OK;
}

static enum status check_timing(const struct config_group *g,
				struct reason *why)
{
	static const enum config_key needs_time[] = { CONFIG_role_window,
						      CONFIG_role_splay,
						      CONFIG_role_notice };
	const struct config_value *cron, *every, *v;

	cron = config_model_value(g, CONFIG_role_schedule);
	every = config_model_value(g, CONFIG_role_every);
	if (cron && every)
		return config_refuse(why, g, every,
				     "schedule is set at %s; a role "
				     "has one or the other",
				     cron->origin);
	for (size_t i = 0; i < 3 && !cron && !every; i++) {
		v = config_model_value(g, needs_time[i]);
		if (v)
			return config_refuse(why, g, v,
					     "has no effect without "
					     "schedule or every");
	}
	return STATUS_OK;
}

/* Secrets Manager keeps about 100 versions and deletes none within 24 hours:
 * more than one in 14.4 minutes fills a secret up, and then no write succeeds. */
static enum status check_quota(const struct config *c,
			       const struct config_group *g, struct reason *why)
{
	const struct config_value *v = config_model_value(g, CONFIG_role_every);
	const struct config_group *store = config_find(
		c, CONFIG_SECTION_store, config_string(g, CONFIG_role_store));
	/* Of a pair the retirement makes one, too. */
	int n = config_is_pair(g) ? 2 : 1;

	if (!v || v->number >= n * AWS_INTERVAL ||
	    strcmp(config_model_type(store), "aws") != 0)
		return STATUS_OK;
	return config_refuse(
		why, g, v,
		"is too often for AWS, which keeps 100 versions for 24 "
		"hours; at least %dm",
		n * (int)(AWS_INTERVAL / (60 * NOW_SECOND)));
}

/* systemd never asks for the credentials of any other unit. */
static enum status check_units(const struct config_group *g, struct reason *why)
{
	static const char *const kinds[] = { ".service", ".socket", ".mount",
					     ".swap" };
	const struct config_value *v = config_model_value(g, CONFIG_role_units);
	const char *at = v ? v->text : "", *w;
	size_t n, k;

	while ((w = words_next(&at, &n)) != NULL) {
		for (k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
			if (n > strlen(kinds[k]) &&
			    memcmp(w + n - strlen(kinds[k]), kinds[k],
				   strlen(kinds[k])) == 0)
				break;
		if (k == sizeof(kinds) / sizeof(*kinds))
			return config_refuse(
				why, g, v,
				"%.*s is not a unit that can load a "
				"credential; write its whole name, as in "
				"app.service",
				(int)n, w);
	}
	return STATUS_OK;
}

/* The two words of members; STATUS_CONFIG says what is wrong with them. */
static enum status check_members(const struct config_group *g,
				 struct reason *why)
{
	const struct config_value *v =
		config_model_value(g, CONFIG_role_members);
	const char *at = v ? v->text : "", *first, *second;
	const char *owner = config_rolname(g);
	size_t n = 0, m = 0, rest;

	if (!v)
		return config_refuse(
			why, g, NULL,
			"needs members = A B, the two login roles of "
			"strategy = alternating");
	first = words_next(&at, &n);
	second = words_next(&at, &m);
	if (!first || !second || words_next(&at, &rest))
		return config_refuse(why, g, v, "must name two roles");
	if (n >= 64 || m >= 64)
		return config_refuse(why, g, v,
				     "names a role of more than 63 bytes");
	if (n == m && memcmp(first, second, n) == 0)
		return config_refuse(why, g, v, "names one role twice");
	if ((strlen(owner) == n && memcmp(first, owner, n) == 0) ||
	    (strlen(owner) == m && memcmp(second, owner, m) == 0))
		return config_refuse(
			why, g, v,
			"has the owner (%s) among them; the members are "
			"two other roles",
			owner);
	return STATUS_OK;
}

/* libpq chooses a line of a pgpass file by the user, and takes the user from
 * nowhere in it: alone it would never lead to the other member. */
static enum status check_pair_sinks(const struct config_group *g,
				    struct reason *why)
{
	size_t n = config_list_n(g, CONFIG_role_sink), lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += strncmp(config_list_at(g, CONFIG_role_sink, i),
				 "pgpass ", 7) == 0;
	if (n == 0 || lines < n)
		return STATUS_OK;
	return config_refuse(
		why, g, config_model_value(g, CONFIG_role_sink),
		"is a pgpass file alone, which cannot tell a client the "
		"user, and that changes with each rotation; add a sink "
		"that can (service, env), or let clients use "
		"keyturn-credential");
}

/* No one's password ends unseen: who is to be waited for must be known. */
static enum status check_retire(const struct config_group *g,
				struct reason *why)
{
	if (strcmp(config_string(g, CONFIG_role_retire), "auto") == 0 &&
	    !config_is_set(g, CONFIG_role_consumers))
		return config_refuse(
			why, g, config_model_value(g, CONFIG_role_retire),
			"auto needs consumers, who must have been seen "
			"with the new password before the old one ends");
	return STATUS_OK;
}

static enum status check_pair(const struct config *c,
			      const struct config_group *g, struct reason *why)
{
	static const enum config_key only[] = {
		CONFIG_role_members, CONFIG_role_owner, CONFIG_role_tombstone,
		CONFIG_role_retire, CONFIG_role_quiet
	};
	const struct config_group *cluster =
		config_find(c, CONFIG_SECTION_cluster,
			    config_string(g, CONFIG_role_cluster));
	const struct config_value *strategy =
		config_model_value(g, CONFIG_role_strategy);
	enum status s;

	if (!config_is_pair(g)) {
		/* What `config show` prints is no setting of a person's. */
		for (size_t i = 0; i < sizeof(only) / sizeof(*only); i++)
			if (config_model_value(g, only[i]) &&
			    strcmp(config_model_value(g, only[i])->text,
				   config_model_row(only[i])->def) != 0)
				return config_refuse(
					why, g, config_model_value(g, only[i]),
					"has no effect without strategy "
					"= alternating");
		return STATUS_OK;
	}
	if (config_is_set(g, CONFIG_role_owner) &&
	    config_is_set(g, CONFIG_role_rolname))
		return config_refuse(
			why, g, config_model_value(g, CONFIG_role_owner),
			"and rolname are the same thing here; set one");
	if (strcmp(config_string(cluster, CONFIG_cluster_admin), "self") == 0)
		return config_refuse(
			why, g, strategy,
			"alternating needs an administrator, who can "
			"change both members; [cluster %s] has admin = "
			"self",
			config_name(cluster));
	s = check_members(g, why);
	if (s == STATUS_OK)
		s = check_retire(g, why);
	return s == STATUS_OK ? check_pair_sinks(g, why) : s;
}

/* Two that are one would never all be seen, and none would tell. */
static enum status check_consumers(const struct config_group *g,
				   struct reason *why)
{
	const struct config_value *v =
		config_model_value(g, CONFIG_role_consumers);
	const char *at = v ? v->text : "", *w, *before, *x;
	struct reason detail = { { 0 } };
	size_t n, m;

	while ((w = words_next(&at, &n)) != NULL) {
		if (consumer_check(w, n, &detail) != STATUS_OK)
			return config_refuse(why, g, v, "%s", detail.text);
		before = v->text;
		while ((x = words_next(&before, &m)) != NULL && x < w)
			if (m == n && memcmp(x, w, n) == 0)
				return config_refuse(why, g, v,
						     "names %.*s twice", (int)n,
						     w);
	}
	return STATUS_OK;
}

/* What a deadline does is of no use to who has none. */
static enum status check_handoff(const struct config_group *g,
				 struct reason *why)
{
	bool manual = strcmp(config_string(g, CONFIG_role_handoff), "manual") ==
		      0;
	bool deadline = config_duration_us(g, CONFIG_role_handoff_deadline) > 0;
	bool retires = strcmp(config_string(g, CONFIG_role_deadline_action),
			      "retire") == 0;

	if (deadline && !manual)
		return config_refuse(
			why, g,
			config_model_value(g, CONFIG_role_handoff_deadline),
			"has no effect without handoff = manual");
	if (retires && !deadline)
		return config_refuse(
			why, g,
			config_model_value(g, CONFIG_role_deadline_action),
			"retire needs handoff_deadline");
	return STATUS_OK;
}

/* Each is there, and named once. */
static enum status check_deliveries(const struct config *c,
				    const struct config_group *g,
				    struct reason *why)
{
	const struct config_value *v =
		config_model_value(g, CONFIG_role_delivery);
	size_t n = config_list_n(g, CONFIG_role_delivery);

	for (size_t i = 0; i < n; i++) {
		const char *name = config_list_at(g, CONFIG_role_delivery, i);

		if (!config_find(c, CONFIG_SECTION_delivery, name))
			return config_refuse(why, g, v,
					     "there is no [delivery %s]", name);
		for (size_t k = 0; k < i; k++)
			if (strcmp(config_list_at(g, CONFIG_role_delivery, k),
				   name) == 0)
				return config_refuse(why, g, v,
						     "%s is there twice", name);
	}
	return STATUS_OK;
}

static enum status check_delivery(const struct config_group *g,
				  struct reason *why)
{
	const struct config_value *v =
		config_model_value(g, CONFIG_delivery_command);

	if (config_list_at(g, CONFIG_delivery_command, 0)[0] != '/')
		return config_refuse(
			why, g, v,
			"must begin with the absolute path of a program; "
			"no shell looks for it");
	return STATUS_OK;
}

/* The rest of it is for whoever does the steps to understand. */
static enum status check_after(const struct config_group *g, struct reason *why)
{
	for (const struct config_value *v = g->first; v; v = v->next) {
		const char *rest = v->text + strcspn(v->text, " \t\n");
		const char *keyword = v->key == CONFIG_role_after ?
					      config_conninfo_secret(rest) :
					      NULL;

		if (keyword)
			return config_refuse(why, g, v,
					     "holds a %s; secrets are never "
					     "settings, they are files: use "
					     "passfile=PATH",
					     keyword);
	}
	return STATUS_OK;
}

static enum status check_role(const struct config *c, struct config_group *g,
			      struct reason *why)
{
	enum status s = check_quota(c, g, why);

	if (s == STATUS_OK)
		s = check_pair(c, g, why);
	if (s == STATUS_OK)
		s = config_gateway_check_role(c, g, why);
	if (s == STATUS_OK)
		s = check_deliveries(c, g, why);
	if (s == STATUS_OK)
		s = check_after(g, why);
	if (s == STATUS_OK)
		s = check_units(g, why);
	if (s == STATUS_OK)
		s = check_consumers(g, why);
	if (s == STATUS_OK)
		s = check_handoff(g, why);
	return s == STATUS_OK ? check_timing(g, why) : s;
}

/* Letters, digits, "-" and "."; no dot at either end. */
static bool is_host_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && s[0] != '.' && s[n - 1] != '.' && !strstr(s, "..") &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789-.") == n;
}

static enum status check_token(const struct config_group *g, struct reason *why)
{
	const char *type = config_model_type(g);
	const struct config_value *ttl =
		config_model_value(g, CONFIG_token_ttl);
	const struct config_value *host =
		config_model_value(g, CONFIG_token_host);
	const struct config_value *instance =
		config_model_value(g, CONFIG_token_instance);
	bool rds = strcmp(type, "aws-rds") == 0;

	if (rds && !host)
		return config_refuse(why, g, NULL,
				     "needs host, which the token is for");
	if (rds && !is_host_name(host->text))
		return config_refuse(
			why, g, host,
			"must be the host's name alone, which is signed "
			"as it stands: no scheme, port, path or dot at "
			"the end");
	if ((rds || strcmp(type, "azure") == 0) &&
	    !config_is_set(g, CONFIG_token_user))
		return config_refuse(why, g, NULL, "needs user");
	if (ttl && ttl->number > 0 && ttl->number < TOKEN_LEAST)
		return config_refuse(why, g, ttl, "must be 5m to 1h, or 0s");
	if (instance && config_is_set(g, CONFIG_token_endpoint))
		return config_refuse(
			why, g, instance,
			"is of Lakebase Provisioned and endpoint of "
			"Autoscaling; set one of them");
	return STATUS_OK;
}

static enum status check_group(struct config *c, struct config_group *g,
			       struct reason *why)
{
	enum status s = check_values(c, g, why);

	if (s != STATUS_OK)
		return s;
	switch (g->section) {
	case CONFIG_SECTION_keyturn:
		return check_keyturn(g, why);
	case CONFIG_SECTION_store:
		return check_store(g, why);
	case CONFIG_SECTION_cluster:
		return check_cluster(g, why);
	case CONFIG_SECTION_role:
		return check_role(c, g, why);
	case CONFIG_SECTION_delivery:
		return check_delivery(g, why);
	case CONFIG_SECTION_token:
		return check_token(g, why);
	default: /* the rows say it all; what opens a hook checks the rest */
		return STATUS_OK;
	}
}

/* ---- one login, two sections ------------------------------------------- */

/* A role in PostgreSQL, and the servers that it is one of. */
struct login {
	char name[64];
	const struct config_group *group;
	const struct text *servers; /* config_conninfo.h */
};

static int by_login(const void *a, const void *b)
{
	const struct login *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order :
		       strcmp(config_string(x->group, CONFIG_role_cluster),
			      config_string(y->group, CONFIG_role_cluster));
}

/* The first server that both have, with a blank on each side; "" without one. */
static void shared_server(const struct login *a, const struct login *b,
			  char *ret, size_t size)
{
	const char *s = text_str(a->servers);
	size_t n;

	for (; *s && s[1]; s += n - 1) {
		n = strcspn(s + 1, " ") + 2;
		if (n >= size)
			continue;
		memcpy(ret, s, n);
		ret[n] = '\0';
		if (strstr(text_str(b->servers), ret))
			return;
	}
	ret[0] = '\0';
}

/* Two sections that rotate the same login would undo each other's work. */
static enum status compare_logins(const struct login *a, const struct login *b,
				  struct reason *why)
{
	const char *one = config_string(a->group, CONFIG_role_cluster);
	const char *other = config_string(b->group, CONFIG_role_cluster);
	char title[CONFIG_TITLE_SIZE], server[512];

	config_model_title(a->group, title);
	if (strcmp(one, other) == 0)
		return config_refuse(
			why, b->group, NULL,
			"and %s at %s are the same role of the same "
			"cluster",
			title, a->group->where);
	shared_server(a, b, server, sizeof(server));
	if (!server[0])
		return STATUS_OK;
	return config_refuse(
		why, b->group, NULL,
		"and %s at %s are the same role of one server:%sis in "
		"[cluster %s] and in [cluster %s]",
		title, a->group->where, server, one, other);
}

/* The role and, of a pair, its members; at most three.  Their number. */
static size_t list_names(const struct config_group *g,
			 const struct text *servers, struct login *ret)
{
	const char *at = config_string(g, CONFIG_role_members), *word;
	size_t n = 0, bytes;

	ret[n].group = g;
	ret[n].servers = servers;
	(void)text_copy(ret[n].name, sizeof(ret[n].name), config_rolname(g));
	n++;
	while (n < 3 && (word = words_next(&at, &bytes)) != NULL) {
		ret[n] = ret[0];
		snprintf(ret[n].name, sizeof(ret[n].name), "%.*s", (int)bytes,
			 word);
		n++;
	}
	return n;
}

static enum status list_servers(const struct config *c,
				const struct config_group *g, struct text *ret,
				struct reason *why)
{
	const struct config_group *cluster =
		config_find(c, CONFIG_SECTION_cluster,
			    config_string(g, CONFIG_role_cluster));

	*ret = text_make(SERVERS_MAX);
	config_conninfo_servers(config_string(cluster, CONFIG_cluster_conninfo),
				ret);
	for (size_t i = 0; config_is_gateway(cluster) &&
			   i < config_list_n(cluster, CONFIG_cluster_endpoint);
	     i++)
		config_conninfo_servers(
			config_list_at(cluster, CONFIG_cluster_endpoint, i),
			ret);
	return text_status(ret) == STATUS_OK ? STATUS_OK :
					       reason_no_memory(why);
}

static enum status compare_all(struct login *logins, size_t n,
			       struct reason *why)
{
	enum status s = STATUS_OK;

	qsort(logins, n, sizeof(*logins), by_login);
	for (size_t i = 0; i < n && s == STATUS_OK; i++)
		for (size_t j = i + 1;
		     j < n && s == STATUS_OK &&
		     strcmp(logins[i].name, logins[j].name) == 0;
		     j++)
			s = compare_logins(&logins[i], &logins[j], why);
	return s;
}

static enum status check_logins(const struct config *c, struct reason *why)
{
	const struct config_groups *roles = &c->sections[CONFIG_SECTION_role];
	struct text *servers = calloc(roles->n + 1, sizeof(*servers));
	struct login *logins = calloc(3 * roles->n + 1, sizeof(*logins));
	enum status s = servers && logins ? STATUS_OK : reason_no_memory(why);
	size_t n = 0;

	for (size_t i = 0; i < roles->n && s == STATUS_OK; i++) {
		s = list_servers(c, roles->in_order[i], &servers[i], why);
		n += list_names(roles->in_order[i], &servers[i], logins + n);
	}
	if (s == STATUS_OK)
		s = compare_all(logins, n, why);
	for (size_t i = 0; servers && i < roles->n; i++)
		text_free(&servers[i]);
	free(servers);
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
	s = config_gateway_check_all(c, why);
	return s == STATUS_OK ? check_logins(c, why) : s;
}
