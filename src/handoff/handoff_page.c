/* SPDX-License-Identifier: PostgreSQL */
/* Writes a page; must never write a byte of a value that a terminal or a browser
 * would obey. */
#include "handoff/handoff_page.h"

#include <stdio.h>
#include <string.h>

#define VALUE_MAX 4096
#define COLUMNS	  78
#define LABEL	  34 /* columns of a label in text */

/* ---- characters ------------------------------------------------------------- */

/* Bytes of a character that has no picture and moves others: U+200B to U+200F,
 * U+2028 to U+202E, U+2060 to U+2069, U+FEFF.  0: it is none. */
static size_t invisible_length(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	if (p[0] == 0xE2 && p[1] == 0x80 &&
	    ((p[2] >= 0x8B && p[2] <= 0x8F) || (p[2] >= 0xA8 && p[2] <= 0xAE)))
		return 3;
	if (p[0] == 0xE2 && p[1] == 0x81 && p[2] >= 0xA0 && p[2] <= 0xA9)
		return 3;
	return p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF ? 3 : 0;
}

static void add_html_char(struct text *t, char c)
{
	switch (c) {
	case '<':
		text_add(t, "&lt;");
		break;
	case '>':
		text_add(t, "&gt;");
		break;
	case '&':
		text_add(t, "&amp;");
		break;
	case '"':
		text_add(t, "&quot;");
		break;
	case '\'':
		text_add(t, "&#39;");
		break;
	default:
		text_add_char(t, c);
	}
}

static void add_words(struct handoff_page *p, const char *s)
{
	for (; *s; s++)
		if (p->html)
			add_html_char(p->out, *s);
		else
			text_add_char(p->out, *s);
}

static void add_value(struct handoff_page *p, const char *value)
{
	char shown[VALUE_MAX];
	size_t n;

	text_escape(shown, sizeof(shown), value, strlen(value));
	for (const char *s = shown; *s;) {
		n = invisible_length(s);
		if (n == 0) {
			if (p->html)
				add_html_char(p->out, *s);
			else
				text_add_char(p->out, *s);
			s++;
		}
		for (; n > 0; n--)
			text_printf(p->out, "\\x%02x", (unsigned char)*s++);
	}
}

/* Columns of UTF-8, near enough for what we write. */
static size_t columns(const char *s, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)s[i] & 0xC0) != 0x80;
	return count;
}

/* In text: lines that are no longer than a terminal's. */
static void wrap_words(struct handoff_page *p, const char *s, size_t indent)
{
	size_t at = indent, n, width;

	while (*s) {
		n = strcspn(s, " ");
		width = columns(s, n);
		if (at > indent && at + 1 + width > COLUMNS) {
			text_printf(p->out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			text_add_char(p->out, ' ');
			at++;
		}
		text_add_bytes(p->out, s, n);
		at += width;
		s += n;
		s += strspn(s, " ");
	}
	text_add_char(p->out, '\n');
}

/* ---- parts ------------------------------------------------------------------- */

static void open_part(struct handoff_page *p, enum handoff_page_part part)
{
	static const char *const begins[] = { "", "<table>\n", "<ol>\n" };
	static const char *const ends[] = { "", "</table>\n", "</ol>\n" };

	if (p->part == part)
		return;
	if (p->html) {
		text_add(p->out, ends[p->part]);
		text_add(p->out, begins[part]);
	}
	p->part = part;
	p->step = 0;
}

void handoff_page_begin(struct handoff_page *p, const char *lang,
			const char *title, const char *name)
{
	if (!p->html) {
		add_words(p, title);
		text_add(p->out, ": ");
		add_value(p, name);
		text_add(p->out, "\n");
		return;
	}
	text_printf(p->out,
		    "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n"
		    "<meta charset=\"utf-8\">\n"
		    "<meta http-equiv=\"Content-Security-Policy\" "
		    "content=\"default-src 'none'; style-src "
		    "'unsafe-inline'\">\n<title>",
		    lang);
	add_words(p, title);
	text_add(p->out, ": ");
	add_value(p, name);
	text_add(p->out,
		 "</title>\n<style>body{font-family:sans-serif;max-width:48em;"
		 "margin:2em auto;padding:0 1em}th{text-align:left;"
		 "vertical-align:top;padding-right:1em;font-weight:normal}"
		 "td,pre{overflow-wrap:anywhere;white-space:pre-wrap}"
		 "</style>\n</head>\n<body>\n<h1>");
	add_words(p, title);
	text_add(p->out, ": <bdi>");
	add_value(p, name);
	text_add(p->out, "</bdi></h1>\n");
}

void handoff_page_head(struct handoff_page *p, const char *words)
{
	open_part(p, HANDOFF_PAGE_NONE);
	text_add(p->out, p->html ? "<h2>" : "\n");
	add_words(p, words);
	text_add(p->out, p->html ? "</h2>\n" : "\n\n");
}

void handoff_page_words(struct handoff_page *p, const char *words)
{
	open_part(p, HANDOFF_PAGE_NONE);
	if (!p->html) {
		text_add(p->out, "  ");
		wrap_words(p, words, 2);
		return;
	}
	text_add(p->out, "<p>");
	add_words(p, words);
	text_add(p->out, "</p>\n");
}

void handoff_page_row(struct handoff_page *p, const char *label,
		      const char *value)
{
	size_t n = columns(label, strlen(label));

	open_part(p, HANDOFF_PAGE_ROWS);
	if (!p->html) {
		text_printf(p->out, "  %s%*s  ", label,
			    n < LABEL ? (int)(LABEL - n) : 0, "");
		add_value(p, value);
		text_add_char(p->out, '\n');
		return;
	}
	text_add(p->out, "<tr><th>");
	add_words(p, label);
	text_add(p->out, "</th><td><bdi><code>");
	add_value(p, value);
	text_add(p->out, "</code></bdi></td></tr>\n");
}

void handoff_page_step(struct handoff_page *p, const char *words)
{
	open_part(p, HANDOFF_PAGE_STEPS);
	p->step++;
	if (!p->html) {
		text_printf(p->out, "  %u. ", p->step);
		wrap_words(p, words, 5);
		return;
	}
	text_add(p->out, "<li>");
	add_words(p, words);
	text_add(p->out, "</li>\n");
}

void handoff_page_code(struct handoff_page *p, const char *value)
{
	open_part(p, HANDOFF_PAGE_NONE);
	text_add(p->out, p->html ? "<pre><code>" : "\n    ");
	add_value(p, value);
	text_add(p->out, p->html ? "</code></pre>\n" : "\n");
}

void handoff_page_end(struct handoff_page *p)
{
	open_part(p, HANDOFF_PAGE_NONE);
	if (p->html)
		text_add(p->out, "</body>\n</html>\n");
}
