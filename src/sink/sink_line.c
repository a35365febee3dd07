/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads lines that others may have written.  Must never read past a line, nor
 * take one for what its reader would not.
 */
#include "sink/sink_line.h"

#include <string.h>

#include "base/encode.h"

struct sink_line sink_line_at(const char *bytes, size_t n, size_t at,
			      size_t number)
{
	struct sink_line l = { bytes + at, 0, n, number };
	const char *newline = memchr(l.s, '\n', n - at);

	if (newline != NULL)
		l.next = (size_t)(newline + 1 - bytes);
	l.n = newline != NULL ? (size_t)(newline - l.s) : n - at;
	if (l.n > 0 && l.s[l.n - 1] == '\r')
		l.n--;
	return l;
}

bool sink_line_begins(const struct sink_line *l, const char *prefix)
{
	size_t n = strlen(prefix);

	return l->n >= n && memcmp(l->s, prefix, n) == 0;
}

bool sink_line_is(const struct sink_line *l, const char *s)
{
	return l->n == strlen(s) && memcmp(l->s, s, l->n) == 0;
}

/* What isspace() knows in C's own locale. */
static const char *skip_blanks(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || (*s >= '\t' && *s <= '\r')))
		s++;
	return s;
}

/* ---- pgpass ------------------------------------------------------------------ */

/* Take "value:" from a pgpass line; does it match the value, "" being any? */
static bool take_field(const char **s, const char *end,
		       struct lookup_part value)
{
	bool any = value.n == 0;
	bool same = true;
	size_t n = 0;

	if (end - *s >= 2 && (*s)[0] == '*' && (*s)[1] == ':') {
		*s += 2;
		return true;
	}
	for (; *s < end && **s != ':'; (*s)++, n++) {
		if (**s == '\\' && *s + 1 < end)
			(*s)++;
		same = same && n < value.n && value.s[n] == **s;
	}
	if (*s == end)
		return false;
	(*s)++;
	return any || (same && n == value.n);
}

static struct lookup_part part_of(const char *s)
{
	return (struct lookup_part){ s, strlen(s) };
}

bool sink_line_matches(const struct sink_line *l,
		       const struct format_credential *c)
{
	const char *port = c->port[0] != '\0' ? c->port : "5432";
	const char *end = l->s + l->n;
	struct lookup_part host;

	if (l->n == 0 || *l->s == '#')
		return false;
	for (size_t i = 0; lookup_name(c->host, i, &host); i++) {
		const char *s = l->s;

		if (take_field(&s, end, host) &&
		    take_field(&s, end, part_of(port)) &&
		    take_field(&s, end, part_of(c->dbname)) &&
		    take_field(&s, end, part_of(c->username)))
			return true;
	}
	return false;
}

static bool pgpass_user(const struct sink_line *l, char *ret, size_t *ret_n)
{
	const char *s = l->s, *end = l->s + l->n;
	size_t n = 0;

	if (l->n == 0 || *s == '#')
		return false;
	for (int i = 0; i < 3; i++)
		if (!take_field(&s, end, part_of("")))
			return false;
	for (; s < end && *s != ':'; s++) {
		if (*s == '\\' && s + 1 < end)
			s++;
		if (n == SINK_LINE_NAME_MAX)
			return false;
		ret[n++] = *s;
	}
	*ret_n = n;
	return s < end;
}

/* ---- auth_file --------------------------------------------------------------- */

/* PgBouncer's loader.c: blanks, then "user", in which a quote is doubled. */
static bool userlist_user(const struct sink_line *l, char *ret, size_t *ret_n)
{
	const char *end = l->s + l->n, *s = skip_blanks(l->s, end);
	size_t n = 0;

	if (s == end || *s != '"')
		return false;
	for (s++; s < end; s++) {
		if (*s == '"' && (s + 1 == end || s[1] != '"'))
			break;
		s += *s == '"';
		if (n == SINK_LINE_NAME_MAX)
			return false;
		ret[n++] = *s;
	}
	*ret_n = n;
	return s < end;
}

bool sink_line_user(const struct sink_line *l, enum sink_kind kind,
		    char ret[SINK_LINE_NAME_SIZE])
{
	char user[SINK_LINE_NAME_MAX];
	size_t n = 0;

	if ((kind != SINK_PGPASS && kind != SINK_PGBOUNCER) ||
	    !(kind == SINK_PGPASS ? pgpass_user(l, user, &n) :
				    userlist_user(l, user, &n)))
		return false;
	encode_percent(user, n, ret);
	return true;
}

/* ---- env --------------------------------------------------------------------- */

bool sink_line_sets(const struct sink_line *l)
{
	static const char *const names[] = { "PGHOST",	   "PGPORT",
					     "PGDATABASE", "PGUSER",
					     "PGPASSWORD", "PGSSLMODE" };
	static const char export[] = "export";
	const char *end = l->s + l->n, *s = skip_blanks(l->s, end);
	size_t n = sizeof(export) - 1;

	if ((size_t)(end - s) > n && memcmp(s, export, n) == 0 &&
	    (s[n] == ' ' || s[n] == '\t'))
		s = skip_blanks(s + n, end);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		n = strlen(names[i]);
		if ((size_t)(end - s) > n && memcmp(s, names[i], n) == 0 &&
		    s[n] == '=')
			return true;
	}
	return false;
}

/* ---- pg_service.conf ----------------------------------------------------------- */

bool sink_line_is_head(const struct sink_line *l)
{
	const char *end = l->s + l->n, *s = skip_blanks(l->s, end);

	return s < end && *s == '[';
}

bool sink_line_heads(const struct sink_line *l, const char *name)
{
	const char *end = l->s + l->n, *s = skip_blanks(l->s, end);
	size_t n = strlen(name);

	return sink_line_is_head(l) && (size_t)(end - s) >= n + 2 &&
	       memcmp(s + 1, name, n) == 0 && s[n + 1] == ']';
}

bool sink_line_is_idle(const struct sink_line *l)
{
	const char *end = l->s + l->n, *s = skip_blanks(l->s, end);

	return s == end || *s == '#';
}

bool sink_line_serves(const struct sink_line *l)
{
	static const char *const keys[] = {
		"host=", "port=", "dbname=", "user=", "sslmode=", "sslrootcert="
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (sink_line_begins(l, keys[i]))
			return true;
	return false;
}
