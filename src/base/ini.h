/* SPDX-License-Identifier: PostgreSQL */
/*
 * INI files in the dialect of Python's configparser, in which AWS's and
 * Databricks's own clients read theirs: "[section]", with anything behind the
 * bracket; "key = value" or "key: value"; lines that begin with "#" or ";" are
 * comments, in any column; a line that is indented more than its key continues
 * the value.  A section or key that comes twice is an error, as there.  keyturn's
 * own configuration is another dialect (config_read.h).
 *
 * Nothing is copied: parts point into the bytes, which may be a secret's.
 */
#ifndef KEYTURN_INI_H
#define KEYTURN_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"
#include "base/secret.h"

struct ini_part {
	const char *s;
	size_t n;
};

struct ini_item {
	struct ini_part section; /* as it stands between the brackets */
	struct ini_part key;	 /* no bytes: the section begins here */
	struct ini_part value;	 /* of the key's line, without blanks around */
	struct ini_part more;	 /* the lines that continue it */
	size_t line;		 /* from 1 */
};

/* Where one is in a file. */
struct ini {
	const char *bytes;
	size_t n, at;
	size_t line;		 /* that at is behind */
	struct ini_part section; /* s is NULL before the first one */
	const char *fault;	 /* what is wrong with that line, or NULL */
};

struct ini ini_begin(const char *bytes, size_t n);

/* The next section or key; false at the end, and with a fault. */
bool ini_next(struct ini *i, struct ini_item *ret);

/* The next "key = value" of lines that continue a value, from *more on, which
 * moves behind it; comments and other lines are passed over. */
bool ini_nested(struct ini_part *more, struct ini_part *ret_key,
		struct ini_part *ret_value);

/* Without the blanks around it. */
struct ini_part ini_trim(struct ini_part p);

bool ini_is(struct ini_part part, const char *word);
/* Keys have no case. */
bool ini_is_key(struct ini_part key, const char *name);

/* STATUS_CONFIG with "PATH line N: what" for a file that those clients would not
 * read; file may be NULL or empty. */
enum status ini_check(const struct secret *file, const char *path,
		      struct reason *why);

/* STATUS_CONFIG when one of n keys, or any when keys is NULL, has a value that
 * goes on in the next line: nothing that we read does, and whoever indents a key
 * too far did not mean it. */
enum status ini_check_continued(const struct secret *file, const char *path,
				const char *const *keys, size_t n,
				struct reason *why);

#endif
