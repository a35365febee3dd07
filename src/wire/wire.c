/* SPDX-License-Identifier: PostgreSQL */
/* Turns fields into frames and back; must never read behind the bytes it was
 * given, allocate, or keep anything. */
#include "wire/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define FIELD_HEADER 3

enum kind { KIND_NONE, KIND_TEXT, KIND_NUMBER, KIND_SECRET };

struct field {
	const char *name;
	enum kind kind;
	size_t most;
};

static const struct field fields[WIRE_TAG_END] = {
#define WIRE_FIELD(name, number, kind, most, help) \
	[number] = { #name, KIND_##kind, most },
#include "wire/wire.def"
};

static const char *const operations[] = {
#define WIRE_OPERATION(name, number, right, help) [number] = #name,
#include "wire/wire.def"
};

static const struct {
	const char *sentence;
	int exit_code;
} results[WIRE_RESULT_END] = {
#define WIRE_RESULT(name, number, code, pam, sentence) \
	[number] = { sentence, code },
#include "wire/wire.def"
};

/* A set of tags is one word. */
_Static_assert(WIRE_TAG_END <= 64, "too many tags");

const char *wire_operation_name(unsigned operation)
{
	return operation < sizeof(operations) / sizeof(*operations) ?
		       operations[operation] :
		       NULL;
}

const char *wire_result_sentence(unsigned result)
{
	return result < WIRE_RESULT_END ? results[result].sentence :
					  "an unknown result";
}

int wire_result_exit(unsigned result)
{
	return result < WIRE_RESULT_END ? results[result].exit_code : 1;
}

/* ---- Checking ------------------------------------------------------------ */

/* One spelling for each number: no sign but '-', no zero in front. */
static bool read_number(const char *s, size_t n, int64_t *ret)
{
	bool minus = n > 0 && s[0] == '-';
	int64_t v = 0;
	size_t i = minus;

	if (i == n || (s[i] == '0' && (minus || n > 1)))
		return false;
	for (; i < n; i++) {
		if (s[i] < '0' || s[i] > '9' ||
		    __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, s[i] - '0', &v))
			return false;
	}
	/* Summed up below zero, where there is room for INT64_MIN. */
	if (!minus && __builtin_sub_overflow(0, v, &v))
		return false;
	*ret = v;
	return true;
}

struct cursor {
	const unsigned char *at;
	size_t left;
};

/* The next field of a body that may be damaged; NULL when it is whole, else
 * what is wrong with it. */
static const char *next_field(struct cursor *c, unsigned *ret_tag,
			      const char **ret_value, size_t *ret_n)
{
	size_t n;

	if (c->left < FIELD_HEADER)
		return "it ends inside a field";
	n = (size_t)c->at[1] << 8 | c->at[2];
	if (n > c->left - FIELD_HEADER)
		return "it ends inside a field";
	*ret_tag = c->at[0];
	*ret_value = (const char *)c->at + FIELD_HEADER;
	*ret_n = n;
	c->at += FIELD_HEADER + n;
	c->left -= FIELD_HEADER + n;
	return NULL;
}

static const char *value_fault(unsigned operation, bool reply, unsigned tag,
			       const char *value, size_t n)
{
	const struct field *f = &fields[tag];
	size_t most = f->most;
	int64_t number;

	if (tag == WIRE_TAG_PASSWORD && operation == WIRE_VERIFY && !reply)
		most = WIRE_SECRET_MAX;
	if (n > most)
		return "is too long";
	if (n == 0)
		return "is empty";
	if (f->kind == KIND_NUMBER)
		return read_number(value, n, &number) ? NULL :
							"is not a number";
	if (text_has_control(value, n))
		return "holds a control character";
	return text_is_utf8(value, n) ? NULL : "is not UTF-8";
}

static bool has_entries(unsigned operation, bool reply)
{
	return reply && (operation == WIRE_LIST || operation == WIRE_TAKE ||
			 operation == WIRE_USES);
}

/* The one check of a body, for what comes and for what we send. */
static const char *body_fault(unsigned operation, bool reply,
			      struct cursor body, const char **ret_name)
{
	uint64_t seen = 0;
	bool first = true;

	while (body.left > 0) {
		const char *value, *fault;
		unsigned tag;
		size_t n;
		int64_t result;

		*ret_name = NULL;
		fault = next_field(&body, &tag, &value, &n);
		if (fault)
			return fault;
		if (tag >= WIRE_TAG_END || fields[tag].kind == KIND_NONE)
			return "it has an unknown field";
		*ret_name = fields[tag].name;
		if ((tag == WIRE_TAG_RESULT) != (reply && first))
			return "is out of place";
		if (tag == WIRE_TAG_ROLE && has_entries(operation, reply))
			seen = 0;
		if (seen & (UINT64_C(1) << tag))
			return "is there twice";
		seen |= UINT64_C(1) << tag;
		fault = value_fault(operation, reply, tag, value, n);
		if (fault)
			return fault;
		if (tag == WIRE_TAG_RESULT && read_number(value, n, &result) &&
		    (result < 0 || result >= WIRE_RESULT_END))
			return "is unknown";
		first = false;
	}
	*ret_name = NULL;
	return reply && first ? "it has no result" : NULL;
}

/* ---- Building ------------------------------------------------------------ */

static size_t frame_max(bool reply)
{
	return reply ? WIRE_REPLY_MAX : WIRE_REQUEST_MAX;
}

static enum status set_failed(struct wire_out *o, enum status s)
{
	if (o->failed == STATUS_OK)
		o->failed = s;
	return o->failed;
}

void wire_begin(struct wire_out *o, void *bytes, size_t size, unsigned kind)
{
	size_t most = frame_max((kind & WIRE_REPLY) != 0);

	*o = (struct wire_out){ .bytes = bytes,
				.size = size < most ? size : most,
				.failed = STATUS_OK };
	if (o->size < WIRE_HEADER_SIZE) {
		set_failed(o, STATUS_LIMIT);
		return;
	}
	o->bytes[0] = 'K';
	o->bytes[1] = 'T';
	o->bytes[2] = WIRE_PROTOCOL;
	o->bytes[3] = (unsigned char)kind;
	o->len = WIRE_HEADER_SIZE;
}

void wire_put(struct wire_out *o, enum wire_tag tag, const void *bytes,
	      size_t n)
{
	unsigned char *at;

	if (o->failed != STATUS_OK || n == 0)
		return;
	if (n > UINT16_MAX) {
		set_failed(o, STATUS_REFUSED);
		return;
	}
	if (n + FIELD_HEADER > o->size - o->len) {
		set_failed(o, STATUS_LIMIT);
		return;
	}
	at = o->bytes + o->len;
	at[0] = (unsigned char)tag;
	at[1] = (unsigned char)(n >> 8);
	at[2] = (unsigned char)n;
	memcpy(at + FIELD_HEADER, bytes, n);
	o->len += FIELD_HEADER + n;
}

void wire_put_text(struct wire_out *o, enum wire_tag tag, const char *text)
{
	if (text)
		wire_put(o, tag, text, strlen(text));
}

void wire_put_number(struct wire_out *o, enum wire_tag tag, int64_t number)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, number);
	wire_put_text(o, tag, digits);
}

enum status wire_end(struct wire_out *o, size_t *ret_len)
{
	const char *name;
	unsigned operation;
	size_t body;
	bool reply;

	if (o->failed == STATUS_OK) {
		body = o->len - WIRE_HEADER_SIZE;
		operation = o->bytes[3] & ~(unsigned)WIRE_REPLY;
		reply = (o->bytes[3] & WIRE_REPLY) != 0;
		for (int i = 0; i < 4; i++)
			o->bytes[4 + i] = (unsigned char)(body >> (24 - 8 * i));
		if (!wire_operation_name(operation) ||
		    body_fault(operation, reply,
			       (struct cursor){ o->bytes + WIRE_HEADER_SIZE,
						body },
			       &name))
			set_failed(o, STATUS_REFUSED);
	}
	if (o->failed != STATUS_OK) {
		explicit_bzero(o->bytes, o->len);
		o->len = 0;
		return o->failed;
	}
	*ret_len = o->len;
	return STATUS_OK;
}

size_t wire_room(const struct wire_out *o)
{
	return o->failed == STATUS_OK ? o->size - o->len : 0;
}

/* ---- Reading ------------------------------------------------------------- */

static const char *header_fault(const unsigned char *h, bool reply,
				size_t *ret_len)
{
	size_t body = (size_t)h[4] << 24 | (size_t)h[5] << 16 |
		      (size_t)h[6] << 8 | h[7];

	if (h[0] != 'K' || h[1] != 'T')
		return "it does not begin with KT";
	if (h[2] != WIRE_PROTOCOL)
		return "its version is not ours";
	if (!wire_operation_name(h[3] & ~(unsigned)WIRE_REPLY))
		return "its operation is unknown";
	if (((h[3] & WIRE_REPLY) != 0) != reply)
		return reply ? "it is a request" : "it is a reply";
	if (body > frame_max(reply) - WIRE_HEADER_SIZE)
		return "it is too long";
	*ret_len = WIRE_HEADER_SIZE + body;
	return NULL;
}

enum status wire_frame_len(const unsigned char header[WIRE_HEADER_SIZE],
			   bool reply, size_t *ret_len)
{
	size_t len;

	if (header_fault(header, reply, &len))
		return STATUS_REFUSED;
	*ret_len = len;
	return STATUS_OK;
}

enum status wire_parse(const void *frame, size_t len, bool reply,
		       struct wire_message *ret, struct reason *why)
{
	const char *what = reply ? "reply" : "request";
	const unsigned char *h = frame;
	const char *fault, *name = NULL;
	size_t want = 0;

	if (len < WIRE_HEADER_SIZE)
		return reason_set(why, STATUS_REFUSED,
				  "the %s is malformed: it ends inside its "
				  "header",
				  what);
	fault = header_fault(h, reply, &want);
	if (!fault && want != len)
		fault = "its length is not what its header says";
	if (!fault)
		fault = body_fault(h[3] & ~(unsigned)WIRE_REPLY, reply,
				   (struct cursor){ h + WIRE_HEADER_SIZE,
						    len - WIRE_HEADER_SIZE },
				   &name);
	if (fault)
		return reason_set(why, STATUS_REFUSED,
				  "the %s is malformed: %s%s%s", what,
				  name ? name : "", name ? " " : "", fault);
	*ret = (struct wire_message){
		.operation = h[3] & ~(unsigned)WIRE_REPLY,
		.reply = reply,
		.body = h + WIRE_HEADER_SIZE,
		.len = len - WIRE_HEADER_SIZE,
	};
	return STATUS_OK;
}

const char *wire_find(const struct wire_message *m, enum wire_tag tag,
		      size_t *ret_len)
{
	struct cursor c = { m->body, m->len };
	const char *value;
	unsigned found;
	size_t n;

	while (c.left > 0 && !next_field(&c, &found, &value, &n)) {
		if (found != tag)
			continue;
		*ret_len = n;
		return value;
	}
	return NULL;
}

bool wire_text(const struct wire_message *m, enum wire_tag tag, char *ret,
	       size_t size)
{
	size_t n;
	const char *value = wire_find(m, tag, &n);

	if (size == 0)
		return false;
	ret[0] = '\0';
	if (!value || n >= size)
		return false;
	memcpy(ret, value, n);
	ret[n] = '\0';
	return true;
}

int64_t wire_number(const struct wire_message *m, enum wire_tag tag,
		    int64_t otherwise)
{
	size_t n;
	const char *value = wire_find(m, tag, &n);
	int64_t number;

	return value && read_number(value, n, &number) ? number : otherwise;
}

bool wire_entry(const struct wire_message *m, size_t *at,
		struct wire_message *ret_entry)
{
	struct cursor c = { m->body + *at, m->len - *at };
	const unsigned char *begin = NULL;
	const char *value;
	unsigned tag;
	size_t n;

	while (c.left > 0) {
		const unsigned char *field = c.at;

		if (next_field(&c, &tag, &value, &n))
			return false;
		if (tag != WIRE_TAG_ROLE)
			continue;
		if (begin) {
			c.at = field;
			break;
		}
		begin = field;
	}
	if (!begin)
		return false;
	*ret_entry = *m;
	ret_entry->body = begin;
	ret_entry->len = (size_t)(c.at - begin);
	*at = (size_t)(c.at - m->body);
	return true;
}
