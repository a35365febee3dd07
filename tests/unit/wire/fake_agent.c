/* SPDX-License-Identifier: PostgreSQL */
#include "fake_agent.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/wire.h"

#define HELD_MAX 128
#define DRIP_MS	 20

#define NEED(x)                                              \
	do {                                                 \
		if (!(x)) {                                  \
			fprintf(stderr, "failed: %s\n", #x); \
			abort();                             \
		}                                            \
	} while (0)

struct fake_agent {
	struct fake_agent_options o;
	void *bytes;
	char folder[64];
	char path[80];
	int listener;
	int wake[2];
	int held[HELD_MAX];
	unsigned n_held;
	pthread_t thread;
	bool threaded;
	atomic_uint connections;
	atomic_uint requests;
	atomic_uint client, client_group;
};

/* False when the test is over. */
static bool wait_for(struct fake_agent *a, int fd)
{
	struct pollfd f[2] = { { .fd = fd, .events = POLLIN },
			       { .fd = a->wake[0], .events = POLLIN } };

	NEED(poll(f, 2, -1) >= 0);
	return f[1].revents == 0;
}

/* The length of a whole request in buf; 0 when the client is gone. */
static size_t read_request(struct fake_agent *a, int fd, unsigned char *buf)
{
	size_t have = 0, len = 0;

	while (len == 0 || have < len) {
		ssize_t n;

		if (!wait_for(a, fd))
			return 0;
		n = recv(fd, buf + have, WIRE_REQUEST_MAX - have, 0);
		if (n <= 0)
			return 0;
		have += (size_t)n;
		if (len == 0 && have >= WIRE_HEADER_SIZE)
			NEED(wire_frame_len(buf, false, &len) == STATUS_OK);
	}
	a->requests++;
	return len;
}

static void send_all(int fd, const unsigned char *p, size_t n)
{
	ssize_t sent;

	for (; n > 0; p += sent, n -= (size_t)sent) {
		sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
	}
}

static void drip(struct fake_agent *a, int fd)
{
	struct pollfd f[2] = { { .fd = fd, .events = POLLIN },
			       { .fd = a->wake[0], .events = POLLIN } };

	for (size_t i = 0; i < a->o.n; i++) {
		if (send(fd, (const char *)a->o.bytes + i, 1, MSG_NOSIGNAL) < 0)
			return;
		if (poll(f, 2, DRIP_MS) != 0)
			return;
	}
	wait_for(a, fd);
}

static void answer(struct fake_agent *a, int fd)
{
	static unsigned char request[WIRE_REQUEST_MAX], reply[WIRE_REPLY_MAX];
	size_t n = read_request(a, fd, request);

	if (n == 0)
		return;
	if (a->o.act == FAKE_AGENT_DRIP) {
		drip(a, fd);
		return;
	}
	if (a->o.answer) {
		n = a->o.answer(a->o.arg, request, n, reply, sizeof(reply));
		send_all(fd, reply, n);
	} else {
		send_all(fd, a->o.bytes, a->o.n);
	}
	if (a->o.act == FAKE_AGENT_ANSWER)
		wait_for(a, fd);
}

static void note_client(struct fake_agent *a, int fd)
{
	struct ucred peer = { 0 };
	socklen_t n = sizeof(peer);

	NEED(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0);
	a->client = peer.uid;
	a->client_group = peer.gid;
}

static void *run(void *arg)
{
	struct fake_agent *a = arg;
	int fd;

	while (wait_for(a, a->listener)) {
		fd = accept(a->listener, NULL, NULL);
		NEED(fd >= 0);
		note_client(a, fd);
		a->connections++;
		if (a->o.act == FAKE_AGENT_HANG) {
			NEED(a->n_held < HELD_MAX);
			a->held[a->n_held++] = fd;
			continue;
		}
		if (a->o.act != FAKE_AGENT_CLOSE)
			answer(a, fd);
		close(fd);
	}
	return NULL;
}

/* Connections that nobody takes, until connect() would block. */
static void fill_queue(struct fake_agent *a, const struct sockaddr_un *address)
{
	for (;;) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

		NEED(fd >= 0 && a->n_held < HELD_MAX);
		a->held[a->n_held++] = fd;
		if (connect(fd, (const struct sockaddr *)address,
			    sizeof(*address)) < 0)
			return;
	}
}

struct fake_agent *fake_agent_start(const struct fake_agent_options *o)
{
	struct fake_agent *a = calloc(1, sizeof(*a));
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	NEED(a);
	a->o = *o;
	/* The caller's may be gone before the thread is. */
	if (o->bytes) {
		a->bytes = malloc(o->n + 1);
		NEED(a->bytes);
		memcpy(a->bytes, o->bytes, o->n);
		a->o.bytes = a->bytes;
	}
	snprintf(a->folder, sizeof(a->folder), "/tmp/fake_agent.XXXXXX");
	NEED(mkdtemp(a->folder));
	snprintf(a->path, sizeof(a->path), "%s/agent.sock", a->folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", a->path);
	a->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	NEED(a->listener >= 0);
	NEED(bind(a->listener, (struct sockaddr *)&address, sizeof(address)) ==
	     0);
	if (o->for_all) {
		NEED(chmod(a->folder, 0755) == 0);
		NEED(chmod(a->path, 0666) == 0);
	}
	NEED(listen(a->listener, o->act == FAKE_AGENT_DEAF ? 0 : 128) == 0);
	NEED(pipe(a->wake) == 0);
	if (o->act == FAKE_AGENT_DEAF) {
		fill_queue(a, &address);
	} else {
		NEED(pthread_create(&a->thread, NULL, run, a) == 0);
		a->threaded = true;
	}
	return a;
}

void fake_agent_stop(struct fake_agent *a)
{
	if (a == NULL)
		return;
	NEED(write(a->wake[1], "", 1) == 1);
	if (a->threaded)
		pthread_join(a->thread, NULL);
	while (a->n_held > 0)
		close(a->held[--a->n_held]);
	close(a->wake[0]);
	close(a->wake[1]);
	close(a->listener);
	unlink(a->path);
	rmdir(a->folder);
	free(a->bytes);
	free(a);
}

const char *fake_agent_folder(const struct fake_agent *a)
{
	return a->folder;
}

const char *fake_agent_path(const struct fake_agent *a)
{
	return a->path;
}

unsigned fake_agent_connections(struct fake_agent *a)
{
	return a->connections;
}

unsigned fake_agent_requests(struct fake_agent *a)
{
	return a->requests;
}

uid_t fake_agent_client(struct fake_agent *a)
{
	return a->client;
}

gid_t fake_agent_client_group(struct fake_agent *a)
{
	return a->client_group;
}
