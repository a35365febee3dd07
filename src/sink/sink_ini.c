/* SPDX-License-Identifier: PostgreSQL */
/*
 * Finds the line of a database among PgBouncer's and changes values of it.
 * Must never change a file that it does not read as PgBouncer does.
 */
#include "sink/sink_ini.h"

#include <ctype.h>
#include <string.h>

#include "base/secret_out.h"
#include "sink/sink_line.h"

/* In the order in which missing ones are added. */
enum setting { HOST, PORT, DBNAME, USER, PASSWORD, SETTINGS };

static const char *const keys[SETTINGS] = { "host", "port", "dbname", "user",
					    "password" };

/* A value with its quotes, as offsets in the file. */
struct span {
	size_t at;
	size_t n; /* 0: it is not there */
};

struct search {
	const char *path;
	const char *database;
	bool own; /* all of its settings are set, and it may be added */
	const char *bytes;
	size_t n;
	struct reason *why;
	size_t number;	       /* of the line; 0: not found */
	size_t at, value, end; /* it, and its value without blanks around it */
	bool inside;	       /* the file ends in [databases] */
	struct span found[SETTINGS];
};

static enum status refuse(const struct search *f, size_t number,
			  const char *what)
{
	return reason_set(f->why, STATUS_REFUSED,
			  "%s line %zu, database %s: %s", f->path, number,
			  f->database, what);
}

static const char *skip(const char *s, const char *end, const char *blanks)
{
	while (s < end && *s != '\0' && strchr(blanks, *s) != NULL)
		s++;
	return s;
}

#define BLANKS " \t\n\v\f\r"

/* Is it "database =", quoted or not?  *ret_value is where its value begins. */
static bool is_line_of(const struct sink_line *l, const char *database,
		       const char **ret_value)
{
	const char *end = l->s + l->n, *s = skip(l->s, end, BLANKS), *key;
	size_t n = strlen(database), key_n;

	if (s < end && (*s == '\'' || *s == '"')) {
		const char *quote = memchr(s + 1, *s, (size_t)(end - s - 1));

		if (quote == NULL)
			return false;
		key = s + 1;
		key_n = (size_t)(quote - key);
		s = quote + 1;
	} else {
		key = s;
		while (s < end && (isalnum((unsigned char)*s) ||
				   (*s != '\0' && strchr("_.-*", *s) != NULL)))
			s++;
		key_n = (size_t)(s - key);
	}
	s = skip(s, end, " \t");
	if (key_n != n || memcmp(key, database, n) != 0 || s == end ||
	    *s != '=')
		return false;
	*ret_value = skip(s + 1, end, " \t");
	return true;
}

bool sink_ini_is_line(const struct sink_line *l, const char *database)
{
	const char *unused;

	return is_line_of(l, database, &unused);
}

/* ---- [databases] --------------------------------------------------------------- */

/* A head; *ret_inside: is it that of [databases]? */
static enum status read_head(const struct search *f, const struct sink_line *l,
			     bool *ret_inside)
{
	static const char head[] = "[databases]";
	const char *end = l->s + l->n, *s = skip(l->s, end, BLANKS);
	size_t n = sizeof(head) - 1;

	*ret_inside = (size_t)(end - s) >= n && memcmp(s, head, n) == 0;
	if (*ret_inside && skip(s + n, end, BLANKS) < end)
		return refuse(f, l->number,
			      "something stands behind [databases]; give it a "
			      "line of its own");
	return STATUS_OK;
}

static enum status note_line(struct search *f, const struct sink_line *l,
			     const char *value)
{
	const char *end = l->s + l->n;

	if (f->number != 0)
		return refuse(
			f, l->number,
			"this is a second line of it, and the last counts; "
			"keep one");
	while (end > value && isspace((unsigned char)end[-1]))
		end--;
	f->number = l->number;
	f->at = (size_t)(l->s - f->bytes);
	f->value = (size_t)(value - f->bytes);
	f->end = (size_t)(end - f->bytes);
	return STATUS_OK;
}

static enum status find_line(struct search *f)
{
	struct sink_line l = { .next = 0 };
	enum status st = STATUS_OK;
	/* One that is included by [databases] may do without a head. */
	bool inside = f->own;
	const char *value;

	while (st == STATUS_OK && l.next < f->n) {
		l = sink_line_at(f->bytes, f->n, l.next, l.number + 1);
		if (sink_line_is_head(&l)) {
			st = read_head(f, &l, &inside);
			f->inside = inside;
		} else if (inside && is_line_of(&l, f->database, &value))
			st = note_line(f, &l, value);
	}
	if (st == STATUS_OK && f->number == 0 && !f->own)
		st = reason_set(f->why, STATUS_REFUSED,
				"%s: it has no line of database %s in "
				"[databases]; write one, with all but user and "
				"password",
				f->path, f->database);
	return st;
}

/* ---- The settings of the line --------------------------------------------------- */

/* Behind a value, or NULL where PgBouncer would stumble. */
static const char *value_end(const char *s, const char *end)
{
	const char *begin = s;

	if (s == end || *s != '\'') {
		while (s < end && *s != ' ')
			s++;
		return s > begin ? s : NULL;
	}
	for (s++; s < end; s++) {
		if (*s != '\'')
			continue;
		if (s + 1 == end || s[1] == ' ')
			return s > begin + 1 ? s + 1 : NULL;
		if (s[1] != '\'')
			return NULL;
		s++;
	}
	return NULL;
}

static bool is_key(const char *s, size_t n, const char *key)
{
	return n == strlen(key) && memcmp(s, key, n) == 0;
}

#define NOT_SETTINGS                                                  \
	"these are not settings as PgBouncer reads them (key=value, " \
	"with ' around what has blanks); correct them"

/* Is it one that we set? */
static bool is_set(const struct search *f, int i)
{
	return f->own || i == USER || i == PASSWORD;
}

static enum status find_settings(struct search *f)
{
	const char *s = f->bytes + f->value, *end = f->bytes + f->end;

	for (s = skip(s, end, " "); s < end; s = skip(s, end, " ")) {
		const char *key = s, *value;
		size_t n;

		while (s < end && *s != '=' && *s != ' ')
			s++;
		n = (size_t)(s - key);
		s = skip(s, end, " ");
		if (n == 0 || s == end || *s != '=')
			return refuse(f, f->number, NOT_SETTINGS);
		value = skip(s + 1, end, " ");
		s = value_end(value, end);
		if (s == NULL)
			return refuse(f, f->number, NOT_SETTINGS);
		for (int i = 0; i < SETTINGS; i++) {
			if (!is_set(f, i) || !is_key(key, n, keys[i]))
				continue;
			if (f->found[i].n > 0)
				return reason_set(
					f->why, STATUS_REFUSED,
					"%s line %zu, database %s: it has %s= "
					"twice; keep one",
					f->path, f->number, f->database,
					keys[i]);
			f->found[i] = (struct span){ (size_t)(value - f->bytes),
						     (size_t)(s - value) };
		}
	}
	return STATUS_OK;
}

/* ---- A line that is not there --------------------------------------------------- */

static enum status refuse_size(const struct search *f)
{
	return reason_set(f->why, STATUS_LIMIT,
			  "%s would have more than %d bytes, which is all that "
			  "a sink may hold in locked memory; put [databases] "
			  "into a file of its own, with %%include",
			  f->path, SECRET_CAP_MAX);
}

static enum status no_memory(const struct search *f)
{
	return reason_set(f->why, STATUS_NO_MEMORY,
			  "no locked memory for the sink %s", f->path);
}

/* The file with a line without settings at its end. */
static enum status add_line(const struct search *f, struct secret **ret_new)
{
	size_t max = f->n + strlen(f->database) + 32;
	struct secret_out new;

	if (max > SECRET_CAP_MAX)
		return refuse_size(f);
	new = secret_out_make(max);
	secret_out_bytes(&new, f->bytes, f->n);
	if (f->n > 0 && f->bytes[f->n - 1] != '\n')
		secret_out_text(&new, "\n");
	if (!f->inside)
		secret_out_text(&new, "[databases]\n");
	secret_out_text(&new, f->database);
	secret_out_text(&new, " =\n");
	return secret_out_take(&new, ret_new) == STATUS_OK ? STATUS_OK :
							     no_memory(f);
}

static enum status find_or_add(struct search *f, struct secret **ret_added)
{
	enum status st = find_line(f);

	if (st != STATUS_OK || f->number != 0)
		return st;
	st = add_line(f, ret_added);
	if (st != STATUS_OK)
		return st;
	f->bytes = secret_bytes(*ret_added);
	f->n = secret_len(*ret_added);
	return find_line(f);
}

/* ---- The new line ----------------------------------------------------------------- */

/* What PgBouncer 1.18 to 1.25 has room for; it cuts the rest off, says a word of a
 * bug in its log, and logs in with what is left. */
#define USER_MAX 127

static enum status check_lengths(const struct search *f,
				 const struct format_credential *c)
{
	if (strlen(c->username) > USER_MAX)
		return reason_set(f->why, STATUS_REFUSED,
				  "%s, database %s: the name of user %s has "
				  "more than %d bytes, and PgBouncer would cut "
				  "it off",
				  f->path, f->database, c->username, USER_MAX);
	if (secret_len(c->password) > FORMAT_USERLIST_MAX)
		return reason_set(f->why, STATUS_REFUSED,
				  "%s, database %s: the password of user %s "
				  "has %zu bytes; PgBouncer takes %d, and "
				  "would cut it off",
				  f->path, f->database, c->username,
				  secret_len(c->password), FORMAT_USERLIST_MAX);
	return STATUS_OK;
}

/* What PgBouncer would read otherwise than libpq does: it takes hosts of a list in
 * turn, a standby, too, and of several ports the first. */
static enum status check_place(const struct search *f,
			       const struct format_credential *c)
{
	if (c->host[0] == '\0')
		return reason_set(f->why, STATUS_REFUSED,
				  "%s, database %s: the host of the server "
				  "behind PgBouncer is not known; set host=",
				  f->path, f->database);
	if (strchr(c->host, ',') != NULL || strchr(c->port, ',') != NULL)
		return reason_set(
			f->why, STATUS_REFUSED,
			"%s, database %s: PgBouncer would log in to "
			"each of several hosts in turn; set host= and "
			"port= to the one that is writable",
			f->path, f->database);
	return STATUS_OK;
}

static void put_quoted(struct secret_out *to, const char *s, size_t n)
{
	secret_out_text(to, "'");
	for (size_t i = 0; i < n; i++)
		secret_out_bytes(to, s[i] == '\'' ? "''" : &s[i],
				 s[i] == '\'' ? 2 : 1);
	secret_out_text(to, "'");
}

/* The settings by their place; missing ones, in their order, at the end. */
static size_t order_settings(const struct search *f, struct span at[SETTINGS],
			     int order[SETTINGS])
{
	size_t n = 0, to;

	for (int i = 0; i < SETTINGS; i++) {
		if (!is_set(f, i))
			continue;
		at[i] = f->found[i].n > 0 ? f->found[i] :
					    (struct span){ f->end, 0 };
		for (to = n++; to > 0 && at[order[to - 1]].at > at[i].at; to--)
			order[to] = order[to - 1];
		order[to] = i;
	}
	return n;
}

/* The file with its new values. */
static enum status rewrite(const struct search *f,
			   const struct format_credential *c,
			   struct secret **ret_new)
{
	const char *const values[SETTINGS] = {
		c->host, c->port[0] != '\0' ? c->port : "5432",
		c->dbname[0] != '\0' ? c->dbname : f->database, c->username,
		secret_bytes(c->password)
	};
	size_t lengths[SETTINGS], from = 0, max = f->n + 64, n;
	struct span at[SETTINGS];
	struct secret_out new;
	int order[SETTINGS];

	for (int i = 0; i < SETTINGS; i++) {
		lengths[i] = i == PASSWORD ? secret_len(c->password) :
					     strlen(values[i]);
		max += 2 * lengths[i];
	}
	if (max > SECRET_CAP_MAX)
		return refuse_size(f);
	n = order_settings(f, at, order);
	new = secret_out_make(max);
	for (size_t turn = 0; turn < n; turn++) {
		int i = order[turn];

		secret_out_bytes(&new, f->bytes + from, at[i].at - from);
		if (at[i].n == 0) {
			secret_out_text(&new, " ");
			secret_out_text(&new, keys[i]);
			secret_out_text(&new, "=");
		}
		put_quoted(&new, values[i], lengths[i]);
		from = at[i].at + at[i].n;
	}
	secret_out_bytes(&new, f->bytes + from, f->n - from);
	return secret_out_take(&new, ret_new) == STATUS_OK ? STATUS_OK :
							     no_memory(f);
}

enum status sink_ini_set(const struct sink_ini_line *line,
			 const struct secret *old,
			 const struct format_credential *c,
			 struct secret **ret_new, size_t *ret_at,
			 struct reason *why)
{
	struct search f = { .path = line->path,
			    .database = line->database,
			    .own = line->own,
			    .bytes = secret_bytes(old),
			    .n = secret_len(old),
			    .why = why };
	struct secret *unused = NULL, *added = NULL;
	enum status st = check_lengths(&f, c);

	/* What an auth_file cannot take this cannot. */
	if (st == STATUS_OK)
		st = format_render(FORMAT_USERLIST, c, &unused, why);
	secret_free(unused);
	if (st == STATUS_OK && f.own)
		st = check_place(&f, c);
	if (st == STATUS_OK)
		st = find_or_add(&f, &added);
	if (st == STATUS_OK)
		st = find_settings(&f);
	if (st == STATUS_OK)
		st = rewrite(&f, c, ret_new);
	if (st == STATUS_OK)
		*ret_at = f.at;
	secret_free(added);
	return st;
}
