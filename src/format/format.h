/* SPDX-License-Identifier: PostgreSQL */
/*
 * One credential to bytes.  Pure; refuses what a format cannot carry rather
 * than writing something a parser would read differently.
 */
#ifndef KEYTURN_FORMAT_H
#define KEYTURN_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/lookup.h"
#include "base/reason.h"
#include "base/secret.h"

enum format_kind {
	FORMAT_RAW,	 /* the password and nothing else, no newline */
	FORMAT_JSON,	 /* one flat object, AWS's database-secret shape */
	FORMAT_PGPASS,	 /* host:port:database:user:password */
	FORMAT_ENV,	 /* PGHOST='...' lines for sh and systemd */
	FORMAT_URI,	 /* postgresql://user:password@host:port/dbname */
	FORMAT_CONNINFO, /* host='...' user='...' (libpq keyword form) */
	FORMAT_USERLIST, /* "user" "password", of PgBouncer's auth_file */
	FORMAT_AWS,	 /* a credential_process's answer; needs `expires` */
	FORMAT_SERVICE,	 /* [name] and what libpq is told there, all but the
			    password; for sinks only, no name is read as it */
	FORMAT_COUNT
};

/* The longest password in a userlist. */
#define FORMAT_USERLIST_MAX 2047

/* The longest line of pg_service.conf without its newline: libpq gives a file
 * with a longer one up (parseServiceFile() in fe-connect.c). */
#define FORMAT_SERVICE_LINE_MAX 1021

/* A member of the JSON object behind the usual ones. */
struct format_member {
	const char *key;
	const char *value; /* NULL: left out */
	bool bare;	   /* not a string: true, false */
};

struct format_credential {
	const char *host;     /* one or, as in libpq, a list: "a,b"; "" when
			     unknown.  The address where there is no name */
	const char *port;     /* decimal, of each host; "" for 5432 */
	const char *dbname;   /* "" means any in pgpass ("*") */
	const char *username; /* empty for FORMAT_AWS only */
	const char *version;  /* version id or "" */
	const char *sslmode; /* "" or a libpq sslmode, for env, uri, conninfo */
	const struct secret *password; /* never empty; FORMAT_SERVICE: may be
					  NULL */
	const char *expires;	 /* FORMAT_AWS: a time as RFC 3339 has it */
	const char *service;	 /* FORMAT_SERVICE: the section's name */
	const char *sslrootcert; /* FORMAT_SERVICE: a file of CA certificates,
				    or "system"; NULL or "" when unknown.  Only
				    written where sslmode verifies */
	const struct format_member *extra; /* FORMAT_JSON */
	size_t n_extra;
};

/* "raw", "json", ... to the kind; STATUS_USAGE lists what there is.  ends: it is
 * for something that expires, so FORMAT_AWS is among them. */
enum status format_parse(const char *name, bool ends,
			 enum format_kind *ret_kind, struct reason *why);
const char *format_name(enum format_kind kind);

/*
 * Render c.  STATUS_REFUSED when a value holds a control character or cannot
 * be carried.  A pgpass or userlist line ends with "\n", and pgpass has one for
 * each lookup_name(); env and service have one "\n" a line, the others end
 * without newline.  A list of hosts stays a list in the forms that have one value for
 * it, and is "a:5432,b:5432" in a URI.  Rules: consumers.md section 3.1.
 */
enum status format_render(enum format_kind kind,
			  const struct format_credential *c,
			  struct secret **ret_bytes, struct reason *why);

#endif
