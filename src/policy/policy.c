/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a password must look like, and making one.  It must never hand out a
 * password that its policy or any consumer's parser would refuse.
 */
#include "policy/policy.h"

#include <string.h>

#include "policy/draw.h"

/*
 * The symbols that mean themselves everywhere.  RFC 3986 lets a user name and
 * password hold, unencoded, the letters, the digits and -._~!$&'()*+,;= ; of
 * these go: $ & ' ( ) ; (shell), , = (conninfo, INI, JDBC) and + (a space to
 * JDBC's and every form decoder).  The rest of ASCII goes because it must be
 * percent-encoded in a URI, which is the step that people forget.  None of the
 * six can be read as a comment or an option, because the first character is a
 * letter.
 */
#define POLICY_SYMBOLS_ALLOWED "-_.~!*"

#define POLICY_UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define POLICY_LOWER  "abcdefghijklmnopqrstuvwxyz"
#define POLICY_DIGITS "0123456789"

#define POLICY_IMPORT_MAX 512

struct policy policy_default(void)
{
	return (struct policy){
		.length = POLICY_LENGTH_DEFAULT,
		.upper = true,
		.lower = true,
		.digit = true,
		.symbol = true,
		.symbols = POLICY_SYMBOLS_DEFAULT,
	};
}

static struct draw policy_draw(const struct policy *p)
{
	return (struct draw){
		.classes = { { POLICY_UPPER, true, p->upper },
			     { POLICY_LOWER, true, p->lower },
			     { POLICY_DIGITS, false, p->digit },
			     { p->symbols, false, p->symbol } },
		.length = p->length,
	};
}

static enum status check_symbols(const struct policy *p, struct reason *why)
{
	if (memchr(p->symbols, '\0', sizeof(p->symbols)) == NULL)
		return reason_set(why, STATUS_CONFIG,
				  "symbols: more than %d characters",
				  POLICY_SYMBOLS_MAX - 1);
	for (const char *c = p->symbols; *c != '\0'; c++) {
		if (strchr(POLICY_SYMBOLS_ALLOWED, *c) == NULL)
			return reason_set(
				why, STATUS_CONFIG,
				"symbols: '%c' breaks URIs, pgpass, INI files, "
				"shells or JDBC; choose from "
				"%s",
				*c, POLICY_SYMBOLS_ALLOWED);
		if (strchr(c + 1, *c) != NULL)
			return reason_set(why, STATUS_CONFIG,
					  "symbols: '%c' is named twice", *c);
	}
	if (p->symbol && p->symbols[0] == '\0')
		return reason_set(why, STATUS_CONFIG,
				  "a symbol is required but symbols is empty; "
				  "name some of %s",
				  POLICY_SYMBOLS_ALLOWED);
	return STATUS_OK;
}

enum status policy_check(const struct policy *p, struct reason *why)
{
	enum status st;
	double bits;

	if (p->length < POLICY_LENGTH_MIN || p->length > POLICY_LENGTH_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "length: %u is not between %d and %d",
				  p->length, POLICY_LENGTH_MIN,
				  POLICY_LENGTH_MAX);
	st = check_symbols(p, why);
	if (st != STATUS_OK)
		return st;
	bits = policy_bits(p);
	if (bits < POLICY_BITS_MIN)
		return reason_set(why, STATUS_CONFIG,
				  "length: %u characters give %.1f bits, fewer "
				  "than %.0f; make it longer or name more "
				  "symbols",
				  p->length, bits, POLICY_BITS_MIN);
	return STATUS_OK;
}

double policy_bits(const struct policy *p)
{
	const struct draw d = policy_draw(p);

	return draw_bits(&d);
}

enum status policy_make(const struct policy *p, const struct random *r,
			struct secret **ret_password, struct reason *why)
{
	const struct draw d = policy_draw(p);
	struct secret *password = NULL;
	enum status st = policy_check(p, why);

	if (st != STATUS_OK)
		return st;
	st = secret_new(p->length, &password);
	if (st != STATUS_OK)
		return reason_set(why, st, "no locked memory for a password");
	st = draw_string(&d, r, (char *)secret_buffer(password));
	if (st != STATUS_OK) {
		secret_free(password);
		return reason_set(why, st,
				  "the source of randomness failed; "
				  "no password was made");
	}
	secret_set_len(password, p->length);
	*ret_password = password;
	return STATUS_OK;
}

enum status policy_importable(const struct secret *password, struct reason *why)
{
	const char *s = secret_bytes(password);
	size_t n = secret_len(password);

	if (n == 0 || n > POLICY_IMPORT_MAX)
		return reason_set(why, STATUS_REFUSED,
				  "the password has %zu bytes; 1 to %d can be "
				  "taken over",
				  n, POLICY_IMPORT_MAX);
	for (size_t i = 0; i < n; i++) {
		/* The offset would tell about the secret: say only that. */
		if ((unsigned char)s[i] < ' ' || (unsigned char)s[i] > '~')
			return reason_set(
				why, STATUS_REFUSED,
				"the password holds a control character or is "
				"not ASCII: clients would prepare it in "
				"different ways; rotate it instead");
	}
	if (s[0] == ' ' || s[n - 1] == ' ')
		return reason_set(
			why, STATUS_REFUSED,
			"the password begins or ends with a space: "
			"some clients cut that off; rotate it instead");
	return STATUS_OK;
}
