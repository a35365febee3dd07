/* SPDX-License-Identifier: PostgreSQL */
/*
 * The content of a sink's file with one role's block put in or taken out.
 * Pure: bytes in, bytes out.
 *
 * A block is, in a pgpass file, the marker and the lines behind it, at most as
 * many as the marker says (lines=, else one), that are of its user (user=, else
 * of the role's name), or of the one before (before=); what somebody has put there
 * for another user is foreign:
 *	# keyturn role=<percent-encoded> version=<id> epoch=<n>[ lines=<n>]
 *		[ user=<percent-encoded>][ before=<percent-encoded>]
 *						 (on the same line)
 *	host:5432:shop:sap:...
 * and in an env file the marker, the assignments, and an end:
 *	# keyturn end role=<percent-encoded>
 * In a PgBouncer auth_file it is as in a pgpass file, the marker begun with
 * ";".  In a pg_service.conf it is as in an env file, with a section between.
 * In a pgbouncer.ini, and in a file of pgbouncer_databases, it is the marker alone,
 * right before the line of the database, which sink_ini.h changes.
 * What somebody adds behind its end belongs to that section, too, as libpq reads
 * it, and stays there.  Every other byte of the file is foreign and stays.
 */
#ifndef KEYTURN_SINK_EDIT_H
#define KEYTURN_SINK_EDIT_H

#include "sink/sink.h"

/*
 * `old` is the content, and path its name for sentences.  The role's block is
 * replaced where it is.  A new one comes first in a pgpass file (libpq takes
 * the first match) and last in an env file (sh and systemd take the last
 * assignment), in an auth_file and in a pg_service.conf.  A block behind a foreign
 * pgpass line that matches one of its connections moves to the top; one before a foreign line
 * that counts instead of it (a later assignment, a later line of the user) to
 * the end; and a section behind a foreign one of its name, which libpq would
 * take, to right before that.
 * STATUS_CONFLICT: a block of the role has a higher epoch.  STATUS_CORRUPT: a
 * marker of the role cannot be read, or an env block has somebody's line in it,
 * so no one knows what is ours.  STATUS_REFUSED: an env file has a block of
 * another role, an auth_file one of the same user, a pg_service.conf one of the
 * same section; or there a line before its end is longer than libpq reads,
 * or the block has to go and somebody's settings behind it would fall to the
 * section before.
 * STATUS_LIMIT: the result has more than SECRET_CAP_MAX bytes.  Or what
 * format_render() says.
 */
enum status sink_edit_put(const struct sink *s, const struct secret *old,
			  const struct sink_delivery *d,
			  struct secret **ret_new, struct reason *why);

/* Without the role's blocks; equal to old when there is none. */
enum status sink_edit_remove(const struct sink *s, const struct secret *old,
			     const char *role, struct secret **ret_new,
			     struct reason *why);

/* What there is of the role; STATUS_CORRUPT as above. */
enum status sink_edit_look(const struct sink *s, const struct secret *content,
			   const char *role, struct sink_held *ret_held,
			   struct reason *why);

#endif
