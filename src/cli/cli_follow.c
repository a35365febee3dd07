/* SPDX-License-Identifier: PostgreSQL */
/* Runs what follows new passwords; must never let a step that is behind pass for a
 * good end. */
#include "cli/cli_follow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"
#include "jobs/follow.h"

struct told {
	bool behind;
	size_t ran;
	struct reason why; /* of the first that is behind */
};

static void tell_outcome(void *arg, const struct follow_outcome *o)
{
	struct told *t = arg;

	t->ran += o->tried && !o->behind;
	if (!o->behind || t->behind)
		return;
	t->behind = true;
	reason_set(&t->why, STATUS_UNDELIVERED, "%s: %s", o->step, o->detail);
}

enum status cli_follow_role(const struct cli *c,
			    const struct config_group *role, bool at_once,
			    bool again, size_t *ret_ran, struct reason *ret_why)
{
	struct told told = { .behind = false };
	const struct follow_options o = {
		.engine = c->engine,
		.actor = c->actor,
		.at_once = at_once,
		.again = again,
		.fn = tell_outcome,
		.arg = &told,
	};

	follow_run(&o, role);
	*ret_ran = told.ran;
	if (!told.behind)
		return STATUS_OK;
	*ret_why = told.why;
	return STATUS_UNDELIVERED;
}

static bool is_among(const struct config_group *const *roles, size_t n,
		     const struct config_group *role)
{
	while (n > 0)
		if (roles[--n] == role)
			return true;
	return false;
}

/* ---- a signal that ends us ends, before that, what programs have started ------- */

#define OVER SIGUSR1 /* to the thread alone */

static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

struct watch {
	sigset_t wanted, before;
	pthread_t thread;
	bool runs;
};

static void *await_signal(void *arg)
{
	struct watch *w = arg;
	sigset_t end;
	int got;

	if (sigwait(&w->wanted, &got) != 0 || got == OVER)
		return NULL;
	follow_end();
	signal(got, SIG_DFL);
	kill(getpid(), got);
	sigemptyset(&end);
	sigaddset(&end, got); /* OVER may be pending by now, and is not it */
	pthread_sigmask(SIG_UNBLOCK, &end, NULL);
	return NULL;
}

static void begin_watch(struct watch *w)
{
	struct sigaction how;

	sigemptyset(&w->wanted);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		/* One that is blocked comes also where it is ignored (nohup). */
		if (sigaction(ends[i], NULL, &how) == 0 &&
		    how.sa_handler != SIG_IGN)
			sigaddset(&w->wanted, ends[i]);
	sigaddset(&w->wanted, OVER);
	pthread_sigmask(SIG_BLOCK, &w->wanted, &w->before);
	w->runs = thread_start(&w->thread, await_signal, w) == 0;
	if (!w->runs) /* it ends us as it would have */
		pthread_sigmask(SIG_SETMASK, &w->before, NULL);
}

static void end_watch(struct watch *w)
{
	if (!w->runs)
		return;
	pthread_kill(w->thread, OVER);
	pthread_join(w->thread, NULL);
	pthread_sigmask(SIG_SETMASK, &w->before, NULL);
}

enum status cli_follow_all(struct cli *c, bool at_once, bool again,
			   const struct config_group *const *done,
			   size_t n_done)
{
	size_t n = config_count(c->config, CONFIG_SECTION_role), ran;
	enum status worst = STATUS_OK;
	struct watch watch;
	struct reason why;

	begin_watch(&watch);
	for (size_t i = 0; i < n; i++) {
		const struct config_group *role =
			config_at(c->config, CONFIG_SECTION_role, i);

		if (!follow_has(role) || is_among(done, n_done, role))
			continue;
		if (cli_follow_role(c, role, at_once, again, &ran, &why) !=
		    STATUS_OK) {
			log_line(LOG_LEVEL_ERROR, "%s: %s", config_name(role),
				 why.text);
			worst = STATUS_UNDELIVERED;
		} else if (ran > 0 && !c->o.quiet && !c->o.json) {
			printf("%s: the current password was delivered\n",
			       config_name(role));
		}
	}
	end_watch(&watch);
	return worst;
}

bool cli_follow_any(const struct cli *c)
{
	size_t n = config_count(c->config, CONFIG_SECTION_role);

	while (n > 0)
		if (follow_has(config_at(c->config, CONFIG_SECTION_role, --n)))
			return true;
	return false;
}
