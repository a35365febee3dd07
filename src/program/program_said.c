/* SPDX-License-Identifier: PostgreSQL */
/* Finds a secret in what a program said.  Must rather find one too many. */
#include <ctype.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret_wipe.h"
#include "program/program.h"

#define PIECE	   8 /* bytes in a row that give too much away */
#define SECRET_MAX 1024

/* As said is written: what is not printable is '?'. */
static char shown(char c)
{
	return c == '\t' ? ' ' : c >= ' ' && c <= '~' ? c : '?';
}

/* ---- the next character of what was said, by how it may be written; NUL at its
 * end ------------------------------------------------------------------------- */

typedef char next_fn(const char **at);

static char next_plain(const char **at)
{
	return **at ? *(*at)++ : '\0';
}

/* As in a form or a URI, %2F, and in a string of JSON or a shell, \". */
static char next_escaped(const char **at)
{
	const char *p = *at;
	unsigned char byte;

	if (p[0] == '%' && p[1] && p[2] &&
	    encode_unhex(p + 1, &byte, 1) == STATUS_OK) {
		*at += 3;
		return shown((char)byte);
	}
	if (p[0] == '\\' && p[1])
		++*at;
	return next_plain(at);
}

/* Whatever is between them: "0x53, 0x67", "53:67", "%53%67", "5367". */
static char next_hex(const char **at)
{
	const char *p = *at;

	while (*p && (!isxdigit((unsigned char)*p) ||
		      (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))))
		p++;
	*at = *p ? p + 1 : p;
	return (char)tolower((unsigned char)*p);
}

/* ---- what is looked for ------------------------------------------------------- */

static bool holds(const char *said, next_fn *next, const char *bytes, size_t n)
{
	for (; *said; said++) {
		const char *at = said;
		size_t i = 0;

		while (i < n && next(&at) == shown(bytes[i]))
			i++;
		if (i == n)
			return true;
	}
	return false;
}

static bool holds_piece(const char *said, next_fn *next, const char *bytes,
			size_t n, size_t piece)
{
	if (piece > n)
		piece = n;
	for (size_t i = 0; n > 0 && i + piece <= n; i++)
		if (holds(said, next, bytes + i, piece))
			return true;
	return false;
}

static bool holds_hex(const char *said, const char *secret, size_t n)
{
	char text[2 * SECRET_MAX + 1];
	bool found;

	if (n > SECRET_MAX)
		n = SECRET_MAX; /* the beginning of it will do */
	encode_hex(secret, n, text);
	found = holds_piece(said, next_hex, text, 2 * n, 2 * PIECE);
	secret_wipe(text, sizeof(text));
	return found;
}

/*
 * In base64, where three bytes are four characters: whatever is before it, the
 * secret begins at one of three places in them.  The characters that depend on
 * its neighbours too are left out.
 */
static bool holds_base64(const char *said, const char *secret, size_t n)
{
	char bytes[SECRET_MAX + 3], text[ENCODE_BASE64_SIZE(SECRET_MAX + 3)];
	bool found = false;

	if (n > SECRET_MAX)
		n = SECRET_MAX; /* the beginning of it will do */
	for (size_t before = 0; before < 3 && n > 0; before++) {
		size_t from = before == 0 ? 0 : before + 1;
		size_t to = (before + n) / 3 * 4;

		for (size_t i = 0; i < before; i++)
			bytes[i] = 0;
		memcpy(bytes + before, secret, n);
		encode_base64(bytes, before + n, text);
		if (to >= from + PIECE)
			found = found ||
				holds_piece(said, next_plain, text + from,
					    to - from, PIECE);
	}
	secret_wipe(bytes, sizeof(bytes));
	secret_wipe(text, sizeof(text));
	return found;
}

bool program_said_has(const char *said, const char *secret, size_t n)
{
	return holds_piece(said, next_plain, secret, n, PIECE) ||
	       holds_piece(said, next_escaped, secret, n, PIECE) ||
	       holds_hex(said, secret, n) || holds_base64(said, secret, n);
}
