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

/* A password of a role that an agent refused to an address. */
struct report_refusal {
	char role[LEDGER_ROLE_SIZE];
	char host[AUDIT_ROLE_SIZE]; /* as the client says, "" for several */
	char label[16]; /* "previous" or "current" when it was known, else "" */
	int64_t first_us, last_us, count;
};

/* From when on refusals of a role are wanted, INT64_MAX for none; asked for each
 * event.  Before the first line; without it there are none. */
typedef int64_t report_trail_since_fn(const void *arg, const char *role);
void report_trail_since(struct report_trail *t, report_trail_since_fn *fn,
			const void *arg);

/* The refusals that were wanted, each with what the whole trail has of it; the
 * trail's. */
const struct report_refusal *report_trail_refusals(const struct report_trail *t,
						   size_t *ret_n);

/* The sightings, each with what the whole trail has of it; the trail's. */
const struct ledger_sighting *report_trail_sightings(
	const struct report_trail *t, size_t *ret_n);

#endif
