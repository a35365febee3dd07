/* SPDX-License-Identifier: PostgreSQL */
/*
 * Events that are written down, but not in the file yet.  Must never lose the
 * order in which those of one run came.
 */
#include "ledger/sqlite/notes.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ledger/sqlite/common.h"
#include "ledger/sqlite/trail.h"

/* Events noted for later, in memory: beyond that they are written at once. */
#define PENDING_MAX 4096

void ledger_sqlite_notes_init(struct ledger_sqlite_notes *ns)
{
	ns->first = NULL;
	ns->last = &ns->first;
	ns->n = 0;
}

static void notes_add(struct ledger_sqlite_notes *ns,
		      struct ledger_sqlite_note *n)
{
	n->next = NULL;
	*ns->last = n;
	ns->last = &n->next;
	ns->n++;
}

void ledger_sqlite_notes_join(struct ledger_sqlite_notes *to,
			      struct ledger_sqlite_notes *from)
{
	if (!from->first)
		return;
	*to->last = from->first;
	to->last = from->last;
	to->n += from->n;
	ledger_sqlite_notes_init(from);
}

void ledger_sqlite_notes_free(struct ledger_sqlite_notes *ns)
{
	struct ledger_sqlite_note *n, *next;

	for (n = ns->first; n; n = next) {
		next = n->next;
		free(n->body);
		free(n);
	}
	ledger_sqlite_notes_init(ns);
}

enum status ledger_sqlite_notes_write(struct ledger_sqlite *l,
				      struct ledger_sqlite_notes *ns,
				      const struct audit_event *e,
				      struct reason *why)
{
	struct ledger_sqlite_note *n = calloc(1, sizeof *n);
	enum status st;

	if (!n)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	st = audit_event_body(e, e->at_us ? e->at_us : now_wall(l->now),
			      &n->body, why);
	if (st == STATUS_OK &&
	    text_copy(n->run, sizeof n->run, e->run ? e->run : "") != STATUS_OK)
		st = reason_set(why, STATUS_LIMIT, "a run id is a UUID");
	if (st != STATUS_OK) {
		free(n->body);
		free(n);
		return st;
	}
	notes_add(ns, n);
	return STATUS_OK;
}

enum status ledger_sqlite_notes_write_all(struct ledger_sqlite *l,
					  struct ledger_sqlite_notes *ns,
					  const struct audit_event *events,
					  size_t n, struct reason *why)
{
	enum status st = STATUS_OK;
	size_t i;

	for (i = 0; i < n && st == STATUS_OK; i++)
		st = ledger_sqlite_notes_write(l, ns, &events[i], why);
	return st;
}

static bool mentions_run(const struct ledger_sqlite_notes *ns, const char *run)
{
	const struct ledger_sqlite_note *n;

	for (n = ns->first; n; n = n->next)
		if (strcmp(n->run, run) == 0)
			return true;
	return false;
}

void ledger_sqlite_notes_take(struct ledger_sqlite *l,
			      const struct ledger_sqlite_notes *fresh,
			      const char *run,
			      struct ledger_sqlite_notes *ret_old)
{
	struct ledger_sqlite_notes keep;
	struct ledger_sqlite_note *n, *next;

	ledger_sqlite_notes_init(&keep);
	pthread_mutex_lock(&l->lock);
	for (n = l->pending.first; n; n = next) {
		next = n->next;
		if (!n->run[0] || strcmp(n->run, run) == 0 ||
		    mentions_run(fresh, n->run))
			notes_add(ret_old, n);
		else
			notes_add(&keep, n);
	}
	ledger_sqlite_notes_init(&l->pending);
	ledger_sqlite_notes_join(&l->pending, &keep);
	pthread_mutex_unlock(&l->lock);
}

void ledger_sqlite_notes_put_back(struct ledger_sqlite *l,
				  struct ledger_sqlite_notes *old)
{
	pthread_mutex_lock(&l->lock);
	ledger_sqlite_notes_join(old, &l->pending);
	ledger_sqlite_notes_join(&l->pending, old);
	pthread_mutex_unlock(&l->lock);
}

enum status ledger_sqlite_notes_later(struct ledger_sqlite *l,
				      struct ledger_sqlite_notes *fresh,
				      bool *ret_full)
{
	pthread_mutex_lock(&l->lock);
	*ret_full = l->pending.n + fresh->n > PENDING_MAX;
	if (!*ret_full)
		ledger_sqlite_notes_join(&l->pending, fresh);
	pthread_mutex_unlock(&l->lock);
	return STATUS_OK;
}

enum status ledger_sqlite_notes_append(struct lite_tx *tx,
				       const struct ledger_sqlite_notes *ns,
				       struct reason *why)
{
	enum status st = STATUS_OK;
	const struct ledger_sqlite_note *n;

	for (n = ns->first; n && st == STATUS_OK; n = n->next)
		st = ledger_sqlite_trail_append(tx, n->body, why);
	return st;
}
