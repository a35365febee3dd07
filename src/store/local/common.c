/* SPDX-License-Identifier: PostgreSQL */
/* What the files of a local store share.  Must never call a failure that may have
 * written something a refusal. */
#include "store/local/common.h"

#include <string.h>

#include "base/encode.h"

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

enum status store_local_check_name(const char *name, struct reason *why)
{
	size_t n = strnlen(name, STORE_NAME_SIZE);

	if (n == 0 || n == STORE_NAME_SIZE)
		return reason_set(why, STATUS_REFUSED,
				  "the name of a secret has 1 to %d bytes",
				  STORE_NAME_SIZE - 1);
	return STATUS_OK;
}

enum status store_local_check_id(const char *id, struct reason *why)
{
	if (strnlen(id, RANDOM_UUID_SIZE) >= RANDOM_UUID_SIZE ||
	    !encode_is_uuid(id))
		return reason_set(why, STATUS_REFUSED,
				  "a version id must be a lower-case UUID");
	return STATUS_OK;
}
