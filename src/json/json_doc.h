/* SPDX-License-Identifier: PostgreSQL */
/*
 * JSON documents from a peer: checked access over jansson, of which this folder is
 * the only user; json_out.h makes them.  No function ever puts a byte of a document into a
 * reason: a parser's message quotes what stands near the error
 * (rotation-safety.md L11), and that may be a password.
 *
 * The names begin with json_doc_ because jansson's own begin with json_.
 *
 * All of jansson's memory is wiped when it is given back.  A document belongs
 * to one thread at a time.
 */
#ifndef KEYTURN_JSON_DOC_H
#define KEYTURN_JSON_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/secret.h"

/* A value: object, array, string, number, boolean or null.  What json_doc_parse()
 * gives is owned and freed with json_doc_free(); what the getters return is
 * borrowed from it. */
struct json_doc;

/* Before anything else of jansson, for this folder; may be called often. */
void json_doc_setup(void);

#define JSON_DOC_BYTES_MAX ((size_t)1024 * 1024)
#define JSON_DOC_DEPTH_MAX 32
#define JSON_DOC_NODES_MAX 20000

enum json_doc_kind {
	JSON_DOC_OBJECT,
	JSON_DOC_ARRAY,
	JSON_DOC_STRING,
	JSON_DOC_INTEGER,
	JSON_DOC_REAL,
	JSON_DOC_BOOLEAN,
	JSON_DOC_NULL
};

/*
 * Parse exactly n bytes.  Refused as STATUS_ERROR: more than JSON_DOC_BYTES_MAX
 * bytes, JSON_DOC_DEPTH_MAX levels or JSON_DOC_NODES_MAX values, bytes behind the value,
 * a key that occurs twice, invalid UTF-8, U+0000 in a key.  The sentence names
 * `what` ("the answer of the store"), line and column, and the kind of error.
 */
enum status json_doc_parse(const char *bytes, size_t n, const char *what,
			   struct json_doc **ret_doc, struct reason *why);

/* Takes NULL. */
void json_doc_free(struct json_doc *d);

/* ---- reading: NULL or wrong kinds in, "nothing" out, never a crash ---- */

/* True when d is not NULL and of this kind. */
bool json_doc_is(const struct json_doc *d, enum json_doc_kind kind);

/* The member of an object; NULL when d is not an object or has no such member. */
const struct json_doc *json_doc_get(const struct json_doc *d, const char *key);

/* Members of members: "data.metadata.version".  For names without a dot. */
const struct json_doc *json_doc_path(const struct json_doc *d,
				     const char *path);

/* Elements of an array or members of an object; 0 for everything else. */
size_t json_doc_count(const struct json_doc *d);

/* The i-th element of an array, or NULL. */
const struct json_doc *json_doc_at(const struct json_doc *d, size_t i);

/*
 * Walk an object:  for (i = NULL; (i = json_doc_next(d, i, &key, &value)); ) ...
 * The object must not be changed meanwhile.
 */
const void *json_doc_next(const struct json_doc *d, const void *i,
			  const char **ret_key,
			  const struct json_doc **ret_value);

/* The bytes of a string, NUL-terminated, or NULL when d is not a string or holds
 * a NUL.  For values that are no secret. */
const char *json_doc_text(const struct json_doc *d);

/* Bytes of a string, NULs counted; 0 when it is not one. */
size_t json_doc_text_len(const struct json_doc *d);

/* Copy a string that is not secret into an array; STATUS_NOT_FOUND when d is
 * NULL or no string, STATUS_LIMIT when it does not fit or holds a NUL.  dst is
 * "" after a failure. */
enum status json_doc_copy(const struct json_doc *d, char *dst, size_t size);

/* A string into a new secret of exactly its length (at least 1).
 * STATUS_NOT_FOUND as above, STATUS_LIMIT when longer than max. */
enum status json_doc_secret(const struct json_doc *d, size_t max,
			    struct secret **ret_secret);

/* The number, when d is an integer or a whole real within range; else false. */
bool json_doc_int(const struct json_doc *d, int64_t *ret_value);

/* The number, when d is an integer or a real (AWS's timestamps); else false. */
bool json_doc_real(const struct json_doc *d, double *ret_value);

/* The boolean's value; `otherwise` when d is not one. */
bool json_doc_bool(const struct json_doc *d, bool otherwise);

/* Is it this string, or one of the strings of an array? */
bool json_doc_says(const struct json_doc *d, const char *text);
bool json_doc_lists(const struct json_doc *d, const char *text);

/* Deep equality, keys in any order. */
bool json_doc_equal(const struct json_doc *a, const struct json_doc *b);

/* ---- writing ----------------------------------------------------------- */

/* The compact form, keys in the order of insertion, in wiped memory.  bytes
 * ends in a NUL that is not counted. */
struct json_doc_bytes {
	char *bytes;
	size_t n;
};

/* STATUS_LIMIT when it needs more than max bytes; STATUS_NO_MEMORY.  Wipe and
 * free with json_doc_bytes_free(). */
enum status json_doc_write(const struct json_doc *d, size_t max,
			   struct json_doc_bytes *ret_bytes);

/* Wipes; takes NULL bytes inside. */
void json_doc_bytes_free(struct json_doc_bytes *b);

#endif
