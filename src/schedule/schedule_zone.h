/* SPDX-License-Identifier: PostgreSQL */
/*
 * The spans of a zone between two changes of its clocks, and the way from a
 * local time to the instant at which it is due.  All times are in seconds.
 */
#ifndef KEYTURN_SCHEDULE_ZONE_H
#define KEYTURN_SCHEDULE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "schedule/schedule.h"

struct schedule_span {
	int64_t from;	/* first second, INT64_MIN for the first span */
	int64_t to;	/* first second of the next, INT64_MAX for the last */
	int32_t offset; /* local time minus UTC */
};

/* A zone from the bytes of a TZif file of version 2 or later (RFC 8536);
 * STATUS_CONFIG when they are not one. */
enum status schedule_zone_parse(const char *name, const void *bytes, size_t n,
				struct schedule_zone **ret, struct reason *why);

/* The span that holds an instant. */
struct schedule_span schedule_zone_span(const struct schedule_zone *z,
					int64_t utc);

/*
 * The first instant at which the zone's clocks show `local` or later: of a
 * local time that occurs twice the first, of one that is skipped the first
 * instant after the gap.
 */
int64_t schedule_zone_first(const struct schedule_zone *z, int64_t local);

/* The latest local time that the clocks have shown up to `utc`: local times up
 * to it have had their schedule_zone_first() by then, later ones not. */
int64_t schedule_zone_seen(const struct schedule_zone *z, int64_t utc);

#endif
