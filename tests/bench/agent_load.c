/* SPDX-License-Identifier: PostgreSQL */
/*
 * Load for tests/bench/agent: N clients that ask GET without a pause, beside
 * BAD clients that drip or send garbage.
 *
 * usage: agent_load SOCKET ROLE CLIENTS SECONDS keep|connect BAD
 *
 * keep: each client keeps its connection; connect: one for each request.
 * Prints "requests seconds p50 p99 max versions" (times in microseconds).
 * Ends with an error when an answer is wrong: not OK, a password that is not
 * the version's (agent_store makes it of the id), or an older version than one
 * that had been answered before it was asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wire/wire.h"

#define SAMPLES_MAX ((size_t)1 << 23)

struct client {
	int fd;
	double sent;	/* when the request went out */
	int64_t newest; /* ROTATED_AT known then */
	bool bad;
	unsigned drips;
};

struct load {
	struct sockaddr_un at;
	unsigned char request[256];
	size_t request_len;
	bool keep;
	int epoll;
	int64_t newest;
	unsigned versions;
	float *samples;
	size_t n;
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void die(const char *what)
{
	fprintf(stderr, "agent_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void open_client(struct load *l, struct client *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (struct sockaddr *)&l->at, sizeof(l->at)) != 0)
		die("connect");
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
		die("epoll");
}

static void ask(struct load *l, struct client *c)
{
	c->newest = l->newest;
	c->sent = now_us();
	if (c->fd < 0)
		open_client(l, c);
	if (send(c->fd, l->request, l->request_len, MSG_NOSIGNAL) !=
	    (ssize_t)l->request_len)
		die("send");
}

static void check(struct load *l, const struct client *c,
		  const unsigned char *reply, size_t n)
{
	struct reason why = { "" };
	struct wire_message m;
	char id[40], password[64];
	int64_t at;

	if (wire_parse(reply, n, true, &m, &why) != STATUS_OK ||
	    wire_number(&m, WIRE_TAG_RESULT, -1) != WIRE_RESULT_OK ||
	    !wire_text(&m, WIRE_TAG_VERSION, id, sizeof(id)) ||
	    !wire_text(&m, WIRE_TAG_PASSWORD, password, sizeof(password)) ||
	    strncmp(id, password, 32) != 0) {
		fprintf(stderr, "agent_load: a wrong answer: %s\n", why.text);
		exit(1);
	}
	at = wire_number(&m, WIRE_TAG_ROTATED_AT, 0);
	if (at < c->newest) {
		fprintf(stderr, "agent_load: an older version\n");
		exit(1);
	}
	if (at > l->newest) {
		l->newest = at;
		l->versions++;
	}
}

static void answered(struct load *l, struct client *c)
{
	static unsigned char reply[WIRE_REPLY_MAX];
	ssize_t n = recv(c->fd, reply, sizeof(reply), 0);

	if (n <= 0)
		die("recv");
	if (l->n < SAMPLES_MAX)
		l->samples[l->n++] = (float)(now_us() - c->sent);
	check(l, c, reply, (size_t)n);
	if (!l->keep) {
		close(c->fd);
		c->fd = -1;
	}
	ask(l, c);
}

/* One drips a byte now and then, the next sends what is no frame. */
static void misbehave(struct load *l, struct client *c, size_t i)
{
	const char *bytes = i % 2 ? (const char *)l->request + c->drips++ % 8 :
				    "GET / HTTP/1.1\r\n\r\n";

	if (c->fd < 0)
		open_client(l, c);
	if (send(c->fd, bytes, i % 2 ? 1 : 18, MSG_NOSIGNAL | MSG_DONTWAIT) <
		    0 ||
	    i % 2 == 0) {
		close(c->fd);
		c->fd = -1;
		c->drips = 0;
	}
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void run(struct load *l, struct client *clients, size_t n,
		struct client *bad, size_t n_bad, double seconds)
{
	double begun = now_us(), mischief = begun, took;
	struct epoll_event events[128];

	for (size_t i = 0; i < n; i++)
		ask(l, &clients[i]);
	while ((took = now_us() - begun) < seconds * 1e6) {
		int got = epoll_wait(l->epoll, events, 128, 10);

		for (int i = 0; i < got; i++) {
			struct client *c = events[i].data.ptr;

			if (!c->bad) {
				answered(l, c);
			} else if (c->fd >= 0) {
				close(c->fd);
				c->fd = -1;
			}
		}
		if (n_bad > 0 && now_us() - mischief > 20000) {
			mischief = now_us();
			for (size_t i = 0; i < n_bad; i++)
				misbehave(l, &bad[i], i);
		}
	}
	qsort(l->samples, l->n, sizeof(*l->samples), by_value);
	printf("%zu %.3f %.1f %.1f %.1f %u\n", l->n, took / 1e6,
	       l->samples[l->n / 2], l->samples[l->n * 99 / 100],
	       l->samples[l->n - 1], l->versions);
}

int main(int argc, char **argv)
{
	struct load l = { .at.sun_family = AF_UNIX };
	struct client *clients, *bad;
	size_t n, n_bad;
	struct wire_out o;

	if (argc != 7) {
		fprintf(stderr, "usage: agent_load SOCKET ROLE CLIENTS SECONDS "
				"keep|connect BAD\n");
		return 2;
	}
	snprintf(l.at.sun_path, sizeof(l.at.sun_path), "%s", argv[1]);
	wire_begin(&o, l.request, sizeof(l.request), WIRE_GET);
	wire_put_text(&o, WIRE_TAG_ROLE, argv[2]);
	if (wire_end(&o, &l.request_len) != STATUS_OK)
		return 2;
	n = strtoul(argv[3], NULL, 10);
	l.keep = strcmp(argv[5], "keep") == 0;
	n_bad = strtoul(argv[6], NULL, 10);
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	l.samples = malloc(SAMPLES_MAX * sizeof(*l.samples));
	clients = calloc(n + 1, sizeof(*clients));
	bad = calloc(n_bad + 1, sizeof(*bad));
	if (!l.samples || !clients || !bad)
		return 1;
	for (size_t i = 0; i < n; i++)
		clients[i].fd = -1;
	for (size_t i = 0; i < n_bad; i++)
		bad[i] = (struct client){ .fd = -1, .bad = true };
	run(&l, clients, n, bad, n_bad, strtod(argv[4], NULL));
	free(l.samples);
	free(clients);
	free(bad);
	return 0;
}
