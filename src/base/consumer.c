/* SPDX-License-Identifier: PostgreSQL */
/* Names of consumers; must never let a byte through that a terminal or the
 * configuration would take for more than itself. */
#include "base/consumer.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define PART_MAX 64 /* bytes of a part, before they are encoded */
#define WITHHELD "withheld"

enum part { HOST, APP, USER, VIA, N_PARTS };

static const char *const prefixes[N_PARTS] = { "host:", "app:", "user:",
					       "via:" };

/* ---- names ------------------------------------------------------------------ */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("-._:/@+()[]=~", c));
}

/* People put connection strings into application_name.  Which word is a
 * password cannot be told; that one is announced can. */
static bool looks_secret(const char *s)
{
	static const char *const signs[] = { "passw",  "pwd",	 "secret",
					     "token=", "apikey", "bearer",
					     "eyJ",    "://" };

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (strcasestr(s, signs[i]))
			return true;
	return false;
}

static void add_part(struct text *t, enum part part, const char *s)
{
	if (!*s)
		return;
	if (part != HOST && part != VIA && looks_secret(s))
		s = WITHHELD;
	text_printf(t, "%s%s", t->len ? "," : "", prefixes[part]);
	for (size_t i = 0; s[i] && i < PART_MAX; i++)
		/* A slash in a host would be a network's. */
		if (is_plain(s[i]) && (part != HOST || s[i] != '/'))
			text_add_char(t, s[i]);
		else
			text_printf(t, "%%%02X", (unsigned char)s[i]);
}

void consumer_name(const char *host, const char *app, const char *user,
		   char ret[CONSUMER_SIZE])
{
	struct text t = text_make(CONSUMER_SIZE - 1);

	add_part(&t, HOST, host);
	add_part(&t, APP, app);
	add_part(&t, USER, user);
	text_copy(ret, CONSUMER_SIZE, text_str(&t));
	text_free(&t);
}

void consumer_add_via(char name[CONSUMER_SIZE], const char *gateway)
{
	struct text t = text_make(CONSUMER_SIZE - 1);

	text_add(&t, name);
	add_part(&t, VIA, gateway);
	text_copy(name, CONSUMER_SIZE, text_str(&t));
	text_free(&t);
}

/* A comma in a value is encoded, so that this is a part. */
size_t consumer_len(const char *name)
{
	const char *via = strstr(name, ",via:");

	return via ? (size_t)(via - name) : strlen(name);
}

/* ---- what is expected --------------------------------------------------------- */

struct piece {
	enum part part; /* N_PARTS: none of them */
	const char *value;
	size_t n;
};

/* The next piece of a word or a name; false at its end. */
static bool next_piece(const char **at, const char *end, struct piece *ret)
{
	const char *comma, *start = *at;

	if (start >= end)
		return false;
	comma = memchr(start, ',', (size_t)(end - start));
	ret->value = start;
	ret->n = (size_t)((comma ? comma : end) - start);
	*at = comma ? comma + 1 : end;
	for (ret->part = HOST; ret->part < N_PARTS; ret->part++) {
		size_t len = strlen(prefixes[ret->part]);

		if (ret->n < len ||
		    memcmp(ret->value, prefixes[ret->part], len) != 0)
			continue;
		ret->value += len;
		ret->n -= len;
		break;
	}
	return true;
}

/* An address in binary; *ret_bits is how many it has. */
static bool read_address(const char *s, size_t n, unsigned char ret[16],
			 unsigned *ret_bits)
{
	char text[64];

	if (n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	*ret_bits = 32;
	if (inet_pton(AF_INET, text, ret) == 1)
		return true;
	*ret_bits = 128;
	return inet_pton(AF_INET6, text, ret) == 1;
}

/* "192.0.2.0/24"; *ret_bits is 33 to 128, or up to 32, as the family has it. */
static bool read_network(const char *s, size_t n, unsigned char ret[16],
			 unsigned *ret_family, unsigned *ret_bits)
{
	const char *slash = memchr(s, '/', n);
	unsigned bits = 0;
	const char *p;

	if (!slash || slash + 1 == s + n ||
	    !read_address(s, (size_t)(slash - s), ret, ret_family))
		return false;
	for (p = slash + 1; p < s + n; p++) {
		if (*p < '0' || *p > '9' || bits > 128)
			return false;
		bits = bits * 10 + (unsigned)(*p - '0');
	}
	*ret_bits = bits;
	return bits <= *ret_family;
}

static bool is_encoded(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_plain(s[i]))
			continue;
		if (s[i] != '%' || n - i < 3 ||
		    strspn(s + i + 1, "0123456789ABCDEF") < 2)
			return false;
		i += 2;
	}
	return true;
}

static bool is_value(const struct piece *p)
{
	unsigned char address[16];
	unsigned family, bits;
	size_t n = p->n;

	if (p->part == HOST && memchr(p->value, '/', n))
		return read_network(p->value, n, address, &family, &bits);
	if (p->part != HOST && n > 0 && p->value[n - 1] == '*')
		n--;
	return p->n > 0 && p->n <= 3 * PART_MAX && is_encoded(p->value, n);
}

enum status consumer_check(const char *word, size_t n, struct reason *why)
{
	bool seen[N_PARTS + 1] = { false };
	const char *at = word, *end = word + n;
	struct piece p;

	if (n == 0 || n >= CONSUMER_SIZE || end[-1] == ',')
		goto refuse;
	while (next_piece(&at, end, &p)) {
		if (p.part == N_PARTS || seen[p.part] || !is_value(&p))
			goto refuse;
		seen[p.part] = true;
	}
	return STATUS_OK;
refuse:
	return reason_set(
		why, STATUS_CONFIG,
		"\"%.*s\" is not host:ADDRESS, host:NETWORK/BITS, "
		"app:NAME, user:NAME or via:GATEWAY, nor some of "
		"them divided by commas; a blank in a name is written %%20",
		(int)(n > 80 ? 80 : n), word);
}

static bool is_in_network(const struct piece *want, const struct piece *have)
{
	unsigned char net[16], address[16];
	unsigned family, bits, own;

	if (!read_network(want->value, want->n, net, &family, &bits) ||
	    !read_address(have->value, have->n, address, &own) || own != family)
		return false;
	if (memcmp(net, address, bits / 8) != 0)
		return false;
	return bits % 8 == 0 ||
	       (net[bits / 8] ^ address[bits / 8]) >> (8 - bits % 8) == 0;
}

static bool fits(const struct piece *want, const struct piece *have)
{
	bool any = want->part != HOST && want->n > 0 &&
		   want->value[want->n - 1] == '*';
	size_t n = want->n - any;

	if (want->part == HOST && memchr(want->value, '/', want->n))
		return is_in_network(want, have);
	return (any ? have->n >= n : have->n == n) &&
	       memcmp(want->value, have->value, n) == 0;
}

bool consumer_matches(const char *word, size_t n, const char *name)
{
	const char *at = word, *there, *end = word + n;
	const char *name_end = name + strlen(name);
	struct piece want, have;
	bool found;

	while (next_piece(&at, end, &want)) {
		found = false;
		there = name;
		while (!found && next_piece(&there, name_end, &have))
			found = have.part == want.part && fits(&want, &have);
		if (!found)
			return false;
	}
	return n > 0;
}
