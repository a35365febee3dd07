/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is done when a role's files have a new password: a PgBouncer is told to
 * read its files again, a unit of systemd's is reloaded or restarted, a process
 * gets SIGHUP.  One step is one setting "after".  Nobody is given a secret; a
 * PgBouncer is logged in to with it, as consumers are.
 */
#ifndef KEYTURN_AFTER_H
#define KEYTURN_AFTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/secret.h"

struct after; /* one step */

/*
 * Parse a setting value:
 *
 *   pgbouncer-admin host=HOST port=PORT user=USER ... [passfile=PATH]
 *       [prove=DATABASE|no] [prove_user=USER] [timeout=30s]
 *   systemd-reload UNIT [timeout=30s]
 *   systemd-restart UNIT [timeout=30s]
 *   signal HUP PIDFILE
 *
 * insecure: as of pg_info_parse().  STATUS_CONFIG with a sentence; *ret is the
 * caller's to free.
 */
enum status after_parse(const char *value, bool insecure, struct after **ret,
			struct reason *why);
void after_free(struct after *a); /* takes NULL */

/* The step in a few words, "systemd-reload app.service"; owned by a. */
const char *after_name(const struct after *a);

/* What was delivered.  Strings and password are the caller's. */
struct after_delivered {
	const char *user;   /* who logs in with the password */
	const char *before; /* a pair's other member, or NULL */
	/* NULL: it is a token, with which PgBouncer alone logs in.  user may be ""
	 * then, if it is not known. */
	const struct secret *password;
	const char *dbname; /* where consumers log in */
	/* Clients of PgBouncer log in as user: the role has an auth_file, or the
	 * cluster an endpoint (after_is_endpoint()). */
	bool as_user;
	/* When this step was last tried for this version, by the wall clock; 0: it
	 * was not. */
	int64_t tried_us;
};

/* How long it may take. */
int64_t after_timeout_us(const struct after *a);

/* Is the step's PgBouncer at this endpoint, a conninfo: the same host and port?
 * False for other kinds. */
bool after_is_endpoint(const struct after *a, const char *conninfo);

/* Does it prove a password by logging in as the role, as none can with a token? */
bool after_proves_as_role(const struct after *a);

/*
 * Could it be done?  as_user: as of struct after_delivered.  The console answers, is PgBouncer's, and lets its user do
 * what is needed; the unit is loaded and systemd lets us; the process is there
 * and is ours to signal.  Changes nothing.  Statuses as of after_run(); why says
 * what was found out when all is well, too.
 */
enum status after_try(const struct after *a, bool as_user, struct reason *why);

/*
 * Do it, and wait for its end, at most the step's timeout and a second.
 *
 * pgbouncer-admin: RELOAD; RECONNECT of the databases in which the role has
 * sessions, which end when their clients release them; then a login through
 * PgBouncer with the new password, which must lead to a session of user.  After a
 * token there is no RECONNECT, since sessions that began with an earlier one stay
 * good, so the login shows that the way is good, and not with which token.
 *
 * Done again after a failure it does no harm: a unit that systemd has restarted
 * meanwhile, since tried_us, is not restarted again.
 *
 * STATUS_OK: done, and why says what.  STATUS_NOT_FOUND: no such unit, file or
 * process, or no systemd.  STATUS_DENIED: we may not.  STATUS_TIMEOUT: it was
 * not done in time, and may be done later by who was asked.
 * STATUS_CLUSTER_UNAVAILABLE: PgBouncer does not answer.  STATUS_REFUSED: it, or
 * systemd, says no.  STATUS_CONFIG: a passfile that cannot be used.
 */
enum status after_run(const struct after *a, const struct after_delivered *d,
		      struct reason *why);

#endif
