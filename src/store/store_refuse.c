/* SPDX-License-Identifier: PostgreSQL */
/* What all stores say alike; must never name a secret's content. */
#include "store/store_refuse.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"

enum status store_refuse_name(const char *name, struct reason *why)
{
	size_t n = strnlen(name, STORE_NAME_SIZE);

	if (n > 0 && n < STORE_NAME_SIZE)
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "the name of a secret has 1 to %d bytes",
			  STORE_NAME_SIZE - 1);
}

enum status store_refuse_id(const char *id, struct reason *why)
{
	if (strnlen(id, RANDOM_UUID_SIZE) < RANDOM_UUID_SIZE &&
	    encode_is_uuid(id))
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "a version id must be a lower-case UUID");
}

enum status store_refuse_ring(const char *store, unsigned ring,
			      struct reason *why)
{
	if (ring >= STORE_RING_MIN && ring <= STORE_RING_MAX)
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "store %s: the ring must keep %d to %d versions, not "
			  "%u",
			  store, STORE_RING_MIN, STORE_RING_MAX, ring);
}

enum status store_refuse_absent(enum status s, const char *store,
				const char *name, const char *id,
				struct reason *why)
{
	return reason_set(why, s, "store %s has no version %s of %s", store, id,
			  name);
}

enum status store_refuse_content(const char *store, const char *name,
				 const char *id, struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "store %s: version %s of %s exists with another "
			  "content: make a new version",
			  store, id, name);
}

enum status store_refuse_moved(const char *store, const char *name,
			       struct reason *why)
{
	return reason_set(why, STATUS_CONFLICT,
			  "store %s: %s was changed by somebody else meanwhile",
			  store, name);
}

enum status store_refuse_full(const char *store, const char *name,
			      struct reason *why)
{
	return reason_set(why, STATUS_CORRUPT,
			  "store %s: %s has too many versions for another one",
			  store, name);
}

enum status store_refuse_move(enum store_versions_verdict verdict,
			      const char *store, const char *name,
			      const char *id, const struct store_state *state,
			      struct reason *why)
{
	const struct store_version *v;

	switch (verdict) {
	case STORE_VERSIONS_GO:
	case STORE_VERSIONS_DONE:
		break;
	case STORE_VERSIONS_MOVED:
		return store_refuse_moved(store, name, why);
	case STORE_VERSIONS_ABSENT:
		return store_refuse_absent(STATUS_REFUSED, store, name, id,
					   why);
	case STORE_VERSIONS_LABELLED:
		v = store_find_id(state, id);
		return reason_set(why, STATUS_REFUSED,
				  "store %s: version %s of %s is %s and cannot "
				  "be retired",
				  store, id, name, store_label_name(v->label));
	}
	return STATUS_OK;
}

enum status store_refuse_wrap(const char *store, enum status s,
			      struct reason *why)
{
	char begin[REASON_MAX];
	size_t n = (size_t)snprintf(begin, sizeof(begin), "store %s", store);

	if (s == STATUS_OK)
		return s;
	if (why && strncmp(why->text, begin, n) == 0 &&
	    strchr(" :", why->text[n]))
		return s;
	return reason_wrap(why, s, "store %s", store);
}
