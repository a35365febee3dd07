/* SPDX-License-Identifier: PostgreSQL */
/* Connections: who may have one, whole requests in, whole replies out; must
 * never wait for a client, nor let one keep another waiting. */
#include "agent/serve/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/access/groups.h"
#include "agent/serve/creds.h"
#include "agent/serve/listen.h"
#include "agent/serve/request.h"

#define REQUEST_US   (1 * NOW_SECOND)  /* from its first byte to its last */
#define IDLE_US	     (30 * NOW_SECOND) /* between requests */
#define ACCEPTS	     64		       /* in one turn */
#define BACK_OFF_US  (NOW_SECOND / 10)
#define STRANGERS    8 /* connections of a user without any right */
#define STRANGERS_OF 8 /* all of them together have this part of `clients` */

/* ---- Who has how many ---------------------------------------------------- */

static struct agent_serve_client_tally *tally_of(struct agent *a, uid_t uid)
{
	struct agent_serve_client_tally *free_one = NULL, *p;

	for (size_t i = 0; i < a->n_tallies; i++) {
		if (a->tallies[i].n > 0 && a->tallies[i].uid == uid)
			return &a->tallies[i];
		if (a->tallies[i].n == 0)
			free_one = &a->tallies[i];
	}
	if (!free_one) {
		p = reallocarray(a->tallies, a->n_tallies + 1, sizeof(*p));
		if (!p)
			return NULL;
		a->tallies = p;
		free_one = &p[a->n_tallies++];
	}
	*free_one = (struct agent_serve_client_tally){ .uid = uid };
	return free_one;
}

/* A user without any right can only be refused, and needs few connections.  Some
 * are reserved for systemd and the rotator, however many their user has. */
static bool count_in(struct agent *a, const struct agent_watch *listener,
		     const struct agent_peer *p, bool *ret_stranger)
{
	unsigned all = a->settings.clients, own = a->settings.clients_per_user;
	struct agent_serve_client_tally *t;
	bool stranger;

	*ret_stranger = false;
	if (listener->source != AGENT_SOURCE_AGENT) {
		if (a->n_clients >= all + AGENT_SERVE_CLIENT_RESERVED)
			return false;
		a->n_clients++;
		return true;
	}
	t = tally_of(a, p->uid);
	stranger = !agent_access_groups_knows(a->groups, p);
	if (stranger && own > STRANGERS)
		own = STRANGERS;
	if (!t || a->n_clients >= all || t->n >= own)
		return false;
	/* One person may be many users (subuid(5)). */
	if (stranger && a->n_strangers >= a->settings.clients / STRANGERS_OF)
		return false;
	t->n++;
	a->n_clients++;
	a->n_strangers += stranger;
	*ret_stranger = stranger;
	return true;
}

static void count_out(struct agent *a, enum agent_source through, uid_t uid,
		      bool stranger)
{
	if (through == AGENT_SOURCE_AGENT)
		tally_of(a, uid)->n--;
	a->n_clients--;
	a->n_strangers -= stranger;
}

/* ---- Coming and going ---------------------------------------------------- */

static void set_state(struct agent *a, struct agent_serve_client *c,
		      enum agent_serve_client_state state)
{
	if (c->state == AGENT_SERVE_CLIENT_PARKED)
		a->n_parked--;
	if (state == AGENT_SERVE_CLIENT_PARKED)
		a->n_parked++;
	c->state = state;
	c->since_us = now_boot(a->now);
}

/* Freed at the end of the turn: another event of it may be at hand. */
static void end_client(struct agent *a, struct agent_serve_client *c)
{
	if (c->state == AGENT_SERVE_CLIENT_GONE)
		return;
	if (c->state == AGENT_SERVE_CLIENT_PARKED && c->frame)
		agent_serve_request_leave(a, c, secret_bytes(c->frame),
					  secret_len(c->frame));
	set_state(a, c, AGENT_SERVE_CLIENT_GONE);
	close(c->watch.fd);
	c->gone = a->gone;
	a->gone = c;
}

static void free_client(struct agent *a, struct agent_serve_client *c)
{
	if (c->before)
		c->before->next = c->next;
	else
		a->clients = c->next;
	if (c->next)
		c->next->before = c->before;
	count_out(a, c->through, c->peer.uid, c->stranger);
	agent_access_rules_forget(&c->peer);
	secret_free(c->frame);
	free(c->credential);
	free(c);
}

/* creds.sock is for systemd's manager, admin.sock for the rotator: root, the
 * agent's own user, or the socket's owner.  Its mode says so already. */
static bool may_come(const struct agent *a, const struct agent_watch *listener,
		     const struct agent_peer *p)
{
	if (listener->source == AGENT_SOURCE_CREDS)
		return p->uid == 0;
	if (listener->source == AGENT_SOURCE_ADMIN)
		return p->uid == 0 || p->uid == geteuid() ||
		       p->uid == a->admin_uid;
	return true;
}

static struct agent_serve_client *add_client(struct agent *a, int fd,
					     const struct agent_watch *listener,
					     const struct agent_peer *peer)
{
	struct agent_serve_client *c = calloc(1, sizeof(*c));
	struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP,
				 .data.ptr = c };

	if (!c)
		return NULL;
	c->watch = (struct agent_watch){ AGENT_SOURCE_CLIENT, fd };
	c->through = listener->source;
	c->since_us = c->begun_us = now_boot(a->now);
	/* systemd closes its half at once; that says nothing. */
	if (c->through == AGENT_SOURCE_CREDS)
		e.events = 0;
	if (epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
		free(c);
		return NULL;
	}
	c->peer = *peer;
	c->next = a->clients;
	if (c->next)
		c->next->before = c;
	a->clients = c;
	return c;
}

static void finish_request(struct agent *a, struct agent_serve_client *c,
			   enum agent_outcome outcome, size_t len);

/* false: no more for now. */
static bool accept_one(struct agent *a, struct agent_watch *listener)
{
	int fd =
		accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct agent_peer peer = { 0 };
	struct agent_serve_client *c = NULL;
	enum agent_outcome outcome;
	bool stranger = false;
	size_t len = 0;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			a->accept_us = now_boot(a->now) + BACK_OFF_US;
			agent_serve_listen_pause(a, true);
		}
		return errno == EINTR || errno == ECONNABORTED;
	}
	if (agent_access_rules_peer(fd, &peer, NULL) == STATUS_OK &&
	    may_come(a, listener, &peer) &&
	    count_in(a, listener, &peer, &stranger)) {
		c = add_client(a, fd, listener, &peer);
		if (!c)
			count_out(a, listener->source, peer.uid, stranger);
		else
			c->stranger = stranger;
	}
	if (!c) {
		a->refused++;
		agent_access_rules_forget(&peer);
		close(fd);
		return true;
	}
	if (c->through == AGENT_SOURCE_CREDS) {
		c->credential = agent_serve_creds_name(fd);
		outcome = agent_serve_creds(a, c, &len);
		finish_request(a, c, outcome, len);
	}
	return true;
}

void agent_serve_client_accept(struct agent *a, struct agent_watch *listener)
{
	for (int i = 0; i < ACCEPTS && !a->accept_us; i++)
		if (!accept_one(a, listener))
			return;
}

/* ---- Requests and replies ------------------------------------------------ */

/* A reply goes out at once or not at all: one fits into the socket's buffer, and
 * there is one at a time, so who has no room for it does not read. */
static bool send_reply(struct agent *a, struct agent_serve_client *c,
		       size_t len)
{
	unsigned char *bytes = secret_buffer(a->outbox);
	ssize_t n;

	do
		n = send(c->watch.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	secret_wipe(bytes, len);
	a->served++;
	return n == (ssize_t)len;
}

static void finish_request(struct agent *a, struct agent_serve_client *c,
			   enum agent_outcome outcome, size_t len)
{
	if (outcome == AGENT_PARK) {
		if (c->state != AGENT_SERVE_CLIENT_PARKED)
			set_state(a, c, AGENT_SERVE_CLIENT_PARKED);
		return;
	}
	/* Whatever becomes of the reply, the request is done with. */
	set_state(a, c, AGENT_SERVE_CLIENT_IDLE);
	switch (outcome) {
	case AGENT_REPLY:
		if (!send_reply(a, c, len))
			break;
		secret_free(c->frame);
		c->frame = NULL;
		return;
	case AGENT_REPLY_AND_CLOSE:
		send_reply(a, c, len);
		break;
	case AGENT_CLOSE:
	case AGENT_PARK:
		break;
	}
	end_client(a, c);
}

/* A whole request, for the first time. */
static void begin_request(struct agent *a, struct agent_serve_client *c,
			  const void *frame, size_t len)
{
	enum agent_outcome outcome;
	size_t reply_len = 0;

	c->begun_us = now_boot(a->now);
	c->until_us = 0;
	c->waits_for = NULL;
	c->waits_for_trail = c->pressed = c->asked = c->again = false;
	c->counted = false;
	c->ticket = 0;
	outcome = agent_serve_request(a, c, frame, len, &reply_len);
	if (outcome == AGENT_PARK && !c->frame &&
	    secret_from(frame, len, &c->frame) != STATUS_OK)
		outcome = AGENT_CLOSE;
	finish_request(a, c, outcome, reply_len);
}

/* Keep what has come of a request. */
static void keep_bytes(struct agent *a, struct agent_serve_client *c,
		       const unsigned char *bytes, size_t n)
{
	if ((!c->frame &&
	     secret_new(WIRE_REQUEST_MAX, &c->frame) != STATUS_OK) ||
	    secret_append(c->frame, bytes, n) != STATUS_OK) {
		end_client(a, c);
		return;
	}
	if (c->state == AGENT_SERVE_CLIENT_IDLE)
		set_state(a, c, AGENT_SERVE_CLIENT_READING);
}

static void take_bytes(struct agent *a, struct agent_serve_client *c,
		       const unsigned char *bytes, size_t n)
{
	size_t want = 0;

	if (c->frame) {
		keep_bytes(a, c, bytes, n);
		if (c->state == AGENT_SERVE_CLIENT_GONE)
			return;
		bytes = (const unsigned char *)secret_bytes(c->frame);
		n = secret_len(c->frame);
	}
	if (n >= WIRE_HEADER_SIZE &&
	    wire_frame_len(bytes, false, &want) != STATUS_OK) {
		end_client(a, c);
		return;
	}
	if (want > 0 && n > want) /* one request at a time */
		end_client(a, c);
	else if (want > 0 && n == want)
		begin_request(a, c, bytes, n);
	else if (!c->frame)
		keep_bytes(a, c, bytes, n);
}

void agent_serve_client_ready(struct agent *a, struct agent_serve_client *c,
			      unsigned events)
{
	unsigned char *bytes = secret_buffer(a->inbox);
	ssize_t n;

	if (c->state == AGENT_SERVE_CLIENT_GONE)
		return;
	/* A client that waits for its reply may not send anything. */
	if (c->state == AGENT_SERVE_CLIENT_PARKED || (events & EPOLLERR)) {
		end_client(a, c);
		return;
	}
	do
		n = recv(c->watch.fd, bytes, WIRE_REQUEST_MAX, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		end_client(a, c);
		return;
	}
	take_bytes(a, c, bytes, (size_t)n);
	secret_wipe(bytes, (size_t)n);
}

/* ---- Time ---------------------------------------------------------------- */

static void run_again(struct agent *a, struct agent_serve_client *c)
{
	enum agent_outcome outcome;
	size_t len = 0;

	c->again = false;
	if (c->state != AGENT_SERVE_CLIENT_PARKED)
		return;
	if (c->through == AGENT_SOURCE_CREDS)
		outcome = agent_serve_creds(a, c, &len);
	else
		outcome = agent_serve_request(a, c, secret_bytes(c->frame),
					      secret_len(c->frame), &len);
	finish_request(a, c, outcome, len);
}

void agent_serve_client_tick(struct agent *a)
{
	int64_t now = now_boot(a->now);

	if (a->accept_us && now >= a->accept_us) {
		a->accept_us = 0;
		agent_serve_listen_pause(a, false);
	}
	for (struct agent_serve_client *c = a->clients; c; c = c->next) {
		int64_t age = now - c->since_us;

		if ((c->state == AGENT_SERVE_CLIENT_READING &&
		     age > REQUEST_US) ||
		    (c->state == AGENT_SERVE_CLIENT_IDLE && age > IDLE_US))
			end_client(a, c);
		if (c->state == AGENT_SERVE_CLIENT_PARKED && now >= c->until_us)
			c->again = a->any_again = true;
	}
}

void agent_serve_client_turn(struct agent *a)
{
	struct agent_serve_client *c;

	if (a->any_again) {
		a->any_again = false;
		/* What was counted may be taken back, for the others' good. */
		for (c = a->clients; c; c = c->next)
			if (c->again && c->counted)
				run_again(a, c);
		for (c = a->clients; c; c = c->next)
			if (c->again)
				run_again(a, c);
	}
	while ((c = a->gone) != NULL) {
		a->gone = c->gone;
		free_client(a, c);
	}
}

void agent_serve_client_told(struct agent *a, const struct agent_secret *s)
{
	for (struct agent_serve_client *c = a->n_parked ? a->clients : NULL; c;
	     c = c->next)
		if (c->state == AGENT_SERVE_CLIENT_PARKED &&
		    (s ? c->waits_for == s : c->waits_for_trail))
			c->again = a->any_again = true;
}

void agent_serve_client_told_all(struct agent *a)
{
	for (struct agent_serve_client *c = a->clients; c; c = c->next)
		if (c->state == AGENT_SERVE_CLIENT_PARKED)
			c->again = a->any_again = true;
}

void agent_serve_client_close_all(struct agent *a)
{
	for (struct agent_serve_client *c = a->clients; c; c = c->next)
		end_client(a, c);
	a->any_again = false;
	agent_serve_client_turn(a);
	free(a->tallies);
	a->tallies = NULL;
	a->n_tallies = 0;
}
