/* SPDX-License-Identifier: PostgreSQL */
/* Where [token NAME] sections become sources and caches. */
#ifndef KEYTURN_BACKENDS_TOKEN_H
#define KEYTURN_BACKENDS_TOKEN_H

#include "config/config.h"
#include "token/token.h"

struct open_token_set;

/* The configuration must outlive the set.  Opens nothing yet. */
enum status open_token_new(const struct config *config,
			   struct open_token_set **ret, struct reason *why);
void open_token_free(struct open_token_set *t);

/* The cache of a [token NAME], opened at the first call; the set's.
 * STATUS_CONFIG: there is no such section, or the source says what is wrong
 * with it.  Thread-safe. */
enum status open_token_get(struct open_token_set *t, const char *name,
			   struct token_cache **ret_cache, struct reason *why);

#endif
