/* SPDX-License-Identifier: PostgreSQL */
/* A growing byte string that is given its maximum at birth.  Not for secrets. */
#ifndef KEYTURN_TEXT_H
#define KEYTURN_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/*
 * Appends after a failure are ignored and the failure is kept, so a caller
 * may append many times and ask text_status() once.
 */
struct text {
	char *bytes; /* NUL-terminated once anything was appended, else NULL */
	size_t len;
	size_t cap;
	size_t max;
	enum status failed;
};

/* An empty text of at most max bytes.  Allocates nothing. */
struct text text_make(size_t max);
void text_free(struct text *t);
void text_reset(struct text *t);

void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const void *p, size_t n);
void text_add_char(struct text *t, char c);
void text_printf(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Append s as a JSON string with quotes (RFC 8259); control characters and
 * invalid UTF-8 are escaped. */
void text_add_json(struct text *t, const char *s);

/* Append `"key":`, behind a comma unless it is an object's first; its value
 * follows. */
void text_add_key(struct text *t, const char *key);

/* A key and its value, a string, or null for NULL. */
void text_add_member(struct text *t, const char *key, const char *value);

/* The string ("" when empty); owned by t. */
const char *text_str(const struct text *t);

/* STATUS_OK, STATUS_LIMIT or STATUS_NO_MEMORY. */
enum status text_status(const struct text *t);

/* Is s valid UTF-8 (RFC 3629)? */
bool text_is_utf8(const char *s, size_t n);

/* Bytes of the valid UTF-8 sequence at the start of s; 0 when there is none. */
size_t text_utf8_length(const char *s, size_t n);

/* Bytes of the control character at the start of s, U+0000 to U+001F or U+007F
 * to U+009F in UTF-8; 0 when there is none. */
size_t text_control_length(const char *s, size_t n);

/* Does s hold one of them? */
bool text_has_control(const char *s, size_t n);

/*
 * Copy n bytes of src into dst so that they may be shown: control characters
 * (U+0000 to U+001F, U+007F to U+009F) and invalid UTF-8 become \xNN.  What
 * does not fit is cut at a character and ends in "...".  dst_size is at least 4.
 */
void text_escape(char *dst, size_t dst_size, const char *src, size_t n);

/* strdup that reports. */
enum status text_dup(const char *s, char **ret_copy);

/* Copy into a fixed array; what does not fit is cut between two characters and
 * ends in "...".  dst_size is at least 4. */
void text_cut(char *dst, size_t dst_size, const char *src);

/* Copy into a fixed array; STATUS_LIMIT (and "" in dst) if it does not fit. */
enum status text_copy(char *dst, size_t dst_size, const char *src);

#endif
