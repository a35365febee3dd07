/* SPDX-License-Identifier: PostgreSQL */
/*
 * An entry as one string of bytes, to be sealed whole: a format byte, then
 * engine, host, port, dbname, username and password, each a 4-byte big-endian
 * length and its bytes.  Equal entries give equal bytes.
 */
#ifndef KEYTURN_STORE_ENTRY_H
#define KEYTURN_STORE_ENTRY_H

#include "store/store.h"

#define STORE_ENTRY_PASSWORD_MAX 4096
#define STORE_ENTRY_MAX \
	(1 + 6 * 4 + 16 + 256 + 8 + 64 + 64 + STORE_ENTRY_PASSWORD_MAX)

/* The strings of an entry, by the names that they have in JSON documents. */
struct store_entry_field {
	const char *name;
	size_t at, size; /* within struct store_entry */
};

#define STORE_ENTRY_FIELDS 5
extern const struct store_entry_field store_entry_fields[STORE_ENTRY_FIELDS];

/* STATUS_REFUSED when the password is empty or too long.  *ret_plain is the
 * caller's. */
enum status store_entry_encode(const struct store_entry *e,
			       struct secret **ret_plain, struct reason *why);

/* STATUS_CORRUPT when plain is not an entry.  ret_entry->password is the caller's;
 * nothing is touched on failure. */
enum status store_entry_decode(const struct secret *plain,
			       struct store_entry *ret_entry,
			       struct reason *why);

#endif
