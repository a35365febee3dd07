/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of the embedded ledger share.  Must never give a caller a status
 * that ledger.h does not name.
 */
#include "ledger/sqlite/common.h"

#include <string.h>

#include "base/text.h"

enum status ledger_sqlite_translate(enum status st, struct reason *why)
{
	switch (st) {
	case STATUS_OK:
	case STATUS_NOT_FOUND:
	case STATUS_AUDIT_BROKEN:
	case STATUS_NO_MEMORY:
	case STATUS_REFUSED:
	case STATUS_CONFIG:
	case STATUS_CONFLICT:
		return st;
	case STATUS_CORRUPT:
		return reason_wrap(why, STATUS_AUDIT_BROKEN, "the ledger");
	default:
		return reason_wrap(why, STATUS_LEDGER_UNAVAILABLE,
				   "the ledger");
	}
}

enum status ledger_sqlite_check_key(const char *what, const char *s,
				    size_t size, struct reason *why)
{
	size_t n = strnlen(s, size);

	if (n == 0 || n == size)
		return reason_set(why, STATUS_LEDGER_UNAVAILABLE,
				  "the ledger takes a %s of 1 to %zu bytes",
				  what, size - 1);
	return STATUS_OK;
}

void ledger_sqlite_bind_cut(struct lite_stmt *q, int i, const char *s,
			    size_t size)
{
	char cut[LEDGER_TEXT_SIZE];

	text_cut(cut, size < sizeof cut ? size : sizeof cut, s ? s : "");
	lite_bind_text(q, i, cut);
}
