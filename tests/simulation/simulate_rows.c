/* SPDX-License-Identifier: PostgreSQL */
/* What the engine did: the rows of states.def that were taken (linked with
 * --wrap), and that each was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "simulate.h"

enum status __real_engine_step(struct engine *e, enum engine_event event,
			       const struct engine_row **ret_row);
enum status __wrap_engine_step(struct engine *e, enum engine_event event,
			       const struct engine_row **ret_row);

const struct engine_row *last_row;
bool overtaken;
static unsigned long rows_taken[512];

enum status __wrap_engine_step(struct engine *e, enum engine_event event,
			       const struct engine_row **ret_row)
{
	const struct engine_row *row = NULL;
	enum engine_state was = e->state;
	enum status s = __real_engine_step(e, event, &row);
	size_t n;

	if (s != STATUS_OK)
		fail_plan("no row for %s in %s", engine_event_name(event),
			  engine_state_name(was));
	rows_taken[row - engine_rows(&n)]++;
	last_row = row;
	overtaken = overtaken || event == ENGINE_ON_OVERTAKEN;
	if (ret_row)
		*ret_row = row;
	return s;
}

const char *row_text(const struct engine_row *row)
{
	static char text[200];

	snprintf(text, sizeof(text), "%s on %s to %s",
		 engine_state_name(row->from), engine_event_name(row->event),
		 engine_state_name(row->to));
	return text;
}

/* A row that nobody can walk is a row that nobody has tested. */
static void every_row_of_the_table_was_walked(void **state)
{
	size_t n, missed = 0;
	const struct engine_row *rows = engine_rows(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		if (rows_taken[i])
			continue;
		missed++;
		printf("not walked: %s (guard %d)\n", row_text(&rows[i]),
		       (int)rows[i].guard);
	}
	printf("rows walked: %zu of %zu\n", n - missed, n);
	/* Some plans were left out, see simulate_sweep.c. */
	if (!getenv("KEYTURN_SIMULATE_EVERY"))
		assert_int_equal(missed, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_row_of_the_table_was_walked),
};

const struct simulate_group simulate_rows = { tests, 1 };
