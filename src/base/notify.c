/* SPDX-License-Identifier: PostgreSQL */
/* Datagrams to the service manager; must never end the service, or block it but
 * for the moment that READY=1 is worth. */
#include "base/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define MESSAGE_MAX 4096
#define FDS_MAX	    64
/* Without READY=1 a start or a reload counts as failed: for as many tries, with a
 * pause between them, the manager may have no room for it. */
#define READY_TRIES 100
#define READY_PAUSE 10000000L /* ns */

bool notify_wanted(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path != NULL && (path[0] == '/' || path[0] == '@') && path[1];
}

/* "@name" is an abstract socket. */
static enum status address(struct sockaddr_un *ret, socklen_t *ret_n)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = strlen(path);

	if (n >= sizeof(ret->sun_path))
		return STATUS_ERROR;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, n);
	if (path[0] == '@')
		ret->sun_path[0] = '\0';
	*ret_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return STATUS_OK;
}

static enum status send_message(struct msghdr *m, int tries)
{
	const struct timespec pause = { .tv_nsec = READY_PAUSE };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t done;

	if (fd < 0)
		return STATUS_ERROR;
	for (;;) {
		done = sendmsg(fd, m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (done < 0 && errno == EINTR)
			continue;
		if (done >= 0 || (errno != EAGAIN && errno != ENOBUFS) ||
		    --tries <= 0)
			break;
		nanosleep(&pause, NULL);
	}
	close(fd);
	return done < 0 ? STATUS_ERROR : STATUS_OK;
}

static enum status send_with(const char *state, const int *fds, size_t n_fds)
{
	static const char ready[] = "READY=1";
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = { .bytes = { 0 } };
	struct sockaddr_un to;
	struct iovec io = { (void *)(uintptr_t)state, strlen(state) };
	struct msghdr m = { .msg_name = &to, .msg_iov = &io, .msg_iovlen = 1 };
	struct cmsghdr *c;
	int saved = errno;
	enum status s;

	s = address(&to, &m.msg_namelen);
	if (s == STATUS_OK && n_fds > FDS_MAX)
		s = STATUS_ERROR;
	if (s == STATUS_OK && n_fds > 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	if (s == STATUS_OK)
		s = send_message(&m, strncmp(state, ready, strlen(ready)) == 0 ?
					     READY_TRIES :
					     1);
	errno = saved;
	return s;
}

enum status notify_send(const char *state)
{
	if (!notify_wanted())
		return STATUS_OK;
	return send_with(state, NULL, 0);
}

enum status notify_sendf(const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(message))
		return STATUS_ERROR;
	return notify_send(message);
}

enum status notify_status(const char *fmt, ...)
{
	static const char key[] = "STATUS=";
	char raw[MESSAGE_MAX / 4], message[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, ap) < 0)
		raw[0] = '\0';
	va_end(ap);
	memcpy(message, key, sizeof(key));
	text_escape(message + sizeof(key) - 1,
		    sizeof(message) - sizeof(key) + 1, raw, strlen(raw));
	return notify_send(message);
}

enum status notify_reloading(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return notify_sendf("RELOADING=1\nMONOTONIC_USEC=%lld",
			    (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

enum status notify_store_fds(const char *name, const int *fds, size_t n)
{
	char message[300];

	if (!notify_wanted())
		return STATUS_NOT_FOUND;
	if (n == 0 ||
	    (size_t)snprintf(message, sizeof(message), "FDSTORE=1\nFDNAME=%s",
			     name) >= sizeof(message))
		return STATUS_ERROR;
	return send_with(message, fds, n);
}

enum status notify_forget_fds(const char *name)
{
	return notify_sendf("FDSTOREREMOVE=1\nFDNAME=%s", name);
}

int64_t notify_watchdog_us(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	char *end;
	long long us;

	if (!notify_wanted() || usec == NULL || !*usec)
		return 0;
	if (pid != NULL && *pid && strtol(pid, NULL, 10) != (long)getpid())
		return 0;
	errno = 0;
	us = strtoll(usec, &end, 10);
	if (errno != 0 || *end || us <= 0)
		return 0;
	return us / 2;
}
