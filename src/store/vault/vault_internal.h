/* SPDX-License-Identifier: PostgreSQL */
/* What is shared by the files of the Vault store only. */
#ifndef KEYTURN_STORE_VAULT_INTERNAL_H
#define KEYTURN_STORE_VAULT_INTERNAL_H

#include <pthread.h>

#include "http/http.h"
#include "store/vault/vault.h"
#include "json/json_doc.h"

#define STORE_VAULT_PATH_SIZE 2048

struct store_vault_auth; /* store_vault_auth.c */
struct store_vault_view; /* below: what is known of one secret */

struct store_vault {
	struct store store; /* first: what the caller holds */
	char *name;
	char *addresses[STORE_VAULT_ADDRESSES_MAX];
	size_t n_addresses;
	char *mount;
	char *prefix;
	char *namespace;
	char *auth_namespace; /* where tokens come from */
	unsigned ring;
	int64_t timeout_us;
	const struct now *now;
	const struct random *random;
	int64_t (*next_due)(const void *arg, const char *name, int64_t at_us);
	const void *next_due_arg;
	struct http *http;
	struct store_vault_auth *auth;
	pthread_mutex_t lock; /* over all below */
	size_t active;	      /* the address that answered last */
	bool mount_seen;      /* it is KV version 2 */
	struct store_vault_view *views;
};

/* ---- store_vault_call.c: one request, and what its answer means --------- */

struct store_vault_request {
	const char *method;
	const char *path;	     /* behind "/v1/", percent-encoded */
	const struct secret *token;  /* NULL: none */
	const struct json_doc *body; /* NULL: none */
	const char *content_type;    /* NULL: application/json */
	bool writes; /* repeated only when it was certainly not done */
	bool placed; /* path begins with the namespace; no header names it */
	bool login;  /* it goes to the namespace of the auth method */
};

struct store_vault_answer {
	int code;	      /* 2xx, 400, 403, 404, 405, 413, 415 */
	struct json_doc *doc; /* NULL: no body */
	bool upgrading;	      /* 400: the mount is being upgraded just now */
};

/* Wipes; takes a zeroed one. */
void store_vault_call_free(struct store_vault_answer *a);

/*
 * STATUS_OK: answered with one of the codes above.  STATUS_STORE_UNAVAILABLE:
 * not done (no connection, sealed, no active node, rate limited, not yet
 * replicated, a redirect to a host that is not listed), or a read that got no
 * proper answer.  STATUS_UNKNOWN: a write whose effect is not known.
 * STATUS_REFUSED: certificates or address.  The sentence begins with the
 * store's name.
 */
enum status store_vault_call(struct store_vault *v,
			     const struct store_vault_request *r,
			     struct store_vault_answer *ret_answer,
			     struct reason *why);

/* ---- store_vault_auth.c: tokens ---------------------------------------- */

enum status store_vault_auth_new(const struct store_vault_options *o,
				 struct store_vault_auth **ret_auth,
				 struct reason *why);
void store_vault_auth_free(struct store_vault_auth *a);

/* store_vault_call() with a token, which is obtained, renewed or, after a 403,
 * obtained anew and the request repeated once: a 403 has no effect.
 * STATUS_REFUSED: Vault does not know the token. */
enum status store_vault_auth_call(struct store_vault *v,
				  const struct store_vault_request *r,
				  struct store_vault_answer *ret_answer,
				  struct reason *why);

/* Give a token that a login obtained back; best effort. */
void store_vault_auth_revoke(struct store_vault *v);

/* ---- store_vault_path.c: paths, and refusals of them -------------------- */

enum store_vault_kind {
	STORE_VAULT_CURRENT, /* what consumers read */
	STORE_VAULT_RECORD   /* pending and ring, with their secrets */
};

struct text;

/* Percent-encoded, segment by segment. */
void store_vault_path_add(struct text *t, const char *path);

/* what: "data" or "metadata"; encoded: for a request, else for people.  dst has
 * STORE_VAULT_PATH_SIZE bytes. */
enum status store_vault_path_make(const struct store_vault *v, const char *what,
				  enum store_vault_kind kind, const char *name,
				  bool encoded, char *dst, struct reason *why);

/* STATUS_REFUSED: a 403, with the capability and the path that lack. */
enum status store_vault_path_denied(const struct store_vault *v,
				    const char *capability, const char *what,
				    enum store_vault_kind kind,
				    const char *name, struct reason *why);

/* STATUS_REFUSED: any other code that nothing is done about. */
enum status store_vault_path_odd(const struct store_vault *v, int code,
				 const char *act, struct reason *why);

/* ---- store_vault_mount.c: the mount -------------------------------------- */

/* Is the mount there, and of version 2?  Asked once. */
enum status store_vault_mount_check(struct store_vault *v, struct reason *why);

/* ---- store_vault_ready.c: what a rotation will need --------------------- */

struct store_vault_view;

/* As store.h's ready() says, of a view; what is found out is noted in it. */
enum status store_vault_ready_check(struct store_vault *v,
				    struct store_vault_view *w,
				    struct reason *why);

/* STATUS_REFUSED: this version has a deletion time; how to take it away. */
enum status store_vault_ready_passing(const struct store_vault *v,
				      enum store_vault_kind kind,
				      const char *name, int64_t version,
				      struct reason *why);

enum status store_vault_ready(struct store *store, const char *name,
			      struct reason *why);

/* ---- store_vault_kv.c: documents --------------------------------------- */

struct store_vault_doc {
	int64_t version; /* 0: there is none, or no metadata of it */
	bool deleted;	 /* soft-deleted or destroyed: version counts on */
	bool destroyed;	 /* and nothing brings it back */
	bool passing;	 /* it has a deletion time, past or to come */
	char created[40];
	struct json_doc *envelope;
	const struct json_doc *data; /* borrowed from envelope; NULL: none */
};

void store_vault_kv_free(struct store_vault_doc *d);

/* version 0: the newest.  A version that is not there is STATUS_OK with
 * version 0 and no data. */
enum status store_vault_kv_read(struct store_vault *v,
				enum store_vault_kind kind, const char *name,
				int64_t version,
				struct store_vault_doc *ret_doc,
				struct reason *why);

/*
 * Write the whole document (patch false) or merge into it, when its version is
 * `cas`.  data is freed, also on failure.  *ret_version is the new version.
 * STATUS_REFUSED: nothing was written, or it was and has a deletion time.
 * STATUS_CONFLICT: refused with a 400; re-reading decides why.
 * STATUS_NOT_FOUND: a patch of what is deleted or not there.
 */
enum status store_vault_kv_write(struct store_vault *v,
				 enum store_vault_kind kind, const char *name,
				 bool patch, int64_t cas, struct json_doc *data,
				 int64_t *ret_version, struct reason *why);

/* Tell other tools: version id, when it was made current and when the next is
 * due, merged into custom_metadata. */
enum status store_vault_kv_tell(struct store_vault *v, const char *name,
				const char *id, int64_t rotated_us,
				struct reason *why);

/* Write, read back, compare and remove a record under a name of its own. */
enum status store_vault_kv_canary(struct store_vault *v, struct reason *why);

/* ---- what is known of one secret ----------------------------------------- */

#define STORE_VAULT_FORMAT "keyturn 1" /* of a record */

/* One secret as the two documents tell it; no secret in it but `held`. */
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
	struct {
		char id[RANDOM_UUID_SIZE];
		int64_t created_us;
		bool lived; /* it was CURRENT, or may have been */
	} order[STORE_VERSIONS_MAX];

	/* Memory of this process. */
	bool known;		/* the above is what we last wrote or read */
	int64_t remember_until; /* boot clock: describe() need not ask */
	bool capable;		/* the policy lets us write here */
	int64_t lasting_until;	/* boot clock: no clock deletes it, until then
				 * this is not asked for again */
	char held_id[RANDOM_UUID_SIZE];
	struct store_entry held;       /* the entry of held_id, for promote */
	int64_t held_version;	       /* of B, at which it was staged; 0 */
	char untold[RANDOM_UUID_SIZE]; /* what other tools are to be told */
	int64_t untold_us;
	int64_t tell_after; /* boot clock */
	struct store_vault_view *next;
};

/* ---- store_vault_known.c: the memory of this process -------------------- */

/* v->lock is held.  NULL without memory. */
struct store_vault_view *store_vault_known_find(struct store_vault *v,
						const char *name);

/* Wipe what is held; v->lock is held. */
void store_vault_known_drop(struct store_vault_view *w);

/* A copy, without what only the list may own. */
void store_vault_known_load(struct store_vault *v, const char *name,
			    struct store_vault_view *ret);

/* Everything that the documents tell; what is held stays. */
void store_vault_known_save(struct store_vault *v,
			    const struct store_vault_view *new,
			    int64_t remember_until);

/* Keep what store_vault_ready_check() noted. */
void store_vault_known_ready(struct store_vault *v,
			     const struct store_vault_view *found);

/* After a write whose effect is not known: nothing of this secret is. */
void store_vault_known_forget(struct store_vault *v, const char *name);

/* Keep the entry for the promotion to come; version 0: as it was. */
void store_vault_known_hold(struct store_vault *v, const char *name,
			    const char *id, const struct store_entry *entry,
			    int64_t version);

/* The promotion is over. */
void store_vault_known_release(struct store_vault *v, const char *name);

/* STATUS_NOT_FOUND when it is not held; the password is the caller's. */
enum status store_vault_known_held(struct store_vault *v, const char *name,
				   const char *id,
				   struct store_entry *ret_entry);

/* ---- store_vault_view.c: what the documents tell ------------------------ */

/* An entry as members of an object. */
enum status store_vault_view_put_entry(struct json_doc *d,
				       const struct store_entry *e);

/* STATUS_REFUSED when a name or an id (may be NULL) is none. */
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

/* CURRENT was deleted, and nobody has said that it may be replaced. */
bool store_vault_view_halted(const struct store_vault_view *w);

/* Is this id pending, by both documents? */
bool store_vault_view_pending(const struct store_vault_view *w, const char *id);

/* The label of a version in B. */
enum store_label store_vault_view_label(const struct store_vault_view *w,
					const char *id);

/* As store.h wants it. */
void store_vault_view_state(const struct store_vault_view *w,
			    struct store_state *ret_state);

/* What a write is made against: the view that the caller's revision names.
 * With another one the server is asked, since it may have moved; *ret_moved:
 * it is not at the caller's revision. */
enum status store_vault_view_at(struct store_vault *v, const char *name,
				const char *revision,
				struct store_vault_view *ret, bool *ret_moved,
				struct reason *why);

/* STATUS_CONFLICT, in words. */
enum status store_vault_view_moved(const struct store_vault *v,
				   const char *name, struct reason *why);

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

/* ---- store_vault_stage.c, store_vault_label.c: the writes, as store.h ---- */

enum status store_vault_stage(struct store *store, const char *name,
			      const char *revision, const char *id,
			      const struct store_entry *entry,
			      struct store_state *ret_state,
			      struct reason *why);
enum status store_vault_label_promote(struct store *store, const char *name,
				      const char *revision, const char *id,
				      struct store_state *ret_state,
				      struct reason *why);
enum status store_vault_label_retire(struct store *store, const char *name,
				     const char *revision, const char *id,
				     struct store_state *ret_state,
				     struct reason *why);

/* Tell other tools of promotions: those that the last telling is some minutes
 * behind, or all.  Best effort. */
void store_vault_label_tell(struct store_vault *v, bool all);

#endif
