/* SPDX-License-Identifier: PostgreSQL */
/*
 * JSON that is made for a peer.  It holds its own error, as struct text does:
 * after the first one nothing is added any more, and it is told when the
 * document is written.
 *
 *	struct json_out body = json_out_object();
 *
 *	json_out_text(&body, "role", role);
 *	json_out_secret(&body, "jwt", jwt);
 *	s = json_out_write(&body, max, &bytes);
 *	json_out_free(&body);
 */
#ifndef KEYTURN_JSON_OUT_H
#define KEYTURN_JSON_OUT_H

#include "json/json_doc.h"

struct json_out {
	struct json_doc *doc; /* owned; may be read at any time, may be NULL */
	/* STATUS_NO_MEMORY; STATUS_ERROR: invalid UTF-8, or a key for what is no
	 * object. */
	enum status status;
};

struct json_out json_out_object(void);
struct json_out json_out_array(void);

/* Go on with a document, which belongs to the result; NULL: out of memory. */
struct json_out json_out_from(struct json_doc *d);

/* The same with a deep copy. */
struct json_out json_out_copy(const struct json_doc *d);

/* Wipes; takes a zeroed one. */
void json_out_free(struct json_out *o);

/* Set or replace a member of an object; with key NULL, add behind the end of an
 * array. */
void json_out_text(struct json_out *o, const char *key, const char *value);
void json_out_bytes(struct json_out *o, const char *key, const char *value,
		    size_t n);
void json_out_secret(struct json_out *o, const char *key,
		     const struct secret *value);
void json_out_int(struct json_out *o, const char *key, int64_t value);
void json_out_bool(struct json_out *o, const char *key, bool value);
void json_out_null(struct json_out *o, const char *key);

/* The value belongs to o afterwards, its error too. */
void json_out_put(struct json_out *o, const char *key, struct json_out *value);

/* Remove a member; nothing happens when there is none. */
void json_out_remove(struct json_out *o, const char *key);

/* json_doc_write(), or the error that o holds; or the same into a new secret, of
 * at most SECRET_CAP_MAX bytes. */
enum status json_out_write(const struct json_out *o, size_t max,
			   struct json_doc_bytes *ret_bytes);
enum status json_out_write_secret(const struct json_out *o,
				  struct secret **ret_secret);

#endif
