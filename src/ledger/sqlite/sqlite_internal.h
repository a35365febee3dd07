/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of the embedded ledger share; nobody else includes it.
 *
 * A durable record is one transaction: the events that were noted before and
 * go first, the new ones, and what else the record changes.
 */
#ifndef KEYTURN_LEDGER_SQLITE_INTERNAL_H
#define KEYTURN_LEDGER_SQLITE_INTERNAL_H

#include <pthread.h>

#include "audit/audit_event.h"
#include "ledger/sqlite/sqlite.h"
#include "ledger/sqlite/trail.h"
#include "lite/lite.h"

/* An event that is already written down, but not yet in the file. */
struct ledger_sqlite_note {
	struct ledger_sqlite_note *next;
	char *body;
	char run[RANDOM_UUID_SIZE];
};

/* A queue of them, oldest first.  Made by ledger_sqlite_notes_init(). */
struct ledger_sqlite_notes {
	struct ledger_sqlite_note *first, **last;
	size_t n;
};

struct ledger_sqlite {
	struct ledger ledger; /* first: what the caller holds */
	struct lite *db;
	struct audit_keys keys;
	const struct now *now;
	pthread_mutex_t lock; /* of pending */
	struct ledger_sqlite_notes pending;
};

/* A durable record: what it adds besides events, and the events. */
struct ledger_sqlite_record {
	struct ledger_sqlite *l;
	struct ledger_sqlite_notes old, fresh;
	lite_fn *more; /* or NULL; runs after the events */
	void *arg;
	bool intact; /* look at the trail's end first */
};

/* --- ledger_sqlite.c ------------------------------------------------------ */

/* What lite gave, in the words of ledger.h; the reason then says that it was
 * the ledger. */
enum status ledger_sqlite_translate(enum status st, struct reason *why);

/* s has 1 to size - 1 bytes, or STATUS_LEDGER_UNAVAILABLE; what is its name
 * in the sentence. */
enum status ledger_sqlite_check_key(const char *what, const char *s,
				    size_t size, struct reason *why);

/* Bind s, or "" for NULL, cut so that it fits into a field of size bytes, NUL
 * included (at most LEDGER_TEXT_SIZE). */
void ledger_sqlite_bind_cut(struct lite_stmt *q, int i, const char *s,
			    size_t size);

/* --- ledger_sqlite_notes.c ------------------------------------------------ */

/* An empty queue. */
void ledger_sqlite_notes_init(struct ledger_sqlite_notes *ns);

/* Move everything of `from` behind what is in `to`. */
void ledger_sqlite_notes_join(struct ledger_sqlite_notes *to,
			      struct ledger_sqlite_notes *from);

/* Free what is queued; the queue is empty, and usable, after. */
void ledger_sqlite_notes_free(struct ledger_sqlite_notes *ns);

/* Write one event down and queue it in ns.  ns is unchanged on failure. */
enum status ledger_sqlite_notes_write(struct ledger_sqlite *l,
				      struct ledger_sqlite_notes *ns,
				      const struct audit_event *e,
				      struct reason *why);

/* The same for n events; after a failure ns has those before it. */
enum status ledger_sqlite_notes_write_all(struct ledger_sqlite *l,
					  struct ledger_sqlite_notes *ns,
					  const struct audit_event *events,
					  size_t n, struct reason *why);

/* Move what was noted for later and goes before `fresh` into ret_old: events of
 * the same runs and of `run` ("" for none), and those of no run. */
void ledger_sqlite_notes_take(struct ledger_sqlite *l,
			      const struct ledger_sqlite_notes *fresh,
			      const char *run,
			      struct ledger_sqlite_notes *ret_old);

/* The write failed: they wait again, at their old place in front. */
void ledger_sqlite_notes_put_back(struct ledger_sqlite *l,
				  struct ledger_sqlite_notes *old);

/* Chain all of ns to the audit trail, inside tx. */
enum status ledger_sqlite_notes_append(struct lite_tx *tx,
				       const struct ledger_sqlite_notes *ns,
				       struct reason *why);

/* Move `fresh` to what waits in memory for the next record; or, when too much
 * waits already, set *ret_full and leave it. */
enum status ledger_sqlite_notes_later(struct ledger_sqlite *l,
				      struct ledger_sqlite_notes *fresh,
				      bool *ret_full);

/* --- ledger_sqlite_record.c ----------------------------------------------- */

/* A record of no events; more(tx, arg) changes the rest, or is NULL. */
void ledger_sqlite_record_init(struct ledger_sqlite_record *r,
			       struct ledger_sqlite *l, lite_fn *more,
			       void *arg);

/* Write r, whose events are of `run` ("" for none), and free what it holds,
 * also on failure; what was noted before waits on then.  reserved: from the
 * room that lite_reserve() made.  The result is translated. */
enum status ledger_sqlite_record_commit(struct ledger_sqlite_record *r,
					const char *run, bool reserved,
					struct reason *why);

/* --- ledger_sqlite_role.c ------------------------------------------------- */

/* Bind r to parameters 1 to 11: role, version, rotated_us, epoch, frozen,
 * frozen_us, frozen_reason, last_status, last_run_us, last_error, failures. */
void ledger_sqlite_role_bind(struct lite_stmt *q, const struct ledger_role *r);

/* --- the members of struct ledger_ops: see ledger.h ----------------------- */

enum status ledger_sqlite_begin(struct ledger *ledger, const char *run,
				const char *role, const char *mode,
				const char *actor, const char *reason,
				struct reason *why);

enum status ledger_sqlite_record_note(struct ledger *ledger,
				      const struct audit_event *events,
				      size_t n, bool durable,
				      struct reason *why);

enum status ledger_sqlite_close(struct ledger *ledger, const char *run,
				const struct audit_event *events, size_t n,
				const struct ledger_role *role,
				const char *status, const char *version,
				const char *error, const char *steps,
				bool keep_open, struct reason *why);

enum status ledger_sqlite_role(struct ledger *ledger, const char *name,
			       struct ledger_role *ret, struct reason *why);

enum status ledger_sqlite_role_each(struct ledger *ledger, ledger_role_fn *fn,
				    void *arg, struct reason *why);

enum status ledger_sqlite_role_freeze(struct ledger *ledger, const char *name,
				      const char *actor, const char *reason,
				      struct reason *why);

enum status ledger_sqlite_role_thaw(struct ledger *ledger, const char *name,
				    const char *actor, struct reason *why);

enum status ledger_sqlite_memory_remember(struct ledger *ledger,
					  const char *key, const char *value,
					  int64_t until_us, struct reason *why);

enum status ledger_sqlite_memory_recall(struct ledger *ledger, const char *key,
					int64_t now_us,
					char ret_value[LEDGER_TEXT_SIZE],
					struct reason *why);

enum status ledger_sqlite_memory_forget(struct ledger *ledger,
					const char *prefix,
					ledger_keep_fn *keep, void *arg,
					struct reason *why);

enum status ledger_sqlite_history(struct ledger *ledger, const char *name,
				  int64_t since_us, ledger_run_fn *fn,
				  void *arg, struct reason *why);

enum status ledger_sqlite_audit_checkpoint(struct ledger *ledger,
					   struct reason *why);

enum status ledger_sqlite_audit_verify(struct ledger *ledger,
				       struct audit_verdict *ret,
				       struct reason *why);

enum status ledger_sqlite_audit_export(struct ledger *ledger, audit_line_fn *fn,
				       void *arg, struct reason *why);

enum status ledger_sqlite_audit_follow(struct ledger *ledger, int64_t after,
				       size_t most, audit_line_fn *fn,
				       void *arg, int64_t *ret_last,
				       struct reason *why);

enum status ledger_sqlite_audit_head(struct ledger *ledger, int64_t seq,
				     int64_t *ret_seq,
				     char ret_hash[LEDGER_HASH_SIZE],
				     struct reason *why);

#endif
