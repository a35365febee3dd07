/* SPDX-License-Identifier: PostgreSQL */
/* Talks to the agent in a thread of its own; must never make a rotation wait
 * for it. */
#include "daemon/agent_notify.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/now.h"
#include "base/text.h"
#include "base/thread.h"
#include "wire/wire_client.h"

#define TIMEOUT_MS  2000
#define TAKE_US	    (3 * NOW_SECOND)
#define PAUSE	    (1 * NOW_SECOND)
#define PAUSE_MAX   (30 * NOW_SECOND)
#define ATTEMPTS    6
#define ROLE_SIZE   128
#define PENDING_MAX 4096 /* beyond that the agent's own asking must do */

/* Told when its time has come; of one role only the last version. */
struct telling {
	struct telling *next;
	char role[ROLE_SIZE], version[RANDOM_UUID_SIZE];
	unsigned attempts;
	bool taken;  /* not a version: what was asked for is taken */
	bool absent; /* there was no agent the last time */
	int64_t not_before;
};

struct agent_notify {
	char path[108]; /* sun_path */
	const struct random *random;
	agent_notify_request_fn *request;
	void *arg;
	pthread_t thread;
	bool away; /* the agent did not answer last time; the thread's */
	unsigned char reply[WIRE_REPLY_MAX]; /* the thread's */
	pthread_mutex_t lock;		     /* over everything below */
	pthread_cond_t changed;
	struct telling *list;
	size_t n;
	unsigned failed;
	bool hushed; /* no TAKE any more */
	bool taking; /* one is under way */
	bool ending;
};

/* ---- the wire --------------------------------------------------------------- */

/* One exchange; *ret_result is the agent's word. */
static enum status call_agent(struct agent_notify *p, struct wire_out *o,
			      struct wire_message *ret, int64_t *ret_result,
			      struct reason *why)
{
	struct wire_client_request r = { .socket = p->path,
					 .frame = o->bytes,
					 .timeout_ms = TIMEOUT_MS };
	enum status s;

	s = wire_end(o, &r.len);
	if (s != STATUS_OK)
		return reason_set(why, s, "the request cannot be written");
	s = wire_client_call(&r, p->reply, sizeof(p->reply), ret, why);
	if (s == STATUS_OK)
		*ret_result = wire_number(ret, WIRE_TAG_RESULT,
					  WIRE_RESULT_UNAVAILABLE);
	return s;
}

/* Once for each change, and a socket that is not there is no agent at all. */
static void note_state(struct agent_notify *p, enum status s,
		       const struct reason *why)
{
	bool away = s != STATUS_OK && s != STATUS_NOT_FOUND;

	if (away && !p->away)
		log_line(LOG_LEVEL_WARN, "the agent does not answer: %s",
			 why->text);
	else if (!away && p->away)
		log_line(LOG_LEVEL_INFO, "the agent %s",
			 s == STATUS_OK ? "answers again" : "is gone");
	p->away = away;
}

/* True when nothing is left to do about it. */
static bool tell_version(struct agent_notify *p, struct telling *t)
{
	unsigned char request[WIRE_REQUEST_MAX];
	struct wire_out o;
	struct wire_message reply;
	struct reason why;
	int64_t result = 0;
	enum status s;

	wire_begin(&o, request, sizeof(request),
		   t->taken ? WIRE_TAKEN : WIRE_REFRESH);
	wire_put_text(&o, WIRE_TAG_ROLE, t->role);
	wire_put_text(&o, WIRE_TAG_VERSION, t->version);
	s = call_agent(p, &o, &reply, &result, &why);
	note_state(p, s, &why);
	t->absent = s == STATUS_NOT_FOUND;
	/* What is not known to be taken is handed over again. */
	if (t->taken)
		return true;
	/* A role that the agent does not serve is none of its business. */
	return s == STATUS_OK &&
	       (result == WIRE_RESULT_OK || result == WIRE_RESULT_NOT_FOUND);
}

static void take_requests(struct agent_notify *p)
{
	unsigned char request[WIRE_REQUEST_MAX];
	struct wire_out o;
	struct wire_message reply, entry;
	struct reason why;
	char role[ROLE_SIZE];
	int64_t result = 0;
	size_t at = 0;
	enum status s;

	wire_begin(&o, request, sizeof(request), WIRE_TAKE);
	s = call_agent(p, &o, &reply, &result, &why);
	note_state(p, s, &why);
	if (s != STATUS_OK || result != WIRE_RESULT_OK)
		return;
	while (wire_entry(&reply, &at, &entry))
		if (wire_text(&entry, WIRE_TAG_ROLE, role, sizeof(role)))
			p->request(p->arg, role);
}

/* ---- the thread ------------------------------------------------------------- */

/* Take out what is to be told now.  Under the lock. */
static struct telling *next_due(struct agent_notify *p, int64_t now,
				int64_t *ret_wake)
{
	struct telling **at = &p->list, *t;

	for (; (t = *at) != NULL; at = &t->next) {
		if (t->not_before <= now || p->ending) {
			*at = t->next;
			p->n--;
			return t;
		}
		if (t->not_before < *ret_wake)
			*ret_wake = t->not_before;
	}
	return NULL;
}

/* Under the lock. */
static struct telling *find_version(struct agent_notify *p, const char *role,
				    bool taken)
{
	struct telling *t = p->list;

	while (t && (t->taken != taken || strcmp(t->role, role) != 0))
		t = t->next;
	return t;
}

/* At the end an agent that does not answer is waited for once, and not for each
 * telling.  Under the lock. */
static void give_up(struct agent_notify *p)
{
	struct telling *t;

	if (p->n > 0 && p->away) {
		p->failed += (unsigned)p->n;
		log_line(LOG_LEVEL_WARN,
			 "the agent could not be told of %zu more new "
			 "passwords; it will find them in the store",
			 p->n);
	}
	while ((t = p->list) != NULL) {
		p->list = t->next;
		free(t);
	}
	p->n = 0;
}

/* Put back for later, unless there is newer word of that role.  Under the
 * lock. */
static void later(struct agent_notify *p, struct telling *t)
{
	struct telling *other;

	if (p->ending && (p->away || t->absent))
		give_up(p);
	other = find_version(p, t->role, false);
	if (other || p->ending || ++t->attempts >= ATTEMPTS) {
		if (!other && !t->absent) {
			p->failed++;
			log_line(LOG_LEVEL_WARN,
				 "%s: the agent could not be told of the new "
				 "password; it will find it in the store",
				 t->role);
		}
		free(t);
		return;
	}
	t->not_before = now_boot(now_system()) +
			backoff_us(p->random, PAUSE, PAUSE_MAX, t->attempts);
	t->next = p->list;
	p->list = t;
	p->n++;
}

static void rest_until(struct agent_notify *p, int64_t us)
{
	const struct timespec until = thread_after(us);

	thread_wait(&p->changed, &p->lock, &until);
}

static void *notify_agent(void *arg)
{
	struct agent_notify *p = arg;
	int64_t next_take = 0, now, wake;
	struct telling *t;
	bool done;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		now = now_boot(now_system());
		if (p->hushed)
			next_take = now + PAUSE_MAX;
		wake = next_take;
		t = next_due(p, now, &wake);
		if (t || (now >= next_take && !p->ending)) {
			done = false;
			p->taking = !t;
			pthread_mutex_unlock(&p->lock);
			if (t)
				done = tell_version(p, t);
			else
				take_requests(p);
			pthread_mutex_lock(&p->lock);
			p->taking = false;
			if (!t)
				next_take = now_boot(now_system()) + TAKE_US;
			else if (done)
				free(t);
			else
				later(p, t);
			continue;
		}
		if (p->ending)
			break;
		rest_until(p, wake > now ? wake - now : 1000);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

enum status agent_notify_start(const char *socket_path,
			       const struct random *random,
			       agent_notify_request_fn *request, void *arg,
			       struct agent_notify **ret, struct reason *why)
{
	struct agent_notify *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return reason_no_memory(why);
	text_copy(p->path, sizeof(p->path), socket_path);
	p->random = random;
	p->request = request;
	p->arg = arg;
	pthread_mutex_init(&p->lock, NULL);
	thread_cond_init(&p->changed);
	rc = thread_start(&p->thread, notify_agent, p);
	if (rc != 0) {
		pthread_cond_destroy(&p->changed);
		pthread_mutex_destroy(&p->lock);
		free(p);
		return reason_set(why, STATUS_NO_MEMORY,
				  "no thread for the agent: %s", strerror(rc));
	}
	*ret = p;
	return STATUS_OK;
}

static void add_version(struct agent_notify *p, const char *role,
			const char *version, bool taken)
{
	struct telling *t;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	t = find_version(p, role, taken);
	if (!t && p->n < PENDING_MAX && (t = calloc(1, sizeof(*t))) != NULL) {
		t->next = p->list;
		p->list = t;
		p->n++;
	}
	if (t) {
		text_copy(t->role, sizeof(t->role), role);
		text_copy(t->version, sizeof(t->version), version);
		t->taken = taken;
		t->attempts = 0;
		t->not_before = 0;
	}
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

void agent_notify_tell(struct agent_notify *p, const char *role,
		       const char *version)
{
	add_version(p, role, version, false);
}

void agent_notify_taken(struct agent_notify *p, const char *role)
{
	add_version(p, role, "", true);
}

bool agent_notify_hush(struct agent_notify *p)
{
	bool quiet;

	if (!p)
		return true;
	pthread_mutex_lock(&p->lock);
	p->hushed = true;
	quiet = !p->taking;
	pthread_mutex_unlock(&p->lock);
	return quiet;
}

unsigned agent_notify_failed(struct agent_notify *p)
{
	unsigned n = 0;

	if (p) {
		pthread_mutex_lock(&p->lock);
		n = p->failed;
		pthread_mutex_unlock(&p->lock);
	}
	return n;
}

void agent_notify_free(struct agent_notify *p)
{
	struct telling *t;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	while ((t = p->list) != NULL) {
		p->list = t->next;
		free(t);
	}
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
