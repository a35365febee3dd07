/* SPDX-License-Identifier: PostgreSQL */
/* How long the steps of a run took, as "claim=12 stage=34"; must never write what
 * it would not read. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ledger/ledger.h"

void ledger_steps_add(struct text *steps, const char *name, int64_t us)
{
	text_printf(steps, "%s%s=%" PRId64, steps->len ? " " : "", name, us);
}

bool ledger_steps_next(const char **steps, char ret_name[LEDGER_STEP_SIZE],
		       int64_t *ret_us)
{
	const char *p = *steps + strspn(*steps, " ");
	size_t n = strcspn(p, "= ");
	char *end;

	if (n == 0 || n >= LEDGER_STEP_SIZE || p[n] != '=')
		return false;
	*ret_us = strtoll(p + n + 1, &end, 10);
	if (end == p + n + 1 || (*end && *end != ' '))
		return false;
	memcpy(ret_name, p, n);
	ret_name[n] = '\0';
	*steps = end;
	return true;
}
