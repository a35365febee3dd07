/* SPDX-License-Identifier: PostgreSQL */
/* What the files of a local store share.  Must never call a failure that may have
 * written something a refusal. */
#include "store/local/common.h"

enum status store_local_translate(struct store_local *s, enum status st,
				  struct reason *why)
{
	switch (st) {
	case STATUS_OK:
	case STATUS_CONFLICT:
	case STATUS_REFUSED:
	case STATUS_NOT_FOUND:
	case STATUS_UNKNOWN:
	case STATUS_CONFIG:
	case STATUS_CORRUPT:
	case STATUS_NO_MEMORY:
		return st;
	case STATUS_LIMIT:
	case STATUS_DENIED:
		return reason_wrap(why, STATUS_REFUSED, "store %s", s->name);
	default:
		return reason_wrap(why, STATUS_STORE_UNAVAILABLE, "store %s",
				   s->name);
	}
}

enum status store_local_prepare(struct lite_tx *tx, const char *sql,
				const char *first, struct lite_stmt **ret,
				struct reason *why)
{
	enum status st = lite_prepare(tx, sql, ret, why);

	if (st == STATUS_OK)
		lite_bind_text(*ret, 1, first);
	return st;
}

enum status store_local_run(struct lite_tx *tx, const char *sql,
			    const char *first, struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st = store_local_prepare(tx, sql, first, &q, why);

	return st == STATUS_OK ? lite_exec(q, NULL, why) : st;
}
