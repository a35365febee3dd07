/* SPDX-License-Identifier: PostgreSQL */
/* The three sockets; must never listen where others could have put one. */
#include "agent/serve/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

#define FIRST_FD 3
#define BACKLOG	 1024

static const struct {
	const char *name; /* FileDescriptorName= */
	const char *file;
	mode_t mode;
} sockets[AGENT_LISTENERS] = {
	[AGENT_SOURCE_AGENT] = { "agent", "agent.sock", 0666 },
	[AGENT_SOURCE_CREDS] = { "creds", "creds.sock", 0600 },
	[AGENT_SOURCE_ADMIN] = { "admin", "admin.sock", 0600 },
};

static bool is_listening(int fd)
{
	int is = 0, domain = 0, type = 0;
	socklen_t n = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &n) == 0 && is &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
	       domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	       type == SOCK_STREAM;
}

static void take_fd(struct agent *a, int fd, const char *name, size_t n)
{
	for (int i = 0; i < AGENT_LISTENERS; i++) {
		if (strlen(sockets[i].name) != n ||
		    memcmp(sockets[i].name, name, n) != 0 ||
		    a->listeners[i].fd >= 0 || !is_listening(fd))
			continue;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		a->listeners[i].fd = fd;
		return;
	}
	if (n == strlen("cache-0") && memcmp(name, "cache-", 6) == 0)
		agent_cache_snapshot_restore(&a->snapshot, fd);
	else
		log_line(LOG_LEVEL_WARN,
			 "systemd passed on a descriptor that is of no use "
			 "here: \"%.*s\"",
			 (int)n, name);
	close(fd);
}

/* sd_listen_fds_with_names(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES. */
static void take_passed(struct agent *a)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	const char *name = getenv("LISTEN_FDNAMES");
	long n = fds ? strtol(fds, NULL, 10) : 0;

	if (!pid || !name || strtol(pid, NULL, 10) != (long)getpid())
		return;
	for (long i = 0; i < n && i < 64; i++) {
		size_t len = strcspn(name, ":");

		take_fd(a, FIRST_FD + (int)i, name, len);
		name += len;
		name += *name == ':';
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

/* Another user who may write to the folder could put another socket in the
 * place of ours. */
static enum status check_folder(const char *folder, struct reason *why)
{
	struct stat st;

	if (lstat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
		return reason_set(why, STATUS_CONFIG,
				  "%s, where the sockets belong, is not a "
				  "directory",
				  folder);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return reason_set(why, STATUS_CONFIG,
				  "%s: the folder of the sockets must belong "
				  "to root or to the agent, and no other user "
				  "may write to it",
				  folder);
	return STATUS_OK;
}

/* A socket that somebody listens on is another agent's. */
static bool is_in_use(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool in_use = fd >= 0 && connect(fd, (const struct sockaddr *)at,
					 sizeof(*at)) == 0;

	if (fd >= 0)
		close(fd);
	return in_use;
}

static enum status make_socket(struct agent *a, int i, const char *folder,
			       struct reason *why)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = -1;

	if ((size_t)snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", folder,
			     sockets[i].file) >= sizeof(at.sun_path))
		return reason_set(why, STATUS_CONFIG,
				  "%s: the path of the sockets is too long",
				  folder);
	if (is_in_use(&at))
		return reason_set(why, STATUS_REFUSED,
				  "%s: another agent is running", at.sun_path);
	unlink(at.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The umask is 077: no other user can connect before the mode is set. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    chmod(at.sun_path, sockets[i].mode) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		reason_set(why, STATUS_CONFIG, "%s: cannot listen: %s",
			   at.sun_path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return STATUS_CONFIG;
	}
	a->listeners[i].fd = fd;
	a->made[i] = strdup(at.sun_path);
	return STATUS_OK;
}

/* The rotator may be another user than we; then systemd gave it the socket. */
static uid_t owner_of(int fd)
{
	struct sockaddr_un at = { .sun_path = "" };
	socklen_t n = sizeof(at);
	struct stat st;

	if (getsockname(fd, (struct sockaddr *)&at, &n) == 0 &&
	    n < sizeof(at) && at.sun_path[0] == '/' &&
	    lstat(at.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    (st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return st.st_uid;
	return 0;
}

enum status agent_serve_listen(struct agent *a, struct reason *why)
{
	const char *folder =
		config_string(config_find(a->config, CONFIG_SECTION_agent, ""),
			      CONFIG_agent_sockets);
	enum status s = STATUS_OK;
	bool all = true;

	take_passed(a);
	for (int i = 0; i < AGENT_LISTENERS; i++)
		all = all && a->listeners[i].fd >= 0;
	if (!all)
		s = check_folder(folder, why);
	for (int i = 0; i < AGENT_LISTENERS && s == STATUS_OK; i++) {
		struct agent_watch *w = &a->listeners[i];
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = w };

		if (w->fd < 0)
			s = make_socket(a, i, folder, why);
		if (s == STATUS_OK &&
		    epoll_ctl(a->epoll, EPOLL_CTL_ADD, w->fd, &e) != 0)
			s = reason_set(why, STATUS_ERROR, "epoll: %s",
				       strerror(errno));
	}
	if (s == STATUS_OK)
		a->admin_uid = owner_of(a->listeners[AGENT_SOURCE_ADMIN].fd);
	return s;
}

void agent_serve_listen_pause(struct agent *a, bool pause)
{
	for (int i = 0; i < AGENT_LISTENERS; i++) {
		struct epoll_event e = { .events = pause ? 0 : EPOLLIN,
					 .data.ptr = &a->listeners[i] };

		epoll_ctl(a->epoll, EPOLL_CTL_MOD, a->listeners[i].fd, &e);
	}
}

void agent_serve_listen_stop(struct agent *a)
{
	for (int i = 0; i < AGENT_LISTENERS; i++) {
		if (a->listeners[i].fd >= 0)
			close(a->listeners[i].fd);
		a->listeners[i].fd = -1;
		if (a->made[i])
			unlink(a->made[i]);
		free(a->made[i]);
		a->made[i] = NULL;
	}
}
