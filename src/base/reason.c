/* SPDX-License-Identifier: PostgreSQL */
/* Writes the sentence behind a status; must never let bytes of a peer reach a
 * terminal or a log unescaped. */
#include "base/reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Longer than REASON_MAX, so that what is cut here is also cut by the escape
 * and ends in "...". */
#define RAW_MAX (2 * REASON_MAX)

static _Thread_local char shortage[REASON_MAX / 2];

void reason_shortage(const char *remedy)
{
	snprintf(shortage, sizeof(shortage), "%s", remedy);
}

enum status reason_set(struct reason *why, enum status s, const char *fmt, ...)
{
	char raw[RAW_MAX];
	size_t n;
	va_list ap;

	if (why == NULL)
		return s;
	va_start(ap, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, ap) < 0)
		raw[0] = '\0';
	va_end(ap);
	n = strlen(raw);
	if (s == STATUS_NO_MEMORY && shortage[0] != '\0')
		snprintf(raw + n, sizeof(raw) - n, ": %s", shortage);
	text_escape(why->text, sizeof(why->text), raw, strlen(raw));
	return s;
}

enum status reason_wrap(struct reason *why, enum status s, const char *fmt, ...)
{
	char raw[RAW_MAX + REASON_MAX];
	size_t n;
	va_list ap;

	if (why == NULL)
		return s;
	va_start(ap, fmt);
	if (vsnprintf(raw, RAW_MAX, fmt, ap) < 0)
		raw[0] = '\0';
	va_end(ap);
	n = strlen(raw);
	if (why->text[0] != '\0')
		snprintf(raw + n, sizeof(raw) - n, ": %s", why->text);
	text_escape(why->text, sizeof(why->text), raw, strlen(raw));
	return s;
}

void reason_clear(struct reason *why)
{
	if (why != NULL)
		why->text[0] = '\0';
}
