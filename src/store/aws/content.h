/* SPDX-License-Identifier: PostgreSQL */
/* A secret's value: one flat JSON object in AWS's database-secret shape, whose
 * other keys belong to somebody else and are kept. */
#ifndef KEYTURN_STORE_AWS_CONTENT_H
#define KEYTURN_STORE_AWS_CONTENT_H

#include "store/store.h"
#include "json/json_out.h"

/* The object in GetSecretValue's answer; the caller's.  STATUS_CORRUPT: binary,
 * or no JSON object. */
enum status store_aws_content_read(const struct json_doc *answer,
				   const char *secret, struct json_doc **ret,
				   struct reason *why);

/* STATUS_CORRUPT when there is no password, or a field that does not fit. */
enum status store_aws_content_entry(const struct json_doc *content,
				    const char *secret, struct store_entry *ret,
				    struct reason *why);

/* Does it have all of our fields as strings, and no other key?  Then it may be
 * made from an entry that has all of them. */
bool store_aws_content_is_plain(const struct json_doc *content);

/* Put the entry's fields in; an empty one leaves what is there, a port that was
 * a number stays one.  Without a password, that key is taken out. */
void store_aws_content_fill(struct json_out *content,
			    const struct store_entry *entry);

#endif
