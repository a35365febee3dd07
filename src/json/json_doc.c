/* SPDX-License-Identifier: PostgreSQL */
/*
 * JSON documents over jansson.  Must never let a byte of a document into a
 * reason, nor give back memory that still holds one.
 */
#include "json/json_doc.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY)

static const json_t *value_of(const struct json_doc *d)
{
	return (const json_t *)d;
}

static const struct json_doc *out_of(const json_t *j)
{
	return (const struct json_doc *)j;
}

/* jansson 2.14 grows its buffers by malloc, copy and free, so that these two
 * are all of it. */
static void install_allocator(void)
{
	json_set_alloc_funcs(malloc, secret_wipe_free);
}

void json_doc_setup(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install_allocator);
}

/* ---- parsing ----------------------------------------------------------- */

/*
 * Are there few enough levels and values?  jansson has a limit of 2048 levels
 * and none on values; a walk over the bytes is cheaper than finding out by
 * allocating.  What is no JSON at all is left to the parser.
 */
static bool within_limits(const char *p, size_t n)
{
	size_t depth = 0, nodes = 1, i;
	bool quoted = false;

	for (i = 0; i < n; i++) {
		if (quoted) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				quoted = false;
			continue;
		}
		switch (p[i]) {
		case '"':
			quoted = true;
			break;
		case '{':
		case '[':
			depth++;
			nodes++;
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			break;
		case ',':
			nodes++;
			break;
		}
		if (depth > JSON_DOC_DEPTH_MAX || nodes > JSON_DOC_NODES_MAX)
			return false;
	}
	return true;
}

/* In our words only: error->text quotes what stands near the error. */
static const char *explain_error(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_premature_end_of_input:
		return "it ends too early";
	case json_error_end_of_input_expected:
		return "there are bytes behind its end";
	case json_error_invalid_utf8:
		return "it holds invalid UTF-8";
	case json_error_duplicate_key:
		return "a key is there twice";
	case json_error_numeric_overflow:
		return "a number is too large";
	case json_error_null_byte_in_key:
	case json_error_null_character:
		return "a key holds a NUL";
	case json_error_stack_overflow:
		return "it is nested too deeply";
	default:
		return "it is not JSON";
	}
}

enum status json_doc_parse(const char *bytes, size_t n, const char *what,
			   struct json_doc **ret_doc, struct reason *why)
{
	json_error_t error;
	json_t *j;

	json_doc_setup();
	if (n > JSON_DOC_BYTES_MAX)
		return reason_set(why, STATUS_ERROR,
				  "%s is larger than %zu bytes", what,
				  JSON_DOC_BYTES_MAX);
	if (n == 0)
		return reason_set(why, STATUS_ERROR, "%s is empty", what);
	if (!within_limits(bytes, n))
		return reason_set(why, STATUS_ERROR,
				  "%s has more than %d levels or %d values",
				  what, JSON_DOC_DEPTH_MAX, JSON_DOC_NODES_MAX);
	j = json_loadb(bytes, n,
		       JSON_REJECT_DUPLICATES | JSON_DECODE_ANY |
			       JSON_ALLOW_NUL,
		       &error);
	if (!j) {
		enum status s = json_error_code(&error) ==
						json_error_out_of_memory ?
					STATUS_NO_MEMORY :
					STATUS_ERROR;

		reason_set(why, s, "%s, line %d, column %d: %s", what,
			   error.line, error.column, explain_error(&error));
		secret_wipe(&error, sizeof(error));
		return s;
	}
	*ret_doc = (struct json_doc *)j;
	return STATUS_OK;
}

void json_doc_free(struct json_doc *d)
{
	json_decref((json_t *)d);
}

/* ---- reading ----------------------------------------------------------- */

bool json_doc_is(const struct json_doc *d, enum json_doc_kind kind)
{
	static const json_type types[] = {
		[JSON_DOC_OBJECT] = JSON_OBJECT,
		[JSON_DOC_ARRAY] = JSON_ARRAY,
		[JSON_DOC_STRING] = JSON_STRING,
		[JSON_DOC_INTEGER] = JSON_INTEGER,
		[JSON_DOC_REAL] = JSON_REAL,
		[JSON_DOC_BOOLEAN] = JSON_TRUE,
		[JSON_DOC_NULL] = JSON_NULL,
	};

	if (!d)
		return false;
	if (kind == JSON_DOC_BOOLEAN)
		return json_is_boolean(value_of(d));
	return json_typeof(value_of(d)) == types[kind];
}

const struct json_doc *json_doc_get(const struct json_doc *d, const char *key)
{
	return out_of(json_object_get(value_of(d), key));
}

const struct json_doc *json_doc_path(const struct json_doc *d, const char *path)
{
	char key[64];
	size_t n;

	for (;;) {
		n = strcspn(path, ".");
		if (n >= sizeof(key))
			return NULL;
		memcpy(key, path, n);
		key[n] = '\0';
		d = json_doc_get(d, key);
		if (!d || path[n] == '\0')
			return d;
		path += n + 1;
	}
}

size_t json_doc_count(const struct json_doc *d)
{
	return json_is_array(value_of(d)) ? json_array_size(value_of(d)) :
					    json_object_size(value_of(d));
}

const struct json_doc *json_doc_at(const struct json_doc *d, size_t i)
{
	return out_of(json_array_get(value_of(d), i));
}

const void *json_doc_next(const struct json_doc *d, const void *i,
			  const char **ret_key,
			  const struct json_doc **ret_value)
{
	/* jansson's iterators want a writable object, and change nothing. */
	json_t *j = (json_t *)d;
	void *next = i ? json_object_iter_next(j, (void *)i) :
			 json_object_iter(j);

	if (!next)
		return NULL;
	*ret_key = json_object_iter_key(next);
	*ret_value = out_of(json_object_iter_value(next));
	return next;
}

const char *json_doc_text(const struct json_doc *d)
{
	const char *s = json_string_value(value_of(d));

	return s && strlen(s) == json_string_length(value_of(d)) ? s : NULL;
}

size_t json_doc_text_len(const struct json_doc *d)
{
	return json_string_length(value_of(d));
}

enum status json_doc_copy(const struct json_doc *d, char *dst, size_t size)
{
	const char *s = json_doc_text(d);

	dst[0] = '\0';
	if (s)
		return text_copy(dst, size, s);
	return json_doc_is(d, JSON_DOC_STRING) ? STATUS_LIMIT :
						 STATUS_NOT_FOUND;
}

enum status json_doc_secret(const struct json_doc *d, size_t max,
			    struct secret **ret_secret)
{
	size_t n = json_doc_text_len(d);

	if (!json_doc_is(d, JSON_DOC_STRING))
		return STATUS_NOT_FOUND;
	if (n > max)
		return STATUS_LIMIT;
	return n == 0 ? secret_new(1, ret_secret) :
			secret_from(json_string_value(value_of(d)), n,
				    ret_secret);
}

bool json_doc_int(const struct json_doc *d, int64_t *ret_value)
{
	double real;

	if (json_is_integer(value_of(d))) {
		*ret_value = json_integer_value(value_of(d));
		return true;
	}
	if (!json_is_real(value_of(d)))
		return false;
	real = json_real_value(value_of(d));
	/* -2^63 is a double, 2^63 - 1 is not. */
	if (!(real >= -0x1p63 && real < 0x1p63) || real != trunc(real))
		return false;
	*ret_value = (int64_t)real;
	return true;
}

bool json_doc_real(const struct json_doc *d, double *ret_value)
{
	if (!json_is_number(value_of(d)))
		return false;
	*ret_value = json_number_value(value_of(d));
	return true;
}

bool json_doc_bool(const struct json_doc *d, bool otherwise)
{
	return json_doc_is(d, JSON_DOC_BOOLEAN) ? json_is_true(value_of(d)) :
						  otherwise;
}

bool json_doc_says(const struct json_doc *d, const char *text)
{
	const char *said = json_doc_text(d);

	return said && strcmp(said, text) == 0;
}

bool json_doc_lists(const struct json_doc *d, const char *text)
{
	size_t i;

	for (i = 0; i < json_doc_count(d); i++)
		if (json_doc_says(json_doc_at(d, i), text))
			return true;
	return false;
}

bool json_doc_equal(const struct json_doc *a, const struct json_doc *b)
{
	return a && b && json_equal(value_of(a), value_of(b));
}

/* ---- writing ----------------------------------------------------------- */

enum status json_doc_write(const struct json_doc *d, size_t max,
			   struct json_doc_bytes *ret_bytes)
{
	size_t n = json_dumpb(value_of(d), NULL, 0, DUMP_FLAGS);
	char *bytes;

	if (n == 0)
		return STATUS_NO_MEMORY;
	if (n > max)
		return STATUS_LIMIT;
	bytes = malloc(n + 1);
	if (!bytes)
		return STATUS_NO_MEMORY;
	if (json_dumpb(value_of(d), bytes, n, DUMP_FLAGS) != n) {
		secret_wipe_free(bytes);
		return STATUS_NO_MEMORY;
	}
	bytes[n] = '\0';
	ret_bytes->bytes = bytes;
	ret_bytes->n = n;
	return STATUS_OK;
}

void json_doc_bytes_free(struct json_doc_bytes *b)
{
	secret_wipe_free(b->bytes);
	b->bytes = NULL;
	b->n = 0;
}
