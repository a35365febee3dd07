/* SPDX-License-Identifier: PostgreSQL */
/* Documents of KV version 2. */
#ifndef KEYTURN_STORE_VAULT_KV_H
#define KEYTURN_STORE_VAULT_KV_H

#include "store/vault/path.h"
#include "json/json_out.h"

struct store_vault_doc {
	int64_t version; /* 0: there is none, or no metadata of it */
	bool deleted;	 /* soft-deleted or destroyed: version counts on */
	bool destroyed;	 /* and nothing brings it back */
	bool passing;	 /* it has a deletion time, past or to come */
	char created[40];
	struct json_doc *envelope;
	const struct json_doc *data; /* borrowed from envelope; NULL: none */
};

void store_vault_kv_free(struct store_vault_doc *d);

/* version 0: the newest.  A version that is not there is STATUS_OK with
 * version 0 and no data. */
enum status store_vault_kv_read(struct store_vault *v,
				enum store_vault_kind kind, const char *name,
				int64_t version,
				struct store_vault_doc *ret_doc,
				struct reason *why);

struct store_vault_write {
	enum store_vault_kind kind;
	const char *name;
	bool patch;  /* merge into the document; else replace it */
	int64_t cas; /* the version that it must have */
};

/*
 * data is freed, also on failure.  *ret_version is the new version.
 * STATUS_REFUSED: nothing was written, or it was and has a deletion time.
 * STATUS_CONFLICT: refused with a 400; re-reading decides why.
 * STATUS_NOT_FOUND: a patch of what is deleted or not there.
 */
enum status store_vault_kv_write(struct store_vault *v,
				 const struct store_vault_write *w,
				 struct json_out *data, int64_t *ret_version,
				 struct reason *why);

/* Tell other tools: version id, when it was made current and when the next is
 * due, merged into custom_metadata. */
enum status store_vault_kv_tell(struct store_vault *v, const char *name,
				const char *id, int64_t rotated_us,
				struct reason *why);

/* Write, read back, compare and remove a record under a name of its own. */
enum status store_vault_kv_canary(struct store_vault *v, struct reason *why);

#endif
