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

/* Of programs that hold secrets; the PAM module holds none, and may keep nothing
 * between two calls, not even in a thread. */
extern const char *secret_arena_shortage(void) __attribute__((weak));

static void add_remedy(char *raw, size_t size)
{
	const char *remedy = secret_arena_shortage ? secret_arena_shortage() :
						     "";
	size_t n = strlen(raw);

	if (remedy[0] != '\0')
		snprintf(raw + n, size - n, ": %s", remedy);
}

enum status reason_set(struct reason *why, enum status s, const char *fmt, ...)
{
	char raw[RAW_MAX];
	va_list ap;

	if (why == NULL)
		return s;
	va_start(ap, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, ap) < 0)
		raw[0] = '\0';
	va_end(ap);
	if (s == STATUS_NO_MEMORY)
		add_remedy(raw, sizeof(raw));
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

enum status reason_no_memory(struct reason *why)
{
	return reason_set(why, STATUS_NO_MEMORY, "out of memory");
}
