/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads what a service behind a proxy says in words only.  Must never pass a
 * server's text on.
 */
#include "pg/pg_internal.h"

#include <ctype.h>
#include <string.h>

/* Texts of Neon's compute and proxy, from which Lakebase descends, of PgBouncer
 * and credcheck, and of a PostgreSQL that starts.  `sqlstate` "" is any. */
static const struct {
	const char *sqlstate;
	const char *fragment;
	enum pg_hint hint;
} texts[] = {
	{ "XX000", "only supports being given plaintext passwords",
	  PG_HINT_WANTS_PLAINTEXT },
	/* credcheck, whose refusals share one SQLSTATE or have none. */
	{ "", "password type is not a plain text", PG_HINT_WANTS_PLAINTEXT },
	{ "", "require a VALID UNTIL option", PG_HINT_WANTS_VALID_UNTIL },
	{ "XX000", "password authentication failed", PG_HINT_WRONG_PASSWORD },
	/* PgBouncer's own have no user; what the server behind it says it passes
	 * on with a code of its own (to 1.20). */
	{ "08P01", "authentication failed for user", PG_HINT_BEHIND },
	{ "08P01", "server login ", PG_HINT_BEHIND },
	{ "08P01", "(server down)", PG_HINT_BEHIND },
	{ "08P01", "query_wait_timeout", PG_HINT_BEHIND },
	{ "08P01", "SASL authentication failed", PG_HINT_WRONG_PASSWORD },
	{ "08P01", "password authentication failed", PG_HINT_WRONG_PASSWORD },
	/* Whether it was the password, PAM does not tell. */
	{ "08P01", "PAM authentication failed", PG_HINT_PAM },
	{ "", "has been banned", PG_HINT_BANNED },
	{ "XX000", "endpoint is disabled", PG_HINT_DISABLED },
	{ "XX000", "endpoint cannot be found", PG_HINT_DISABLED },
	{ "XX000", "Couldn't connect to compute node", PG_HINT_WAKING },
	{ "XX000", "Control plane request failed", PG_HINT_WAKING },
	{ "XX000", "temporarily unavailable", PG_HINT_WAKING },
	{ "XX000", "Too many connections attempts", PG_HINT_WAKING },
	{ "XX000", "Failed to acquire permit", PG_HINT_WAKING },
	{ "XX000", "Authentication timed out", PG_HINT_WAKING },
	{ "57P03", "", PG_HINT_WAKING },
	{ "08P01", "admin access needed", PG_HINT_NEEDS_ADMIN },
	/* A pooler's "no" to session settings is a definite one. */
	{ "08P01", "", PG_HINT_NONE },
	{ "08", "", PG_HINT_WAKING },
};

static enum pg_hint hint_in(const char *sqlstate, const char *text, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strncmp(sqlstate, texts[i].sqlstate,
			    strlen(texts[i].sqlstate)) == 0 &&
		    memmem(text, n, texts[i].fragment,
			   strlen(texts[i].fragment)) != NULL)
			return texts[i].hint;
	return PG_HINT_NONE;
}

enum pg_hint pg_hint_of(const char *sqlstate, const char *text)
{
	return hint_in(sqlstate, text, strlen(text));
}

/* Length of a line's beginning up to and with "FATAL:  28P01: ", or 0. */
static size_t code_end(const char *line, size_t n)
{
	for (size_t i = 0; i + 10 <= n; i++) {
		size_t k = 0;

		if (memcmp(line + i, ":  ", 3) != 0 ||
		    memcmp(line + i + 8, ": ", 2) != 0)
			continue;
		while (k < 5 &&
		       ((line[i + 3 + k] >= '0' && line[i + 3 + k] <= '9') ||
			(line[i + 3 + k] >= 'A' && line[i + 3 + k] <= 'Z')))
			k++;
		if (k == 5)
			return i + 10;
	}
	return 0;
}

/* "LOCATION:  function, file.c:330", whatever LOCATION is called. */
static void read_location(const char *line, size_t n, struct pg_login_report *r)
{
	const char *at = memmem(line, n, ":  ", 3), *file, *end;
	size_t k = 0, left;

	if (at == NULL)
		return;
	at += 3;
	left = n - (size_t)(at - line);
	while (k < left && (isalnum((unsigned char)at[k]) || at[k] == '_'))
		k++;
	if (k == 0 || k >= PG_ORIGIN_SIZE || k + 2 > left ||
	    memcmp(at + k, ", ", 2) != 0)
		return;
	file = at + k + 2;
	end = memmem(file, left - k - 2, ".c:", 3);
	if (end == NULL || end + 2 - file >= PG_ORIGIN_SIZE)
		return;
	memcpy(r->origin, at, k);
	r->origin[k] = '\0';
	memcpy(r->file, file, (size_t)(end + 2 - file));
	r->file[end + 2 - file] = '\0';
}

/* The last code counts: libpq asks no further address after a refusal. */
void pg_hint_read(const char *message, struct pg_login_report *r)
{
	r->sqlstate[0] = r->origin[0] = r->file[0] = '\0';
	r->hint = PG_HINT_NONE;
	while (*message != '\0') {
		size_t n = strcspn(message, "\n");
		size_t end = code_end(message, n);

		if (end != 0) {
			memcpy(r->sqlstate, message + end - 7, 5);
			r->sqlstate[5] = '\0';
			r->origin[0] = r->file[0] = '\0';
			r->hint = hint_in(r->sqlstate, message + end, n - end);
		} else if (r->sqlstate[0] != '\0')
			read_location(message, n, r);
		message += n + (message[n] == '\n');
	}
}

enum pg_hint pg_hint(const struct pg *pg)
{
	return pg->hint;
}
