/* SPDX-License-Identifier: PostgreSQL */
/*
 * JSON documents from and to a peer: checked access over jansson, of which this
 * folder is the only user.  No function ever puts a byte of a document into a
 * reason: a parser's message quotes what stands near the error
 * (rotation-safety.md L11), and that may be a password.
 *
 * The names begin with doc_ because jansson's own begin with json_.
 *
 * All of jansson's memory is wiped when it is given back.  A document belongs
 * to one thread at a time.
 */
#ifndef KEYTURN_DOC_H
#define KEYTURN_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/secret.h"

/* A value: object, array, string, number, boolean or null.  What doc_parse()
 * and the doc_new_ functions return is owned and freed with doc_free(); what
 * the getters return is borrowed from it. */
struct doc;

#define DOC_BYTES_MAX ((size_t)1024 * 1024)
#define DOC_DEPTH_MAX 32
#define DOC_NODES_MAX 20000

enum doc_kind {
	DOC_OBJECT,
	DOC_ARRAY,
	DOC_STRING,
	DOC_INTEGER,
	DOC_REAL,
	DOC_BOOLEAN,
	DOC_NULL
};

/*
 * Parse exactly n bytes.  Refused as STATUS_ERROR: more than DOC_BYTES_MAX
 * bytes, DOC_DEPTH_MAX levels or DOC_NODES_MAX values, bytes behind the value,
 * a key that occurs twice, invalid UTF-8, U+0000 in a key.  The sentence names
 * `what` ("the answer of the store"), line and column, and the kind of error.
 */
enum status doc_parse(const char *bytes, size_t n, const char *what,
		      struct doc **ret_doc, struct reason *why);

/* Takes NULL. */
void doc_free(struct doc *d);

/* ---- reading: NULL or wrong kinds in, "nothing" out, never a crash ---- */

/* True when d is not NULL and of this kind. */
bool doc_is(const struct doc *d, enum doc_kind kind);

/* The member of an object; NULL when d is no object or has no such member. */
const struct doc *doc_get(const struct doc *d, const char *key);

/* Members of members: "data.metadata.version".  For names without a dot. */
const struct doc *doc_path(const struct doc *d, const char *path);

/* Elements of an array or members of an object; 0 for everything else. */
size_t doc_count(const struct doc *d);

/* The i-th element of an array, or NULL. */
const struct doc *doc_at(const struct doc *d, size_t i);

/*
 * Walk an object:  for (i = NULL; (i = doc_next(d, i, &key, &value)); ) ...
 * The object must not be changed meanwhile.
 */
const void *doc_next(const struct doc *d, const void *i, const char **ret_key,
		     const struct doc **ret_value);

/* The bytes of a string, NUL-terminated, or NULL when d is no string or holds
 * a NUL.  For values that are no secret. */
const char *doc_text(const struct doc *d);

/* Bytes of a string, NULs counted; 0 when it is none. */
size_t doc_text_len(const struct doc *d);

/* Copy a string that is no secret into an array; STATUS_NOT_FOUND when d is
 * NULL or no string, STATUS_LIMIT when it does not fit or holds a NUL.  dst is
 * "" after a failure. */
enum status doc_copy(const struct doc *d, char *dst, size_t size);

/* A string into a new secret of exactly its length (at least 1).
 * STATUS_NOT_FOUND as above, STATUS_LIMIT when longer than max. */
enum status doc_secret(const struct doc *d, size_t max,
		       struct secret **ret_secret);

/* The number, when d is an integer or a whole real within range; else false. */
bool doc_int(const struct doc *d, int64_t *ret_value);

/* The number, when d is an integer or a real (AWS's timestamps); else false. */
bool doc_real(const struct doc *d, double *ret_value);

/* The boolean's value; `otherwise` when d is none. */
bool doc_bool(const struct doc *d, bool otherwise);

/* Deep equality, keys in any order. */
bool doc_equal(const struct doc *a, const struct doc *b);

/* ---- building: STATUS_NO_MEMORY, STATUS_ERROR for invalid UTF-8 -------- */

struct doc *doc_new_object(void); /* NULL: out of memory */
struct doc *doc_new_array(void);

/* A deep copy that is the caller's; NULL: out of memory, or d is NULL. */
struct doc *doc_clone(const struct doc *d);

/* Set or replace a member of an object. */
enum status doc_set_text(struct doc *d, const char *key, const char *value);
enum status doc_set_bytes(struct doc *d, const char *key, const char *value,
			  size_t n);
enum status doc_set_secret(struct doc *d, const char *key,
			   const struct secret *value);
enum status doc_set_int(struct doc *d, const char *key, int64_t value);
enum status doc_set_bool(struct doc *d, const char *key, bool value);
enum status doc_set_null(struct doc *d, const char *key);

/* Put a value into an object or behind an array; it belongs to d afterwards,
 * and is freed when that fails (value may be NULL: STATUS_NO_MEMORY). */
enum status doc_set(struct doc *d, const char *key, struct doc *value);
enum status doc_push(struct doc *d, struct doc *value);
enum status doc_push_text(struct doc *d, const char *value);

/* Remove a member; nothing happens when there is none. */
void doc_remove(struct doc *d, const char *key);

/* A writable member of an object, borrowed; NULL when there is none. */
struct doc *doc_member(struct doc *d, const char *key);

/* ---- writing ----------------------------------------------------------- */

/* The compact form, keys in the order of insertion, in wiped memory.  bytes
 * ends in a NUL that is not counted. */
struct doc_bytes {
	char *bytes;
	size_t n;
};

/* STATUS_LIMIT when it needs more than max bytes; STATUS_NO_MEMORY.  Wipe and
 * free with doc_bytes_free(). */
enum status doc_write(const struct doc *d, size_t max,
		      struct doc_bytes *ret_bytes);

/* The same into a new secret; at most SECRET_CAP_MAX bytes. */
enum status doc_write_secret(const struct doc *d, struct secret **ret_secret);

/* Wipes; takes NULL bytes inside. */
void doc_bytes_free(struct doc_bytes *b);

#endif
