/* SPDX-License-Identifier: PostgreSQL */
/* One line of an exported trail, read back. */
#ifndef KEYTURN_AUDIT_EVENT_H
#define KEYTURN_AUDIT_EVENT_H

#include "ledger/ledger.h"

struct audit_event {
	int64_t at_us;
	char kind[32];
	char role[LEDGER_ROLE_SIZE];
	char actor[LEDGER_ROLE_SIZE];
	char version[40];
	char status[32];
	char detail[LEDGER_TEXT_SIZE]; /* cut, if the ledger was told more */
};

/*
 * A line as ledger_ops.export gives it; what the event has not is "".
 * STATUS_NOT_FOUND: it is a checkpoint; STATUS_CORRUPT: it is no event.
 */
enum status audit_event_read(const char *line, struct audit_event *ret,
			     struct reason *why);

#endif
