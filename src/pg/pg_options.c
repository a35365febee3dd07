/* SPDX-License-Identifier: PostgreSQL */
/*
 * Spells out every option of a connection.  Must never leave one for the
 * environment, a service file or the home folder to set.
 */
#include "pg/pg_options.h"

#include <stdio.h>
#include <string.h>

/*
 * What a session of ours must not inherit from ALTER ROLE or ALTER DATABASE:
 * the start-up packet outranks both.  Limits too: a statement that sets them
 * could itself be ended by one.
 */
#define SESSION_OPTIONS                                                    \
	"-c search_path= -c TimeZone=UTC -c DateStyle=ISO "                \
	"-c default_transaction_isolation=read\\ committed "               \
	"-c client_min_messages=notice -c standard_conforming_strings=on " \
	"-c statement_timeout=0 -c lock_timeout=0 "                        \
	"-c idle_in_transaction_session_timeout=0"
#define LIFT_IDLE_SESSION " -c idle_session_timeout=0"
#define LIFT_TRANSACTION  " -c transaction_timeout=0"

/* libpq's default for require_auth, which has no word of its own: "" is refused
 * since 16, and leaving it out lets PGREQUIREAUTH decide. */
#define ANY_AUTH "password,md5,gss,sspi,scram-sha-256,none"

/* keyword='value' with libpq's escapes. */
static void add_option(struct text *t, const char *keyword, const char *value)
{
	const char *p;

	text_printf(t, "%s='", keyword);
	for (p = value; *p != '\0'; p++) {
		if (*p == '\'' || *p == '\\')
			text_add_char(t, '\\');
		text_add_char(t, *p);
	}
	text_add(t, "' ");
}

/* By pg_login's `lift`. */
static const char *const session_options[] = {
	SESSION_OPTIONS,
	SESSION_OPTIONS LIFT_IDLE_SESSION,
	SESSION_OPTIONS LIFT_TRANSACTION,
	SESSION_OPTIONS LIFT_IDLE_SESSION LIFT_TRANSACTION,
};

/* Ours, or NULL when the conninfo has its own. */
static const char *unless_given(const struct pg_info *info, const char *keyword,
				const char *ours)
{
	return pg_info_get(info, keyword)[0] != '\0' ? NULL : ours;
}

/* Ours for this keyword, or NULL when the conninfo or the default decides. */
static const char *own_value(const struct pg_login *l, const char *keyword)
{
	const struct pg_info *info = l->info;
	struct row {
		const char *keyword;
		const char *value;
	} rows[] = {
		{ "host", l->place != NULL ? l->place->host : NULL },
		{ "hostaddr", l->place != NULL ? l->place->address : NULL },
		{ "port", l->place != NULL ? l->place->port : NULL },
		{ "user", l->user },
		{ "dbname", l->dbname },
		{ "passfile", l->passfile != NULL ? l->passfile : PG_NOWHERE },
		{ "sslmode", l->tls_only ? "require" : info->sslmode },
		{ "sslrootcert", l->tls_only ? PG_NOWHERE : info->sslrootcert },
		{ "application_name",
		  unless_given(info, "application_name", l->application_name) },
		{ "client_encoding", "UTF8" },
		{ "gssencmode", "disable" },
		{ "connect_timeout", "0" }, /* the poll loop has the deadline */
		{ "keepalives", unless_given(info, "keepalives", "1") },
		{ "keepalives_idle",
		  unless_given(info, "keepalives_idle", "10") },
		{ "keepalives_interval",
		  unless_given(info, "keepalives_interval", "5") },
		{ "keepalives_count",
		  unless_given(info, "keepalives_count", "3") },
		{ "tcp_user_timeout",
		  unless_given(info, "tcp_user_timeout", "20000") },
		{ "options", l->probe ? "" : session_options[l->lift & 3] },
		/* One host: pg_connect() looks itself, to say what is wrong. */
		{ "target_session_attrs",
		  l->read_write && info->multiple_hosts ? "read-write" :
							  "any" },
		/* "none" lets a server in that does not ask: the report then
		 * says so (used_password), which "required" would hide.  "md5"
		 * is what a role may have that keyturn takes over. */
		{ "require_auth", l->password == NULL ? ANY_AUTH :
				  l->clear ? "password,scram-sha-256,none" :
					     "scram-sha-256,md5,none" },
		{ "sslcertmode", pg_info_get(info, "sslcertmode")[0] != '\0' ?
					 NULL :
					 "allow" },
		{ "min_protocol_version", "3.0" },
		{ "max_protocol_version", "3.0" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(rows[i].keyword, keyword) == 0)
			return rows[i].value;
	return NULL;
}

/* For these libpq takes "" as "look into the home folder". */
static bool is_home_file(const char *keyword)
{
	return strcmp(keyword, "sslcert") == 0 ||
	       strcmp(keyword, "sslkey") == 0 || strcmp(keyword, "sslcrl") == 0;
}

enum status pg_options_spell_out(const struct pg_login *l, struct text *t)
{
	PQconninfoOption *defaults = PQconndefaults();
	const PQconninfoOption *o;
	const char *value;

	if (defaults == NULL)
		return STATUS_NO_MEMORY;
	for (o = defaults; o->keyword != NULL; o++) {
		if (strcmp(o->keyword, "service") == 0)
			continue;
		value = own_value(l, o->keyword);
		if (value == NULL)
			value = pg_info_option(l->info->options, o->keyword);
		if ((value == NULL || value[0] == '\0') &&
		    is_home_file(o->keyword))
			value = PG_NOWHERE;
		if (value == NULL)
			value = o->compiled;
		/* A keyword of a newer libpq, without a variable and without
		 * a default, may not take "": leave it alone. */
		if (value == NULL && o->envvar == NULL &&
		    PQlibVersion() >= 160000 &&
		    strcmp(o->keyword, "sslpassword") != 0 &&
		    strcmp(o->keyword, "replication") != 0 &&
		    strcmp(o->keyword, "fallback_application_name") != 0)
			continue;
		add_option(t, o->keyword, value != NULL ? value : "");
	}
	PQconninfoFree(defaults);
	return text_status(t);
}

/* Does this libpq take these options?  Nothing can be at that path, so its
 * message then holds the path, and otherwise what it did not like. */
static bool takes_value(const char *keyword, const char *value)
{
	const char *keywords[] = { "host", keyword, NULL };
	const char *values[] = { PG_NOWHERE, value, NULL };
	PGconn *c = PQconnectStartParams(keywords, values, 0);
	bool taken = c == NULL || strstr(PQerrorMessage(c), PG_NOWHERE) != NULL;

	PQfinish(c);
	return taken;
}

/*
 * The first keyword whose value this libpq refuses by itself, or NULL.  libpq
 * says so only in a text that it translates.  The hosts and their ports are
 * judged together, by pg_info_parse().
 */
static enum status find_refused(const char *conninfo, char *ret_keyword,
				size_t size)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	const PQconninfoOption *o;

	ret_keyword[0] = '\0';
	if (options == NULL)
		return STATUS_NO_MEMORY;
	for (o = options; o->keyword != NULL; o++)
		if (o->val != NULL && strcmp(o->keyword, "host") != 0 &&
		    strcmp(o->keyword, "hostaddr") != 0 &&
		    strchr(o->val, ',') == NULL &&
		    !takes_value(o->keyword, o->val)) {
			snprintf(ret_keyword, size, "%s", o->keyword);
			break;
		}
	PQconninfoFree(options);
	return STATUS_OK;
}

enum status pg_options_check(const char *conninfo, struct reason *why)
{
	char keyword[64];
	enum status st = find_refused(conninfo, keyword, sizeof(keyword));
	int version = PQlibVersion();

	if (st != STATUS_OK)
		return reason_no_memory(why);
	if (keyword[0] == '\0')
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "conninfo: libpq %d.%d does not take the value of "
			  "\"%s\"; correct it or leave it out",
			  version / 10000, version % 10000, keyword);
}
