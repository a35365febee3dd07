/* SPDX-License-Identifier: PostgreSQL */
/* A secret's value.  Must never drop a key that it does not know. */
#include "store/aws/content.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/store_entry.h"

enum status store_aws_content_read(const struct json_doc *answer,
				   const char *secret, struct json_doc **ret,
				   struct reason *why)
{
	struct secret *text = NULL;
	struct json_doc *d = NULL;
	enum status s;

	s = json_doc_secret(json_doc_get(answer, "SecretString"),
			    SECRET_CAP_MAX, &text);
	if (s == STATUS_NOT_FOUND)
		return reason_set(
			why, STATUS_CORRUPT,
			"the value of %s is binary and no JSON object", secret);
	if (s == STATUS_OK)
		s = json_doc_parse(secret_bytes(text), secret_len(text), "", &d,
				   NULL);
	secret_free(text);
	if (s == STATUS_NO_MEMORY)
		return reason_no_memory(why);
	if (s != STATUS_OK || !json_doc_is(d, JSON_DOC_OBJECT)) {
		json_doc_free(d);
		return reason_set(
			why, STATUS_CORRUPT,
			"the value of %s is not a JSON object: it is not a "
			"database secret",
			secret);
	}
	*ret = d;
	return STATUS_OK;
}

/* A key that is not there is "". */
static bool copy_field(const struct json_doc *d, char *dst, size_t size)
{
	int64_t number;

	dst[0] = '\0';
	if (!d || json_doc_is(d, JSON_DOC_NULL))
		return true;
	if (json_doc_int(d, &number))
		return snprintf(dst, size, "%" PRId64, number) < (int)size;
	return json_doc_copy(d, dst, size) == STATUS_OK;
}

enum status store_aws_content_entry(const struct json_doc *content,
				    const char *secret, struct store_entry *ret,
				    struct reason *why)
{
	struct store_entry e = { .password = NULL };
	enum status s;

	for (size_t i = 0; i < STORE_ENTRY_FIELDS; i++)
		if (!copy_field(json_doc_get(content,
					     store_entry_fields[i].name),
				(char *)&e + store_entry_fields[i].at,
				store_entry_fields[i].size))
			return reason_set(
				why, STATUS_CORRUPT,
				"the value of %s has an engine, host, port, "
				"dbname or username that is too long or no "
				"string",
				secret);
	s = json_doc_secret(json_doc_get(content, "password"),
			    STORE_ENTRY_PASSWORD_MAX, &e.password);
	if (s == STATUS_NO_MEMORY)
		return reason_set(why, s, "no locked memory for a secret");
	if (s != STATUS_OK || secret_len(e.password) == 0) {
		secret_free(e.password);
		return reason_set(why, STATUS_CORRUPT,
				  "the value of %s has no \"password\" that is "
				  "a string",
				  secret);
	}
	*ret = e;
	return STATUS_OK;
}

bool store_aws_content_is_plain(const struct json_doc *content)
{
	for (size_t i = 0; i < STORE_ENTRY_FIELDS; i++)
		if (!json_doc_is(json_doc_get(content,
					      store_entry_fields[i].name),
				 JSON_DOC_STRING))
			return false;
	/* The password is not always there, because it is not always known. */
	return json_doc_count(content) ==
	       STORE_ENTRY_FIELDS + (json_doc_get(content, "password") ? 1 : 0);
}

static void put_field(struct json_out *content, const char *key,
		      const char *value)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (*value && !*end && strcmp(key, "port") == 0 &&
	    json_doc_is(json_doc_get(content->doc, key), JSON_DOC_INTEGER))
		json_out_int(content, key, n);
	else if (*value)
		json_out_text(content, key, value);
}

void store_aws_content_fill(struct json_out *content,
			    const struct store_entry *entry)
{
	for (size_t i = 0; i < STORE_ENTRY_FIELDS; i++)
		put_field(content, store_entry_fields[i].name,
			  (const char *)entry + store_entry_fields[i].at);
	if (entry->password)
		json_out_secret(content, "password", entry->password);
	else
		json_out_remove(content, "password");
}
