/* SPDX-License-Identifier: PostgreSQL */
/*
 * The one token of a source that is worth keeping.  Must never hand one out
 * with less life than was asked for, nor let two callers refresh at once.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "token/token.h"

/* Refresh this long before the end at the earliest, as the vendors' clients
 * do (sdk-go config/experimental/auth/cache.go). */
#define SOFT_MAX_US (INT64_C(20) * 60 * NOW_SECOND)

/* After a failure: while there is a token that serves, the source is left
 * alone for a minute.  When no one can be served, it is asked sooner. */
#define BACK_OFF_US	  (INT64_C(60) * NOW_SECOND)
#define FIRST_BACK_OFF_US (INT64_C(1) * NOW_SECOND)

/* Metadata services give the same token for hours.  What a server refused it
 * may take later, once somebody has granted what was missing. */
#define REFUSED_US (INT64_C(5) * 60 * NOW_SECOND)

struct token_cache {
	struct token_source *source;
	const struct now *now;
	const struct random *random;
	pthread_mutex_t lock; /* over all below; not held while minting */
	pthread_cond_t done;
	bool refreshing;
	struct token token;  /* secret NULL: none */
	int64_t life_us;     /* what it had when it came */
	int64_t came_us;     /* boot clock */
	bool has_failed;     /* the last attempt */
	int64_t failed_us;   /* boot clock */
	int64_t back_off_us; /* of the hard kind */
	enum status failed;
	struct reason failure;
	struct secret *refused; /* the last token that a server refused */
	int64_t refused_us;	/* boot clock */
};

enum status token_cache_new(struct token_source *source, const struct now *now,
			    const struct random *random,
			    struct token_cache **ret, struct reason *why)
{
	struct token_cache *c = calloc(1, sizeof(*c));

	if (!c) {
		source->ops->close(source);
		return reason_no_memory(why);
	}
	c->source = source;
	c->now = now;
	c->random = random;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->done, NULL);
	*ret = c;
	return STATUS_OK;
}

void token_cache_free(struct token_cache *c)
{
	if (!c)
		return;
	c->source->ops->close(c->source);
	token_free(&c->token);
	secret_free(c->refused);
	pthread_cond_destroy(&c->done);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* What the token has left, by the clock that says less: wall time may have been
 * set since it came. */
static int64_t left(const struct token_cache *c)
{
	int64_t wall, boot;

	if (!c->token.secret)
		return 0;
	wall = c->token.expires_us - now_wall(c->now);
	boot = c->life_us - (now_boot(c->now) - c->came_us);
	return wall < boot ? wall : boot;
}

static int64_t soft(const struct token_cache *c)
{
	return c->life_us / 2 < SOFT_MAX_US ? c->life_us / 2 : SOFT_MAX_US;
}

static enum status copy_token(const struct token_cache *c, struct token *ret,
			      struct reason *why)
{
	struct token t = c->token;

	t.secret = NULL;
	if (secret_copy(c->token.secret, &t.secret) != STATUS_OK)
		return reason_set(why, STATUS_NO_MEMORY,
				  "no locked memory for the token of [token "
				  "%s]",
				  c->source->name);
	*ret = t;
	return STATUS_OK;
}

/* Azure's live for a day and more; whoever says years is not believed, for the
 * token would be handed out long after its end. */
#define LIFE_MAX_US (31 * 24 * 3600 * NOW_SECOND)

static bool was_refused(const struct token_cache *c, const struct token *t)
{
	return c->refused && now_boot(c->now) - c->refused_us < REFUSED_US &&
	       secret_equal(c->refused, t->secret);
}

/* A new token takes the old one's place, whatever life that has: the source
 * knows best.  One that has none is an answer that makes no sense. */
static enum status keep_token(struct token_cache *c, struct token *t,
			      struct reason *why)
{
	int64_t now = now_wall(c->now);

	if (t->expires_us <= now)
		return reason_set(why, STATUS_CORRUPT,
				  "[token %s]: a new token is expired already; "
				  "is this host's clock right?",
				  c->source->name);
	if (t->expires_us - now > LIFE_MAX_US)
		return reason_set(why, STATUS_CORRUPT,
				  "[token %s]: the source says that a token "
				  "lives for %lld days, which none does",
				  c->source->name,
				  (long long)((t->expires_us - now) /
					      (24 * 3600 * NOW_SECOND)));
	if (was_refused(c, t))
		return reason_set(
			why, STATUS_DENIED,
			"[token %s]: the source gives the token "
			"again that the server has just refused; does "
			"the server know this identity?",
			c->source->name);
	if (t->id[0] == '\0' && random_uuid(c->random, t->id) != STATUS_OK)
		return reason_set(why, STATUS_ERROR,
				  "[token %s]: no randomness for an id",
				  c->source->name);
	token_free(&c->token);
	c->token = *t;
	t->secret = NULL;
	c->life_us = c->token.expires_us - now;
	c->came_us = now_boot(c->now);
	return STATUS_OK;
}

/* With the lock held, which is given up while the source works. */
static void refresh_token(struct token_cache *c)
{
	struct token t = { .secret = NULL };
	struct reason why = { "" };
	enum status s;

	c->refreshing = true;
	pthread_mutex_unlock(&c->lock);
	s = c->source->ops->mint(c->source, &t, &why);
	pthread_mutex_lock(&c->lock);
	c->refreshing = false;
	if (s == STATUS_OK)
		s = keep_token(c, &t, &why);
	token_free(&t);
	if (s == STATUS_OK) {
		c->has_failed = false;
		c->back_off_us = 0;
	} else {
		c->has_failed = true;
		c->failed_us = now_boot(c->now);
		c->back_off_us = c->back_off_us ? c->back_off_us * 2 :
						  FIRST_BACK_OFF_US;
		if (c->back_off_us > BACK_OFF_US)
			c->back_off_us = BACK_OFF_US;
		c->failed = s;
		c->failure = why;
	}
	pthread_cond_broadcast(&c->done);
}

/* Is it too early to ask the source again? */
static bool backing_off(const struct token_cache *c, bool usable)
{
	int64_t wait = usable ? BACK_OFF_US : c->back_off_us;

	return c->has_failed && now_boot(c->now) - c->failed_us < wait;
}

/* The source has just shown that its tokens do not live that long. */
static bool too_much(const struct token_cache *c, int64_t min_life_us)
{
	return c->token.secret && c->life_us < min_life_us &&
	       now_boot(c->now) - c->came_us < BACK_OFF_US;
}

static enum status refuse_life(const struct token_cache *c, int64_t min_life_us,
			       struct reason *why)
{
	char asked[32], had[32];

	return reason_set(why, STATUS_REFUSED,
			  "[token %s]: its tokens live %s, and %s was asked "
			  "for",
			  c->source->name, now_age(c->life_us, had),
			  now_age(min_life_us, asked));
}

enum status token_cache_get(struct token_cache *c, int64_t min_life_us,
			    struct token *ret, struct reason *why)
{
	enum status s = STATUS_OK;
	bool refreshed = false;

	if (min_life_us < NOW_SECOND)
		min_life_us = NOW_SECOND;
	pthread_mutex_lock(&c->lock);
	for (;;) {
		int64_t life = left(c);
		bool usable = life >= min_life_us;

		if (usable &&
		    (life > soft(c) || c->refreshing || backing_off(c, true))) {
			s = copy_token(c, ret, why);
			break;
		}
		if (!usable && c->refreshing) {
			pthread_cond_wait(&c->done, &c->lock);
			continue;
		}
		if (!usable && backing_off(c, false)) {
			s = c->failed;
			if (why)
				*why = c->failure;
			break;
		}
		if (!usable && (refreshed || too_much(c, min_life_us))) {
			s = refuse_life(c, min_life_us, why);
			break;
		}
		refresh_token(c);
		refreshed = true;
	}
	pthread_mutex_unlock(&c->lock);
	return s;
}

void token_cache_refuse(struct token_cache *c, const char *id)
{
	pthread_mutex_lock(&c->lock);
	if (c->token.secret && strcmp(c->token.id, id) == 0) {
		secret_free(c->refused);
		c->refused = c->token.secret;
		c->refused_us = now_boot(c->now);
		c->token.secret = NULL;
		token_free(&c->token);
	}
	pthread_mutex_unlock(&c->lock);
}

enum status token_cache_look(struct token_cache *c, const char *host,
			     token_finding_fn *finding, void *arg,
			     struct reason *why)
{
	enum status s;

	if (!c->source->ops->look)
		return STATUS_OK;
	/* A source does one thing at a time. */
	pthread_mutex_lock(&c->lock);
	while (c->refreshing)
		pthread_cond_wait(&c->done, &c->lock);
	c->refreshing = true;
	pthread_mutex_unlock(&c->lock);
	s = c->source->ops->look(c->source, host, finding, arg, why);
	pthread_mutex_lock(&c->lock);
	c->refreshing = false;
	pthread_cond_broadcast(&c->done);
	pthread_mutex_unlock(&c->lock);
	return s;
}
