/* SPDX-License-Identifier: PostgreSQL */
/* Writes events; must never lose a count, nor call an event written that is
 * not durable. */
#include "agent/trail/writer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

#define BATCH_MAX     128
#define QUEUE_MAX     65536
#define CHECKPOINT_US (3600 * NOW_SECOND)
/* How long a request for a rotation is remembered if it is not taken. */

struct list {
	struct agent_trail_writer_line *first, *last;
	unsigned n;
};

struct agent_trail_writer {
	struct ledger *ledger;
	const struct now *now;
	void (*wake)(void *arg);
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock; /* over all below */
	pthread_cond_t work;
	struct list queue, written, failed, owed;
	unsigned late; /* owed, or tried again right now */
	bool stop, retry, broken;
	char why[REASON_MAX];
	int64_t checkpoint_us;
};

static void append_line(struct list *l, struct agent_trail_writer_line *line)
{
	line->next = NULL;
	if (l->last)
		l->last->next = line;
	else
		l->first = line;
	l->last = line;
	l->n++;
}

static struct agent_trail_writer_line *take_line(struct list *l)
{
	struct agent_trail_writer_line *line = l->first;

	if (!line)
		return NULL;
	l->first = line->next;
	if (!l->first)
		l->last = NULL;
	l->n--;
	return line;
}

static void join_lists(struct list *to, struct list *from)
{
	struct agent_trail_writer_line *line;

	while ((line = take_line(from)) != NULL)
		append_line(to, line);
}

/* ROTATE and TAKEN: what was asked for outlives us. */
static enum status keep_request(struct agent_trail_writer *s,
				const struct agent_trail_writer_line *l,
				struct reason *why)
{
	if (strcmp(l->operation, "ROTATE") != 0)
		return ledger_fact_drop(s->ledger, LEDGER_FACT_ASKED, l->role,
					why);
	return ledger_fact_remember(s->ledger, LEDGER_FACT_ASKED, l->role,
				    "asked", l->at_us, why);
}

static enum status write_batch(struct agent_trail_writer *s,
			       const struct list *batch, struct reason *why)
{
	struct audit_event events[BATCH_MAX];
	char actors[BATCH_MAX][32];
	enum status st = STATUS_OK;
	size_t n = 0;

	for (const struct agent_trail_writer_line *l = batch->first;
	     l && st == STATUS_OK; l = l->next)
		if (l->ticket && l->kind == AUDIT_REQUEST)
			st = keep_request(s, l, why);
	if (st != STATUS_OK)
		return st;
	for (const struct agent_trail_writer_line *l = batch->first; l;
	     l = l->next, n++) {
		snprintf(actors[n], sizeof(actors[n]), "uid %" PRIu32,
			 (uint32_t)l->uid);
		events[n] = audit_event_make(l->kind, l->role, actors[n],
					     l->status, l->detail);
		events[n].at_us = l->at_us;
		events[n].version = l->version;
		events[n].operation = l->operation;
		events[n].label = l->label;
		events[n].host = l->host;
		events[n].service = l->service;
		events[n].stale = l->stale;
		events[n].count = (int64_t)l->count;
		events[n].pid = l->count > 0 ? 0 : l->pid;
	}
	return s->ledger->ops->trail->note(s->ledger, events, n, true, why);
}

/* Trouble and its end are said once. */
static void note_outcome(struct agent_trail_writer *s, enum status st,
			 const struct reason *why)
{
	if (st != STATUS_OK && !s->broken)
		log_line(LOG_LEVEL_ERROR,
			 "the audit cannot be written, so no secret is handed "
			 "out: %s",
			 why->text);
	else if (st == STATUS_OK && s->broken)
		log_line(LOG_LEVEL_INFO, "the audit can be written again");
	s->broken = st != STATUS_OK;
	text_copy(s->why, sizeof(s->why), st == STATUS_OK ? "" : why->text);
}

static void sign_checkpoint(struct agent_trail_writer *s, bool now)
{
	int64_t at = now_boot(s->now);

	if (!now && at < s->checkpoint_us)
		return;
	s->checkpoint_us = at + CHECKPOINT_US;
	pthread_mutex_unlock(&s->lock);
	s->ledger->ops->trail->checkpoint(s->ledger, NULL);
	pthread_mutex_lock(&s->lock);
}

/* Write up to BATCH_MAX lines and sort them by how that went. */
static void write_some(struct agent_trail_writer *s)
{
	struct reason why = { "" };
	struct list batch = { .first = NULL };
	struct agent_trail_writer_line *l;
	enum status st;

	while (batch.n < BATCH_MAX && (l = take_line(&s->queue)) != NULL)
		append_line(&batch, l);
	pthread_mutex_unlock(&s->lock);
	st = write_batch(s, &batch, &why);
	pthread_mutex_lock(&s->lock);
	note_outcome(s, st, &why);
	while ((l = take_line(&batch)) != NULL) {
		if (!l->ticket) {
			bool late = st != STATUS_OK;

			s->late = s->late - l->late + late;
			l->late = late;
		}
		if (st == STATUS_OK)
			append_line(&s->written, l);
		else
			append_line(l->ticket ? &s->failed : &s->owed, l);
	}
	s->wake(s->arg);
}

static void *run_writer(void *arg)
{
	struct agent_trail_writer *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		if (s->retry || s->stop)
			join_lists(&s->queue, &s->owed);
		s->retry = false;
		if (s->queue.n > 0) {
			write_some(s);
			sign_checkpoint(s, false);
			if (s->stop && s->broken)
				break;
			continue;
		}
		if (s->stop)
			break;
		pthread_cond_wait(&s->work, &s->lock);
	}
	sign_checkpoint(s, true);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

enum status agent_trail_writer_new(struct ledger *ledger, const struct now *now,
				   void (*wake)(void *arg), void *arg,
				   struct agent_trail_writer **ret,
				   struct reason *why)
{
	struct agent_trail_writer *s = calloc(1, sizeof(*s));

	if (!s)
		return reason_no_memory(why);
	s->ledger = ledger;
	s->now = now;
	s->wake = wake;
	s->arg = arg;
	s->checkpoint_us = now_boot(now) + CHECKPOINT_US;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	if (thread_start(&s->thread, run_writer, s) != 0) {
		free(s);
		return reason_set(why, STATUS_NO_MEMORY,
				  "cannot start a thread");
	}
	*ret = s;
	return STATUS_OK;
}

static void free_lines(struct list *l)
{
	struct agent_trail_writer_line *line;

	while ((line = take_line(l)) != NULL)
		free(line);
}

void agent_trail_writer_free(struct agent_trail_writer *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	if (s->late > 0)
		log_line(LOG_LEVEL_ERROR,
			 "%u counts of hand-outs could not be recorded",
			 s->late);
	free_lines(&s->queue);
	free_lines(&s->written);
	free_lines(&s->failed);
	free_lines(&s->owed);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

bool agent_trail_writer_write(struct agent_trail_writer *s,
			      const struct agent_trail_writer_line *line)
{
	struct agent_trail_writer_line *copy = malloc(sizeof(*copy));
	bool room;

	if (!copy)
		return false;
	*copy = *line;
	copy->late = false;
	pthread_mutex_lock(&s->lock);
	room = s->queue.n < QUEUE_MAX;
	if (room) {
		append_line(&s->queue, copy);
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
	if (!room)
		free(copy);
	return room;
}

struct agent_trail_writer_line *agent_trail_writer_done(
	struct agent_trail_writer *s, bool *ret_written)
{
	struct agent_trail_writer_line *l;

	pthread_mutex_lock(&s->lock);
	l = take_line(&s->written);
	*ret_written = l != NULL;
	if (!l)
		l = take_line(&s->failed);
	pthread_mutex_unlock(&s->lock);
	return l;
}

void agent_trail_writer_line_free(struct agent_trail_writer_line *l)
{
	free(l);
}

unsigned agent_trail_writer_owed(struct agent_trail_writer *s, char *ret_why,
				 size_t size)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = s->late;
	text_copy(ret_why, size, s->why);
	pthread_mutex_unlock(&s->lock);
	return n;
}

void agent_trail_writer_retry(struct agent_trail_writer *s)
{
	pthread_mutex_lock(&s->lock);
	s->retry = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}
