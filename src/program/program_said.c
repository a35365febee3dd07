/* SPDX-License-Identifier: PostgreSQL */
/* Finds a secret in what a program said.  Must rather find one too many. */
#include <string.h>

#include "base/encode.h"
#include "base/secret_wipe.h"
#include "program/program.h"

#define PIECE	   8 /* bytes in a row that give too much away */
#define SECRET_MAX 1024

/* As said is written: what is not printable is '?'. */
static bool is_same(const char *said, const char *secret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = secret[i];

		if (said[i] != (c == '\t'	     ? ' ' :
				c >= ' ' && c <= '~' ? c :
						       '?'))
			return false;
	}
	return true;
}

static bool holds(const char *said, const char *bytes, size_t n)
{
	size_t len = strlen(said);

	for (size_t i = 0; i + n <= len; i++)
		if (is_same(said + i, bytes, n))
			return true;
	return false;
}

static bool holds_piece(const char *said, const char *bytes, size_t n)
{
	size_t piece = n < PIECE ? n : PIECE;

	for (size_t i = 0; n > 0 && i + piece <= n; i++)
		if (holds(said, bytes + i, piece))
			return true;
	return false;
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
				holds_piece(said, text + from, to - from);
	}
	secret_wipe(bytes, sizeof(bytes));
	secret_wipe(text, sizeof(text));
	return found;
}

bool program_said_has(const char *said, const char *secret, size_t n)
{
	return holds_piece(said, secret, n) || holds_base64(said, secret, n);
}
