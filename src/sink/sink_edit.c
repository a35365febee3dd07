/* SPDX-License-Identifier: PostgreSQL */
/*
 * Finds and replaces one role's block in a file that belongs to somebody else.
 * It must never change a byte of a foreign line, nor guess where a damaged
 * block ends.
 */
#include "sink/sink_edit.h"

#include <string.h>

#include "base/encode.h"
#include "base/secret_out.h"
#include "base/text.h"
#include "sink/sink_ini.h"
#include "sink/sink_line.h"

/* Each kind's comments begin in their own way. */
static const char *const markers[] = {
	[SINK_PGPASS] = "# keyturn role=",
	[SINK_ENV] = "# keyturn role=",
	[SINK_PGBOUNCER] = "; keyturn role=",
	[SINK_PGBOUNCER_INI] = "; keyturn role=",
	[SINK_PGBOUNCER_DATABASES] = "; keyturn role=",
	[SINK_SERVICE] = "# keyturn role=",
};
#define MARKER_SIZE sizeof("# keyturn role=")
#define MARKER_END  "# keyturn end role="

static const enum format_kind forms[] = {
	[SINK_PGPASS] = FORMAT_PGPASS,
	[SINK_ENV] = FORMAT_ENV,
	[SINK_PGBOUNCER] = FORMAT_USERLIST,
	[SINK_SERVICE] = FORMAT_SERVICE,
};

/* What a marker says of the lines behind it. */
struct mark {
	size_t lines;		 /* so many at most, in a pgpass or auth file */
	struct lookup_part user; /* whose they are, percent-encoded */
	struct lookup_part before; /* or whose; empty: no one else's */
};

#define LINES_MAX 9999

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
	const char *service; /* the section of a pg_service.conf */
	const char *bytes;
	size_t n;
	size_t line; /* sink_has_database(): where the database's line begins */
	bool line_goes;		/* ... and it goes with its block */
	const char *any_marker; /* of any role */
	char marker[MARKER_SIZE + 3 * SINK_LINE_NAME_MAX];
	char end[sizeof(MARKER_END) + 3 * SINK_LINE_NAME_MAX];
	char user[SINK_LINE_NAME_SIZE]; /* of the credential, if there is one */
	char before[SINK_LINE_NAME_SIZE]; /* of the one before, likewise */
	struct reason *why;
};

/* Does a comment end the block, and not a number of lines? */
static bool has_end(enum sink_kind kind)
{
	return kind == SINK_ENV || kind == SINK_SERVICE;
}

/* The user of a credential, percent-encoded; "" of none. */
static enum status name_user(const struct edit *e,
			     const struct format_credential *c,
			     char ret[SINK_LINE_NAME_SIZE])
{
	const char *user = c != NULL ? c->username : "";
	size_t n = strlen(user);

	if (n > SINK_LINE_NAME_MAX)
		return reason_set(e->why, STATUS_REFUSED,
				  "role %s, sink %s: its user's name has more "
				  "than %d bytes",
				  e->role, e->path, SINK_LINE_NAME_MAX);
	encode_percent(user, n, ret);
	return STATUS_OK;
}

/* d: what is to be put there, or NULL. */
static enum status edit_begin(struct edit *e, const struct sink *s,
			      const struct secret *old, const char *role,
			      const struct sink_delivery *d, struct reason *why)
{
	size_t n = strlen(role);
	enum status st;

	if (n == 0 || n > SINK_LINE_NAME_MAX)
		return reason_set(why, STATUS_REFUSED,
				  "a sink needs a role's name of 1 to %d bytes",
				  SINK_LINE_NAME_MAX);
	*e = (struct edit){ .kind = s->kind,
			    .path = s->path,
			    .role = role,
			    .service = s->service[0] != '\0' ? s->service :
							       role,
			    .bytes = secret_bytes(old),
			    .n = secret_len(old),
			    .any_marker = markers[s->kind],
			    .why = why };
	memcpy(e->marker, e->any_marker, MARKER_SIZE);
	encode_percent(role, n, e->marker + MARKER_SIZE - 1);
	memcpy(e->end, MARKER_END, sizeof(MARKER_END));
	encode_percent(role, n, e->end + sizeof(MARKER_END) - 1);
	st = name_user(e, d != NULL ? d->credential : NULL, e->user);
	/* What has one user has no line for another. */
	if (st == STATUS_OK)
		st = name_user(
			e, d != NULL && !has_end(s->kind) ? d->before : NULL,
			e->before);
	return st;
}

static struct sink_line line_at(const struct edit *e, size_t at, size_t number)
{
	return sink_line_at(e->bytes, e->n, at, number);
}

/* Is it this role's marker, well-formed or not? */
static bool is_marker(const struct edit *e, const struct sink_line *l)
{
	size_t n = strlen(e->marker);

	return sink_line_begins(l, e->marker) && (l->n == n || l->s[n] == ' ');
}

/* Take digits; false when there are none, or too many. */
static bool take_number(const char **s, const char *end, int64_t max,
			int64_t *ret)
{
	const char *from = *s;
	int64_t n = 0;

	for (; *s < end && **s >= '0' && **s <= '9'; (*s)++) {
		if (n > (max - 9) / 10)
			return false;
		n = n * 10 + (**s - '0');
	}
	*ret = n;
	return *s > from;
}

/* Take " name=", or nothing. */
static bool take_name(const char **s, const char *end, const char *name)
{
	size_t n = strlen(name);

	if ((size_t)(end - *s) < n || memcmp(*s, name, n) != 0)
		return false;
	*s += n;
	return true;
}

static struct lookup_part take_word(const char **s, const char *end)
{
	struct lookup_part word = { *s, 0 };

	while (*s < end && **s != ' ')
		(*s)++;
	word.n = (size_t)(*s - word.s);
	return word;
}

/*
 * A marker of any role: " version=<id> epoch=<n>" behind the role's name, then
 * " lines=<n>" unless that is 1, " user=<percent-encoded>" unless the role
 * has that name, and " before=<percent-encoded>" where another has lines, too.
 */
static bool marker_read(const struct edit *e, const struct sink_line *l,
			struct mark *m, struct block *b)
{
	const char *s = l->s + strlen(e->any_marker);
	const char *end = l->s + l->n;
	struct lookup_part version;
	int64_t lines = 1;

	m->user = take_word(&s, end);
	m->before = (struct lookup_part){ s, 0 };
	if (!take_name(&s, end, " version="))
		return false;
	version = take_word(&s, end);
	b->version = version.s;
	b->version_n = version.n;
	if (!take_name(&s, end, " epoch=") ||
	    !take_number(&s, end, INT64_MAX, &b->epoch))
		return false;
	if (take_name(&s, end, " lines=") &&
	    !take_number(&s, end, LINES_MAX, &lines))
		return false;
	if (take_name(&s, end, " user="))
		m->user = take_word(&s, end);
	if (take_name(&s, end, " before="))
		m->before = take_word(&s, end);
	m->lines = (size_t)lines;
	return s == end;
}

static bool is_name(struct lookup_part p, const char *name)
{
	return p.n > 0 && strlen(name) == p.n && memcmp(name, p.s, p.n) == 0;
}

/* Is it one of the lines that this marker is for?  What somebody has put there
 * in its place is not. */
static bool is_of(const struct edit *e, const struct mark *m,
		  const struct sink_line *l)
{
	char user[SINK_LINE_NAME_SIZE];

	return sink_line_user(l, e->kind, user) &&
	       (is_name(m->user, user) || is_name(m->before, user));
}

/* A marker of the users whose lines are to be put there. */
static struct mark mark_ours(const struct edit *e, size_t lines)
{
	return (struct mark){ .lines = lines,
			      .user = { e->user, strlen(e->user) },
			      .before = { e->before, strlen(e->before) } };
}

static enum status refuse_damaged(const struct edit *e,
				  const struct sink_line *at, const char *what)
{
	return reason_set(e->why, STATUS_CORRUPT,
			  "%s line %zu: the block of role %s %s; mend or "
			  "delete it by hand",
			  e->path, at->number, e->role, what);
}

/* May we have written this line, the first behind the marker or a later one? */
static bool is_own(const struct edit *e, const struct sink_line *l, bool first)
{
	if (e->kind == SINK_ENV)
		return sink_line_sets(l);
	return first ? sink_line_is_head(l) : sink_line_serves(l);
}

/* The comment that ends a block; a line before it that we did not write is
 * somebody's. */
static enum status marked_end(const struct edit *e,
			      const struct sink_line *marker, size_t *ret_end)
{
	struct sink_line l = *marker, foreign = { .s = NULL };

	while (l.next < e->n) {
		bool first = l.number == marker->number;

		l = line_at(e, l.next, l.number + 1);
		if (sink_line_is(&l, e->end)) {
			*ret_end = l.next;
			return foreign.s == NULL ?
				       STATUS_OK :
				       refuse_damaged(
					       e, &foreign,
					       "has a line in it that is not "
					       "keyturn's");
		}
		if (sink_line_begins(&l, e->any_marker))
			break;
		if (l.n > 0 && !is_own(e, &l, first) && foreign.s == NULL)
			foreign = l;
	}
	return refuse_damaged(e, marker, "has no end");
}

/* Where the block of a marker ends. */
static enum status block_end(const struct edit *e, const struct mark *m,
			     const struct sink_line *marker, size_t *ret_end)
{
	const struct mark also = mark_ours(e, m->lines);
	struct sink_line l = *marker;
	size_t end = l.next;

	if (has_end(e->kind))
		return marked_end(e, marker, ret_end);
	if (e->line_goes && l.next < e->n) {
		l = line_at(e, l.next, l.number + 1);
		*ret_end = sink_ini_is_line(&l, e->service) ? l.next : end;
		return STATUS_OK;
	}
	for (size_t i = 0; i < m->lines && l.next < e->n; i++) {
		l = line_at(e, l.next, l.number + 1);
		if (!is_of(e, m, &l) && !is_of(e, &also, &l))
			break;
		end = l.next;
	}
	*ret_end = end;
	return STATUS_OK;
}

/* The role's next block from a line on; *number moves along with it. */
static enum status next_block(const struct edit *e, size_t from, size_t *number,
			      struct block *ret_block)
{
	struct block b = { .start = e->n, .end = e->n };
	struct mark m;
	enum status st;

	while (from < e->n) {
		struct sink_line l = line_at(e, from, ++*number);

		if (!is_marker(e, &l)) {
			from = l.next;
			continue;
		}
		if (!marker_read(e, &l, &m, &b))
			return refuse_damaged(e, &l,
					      "has a marker that is not "
					      "understood");
		b.start = from;
		st = block_end(e, &m, &l, &b.end);
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

/* ---- Foreign lines ------------------------------------------------------------ */

/* A walk over the lines that tells those of any role from foreign ones. */
struct walk {
	struct sink_line line;
	size_t at;	  /* the line's offset */
	bool managed;	  /* it is a marker or belongs to one */
	bool is_marker;	  /* of any role */
	struct mark mark; /* the last one */
	size_t left;	  /* lines that may still follow it */
	bool inside;	  /* between a marker and the comment at its end */
};

static bool walk_on(const struct edit *e, struct walk *w)
{
	struct block unused;
	bool follows;

	w->at = w->line.s != NULL ? w->line.next : 0;
	if (w->at >= e->n)
		return false;
	w->line = line_at(e, w->at, w->line.number + 1);
	w->is_marker = sink_line_begins(&w->line, e->any_marker) &&
		       marker_read(e, &w->line, &w->mark, &unused);
	follows = w->inside || (w->left > 0 && is_of(e, &w->mark, &w->line));
	w->managed = w->is_marker || follows;
	if (w->is_marker)
		w->left = w->mark.lines;
	else
		w->left = follows && w->left > 0 ? w->left - 1 : 0;
	if (has_end(e->kind))
		w->inside =
			w->is_marker ||
			(w->inside && !sink_line_begins(&w->line, MARKER_END));
	return true;
}

/* Is there a foreign line before `to` that libpq would take first?  The lines of
 * other roles are not foreign: they would only take turns in moving up.
 * *ret_at is its offset. */
static bool is_shadowed(const struct edit *e, size_t to,
			const struct sink_delivery *d, size_t *ret_at)
{
	struct walk w = { .managed = false };

	while (walk_on(e, &w) && w.at < to)
		if (!w.managed &&
		    (e->kind == SINK_SERVICE ?
			     sink_line_heads(&w.line, e->service) :
			     sink_line_matches(&w.line, d->credential) ||
				     (d->before != NULL &&
				      sink_line_matches(&w.line, d->before)))) {
			*ret_at = w.at;
			return true;
		}
	return false;
}

/* Is there a foreign line behind `from` that PgBouncer, or a shell, would take
 * instead? */
static bool is_overridden(const struct edit *e, size_t from)
{
	const struct mark ours = mark_ours(e, 0);
	struct walk w = { .managed = false };

	while (walk_on(e, &w)) {
		if (w.managed || w.at < from)
			continue;
		if (e->kind == SINK_ENV ? sink_line_sets(&w.line) :
					  is_of(e, &ours, &w.line))
			return true;
	}
	return false;
}

/* Of two roles with one section the first counts. */
static enum status check_sections(const struct edit *e)
{
	struct walk w = { .managed = false };
	bool ours = false;

	while (walk_on(e, &w)) {
		if (sink_line_begins(&w.line, e->any_marker))
			ours = is_marker(e, &w.line);
		if (w.managed && !ours && sink_line_heads(&w.line, e->service))
			return reason_set(
				e->why, STATUS_REFUSED,
				"%s line %zu: another role has the section "
				"[%s], and of two the first counts; give role "
				"%s one of its own with name=SECTION",
				e->path, w.line.number, e->service, e->role);
	}
	return STATUS_OK;
}

static bool shares_user(const struct edit *e, const struct mark *m)
{
	return is_name(m->user, e->user) || is_name(m->before, e->user) ||
	       is_name(m->user, e->before) || is_name(m->before, e->before);
}

/* Is the marker at the database's line another role's? */
static enum status check_line(const struct edit *e)
{
	struct walk w = { .managed = false };

	while (walk_on(e, &w))
		if (sink_line_begins(&w.line, e->any_marker) &&
		    !is_marker(e, &w.line) && w.line.next == e->line)
			return reason_set(
				e->why, STATUS_REFUSED,
				"%s line %zu: the line of database %s is "
				"another role's; delete this one if it is not "
				"any more",
				e->path, w.line.number, e->service);
	return STATUS_OK;
}

/* A file of one password, in an auth_file for each user, cannot serve two
 * roles: one partner would log in as the other. */
static enum status check_rivals(const struct edit *e)
{
	struct walk w = { .managed = false };

	if (e->kind == SINK_SERVICE)
		return check_sections(e);
	if (sink_has_database(e->kind))
		return check_line(e);
	while (e->kind != SINK_PGPASS && walk_on(e, &w)) {
		if (!sink_line_begins(&w.line, e->any_marker) ||
		    is_marker(e, &w.line))
			continue;
		if (e->kind == SINK_PGBOUNCER &&
		    (!w.is_marker || !shares_user(e, &w.mark)))
			continue;
		return reason_set(
			e->why, STATUS_REFUSED,
			"%s line %zu: another role has its block "
			"there, and of two the last counts; give role "
			"%s a file of its own, or delete the other's "
			"block if it has one",
			e->path, w.line.number, e->role);
	}
	return STATUS_OK;
}

/* ---- What libpq makes of a pg_service.conf ------------------------------------- */

/* At a line that is too long it gives the file up: before the section at `to`,
 * in what stands behind it, and the head that ends that. */
static enum status check_lengths(const struct edit *e, size_t to)
{
	struct walk w = { .managed = false };
	bool ours = false;
	size_t n;

	while (walk_on(e, &w)) {
		/* Without its newline: the last line may get one from us. */
		n = w.line.next - w.at;
		n -= e->bytes[w.line.next - 1] == '\n';
		if (n > FORMAT_SERVICE_LINE_MAX)
			return reason_set(
				e->why, STATUS_REFUSED,
				"%s line %zu: it has more than %d "
				"bytes, at which libpq gives the file "
				"up before it is through with [%s]; "
				"shorten it",
				e->path, w.line.number, FORMAT_SERVICE_LINE_MAX,
				e->service);
		if (w.is_marker)
			ours = is_marker(e, &w.line);
		if (w.at >= to && sink_line_is_head(&w.line) &&
		    !(w.managed && ours))
			break;
	}
	return STATUS_OK;
}

/*
 * What stands behind a block up to the next section is of its section.  Where
 * the block goes, it would become a part of the one before: only in its present
 * place can it be replaced then.  `place` is that of the new block.
 */
static enum status check_followers(const struct edit *e, size_t place)
{
	size_t at = 0, number = 0;

	while (at < e->n) {
		struct sink_line l;
		struct block b;
		enum status st = next_block(e, at, &number, &b);

		if (st != STATUS_OK || b.start == b.end)
			return st;
		at = b.end;
		l = (struct sink_line){ .next = at, .number = number };
		while (b.start != place && l.next < e->n) {
			l = line_at(e, l.next, l.number + 1);
			if (sink_line_is_head(&l))
				break;
			if (sink_line_is_idle(&l))
				continue;
			return reason_set(
				e->why, STATUS_REFUSED,
				"%s line %zu: this is a setting of the section "
				"of role %s, which has to go from there; delete "
				"it, or move it to another section",
				e->path, l.number, e->role);
		}
	}
	return STATUS_OK;
}

/* ---- The new block ------------------------------------------------------------ */

/* What a marker says besides, so that its lines are known again. */
static void put_mark(const struct edit *e, const struct secret *body,
		     struct text *head)
{
	const char *bytes = secret_bytes(body);
	size_t lines = 0;

	for (size_t i = 0; i < secret_len(body); i++)
		lines += bytes[i] == '\n';
	if (lines != 1)
		text_printf(head, " lines=%zu", lines);
	if (strcmp(e->user, e->marker + MARKER_SIZE - 1) != 0)
		text_printf(head, " user=%s", e->user);
	if (e->before[0] != '\0')
		text_printf(head, " before=%s", e->before);
}

/* The lines of the credential, and of the one before. */
static enum status make_body(const struct edit *e,
			     const struct sink_delivery *d,
			     struct secret **ret_body)
{
	const struct format_credential *before =
		e->before[0] != '\0' ? d->before : NULL;
	struct format_credential c = *d->credential;
	struct secret *first = NULL, *second = NULL;
	struct secret_out both;
	enum status st;

	c.service = e->service;
	st = format_render(forms[e->kind], &c, &first, e->why);
	if (st == STATUS_OK && before != NULL)
		st = format_render(forms[e->kind], before, &second, e->why);
	if (st != STATUS_OK) {
		st = reason_wrap(e->why, st, "role %s, sink %s", e->role,
				 e->path);
	} else if (second == NULL) {
		*ret_body = first;
		first = NULL;
	} else {
		both = secret_out_make(secret_len(first) + secret_len(second));
		secret_out_secret(&both, first);
		secret_out_secret(&both, second);
		st = secret_out_take(&both, ret_body);
		if (st != STATUS_OK)
			reason_set(e->why, st,
				   "no locked memory for the sink %s", e->path);
	}
	secret_free(first);
	secret_free(second);
	return st;
}

/* The bytes of the new block. */
static enum status make_block(const struct edit *e,
			      const struct sink_delivery *d,
			      struct secret **ret_block)
{
	struct text head = text_make(sizeof(e->marker) + sizeof(e->user) +
				     sizeof(e->before) + 1024);
	struct secret *body = NULL;
	struct secret_out block;
	char version[SINK_LINE_NAME_SIZE];
	enum status st;

	if (d->version[0] == '\0' || strlen(d->version) > SINK_LINE_NAME_MAX ||
	    d->epoch < 0)
		return reason_set(e->why, STATUS_REFUSED,
				  "role %s: a sink needs a version and an "
				  "epoch",
				  e->role);
	encode_percent(d->version, strlen(d->version), version);
	/* Of a pgbouncer.ini the values are in the line behind it. */
	st = sink_has_database(e->kind) ? secret_new(1, &body) :
					  make_body(e, d, &body);
	if (st != STATUS_OK)
		goto out;
	text_printf(&head, "%s version=%s epoch=%lld", e->marker, version,
		    (long long)d->epoch);
	if (!has_end(e->kind) && !sink_has_database(e->kind))
		put_mark(e, body, &head);
	text_add(&head, "\n");
	block = secret_out_make(head.len + secret_len(body) + sizeof(e->end) +
				1);
	if (block.status == STATUS_OK)
		block.status = text_status(&head);
	secret_out_bytes(&block, head.bytes, head.len);
	secret_out_secret(&block, body);
	if (has_end(e->kind)) {
		secret_out_text(&block, e->end);
		secret_out_text(&block, "\n");
	}
	st = secret_out_take(&block, ret_block);
	if (st != STATUS_OK)
		reason_set(e->why, st, "no locked memory for the sink %s",
			   e->path);
out:
	secret_free(body);
	text_free(&head);
	return st;
}

static enum status add_old(const struct edit *e, struct secret *to, size_t from,
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
static enum status rewrite_file(const struct edit *e, size_t place,
				const struct secret *block, struct secret *to)
{
	size_t at = 0, number = 0;
	bool placed = block == NULL;
	enum status st = STATUS_OK;

	while (st == STATUS_OK && at < e->n) {
		struct block b;

		st = next_block(e, at, &number, &b);
		if (st == STATUS_OK && !placed && place <= b.start) {
			st = add_old(e, to, at, place);
			if (st == STATUS_OK)
				st = add_block(to, block);
			at = place;
			placed = true;
		}
		if (st == STATUS_OK)
			st = add_old(e, to, at, b.start);
		at = b.end;
	}
	if (st == STATUS_OK && !placed)
		st = add_block(to, block);
	return st;
}

static enum status finish_edit(const struct edit *e, size_t place,
			       const struct secret *block,
			       struct secret **ret_new)
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
		st = rewrite_file(e, place, block, made);
	if (st != STATUS_OK) {
		secret_free(made);
		return reason_set(e->why, st, "cannot rewrite %s in memory",
				  e->path);
	}
	*ret_new = made;
	return STATUS_OK;
}

/* All blocks of the role: the first one's place and the highest epoch. */
static enum status survey_blocks(const struct edit *e, size_t *ret_first,
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

/* Where the block has to be so that it counts; *place is where it is. */
static enum status find_place(const struct edit *e,
			      const struct sink_delivery *d, bool found,
			      size_t *place)
{
	enum status st = STATUS_OK;
	size_t at = 0;

	if (e->kind == SINK_PGPASS) {
		if (!found || is_shadowed(e, *place, d, &at))
			*place = 0;
	} else if (e->kind == SINK_SERVICE) {
		if (is_shadowed(e, *place, d, &at))
			*place = at;
		st = check_lengths(e, *place);
		if (st == STATUS_OK)
			st = check_followers(e, *place);
	} else if (sink_has_database(e->kind)) {
		*place = e->line;
	} else if (is_overridden(e, *place))
		*place = e->n;
	return st;
}

/* The line of the database with its new values; the rest goes on from there. */
static enum status set_line(struct edit *e, const struct secret *old,
			    const struct format_credential *c,
			    struct secret **ret_edited)
{
	const struct sink_ini_line line = {
		.path = e->path,
		.database = e->service,
		.own = e->kind == SINK_PGBOUNCER_DATABASES,
	};
	struct secret *edited = NULL;
	enum status st = sink_ini_set(&line, old, c, &edited, &e->line, e->why);

	if (st != STATUS_OK)
		return reason_wrap(e->why, st, "role %s", e->role);
	e->bytes = secret_bytes(edited);
	e->n = secret_len(edited);
	*ret_edited = edited;
	return STATUS_OK;
}

enum status sink_edit_put(const struct sink *s, const struct secret *old,
			  const struct sink_delivery *d,
			  struct secret **ret_new, struct reason *why)
{
	struct secret *block = NULL, *edited = NULL;
	int64_t epoch = 0;
	size_t place = 0;
	bool found = false;
	struct edit e;
	enum status st = edit_begin(&e, s, old, d->role, d, why);

	if (st == STATUS_OK && sink_has_database(s->kind))
		st = set_line(&e, old, d->credential, &edited);
	if (st == STATUS_OK)
		st = survey_blocks(&e, &place, &found, &epoch);
	if (st == STATUS_OK)
		st = check_rivals(&e);
	if (st == STATUS_OK)
		st = find_place(&e, d, found, &place);
	if (st == STATUS_OK && found && epoch > d->epoch && !d->overrule)
		st = reason_set(why, STATUS_CONFLICT,
				"%s holds a newer password of role %s (epoch "
				"%lld, not %lld); it is left as it is",
				s->path, d->role, (long long)epoch,
				(long long)d->epoch);
	if (st == STATUS_OK)
		st = make_block(&e, d, &block);
	if (st == STATUS_OK)
		st = finish_edit(&e, place, block, ret_new);
	secret_free(block);
	secret_free(edited);
	return st;
}

enum status sink_edit_remove(const struct sink *s, const struct secret *old,
			     const char *role, struct secret **ret_new,
			     struct reason *why)
{
	int64_t epoch = 0;
	size_t place = 0;
	bool found = false;
	struct edit e;
	enum status st = edit_begin(&e, s, old, role, NULL, why);

	e.line_goes = s->kind == SINK_PGBOUNCER_DATABASES;
	if (st == STATUS_OK)
		st = survey_blocks(&e, &place, &found, &epoch);
	if (st == STATUS_OK && s->kind == SINK_SERVICE)
		st = check_followers(&e, SIZE_MAX);
	if (st != STATUS_OK)
		return st;
	return finish_edit(&e, 0, NULL, ret_new);
}

enum status sink_edit_look(const struct sink *s, const struct secret *content,
			   const char *role, struct sink_held *ret_held,
			   struct reason *why)
{
	struct sink_held held = { .found = false };
	size_t at = 0, number = 0;
	struct edit e;
	enum status st = edit_begin(&e, s, content, role, NULL, why);

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
