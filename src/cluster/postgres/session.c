/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sessions of a cluster: opened, kept and reused.  Must never hand out a session
 * that another claim is bound to.
 */
#include "cluster/postgres/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/postgres/connect.h"
#include "cluster/postgres/marker.h"
#include "cluster/postgres/setup.h"

#define IDLE_MAX 32

static void session_free(struct cluster_session *s)
{
	if (s == NULL)
		return;
	pg_close(s->pg);
	free(s);
}

static void free_list(struct cluster_session *s)
{
	struct cluster_session *next;

	for (; s != NULL; s = next) {
		next = s->next;
		session_free(s);
	}
}

/* Take the sessions that are of no use any more out of the idle list. */
static struct cluster_session *unlink_stale(struct cluster_postgres *p)
{
	struct cluster_session **at = &p->idle, *s, *stale = NULL;

	while ((s = *at) != NULL) {
		if (now_boot(p->o.now) - s->idle_since < CLUSTER_IDLE_LIFE_US &&
		    pg_run_refresh(s->pg)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		p->n_idle--;
		s->next = stale;
		stale = s;
	}
	return stale;
}

void cluster_postgres_session_sweep(struct cluster_postgres *p)
{
	struct cluster_session *stale;

	pthread_mutex_lock(&p->lock);
	stale = unlink_stale(p);
	pthread_mutex_unlock(&p->lock);
	free_list(stale);
}

/* An idle session that still answers, or NULL. */
static struct cluster_session *take_idle(struct cluster_postgres *p)
{
	struct cluster_session *s, *stale;

	pthread_mutex_lock(&p->lock);
	stale = unlink_stale(p);
	s = p->idle;
	if (s != NULL) {
		p->idle = s->next;
		p->n_idle--;
		s->next = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	free_list(stale);
	return s;
}

void cluster_postgres_session_drop_idle(struct cluster_postgres *p)
{
	free_list(p->idle);
	p->idle = NULL;
}

static enum status new_session(struct cluster_postgres *p, const char *role,
			       struct cluster_session **ret, struct reason *why)
{
	struct cluster_session *s = calloc(1, sizeof(*s));
	int n;

	if (s == NULL)
		return reason_no_memory(why);
	n = snprintf(s->schema, sizeof(s->schema), "%s%s%s", p->marker_schema,
		     role != NULL ? "_" : "", role != NULL ? role : "");
	if (n >= (int)sizeof(s->schema)) {
		free(s);
		return reason_set(why, STATUS_CONFIG,
				  "cluster %s: with admin = self a role has a "
				  "marker schema of its own, and \"%s_%s\" is "
				  "longer than 63 bytes; choose a shorter "
				  "marker_schema, or marker = none",
				  p->name, p->marker_schema, role);
	}
	*ret = s;
	return STATUS_OK;
}

enum status cluster_postgres_session_open(struct cluster *t,
					  struct cluster_session **ret,
					  struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	struct cluster_session *s = take_idle(p);
	unsigned lifted;
	bool again = true;
	enum status st;

	if (s != NULL) {
		*ret = s;
		return STATUS_OK;
	}
	st = new_session(p, NULL, &s, why);
	if (st != STATUS_OK)
		return st;
	while (again) {
		again = false;
		lifted = p->lift;
		pg_close(s->pg);
		s->pg = NULL;
		st = cluster_postgres_connect(p, NULL, &s->pg, why);
		if (st == STATUS_OK)
			st = cluster_postgres_setup(p, s, lifted, &again, why);
	}
	if (st != STATUS_OK) {
		session_free(s);
		return reason_wrap(why, st, "cluster %s", p->name);
	}
	if (pg_info_lists_hosts(p->infos[0])) {
		pthread_mutex_lock(&p->lock);
		pg_place(s->pg, &p->primary);
		pthread_mutex_unlock(&p->lock);
	}
	*ret = s;
	return STATUS_OK;
}

static enum status refuse_candidates(const struct cluster_postgres *p,
				     const char *role, size_t n,
				     struct reason *why)
{
	if (n == 0)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s: role %s changes its own password "
			"(admin = self) and the store has none yet; "
			"keyturn import %s takes the present one over",
			p->name, role, role);
	return reason_set(why, STATUS_REFUSED,
			  "cluster %s: role %s changes its own password (admin "
			  "= self), and none that the store has is taken: it "
			  "was changed, or pg_hba.conf wants more than a "
			  "password; keyturn import takes the present one over",
			  p->name, role);
}

enum status cluster_postgres_session_open_as(
	struct cluster *t, const char *role,
	const struct cluster_candidate *candidates, size_t n,
	struct cluster_session **ret, struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	struct cluster_session *s = NULL;
	struct pg_login_report report = { .class = PG_CLASS_LOST };
	struct pg_login login = {
		.info = p->infos[0],
		.user = role,
		.read_write = true,
		.timeout_us = p->o.connect_timeout_us,
		.application_name = "keyturn",
		.lift = p->lift,
	};
	enum status st = cluster_postgres_check_name(role, why);
	bool again = true;
	size_t i = 0;

	if (st == STATUS_OK)
		st = new_session(p, role, &s, why);
	if (st != STATUS_OK)
		return st;
	for (st = STATUS_NOT_FOUND; i < n && st != STATUS_OK; i++) {
		login.password = candidates[i].password;
		st = cluster_postgres_connect_awake(p, &login, &s->pg, &report,
						    why);
		/* Only a plain "no" to this one makes the next one worth
		 * trying (finding 9). */
		if (st != STATUS_OK &&
		    !cluster_postgres_connect_refused(&report))
			break;
	}
	if (st != STATUS_OK &&
	    (i == n && (n == 0 || cluster_postgres_connect_refused(&report))))
		st = refuse_candidates(p, role, n, why);
	if (st == STATUS_OK)
		text_copy(s->live, sizeof(s->live), candidates[i - 1].version);
	while (st == STATUS_OK && again) {
		st = cluster_postgres_setup(p, s, login.lift, &again, why);
		if (!again)
			break;
		pg_close(s->pg);
		s->pg = NULL;
		login.lift = p->lift;
		st = cluster_postgres_connect_awake(p, &login, &s->pg, &report,
						    why);
	}
	if (st != STATUS_OK) {
		session_free(s);
		return reason_wrap(why, st, "cluster %s", p->name);
	}
	*ret = s;
	return STATUS_OK;
}

void cluster_postgres_session_release(struct cluster *t,
				      struct cluster_session *s, bool clean)
{
	struct cluster_postgres *p = cluster_postgres_of(t);

	if (s == NULL)
		return;
	if (clean && !s->broken)
		p->marker->end(s);
	/* A role's own session is of no use to another. */
	if (clean && !s->broken && !p->cluster.self && pg_alive(s->pg)) {
		s->idle_since = now_boot(p->o.now);
		pthread_mutex_lock(&p->lock);
		if (p->n_idle < IDLE_MAX) {
			s->next = p->idle;
			p->idle = s;
			p->n_idle++;
			s = NULL;
		}
		pthread_mutex_unlock(&p->lock);
	}
	session_free(s);
}
