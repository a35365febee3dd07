/* SPDX-License-Identifier: PostgreSQL */
/*
 * Ends what programs have started, also what has left their session: it comes to
 * us when its parent ends, since we are a subreaper.  Must never end what another
 * program still runs, nor a child that program_run() did not start.
 *
 * Each program leads a session of its own, so whatever is in our session (a
 * credential_process) is not looked at.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program/program_internal.h"

/* A second in all, for what the kernel does not end at once. */
#define ROUNDS 200
#define PAUSE  INT64_C(5000) /* us */

struct process {
	pid_t pid, parent, session;
	char state;
	unsigned long long since; /* ticks, as a number to compare */
};

static struct {
	pthread_mutex_t lock;
	struct program_kin *running;
	bool over;
} kin = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* proc(5), stat: the name may hold anything, also ")". */
static bool read_process(pid_t pid, struct process *ret)
{
	char path[64], text[1024];
	ssize_t n;
	char *p;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	p = strrchr(text, ')');
	ret->pid = pid;
	return p && sscanf(p + 1,
			   " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
			   "%*d %*d %*d %*d %*d %*d %llu",
			   &ret->state, &ret->parent, &ret->session,
			   &ret->since) == 4;
}

static bool is_running(pid_t pid)
{
	for (const struct program_kin *k = kin.running; k; k = k->next)
		if (k->pid == pid)
			return true;
	return false;
}

/* May it belong to a program that goes on?  One that has left its session can
 * only be of a program that began before it. */
static bool is_others(const struct process *p, const struct program_kin *mine)
{
	for (const struct program_kin *k = kin.running; k; k = k->next)
		if (k != mine && p->session != mine->pid &&
		    (p->session == k->pid || k->since <= p->since))
			return true;
	return false;
}

/* One of our children: true when there may be more to do.  mine NULL: all. */
static bool end_child(const struct process *p, const struct program_kin *mine)
{
	bool leader = is_running(p->pid);

	if (p->state == 'Z' && !leader)
		return waitpid(p->pid, NULL, WNOHANG) == p->pid;
	if (p->state == 'Z' || (mine && (leader || is_others(p, mine))))
		return false;
	kill(p->pid, SIGKILL);
	return true;
}

static bool end_children(const struct program_kin *mine)
{
	pid_t self = getpid(), session = getsid(0);
	DIR *d = opendir("/proc");
	bool more = false;
	struct process p;
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]) &&
		    read_process((pid_t)strtol(e->d_name, NULL, 10), &p) &&
		    p.parent == self && p.session != session)
			more = end_child(&p, mine) || more;
	if (d)
		closedir(d);
	return more;
}

int program_kin_try(struct program_start *s)
{
	int rc = ECANCELED;
	pid_t pid;

	s->try_only = true;
	pthread_mutex_lock(&kin.lock);
	if (!kin.over)
		rc = program_child_start(s, &pid);
	pthread_mutex_unlock(&kin.lock);
	return rc;
}

int program_kin_start(struct program_kin *k, struct program_start *s)
{
	struct process p;
	int rc = ECANCELED;

	pthread_mutex_lock(&kin.lock);
	if (!kin.over) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		rc = program_child_start(s, &k->pid);
	}
	if (rc == 0) {
		k->since = read_process(k->pid, &p) ? p.since : 0;
		k->next = kin.running;
		kin.running = k;
	}
	pthread_mutex_unlock(&kin.lock);
	return rc;
}

void program_kin_end(const struct now *now, struct program_kin *k)
{
	struct program_kin **at = &kin.running;
	int rounds = 0;

	pthread_mutex_lock(&kin.lock);
	/* As long as it has not been waited for, its number is no other's. */
	kill(-k->pid, SIGKILL);
	while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
		;
	while (end_children(k) && rounds++ < ROUNDS)
		now_sleep(now, PAUSE);
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	pthread_mutex_unlock(&kin.lock);
}

void program_kin_end_all(const struct now *now)
{
	int rounds = 0;

	pthread_mutex_lock(&kin.lock);
	kin.over = true;
	for (const struct program_kin *k = kin.running; k; k = k->next)
		kill(-k->pid, SIGKILL);
	/* Whoever runs one notices, and reaps it. */
	while ((end_children(NULL) || kin.running) && rounds++ < ROUNDS) {
		pthread_mutex_unlock(&kin.lock);
		now_sleep(now, PAUSE);
		pthread_mutex_lock(&kin.lock);
	}
	pthread_mutex_unlock(&kin.lock);
}
