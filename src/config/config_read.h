/* SPDX-License-Identifier: PostgreSQL */
/* One file of INI text into the groups of a configuration. */
#ifndef KEYTURN_CONFIG_READ_H
#define KEYTURN_CONFIG_READ_H

#include "config/config_model.h"

#define CONFIG_READ_MAX ((size_t)16 * 1024 * 1024) /* bytes of one file */

/*
 * Add the sections of path to c, values as written (quotes and all).  The file
 * must be regular and not writable by group or others.  STATUS_CONFIG with
 * "FILE:LINE: sentence", or "FILE: sentence" when it is the file itself.
 */
enum status config_read_file(struct config *c, const char *path,
			     struct reason *why);

/*
 * Take the double quotes off a value, in place: inside them \" \\ and \; stand
 * for the second character.  A value that does not begin with a quote stays as
 * it is.  STATUS_CONFIG when a quote is not closed or something follows it.
 */
enum status config_read_unquote(char *value, struct reason *why);

struct stat;

/*
 * STATUS_CONFIG unless the file or folder at path, which st describes, belongs
 * to root or to the effective user and no one else may write to it.
 */
enum status config_read_trust(const char *path, const struct stat *st,
			      struct reason *why);

#endif
