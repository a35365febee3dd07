/* SPDX-License-Identifier: PostgreSQL */
/* Bytes to text and back; must never accept a second spelling of a value. */
#include "base/encode.h"

#include <stdint.h>
#include <string.h>

static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";
static const char base64[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void encode_hex(const void *src, size_t n, char *dst)
{
	const unsigned char *p = src;
	size_t i;

	for (i = 0; i < n; i++) {
		dst[2 * i] = hex_lower[p[i] >> 4];
		dst[2 * i + 1] = hex_lower[p[i] & 15];
	}
	dst[2 * n] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum status encode_unhex(const char *src, void *dst, size_t n)
{
	unsigned char *p = dst;
	size_t i;

	/* Checked whole first: dst stays untouched on failure, and a NUL stops
	 * the loop before it can run past a short string. */
	for (i = 0; i < 2 * n; i++)
		if (hex_value(src[i]) < 0)
			return STATUS_ERROR;
	for (i = 0; i < n; i++)
		p[i] = (unsigned char)(hex_value(src[2 * i]) << 4 |
				       hex_value(src[2 * i + 1]));
	return STATUS_OK;
}

void encode_base64(const void *src, size_t n, char *dst)
{
	const unsigned char *p = src;
	uint32_t v;
	size_t i;

	for (i = 0; i + 2 < n; i += 3) {
		v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
		*dst++ = base64[v >> 18];
		*dst++ = base64[v >> 12 & 63];
		*dst++ = base64[v >> 6 & 63];
		*dst++ = base64[v & 63];
	}
	if (i < n) {
		v = (uint32_t)p[i] << 16;
		if (i + 1 < n)
			v |= (uint32_t)p[i + 1] << 8;
		*dst++ = base64[v >> 18];
		*dst++ = base64[v >> 12 & 63];
		*dst++ = i + 1 < n ? base64[v >> 6 & 63] : '=';
		*dst++ = '=';
	}
	*dst = '\0';
}

bool encode_is_uuid(const char *s)
{
	size_t i;

	for (i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return false;
		} else if (s[i] == '\0' || strchr(hex_lower, s[i]) == NULL) {
			return false;
		}
	}
	return s[36] == '\0';
}

static bool unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

void encode_percent(const char *src, size_t n, char *dst)
{
	unsigned char c;
	size_t i;

	for (i = 0; i < n; i++) {
		if (unreserved(src[i])) {
			*dst++ = src[i];
			continue;
		}
		c = (unsigned char)src[i];
		*dst++ = '%';
		*dst++ = hex_upper[c >> 4];
		*dst++ = hex_upper[c & 15];
	}
	*dst = '\0';
}
