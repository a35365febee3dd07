/* SPDX-License-Identifier: PostgreSQL */
/*
 * A hook: a program that is run, or an address that is called, with an event.
 * An event is one line of JSON made from a line of the audit trail; neither has
 * a secret in it.
 */
#ifndef KEYTURN_HOOK_H
#define KEYTURN_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/now.h"
#include "base/random.h"
#include "base/reason.h"

#define HOOK_BODY_MAX  16384
#define HOOK_ID_SIZE   65
#define HOOK_ARGS_MAX  32
#define HOOK_KEY_LEAST 16 /* bytes of a webhook's key */

/* What a hook can be told of: audit/events.def.  Every event comes out of the
 * audit trail, so that none is made up and none is lost in a crash. */
enum hook_event {
#define EVENT(name, kind, writer, members, sentence, hook) hook
#define HOOK(name, help)				   HOOK_##name,
#define NO_HOOK
#include "audit/events.def"
#undef EVENT
#undef HOOK
#undef NO_HOOK
	HOOK_EVENT_COUNT
};

/* "rotated"; static. */
const char *hook_event_name(enum hook_event e);

/* "rotated failed" (spaces or commas between) to a set of bits; "" is all.
 * STATUS_CONFIG names a word that is no event. */
enum status hook_events(const char *words, unsigned *ret_events,
			struct reason *why);

/* ---- what a hook is told ------------------------------------------------ */

struct hook_notice {
	enum hook_event event;
	int64_t seq;	       /* the event's number in the trail */
	char id[HOOK_ID_SIZE]; /* its hash: the same for every attempt */
	char body[HOOK_BODY_MAX];
	size_t n;
};

/*
 * Make the notice from a line of the trail (ledger.h, follow).
 * STATUS_NOT_FOUND: that event is nothing for hooks.  STATUS_CORRUPT: the line
 * cannot be read.
 */
enum status hook_notice_read(const char *line, struct hook_notice *ret,
			     struct reason *why);

/* ---- hooks -------------------------------------------------------------- */

struct hook;

struct hook_options {
	const char *name;
	/* Either a program with arguments, its path absolute, ... */
	const char *argv[HOOK_ARGS_MAX + 1]; /* NULL behind the last */
	/* ... or an address with the file of the key that signs ("" for none)
	 * and the CA certificates, "" for the system's. */
	const char *url;
	const char *secret_file; /* absolute, or "credential:NAME" */
	const char *ca_file;
	const char *events; /* see hook_events() */
	int64_t timeout_us; /* one attempt */
	const struct now *now;
	const struct random *random;
};

/* STATUS_CONFIG says what is wrong.  The options' pointers must outlive it. */
enum status hook_open(const struct hook_options *o, struct hook **ret,
		      struct reason *why);
void hook_close(struct hook *h); /* takes NULL */

bool hook_wants(const struct hook *h, enum hook_event e);

/*
 * Tell it once; a webhook has three tries within its timeout.  STATUS_OK when
 * the program ended with 0, or the answer was 2xx.  Everything else may be
 * tried again later.
 */
enum status hook_deliver(struct hook *h, const struct hook_notice *n,
			 struct reason *why);

/*
 * Before the process ends while hooks are under way: end their programs, with
 * all that these have started, and begin no more.
 */
void hook_end(const struct now *now);

#endif
