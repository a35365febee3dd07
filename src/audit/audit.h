/* SPDX-License-Identifier: PostgreSQL */
/*
 * The audit trail: events chained by hash, and signed checkpoints.  Nothing
 * here knows where they are kept: a ledger's driver stores the bytes, and gives
 * them back by an audit_walk.
 *
 *   audit_event       an event as canonical JSON
 *   audit_entry       and read back
 *   audit_chain       how one event follows from the one before
 *   audit_checkpoint  what is signed, and whether it fits
 *   audit_intact      looks at the end of a trail only
 *   audit_sign        makes the next checkpoint
 *   audit_verify      re-derives all of it
 *   audit_export      writes it out as JSON lines
 */
#ifndef KEYTURN_AUDIT_H
#define KEYTURN_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "crypto/sign.h"

#define AUDIT_ROLE_SIZE 256
#define AUDIT_TEXT_SIZE 512 /* of each text of an event; longer ones are cut */
#define AUDIT_BODY_MAX	16384 /* an event in canonical JSON */
#define AUDIT_HASH_SIZE 65    /* hex and NUL */

enum audit_kind {
	AUDIT_NONE, /* not an event */
#define EVENT(name, kind, writer, members, sentence, hook) AUDIT_##name,
#include "audit/events.def"
#undef EVENT
	AUDIT_KINDS
};

/* One step of one run, or one hand-out, made by audit_event_make().  A text may
 * be NULL for "". */
struct audit_event {
	int64_t at_us; /* wall clock; 0: the ledger's now */
	enum audit_kind kind;
	const char *role;     /* or "" */
	const char *run;      /* run id or "" */
	const char *actor;    /* who: "uid 1000 (alice)", "keyturnd" */
	const char *version;  /* version id or "" */
	const char *status;   /* status_name() or "" */
	const char *detail;   /* a sentence without secrets, or "" */
	int64_t epoch;	      /* 0: none */
	int64_t took_us;      /* how long the step took, -1: not a step */
	const char *ended_by; /* of an old password: runner_ended_word() */
	/* Of what is given out or checked: */
	const char *operation; /* "GET", "VERIFY", ... */
	const char *label;     /* of the version, "current" or "previous" */
	const char *host;      /* as the asking program says */
	const char *service;   /* the same; or a unit */
	bool stale;	       /* by a copy that may be out of date */
	/* Of a hand-off to a partner: */
	const char *state;     /* "offered", ...: handoff_states.def */
	const char *source;    /* where it is known from: "session", ... */
	const char *recipient; /* for whom: "sha256:...", "delivery cpi" */
	int64_t count;	       /* so many more like the one before, 0: itself */
	int64_t pid;	       /* 0: not known, or many */
	/* Of a rotation that is to come; times as now_stamp() has them: */
	const char *due;     /* by the schedule */
	const char *planned; /* when it begins */
	const char *local;   /* ... by the clocks of `zone`, RFC 3339 */
	const char *zone;    /* the partner's */
	const char *step;    /* which notice of it, "3d" */
	const char *until;   /* it is postponed until then, or "" */
	/* Of an old password that is still in use: */
	const char *consumers; /* by whom, consumer_name(), between blanks */
	const char *last;      /* when last, as now_stamp() has it */
};

/* An event that is not a step and happens now; what is not given is empty. */
struct audit_event audit_event_make(enum audit_kind kind, const char *role,
				    const char *actor, const char *status,
				    const char *detail);

/* "role-create"; static. */
const char *audit_event_name(enum audit_kind kind);

/* AUDIT_NONE for a name that is not in events.def. */
enum audit_kind audit_event_kind(const char *name);

struct audit_keys {
	struct sign_key *sign; /* NULL: cannot sign */
	bool has_public;       /* false: signatures are not looked at */
	unsigned char public_key[SIGN_PUBLIC_SIZE];
};

struct audit_verdict {
	int64_t events;	     /* how many verified */
	int64_t checkpoints; /* how many signatures verified */
	int64_t bad_event;   /* sequence number of the first bad one, 0: none */
	int64_t unsigned_tail;	    /* events after the last checkpoint */
	char head[AUDIT_HASH_SIZE]; /* of the last good event */
};

/* One exported line; another status than STATUS_OK stops the export, and is
 * what it returns. */
typedef enum status audit_line_fn(void *arg, const char *json_line);

struct audit_walk;
struct audit_checkpoint;

/*
 * Cheap, before anything is started: the last event, number `seq`, follows from
 * the one before it, and the last checkpoint is signed with our key (where we
 * have one) and its event still there.  STATUS_AUDIT_BROKEN.  seq 0: there is
 * no event.
 */
enum status audit_intact(const struct audit_walk *w, int64_t seq,
			 const struct audit_keys *keys, struct reason *why);

/* The next checkpoint, over all events; the last one must be signed by us and
 * lead to them.  STATUS_NOT_FOUND: nothing has come since that one. */
enum status audit_sign(const struct audit_walk *w,
		       const struct audit_keys *keys, int64_t now_us,
		       struct audit_checkpoint *ret, struct reason *why);

/* Re-derive chain and signatures.  STATUS_AUDIT_BROKEN with the first bad event
 * in *ret and in the sentence. */
enum status audit_verify(const struct audit_walk *w,
			 const struct audit_keys *keys,
			 struct audit_verdict *ret, struct reason *why);

/* Events and checkpoints in order. */
enum status audit_export(const struct audit_walk *w, audit_line_fn *fn,
			 void *arg, struct reason *why);

/* The events behind number `after`, at most `most`.  *ret_last is the number of
 * the last one given, or `after`. */
enum status audit_export_after(const struct audit_walk *w, int64_t after,
			       size_t most, audit_line_fn *fn, void *arg,
			       int64_t *ret_last, struct reason *why);

#endif
