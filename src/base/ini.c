/* SPDX-License-Identifier: PostgreSQL */
/* Walks over an INI file.  Must never take for a comment, or pass over, what the
 * clients whose file it is would read. */
#include "base/ini.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

static const char byte_order_mark[] = "\xEF\xBB\xBF";

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct ini_part ini_trim(struct ini_part p)
{
	while (p.n > 0 && is_blank(p.s[0]))
		p.s++, p.n--;
	while (p.n > 0 && is_blank(p.s[p.n - 1]))
		p.n--;
	return p;
}

/* A line, and what it is for a reader. */
struct line {
	struct ini_part
		text; /* without blanks around, and without its comment */
	size_t indent;
	size_t next; /* offset behind it */
};

/* The line at `at`, which is less than n. */
static struct line line_at(const char *bytes, size_t n, size_t at)
{
	const char *end = memchr(bytes + at, '\n', n - at);
	struct ini_part whole = { bytes + at,
				  end ? (size_t)(end - bytes) - at : n - at };
	struct line l = { ini_trim(whole), 0, at + whole.n + (end ? 1 : 0) };

	l.indent = (size_t)(l.text.s - whole.s);
	if (l.text.n > 0 && (l.text.s[0] == '#' || l.text.s[0] == ';'))
		l.text.n = 0;
	return l;
}

/* "[header]", up to the last bracket of the line. */
static bool take_header(struct ini_part text, struct ini_part *ret)
{
	size_t n = text.n;

	if (n == 0 || text.s[0] != '[')
		return false;
	while (n > 1 && text.s[n - 1] != ']')
		n--;
	if (n < 3)
		return false;
	*ret = (struct ini_part){ text.s + 1, n - 2 };
	return true;
}

static bool split(struct ini_part text, const char *delimiters,
		  struct ini_part *ret_key, struct ini_part *ret_value)
{
	size_t n = 0;

	while (n < text.n && !strchr(delimiters, text.s[n]))
		n++;
	if (n == text.n)
		return false;
	*ret_key = ini_trim((struct ini_part){ text.s, n });
	*ret_value =
		ini_trim((struct ini_part){ text.s + n + 1, text.n - n - 1 });
	return true;
}

struct ini ini_begin(const char *bytes, size_t n)
{
	return (struct ini){ .bytes = bytes, .n = n };
}

static bool fault(struct ini *i, const char *what)
{
	i->fault = what;
	i->at = i->n;
	return false;
}

/* The lines that are indented more than the key; blank ones and comments end
 * nothing. */
static void take_more(struct ini *i, size_t indent, struct ini_part *ret)
{
	size_t at = i->at, line = i->line, from = i->at;

	*ret = (struct ini_part){ i->bytes + from, 0 };
	while (at < i->n) {
		struct line l = line_at(i->bytes, i->n, at);

		line++;
		at = l.next;
		if (l.text.n == 0)
			continue;
		if (l.indent <= indent)
			break;
		ret->n = at - from;
		i->at = at;
		i->line = line;
	}
}

bool ini_next(struct ini *i, struct ini_item *ret)
{
	struct ini_item item = { .key = { NULL, 0 } };
	struct line l;

	do {
		if (i->at >= i->n)
			return false;
		l = line_at(i->bytes, i->n, i->at);
		i->at = l.next;
		i->line++;
	} while (l.text.n == 0);
	item.line = i->line;
	if (i->line == 1 && l.text.n >= 3 &&
	    memcmp(l.text.s, byte_order_mark, 3) == 0)
		return fault(i, "begins with a byte order mark; save the file "
				"without one");
	if (take_header(l.text, &i->section)) {
		item.section = i->section;
		*ret = item;
		return true;
	}
	if (!i->section.s)
		return fault(i, "stands before the first [section]");
	if (!split(l.text, "=:", &item.key, &item.value) || item.key.n == 0)
		return fault(i, "is neither a [section] nor \"key = value\"");
	item.section = i->section;
	take_more(i, l.indent, &item.more);
	*ret = item;
	return true;
}

bool ini_nested(struct ini_part *more, struct ini_part *ret_key,
		struct ini_part *ret_value)
{
	while (more->n > 0) {
		struct line l = line_at(more->s, more->n, 0);

		more->s += l.next;
		more->n -= l.next;
		if (l.text.n > 0 && split(l.text, "=", ret_key, ret_value))
			return true;
	}
	return false;
}

bool ini_is(struct ini_part part, const char *word)
{
	return part.n == strlen(word) && memcmp(part.s, word, part.n) == 0;
}

bool ini_is_key(struct ini_part key, const char *name)
{
	return key.n == strlen(name) && strncasecmp(key.s, name, key.n) == 0;
}

static bool is_again(const struct ini_item *a, const struct ini_item *b)
{
	if (a->section.n != b->section.n ||
	    memcmp(a->section.s, b->section.s, a->section.n) != 0 ||
	    a->key.n != b->key.n)
		return false;
	return a->key.n == 0 || strncasecmp(a->key.s, b->key.s, a->key.n) == 0;
}

/* Which of two is meant, no one knows. */
static const char *find_twin(const char *bytes, size_t n,
			     const struct ini_item *item)
{
	struct ini i = ini_begin(bytes, n);
	struct ini_item before;

	/* That the default section may come again is configparser's. */
	if (item->key.n == 0 && ini_is(item->section, "DEFAULT"))
		return NULL;
	while (ini_next(&i, &before) && before.line < item->line)
		if (is_again(&before, item))
			return item->key.n == 0 ?
				       "names a section that was there before" :
				       "sets a key that was set before";
	return NULL;
}

enum status ini_check(const struct secret *file, const char *path,
		      struct reason *why)
{
	const char *bytes = file ? secret_bytes(file) : "", *fault = NULL;
	size_t n = file ? secret_len(file) : 0;
	struct ini i = ini_begin(bytes, n);
	struct ini_item item;

	if (!text_is_utf8(bytes, n))
		return reason_set(why, STATUS_CONFIG, "%s is not UTF-8", path);
	while (!fault && ini_next(&i, &item))
		if ((fault = find_twin(bytes, n, &item)))
			i.line = item.line;
	if (!fault)
		fault = i.fault;
	if (!fault)
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG, "%s line %zu: it %s", path,
			  i.line, fault);
}

static bool is_one_of(struct ini_part key, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ini_is_key(key, keys[i]))
			return true;
	return keys == NULL;
}

enum status ini_check_continued(const struct secret *file, const char *path,
				const char *const *keys, size_t n,
				struct reason *why)
{
	struct ini i = ini_begin(secret_bytes(file), secret_len(file));
	struct ini_item item;

	while (ini_next(&i, &item))
		if (item.more.n > 0 && is_one_of(item.key, keys, n))
			return reason_set(
				why, STATUS_CONFIG,
				"%s line %zu: the next line is indented more, "
				"which makes it a part of %.*s; indent both "
				"alike",
				path, item.line, (int)item.key.n, item.key.s);
	return STATUS_OK;
}
