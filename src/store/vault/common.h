/* SPDX-License-Identifier: PostgreSQL */
/* A Vault store, as its files see it. */
#ifndef KEYTURN_STORE_VAULT_COMMON_H
#define KEYTURN_STORE_VAULT_COMMON_H

#include <pthread.h>

#include "store/vault/vault.h"

struct http;
#define STORE_VAULT_PATH_SIZE 2048

struct store_memory;
struct store_vault_auth; /* auth.c */

struct store_vault {
	struct store store; /* first: what the caller holds */
	char *name;
	char *addresses[STORE_VAULT_ADDRESSES_MAX];
	size_t n_addresses;
	char *mount;
	char *prefix;
	char *namespace;
	char *auth_namespace; /* where tokens come from */
	unsigned ring;
	int64_t timeout_us;
	const struct now *now;
	const struct random *random;
	int64_t (*next_due)(const void *arg, const char *name, int64_t at_us);
	const void *next_due_arg;
	struct http *http;
	struct store_vault_auth *auth;
	struct store_memory *memory; /* of struct store_vault_view */
	pthread_mutex_t lock;	     /* over all below */
	size_t active;		     /* the address that answered last */
	bool mount_seen;	     /* it is KV version 2 */
};

/* Members of struct store_ops. */
store_ready_fn store_vault_ready;
store_stage_fn store_vault_stage;
store_move_fn store_vault_label_promote, store_vault_label_retire;
store_withdraw_fn store_vault_label_withdraw;
store_wrap_fn store_vault_wrap;
store_wrap_look_fn store_vault_wrap_look;

/* Tell other tools of promotions: those that the last telling is some minutes
 * behind, or all.  Best effort. */
void store_vault_label_tell(struct store_vault *v, bool all);

/* Is the mount there, and of version 2?  Asked once. */
enum status store_vault_mount_check(struct store_vault *v, struct reason *why);

#endif
