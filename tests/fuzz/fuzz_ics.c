/* SPDX-License-Identifier: PostgreSQL */
/*
 * Any bytes are an .ics file: it is refused with one sentence that names a line
 * of it, or its blackouts are times that end after they begin.  `make check`
 * feeds the corpus through fuzz_main.c; to search:
 *
 *   clang -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
 *     -Isrc tests/fuzz/fuzz_ics.c src/schedule/schedule*.c \
 *     src/base/civil.c src/base/duration.c \
 *     src/base/file*.c src/base/now.c src/base/reason.c \
 *     src/base/secret*.c src/base/status.c src/base/text.c \
 *     src/base/words.c -pthread -o fuzz_ics \
 *     && ./fuzz_ics -max_total_time=60 NEW tests/fuzz/ics
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "schedule/schedule_ics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
	if (!fine)
		abort();
}

/* Every span is found from its beginning on. */
static void walk(const struct schedule_blackout *b)
{
	int64_t at = INT64_MIN, end;
	const char *name = "";
	size_t n = 0;

	while ((at = schedule_blackout_next(b, at)) != INT64_MAX) {
		end = schedule_blackout_end(b, at, &name);
		check(end > at && name[0] != '\0');
		check(++n <= SCHEDULE_BLACKOUT_MAX);
	}
}

static unsigned lines_of(const uint8_t *data, size_t size)
{
	unsigned n = 1;

	for (size_t i = 0; i < size; i++)
		n += data[i] == '\n';
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct schedule_zone *zone;
	struct schedule_blackout *b = NULL;
	struct reason why = { "" };
	enum status s;

	if (!zone)
		check(schedule_zone_open("UTC", &zone, &why) == STATUS_OK);
	check(schedule_blackout_new(NULL, &b) == STATUS_OK);
	s = schedule_ics_read("/f.ics", (const char *)data, size, zone, b,
			      &why);
	schedule_blackout_sort(b);
	if (s == STATUS_OK) {
		walk(b);
	} else {
		unsigned line = (unsigned)strtoul(why.text + 7, NULL, 10);

		check(s == STATUS_CONFIG);
		check(strncmp(why.text, "/f.ics:", 7) == 0);
		check(line >= 1 && line <= lines_of(data, size));
	}
	schedule_blackout_free(b);
	return 0;
}
