/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who uses which password of a role, from the ledger's sightings: who was seen
 * with the live version, who only with an earlier one, and which expected
 * consumers were not seen.  "Not seen" is never "not used": a session that is
 * shorter than the time between two looks may be missed, and an agent of a gateway
 * may be away.  A consumer is one, through whichever gateway it comes.
 */
#ifndef KEYTURN_REPORT_ADOPTION_H
#define KEYTURN_REPORT_ADOPTION_H

#include "base/text.h"
#include "ledger/ledger.h"

struct report_adoption;

/* Of a role, whose live version this is ("" for none) and which is expected to
 * be used by these consumers, divided by spaces ("" when that is not known).
 * The strings must outlive it. */
enum status report_adoption_new(const char *role, const char *version,
				const char *expected,
				struct report_adoption **ret);
void report_adoption_free(struct report_adoption *a);

/* Of a pair, whose password before may become the live one again: only who was
 * seen since then (wall clock) has adopted it. */
void report_adoption_since(struct report_adoption *a, int64_t since_us);

/* Take a sighting of the role in; a ledger_sighting_fn. */
enum status report_adoption_add(void *adoption,
				const struct ledger_sighting *s);

/* How many are expected, and how many of them were seen with the live version.
 * Nothing expected: those that were ever seen. */
size_t report_adoption_expected(const struct report_adoption *a);
size_t report_adoption_adopted(const struct report_adoption *a);

/* "adopting 3 of 4 consumers", "4 of 4 consumers seen with the new password", or
 * "" when nothing is known. */
void report_adoption_sentence(const struct report_adoption *a, struct text *t);

/* " CONSUMER" of each expected one that was not seen with any version. */
void report_adoption_unseen(const struct report_adoption *a, struct text *t);

struct report_adoption_gateway;

struct report_adoption_context {
	const char *rolname;
	int64_t rotated_us; /* of the live version, 0: never */
	int64_t poll_us;    /* between two looks; 0: no one looks */
	int64_t now_us;
	int64_t grace_us; /* wall clock: until when the password before is
			     accepted; 0: it is not known, or not any more */
	const struct report_adoption_gateway *gateways; /* NULL: it is no role
							   of gateways */
	size_t n_gateways;
	int64_t gap_us; /* who was not heard for longer than this is away */
};

/* A gateway, whose agent has counted all logins between these times (wall clock;
 * both 0: it never answered). */
struct report_adoption_gateway {
	const char *name;
	int64_t from_us, last_us;
};

/* For a person: a line for the role and one a consumer, each with a newline; or
 * one JSON object without. */
void report_adoption_text(const struct report_adoption *a,
			  const struct report_adoption_context *c,
			  struct text *t);
void report_adoption_json(const struct report_adoption *a,
			  const struct report_adoption_context *c,
			  struct text *t);

/* The setting that expects all who were seen since then to log in, "" when
 * there is none. */
void report_adoption_learn(const struct report_adoption *a, int64_t since_us,
			   struct text *t);

#endif
