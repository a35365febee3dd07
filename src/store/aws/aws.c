/* SPDX-License-Identifier: PostgreSQL */
/* The store in AWS Secrets Manager: opening and closing; what it does is in the
 * files beside.  Must never ask AWS for anything before it is used. */
#include "store/aws/aws.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/aws/common.h"
#include "store/aws/known.h"
#include "store/store_memory.h"
#include "store/store_refuse.h"

static enum status check_canary(struct store *store, struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	struct aws_key key = { .id = "" };
	enum status st = aws_credentials_get(s->api.credentials, &key, why);

	aws_key_clear(&key);
	return store_refuse_wrap(s->name, st, why);
}

static void close_store(struct store *store)
{
	struct store_aws *s = (struct store_aws *)store;

	if (!s)
		return;
	store_memory_free(s->known);
	aws_credentials_free(s->api.credentials);
	http_close(s->api.wire.http);
	json_out_free(&s->tags);
	free(s->kms_key);
	free(s->name);
	free(s);
}

static const struct store_ops ops = {
	.type = "aws",
	.by_label = true,
	.canary = check_canary,
	.ready = store_aws_label_ready,
	.describe = store_aws_read_describe,
	.fetch = store_aws_read_fetch,
	.stage = store_aws_stage,
	.promote = store_aws_label_promote,
	.retire = store_aws_label_retire,
	.withdraw = store_aws_label_withdraw,
	.close = close_store,
};

static const char *set_or_null(const char *s)
{
	return s && *s ? s : NULL;
}

static enum status copy_settings(struct store_aws *s,
				 const struct store_aws_options *o,
				 struct reason *why)
{
	const char *kms = set_or_null(o->kms_key);
	enum status st = STATUS_OK;

	s->create = o->create;
	s->announce = o->announce;
	s->next_due = o->next_due;
	s->next_due_arg = o->next_due_arg;
	s->name = strdup(o->name);
	if (kms)
		s->kms_key = strdup(kms);
	if (!s->name || (kms && !s->kms_key))
		return reason_no_memory(why);
	if (text_copy(s->prefix, sizeof(s->prefix),
		      o->prefix ? o->prefix : "") != STATUS_OK ||
	    strspn(s->prefix, STORE_AWS_NAME_BYTES) != strlen(s->prefix))
		return reason_set(why, STATUS_CONFIG,
				  "the prefix may have letters, digits and "
				  "/_+=.@- only, and %d of them",
				  STORE_AWS_PREFIX_SIZE - 1);
	s->tags = json_out_array();
	for (size_t i = 0; i < o->n_tags && st == STATUS_OK; i++)
		st = store_aws_tag_add(&s->tags, o->tags[i], why);
	return st;
}

static enum status open_wire(struct store_aws *s,
			     const struct store_aws_options *o,
			     struct reason *why)
{
	const struct http_options ho = { .ca_file = o->ca_file,
					 .now = o->now,
					 .random = o->random };

	s->api.wire.now = o->now;
	s->api.wire.random = o->random;
	s->api.wire.timeout_us = o->timeout_us;
	return http_open(&ho, &s->api.wire.http, why);
}

static enum status open_api(struct store_aws *s,
			    const struct store_aws_options *o,
			    struct reason *why)
{
	struct store_aws_api *a = &s->api;
	const struct aws_credentials_options co = {
		.profile = o->profile,
		.fips = o->fips,
		.dualstack = o->dualstack,
		.wire = &a->wire,
	};
	struct aws_endpoint_query q = {
		.given = o->endpoint,
		.service = "secretsmanager",
		.variable = "AWS_ENDPOINT_URL_SECRETS_MANAGER",
		.section = "secrets_manager",
		.region = a->region,
		.fips = o->fips,
		.dualstack = o->dualstack,
	};
	enum status st = aws_credentials_new(&co, &a->credentials, why);

	if (st != STATUS_OK)
		return st;
	if (set_or_null(o->region))
		st = text_copy(a->region, sizeof(a->region), o->region);
	else
		st = aws_credentials_region(a->credentials, a->region, why);
	if (st == STATUS_OK || st == STATUS_LIMIT)
		st = aws_endpoint_check_region(
			st == STATUS_OK ? a->region : o->region, why);
	if (st != STATUS_OK)
		return st;
	aws_credentials_set_region(a->credentials, a->region);
	return aws_endpoint_find(&q, aws_credentials_files(a->credentials),
				 aws_credentials_profile(a->credentials),
				 &a->endpoint, why);
}

enum status store_aws_open(const struct store_aws_options *o,
			   struct store **ret_store, struct reason *why)
{
	struct store_aws *s = calloc(1, sizeof(*s));
	enum status st;

	if (!s)
		return reason_no_memory(why);
	s->store.ops = &ops;
	st = store_memory_new(sizeof(struct store_aws_known), &s->known);
	if (st != STATUS_OK)
		reason_no_memory(why);
	if (st == STATUS_OK)
		st = copy_settings(s, o, why);
	if (st == STATUS_OK)
		st = open_wire(s, o, why);
	if (st == STATUS_OK)
		st = open_api(s, o, why);
	if (st != STATUS_OK) {
		close_store(&s->store);
		return reason_wrap(why, st, "[store %s]", o->name);
	}
	s->store.name = s->name;
	*ret_store = &s->store;
	return STATUS_OK;
}
