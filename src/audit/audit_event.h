/* SPDX-License-Identifier: PostgreSQL */
/*
 * An event as canonical JSON: one object, keys in order (actor, at,
 * consumers, count, detail, due, ended_by, epoch, host, kind, label, last, local,
 * operation, pid, planned, recipient, role, run, service, source, stale, state, status, step, took_us,
 * until, version, zone), no spaces, only keys that have a value, times in RFC 3339
 * UTC with microseconds.
 */
#ifndef KEYTURN_AUDIT_EVENT_H
#define KEYTURN_AUDIT_EVENT_H

#include "audit/audit.h"

/* What is chained; longer texts are cut.  *ret_body: free(). */
enum status audit_event_body(const struct audit_event *e, int64_t at_us,
			     char **ret_body, struct reason *why);

#endif
