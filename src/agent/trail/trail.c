/* SPDX-License-Identifier: PostgreSQL */
/* Records hand-outs; must never let one pass that cannot be recorded, nor hold
 * a byte of a secret. */
#include "agent/trail/trail.h"

#include <stdlib.h>
#include <string.h>

#include "agent/trail/writer.h"
#include "base/map.h"
#include "base/text.h"

#define BUCKETS	    4096
#define ENTRIES_MAX 32768
#define RETRY_US    NOW_SECOND

enum entry_state {
	ENTRY_WRITING, /* its first event is on the way */
	ENTRY_KEPT,    /* that event is durable; more are counted */
	ENTRY_FAILED,  /* it was not written */
};

struct entry {
	struct map_link link;
	enum entry_state state;
	bool waits;	 /* somebody's reply waits for it */
	uint64_t ticket; /* of the event; 0 once its hand-out is done */
	int64_t since_us;
	uint64_t more; /* counted since */
	struct agent_trail_writer_line line;
};

struct agent_trail {
	const struct now *now;
	struct agent_trail_writer *writer;
	struct map *entries;
	uint64_t tickets;
	/* A count that could not be written: nothing is handed out. */
	unsigned owed;
	int64_t retry_us;
	char trouble[REASON_MAX];
};

enum status agent_trail_new(struct ledger *ledger, const struct now *now,
			    agent_trail_wake_fn *wake, void *arg,
			    struct agent_trail **ret, struct reason *why)
{
	struct agent_trail *t = calloc(1, sizeof(*t));
	enum status s;

	if (!t)
		return reason_no_memory(why);
	t->now = now;
	t->entries = map_new(BUCKETS);
	s = t->entries ? agent_trail_writer_new(ledger, now, wake, arg,
						&t->writer, why) :
			 reason_no_memory(why);
	if (s != STATUS_OK) {
		map_free(t->entries);
		free(t);
		return s;
	}
	*ret = t;
	return STATUS_OK;
}

static uint32_t hash_line(const struct agent_trail_writer_line *l)
{
	uint32_t h = map_hash(MAP_HASH, &l->uid, sizeof(l->uid));

	h = map_hash(h, &l->stale, sizeof(l->stale));
	h = map_hash_text(h, l->role);
	h = map_hash_text(h, l->version);
	h = map_hash_text(h, l->operation);
	h = map_hash_text(h, l->host);
	h = map_hash_text(h, l->service);
	return map_hash_text(h, l->detail);
}

static bool is_same(const void *thing, const void *key)
{
	const struct agent_trail_writer_line *a =
		&((const struct entry *)thing)->line;
	const struct agent_trail_writer_line *b = key;

	return a->kind == b->kind && a->uid == b->uid && a->stale == b->stale &&
	       strcmp(a->role, b->role) == 0 &&
	       strcmp(a->version, b->version) == 0 &&
	       strcmp(a->operation, b->operation) == 0 &&
	       strcmp(a->status, b->status) == 0 &&
	       strcmp(a->label, b->label) == 0 &&
	       strcmp(a->host, b->host) == 0 &&
	       strcmp(a->service, b->service) == 0 &&
	       strcmp(a->detail, b->detail) == 0;
}

static void put_escaped(char *dst, size_t size, const char *src)
{
	if (src)
		text_escape(dst, size, src, strlen(src));
	else
		dst[0] = '\0';
}

static void line_of(const struct agent_act *act,
		    struct agent_trail_writer_line *l)
{
	l->uid = act->uid;
	l->pid = act->pid;
	l->stale = act->stale;
	l->count = 0;
	l->kind = act->kind;
	put_escaped(l->operation, sizeof(l->operation), act->operation);
	put_escaped(l->status, sizeof(l->status), act->status);
	put_escaped(l->role, sizeof(l->role), act->role);
	put_escaped(l->version, sizeof(l->version), act->version);
	put_escaped(l->label, sizeof(l->label), act->label);
	put_escaped(l->host, sizeof(l->host), act->host);
	put_escaped(l->service, sizeof(l->service), act->service);
	put_escaped(l->detail, sizeof(l->detail), act->detail);
}

static struct entry *find_entry(struct agent_trail *t,
				const struct agent_trail_writer_line *l)
{
	return map_find(t->entries, hash_line(l), is_same, l);
}

/* Write the count of e; it is owed until it is written. */
static bool write_count(struct agent_trail *t, struct entry *e)
{
	struct agent_trail_writer_line l = e->line;

	l.at_us = now_wall(t->now);
	l.count = e->more;
	l.ticket = 0;
	if (!agent_trail_writer_write(t->writer, &l))
		return false;
	e->more = 0;
	return true;
}

static bool write_event(struct agent_trail *t, struct entry *e, bool waits)
{
	e->line.at_us = now_wall(t->now);
	e->line.ticket = e->ticket = ++t->tickets;
	e->waits = waits;
	e->since_us = now_boot(t->now);
	e->state = ENTRY_WRITING;
	if (agent_trail_writer_write(t->writer, &e->line))
		return true;
	e->state = ENTRY_FAILED;
	return false;
}

static struct entry *begin_entry(struct agent_trail *t,
				 const struct agent_trail_writer_line *l,
				 bool waits)
{
	size_t most = waits ? ENTRIES_MAX : ENTRIES_MAX / 2;
	struct entry *e;

	/* Notes wait for the next tick: a sweep for each would cost more. */
	if (waits && map_count(t->entries) >= most && t->owed == 0)
		agent_trail_flush(t);
	e = map_count(t->entries) < most ? calloc(1, sizeof(*e)) : NULL;
	if (!e)
		return NULL;
	e->line = *l;
	if (!write_event(t, e, waits)) {
		free(e);
		return NULL;
	}
	map_put(t->entries, e, hash_line(l));
	return e;
}

enum agent_trail_may agent_trail_hand_out(struct agent_trail *t,
					  const struct agent_act *act,
					  uint64_t *ticket)
{
	struct agent_trail_writer_line l;
	struct entry *e;

	if (t->owed > 0)
		return AGENT_TRAIL_BROKEN;
	line_of(act, &l);
	e = find_entry(t, &l);
	if (!e) {
		e = begin_entry(t, &l, true);
		if (!e)
			return AGENT_TRAIL_BROKEN;
		*ticket = e->ticket;
	} else if (act->each && e->state == ENTRY_KEPT &&
		   (!e->ticket || e->ticket != *ticket)) {
		if (!write_event(t, e, true))
			return AGENT_TRAIL_BROKEN;
		*ticket = e->ticket;
	}
	if (e->state != ENTRY_KEPT) {
		e->waits = e->waits || e->state == ENTRY_WRITING;
		return e->state == ENTRY_WRITING ? AGENT_TRAIL_WAIT :
						   AGENT_TRAIL_BROKEN;
	}
	if (e->ticket && e->ticket == *ticket)
		e->ticket = 0;
	else
		e->more++;
	*ticket = 0;
	return AGENT_TRAIL_GO;
}

void agent_trail_note(struct agent_trail *t, const struct agent_act *act)
{
	struct agent_trail_writer_line l;
	struct entry *e;

	line_of(act, &l);
	e = find_entry(t, &l);
	if (!e)
		begin_entry(t, &l, false);
	else if (!act->each)
		e->more++;
	else if (e->state != ENTRY_WRITING)
		write_event(t, e, false);
}

bool agent_trail_has(struct agent_trail *t, const struct agent_act *act)
{
	struct agent_trail_writer_line l;

	line_of(act, &l);
	return find_entry(t, &l) != NULL;
}

/* Remove entries for which it is time; those with a count write it first.  While
 * counts are owed no others are made: they grow where they are. */
static void sweep_entries(struct agent_trail *t, bool all)
{
	int64_t now = now_boot(t->now);
	struct entry *e, *next;

	for (e = map_next(t->entries, NULL); e; e = next) {
		int64_t life = e->state == ENTRY_FAILED ? RETRY_US :
							  AGENT_TRAIL_WINDOW_US;

		next = map_next(t->entries, e);
		if (e->state == ENTRY_WRITING ||
		    (!all && now - e->since_us < life) ||
		    (e->more > 0 && (t->owed > 0 || !write_count(t, e))))
			continue;
		map_remove(t->entries, e);
		free(e);
	}
}

void agent_trail_flush(struct agent_trail *t)
{
	sweep_entries(t, true);
}

void agent_trail_tick(struct agent_trail *t)
{
	int64_t now = now_boot(t->now);

	sweep_entries(t, false);
	if (t->owed > 0 && now >= t->retry_us) {
		t->retry_us = now + RETRY_US;
		agent_trail_writer_retry(t->writer);
	}
}

/* The first event of an entry was written, or not. */
static bool settle_entry(struct agent_trail *t,
			 const struct agent_trail_writer_line *l, bool written)
{
	struct entry *e = find_entry(t, l);

	if (!e || e->line.ticket != l->ticket)
		return false;
	e->state = written ? ENTRY_KEPT : ENTRY_FAILED;
	e->since_us = now_boot(t->now);
	return e->waits;
}

bool agent_trail_collect(struct agent_trail *t)
{
	struct agent_trail_writer_line *done;
	bool told = false, written;

	while ((done = agent_trail_writer_done(t->writer, &written)) != NULL) {
		if (done->ticket)
			told = settle_entry(t, done, written) || told;
		agent_trail_writer_line_free(done);
	}
	t->owed = agent_trail_writer_owed(t->writer, t->trouble,
					  sizeof(t->trouble));
	return told;
}

const char *agent_trail_trouble(const struct agent_trail *t)
{
	return t->trouble;
}

void agent_trail_free(struct agent_trail *t)
{
	struct entry *e, *next;

	if (!t)
		return;
	t->owed = 0; /* the last try */
	agent_trail_flush(t);
	agent_trail_writer_free(t->writer);
	for (e = map_next(t->entries, NULL); e; e = next) {
		next = map_next(t->entries, e);
		free(e);
	}
	map_free(t->entries);
	free(t);
}
