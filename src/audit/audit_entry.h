/* SPDX-License-Identifier: PostgreSQL */
/* One line of an exported trail, read back. */
#ifndef KEYTURN_AUDIT_ENTRY_H
#define KEYTURN_AUDIT_ENTRY_H

#include "audit/audit.h"

struct audit_entry {
	int64_t at_us;
	enum audit_kind kind; /* AUDIT_NONE: of a later version of keyturn */
	char role[AUDIT_ROLE_SIZE];
	char actor[AUDIT_ROLE_SIZE];
	char version[40];
	char status[32];
	char detail[AUDIT_TEXT_SIZE]; /* cut, if the ledger was told more */
	char ended_by[16];
	char operation[32];
	char label[32];
	char host[AUDIT_ROLE_SIZE];
	char service[AUDIT_ROLE_SIZE];
	char state[32];
	char source[32];
	char recipient[AUDIT_ROLE_SIZE];
	bool stale;
	int64_t count, pid;
	char due[32], planned[32], until[32]; /* times, as they are written */
	char local[32], zone[72], step[32];
	char consumers[AUDIT_TEXT_SIZE], last[32];
};

/*
 * A line as audit_export gives it; what the event has not is "" or 0.  An agent's
 * event of before it had members, which says them in its detail, has them too.
 * STATUS_NOT_FOUND: it is a checkpoint; STATUS_CORRUPT: it is not an event.
 */
enum status audit_entry_read(const char *line, struct audit_entry *ret,
			     struct reason *why);

#endif
