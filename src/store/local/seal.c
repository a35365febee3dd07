/* SPDX-License-Identifier: PostgreSQL */
/*
 * Seals what goes into the store's file.  Must never open a blob in another
 * place than the one it was sealed for.
 */
#include "store/local/common.h"

#include <string.h>

#define AAD_VERSION "keyturn store 1"

#define AAD_MAX (sizeof AAD_VERSION + 1 + STORE_NAME_SIZE + RANDOM_UUID_SIZE)

static size_t make_aad(char aad[AAD_MAX], const char *kind, const char *name,
		       const char *id)
{
	size_t k = strlen(kind), n = strlen(name), i = strlen(id);

	memcpy(aad, kind, k + 1);
	memcpy(aad + k + 1, name, n + 1);
	memcpy(aad + k + 1 + n + 1, id, i);
	return k + 1 + n + 1 + i;
}

enum status store_local_seal_close(struct store_local *s, const char *name,
				   const char *id, const struct secret *plain,
				   unsigned char *ret_blob, size_t *ret_n,
				   struct reason *why)
{
	char aad[AAD_MAX];
	const struct seal_aad place = { aad,
					make_aad(aad, AAD_VERSION, name, id) };

	return seal_close(s->key, s->random, &place, plain, ret_blob, ret_n,
			  why);
}

enum status store_local_seal_open(struct store_local *s, const char *name,
				  const char *id, const void *blob, size_t n,
				  struct secret **ret_plain, struct reason *why)
{
	char aad[AAD_MAX];
	const struct seal_aad place = { aad,
					make_aad(aad, AAD_VERSION, name, id) };
	enum status st;

	st = seal_open(s->key, &place, blob, n, ret_plain, why);
	if (st == STATUS_CORRUPT)
		reason_set(why, st,
			   "store %s: version %s of %s does not open: the row "
			   "was damaged or swapped; restore the store from a "
			   "backup",
			   s->name, id, name);
	return st;
}

enum status store_local_seal_text(struct store_local *s, const char *aad,
				  const char *text, unsigned char *ret_blob,
				  size_t *ret_n, struct reason *why)
{
	const struct seal_aad purpose = { aad, strlen(aad) };
	struct secret *plain = NULL;
	enum status st = secret_from(text, strlen(text), &plain);

	if (st == STATUS_OK)
		st = seal_close(s->key, s->random, &purpose, plain, ret_blob,
				ret_n, why);
	else
		reason_set(why, st, "no locked memory for a secret");
	secret_free(plain);
	return st;
}
