/* SPDX-License-Identifier: PostgreSQL */
/* Reads durations.  Must never guess a unit: "30" is refused. */
#include "base/duration.h"

#include <string.h>

#include "base/now.h"

/* Seconds in a unit, or 0 when c is none. */
static int64_t unit_seconds(char c)
{
	switch (c) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 604800;
	default:
		return 0;
	}
}

enum status duration_parse(const char *s, int64_t *ret_us, struct reason *why)
{
	int64_t n = 0, unit;
	size_t digits = strspn(s, "0123456789");

	unit = unit_seconds(s[digits]);
	if (digits == 0 || unit == 0 || s[digits + 1] != '\0')
		return reason_set(why, STATUS_CONFIG,
				  "\"%.40s\" is not a duration; write a number "
				  "and one unit: 90s, 15m, 36h, 30d or 2w",
				  s);
	for (size_t i = 0; i < digits; i++) {
		n = n * 10 + (s[i] - '0');
		if (n > DURATION_MAX_SECONDS / unit)
			return reason_set(why, STATUS_CONFIG,
					  "\"%.40s\" is more than ten years",
					  s);
	}
	*ret_us = n * unit * NOW_SECOND;
	return STATUS_OK;
}
