/* SPDX-License-Identifier: PostgreSQL */
/*
 * What settings say, opened: stores, the ledger and tokens.  Links no driver of a
 * cluster, so that a program without an administrator's credentials can use it
 * alone.
 */
#ifndef KEYTURN_OPEN_H
#define KEYTURN_OPEN_H

#include "base/now.h"
#include "base/reason.h"
#include "config/config.h"
#include "ledger/ledger.h"
#include "open/open_ledger.h"
#include "store/store.h"
#include "token/token.h"

struct opened;

/* The configuration must outlive it.  Opens nothing yet. */
enum status open_new(const struct config *config, struct opened **ret,
		     struct reason *why);
void open_free(struct opened *b);

const struct config *open_config(const struct opened *b);

/* The randomness of ids and passwords, for pauses as well.  Static. */
const struct random *open_random(void);

/* The ledger, opened at the first call in that mode; a missing file is made
 * again when written to (a lost ledger loses no password) and *ret_lost, which
 * may be NULL, says so.  Not thread-safe: call before starting threads. */
enum status open_ledger(struct opened *b, enum open_ledger mode,
			struct ledger **ret_ledger, bool *ret_lost,
			struct reason *why);

/* Open the trail with another public key, for `audit verify --public-key`. */
enum status open_ledger_verify(struct opened *b, const char *public_key,
			       struct ledger **ret_ledger, struct reason *why);

/* The store of a [store NAME], opened at the first call.  Thread-safe. */
enum status open_store(struct opened *b, const char *name,
		       struct store **ret_store, struct reason *why);

/*
 * For a command that looks at many roles: a store that made one of them wait a
 * second or longer in vain is not asked for another; it has failed for all.  Not
 * for programs that go on.  Call before starting threads.
 */
void open_wait_once(struct opened *b);

/* STATUS_STORE_UNAVAILABLE, with what it said, of a store that failed so; else
 * STATUS_OK.  Thread-safe. */
enum status open_store_away(struct opened *b, const char *name,
			    struct reason *why);

/* It was waited for so long and answered with STATUS_STORE_UNAVAILABLE.
 * Thread-safe. */
void open_store_failed(struct opened *b, const char *name, int64_t waited_us,
		       const struct reason *why);

/* The cache in front of a [token NAME], opened at the first call; it belongs to
 * the set.  Thread-safe. */
enum status open_token(struct opened *b, const char *name,
		       struct token_cache **ret_cache, struct reason *why);

/* The [role NAME] group; STATUS_CONFIG says where roles are configured. */
enum status open_role(const struct opened *b, const char *name,
		      const struct config_group **ret_role, struct reason *why);

/* The role's name in PostgreSQL (rolname, or the section's name). */
const char *open_rolname(const struct config_group *role);

/*
 * What the ledger remembers of a role; when it remembers nothing, what the
 * store knows of it (a lost ledger): ret->learnt, and nothing is written.
 * STATUS_NOT_FOUND for a role that is new to keyturn.
 */
enum status open_remembered(struct opened *b, struct ledger *ledger,
			    const struct config_group *role,
			    struct ledger_role *ret, struct reason *why);

#endif
