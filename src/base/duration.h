/* SPDX-License-Identifier: PostgreSQL */
/* The one spelling of durations in settings and options. */
#ifndef KEYTURN_DURATION_H
#define KEYTURN_DURATION_H

#include <stdint.h>

#include "base/reason.h"

#define DURATION_MAX_SECONDS INT64_C(315360000) /* ten years of 365 days */

/*
 * "0s", "90s", "15m", "36h", "30d", "2w" to microseconds: decimal digits and
 * one unit, nothing else, at most DURATION_MAX_SECONDS.  Zero is accepted;
 * where it makes no sense, the caller refuses it.  STATUS_CONFIG otherwise.
 */
enum status duration_parse(const char *s, int64_t *ret_us, struct reason *why);

#endif
