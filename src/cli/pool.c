/* SPDX-License-Identifier: PostgreSQL */
/* The worker threads behind rotate and recover; must never begin a run after
 * it was asked to stop. */
#include "cli/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/now.h"

#define THREADS_MAX 64
#define TICK_US	    (200 * 1000)

struct pool {
	struct cli *cli;
	const struct pool_task *tasks;
	size_t n;
	const struct runner_job *like;
	atomic_size_t next;
	pthread_mutex_t lock; /* over everything below and standard output */
	pthread_cond_t ended;
	size_t running;
	struct pool_tally tally;
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

static void clear_progress(const struct pool *p)
{
	if (p->progress)
		fputs("\r\033[K", stderr);
}

static void draw_progress(const struct pool *p)
{
	double s = (double)(now_boot(now_system()) - p->began) / NOW_SECOND;
	size_t ended = p->tally.done + p->tally.failed;

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

static const char *what_happened(const struct runner_result *r,
				 enum engine_mode mode, bool fresh)
{
	if (mode == ENGINE_MODE_IMPORT)
		return "imported";
	if (r->restored)
		return "a restored database was seen: re-pointed and rotated";
	if (mode == ENGINE_MODE_RECOVER)
		return r->finished_earlier ? "recovered: finished" :
		       r->undone	   ? "recovered: undone" :
					     "nothing to recover";
	if (r->finished_earlier)
		return fresh ? "finished the interrupted rotation, and rotated" :
			       "finished the interrupted rotation";
	return "rotated";
}

static void result_json(struct text *t, const char *role,
			const struct runner_result *r)
{
	text_add(t, "{\"role\":");
	text_add_json(t, role);
	text_printf(t, ",\"status\":\"%s\",\"exit\":%d,\"version\":",
		    status_name(r->status), status_exit(r->status));
	if (r->version[0])
		text_add_json(t, r->version);
	else
		text_add(t, "null");
	text_printf(t, ",\"finished_earlier\":%s,\"restored\":%s,\"detail\":",
		    r->finished_earlier ? "true" : "false",
		    r->restored ? "true" : "false");
	if (r->status != STATUS_OK && r->why.text[0])
		text_add_json(t, r->why.text);
	else
		text_add(t, "null");
	if (r->status == STATUS_OK && r->sink_bad) {
		text_add(t, ",\"warning\":");
		text_add_json(t, r->why.text);
	}
	text_printf(t, ",\"seconds\":%.6f}\n", (double)r->took_us / NOW_SECOND);
}

static void print_result(struct pool *p, const struct pool_task *task,
			 const struct runner_result *r)
{
	struct text t = text_make(4096);

	if (p->cli->o.json)
		result_json(&t, task->role, r);
	else if (r->status != STATUS_OK)
		text_printf(&t, "%s: %s: %s\n", task->role,
			    status_sentence(r->status), r->why.text);
	else if (!p->cli->o.quiet || r->sink_bad)
		text_printf(&t, "%s: %s, version %s, %.3f s%s%s\n", task->role,
			    what_happened(r, task->mode, p->like->fresh),
			    r->version[0] ? r->version : "none",
			    (double)r->took_us / NOW_SECOND,
			    r->sink_bad ? "; a sink is not in step: " : "",
			    r->sink_bad ? r->why.text : "");
	clear_progress(p);
	fwrite(text_str(&t), 1, t.len, stdout);
	fflush(stdout);
	draw_progress(p);
	text_free(&t);
}

/* ---- work ---- */

static void count(struct pool_tally *t, enum status s)
{
	if (s == STATUS_OK) {
		t->done++;
		return;
	}
	if (t->failed++ == 0)
		t->first_failure = s;
	else if (status_exit(t->first_failure) != status_exit(s))
		t->different = true;
}

static void watch(void *arg, const char *role, enum engine_state state)
{
	struct pool *p = arg;

	if (!p->progress || p->n != 1)
		return;
	pthread_mutex_lock(&p->lock);
	snprintf(p->step, sizeof(p->step), "%s: %s", role,
		 engine_state_does(state));
	draw_progress(p);
	pthread_mutex_unlock(&p->lock);
}

static void run_task(struct pool *p, const struct pool_task *task)
{
	const struct runner_job *like = p->like;
	struct workshop_job j;
	struct runner_result result;

	memset(&result, 0, sizeof(result)); /* not secret */
	result.status =
		workshop_job(p->cli->workshop, task->role, &j, &result.why);
	if (result.status == STATUS_OK) {
		j.job.mode = task->mode;
		j.job.fresh = like->fresh;
		j.job.takeover = like->takeover;
		j.job.emergency = like->emergency;
		j.job.reason = like->reason;
		j.job.password = like->password;
		runner_run(workshop_env(p->cli->workshop), &j.job, watch, p,
			   &result);
	}
	workshop_job_free(&j);
	harden_scrub_stack(); /* what libraries left below us */
	pthread_mutex_lock(&p->lock);
	count(&p->tally, result.status);
	print_result(p, task, &result);
	pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
	struct pool *p = arg;
	size_t i;

	while (!stopping && (i = atomic_fetch_add(&p->next, 1)) < p->n)
		run_task(p, &p->tasks[i]);
	pthread_mutex_lock(&p->lock);
	p->running--;
	pthread_cond_signal(&p->ended);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void wait_for_all(struct pool *p)
{
	struct timespec until;

	pthread_mutex_lock(&p->lock);
	while (p->running > 0) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TICK_US * 1000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&p->ended, &p->lock, &until);
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

void pool_run(struct cli *c, const struct pool_task *tasks, size_t n,
	      unsigned jobs, const struct runner_job *like,
	      struct pool_tally *ret)
{
	struct pool p = {
		.cli = c,
		.tasks = tasks,
		.n = n,
		.like = like,
		.progress = !c->o.json && !c->o.quiet && isatty(STDERR_FILENO),
		.began = now_boot(now_system()),
	};
	struct sigaction old_int, old_term;
	pthread_t threads[THREADS_MAX];
	size_t started = 0;

	pthread_mutex_init(&p.lock, NULL);
	pthread_cond_init(&p.ended, NULL);
	catch_signals(&old_int, &old_term);
	if (jobs > THREADS_MAX)
		jobs = THREADS_MAX;
	if (jobs > n)
		jobs = (unsigned)n;
	for (; started < jobs; started++) {
		pthread_mutex_lock(&p.lock);
		p.running++;
		pthread_mutex_unlock(&p.lock);
		if (pthread_create(&threads[started], NULL, work, &p) != 0) {
			pthread_mutex_lock(&p.lock);
			p.running--;
			pthread_mutex_unlock(&p.lock);
			break;
		}
	}
	if (started == 0) { /* no thread to be had: do it ourselves */
		p.running = 1;
		work(&p);
	}
	wait_for_all(&p);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	p.tally.not_begun = n - p.tally.done - p.tally.failed;
	pthread_cond_destroy(&p.ended);
	pthread_mutex_destroy(&p.lock);
	*ret = p.tally;
}
