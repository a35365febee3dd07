/* SPDX-License-Identifier: PostgreSQL */
/* JSON from a caller's standard input; must never read behind its end, recurse
 * without a bound or take half of a broken document. */
#include "helpers/credential_json.h"

#include <stdint.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"

#define DEPTH_MAX   32
#define MEMBERS_MAX 8 /* wanted ones */

struct in {
	const char *at, *end;
	const char *fault; /* the first */
	int depth;
};

/* Where a string goes: nowhere, or into bytes with a NUL behind. */
struct target {
	char *bytes;
	size_t size, len;
};

static bool set_fault(struct in *in, const char *fault)
{
	if (in->fault == NULL)
		in->fault = fault;
	return false;
}

static void skip_space(struct in *in)
{
	while (in->at < in->end && memchr(" \t\r\n", *in->at, 4) != NULL)
		in->at++;
}

static bool take_char(struct in *in, char c)
{
	skip_space(in);
	if (in->at >= in->end || *in->at != c)
		return false;
	in->at++;
	return true;
}

static bool add_bytes(struct in *in, struct target *t, const char *s, size_t n)
{
	if (t == NULL)
		return true;
	if (n >= t->size - t->len)
		return set_fault(in, "has a string that is too long");
	memcpy(t->bytes + t->len, s, n);
	t->len += n;
	t->bytes[t->len] = '\0';
	return true;
}

static bool add_character(struct in *in, struct target *t, uint32_t c)
{
	char s[4];
	size_t n;

	if (c == 0 && t != NULL)
		return set_fault(in, "has a string with a NUL");
	if (c < 0x80) {
		s[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		s[0] = (char)(0xC0 | c >> 6);
		s[1] = (char)(0x80 | (c & 0x3F));
		n = 2;
	} else if (c < 0x10000) {
		s[0] = (char)(0xE0 | c >> 12);
		s[1] = (char)(0x80 | (c >> 6 & 0x3F));
		s[2] = (char)(0x80 | (c & 0x3F));
		n = 3;
	} else {
		s[0] = (char)(0xF0 | c >> 18);
		s[1] = (char)(0x80 | (c >> 12 & 0x3F));
		s[2] = (char)(0x80 | (c >> 6 & 0x3F));
		s[3] = (char)(0x80 | (c & 0x3F));
		n = 4;
	}
	return add_bytes(in, t, s, n);
}

/* Four hex digits. */
static bool read_unit(struct in *in, uint32_t *ret)
{
	unsigned char bytes[2];

	if (in->end - in->at < 4)
		return set_fault(in, "ends inside of \\u");
	if (encode_unhex(in->at, bytes, sizeof(bytes)) != STATUS_OK)
		return set_fault(in, "has \\u without four hex digits");
	in->at += 4;
	*ret = (uint32_t)bytes[0] << 8 | bytes[1];
	return true;
}

static bool read_u(struct in *in, struct target *t)
{
	uint32_t c, low;

	if (!read_unit(in, &c))
		return false;
	if (c >= 0xDC00 && c <= 0xDFFF)
		return set_fault(in, "has half of a surrogate pair");
	if (c >= 0xD800 && c <= 0xDBFF) {
		if (in->end - in->at < 2 || memcmp(in->at, "\\u", 2) != 0)
			return set_fault(in, "has half of a surrogate pair");
		in->at += 2;
		if (!read_unit(in, &low))
			return false;
		if (low < 0xDC00 || low > 0xDFFF)
			return set_fault(in, "has half of a surrogate pair");
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
	}
	return add_character(in, t, c);
}

static bool read_escape(struct in *in, struct target *t)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char c;

	if (in->at >= in->end)
		return set_fault(in, "ends inside of a string");
	c = *in->at++;
	if (c == 'u')
		return read_u(in, t);
	found = c != '\0' ? strchr(from, c) : NULL;
	if (found == NULL)
		return set_fault(in, "has an unknown escape in a string");
	return add_bytes(in, t, &to[found - from], 1);
}

/* Behind the opening quote. */
static bool read_string(struct in *in, struct target *t)
{
	while (in->at < in->end) {
		unsigned char c = (unsigned char)*in->at;
		size_t n = text_utf8_length(in->at, (size_t)(in->end - in->at));

		if (c < 0x20 || n == 0)
			return set_fault(in,
					 "has a control character or no UTF-8 "
					 "in a string");
		if (c == '\\') {
			in->at++;
			if (!read_escape(in, t))
				return false;
			continue;
		}
		if (c == '"') {
			in->at++;
			return true;
		}
		if (!add_bytes(in, t, in->at, n))
			return false;
		in->at += n;
	}
	return set_fault(in, "ends inside of a string");
}

static bool skip_digits(struct in *in)
{
	const char *begin = in->at;

	while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
		in->at++;
	return in->at > begin;
}

static bool read_number(struct in *in)
{
	bool good;

	if (in->at < in->end && *in->at == '-')
		in->at++;
	if (in->at < in->end && *in->at == '0') {
		in->at++;
		good = true;
	} else
		good = skip_digits(in);
	if (good && in->at < in->end && *in->at == '.') {
		in->at++;
		good = skip_digits(in);
	}
	if (good && in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
		in->at++;
		if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
			in->at++;
		good = skip_digits(in);
	}
	return good || set_fault(in, "has something that is not a value");
}

static bool read_word(struct in *in, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(in->end - in->at) < n || memcmp(in->at, word, n) != 0)
		return set_fault(in, "has something that is not a value");
	in->at += n;
	return true;
}

static bool read_value(struct in *in);

static bool read_array(struct in *in)
{
	if (take_char(in, ']'))
		return true;
	do
		if (!read_value(in))
			return false;
	while (take_char(in, ','));
	return take_char(in, ']') ||
	       set_fault(in, "has an array without an end");
}

static bool read_object(struct in *in)
{
	if (take_char(in, '}'))
		return true;
	do {
		if (!take_char(in, '"'))
			return set_fault(in, "has a member without a name");
		if (!read_string(in, NULL))
			return false;
		if (!take_char(in, ':'))
			return set_fault(in, "has a member without a value");
		if (!read_value(in))
			return false;
	} while (take_char(in, ','));
	return take_char(in, '}') ||
	       set_fault(in, "has an object without an end");
}

static bool read_value(struct in *in)
{
	bool good;

	skip_space(in);
	if (in->at >= in->end)
		return set_fault(in, "ends too early");
	if (in->depth >= DEPTH_MAX)
		return set_fault(in, "is nested too deeply");
	in->depth++;
	if (take_char(in, '"'))
		good = read_string(in, NULL);
	else if (take_char(in, '{'))
		good = read_object(in);
	else if (take_char(in, '['))
		good = read_array(in);
	else if (*in->at == 't')
		good = read_word(in, "true");
	else if (*in->at == 'f')
		good = read_word(in, "false");
	else if (*in->at == 'n')
		good = read_word(in, "null");
	else
		good = read_number(in);
	in->depth--;
	return good;
}

/* A member of the outermost object, behind the opening quote of its name. */
static bool read_member(struct in *in, const struct credential_json *wanted,
			size_t n_wanted, bool *seen)
{
	char name_bytes[64];
	struct target name = { name_bytes, sizeof(name_bytes), 0 };
	const char *begin = in->at;

	name_bytes[0] = '\0';
	/* A name that does not fit is none of the wanted. */
	if (!read_string(in, &name)) {
		in->at = begin;
		in->fault = NULL;
		name_bytes[0] = '\0';
		if (!read_string(in, NULL))
			return false;
	}
	if (!take_char(in, ':'))
		return set_fault(in, "has a member without a value");
	for (size_t i = 0; i < n_wanted; i++) {
		struct target value = { wanted[i].to, wanted[i].size, 0 };

		if (strcmp(name_bytes, wanted[i].name) != 0)
			continue;
		if (seen[i])
			return set_fault(in, "has a member twice");
		seen[i] = true;
		if (!take_char(in, '"'))
			return set_fault(
				in, "has a member that should be a string");
		return read_string(in, &value);
	}
	return read_value(in);
}

const char *credential_json_read(const char *bytes, size_t n,
				 const struct credential_json *wanted,
				 size_t n_wanted)
{
	struct in in = { .at = bytes, .end = bytes + n };
	bool seen[MEMBERS_MAX] = { false };

	for (size_t i = 0; i < n_wanted; i++)
		wanted[i].to[0] = '\0';
	if (n_wanted > MEMBERS_MAX || !take_char(&in, '{'))
		return "is not a JSON object";
	if (!take_char(&in, '}')) {
		do {
			if (!take_char(&in, '"'))
				return "has a member without a name";
			if (!read_member(&in, wanted, n_wanted, seen))
				return in.fault;
		} while (take_char(&in, ','));
		if (!take_char(&in, '}'))
			return "has an object without an end";
	}
	skip_space(&in);
	return in.at == in.end ? NULL : "has something behind its end";
}
