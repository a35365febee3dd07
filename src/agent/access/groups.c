/* SPDX-License-Identifier: PostgreSQL */
/* Answers who may do what; must never say yes to what is not written. */
#include "agent/access/groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/text.h"
#include "base/words.h"
#include "open/open.h"

struct agent_access_groups {
	struct agent_role *roles; /* by name */
	size_t n;
	struct agent_access_rules anybody; /* all rules together */
	size_t n_unknown;		   /* names that grant nothing yet */
	bool away; /* because one could not be looked up */
	bool quiet;
};

struct unknown {
	struct agent_access_groups *groups;
	const struct agent_role *role;
};

static void note_unknown(void *arg, bool none, const struct reason *why)
{
	const struct unknown *u = arg;

	u->groups->n_unknown++;
	u->groups->away = u->groups->away || !none;
	if (!u->groups->quiet)
		log_line(LOG_LEVEL_WARN,
			 "%s: %s; until it is known, it lets no one in",
			 u->role->name, why->text);
}

struct grants {
	enum config_key key;
	struct agent_access_rules *to;
};

static enum status read_rules(struct agent_access_groups *r,
			      struct agent_role *role,
			      const struct grants *grants, size_t n,
			      struct reason *why)
{
	struct unknown unknown = { r, role };
	enum status s = STATUS_OK;

	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		s = agent_access_rules_add(
			grants[i].to, config_string(role->group, grants[i].key),
			note_unknown, &unknown, why);
		if (s == STATUS_OK)
			s = agent_access_rules_join(&r->anybody, grants[i].to,
						    why);
	}
	return s;
}

static enum status add_role(struct agent_access_groups *r,
			    const struct config *config,
			    const struct config_group *g, struct reason *why)
{
	const struct config_group *cluster =
		config_find(config, CONFIG_SECTION_cluster,
			    config_string(g, CONFIG_role_cluster));
	struct agent_role *role = &r->roles[r->n++];
	const struct grants grants[] = {
		{ CONFIG_role_readers, &role->readers },
		{ CONFIG_role_verifiers, &role->verifiers },
		{ CONFIG_role_listers, &role->listers },
		{ CONFIG_role_requesters, &role->requesters },
	};

	*role = (struct agent_role){
		.group = g,
		.store = config_string(g, CONFIG_role_store),
		.realm = config_name(cluster),
		.rolname = open_rolname(g),
		.members = config_string(g, CONFIG_role_members),
		.host = config_string(cluster, CONFIG_cluster_host),
		.port = config_string(cluster, CONFIG_cluster_port),
		.dbname = config_is_set(g, CONFIG_role_dbname) ?
				  config_string(g, CONFIG_role_dbname) :
				  config_string(cluster, CONFIG_cluster_dbname),
		.sslmode = config_string(cluster, CONFIG_cluster_sslmode),
		.units = config_string(g, CONFIG_role_units),
		.grace_us = config_duration_us(g, CONFIG_role_grace),
	};
	text_copy(role->name, sizeof(role->name), config_name(g));
	return read_rules(r, role, grants, 4, why);
}

static enum status add_token(struct agent_access_groups *r,
			     const struct config_group *g, struct reason *why)
{
	struct agent_role *role = &r->roles[r->n++];
	const struct grants grants[] = {
		{ CONFIG_token_readers, &role->readers },
		{ CONFIG_token_listers, &role->listers },
	};

	*role = (struct agent_role){
		.group = g,
		.token = true,
		.realm = "",
		.rolname = config_string(g, CONFIG_token_user),
		.members = "",
		.host = config_string(g, CONFIG_token_host),
		.port = config_string(g, CONFIG_token_port),
		.dbname = config_string(g, CONFIG_token_dbname),
		.sslmode = config_string(g, CONFIG_token_sslmode),
		.units = "",
		.life_us = config_duration_us(g, CONFIG_token_min_life),
	};
	snprintf(role->name, sizeof(role->name), AGENT_TOKEN "%s",
		 config_name(g));
	return read_rules(r, role, grants, 2, why);
}

static int by_name(const void *a, const void *b)
{
	const struct agent_role *x = a, *y = b;

	return strcmp(x->name, y->name);
}

enum status agent_access_groups_new(const struct config *config, bool quiet,
				    struct agent_access_groups **ret,
				    struct reason *why)
{
	size_t n_roles = config_count(config, CONFIG_SECTION_role);
	size_t n_tokens = config_count(config, CONFIG_SECTION_token);
	struct agent_access_groups *r = calloc(1, sizeof(*r));
	enum status s = STATUS_OK;

	if (r)
		r->quiet = quiet;
	if (r)
		r->roles = calloc(n_roles + n_tokens + 1, sizeof(*r->roles));
	if (!r || !r->roles)
		s = reason_no_memory(why);
	for (size_t i = 0; i < n_roles && s == STATUS_OK; i++)
		s = add_role(r, config,
			     config_at(config, CONFIG_SECTION_role, i), why);
	for (size_t i = 0; i < n_tokens && s == STATUS_OK; i++)
		s = add_token(r, config_at(config, CONFIG_SECTION_token, i),
			      why);
	if (s != STATUS_OK) {
		agent_access_groups_free(r);
		return s;
	}
	qsort(r->roles, r->n, sizeof(*r->roles), by_name);
	for (size_t i = 0; i < r->n; i++)
		if (r->roles[i].token) /* where it stands now */
			r->roles[i].store = r->roles[i].name;
	*ret = r;
	return STATUS_OK;
}

void agent_access_groups_free(struct agent_access_groups *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		agent_access_rules_clear(&r->roles[i].readers);
		agent_access_rules_clear(&r->roles[i].verifiers);
		agent_access_rules_clear(&r->roles[i].listers);
		agent_access_rules_clear(&r->roles[i].requesters);
	}
	agent_access_rules_clear(&r->anybody);
	free(r->roles);
	free(r);
}

/* The store is not asked for a secret that no one may have.  One that is only
 * checked is not held in clear. */
static enum status fill_role(struct agent_role *role, struct agent_cache *c,
			     struct reason *why)
{
	struct agent_secret wish = { 0 };
	bool read = !agent_access_rules_empty(&role->readers) || role->units[0];
	bool verify = !agent_access_rules_empty(&role->verifiers);

	if (!read && !verify &&
	    (role->token || agent_access_rules_empty(&role->listers)))
		return STATUS_OK;
	text_copy(wish.name, sizeof(wish.name), role->name);
	text_copy(wish.store, sizeof(wish.store), role->store);
	wish.token = role->token;
	wish.want_content = read || verify;
	wish.want_clear = read;
	wish.want_previous = verify && role->grace_us > 0;
	return agent_cache_want(c, &wish, &role->secret, why);
}

enum status agent_access_groups_fill(struct agent_access_groups *r,
				     struct agent_cache *c, struct reason *why)
{
	enum status s = STATUS_OK;

	agent_cache_want_begin(c);
	for (size_t i = 0; i < r->n && s == STATUS_OK; i++)
		s = fill_role(&r->roles[i], c, why);
	agent_cache_want_end(c);
	return s;
}

size_t agent_access_groups_unknown(const struct agent_access_groups *r,
				   bool *ret_away)
{
	*ret_away = r->away;
	return r->n_unknown;
}

size_t agent_access_groups_count(const struct agent_access_groups *r)
{
	return r->n;
}

struct agent_role *agent_access_groups_at(const struct agent_access_groups *r,
					  size_t i)
{
	return &r->roles[i];
}

size_t agent_access_groups_behind(const struct agent_access_groups *r,
				  const char *name)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(r->roles[mid].name, name) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct agent_role *agent_access_groups_find(const struct agent_access_groups *r,
					    const char *name)
{
	size_t i = agent_access_groups_behind(r, name);

	return i > 0 && strcmp(r->roles[i - 1].name, name) == 0 ?
		       &r->roles[i - 1] :
		       NULL;
}

bool agent_access_groups_knows(const struct agent_access_groups *r,
			       const struct agent_peer *p)
{
	return agent_access_rules_match(&r->anybody, p);
}

bool agent_access_groups_may(const struct agent_role *role,
			     enum agent_right right, const struct agent_peer *p)
{
	switch (right) {
	case AGENT_RIGHT_NOBODY:
		return true;
	case AGENT_RIGHT_READ:
	case AGENT_RIGHT_REPORT:
		return agent_access_rules_match(&role->readers, p);
	case AGENT_RIGHT_VERIFY:
		return agent_access_rules_match(&role->verifiers, p);
	case AGENT_RIGHT_LIST:
		return agent_access_rules_match(&role->readers, p) ||
		       agent_access_rules_match(&role->listers, p);
	case AGENT_RIGHT_REQUEST:
		return agent_access_rules_match(&role->requesters, p);
	case AGENT_RIGHT_ADMIN:
		break;
	}
	return false;
}

/* A template, "app@.service", means each of its instances. */
static bool is_unit(const char *word, size_t n, const char *unit)
{
	const char *at = memchr(word, '@', n);
	size_t head = at ? (size_t)(at - word) + 1 : 0, tail = n - head;
	size_t len = strlen(unit);

	if (head == 0 || tail == 0 || word[head] != '.')
		return n == len && memcmp(word, unit, n) == 0;
	return len >= n && memcmp(unit, word, head) == 0 &&
	       memcmp(unit + len - tail, word + head, tail) == 0;
}

bool agent_access_groups_unit(const struct agent_role *role, const char *unit)
{
	const char *at = role->units, *w;
	size_t n;

	while ((w = words_next(&at, &n)) != NULL)
		if (is_unit(w, n, unit))
			return true;
	return false;
}

static const char *first_set(const char *configured, const char *held)
{
	return configured && *configured ? configured : held;
}

struct agent_access_groups_place agent_access_groups_place(
	const struct agent_role *role)
{
	static const struct agent_secret nothing;
	const struct agent_secret *s = role->secret ? role->secret : &nothing;

	return (struct agent_access_groups_place){
		.host = first_set(role->host, s->host),
		.port = first_set(role->port, s->port),
		.dbname = first_set(role->dbname, s->dbname),
	};
}

/* What is not known of a role does not speak against it. */
static bool fits_text(const char *asked, const char *is)
{
	return !*asked || !*is || strcmp(asked, is) == 0;
}

/* Of a list of hosts each is one of the role's; DNS knows no case. */
static bool fits_host(const char *asked, const char *is)
{
	bool path = asked[0] == '/';
	size_t n = strlen(asked);

	if (fits_text(asked, is))
		return true;
	for (; *is; is += strcspn(is, ","), is += *is == ',')
		if (strcspn(is, ",") == n &&
		    (path ? memcmp(is, asked, n) : strncasecmp(is, asked, n)) ==
			    0)
			return true;
	return false;
}

static bool is_member(const struct agent_role *role, const char *user)
{
	const char *at = role->members, *w;
	size_t n;

	while ((w = words_next(&at, &n)) != NULL)
		if (strlen(user) == n && memcmp(w, user, n) == 0)
			return true;
	return false;
}

/* A member is one before its secret is known, too: who asks then is told to
 * come again, and is not taken for a stranger. */
static bool is_user(const struct agent_role *role, const char *user)
{
	const struct agent_secret *s = role->secret;

	return !*user || strcmp(user, role->rolname) == 0 ||
	       is_member(role, user) ||
	       (s && s->current.id[0] &&
		strcmp(user, s->current.username) == 0) ||
	       (s && s->previous.id[0] &&
		strcmp(user, s->previous.username) == 0);
}

bool agent_access_groups_matches(const struct agent_role *role,
				 const struct agent_access_groups_query *q)
{
	const struct agent_access_groups_place is =
		agent_access_groups_place(role);

	return is_user(role, q->user) && fits_text(q->realm, role->realm) &&
	       fits_host(q->host, is.host) && fits_text(q->port, is.port) &&
	       fits_text(q->dbname, is.dbname);
}
