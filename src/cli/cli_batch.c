/* SPDX-License-Identifier: PostgreSQL */
/* Runs the tasks of rotate and recover, and shows how it goes; must never begin
 * a run after it was asked to stop. */
#include "cli/cli_batch.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/now.h"
#include "base/thread.h"
#include "base/thread_pool.h"
#include "cli/cli_follow.h"
#include "jobs/compromise.h"
#include "jobs/due.h"
#include "jobs/rotate.h"
#include "report/report.h"

#define TICK_US (200 * 1000)

/* One of the tasks, waiting or running. */
struct slot {
	const struct cli_batch_task *task;
	bool begun;
};

struct cli_batch {
	struct cli *cli;
	struct slot *slots;
	size_t n;
	const struct runner_job *like;
	unsigned jobs, per_cluster;
	size_t first;	      /* those before it have begun; main thread only */
	pthread_mutex_t lock; /* over everything below and standard output */
	pthread_cond_t ended;
	const struct slot *at_work[THREAD_POOL_MAX];
	size_t running;
	size_t following; /* roles that are done but for what follows */
	struct cli_batch_tally tally;
	bool progress; /* a line on the terminal is kept up to date */
	char step[300];
	int64_t began;
};

static volatile sig_atomic_t stopping;

static void on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

/* ---- printing (under the lock) ---- */

static void clear_progress(const struct cli_batch *p)
{
	if (p->progress)
		fputs("\r\033[K", stderr);
}

static void draw_progress(const struct cli_batch *p)
{
	double s = (double)(now_boot(now_system()) - p->began) / NOW_SECOND;
	size_t ended = p->tally.done + p->tally.failed + p->tally.deferred;

	if (!p->progress)
		return;
	if (p->n == 1)
		fprintf(stderr, "\r\033[K%s", p->step);
	else
		fprintf(stderr,
			"\r\033[K%zu of %zu roles, %zu failed, %.1f a second",
			ended, p->n, p->tally.failed,
			s > 0 ? (double)ended / s : 0.0);
	fflush(stderr);
}

static void result_json(struct text *t, const char *role,
			const struct runner_result *r)
{
	text_add(t, "{");
	text_add_member(t, "role", role);
	text_printf(t, ",\"status\":\"%s\",\"exit\":%d", status_name(r->status),
		    status_exit(r->status));
	text_add_member(t, "version", r->version[0] ? r->version : NULL);
	text_printf(t, ",\"finished_earlier\":%s,\"restored\":%s",
		    r->finished_earlier ? "true" : "false",
		    r->restored || r->went_back ? "true" : "false");
	text_add_member(t, "detail",
			r->status != STATUS_OK && r->why.text[0] ? r->why.text :
			r->unconfirmed	 ? RUNNER_UNCONFIRMED :
			r->sessions_left ? r->why.text :
					   NULL);
	if (r->retired)
		text_add_member(t, "ended_by", runner_ended_word(r->ended));
	if (r->endpoints > 0)
		text_printf(t, ",\"refused_on\":%u,\"refused_after\":%.6f",
			    r->endpoints, (double)r->refused_us / NOW_SECOND);
	text_printf(t, ",\"seconds\":%.6f}\n", (double)r->took_us / NOW_SECOND);
}

static void print_result(struct cli_batch *p, const struct cli_batch_task *task,
			 const struct runner_result *r)
{
	struct text t = text_make(4096);

	if (p->cli->o.json)
		result_json(&t, task->role, r);
	else if (r->status != STATUS_OK)
		text_printf(&t, "%s: %s: %s%s%s\n", task->role,
			    status_sentence(r->status), r->why.text,
			    r->went_back ? "; " RUNNER_WENT_BACK : "",
			    r->disowned ? "; " RUNNER_DISOWNED : "");
	else if (!p->cli->o.quiet || r->unconfirmed || r->sessions_left ||
		 r->went_back || r->disowned)
		text_printf(&t, "%s: %s, version %s, %.3f s%s%s%s%s%s%s%s\n",
			    task->role,
			    rotate_outcome(r, task->mode,
					   task->mode == ENGINE_MODE_ROTATE &&
						   (p->like->fresh ||
						    !r->finished_earlier)),
			    r->version[0] ? r->version : "none",
			    (double)r->took_us / NOW_SECOND,
			    r->unconfirmed ? "; " : "",
			    r->unconfirmed ? RUNNER_UNCONFIRMED : "",
			    r->sessions_left ? "; sessions of it are left" : "",
			    r->sessions_left ? ": " : "",
			    r->sessions_left ? r->why.text : "",
			    r->went_back ? "; " RUNNER_WENT_BACK : "",
			    r->disowned ? "; " RUNNER_DISOWNED : "");
	if (!p->cli->o.json && !p->cli->o.quiet && r->endpoints > 0)
		text_printf(&t,
			    "role %s: old password refused on %u endpoint%s "
			    "%.1f s after the command\n",
			    task->role, r->endpoints,
			    r->endpoints == 1 ? "" : "s",
			    (double)r->refused_us / NOW_SECOND);
	clear_progress(p);
	fwrite(text_str(&t), 1, t.len, stdout);
	fflush(stdout);
	draw_progress(p);
	text_free(&t);
}

/* Also with --quiet: the partner cannot log in from that date on. */
static void warn_of_end(struct cli_batch *p, const struct cli_batch_task *task,
			const struct due *after)
{
	struct reason why;

	if (after->doubt != STATUS_OK ||
	    !report_ends_early(after->ends_us, after->next_us,
			       now_wall(now_system())))
		return;
	report_ending(after->ends_us, after->next_us, open_rolname(task->group),
		      &why);
	clear_progress(p);
	log_line(LOG_LEVEL_WARN, "%s: %s", task->role, why.text);
	draw_progress(p);
}

/* ---- work ---- */

static void count_result(struct cli_batch_tally *t, enum status s, bool due)
{
	if (s == STATUS_OK) {
		t->done++;
		return;
	}
	/* No one has asked for it: it waits for who uses the other role. */
	if (s == STATUS_DEFERRED && due) {
		t->deferred++;
		return;
	}
	if (t->failed++ == 0)
		t->first_failure = s;
	else if (status_exit(t->first_failure) != status_exit(s))
		t->different = true;
}

static void watch_step(void *arg, const char *role, enum engine_state state)
{
	struct cli_batch *p = arg;

	if (!p->progress || p->n != 1)
		return;
	pthread_mutex_lock(&p->lock);
	snprintf(p->step, sizeof(p->step), "%s: %s", role,
		 engine_state_does(state));
	draw_progress(p);
	pthread_mutex_unlock(&p->lock);
}

static void end_slot(struct cli_batch *p, const struct slot *slot)
{
	size_t i = 0;

	while (p->at_work[i] != slot)
		i++;
	p->at_work[i] = p->at_work[--p->running];
}

/*
 * A login on the cluster failed for a reason that is not the role's own: no
 * other one shall lose its password to it.  What only recovers has nothing to
 * lose.  Under the lock.
 */
static void spare_others(struct cli_batch *p, const struct slot *failed)
{
	struct runner_result r = { .status = STATUS_REFUSED };

	reason_set(&r.why, r.status,
		   "not begun: role %s showed that a new password could not be "
		   "proved on cluster %s",
		   failed->task->role, config_name(failed->task->cluster));
	for (size_t i = 0; i < p->n; i++) {
		struct slot *slot = &p->slots[i];

		if (slot->begun || slot->task->mode != ENGINE_MODE_ROTATE ||
		    slot->task->cluster != failed->task->cluster)
			continue;
		slot->begun = true;
		count_result(&p->tally, r.status, false);
		print_result(p, slot->task, &r);
	}
}

/* What follows the password: a person waits for no time of a next attempt. */
static void follow(struct cli_batch *p, const struct slot *slot,
		   struct runner_result *r)
{
	struct reason why, before = r->why;
	size_t ran = 0;

	if (cli_follow_role(p->cli, slot->task->group, !slot->task->due, false,
			    &ran, &why) == STATUS_OK)
		return;
	if (r->status == STATUS_OK)
		r->why = why;
	else if (r->status == STATUS_UNDELIVERED)
		reason_set(&r->why, r->status, "%.240s; %.240s", before.text,
			   why.text);
	else
		return; /* what is worse comes first; status has the rest */
	r->status = STATUS_UNDELIVERED;
}

/* Under the lock. */
static void tell_result(struct cli_batch *p, const struct cli_batch_task *task,
			const struct runner_result *r, const struct due *after)
{
	count_result(&p->tally, r->status, task->due);
	print_result(p, task, r);
	if (r->status == STATUS_OK || r->status == STATUS_UNDELIVERED)
		warn_of_end(p, task, after);
}

static void run_task(void *arg, void *thing)
{
	struct cli_batch *p = arg;
	struct slot *slot = thing;
	struct runner_job like = *p->like;
	struct runner_result result;
	struct due before, after = { .doubt = STATUS_UNKNOWN };
	bool told;

	like.mode = slot->task->mode;
	if (slot->task->due) {
		due_run(p->cli->engine,
			&(struct due_task){ .role = slot->task->group,
					    .like = &like,
					    .watch = watch_step,
					    .arg = p },
			&result, &before, &after);
	} else {
		(slot->task->compromised ? compromise_run : rotate_run)(
			p->cli->engine, slot->task->role, &like, watch_step, p,
			&result);
		if (result.status == STATUS_OK)
			due_look(p->cli->engine, slot->task->group,
				 now_wall(now_system()), &after, NULL);
	}
	/* Another process saw to it: that is as good. */
	if (result.status == STATUS_NOTHING_DUE) {
		result.status = STATUS_OK;
		text_copy(result.version, sizeof(result.version),
			  before.known.version);
		result.run[0] = '\0';
	}
	/* No other role waits for a program that hangs, nor learns of a bad
	 * cluster after it. */
	told = result.status != STATUS_OK &&
	       result.status != STATUS_UNDELIVERED;
	pthread_mutex_lock(&p->lock);
	if (told)
		tell_result(p, slot->task, &result, &after);
	if (result.cluster_bad && slot->task->mode == ENGINE_MODE_ROTATE)
		spare_others(p, slot);
	end_slot(p, slot);
	p->following++;
	pthread_cond_signal(&p->ended);
	pthread_mutex_unlock(&p->lock);
	follow(p, slot, &result);
	pthread_mutex_lock(&p->lock);
	p->following--;
	if (!told)
		tell_result(p, slot->task, &result, &after);
	pthread_cond_signal(&p->ended);
	pthread_mutex_unlock(&p->lock);
}

/* Has the cluster of this one a thread to spare?  Under the lock. */
static bool may_begin(const struct cli_batch *p, const struct slot *slot)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->running; i++)
		n += p->at_work[i]->task->cluster == slot->task->cluster;
	return n < p->per_cluster;
}

/* The next task that may begin, or NULL.  Under the lock. */
static struct slot *choose_slot(struct cli_batch *p)
{
	const void *full = NULL; /* not asked again for its next task */

	if (stopping || p->running >= p->jobs)
		return NULL;
	while (p->first < p->n && p->slots[p->first].begun)
		p->first++;
	for (size_t i = p->first; i < p->n; i++) {
		struct slot *slot = &p->slots[i];

		if (slot->begun || (full && slot->task->cluster == full))
			continue;
		if (may_begin(p, slot))
			return slot;
		full = slot->task->cluster;
	}
	return NULL;
}

/* Begin what may begin.  Under the lock. */
static void begin_some(struct cli_batch *p, struct thread_pool *threads)
{
	struct slot *slot;
	enum status s;

	while ((slot = choose_slot(p)) != NULL) {
		s = threads ? thread_pool_give(threads, slot) :
			      STATUS_NO_MEMORY;
		if (s == STATUS_BUSY) /* no further thread to be had */
			return;
		slot->begun = true;
		p->at_work[p->running++] = slot;
		if (s == STATUS_OK)
			continue;
		/* No thread to be had: do it ourselves. */
		pthread_mutex_unlock(&p->lock);
		run_task(p, slot);
		pthread_mutex_lock(&p->lock);
	}
}

static void run_all(struct cli_batch *p, struct thread_pool *threads)
{
	struct timespec until;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		begin_some(p, threads);
		if (p->running == 0 && p->following == 0 &&
		    (stopping || p->first >= p->n))
			break;
		until = thread_after(TICK_US);
		thread_wait(&p->ended, &p->lock, &until);
		if (p->n > 1)
			draw_progress(p);
	}
	clear_progress(p);
	pthread_mutex_unlock(&p->lock);
}

static void catch_signals(struct sigaction *ret_int, struct sigaction *ret_term)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigemptyset(&sa.sa_mask);
	sa.sa_flags = SA_RESTART; /* a run in progress is not disturbed */
	sigaction(SIGINT, &sa, ret_int);
	sigaction(SIGTERM, &sa, ret_term);
	signal(SIGPIPE, SIG_IGN); /* a closed pager does not end a rotation */
}

static bool several_clusters(const struct cli_batch_task *tasks, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (tasks[i].cluster != tasks[0].cluster)
			return true;
	return false;
}

void cli_batch_run(struct cli *c, const struct cli_batch_task *tasks, size_t n,
		   unsigned jobs, const struct runner_job *like,
		   struct cli_batch_tally *ret)
{
	struct cli_batch p = {
		.cli = c,
		.slots = calloc(n ? n : 1, sizeof(*p.slots)),
		.n = n,
		.like = like,
		.jobs = jobs,
		.per_cluster = jobs,
		.progress = !c->o.json && !c->o.quiet && isatty(STDERR_FILENO),
		.began = now_boot(now_system()),
	};
	struct sigaction old_int, old_term;
	struct thread_pool *threads = NULL;

	*ret = (struct cli_batch_tally){ .not_begun = n };
	if (!p.slots)
		return;
	for (size_t i = 0; i < n; i++)
		p.slots[i].task = &tasks[i];
	if (jobs > 1 && several_clusters(tasks, n))
		p.per_cluster = jobs - 1;
	pthread_mutex_init(&p.lock, NULL);
	thread_cond_init(&p.ended);
	catch_signals(&old_int, &old_term);
	/* More than jobs: one that has reported may be on its way still. */
	thread_pool_new(THREAD_POOL_MAX, run_task, &p, &threads);
	run_all(&p, threads);
	thread_pool_free(threads);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	p.tally.not_begun =
		n - p.tally.done - p.tally.failed - p.tally.deferred;
	pthread_cond_destroy(&p.ended);
	pthread_mutex_destroy(&p.lock);
	free(p.slots);
	*ret = p.tally;
}
