/* SPDX-License-Identifier: PostgreSQL */
/* What the files of the embedded ledger share. */
#ifndef KEYTURN_LEDGER_SQLITE_COMMON_H
#define KEYTURN_LEDGER_SQLITE_COMMON_H

#include <pthread.h>

#include "audit/audit_event.h"
#include "ledger/sqlite/notes.h"
#include "ledger/sqlite/sqlite.h"
#include "lite/lite.h"

struct ledger_sqlite {
	struct ledger ledger; /* first: what the caller holds */
	struct lite *db;
	struct audit_keys keys;
	const struct now *now;
	pthread_mutex_t lock; /* of pending */
	struct ledger_sqlite_notes pending;
};

/* What lite gave, in the words of ledger.h; the reason then says that it was
 * the ledger. */
enum status ledger_sqlite_translate(enum status st, struct reason *why);

/* s has 1 to size - 1 bytes, or STATUS_LEDGER_UNAVAILABLE; what is its name
 * in the sentence. */
enum status ledger_sqlite_check_key(const char *what, const char *s,
				    size_t size, struct reason *why);

/* Bind s, or "" for NULL, cut so that it fits into a field of size bytes, NUL
 * included (at most LEDGER_TEXT_SIZE). */
void ledger_sqlite_bind_cut(struct lite_stmt *q, int i, const char *s,
			    size_t size);

#endif
