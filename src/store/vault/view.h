/* SPDX-License-Identifier: PostgreSQL */
/* What the two documents of a secret tell. */
#ifndef KEYTURN_STORE_VAULT_VIEW_H
#define KEYTURN_STORE_VAULT_VIEW_H

#include "store/vault/common.h"

struct json_out;

#define STORE_VAULT_FORMAT "keyturn 1" /* of a record */

/* One secret as the two documents tell it; no password in it. */
struct store_vault_view {
	char name[STORE_NAME_SIZE];
	int64_t a_version; /* 0: there is none */
	int64_t b_version;
	bool a_deleted;
	bool b_deleted;
	bool a_destroyed;
	bool a_passing; /* delete_version_after is at work on it */
	bool b_passing;
	int64_t b_replaces; /* the deleted version of A that may be replaced */
	int64_t a_created_us;
	char current[RANDOM_UUID_SIZE];	 /* "" when A names none */
	char previous[RANDOM_UUID_SIZE]; /* likewise, or not in B */
	char pending[RANDOM_UUID_SIZE];	 /* as B says, A may know better */
	bool current_in_b;
	size_t n;
	struct store_version order[STORE_VERSIONS_MAX]; /* of B; no labels */

	/* Memory of this process. */
	bool known;		/* the above is what we last wrote or read */
	int64_t remember_until; /* boot clock: describe() need not ask */
	bool capable;		/* the policy lets us write here */
	int64_t lasting_until;	/* boot clock: no clock deletes it, until then
				 * this is not asked for again */
	char staged[RANDOM_UUID_SIZE]; /* by us, and not yet promoted */
	int64_t staged_version;	       /* of B, at which it was */
	char untold[RANDOM_UUID_SIZE]; /* what other tools are to be told */
	int64_t untold_us;
	int64_t tell_after; /* boot clock */
};

/* An entry as members of an object. */
void store_vault_view_put_entry(struct json_out *o,
				const struct store_entry *e);

/* STATUS_REFUSED unless name can be the name of a secret and id (may be NULL) the
 * id of a version. */
enum status store_vault_view_check(const struct store_vault *v,
				   const char *name, const char *id,
				   struct reason *why);

/* Is it in B? */
bool store_vault_view_has(const struct store_vault_view *w, const char *id);

/* Ask the server for both documents. */
enum status store_vault_view_read(struct store_vault *v, const char *name,
				  struct store_vault_view *ret_view,
				  struct reason *why);

/* "" when there is nothing. */
void store_vault_view_revision(const struct store_vault_view *w,
			       char revision[STORE_REVISION_SIZE]);

/* CURRENT was deleted, and no command has said that it may be replaced. */
bool store_vault_view_halted(const struct store_vault_view *w);

/* Is this id pending, by both documents? */
bool store_vault_view_pending(const struct store_vault_view *w, const char *id);

/* All versions with their labels, and the revision. */
void store_vault_view_versions(const struct store_vault_view *w,
			       struct store_state *ret_state);

/* The same as store.h wants it: none while CURRENT is deleted, but a note. */
void store_vault_view_state(const struct store_vault_view *w,
			    struct store_state *ret_state);

/* What a write is made against: the view that the caller's revision names.
 * With another one the server is asked, since it may have moved. */
enum status store_vault_view_at(struct store_vault *v, const char *name,
				const char *revision,
				struct store_vault_view *ret,
				struct reason *why);

/* A version from B (at B's version, 0: newest) or from A; STATUS_NOT_FOUND. */
enum status store_vault_view_fetch_record(struct store_vault *v,
					  const char *name, const char *id,
					  int64_t version,
					  struct store_entry *ret_entry,
					  struct reason *why);

enum status store_vault_view_fetch_current(struct store_vault *v,
					   const char *name, const char *id,
					   struct store_entry *ret_entry,
					   struct reason *why);

/* As store.h's ready() says, of a view; what is found out is noted in it. */
enum status store_vault_ready_check(struct store_vault *v,
				    struct store_vault_view *w,
				    struct reason *why);

/* ---- what this process remembers of secrets ---------------------------- */

/* Of a secret of which nothing is known it has the name only. */
void store_vault_known_load(struct store_vault *v, const char *name,
			    struct store_vault_view *ret);

/* Everything that the documents tell; what they do not tell stays. */
void store_vault_known_save(struct store_vault *v,
			    const struct store_vault_view *new,
			    int64_t remember_until);

/* Keep what store_vault_ready_check() noted. */
void store_vault_known_ready(struct store_vault *v,
			     const struct store_vault_view *found);

/* After a write whose effect is not known: nothing of this secret is. */
void store_vault_known_forget(struct store_vault *v, const char *name);

/* Keep the entry for the promotion to come.  version: of B, at which we staged it;
 * 0: it was read. */
void store_vault_known_hold(struct store_vault *v, const char *name,
			    const char *id, const struct store_entry *entry,
			    int64_t version);

/* The promotion is over. */
void store_vault_known_release(struct store_vault *v, const char *name);

/* STATUS_NOT_FOUND when it is not held; the password is the caller's. */
enum status store_vault_known_held(struct store_vault *v, const char *name,
				   const char *id,
				   struct store_entry *ret_entry);

#endif
