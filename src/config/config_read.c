/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads INI files with libinih, through a reader of our own that sees every
 * line first.  Must never let inih drop or cut anything silently: it would
 * split a line longer than its buffer, cut a section's name at 49 bytes, say
 * nothing about a section without settings, and take an indented setting for
 * a continuation of the one above.
 */
#include "config/config_read.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
	struct config *config;
	const char *path;
	const char *next; /* the rest of the file */
	const char *end;
	unsigned line;		    /* of the line inih works on */
	bool indented;		    /* that line */
	struct config_group *group; /* the open section */
	struct config_value *value; /* what a continuation line continues */
	size_t value_cap;	    /* bytes that fit into value->text */
	enum status status;	    /* the first failure ends the reading */
	struct reason *why;
};

/* Keeps the first failure.  Returns 0, which inih takes for an error. */
static int refuse(struct reading *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(struct reading *r, const char *fmt, ...)
{
	char sentence[REASON_MAX];
	va_list ap;

	if (r->status != STATUS_OK)
		return 0;
	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	r->status = reason_set(r->why, STATUS_CONFIG, "%s:%u: %s", r->path,
			       r->line, sentence);
	return 0;
}

static int no_memory(struct reading *r)
{
	if (r->status == STATUS_OK)
		r->status = reason_set(r->why, STATUS_NO_MEMORY,
				       "no memory to read %s", r->path);
	return 0;
}

static int unknown_section(struct reading *r, const char *word, int n)
{
	struct text t = text_make(REASON_MAX);

	for (int s = 0; s < CONFIG_SECTION_COUNT; s++) {
		const struct config_kind *kind =
			config_model_kind((enum config_section)s);

		text_printf(&t, "%s[%s%s]", s == 0 ? "" : ", ", kind->word,
			    kind->named ? " NAME" : "");
	}
	refuse(r, "unknown section [%.*s]; there are %s", n, word,
	       text_str(&t));
	text_free(&t);
	return 0;
}

/* The text of a section's header from its '[' on. */
static bool read_header(struct reading *r, const char *p, const char *end)
{
	const char *close = memchr(p, ']', (size_t)(end - p));
	const char *word = p + 1, *word_end, *name, *rest;
	const struct config_kind *kind;
	enum config_section section;
	char *where;

	if (!close)
		return refuse(r, "the section header lacks its \"]\"");
	for (rest = close + 1; rest < end && (*rest == ' ' || *rest == '\t');)
		rest++;
	if (rest < end && *rest != ';' && *rest != '#')
		return refuse(r, "a section header stands alone on its line");
	while (word < close && *word == ' ')
		word++;
	while (close > word && close[-1] == ' ')
		close--;
	for (word_end = word; word_end < close && *word_end != ' ';)
		word_end++;
	for (name = word_end; name < close && *name == ' ';)
		name++;

	section = config_model_find_kind(word, (size_t)(word_end - word));
	if (section == CONFIG_SECTION_COUNT)
		return unknown_section(r, word, (int)(close - word));
	kind = config_model_kind(section);
	if (kind->named != (name < close))
		return refuse(r,
			      kind->named ?
				      "[%s] lacks a name: write [%s NAME]" :
				      "[%s] takes no name: write [%s]",
			      kind->word, kind->word);
	if (close - name > CONFIG_NAME_MAX)
		return refuse(r,
			      "the name of the [%s] section is longer than "
			      "%d characters",
			      kind->word, CONFIG_NAME_MAX);
	for (const char *c = name; c < close; c++) {
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789._-",
			    *c))
			return refuse(r,
				      "the name in [%.*s] may hold letters, "
				      "digits, '.', '_' and '-' only",
				      (int)(close - word), word);
	}
	where = config_model_printf(r->config, "%s:%u", r->path, r->line);
	r->group = where ? config_model_add(r->config, section, name,
					    (size_t)(close - name), where) :
			   NULL;
	r->value = NULL;
	return r->group ? true : no_memory(r);
}

/* Refuses what no line may contain, not even a comment. */
static bool line_is_clean(struct reading *r, const char *p, const char *end)
{
	for (const char *c = p; c < end; c++) {
		unsigned char byte = (unsigned char)*c;

		if (byte == '\0')
			return refuse(r, "the line holds a NUL byte; is this "
					 "a configuration file?");
		switch (byte == '\t' ?
				0 :
				text_control_length(c, (size_t)(end - c))) {
		case 0:
			break;
		case 1:
			return refuse(r,
				      "the line holds the control character "
				      "0x%02x",
				      byte);
		default:
			return refuse(r,
				      "the line holds the control character "
				      "U+%04X",
				      (unsigned char)c[1]);
		}
	}
	if (!text_is_utf8(p, (size_t)(end - p)))
		return refuse(r, "the line is not valid UTF-8");
	return true;
}

/* A line that is neither blank nor a comment. */
static bool line_is_right(struct reading *r, const char *p, const char *start,
			  const char *end, int room)
{
	const char *separator;

	/* inih wants the line, its newline and a NUL in its buffer. */
	if (end - p > room - 2)
		return refuse(r,
			      "the line is longer than %d bytes; a list or "
			      "a long text may go on on the next line, "
			      "indented",
			      room - 2);
	r->indented = start > p;
	if (*start == '[') {
		if (r->indented)
			return refuse(r, "a section header must stand at the "
					 "beginning of its line");
		return read_header(r, start, end);
	}
	if (!r->group)
		return refuse(r, "a setting before the first [section]");
	if (r->indented)
		return true;
	/* inih takes ':' as well; one spelling is enough. */
	for (separator = start;
	     separator < end && *separator != '=' && *separator != ':';)
		separator++;
	if (separator == end || *separator == ':')
		return refuse(r, "this is neither \"key = value\" nor a "
				 "[section] nor a comment");
	if (separator == start)
		return refuse(r, "there is no key before the \"=\"");
	return true;
}

/* inih's reader: one whole line, or NULL at the end or after a failure. */
static char *read_line(char *str, int room, void *stream)
{
	struct reading *r = stream;
	const char *p = r->next, *end, *start;

	if (r->status != STATUS_OK || p == r->end)
		return NULL;
	r->line++;
	end = memchr(p, '\n', (size_t)(r->end - p));
	if (!end)
		end = r->end;
	r->next = end < r->end ? end + 1 : end;
	if (end > p && end[-1] == '\r')
		end--;
	if (!line_is_clean(r, p, end))
		return NULL;
	for (start = p; start < end && (*start == ' ' || *start == '\t');)
		start++;
	if (start == end || *start == ';' || *start == '#') {
		/* Comments may be of any length. */
		end = p;
	} else if (!line_is_right(r, p, start, end, room)) {
		return NULL;
	}
	memcpy(str, p, (size_t)(end - p));
	memcpy(str + (end - p), "\n", 2);
	return str;
}

/* The length of a value without the comment that begins with " ;".  inih 55
 * removes it from first lines only. */
static size_t without_comment(const char *s)
{
	size_t n = 0;

	while (s[n] && !(s[n] == ';' &&
			 (n == 0 || s[n - 1] == ' ' || s[n - 1] == '\t')))
		n++;
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	return n;
}

static int continue_value(struct reading *r, const char *name, const char *more)
{
	const struct config_row *row;
	size_t have, add, cap;
	char *text;

	if (!r->value)
		return refuse(r, "an indented line continues the setting above "
				 "it, and there is none; begin settings at the "
				 "beginning of the line");
	row = config_model_row(r->value->key);
	/* Another inih, built without multi-line values, would cut the line
	 * at its first "=". */
	if (strcmp(name, row->key) != 0)
		return refuse(r, "this libinih was built without multi-line "
				 "values; write the setting on one line");
	if (!config_model_continues(row))
		return refuse(r,
			      "an indented line would continue \"%s\", which "
			      "is a setting of one line; begin settings at the "
			      "beginning of the line",
			      row->key);
	have = strlen(r->value->text);
	add = without_comment(more);
	/* Quotes and escapes at most double a value. */
	if (have + 1 + add > 2 * (size_t)row->max + 2)
		return refuse(r, "%s is longer than %lld bytes", row->key,
			      (long long)row->max);
	if (have + 1 + add + 1 > r->value_cap) {
		cap = 2 * (have + 1 + add + 1);
		text = config_model_alloc(r->config, cap);
		if (!text)
			return no_memory(r);
		memcpy(text, r->value->text, have);
		r->value->text = text;
		r->value_cap = cap;
	}
	text = r->value->text;
	text[have] = ' ';
	memcpy(text + have + 1, more, add);
	text[have + 1 + add] = '\0';
	return 1;
}

static int unknown_key(struct reading *r, const char *name)
{
	char title[CONFIG_TITLE_SIZE];

	config_model_title(r->group, title);
	if (strstr(name, "password") || strstr(name, "secret"))
		return refuse(r,
			      "unknown setting \"%s\" in %s; secrets are "
			      "never settings, they are files",
			      name, title);
	for (int s = 0; s < CONFIG_SECTION_COUNT; s++) {
		enum config_section section = (enum config_section)s;

		if (config_model_find_key(section, name) != CONFIG_KEY_COUNT)
			return refuse(r,
				      "unknown setting \"%s\" in %s; it is "
				      "one of [%s]",
				      name, title,
				      config_model_kind(section)->word);
	}
	return refuse(r,
		      "unknown setting \"%s\" in %s; \"keyturn config "
		      "reference\" lists them",
		      name, title);
}

static int add_value(struct reading *r, enum config_key key, const char *text)
{
	struct config_value *v = config_model_alloc(r->config, sizeof(*v));

	if (!v)
		return no_memory(r);
	*v = (struct config_value){ .key = key };
	v->text = config_model_printf(r->config, "%s", text);
	v->origin = config_model_printf(r->config, "%s:%u", r->path, r->line);
	if (!v->text || !v->origin)
		return no_memory(r);
	if (r->group->last)
		r->group->last->next = v;
	else
		r->group->first = v;
	r->group->last = v;
	r->value = v;
	r->value_cap = strlen(text) + 1;
	return 1;
}

/* inih's handler.  The section is known from the reader, which inih calls
 * once for each line and before this. */
static int take_setting(void *user, const char *section, const char *name,
			const char *value)
{
	struct reading *r = user;
	const struct config_value *old;
	enum config_key key;

	(void)section;
	if (r->status != STATUS_OK)
		return 0;
	if (r->indented)
		return continue_value(r, name, value);
	key = config_model_find_key(r->group->section, name);
	if (key == CONFIG_KEY_COUNT)
		return unknown_key(r, name);
	old = config_model_value(r->group, key);
	if (old && config_model_row(key)->type != CONFIG_TYPE_LIST)
		return refuse(r, "%s is already set at %s", name, old->origin);
	return add_value(r, key, value);
}

enum status config_read_trust(const char *path, const struct stat *st,
			      struct reason *why)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return reason_set(
			why, STATUS_CONFIG,
			"%s: belongs to uid %lu, who could change it; "
			"run chown root %s",
			path, (unsigned long)st->st_uid, path);
	/* In a folder with the sticky bit no one replaces what is not his. */
	if (st->st_mode & (S_IWGRP | S_IWOTH) &&
	    !(S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX))
		return reason_set(
			why, STATUS_CONFIG,
			"%s: is writable by %s; run chmod go-w %s", path,
			st->st_mode & S_IWOTH ? "others" : "its group", path);
	return STATUS_OK;
}

/* The whole file, checked through the descriptor it is read from. */
static enum status slurp(const char *path, char **ret_bytes, size_t *ret_n,
			 struct reason *why)
{
	enum status s = STATUS_CONFIG;
	char *bytes = NULL;
	struct stat st;
	size_t n = 0;
	ssize_t got;
	int fd;

	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		reason_set(why, s, "%s: cannot be read: %s", path,
			   strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		reason_set(why, s, "%s: is not a regular file", path);
		goto out;
	}
	if (config_read_trust(path, &st, why) != STATUS_OK)
		goto out;
	if (st.st_size < 0 || (size_t)st.st_size > CONFIG_READ_MAX) {
		reason_set(why, s, "%s: is larger than %zu MiB", path,
			   CONFIG_READ_MAX / 1024 / 1024);
		goto out;
	}
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes) {
		s = reason_set(why, STATUS_NO_MEMORY, "no memory to read %s",
			       path);
		goto out;
	}
	/* One byte more than it had: a file that grows meanwhile shows. */
	while (n <= (size_t)st.st_size) {
		got = read(fd, bytes + n, (size_t)st.st_size + 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	if (n != (size_t)st.st_size) {
		reason_set(why, s, "%s: changed while it was read; try again",
			   path);
		goto out;
	}
	*ret_bytes = bytes;
	*ret_n = n;
	bytes = NULL;
	s = STATUS_OK;
out:
	free(bytes);
	if (fd >= 0)
		close(fd);
	return s;
}

enum status config_read_file(struct config *c, const char *path,
			     struct reason *why)
{
	struct reading r = { .config = c, .why = why };
	char *bytes = NULL;
	enum status s;
	size_t n = 0;
	int bad_line;

	s = slurp(path, &bytes, &n, why);
	if (s != STATUS_OK)
		return s;
	r.path = path;
	r.next = bytes;
	r.end = bytes + n;
	if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		r.next += 3;
	bad_line = ini_parse_stream(read_line, &r, take_setting, &r);
	if (bad_line != 0 && r.status == STATUS_OK) {
		/* The reader lets nothing through that inih refuses. */
		if (bad_line > 0)
			r.line = (unsigned)bad_line;
		refuse(&r, "libinih cannot read this line");
	}
	free(bytes);
	return r.status;
}

enum status config_read_unquote(char *value, struct reason *why)
{
	char *to = value, *from = value + 1;

	if (value[0] != '"')
		return STATUS_OK;
	while (*from && *from != '"') {
		if (*from == '\\') {
			from++;
			if (!*from || !strchr("\"\\;", *from))
				return reason_set(why, STATUS_CONFIG,
						  "a backslash in a quoted "
						  "value may stand before a "
						  "quote, a backslash or a "
						  "semicolon only");
		}
		*to++ = *from++;
	}
	if (!*from)
		return reason_set(why, STATUS_CONFIG,
				  "the double quote is not closed (\" ;\" "
				  "starts a comment, also inside quotes: write "
				  "\\; there)");
	if (from[1])
		return reason_set(why, STATUS_CONFIG,
				  "something follows the closing double quote; "
				  "write \\\" for a quote inside the value");
	*to = '\0';
	return STATUS_OK;
}
