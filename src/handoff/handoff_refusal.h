/* SPDX-License-Identifier: PostgreSQL */
/*
 * Wrong passwords that were refused while a hand-off went on, counted by address: a
 * partner who mistypes, a client that has the old password still, or somebody who
 * tries.  How many addresses are kept is bounded, whoever knocks.
 */
#ifndef KEYTURN_HANDOFF_REFUSAL_H
#define KEYTURN_HANDOFF_REFUSAL_H

#include "handoff/handoff.h"

#define HANDOFF_REFUSAL_COUNT_MAX 1000000 /* of one report */

/* From when on refusals count: since the password was fetched; or where that is not
 * known, since it was offered, or prepared.  Wall clock; INT64_MAX: there is no
 * hand-off. */
int64_t handoff_refusal_since(const struct handoff *h);

/* An IPv4 or IPv6 address in its usual form, or "local"; also "[local]", as
 * PostgreSQL says.  STATUS_USAGE. */
enum status handoff_refusal_address(const char *address,
				    char ret[HANDOFF_REFUSAL_ADDRESS_SIZE],
				    struct reason *why);

/* What is remembered of h->version; for handoff_load(), after its states. */
enum status handoff_refusal_load(struct ledger *l, struct handoff *h,
				 int64_t now_us, struct reason *why);

/*
 * Remember `count` more, of an address in the form above; r->since_us and r->host are
 * filled in.  total: all that a source knows, which counts once however often it is
 * told; its address is what a client says of itself, and may be anything.  What came
 * before handoff_refusal_since() is left out.  One at a time for a role.
 */
enum status handoff_refusal_add(struct ledger *l, struct handoff *h,
				const struct handoff_refusal *r, bool total,
				struct reason *why);

#endif
