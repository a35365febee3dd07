/* SPDX-License-Identifier: PostgreSQL */
/*
 * An event as canonical JSON: one object, keys in order (actor, at, detail,
 * epoch, kind, role, run, status, took_us, version), no spaces, only keys that
 * have a value, times in RFC 3339 UTC with microseconds.
 */
#ifndef KEYTURN_AUDIT_EVENT_H
#define KEYTURN_AUDIT_EVENT_H

#include "audit/audit.h"

/* What is chained; longer texts are cut.  *ret_body: free(). */
enum status audit_event_body(const struct audit_event *e, int64_t at_us,
			     char **ret_body, struct reason *why);

/* An event read back, with its texts. */
struct audit_entry {
	int64_t at_us;
	char kind[32];
	char role[AUDIT_ROLE_SIZE];
	char actor[AUDIT_ROLE_SIZE];
	char version[40];
	char status[32];
	char detail[AUDIT_TEXT_SIZE]; /* cut, if the ledger was told more */
};

/*
 * A line as audit_export gives it; what the event has not is "".
 * STATUS_NOT_FOUND: it is a checkpoint; STATUS_CORRUPT: it is not an event.
 */
enum status audit_event_read(const char *line, struct audit_entry *ret,
			     struct reason *why);

#endif
