/* SPDX-License-Identifier: PostgreSQL */
/* The key that AWS's chain gave, as long as it is good.  Must never give one
 * that has ended, nor ask for a new one more often than it must. */
#include "aws/aws_credentials.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_environment.h"
#include "aws/aws_metadata.h"
#include "aws/aws_providers.h"
#include "base/text.h"

/* Renewed so long before it ends, or after three quarters of a shorter life. */
#define RENEW_BEFORE (15 * 60 * NOW_SECOND)
/* A failed renewal is not tried again at once while the old key is good. */
#define RENEW_PAUSE (60 * NOW_SECOND)

struct aws_credentials {
	struct aws_providers chain;
	pthread_mutex_t lock; /* over all, also while renewing */
	struct aws_key key;
	bool have;
	int64_t renew_us; /* wall clock; 0: never */
};

/* --- opening --------------------------------------------------------------- */

static enum status choose_profile(struct aws_credentials *c, const char *given,
				  struct reason *why)
{
	const char *name = given;

	c->chain.explicit = given && *given;
	if (!c->chain.explicit)
		name = aws_environment_get("AWS_PROFILE");
	if (!name || !*name)
		name = aws_environment_get("AWS_DEFAULT_PROFILE");
	c->chain.named = name && *name;
	if (!c->chain.named)
		name = "default";
	if (text_copy(c->chain.profile, sizeof(c->chain.profile), name) !=
	    STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "the name of the AWS profile is too long");
	if (c->chain.named && !aws_profile_exists(c->chain.files, name))
		return reason_set(why, STATUS_CONFIG,
				  "there is no AWS profile %s in ~/.aws/config "
				  "([profile %s]) or ~/.aws/credentials ([%s])",
				  name, name, name);
	return STATUS_OK;
}

enum status aws_credentials_new(const struct aws_credentials_options *o,
				struct aws_credentials **ret,
				struct reason *why)
{
	struct aws_credentials *c = calloc(1, sizeof(*c));
	enum status s;

	if (!c)
		return reason_no_memory(why);
	pthread_mutex_init(&c->lock, NULL);
	c->chain.wire = o->wire;
	c->chain.region = o->region;
	c->chain.fips = o->fips;
	c->chain.dualstack = o->dualstack;
	s = aws_profile_read(&c->chain.files, why);
	if (s == STATUS_OK)
		s = choose_profile(c, o->profile, why);
	if (s == STATUS_OK)
		*ret = c;
	else
		aws_credentials_free(c);
	return s;
}

void aws_credentials_free(struct aws_credentials *c)
{
	if (!c)
		return;
	aws_key_clear(&c->key);
	aws_profile_free(c->chain.files);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

const struct aws_profile *aws_credentials_files(const struct aws_credentials *c)
{
	return c->chain.files;
}

const char *aws_credentials_profile(const struct aws_credentials *c)
{
	return c->chain.profile;
}

void aws_credentials_set_region(struct aws_credentials *c, const char *region)
{
	c->chain.region = region;
}

enum status aws_credentials_region(struct aws_credentials *c,
				   char region[AWS_REGION_SIZE],
				   struct reason *why)
{
	const char *set = aws_environment_get("AWS_REGION");
	struct reason said = { "" };

	if (!set)
		set = aws_environment_get("AWS_DEFAULT_REGION");
	if (set) {
		if (text_copy(region, AWS_REGION_SIZE, set) == STATUS_OK)
			return STATUS_OK;
	} else if (aws_profile_text(c->chain.files, c->chain.profile, "region",
				    region, AWS_REGION_SIZE) ||
		   aws_metadata_region(c->chain.wire, c->chain.files,
				       c->chain.profile, region,
				       &said) == STATUS_OK) {
		return STATUS_OK;
	}
	return reason_set(why, STATUS_CONFIG,
			  "the AWS region is not known: set region, or "
			  "AWS_REGION%s%s",
			  said.text[0] ? "; " : "", said.text);
}

/* --- keeping --------------------------------------------------------------- */

static void keep_key(struct aws_credentials *c, struct aws_key *k)
{
	int64_t now = aws_call_now(c->chain.wire), life, before;

	aws_key_clear(&c->key);
	c->key = *k;
	c->have = true;
	c->renew_us = 0;
	if (k->expires_us == 0)
		return;
	life = k->expires_us - now;
	before = life / 4 < RENEW_BEFORE ? life / 4 : RENEW_BEFORE;
	c->renew_us = k->expires_us - before;
}

static enum status renew_key(struct aws_credentials *c, struct reason *why)
{
	struct aws_key made = { .id = "" };
	int64_t now = aws_call_now(c->chain.wire);
	struct aws_profile *files = NULL;
	enum status s;

	/* The files may have been replaced by whoever renews what is in them. */
	if (c->have && aws_profile_read(&files, NULL) == STATUS_OK) {
		aws_profile_free(c->chain.files);
		c->chain.files = files;
	}
	s = aws_providers_obtain(&c->chain, &made, why);
	if (s == STATUS_OK && made.expires_us && made.expires_us <= now) {
		aws_key_clear(&made);
		s = reason_set(why, STATUS_CONFIG,
			       "the AWS credentials have expired already");
	}
	if (s == STATUS_OK) {
		keep_key(c, &made);
	} else if (c->have && c->key.expires_us > now) {
		c->renew_us = now + RENEW_PAUSE;
		s = STATUS_OK;
	}
	return s;
}

enum status aws_credentials_get(struct aws_credentials *c, struct aws_key *ret,
				struct reason *why)
{
	enum status s = STATUS_OK;
	int64_t now;

	pthread_mutex_lock(&c->lock);
	now = aws_call_now(c->chain.wire);
	if (!c->have || (c->renew_us && now >= c->renew_us))
		s = renew_key(c, why);
	if (s == STATUS_OK)
		s = aws_key_copy(&c->key, ret, why);
	pthread_mutex_unlock(&c->lock);
	return s;
}

bool aws_credentials_refused(struct aws_credentials *c, const struct aws_key *k)
{
	bool again;

	pthread_mutex_lock(&c->lock);
	/* Another thread may have renewed it meanwhile. */
	again = !c->have || strcmp(c->key.id, k->id) != 0 ||
		c->key.expires_us != k->expires_us;
	if (!again &&
	    !(aws_environment_get("AWS_ACCESS_KEY_ID") && !c->chain.explicit)) {
		c->renew_us = 1; /* long past */
		if (c->key.expires_us)
			c->key.expires_us = 1;
		again = true;
	}
	pthread_mutex_unlock(&c->lock);
	return again;
}
