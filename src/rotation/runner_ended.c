/* SPDX-License-Identifier: PostgreSQL */
/* The words for how an old password ended; must never change what one of them
 * means: trails are kept for years. */
#include "rotation/runner.h"

const char *runner_ended_word(enum runner_end e)
{
	static const char *const words[] = { "", "nologin", "removed",
					     "withdrawn", "replaced" };

	return words[e];
}
