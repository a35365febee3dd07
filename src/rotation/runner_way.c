/* SPDX-License-Identifier: PostgreSQL */
/*
 * The way that the logins of a role go, and what is remembered of it: was it
 * proved lately, was a wrong password refused lately?  Must never make a login.
 */
#include "rotation/runner_way.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "rotation/runner_env.h"
#include "rotation/runner_member.h"

#define NAME_SIZE 394

struct cluster_who runner_way_who(const struct runner *r)
{
	const char *login = runner_member_login(r);
	struct cluster_who who = { .role = login,
				   .prove_dbname = r->job->prove_dbname,
				   .dbname = r->job->dbname,
				   .direct = r->direct,
				   .gives = r->gives };

	if (strcmp(login, r->job->rolname) != 0)
		who.owner = r->job->rolname;
	for (size_t i = 0; i < r->job->n_sinks && !who.auth_file; i++)
		if (r->job->sinks[i].kind == SINK_PGBOUNCER)
			who.auth_file = r->job->sinks[i].path;
	return who;
}

static void name_user(const struct runner *r, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%s:%s", r->job->cluster->name,
		 runner_member_login(r));
}

/* "proved 3f..9a 1800000000000000": by which way, and when a wrong password was
 * last refused there; "tried" when a proof by it is not known. */
static void read_way(struct runner *r)
{
	struct cluster *t = r->job->cluster;
	struct ledger *l = r->env->o.ledger;
	char name[NAME_SIZE], value[LEDGER_TEXT_SIZE], word[8] = "";
	char way[CLUSTER_WAY_SIZE] = "";
	const struct cluster_who w = runner_way_who(r);
	int64_t controlled = 0;

	if (r->way.read && strcmp(r->way.login, w.role) == 0)
		return;
	/* What one member's logins show says nothing of the other's. */
	if (r->way.read)
		r->controlled = false;
	memset(&r->way, 0, sizeof(r->way)); /* not secret */
	r->way.read = true;
	text_copy(r->way.login, sizeof(r->way.login), w.role);
	if (t->ops->way(t, &w, r->way.hash) != STATUS_OK)
		r->way.hash[0] = '\0';
	name_user(r, name);
	if (!r->way.hash[0] ||
	    ledger_fact_recall(l, LEDGER_FACT_LOGIN, name,
			       now_wall(r->env->o.now), value,
			       NULL) != STATUS_OK ||
	    sscanf(value, "%7s %64s %" SCNd64, word, way, &controlled) != 3 ||
	    strcmp(way, r->way.hash) != 0)
		return;
	r->way.known = true;
	r->way.proved = strcmp(word, "proved") == 0;
	r->way.controlled_us = controlled;
}

/* Less than control_interval ago; a stamp of the future says nothing. */
static bool is_recent(const struct runner *r, int64_t at_us)
{
	int64_t ago = now_wall(r->env->o.now) - at_us;

	return at_us > 0 && ago >= 0 && ago < r->env->o.control_interval_us;
}

bool runner_way_was_proved(struct runner *r)
{
	read_way(r);
	return r->way.proved && is_recent(r, r->role.rotated_us) &&
	       strcmp(r->role.last_status, status_name(STATUS_OK)) == 0 &&
	       strcmp(r->role.version, r->current) == 0;
}

bool runner_way_was_controlled(struct runner *r)
{
	read_way(r);
	return r->controlled || is_recent(r, r->way.controlled_us);
}

void runner_way_remember(struct runner *r, bool proved)
{
	struct ledger *l = r->env->o.ledger;
	int64_t now = now_wall(r->env->o.now);
	char name[NAME_SIZE], value[LEDGER_TEXT_SIZE];

	read_way(r);
	if (!r->way.hash[0] || r->env->o.control_interval_us <= 0)
		return;
	if (r->controlled && !r->way.counted)
		r->way.controlled_us = now;
	else if (r->way.known && r->way.proved == proved)
		return;
	r->way.known = r->way.counted = true;
	r->way.proved = proved;
	name_user(r, name);
	snprintf(value, sizeof(value), "%s %s %" PRId64,
		 proved ? "proved" : "tried", r->way.hash,
		 r->way.controlled_us);
	/* What is forgotten costs a login. */
	(void)ledger_fact_remember(l, LEDGER_FACT_LOGIN, name, value, now,
				   NULL);
}
