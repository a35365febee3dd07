/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a process remembers of a store's secrets, to save requests: by the secret's
 * name a record of the driver's, and the content of one version in locked memory.
 * Whatever does not fit into memory is not remembered, which costs a request.
 * Thread-safe.
 */
#ifndef KEYTURN_STORE_MEMORY_H
#define KEYTURN_STORE_MEMORY_H

#include "store/store.h"

/* A version's id; AWS's are longer than ours. */
#define STORE_MEMORY_ID_SIZE 65

struct store_memory;

/* Records have `size` bytes, begin as zeroes, and own nothing. */
enum status store_memory_new(size_t size, struct store_memory **ret_memory);

/* Wipes; takes NULL. */
void store_memory_free(struct store_memory *m);

/* The record of a secret, never NULL, until store_memory_unlock(); no function
 * below may be called meanwhile. */
void *store_memory_lock(struct store_memory *m, const char *name);
void store_memory_unlock(struct store_memory *m);

/* Likewise, of any secret whose record is wanted; NULL when there is none, and
 * to be unlocked all the same. */
typedef bool store_memory_wanted_fn(const void *record, const void *arg);
void *store_memory_lock_any(struct store_memory *m,
			    store_memory_wanted_fn *wanted, const void *arg,
			    char ret_name[STORE_NAME_SIZE]);

/* Keep a copy of the content of this version instead of the one that is held. */
void store_memory_hold(struct store_memory *m, const char *name, const char *id,
		       const struct secret *content);

/* A copy of what is held; STATUS_NOT_FOUND when it is of no or of another
 * version. */
enum status store_memory_held(struct store_memory *m, const char *name,
			      const char *id, struct secret **ret_content);

/* Hold nothing of this secret. */
void store_memory_release(struct store_memory *m, const char *name);

#endif
