/* SPDX-License-Identifier: PostgreSQL */
/* An AWS store, as its files see it. */
#ifndef KEYTURN_STORE_AWS_COMMON_H
#define KEYTURN_STORE_AWS_COMMON_H

#include "store/aws/api.h"
#include "store/aws/aws.h"

#define STORE_AWS_PREFIX_SIZE 128
#define STORE_AWS_SECRET_SIZE (STORE_AWS_PREFIX_SIZE + STORE_NAME_SIZE)
#define STORE_AWS_NAME_BYTES                                   \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789/_+=.@-"

struct store_aws {
	struct store store; /* first: what the caller holds */
	struct store_aws_api api;
	char *name;
	char prefix[STORE_AWS_PREFIX_SIZE];
	char *kms_key;
	struct json_out tags; /* [{"Key","Value"}] */
	bool create;
	bool announce;
	int64_t (*next_due)(const void *arg, const char *name, int64_t at_us);
	const void *next_due_arg;
	struct store_memory *known;
};

#endif
