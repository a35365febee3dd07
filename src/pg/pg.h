/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sessions with PostgreSQL: the only user of libpq.  Every session gets
 * explicit parameters and nothing from the environment: no PG* variable, no
 * service file, no ~/.pgpass, no client certificate or Kerberos ticket that
 * was not named (rotation-safety.md section 2.4, finding 8).
 *
 * Every call has a deadline on the boot clock.  Server texts are never passed
 * on: what comes back is the SQLSTATE and our own sentence.
 */
#ifndef KEYTURN_PG_H
#define KEYTURN_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/secret.h"

struct pg;	  /* one session */
struct pg_result; /* rows of one statement */
struct pg_info;	  /* a parsed conninfo */

#define PG_ORIGIN_SIZE	 64
#define PG_SQLSTATE_SIZE 6

/* How a statement or a connection attempt ended. */
enum pg_class {
	PG_CLASS_OK,
	PG_CLASS_REFUSED,   /* the server said no and changed nothing */
	PG_CLASS_TRANSIENT, /* the server said no; a retry may help: 40001,
			       40P01, 55P03, 57014, XX000 "concurrently", 53xxx */
	PG_CLASS_LOST	    /* no answer: nothing is known about the effect */
};

/*
 * What a server's text gives away where its SQLSTATE does not: services behind
 * a proxy answer XX000 to everything (lakebase.md 3.5).  The text itself is not
 * passed on.
 */
enum pg_hint {
	PG_HINT_NONE,
	PG_HINT_WANTS_PLAINTEXT,   /* takes no verifier; nothing was changed */
	PG_HINT_WANTS_VALID_UNTIL, /* with each new password (credcheck) */
	PG_HINT_NEEDS_ADMIN, /* a command of PgBouncer's console, and the user
				may look only */
	PG_HINT_WRONG_PASSWORD,
	PG_HINT_PAM,	/* PgBouncer's PAM said no, or was not answered */
	PG_HINT_BEHIND, /* a pooler lets in, and the server behind it does not */
	PG_HINT_BANNED,	 /* after failed logins, whatever the password */
	PG_HINT_WAKING,	 /* scaled to zero, starting, or its proxy is busy */
	PG_HINT_DISABLED /* the endpoint cannot be woken */
};

/*
 * Parse a libpq conninfo string or URI (PQconninfoParse).  STATUS_CONFIG when
 * it does not parse, names a password, passfile, service or options that would
 * change who we are, or an sslmode under verify-full to a host that is neither
 * a Unix socket nor loopback without `insecure`.
 * Multiple hosts are allowed; target_session_attrs is ours to set.
 */
enum status pg_info_parse(const char *conninfo, bool insecure,
			  struct pg_info **ret_info, struct reason *why);
void pg_info_free(struct pg_info *info);

/* Does it name several hosts, of which one is to be found? */
bool pg_info_lists_hosts(const struct pg_info *info);

/* A keyword's value, or "" when absent.  Owned by info. */
const char *pg_info_get(const struct pg_info *info, const char *keyword);

/* The one server of a list of hosts that a session went to. */
struct pg_place {
	char host[256];
	char address[64]; /* "" for a Unix socket */
	char port[16];
};

struct pg_login {
	const struct pg_info *info;
	const char *user;	       /* NULL: info's user */
	const char *dbname;	       /* NULL: info's dbname */
	const struct secret *password; /* NULL: none offered */
	const char *passfile;	       /* NULL: /dev/null */
	const struct pg_place *place;  /* NULL: any of info's hosts */
	bool tls_only;	    /* end before anything but TLS is spoken; the
			       certificate is not verified, for pg_tls() */
	bool clear;	    /* the password may go in clear (inside TLS) */
	bool read_write;    /* refuse a standby or read-only server */
	bool probe;	    /* only to see whether the login works: no session
			       settings are sent, since a pooler refuses them */
	int64_t timeout_us; /* for the whole connection set-up */
	const char *application_name;
	unsigned lift; /* PG_LIFT_*: limits of the role that are lifted; a
			  server that does not know one refuses the session */
};

#define PG_LIFT_IDLE_SESSION 1u /* from 14 on */
#define PG_LIFT_TRANSACTION  2u /* from 17 on */

struct pg_login_report {
	char sqlstate[PG_SQLSTATE_SIZE]; /* "" when no server error came */
	/* The server's function that refused, which no language changes:
	 * "auth_failed"; "" when it was not said (a proxy). */
	char origin[PG_ORIGIN_SIZE];
	char file[PG_ORIGIN_SIZE]; /* of its source, likewise: "auth.c" */
	bool used_password;	   /* the server asked and got a password */
	bool reached;		   /* a server answered at all */
	bool tls_failed;	   /* certificate, host name or protocol */
	bool asks_otherwise;	   /* for what require_auth rules out */
	enum pg_class class;
	enum pg_hint hint;
};

/*
 * Connect.  The session has client_encoding UTF8, search_path '', TimeZone UTC,
 * isolation READ COMMITTED and no time limits (not when `probe`), a NOTICE
 * processor that counts and drops, tcp_user_timeout and keepalives,
 * gssencmode=disable, require_auth where libpq knows it.  On failure the
 * report says what the server said and `why` says what to do; *ret_pg is set
 * only on STATUS_OK.
 */
enum status pg_connect(const struct pg_login *login, struct pg **ret_pg,
		       struct pg_login_report *ret_report, struct reason *why);
void pg_close(struct pg *pg);

/* Is it a file that libpq would take a password from?  STATUS_CONFIG: not there,
 * not a file, or others may read it; setting is the one that names it. */
enum status pg_connect_passfile(const char *path, const char *setting,
				struct reason *why);

/* Server facts; owned by pg. */
int pg_server_version(const struct pg *pg); /* 150018 */
int pg_backend_pid(const struct pg *pg);
const char *pg_parameter(const struct pg *pg, const char *name); /* or "" */
bool pg_is_tls(const struct pg *pg);
void *pg_tls(const struct pg *pg);	  /* OpenSSL's handle, or NULL */
bool pg_alive(const struct pg *pg);	  /* last known state, no round trip */
unsigned pg_notices(const struct pg *pg); /* NOTICEs since the connection */
const char *pg_host(const struct pg *pg);
const char *pg_port(const struct pg *pg);
void pg_place(const struct pg *pg, struct pg_place *ret_place);

/* One statement with text parameters (extended protocol). */
struct pg_query {
	const char *sql;
	int n_params;
	const char *const *params; /* NULL is SQL NULL */
	/* The simple protocol, without parameters, which is all that the console
	 * of a pooler speaks. */
	bool simple;
	int64_t timeout_us;
	struct pg_result *result; /* out, on STATUS_OK: to pg_result_free() */
	char sqlstate[PG_SQLSTATE_SIZE]; /* out: "" when the server said none */
};

/*
 * Run it.  Returns STATUS_OK, STATUS_REFUSED, STATUS_CLUSTER_UNAVAILABLE
 * (transient) or STATUS_UNKNOWN (lost).
 */
enum status pg_run(struct pg *pg, struct pg_query *q, struct reason *why);

/*
 * Run several statements in one round trip (pipeline mode), in order, each
 * acknowledged; a failed one makes the rest not run.  *ret_done is how many
 * succeeded.  With libpq's pipeline the server treats the batch up to the sync
 * as one implicit transaction unless it holds BEGIN and COMMIT itself.
 */
struct pg_statement {
	const char *sql;
	int n_params;
	const char *const *params;
	struct pg_result *result; /* out: rows, or NULL; pg_result_free() it */
};
enum status pg_run_many(struct pg *pg, struct pg_statement *statements,
			size_t n, int64_t timeout_us, size_t *ret_done,
			char ret_sqlstate[PG_SQLSTATE_SIZE],
			struct reason *why);

/*
 * Send one statement and do not wait.  Its reply is read before the next
 * statement, or by pg_run_refresh(); if it failed, the session is not used
 * again.
 */
enum status pg_run_post(struct pg *pg, const char *sql, int n_params,
			const char *const *params, struct reason *why);

/* Is an idle session still good?  Reads what has arrived, never waits. */
bool pg_run_refresh(struct pg *pg);

/* The command's tag ("COMMIT", "ROLLBACK", "UPDATE 1"); owned by r. */
const char *pg_tag(const struct pg_result *r);
int pg_rows(const struct pg_result *r);
/* Value of a cell, "" for NULL; owned by r. */
const char *pg_value(const struct pg_result *r, int row, int column);
/* The column of this name, or -1. */
int pg_column(const struct pg_result *r, const char *name);
bool pg_is_null(const struct pg_result *r, int row, int column);
void pg_result_free(struct pg_result *r);

/*
 * Quote an identifier or a literal for SQL that cannot take a parameter
 * (ALTER ROLE).  Invalid UTF-8 is refused before quoting (CVE-2025-1094).
 * The result is a secret, because a literal may be a verifier.
 */
enum status pg_quote_identifier(struct pg *pg, const char *name,
				struct secret **ret_quoted, struct reason *why);
enum status pg_quote_literal(struct pg *pg, const struct secret *value,
			     struct secret **ret_quoted, struct reason *why);

/* Of the last statement that the server refused. */
enum pg_hint pg_hint(const struct pg *pg);

/* What a server's text gives away. */
enum pg_hint pg_hint_of(const char *sqlstate, const char *text);

/* Class of a SQLSTATE ("" is PG_CLASS_LOST). */
enum pg_class pg_classify(const char *sqlstate);

#endif
