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
static bool copy_field(const struct json_doc *content, const char *key,
		       char *dst, size_t size)
{
	const struct json_doc *d = json_doc_get(content, key);
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

	if (!copy_field(content, "engine", e.engine, sizeof(e.engine)) ||
	    !copy_field(content, "host", e.host, sizeof(e.host)) ||
	    !copy_field(content, "port", e.port, sizeof(e.port)) ||
	    !copy_field(content, "dbname", e.dbname, sizeof(e.dbname)) ||
	    !copy_field(content, "username", e.username, sizeof(e.username)))
		return reason_set(why, STATUS_CORRUPT,
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
	static const char *const keys[] = { "engine", "host", "port", "dbname",
					    "username" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!json_doc_is(json_doc_get(content, keys[i]),
				 JSON_DOC_STRING))
			return false;
	/* The password is not always there, because it is not always known. */
	return json_doc_count(content) ==
	       5 + (json_doc_get(content, "password") ? 1 : 0);
}

static void put_text(struct json_out *content, const char *key,
		     const char *value)
{
	if (*value)
		json_out_text(content, key, value);
}

static void put_port(struct json_out *content, const char *port)
{
	char *end;
	long n = strtol(port, &end, 10);

	if (*port && !*end &&
	    json_doc_is(json_doc_get(content->doc, "port"), JSON_DOC_INTEGER))
		json_out_int(content, "port", n);
	else
		put_text(content, "port", port);
}

void store_aws_content_fill(struct json_out *content,
			    const struct store_entry *entry)
{
	put_text(content, "engine", entry->engine);
	put_text(content, "host", entry->host);
	put_port(content, entry->port);
	put_text(content, "dbname", entry->dbname);
	put_text(content, "username", entry->username);
	if (entry->password)
		json_out_secret(content, "password", entry->password);
	else
		json_out_remove(content, "password");
}
