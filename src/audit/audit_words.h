/* SPDX-License-Identifier: PostgreSQL */
/*
 * What agents wrote before events had members: "VERIFY, fresh, previous
 * password, from 192.0.2.7, service keyturn, pid 7", "GET, stale, 17 more".
 * Trails are kept for years, so this is read as long as there are any.
 */
#ifndef KEYTURN_AUDIT_WORDS_H
#define KEYTURN_AUDIT_WORDS_H

#include "audit/audit_entry.h"

/* Take e->detail apart into members, and leave a sentence there.  Another
 * detail stays what it is. */
void audit_words_read(struct audit_entry *e);

#endif
