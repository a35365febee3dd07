/* SPDX-License-Identifier: PostgreSQL */
/* Requests to Secrets Manager, and what answers say. */
#ifndef KEYTURN_STORE_AWS_ASK_H
#define KEYTURN_STORE_AWS_ASK_H

#include "store/aws/common.h"

/* The name in Secrets Manager.  STATUS_REFUSED: AWS refuses it. */
enum status store_aws_ask_name(struct store_aws *s, const char *name,
			       char secret[STORE_AWS_SECRET_SIZE],
			       struct reason *why);

/* {"SecretId": secret, key: value, ...}, keys and values in pairs up to NULL. */
struct json_out store_aws_ask_body(const char *secret,
				   const char *const *pairs);

/* store_aws_api_do(); body is freed. */
enum status store_aws_ask(struct store_aws *s, const char *action,
			  struct json_out *body, enum store_aws_api_kind kind,
			  struct json_doc **ret,
			  enum store_aws_api_fault *ret_fault,
			  struct reason *why);

/* Is a member of an answer this text? */
bool store_aws_ask_says(const struct json_doc *answer, const char *key,
			const char *value);

#endif
