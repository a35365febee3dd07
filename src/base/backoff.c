/* SPDX-License-Identifier: PostgreSQL */
/* Pauses that grow; must never give one longer than allowed. */
#include "base/backoff.h"

#include <stddef.h>

int64_t backoff_us(const struct random *r, int64_t first_us, int64_t most_us,
		   unsigned failures)
{
	int64_t whole = first_us;
	uint64_t dice;

	for (unsigned i = 1; i < failures && whole < most_us; i++)
		whole = whole > most_us / 2 ? most_us : whole * 2;
	if (whole > most_us)
		whole = most_us;
	if (whole < 2 || r == NULL ||
	    random_bytes(r, &dice, sizeof(dice)) != STATUS_OK)
		return whole;
	return whole / 2 + (int64_t)(dice % (uint64_t)(whole / 2 + 1));
}
