/* SPDX-License-Identifier: PostgreSQL */
/*
 * The line of one database in [databases], which says as whom PgBouncer logs in at
 * the server, in a pgbouncer.ini or in a file of its own.  Pure: bytes in, bytes
 * out.
 */
#ifndef KEYTURN_SINK_INI_H
#define KEYTURN_SINK_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"
#include "base/secret.h"
#include "format/format.h"
#include "sink/sink_line.h"

/* A line to be set. */
struct sink_ini_line {
	const char *path; /* the file's name for sentences */
	const char *database;
	bool own; /* the file is keyturn's own: host=, port= and dbname= are set
		     as well, so that the line says all of the way to the server,
		     and one that is not there is added, in [databases] */
};

/*
 * The content with user= and password= of that line's settings as the credential
 * has them; what is missing of them is added at its end.  Every other byte stays.
 * The line is read as PgBouncer 1.18 to 1.25 do it (libusual's cfparser.c, and
 * loader.c).  *ret_at is the offset of the line.
 *
 * STATUS_REFUSED when there is no such line in [databases] (unless own), or two, or
 * one with a setting twice, or one that PgBouncer would not understand, and for a
 * password or a place that it cannot take; STATUS_LIMIT over SECRET_CAP_MAX bytes.
 */
enum status sink_ini_set(const struct sink_ini_line *line,
			 const struct secret *old,
			 const struct format_credential *c,
			 struct secret **ret_new, size_t *ret_at,
			 struct reason *why);

/* Is it the line of this database, quoted or not? */
bool sink_ini_is_line(const struct sink_line *l, const char *database);

#endif
