/* SPDX-License-Identifier: PostgreSQL */
/*
 * One line of a sink's file, as the programs that read the file see it.  Pure.
 */
#ifndef KEYTURN_SINK_LINE_H
#define KEYTURN_SINK_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "sink/sink.h"

/* A name of PostgreSQL has at most 63 bytes; pairs and identities of a cloud
 * have more. */
#define SINK_LINE_NAME_MAX 255
/* And percent-encoded, with its NUL. */
#define SINK_LINE_NAME_SIZE (3 * SINK_LINE_NAME_MAX + 1)

struct sink_line {
	const char *s;
	size_t n;      /* without the line's end */
	size_t next;   /* offset of the next line */
	size_t number; /* from 1 */
};

/* The line that begins at offset `at`, which is less than n. */
struct sink_line sink_line_at(const char *bytes, size_t n, size_t at,
			      size_t number);

bool sink_line_begins(const struct sink_line *l, const char *prefix);
bool sink_line_is(const struct sink_line *l, const char *s);

/* Whose password a line of a pgpass or auth file holds, percent-encoded; false
 * for a comment and for what is no such line. */
bool sink_line_user(const struct sink_line *l, enum sink_kind kind,
		    char ret[SINK_LINE_NAME_SIZE]);

/* Would libpq take this pgpass line for a connection that the credential is
 * for? */
bool sink_line_matches(const struct sink_line *l,
		       const struct format_credential *c);

/* Does a line of an env file set one of the variables of FORMAT_ENV?  Blanks
 * before it and "export" are allowed, as in sh. */
bool sink_line_sets(const struct sink_line *l);

/* ---- Lines of a pg_service.conf, as libpq's parseServiceFile() reads them;
 * blanks around a line do not count there. */

/* Does it begin a section, and so end the one before? */
bool sink_line_is_head(const struct sink_line *l);

/* ... the section of this name? */
bool sink_line_heads(const struct sink_line *l, const char *name);

/* Is it empty, or a comment? */
bool sink_line_is_idle(const struct sink_line *l);

/* Does it set one of the keywords of FORMAT_SERVICE? */
bool sink_line_serves(const struct sink_line *l);

#endif
