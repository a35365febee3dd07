/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who uses which password by an agent's audit: whom it gave a password to, and
 * whose it checked for PAM, added up over the whole trail.
 */
#ifndef KEYTURN_REPORT_TRAIL_H
#define KEYTURN_REPORT_TRAIL_H

#include "base/reason.h"
#include "ledger/ledger.h"

struct report_trail;

enum status report_trail_new(struct report_trail **ret);
void report_trail_free(struct report_trail *t);

/*
 * Take a line of `keyturn audit export` in; what is no hand-out and no accepted
 * password is left out.  STATUS_CORRUPT: it is not an event; STATUS_LIMIT: too
 * many different consumers.
 */
enum status report_trail_add(struct report_trail *t, const char *line,
			     struct reason *why);

/* The sightings, each with what the whole trail has of it; the trail's. */
const struct ledger_sighting *report_trail_sightings(
	const struct report_trail *t, size_t *ret_n);

#endif
