/* SPDX-License-Identifier: PostgreSQL */
/*
 * A file kept in step with a secret.  Whole-file atomic replacement; mode and
 * ownership are set before the rename; a foreign line of a pgpass or env file
 * stays as it is; an older version never replaces a newer one.
 * consumers.md section 7.
 */
#ifndef KEYTURN_SINK_H
#define KEYTURN_SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/reason.h"
#include "format/format.h"

enum sink_kind {
	SINK_PGPASS,
	SINK_ENV,
	SINK_PGBOUNCER, /* an auth_file */
	SINK_PGBOUNCER_INI,
	SINK_PGBOUNCER_DATABASES, /* [databases] as a file of its own */
	SINK_SERVICE
};

struct sink {
	enum sink_kind kind;
	char path[4096];
	uid_t uid; /* (uid_t)-1: the present file's owner, else the folder's */
	gid_t gid; /* (gid_t)-1: likewise */
	mode_t mode; /* no more than sink_mode_most(); SINK_MODE_KEEP: the
			present file's, if that is allowed, else 0600 */
	char pidfile[1024]; /* who is told by SIGHUP; "" for no one */
	char service[64];   /* SINK_SERVICE: the section; "" for the role's
			       name.  sink_has_database(): the database */
};

#define SINK_MODE_KEEP ((mode_t)-1)

/* Is it a file with lines of [databases], of which one is ours? */
static inline bool sink_has_database(enum sink_kind kind)
{
	return kind == SINK_PGBOUNCER_INI || kind == SINK_PGBOUNCER_DATABASES;
}

/* The rights that a file of a kind may have: 0600 in a pgpass file, which libpq
 * ignores otherwise, 0660 where there is a password, and 0644 in a
 * pg_service.conf, which has none, but says where a password is sent to. */
static inline mode_t sink_mode_most(enum sink_kind kind)
{
	if (kind == SINK_PGPASS)
		return 0600;
	return kind == SINK_SERVICE ? 0644 : 0660;
}

/*
 * Parse a setting value: "pgpass /home/sapjob/.pgpass [owner=USER] [group=GROUP]
 * [mode=0600] [pidfile=PATH]", "env PATH ...", "pgbouncer PATH ..." (an
 * auth_file), "pgbouncer_ini PATH database=NAME ..." (the line of a database),
 * "pgbouncer_databases PATH database=NAME ..." (a file for %include) or "service PATH ... [name=SECTION]" (a pg_service.conf).
 * STATUS_CONFIG with a sentence.
 */
enum status sink_parse(const char *value, struct sink *ret_sink,
		       struct reason *why);

struct sink_delivery {
	const char *role; /* keyturn's name of the role, in the marker line */
	const char *version; /* version id */
	int64_t epoch;	     /* the claim epoch under which it went live */
	const struct format_credential *credential;
	bool overrule; /* replace a higher epoch, too: a restore took ours
				back, and the store knows nothing newer */
	/* Of another user that may log in yet, or NULL: a pgpass and an auth_file,
	 * where each line is of a user, keep a line of it, for who has read the
	 * user's name a moment ago. */
	const struct format_credential *before;
};

/*
 * Bring the file in step.  Managed lines are preceded by the comment
 * "# keyturn role=<percent-encoded> version=<id> epoch=<n>" and replaced with
 * it, as sink_edit.h says; whatever else is there stays.  In a pgpass file the
 * managed block is put in front of any foreign line that would match first
 * (libpq takes the first match); in an env file behind any that sets one of its
 * variables, and in PgBouncer's, where a comment begins with ";", behind any
 * foreign line of the same user (there the last one counts).  In a
 * pg_service.conf the block, a section, is put in front of a foreign section of
 * the same name (libpq takes the first).  In a pgbouncer.ini the comment stands
 * before the database's line, of which user= and password= are changed, in place;
 * in a file of pgbouncer_databases host=, port= and dbname= as well, and a line that
 * is not there is made.
 * Nothing is written when bytes, owner and mode would be the same.
 * *ret_changed tells, also when the file is in step and only its reader could
 * not be told: that is a failure.  A reader (pidfile) is told at each delivery,
 * since no one knows whether it was at the last one.
 *
 * STATUS_CONFLICT when the file already holds a higher epoch for the role (and
 * that is not overruled), or
 * when somebody without our lock keeps changing it.  STATUS_CORRUPT when a
 * marker of the role is damaged.  STATUS_LIMIT over SECRET_CAP_MAX bytes.
 * STATUS_NOT_FOUND without the folder; the file itself need not exist, but for a
 * pgbouncer.ini, where the line has to be (STATUS_REFUSED, as sink_ini.h says).
 * STATUS_REFUSED when an env file has another role's block, an auth_file
 * one of the same user or a pg_service.conf one of the same section (one partner
 * would log in as the other), where the block of a pg_service.conf would move
 * and leave somebody's settings behind, for a symbolic
 * link in the path, a file that is not regular,
 * one that belongs to somebody else than it shall, or an owner that we may not
 * give it to.  Writers on the same host are serialised by a lock file beside
 * the target (".<name>.keyturn-lock"): STATUS_TIMEOUT after 5 s.
 */
enum status sink_deliver(const struct sink *s, const struct sink_delivery *d,
			 bool *ret_changed, struct reason *why);

/*
 * Could it be delivered to?  Does all that sink_deliver() does, up to the
 * rename, with a credential as the next one will be: its password may be a
 * stand-in of the same length, version and epoch any.  Renders, writes a
 * temporary file to disk and removes it, and looks at what the rename would
 * stumble over; changes nothing (but for the lock file).  For `keyturn check`,
 * a rotation before it makes a password, and whoever tries a failed sink again.
 *
 * Statuses as of sink_deliver(), but no STATUS_CONFLICT for a higher epoch; and
 * STATUS_REFUSED for what cannot be replaced (a mount point, chattr +i or +a).
 */
enum status sink_try(const struct sink *s, const struct sink_delivery *d,
		     struct reason *why);

/* What a file holds of a role. */
struct sink_held {
	bool found;
	char version[128]; /* "" when it does not fit */
	int64_t epoch;	   /* the highest, of several blocks */
};

/*
 * Look without a lock and without changing anything.  A file that is not there
 * holds nothing.  STATUS_DENIED, STATUS_REFUSED (no regular file),
 * STATUS_CORRUPT as above.
 */
enum status sink_look(const struct sink *s, const char *role,
		      struct sink_held *ret_held, struct reason *why);

/* Take the role's lines out again (retire); in a pgbouncer.ini, only its comment,
 * in a file of pgbouncer_databases the database's line, too.
 * Statuses as above; a file that is not there is in step. */
enum status sink_withdraw(const struct sink *s, const char *role,
			  bool *ret_changed, struct reason *why);

#endif
