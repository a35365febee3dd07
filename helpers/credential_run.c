/* SPDX-License-Identifier: PostgreSQL */
/*
 * A command as a child, as if we were not there: its signals are ours and ours
 * are its.  Must never swallow a signal that was meant to end it.
 */
#include "helpers/credential_run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers/credential.h"

static const int passed_on[] = { SIGHUP,  SIGINT,  SIGQUIT,
				 SIGTERM, SIGUSR1, SIGUSR2 };

#define N_PASSED_ON (sizeof(passed_on) / sizeof(passed_on[0]))

static volatile sig_atomic_t child_pid, stopped;

/* What the kernel sends (Ctrl-C) goes to the whole foreground group, so the
 * child has it already. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (sig != SIGUSR1 && sig != SIGUSR2)
		stopped = 1;
	if (info->si_code <= 0 && child_pid > 0)
		kill((pid_t)child_pid, sig);
	errno = saved;
}

/* A signal that is ignored (nohup) stays so, for us and for the child. */
static void set_handlers(struct sigaction *ret_before)
{
	struct sigaction ours = { .sa_sigaction = pass_on,
				  .sa_flags = SA_SIGINFO | SA_RESTART };

	sigemptyset(&ours.sa_mask);
	for (size_t i = 0; i < N_PASSED_ON; i++) {
		sigaction(passed_on[i], NULL, &ret_before[i]);
		if (ret_before[i].sa_handler != SIG_IGN)
			sigaction(passed_on[i], &ours, NULL);
	}
}

static void put_back(const struct sigaction *before)
{
	for (size_t i = 0; i < N_PASSED_ON; i++)
		sigaction(passed_on[i], &before[i], NULL);
}

int credential_run(void (*child)(void *), void *arg)
{
	struct sigaction before[N_PASSED_ON], chld;
	struct sigaction wanted = { .sa_handler = SIG_DFL };
	sigset_t all, mask;
	int status = -1, e;
	pid_t pid, done;

	sigfillset(&all);
	/* With SIGCHLD ignored, the kernel would keep the status to itself. */
	sigaction(SIGCHLD, &wanted, &chld);
	/* Nothing is lost between fork() and knowing whom to pass it on to. */
	sigprocmask(SIG_BLOCK, &all, &mask);
	set_handlers(before);
	pid = fork();
	if (pid == 0) {
		put_back(before);
		sigaction(SIGCHLD, &chld, NULL);
		sigprocmask(SIG_SETMASK, &mask, NULL);
		child(arg);
		_exit(CREDENTIAL_CANNOT_RUN);
	}
	child_pid = (sig_atomic_t)pid;
	e = errno;
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (pid > 0) {
		do
			done = waitpid(pid, &status, 0);
		while (done < 0 && errno == EINTR);
		e = errno;
		if (done < 0)
			status = -1;
	}
	child_pid = 0;
	put_back(before);
	sigaction(SIGCHLD, &chld, NULL);
	errno = e;
	return status;
}

bool credential_run_stopped(void)
{
	return stopped != 0;
}

int credential_run_exit(int status)
{
	int sig;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	sig = WTERMSIG(status);
	signal(sig, SIG_DFL);
	raise(sig);
	/* It is blocked: as shells say it. */
	return 128 + sig;
}
