/* SPDX-License-Identifier: PostgreSQL */
/*
 * Short-lived credentials that are minted instead of stored.  One interface,
 * one file per source (token_databricks.c, token_aws_rds.c, ...), and one cache
 * in front of them (token_cache.c): one refresh at a time, and never a token
 * with less life than was asked for.
 *
 * The secret is a password for PostgreSQL, sent in clear inside TLS.  Expiry is
 * what the answer says (never assumed), judged by the server's Date where there
 * is one.
 */
#ifndef KEYTURN_TOKEN_H
#define KEYTURN_TOKEN_H

#include <stdint.h>

#include "base/now.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/secret.h"

#define TOKEN_USER_SIZE	 256
#define TOKEN_SCOPE_SIZE 256
#define TOKEN_SECRET_MAX 32768

struct token {
	char user[TOKEN_USER_SIZE]; /* PostgreSQL's user; "" when the source
				       does not know it */
	struct secret *secret;
	int64_t issued_us;	      /* wall clock */
	int64_t expires_us;	      /* wall clock */
	char scope[TOKEN_SCOPE_SIZE]; /* what it opens, for people */
	char id[RANDOM_UUID_SIZE];    /* ours, one for each minted token */
};

void token_free(struct token *t); /* wipes; takes NULL */

struct token_source;

/* One finding of `check`: a sentence and how to mend it. */
enum token_severity { TOKEN_NOTE, TOKEN_WARN, TOKEN_FAIL };
typedef void token_finding_fn(void *arg, enum token_severity severity,
			      const char *topic, const char *sentence);

struct token_source_ops {
	const char *type; /* "databricks" */

	/*
	 * Mint a new one.  STATUS_STORE_UNAVAILABLE, a retry may help;
	 * STATUS_DENIED or STATUS_REFUSED, a definite no; STATUS_CORRUPT, the
	 * answer makes no sense.  ret->secret is the caller's.
	 */
	enum status (*mint)(struct token_source *s, struct token *ret,
			    struct reason *why);

	/* Look at what the issuer knows of the database at `host`, which is ""
	 * for what the token says of itself; changes nothing.  NULL when it
	 * knows nothing. */
	enum status (*look)(struct token_source *s, const char *host,
			    token_finding_fn *finding, void *arg,
			    struct reason *why);

	void (*close)(struct token_source *s);
};

struct token_source {
	const struct token_source_ops *ops;
	const char *name; /* the [token NAME] */
};

struct token_cache;

/* The source is the cache's from here on.  Thread-safe. */
enum status token_cache_new(struct token_source *source, const struct now *now,
			    const struct random *random,
			    struct token_cache **ret, struct reason *why);
void token_cache_free(struct token_cache *c);

/*
 * A token with at least min_life_us of life.  The remembered one serves while
 * it has that and is not within min(ttl/2, 20 min) of its end; within that, one
 * caller refreshes and a failed refresh is no failure while enough life is
 * left.  STATUS_REFUSED when the source never mints tokens of that life.
 * ret->secret is a copy, the caller's.
 */
enum status token_cache_get(struct token_cache *c, int64_t min_life_us,
			    struct token *ret, struct reason *why);

/* The source's look(), in turn with minting. */
enum status token_cache_look(struct token_cache *c, const char *host,
			     token_finding_fn *finding, void *arg,
			     struct reason *why);

/* The server refused this token (its id): never hand it out again, nor for five
 * minutes the same bytes under a new id (STATUS_DENIED). */
void token_cache_refuse(struct token_cache *c, const char *id);

#endif
