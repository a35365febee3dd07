/* SPDX-License-Identifier: PostgreSQL */
/*
 * Finds and replaces one role's block in a file that belongs to somebody else.
 * It must never change a byte of a foreign line, nor guess where a damaged
 * block ends.
 */
#include "sink/sink_edit.h"

#include <string.h>

#include "base/encode.h"
#include "base/text.h"

/* Each kind's comments begin in their own way. */
static const char *const markers[] = {
	[SINK_PGPASS] = "# keyturn role=",
	[SINK_ENV] = "# keyturn role=",
	[SINK_PGBOUNCER] = "; keyturn role=",
};
#define MARKER_SIZE sizeof("# keyturn role=")
#define MARKER_END  "# keyturn end role="

static const enum format_kind forms[] = {
	[SINK_PGPASS] = FORMAT_PGPASS,
	[SINK_ENV] = FORMAT_ENV,
	[SINK_PGBOUNCER] = FORMAT_USERLIST,
};

/* A role's name has at most 63 bytes in PostgreSQL; pairs have two. */
#define SINK_NAME_MAX 255

struct line {
	const char *s;
	size_t n;      /* without the line's end */
	size_t next;   /* offset of the next line */
	size_t number; /* from 1 */
};

struct block {
	size_t start, end; /* offsets; start == end when there is none */
	int64_t epoch;
	const char *version; /* percent-encoded, in the file's bytes */
	size_t version_n;
};

/* What is being edited. */
struct edit {
	enum sink_kind kind;
	const char *path;
	const char *role;
	const char *bytes;
	size_t n;
	const char *any_marker; /* of any role */
	char marker[MARKER_SIZE + 3 * SINK_NAME_MAX];
	char end[sizeof(MARKER_END) + 3 * SINK_NAME_MAX];
	struct reason *why;
};

static enum status edit_begin(struct edit *e, enum sink_kind kind,
			      const char *path, const struct secret *old,
			      const char *role, struct reason *why)
{
	size_t n = strlen(role);

	if (n == 0 || n > SINK_NAME_MAX)
		return reason_set(why, STATUS_REFUSED,
				  "a sink needs a role's name of 1 to %d bytes",
				  SINK_NAME_MAX);
	*e = (struct edit){ .kind = kind,
			    .path = path,
			    .role = role,
			    .bytes = secret_bytes(old),
			    .n = secret_len(old),
			    .any_marker = markers[kind],
			    .why = why };
	memcpy(e->marker, e->any_marker, MARKER_SIZE);
	encode_percent(role, n, e->marker + MARKER_SIZE - 1);
	memcpy(e->end, MARKER_END, sizeof(MARKER_END));
	encode_percent(role, n, e->end + sizeof(MARKER_END) - 1);
	return STATUS_OK;
}

/* The line that begins at offset `at`, which is less than e->n. */
static struct line line_at(const struct edit *e, size_t at, size_t number)
{
	struct line l = { e->bytes + at, 0, e->n, number };
	const char *newline = memchr(l.s, '\n', e->n - at);

	if (newline != NULL)
		l.next = (size_t)(newline + 1 - e->bytes);
	l.n = newline != NULL ? (size_t)(newline - l.s) : e->n - at;
	if (l.n > 0 && l.s[l.n - 1] == '\r')
		l.n--;
	return l;
}

static bool line_begins(const struct line *l, const char *prefix)
{
	size_t n = strlen(prefix);

	return l->n >= n && memcmp(l->s, prefix, n) == 0;
}

static bool line_is(const struct line *l, const char *s)
{
	return l->n == strlen(s) && memcmp(l->s, s, l->n) == 0;
}

/* Is it this role's marker, well-formed or not? */
static bool is_marker(const struct edit *e, const struct line *l)
{
	size_t n = strlen(e->marker);

	return line_begins(l, e->marker) && (l->n == n || l->s[n] == ' ');
}

/* " version=<id> epoch=<n>" after the role's name. */
static bool marker_read(const struct edit *e, const struct line *l,
			struct block *b)
{
	static const char version[] = " version=", epoch[] = " epoch=";
	const char *s = l->s + strlen(e->marker);
	const char *end = l->s + l->n;
	int64_t n = 0;

	if ((size_t)(end - s) < sizeof(version) ||
	    memcmp(s, version, sizeof(version) - 1) != 0)
		return false;
	s += sizeof(version) - 1;
	b->version = s;
	while (s < end && *s != ' ')
		s++;
	b->version_n = (size_t)(s - b->version);
	if ((size_t)(end - s) < sizeof(epoch) ||
	    memcmp(s, epoch, sizeof(epoch) - 1) != 0)
		return false;
	for (s += sizeof(epoch) - 1; s < end; s++) {
		if (*s < '0' || *s > '9' || n > (INT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (*s - '0');
	}
	b->epoch = n;
	return true;
}

static enum status damaged(const struct edit *e, const struct line *marker,
			   const char *what)
{
	return reason_set(e->why, STATUS_CORRUPT,
			  "%s line %zu: the block of role %s %s; mend or "
			  "delete it by hand",
			  e->path, marker->number, e->role, what);
}

/* Where the block of a marker ends. */
static enum status block_end(const struct edit *e, const struct line *marker,
			     size_t *ret_end)
{
	struct line l = *marker;

	if (e->kind != SINK_ENV) {
		*ret_end = l.next;
		if (l.next == e->n)
			return STATUS_OK;
		l = line_at(e, l.next, l.number + 1);
		/* Somebody took the line out and left its marker. */
		if (l.n > 0 && l.s[0] != e->any_marker[0])
			*ret_end = l.next;
		return STATUS_OK;
	}
	while (l.next < e->n) {
		l = line_at(e, l.next, l.number + 1);
		if (line_is(&l, e->end)) {
			*ret_end = l.next;
			return STATUS_OK;
		}
		if (line_begins(&l, e->any_marker))
			break;
	}
	return damaged(e, marker, "has no end");
}

/* The role's next block from a line on; *number moves along with it. */
static enum status next_block(const struct edit *e, size_t from, size_t *number,
			      struct block *ret_block)
{
	struct block b = { .start = e->n, .end = e->n };
	enum status st;

	while (from < e->n) {
		struct line l = line_at(e, from, ++*number);

		if (!is_marker(e, &l)) {
			from = l.next;
			continue;
		}
		if (!marker_read(e, &l, &b))
			return damaged(e, &l,
				       "has a marker that is not "
				       "understood");
		b.start = from;
		st = block_end(e, &l, &b.end);
		if (st != STATUS_OK)
			return st;
		for (const char *c = e->bytes + l.next; c < e->bytes + b.end;
		     c++)
			*number += *c == '\n';
		break;
	}
	*ret_block = b;
	return STATUS_OK;
}

/* Take "value:" from a pgpass line; does it match the value, "" being any? */
static bool take_field(const char **s, const char *end, const char *value)
{
	bool any = *value == '\0';
	bool same = true;

	if (end - *s >= 2 && (*s)[0] == '*' && (*s)[1] == ':') {
		*s += 2;
		return true;
	}
	for (; *s < end && **s != ':'; (*s)++) {
		if (**s == '\\' && *s + 1 < end)
			(*s)++;
		same = same && *value == **s;
		value += *value != '\0';
	}
	if (*s == end)
		return false;
	(*s)++;
	return any || (same && *value == '\0');
}

/* Would libpq take this line for a connection that the credential is for? */
static bool line_matches(const struct line *l,
			 const struct format_credential *c)
{
	const char *s = l->s, *end = l->s + l->n;
	const char *port = c->port[0] != '\0' ? c->port : "5432";

	return l->n > 0 && *s != '#' && take_field(&s, end, c->host) &&
	       take_field(&s, end, port) && take_field(&s, end, c->dbname) &&
	       take_field(&s, end, c->username);
}

/* Is there a foreign line before `to` that would be taken first?  The lines of
 * other roles are not foreign: they would only take turns in moving up. */
static bool is_shadowed(const struct edit *e, size_t to,
			const struct format_credential *c)
{
	bool managed = false;

	for (size_t at = 0; at < to;) {
		struct line l = line_at(e, at, 0);

		if (!managed && line_matches(&l, c))
			return true;
		managed = line_begins(&l, e->any_marker);
		at = l.next;
	}
	return false;
}

/* Is there a foreign line of the same user behind `from`, which PgBouncer would
 * take instead? */
static bool is_overridden(const struct edit *e, size_t from,
			  const struct format_credential *c)
{
	char user[2 * SINK_NAME_MAX + 4] = "\"";
	bool managed = false;
	size_t n = 1;

	for (const char *p = c->username; *p && n < sizeof(user) - 3; p++) {
		if (*p == '"')
			user[n++] = '"';
		user[n++] = *p;
	}
	user[n++] = '"';
	user[n] = '\0';
	for (size_t at = 0; at < e->n;) {
		struct line l = line_at(e, at, 0);

		if (!managed && at >= from && line_begins(&l, user))
			return true;
		managed = line_begins(&l, e->any_marker);
		at = l.next;
	}
	return false;
}

/* The bytes of the new block. */
static enum status make_block(const struct edit *e,
			      const struct sink_delivery *d,
			      struct secret **ret_block)
{
	struct text head = text_make(sizeof(e->marker) + 1024);
	struct secret *body = NULL, *block = NULL;
	char version[3 * SINK_NAME_MAX + 1];
	enum status st;

	if (d->version[0] == '\0' || strlen(d->version) > SINK_NAME_MAX ||
	    d->epoch < 0)
		return reason_set(e->why, STATUS_REFUSED,
				  "role %s: a sink needs a version and an "
				  "epoch",
				  e->role);
	encode_percent(d->version, strlen(d->version), version);
	text_printf(&head, "%s version=%s epoch=%lld\n", e->marker, version,
		    (long long)d->epoch);
	st = format_render(forms[e->kind], d->credential, &body, e->why);
	if (st != STATUS_OK) {
		st = reason_wrap(e->why, st, "role %s, sink %s", e->role,
				 e->path);
		goto out;
	}
	st = text_status(&head);
	if (st == STATUS_OK)
		st = secret_new(head.len + secret_len(body) + sizeof(e->end) +
					1,
				&block);
	if (st == STATUS_OK)
		st = secret_append(block, head.bytes, head.len);
	if (st == STATUS_OK)
		st = secret_append(block, secret_bytes(body), secret_len(body));
	if (st == STATUS_OK && e->kind == SINK_ENV) {
		st = secret_append(block, e->end, strlen(e->end));
		if (st == STATUS_OK)
			st = secret_append(block, "\n", 1);
	}
	if (st != STATUS_OK) {
		reason_set(e->why, st, "no locked memory for the sink %s",
			   e->path);
		goto out;
	}
	*ret_block = block;
	block = NULL;
out:
	secret_free(block);
	secret_free(body);
	text_free(&head);
	return st;
}

static enum status add(const struct edit *e, struct secret *to, size_t from,
		       size_t end)
{
	return secret_append(to, e->bytes + from, end - from);
}

/* A new block, on a line of its own. */
static enum status add_block(struct secret *to, const struct secret *block)
{
	size_t n = secret_len(to);
	enum status st = STATUS_OK;

	if (n > 0 && secret_bytes(to)[n - 1] != '\n')
		st = secret_append(to, "\n", 1);
	if (st == STATUS_OK)
		st = secret_append(to, secret_bytes(block), secret_len(block));
	return st;
}

/* The old bytes without the role's blocks, and with `block`, which may be
 * NULL, at the offset `place`: a line's beginning, or the end. */
static enum status rewrite(const struct edit *e, size_t place,
			   const struct secret *block, struct secret *to)
{
	size_t at = 0, number = 0;
	bool placed = block == NULL;
	enum status st = STATUS_OK;

	while (st == STATUS_OK && at < e->n) {
		struct block b;

		st = next_block(e, at, &number, &b);
		if (st == STATUS_OK && !placed && place <= b.start) {
			st = add(e, to, at, place);
			if (st == STATUS_OK)
				st = add_block(to, block);
			at = place;
			placed = true;
		}
		if (st == STATUS_OK)
			st = add(e, to, at, b.start);
		at = b.end;
	}
	if (st == STATUS_OK && !placed)
		st = add_block(to, block);
	return st;
}

static enum status finish(const struct edit *e, size_t place,
			  const struct secret *block, struct secret **ret_new)
{
	size_t n = e->n + (block != NULL ? secret_len(block) : 0) + 1;
	struct secret *made = NULL;
	enum status st;

	if (n > SECRET_CAP_MAX)
		return reason_set(e->why, STATUS_LIMIT,
				  "%s would have more than %d bytes, which is "
				  "all that a sink may hold in locked memory; "
				  "use a file of its own for role %s",
				  e->path, SECRET_CAP_MAX, e->role);
	st = secret_new(n, &made);
	if (st == STATUS_OK)
		st = rewrite(e, place, block, made);
	if (st != STATUS_OK) {
		secret_free(made);
		return reason_set(e->why, st, "cannot rewrite %s in memory",
				  e->path);
	}
	*ret_new = made;
	return STATUS_OK;
}

/* All blocks of the role: the first one's place and the highest epoch. */
static enum status survey(const struct edit *e, size_t *ret_first,
			  bool *ret_found, int64_t *ret_epoch)
{
	size_t at = 0, number = 0;
	size_t first = e->n;
	int64_t epoch = 0;
	bool found = false;

	while (at < e->n) {
		struct block b;
		enum status st = next_block(e, at, &number, &b);

		if (st != STATUS_OK)
			return st;
		if (b.start == b.end)
			break;
		if (!found)
			first = b.start;
		if (!found || b.epoch > epoch)
			epoch = b.epoch;
		found = true;
		at = b.end;
	}
	*ret_first = first;
	*ret_found = found;
	*ret_epoch = epoch;
	return STATUS_OK;
}

enum status sink_edit_put(enum sink_kind kind, const char *path,
			  const struct secret *old,
			  const struct sink_delivery *d,
			  struct secret **ret_new, struct reason *why)
{
	struct secret *block = NULL;
	int64_t epoch = 0;
	size_t place = 0;
	bool found = false;
	struct edit e;
	enum status st = edit_begin(&e, kind, path, old, d->role, why);

	if (st == STATUS_OK)
		st = survey(&e, &place, &found, &epoch);
	if (st != STATUS_OK)
		return st;
	if (found && epoch > d->epoch && !d->overrule)
		return reason_set(why, STATUS_CONFLICT,
				  "%s holds a newer password of role %s (epoch "
				  "%lld, not %lld); it is left as it is",
				  path, d->role, (long long)epoch,
				  (long long)d->epoch);
	st = make_block(&e, d, &block);
	if (st != STATUS_OK)
		return st;
	if (kind == SINK_PGPASS &&
	    (!found || is_shadowed(&e, place, d->credential)))
		place = 0;
	if (kind == SINK_PGBOUNCER && is_overridden(&e, place, d->credential))
		place = e.n;
	st = finish(&e, place, block, ret_new);
	secret_free(block);
	return st;
}

enum status sink_edit_remove(enum sink_kind kind, const char *path,
			     const struct secret *old, const char *role,
			     struct secret **ret_new, struct reason *why)
{
	int64_t epoch = 0;
	size_t place = 0;
	bool found = false;
	struct edit e;
	enum status st = edit_begin(&e, kind, path, old, role, why);

	if (st == STATUS_OK)
		st = survey(&e, &place, &found, &epoch);
	if (st != STATUS_OK)
		return st;
	return finish(&e, 0, NULL, ret_new);
}

enum status sink_edit_look(enum sink_kind kind, const char *path,
			   const struct secret *content, const char *role,
			   struct sink_held *ret_held, struct reason *why)
{
	struct sink_held held = { .found = false };
	size_t at = 0, number = 0;
	struct edit e;
	enum status st = edit_begin(&e, kind, path, content, role, why);

	while (st == STATUS_OK && at < e.n) {
		struct block b;

		st = next_block(&e, at, &number, &b);
		if (st != STATUS_OK || b.start == b.end)
			break;
		if (!held.found || b.epoch > held.epoch) {
			held.epoch = b.epoch;
			held.version[0] = '\0';
			if (b.version_n < sizeof(held.version)) {
				memcpy(held.version, b.version, b.version_n);
				held.version[b.version_n] = '\0';
			}
		}
		held.found = true;
		at = b.end;
	}
	if (st == STATUS_OK)
		*ret_held = held;
	return st;
}
