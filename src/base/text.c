/* SPDX-License-Identifier: PostgreSQL */
/* Growing strings and checks on untrusted bytes; must never hold a secret,
 * because growth leaves unwiped copies behind. */
#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

struct text text_make(size_t max)
{
	struct text t = { .bytes = NULL, .max = max, .failed = STATUS_OK };

	return t;
}

void text_free(struct text *t)
{
	if (t == NULL)
		return;
	free(t->bytes);
	*t = text_make(t->max);
}

void text_reset(struct text *t)
{
	t->len = 0;
	t->failed = STATUS_OK;
	if (t->bytes != NULL)
		t->bytes[0] = '\0';
}

/* Make room for n more bytes and a NUL; remembers why it could not. */
static bool reserve_bytes(struct text *t, size_t n)
{
	size_t need, cap;
	char *bytes;

	if (t->failed != STATUS_OK)
		return false;
	if (n > t->max - t->len || t->max >= SIZE_MAX / 2) {
		t->failed = STATUS_LIMIT;
		return false;
	}
	need = t->len + n + 1;
	if (need <= t->cap)
		return true;
	cap = t->cap < FIRST_CAP ? FIRST_CAP : t->cap * 2;
	if (cap > t->max + 1)
		cap = t->max + 1;
	if (cap < need)
		cap = need;
	bytes = realloc(t->bytes, cap);
	if (bytes == NULL) {
		t->failed = STATUS_NO_MEMORY;
		return false;
	}
	t->bytes = bytes;
	t->cap = cap;
	return true;
}

void text_add_bytes(struct text *t, const void *p, size_t n)
{
	if (!reserve_bytes(t, n))
		return;
	if (n > 0)
		memcpy(t->bytes + t->len, p, n);
	t->len += n;
	t->bytes[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
	text_add_bytes(t, s, strlen(s));
}

void text_add_char(struct text *t, char c)
{
	text_add_bytes(t, &c, 1);
}

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		if (t->failed == STATUS_OK)
			t->failed = STATUS_NO_MEMORY;
		return;
	}
	if (!reserve_bytes(t, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(t->bytes + t->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

/* RFC 8259 section 7; a byte that is not UTF-8 has no form of its own in JSON
 * and becomes U+FFFD. */
static void add_json_char(struct text *t, const char *s, size_t len)
{
	unsigned char c = (unsigned char)*s;

	if (len == 0)
		text_add(t, "\\ufffd");
	else if (len > 1)
		text_add_bytes(t, s, len);
	else if (c == '"' || c == '\\')
		text_add_bytes(t, (const char[]){ '\\', *s }, 2);
	else if (c == '\b')
		text_add(t, "\\b");
	else if (c == '\f')
		text_add(t, "\\f");
	else if (c == '\n')
		text_add(t, "\\n");
	else if (c == '\r')
		text_add(t, "\\r");
	else if (c == '\t')
		text_add(t, "\\t");
	else if (c < 0x20 || c == 0x7F)
		text_printf(t, "\\u%04x", c);
	else
		text_add_char(t, *s);
}

void text_add_json(struct text *t, const char *s)
{
	size_t n = strlen(s), i = 0, len;

	text_add_char(t, '"');
	while (i < n) {
		len = text_utf8_length(s + i, n - i);
		add_json_char(t, s + i, len);
		i += len > 0 ? len : 1;
	}
	text_add_char(t, '"');
}

void text_add_key(struct text *t, const char *key)
{
	bool first = t->len > 0 && t->bytes[t->len - 1] == '{';

	text_printf(t, "%s\"%s\":", first ? "" : ",", key);
}

void text_add_member(struct text *t, const char *key, const char *value)
{
	text_add_key(t, key);
	if (value)
		text_add_json(t, value);
	else
		text_add(t, "null");
}

const char *text_str(const struct text *t)
{
	return t->bytes != NULL ? t->bytes : "";
}

enum status text_status(const struct text *t)
{
	return t->failed;
}

/*
 * RFC 3629 section 4.  The second byte has a narrower range after E0 (overlong),
 * ED (surrogates), F0 (overlong) and F4 (above U+10FFFF).
 */
size_t text_utf8_length(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned char low = 0x80, high = 0xBF;
	size_t len, i;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xC2 && p[0] <= 0xDF)
		len = 2;
	else if (p[0] >= 0xE0 && p[0] <= 0xEF)
		len = 3;
	else if (p[0] >= 0xF0 && p[0] <= 0xF4)
		len = 4;
	else
		return 0;
	if (n < len)
		return 0;
	if (p[0] == 0xE0)
		low = 0xA0;
	else if (p[0] == 0xED)
		high = 0x9F;
	else if (p[0] == 0xF0)
		low = 0x90;
	else if (p[0] == 0xF4)
		high = 0x8F;
	if (p[1] < low || p[1] > high)
		return 0;
	for (i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xBF)
			return 0;
	return len;
}

/* Printable ASCII, which nearly all is that an agent handles by the million. */
static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7F;
}

bool text_is_utf8(const char *s, size_t n)
{
	size_t i, len;

	for (i = 0; i < n; i += len) {
		len = is_plain(s[i]) ? 1 : text_utf8_length(s + i, n - i);
		if (len == 0)
			return false;
	}
	return true;
}

/* U+0080 to U+009F are C2 80 to C2 9F: terminals obey U+009B as ESC [. */
size_t text_control_length(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	if (n == 0)
		return 0;
	if (p[0] < 0x20 || p[0] == 0x7F)
		return 1;
	return n > 1 && p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0 ? 2 : 0;
}

bool text_has_control(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!is_plain(s[i]) && text_control_length(s + i, n - i) > 0)
			return true;
	return false;
}

/* One character of src as it may be shown. */
static size_t shown(const char *s, size_t n, char out[9], size_t *ret_len)
{
	static const char digits[] = "0123456789abcdef";
	size_t len = text_utf8_length(s, n), i, used = len > 0 ? len : 1;

	if (len > 0 && text_control_length(s, n) == 0) {
		memcpy(out, s, len);
		*ret_len = len;
		return used;
	}
	for (i = 0; i < used; i++) {
		out[4 * i] = '\\';
		out[4 * i + 1] = 'x';
		out[4 * i + 2] = digits[(unsigned char)s[i] >> 4];
		out[4 * i + 3] = digits[(unsigned char)s[i] & 15];
	}
	*ret_len = 4 * used;
	return used;
}

void text_escape(char *dst, size_t dst_size, const char *src, size_t n)
{
	size_t i = 0, len = 0, cut = 0, piece_len;
	char piece[9];

	while (i < n) {
		if (is_plain(src[i]) && len + 4 < dst_size) {
			dst[len++] = src[i++];
			cut = len;
			continue;
		}
		i += shown(src + i, n - i, piece, &piece_len);
		if (len + piece_len >= dst_size) {
			memcpy(dst + cut, "...", 4);
			return;
		}
		memcpy(dst + len, piece, piece_len);
		len += piece_len;
		if (len + 4 <= dst_size)
			cut = len;
	}
	dst[len] = '\0';
}

enum status text_dup(const char *s, char **ret_copy)
{
	char *copy = strdup(s);

	if (copy == NULL)
		return STATUS_NO_MEMORY;
	*ret_copy = copy;
	return STATUS_OK;
}

void text_cut(char *dst, size_t dst_size, const char *src)
{
	size_t n = strlen(src);

	if (n < dst_size) {
		memcpy(dst, src, n + 1);
		return;
	}
	n = dst_size - 4;
	/* Not inside a UTF-8 character: back over its continuation bytes. */
	while (n > 0 && ((unsigned char)src[n] & 0xc0) == 0x80)
		n--;
	memcpy(dst, src, n);
	memcpy(dst + n, "...", 4);
}

enum status text_copy(char *dst, size_t dst_size, const char *src)
{
	size_t n = strlen(src);

	if (dst_size == 0)
		return STATUS_LIMIT;
	if (n >= dst_size) {
		dst[0] = '\0';
		return STATUS_LIMIT;
	}
	memcpy(dst, src, n + 1);
	return STATUS_OK;
}
