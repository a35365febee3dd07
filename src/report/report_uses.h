/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who logs in with which password of a role, from what an agent's audit says of
 * checked passwords: who is still on the previous one, before its grace ends.
 */
#ifndef KEYTURN_REPORT_USES_H
#define KEYTURN_REPORT_USES_H

#include "audit/audit_entry.h"
#include "base/text.h"

struct report_uses;

enum status report_uses_new(struct report_uses **ret);
void report_uses_free(struct report_uses *u);

/* Take an event in; those that are no accepted password are left out.
 * STATUS_LIMIT: more different users than a report can have. */
enum status report_uses_add(struct report_uses *u, const struct audit_entry *e,
			    struct reason *why);

/* By role; the previous password first, then who came last.  Text for a person
 * ("" is never written), or a JSON array, both with a newline. */
void report_uses_text(struct report_uses *u, struct text *t, int64_t now_us);
void report_uses_json(struct report_uses *u, struct text *t);

#endif
