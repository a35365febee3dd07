/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is known about a session, its results and its quoting.  Must never hand
 * on a server's text: SQLSTATE and our own sentence only.
 */
#include "pg/pg_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "pg/pg_prepare.h"

void pg_close(struct pg *pg)
{
	if (pg == NULL)
		return;
	PQfinish(pg->conn);
	pg_prepare_free(pg->prepared);
	free(pg);
}

int pg_server_version(const struct pg *pg)
{
	return PQserverVersion(pg->conn);
}

int pg_backend_pid(const struct pg *pg)
{
	return PQbackendPID(pg->conn);
}

const char *pg_parameter(const struct pg *pg, const char *name)
{
	const char *value = PQparameterStatus(pg->conn, name);

	return value != NULL ? value : "";
}

bool pg_is_tls(const struct pg *pg)
{
	return PQsslInUse(pg->conn) == 1;
}

void *pg_tls(const struct pg *pg)
{
	return PQsslStruct(pg->conn, "OpenSSL");
}

bool pg_alive(const struct pg *pg)
{
	return !pg->dead && PQstatus(pg->conn) == CONNECTION_OK;
}

unsigned pg_notices(const struct pg *pg)
{
	return pg->notices;
}

const char *pg_host(const struct pg *pg)
{
	return pg->host;
}

const char *pg_port(const struct pg *pg)
{
	return pg->port;
}

void pg_place(const struct pg *pg, struct pg_place *ret_place)
{
	const char *host = PQhost(pg->conn), *address = PQhostaddr(pg->conn);
	const char *port = PQport(pg->conn);

	snprintf(ret_place->host, sizeof(ret_place->host), "%s",
		 host != NULL ? host : "");
	snprintf(ret_place->address, sizeof(ret_place->address), "%s",
		 address != NULL ? address : "");
	snprintf(ret_place->port, sizeof(ret_place->port), "%s",
		 port != NULL ? port : "");
}

/* A pg_result is a PGresult under a name that needs no <libpq-fe.h>. */
static const PGresult *unwrap(const struct pg_result *r)
{
	return (const PGresult *)r;
}

int pg_rows(const struct pg_result *r)
{
	return r != NULL ? PQntuples(unwrap(r)) : 0;
}

const char *pg_tag(const struct pg_result *r)
{
	return r != NULL ? PQcmdStatus((PGresult *)r) : "";
}

int pg_column(const struct pg_result *r, const char *name)
{
	return PQfnumber(unwrap(r), name);
}

const char *pg_value(const struct pg_result *r, int row, int column)
{
	return PQgetvalue(unwrap(r), row, column);
}

bool pg_is_null(const struct pg_result *r, int row, int column)
{
	return PQgetisnull(unwrap(r), row, column) == 1;
}

void pg_result_free(struct pg_result *r)
{
	PQclear((PGresult *)r);
}

/* Copy libpq's quoted string into a secret and wipe the original. */
static enum status keep_quoted(char *quoted, struct secret **ret_quoted,
			       struct reason *why)
{
	struct secret *s = NULL;
	enum status st;
	size_t n;

	if (quoted == NULL)
		return reason_set(why, STATUS_REFUSED,
				  "a name or value cannot be quoted for SQL; "
				  "it does not fit the session's encoding");
	n = strlen(quoted);
	st = secret_new(n + 1, &s);
	if (st == STATUS_OK)
		st = secret_set(s, quoted, n);
	secret_wipe(quoted, n);
	PQfreemem(quoted);
	if (st != STATUS_OK) {
		secret_free(s);
		return reason_set(why, st, "no locked memory for a statement");
	}
	*ret_quoted = s;
	return STATUS_OK;
}

enum status pg_quote_identifier(struct pg *pg, const char *name,
				struct secret **ret_quoted, struct reason *why)
{
	size_t n = strlen(name);

	/* 64 bytes and more would be cut by the server and name another role. */
	if (n == 0 || n > 63)
		return reason_set(why, STATUS_REFUSED,
				  "a name of %zu bytes is not usable; "
				  "PostgreSQL takes 1 to 63",
				  n);
	if (!text_is_utf8(name, n))
		return reason_set(why, STATUS_REFUSED,
				  "a name is not valid UTF-8");
	return keep_quoted(PQescapeIdentifier(pg->conn, name, n), ret_quoted,
			   why);
}

enum status pg_quote_literal(struct pg *pg, const struct secret *value,
			     struct secret **ret_quoted, struct reason *why)
{
	const char *bytes = secret_bytes(value);
	size_t n = secret_len(value);

	if (strlen(bytes) != n || !text_is_utf8(bytes, n))
		return reason_set(why, STATUS_REFUSED,
				  "a value holds a NUL byte or is not valid "
				  "UTF-8");
	return keep_quoted(PQescapeLiteral(pg->conn, bytes, n), ret_quoted,
			   why);
}

static const struct {
	const char *prefix;
	enum pg_class class;
} classes[] = {
	{ "00000", PG_CLASS_OK },
	{ "40001", PG_CLASS_TRANSIENT }, /* serialization */
	{ "40P01", PG_CLASS_TRANSIENT }, /* deadlock */
	{ "55P03", PG_CLASS_TRANSIENT }, /* lock_timeout */
	{ "57014", PG_CLASS_TRANSIENT }, /* statement_timeout, cancel */
	{ "57P0", PG_CLASS_TRANSIENT },	 /* shutdown, starting up */
	{ "25P03", PG_CLASS_TRANSIENT }, /* idle in transaction */
	{ "XX000", PG_CLASS_TRANSIENT }, /* "tuple concurrently updated" has no
					  SQLSTATE of its own */
	{ "53", PG_CLASS_TRANSIENT },	 /* resources */
	{ "58", PG_CLASS_TRANSIENT },	 /* I/O */
	{ "08", PG_CLASS_TRANSIENT },
};

enum pg_class pg_classify(const char *sqlstate)
{
	size_t i;

	if (sqlstate[0] == '\0')
		return PG_CLASS_LOST;
	if (strcmp(sqlstate, "08P01") == 0)
		return PG_CLASS_REFUSED;
	for (i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (strncmp(sqlstate, classes[i].prefix,
			    strlen(classes[i].prefix)) == 0)
			return classes[i].class;
	return PG_CLASS_REFUSED;
}
