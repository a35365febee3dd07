/* SPDX-License-Identifier: PostgreSQL */
/*
 * The line of one database in a pgbouncer.ini, which says as whom PgBouncer logs
 * in at the server.  Pure: bytes in, bytes out.
 */
#ifndef KEYTURN_SINK_INI_H
#define KEYTURN_SINK_INI_H

#include <stddef.h>

#include "base/reason.h"
#include "base/secret.h"
#include "format/format.h"

/*
 * The content with user= and password= of that line's settings as the credential
 * has them; what is missing of them is added at its end.  Every other byte stays.
 * The line is read as PgBouncer 1.18 to 1.25 do it (libusual's cfparser.c, and
 * loader.c); path is the file's name for sentences.  *ret_at is the offset of
 * the line.
 *
 * STATUS_REFUSED when there is no such line in [databases], or two, or one with a
 * setting twice, or one that PgBouncer would not understand, and for a password
 * that it cannot take; STATUS_LIMIT over SECRET_CAP_MAX bytes.
 */
enum status sink_ini_set(const char *path, const struct secret *old,
			 const char *database,
			 const struct format_credential *c,
			 struct secret **ret_new, size_t *ret_at,
			 struct reason *why);

#endif
