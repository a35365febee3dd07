/* SPDX-License-Identifier: PostgreSQL */
#include "peer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define REQUESTS_MAX 32
#define REQUEST_SIZE 65536

#define NEED(x)                                              \
	do {                                                 \
		if (!(x)) {                                  \
			fprintf(stderr, "failed: %s\n", #x); \
			abort();                             \
		}                                            \
	} while (0)

struct peer {
	struct peer_options o;
	struct peer_step *steps;
	SSL_CTX *ctx;
	int listener;
	int port;
	int wake[2];
	pthread_t thread;
	pthread_mutex_t lock;
	size_t step;
	unsigned connections;
	unsigned requests;
	char *request[REQUESTS_MAX];
};

struct conn {
	struct peer *p;
	int fd;
	SSL *ssl;
};

/* False when the test is over. */
static bool wait_for(struct peer *p, int fd)
{
	struct pollfd f[2] = { { .fd = fd, .events = POLLIN },
			       { .fd = p->wake[0], .events = POLLIN } };

	NEED(poll(f, 2, -1) >= 0);
	return f[1].revents == 0;
}

static int receive(struct conn *c, char *buf, int n)
{
	if (!(c->ssl && SSL_pending(c->ssl) > 0) && !wait_for(c->p, c->fd))
		return -1;
	return c->ssl ? SSL_read(c->ssl, buf, n) :
			(int)recv(c->fd, buf, (size_t)n, 0);
}

static size_t content_length(const char *head)
{
	const char *p = head;

	while ((p = strchr(p, '\n')) != NULL) {
		p++;
		if (strncasecmp(p, "Content-Length:", 15) == 0)
			return strtoul(p + 15, NULL, 10);
	}
	return 0;
}

/* One whole request into the list; false when the client is gone. */
static bool read_request(struct conn *c)
{
	char *buf = calloc(1, REQUEST_SIZE), *end;
	size_t n = 0;
	int got;

	NEED(buf);
	for (;;) {
		end = strstr(buf, "\r\n\r\n");
		if (end && n >= (size_t)(end - buf) + 4 + content_length(buf))
			break;
		NEED(n < REQUEST_SIZE - 1);
		got = receive(c, buf + n, (int)(REQUEST_SIZE - 1 - n));
		if (got <= 0) {
			free(buf);
			return false;
		}
		n += (size_t)got;
	}
	pthread_mutex_lock(&c->p->lock);
	NEED(c->p->requests < REQUESTS_MAX);
	c->p->request[c->p->requests++] = buf;
	pthread_mutex_unlock(&c->p->lock);
	return true;
}

static void send_all(struct conn *c, const char *s)
{
	size_t n = strlen(s);
	ssize_t sent;

	while (n > 0) {
		sent = c->ssl ? SSL_write(c->ssl, s, (int)n) :
				send(c->fd, s, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		s += sent;
		n -= (size_t)sent;
	}
}

/* Until the client goes or the test ends. */
static void do_nothing(struct conn *c)
{
	char buf[4096];

	while (wait_for(c->p, c->fd) && recv(c->fd, buf, sizeof(buf), 0) > 0)
		;
}

static void serve(struct conn *c)
{
	const struct peer_step *s;

	while (c->p->step < c->p->o.n_steps) {
		s = &c->p->o.steps[c->p->step];
		if (!read_request(c))
			return;
		c->p->step++;
		if (s->act == PEER_ANSWER || s->act == PEER_ANSWER_CLOSE)
			send_all(c, s->bytes);
		if (s->act == PEER_STALL)
			do_nothing(c);
		if (s->act != PEER_ANSWER)
			return;
	}
	do_nothing(c);
}

static void take(struct peer *p, int fd)
{
	struct conn c = { p, fd, NULL };
	enum peer_act act = p->step < p->o.n_steps ? p->o.steps[p->step].act :
						     PEER_ANSWER;

	if (act == PEER_HANG_UP || act == PEER_MUTE) {
		p->step++;
		if (act == PEER_MUTE)
			wait_for(p, -1);
	} else if (!p->ctx) {
		serve(&c);
	} else {
		c.ssl = SSL_new(p->ctx);
		NEED(c.ssl && SSL_set_fd(c.ssl, fd));
		if (SSL_accept(c.ssl) == 1)
			serve(&c);
		SSL_shutdown(c.ssl);
		SSL_free(c.ssl);
	}
	close(fd);
}

static void *run(void *arg)
{
	struct peer *p = arg;
	int fd;

	while (wait_for(p, p->listener)) {
		fd = accept(p->listener, NULL, NULL);
		if (fd < 0)
			continue;
		pthread_mutex_lock(&p->lock);
		p->connections++;
		pthread_mutex_unlock(&p->lock);
		take(p, fd);
	}
	return NULL;
}

static void make_tls(struct peer *p)
{
	if (!p->o.cert)
		return;
	NEED(p->ctx = SSL_CTX_new(TLS_server_method()));
	NEED(SSL_CTX_use_certificate_file(p->ctx, p->o.cert,
					  SSL_FILETYPE_PEM) == 1);
	NEED(SSL_CTX_use_PrivateKey_file(p->ctx, p->o.key, SSL_FILETYPE_PEM) ==
	     1);
	if (p->o.max_tls) {
		SSL_CTX_set_security_level(p->ctx, 0);
		SSL_CTX_set_max_proto_version(p->ctx, p->o.max_tls);
	}
	if (p->o.client_ca) {
		NEED(SSL_CTX_load_verify_locations(p->ctx, p->o.client_ca,
						   NULL) == 1);
		SSL_CTX_set_verify(p->ctx,
				   SSL_VERIFY_PEER |
					   SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   NULL);
	}
}

struct peer *peer_start(const struct peer_options *o)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct peer *p = calloc(1, sizeof(*p));
	socklen_t n = sizeof(a);

	NEED(p);
	/* Ours, when a client is gone; libcurl's are MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	p->o = *o;
	/* The caller's may be gone before the thread is. */
	p->steps = calloc(o->n_steps + 1, sizeof(*p->steps));
	NEED(p->steps);
	for (size_t i = 0; i < o->n_steps; i++)
		p->steps[i] = o->steps[i];
	p->o.steps = p->steps;
	make_tls(p);
	p->listener = socket(AF_INET, SOCK_STREAM, 0);
	NEED(bind(p->listener, (struct sockaddr *)&a, sizeof(a)) == 0);
	NEED(listen(p->listener, 8) == 0);
	NEED(getsockname(p->listener, (struct sockaddr *)&a, &n) == 0);
	p->port = ntohs(a.sin_port);
	NEED(pipe(p->wake) == 0);
	pthread_mutex_init(&p->lock, NULL);
	NEED(pthread_create(&p->thread, NULL, run, p) == 0);
	return p;
}

void peer_stop(struct peer *p)
{
	unsigned i;

	if (!p)
		return;
	NEED(write(p->wake[1], "", 1) == 1);
	pthread_join(p->thread, NULL);
	for (i = 0; i < p->requests; i++)
		free(p->request[i]);
	SSL_CTX_free(p->ctx);
	close(p->listener);
	close(p->wake[0]);
	close(p->wake[1]);
	pthread_mutex_destroy(&p->lock);
	free(p->steps);
	free(p);
}

int peer_port(const struct peer *p)
{
	return p->port;
}

unsigned peer_connections(struct peer *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = p->connections;
	pthread_mutex_unlock(&p->lock);
	return n;
}

unsigned peer_requests(struct peer *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = p->requests;
	pthread_mutex_unlock(&p->lock);
	return n;
}

const char *peer_request(struct peer *p, unsigned i)
{
	return i < peer_requests(p) ? p->request[i] : "";
}
