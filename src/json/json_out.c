/* SPDX-License-Identifier: PostgreSQL */
/*
 * JSON documents that are made, over jansson.  Must never write one in which
 * something is missing.
 */
#include "json/json_out.h"

#include <jansson.h>
#include <string.h>

#include "base/text.h"

static json_t *value_of(struct json_out *o)
{
	return (json_t *)o->doc;
}

static void hold_error(struct json_out *o, enum status s)
{
	if (o->status == STATUS_OK)
		o->status = s;
}

struct json_out json_out_from(struct json_doc *d)
{
	return (struct json_out){ d, d ? STATUS_OK : STATUS_NO_MEMORY };
}

struct json_out json_out_object(void)
{
	json_doc_setup();
	return json_out_from((struct json_doc *)json_object());
}

struct json_out json_out_array(void)
{
	json_doc_setup();
	return json_out_from((struct json_doc *)json_array());
}

struct json_out json_out_copy(const struct json_doc *d)
{
	return json_out_from(
		(struct json_doc *)json_deep_copy((const json_t *)d));
}

void json_out_free(struct json_out *o)
{
	json_doc_free(o->doc);
	o->doc = NULL;
}

/* Takes the value, which is NULL without memory. */
static void add_value(struct json_out *o, const char *key, json_t *value)
{
	json_t *to = value_of(o);

	if (!value)
		hold_error(o, STATUS_NO_MEMORY);
	else if (key ? !json_is_object(to) : !json_is_array(to))
		hold_error(o, STATUS_ERROR);
	else if (key && !text_is_utf8(key, strlen(key)))
		hold_error(o, STATUS_ERROR);
	if (o->status != STATUS_OK) {
		json_decref(value);
		return;
	}
	/* Both take the value, and free it when they fail. */
	if ((key ? json_object_set_new_nocheck(to, key, value) :
		   json_array_append_new(to, value)) != 0)
		hold_error(o, STATUS_NO_MEMORY);
}

void json_out_bytes(struct json_out *o, const char *key, const char *value,
		    size_t n)
{
	/* jansson answers NULL both for no memory and for bytes that are no
	 * UTF-8. */
	if (!text_is_utf8(value, n))
		hold_error(o, STATUS_ERROR);
	else
		add_value(o, key, json_stringn_nocheck(value, n));
}

void json_out_text(struct json_out *o, const char *key, const char *value)
{
	json_out_bytes(o, key, value, strlen(value));
}

void json_out_secret(struct json_out *o, const char *key,
		     const struct secret *value)
{
	json_out_bytes(o, key, secret_bytes(value), secret_len(value));
}

void json_out_int(struct json_out *o, const char *key, int64_t value)
{
	add_value(o, key, json_integer(value));
}

void json_out_bool(struct json_out *o, const char *key, bool value)
{
	add_value(o, key, json_boolean(value));
}

void json_out_null(struct json_out *o, const char *key)
{
	add_value(o, key, json_null());
}

void json_out_put(struct json_out *o, const char *key, struct json_out *value)
{
	if (value->status != STATUS_OK) {
		hold_error(o, value->status);
		json_out_free(value);
		return;
	}
	add_value(o, key, value_of(value));
	value->doc = NULL;
}

void json_out_remove(struct json_out *o, const char *key)
{
	json_object_del(value_of(o), key);
}

enum status json_out_write(const struct json_out *o, size_t max,
			   struct json_doc_bytes *ret_bytes)
{
	return o->status == STATUS_OK ? json_doc_write(o->doc, max, ret_bytes) :
					o->status;
}

enum status json_out_write_secret(const struct json_out *o,
				  struct secret **ret_secret)
{
	struct json_doc_bytes b = { 0 };
	enum status s = json_out_write(o, SECRET_CAP_MAX, &b);

	if (s == STATUS_OK)
		s = secret_from(b.bytes, b.n, ret_secret);
	json_doc_bytes_free(&b);
	return s;
}
