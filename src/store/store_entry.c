/* SPDX-License-Identifier: PostgreSQL */
/*
 * One entry to bytes and back, in secrets only.  Must never accept bytes that
 * are longer, shorter or other than what it would write.
 */
#include "store/store_entry.h"

#include <string.h>

#define ENTRY_FORMAT 0x01

#define FIELD(name)                                                \
	{                                                          \
#name, offsetof(struct store_entry, name),         \
			sizeof(((struct store_entry *)NULL)->name) \
	}

const struct store_entry_field store_entry_fields[STORE_ENTRY_FIELDS] = {
	FIELD(engine), FIELD(host), FIELD(port), FIELD(dbname), FIELD(username),
};

static enum status add_field(struct secret *plain, const void *p, size_t n)
{
	unsigned char head[4] = { (unsigned char)(n >> 24),
				  (unsigned char)(n >> 16),
				  (unsigned char)(n >> 8), (unsigned char)n };
	enum status st = secret_append(plain, head, sizeof head);

	return st == STATUS_OK ? secret_append(plain, p, n) : st;
}

static enum status add_string(struct secret *plain, const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	return n < size ? add_field(plain, s, n) : STATUS_LIMIT;
}

enum status store_entry_encode(const struct store_entry *e,
			       struct secret **ret_plain, struct reason *why)
{
	const unsigned char format = ENTRY_FORMAT;
	struct secret *plain = NULL;
	enum status st;
	size_t i;

	if (!e->password || secret_len(e->password) == 0)
		return reason_set(why, STATUS_REFUSED,
				  "an empty password is not stored");
	if (secret_len(e->password) > STORE_ENTRY_PASSWORD_MAX)
		return reason_set(why, STATUS_REFUSED,
				  "the password is longer than %d bytes",
				  STORE_ENTRY_PASSWORD_MAX);
	st = secret_new(STORE_ENTRY_MAX, &plain);
	if (st != STATUS_OK)
		return reason_set(why, st, "no locked memory for a secret");
	st = secret_append(plain, &format, 1);
	for (i = 0; i < STORE_ENTRY_FIELDS && st == STATUS_OK; i++)
		st = add_string(plain,
				(const char *)e + store_entry_fields[i].at,
				store_entry_fields[i].size);
	if (st == STATUS_OK)
		st = add_field(plain, secret_bytes(e->password),
			       secret_len(e->password));
	if (st != STATUS_OK) {
		secret_free(plain);
		return reason_set(why, STATUS_REFUSED,
				  "a field of the entry is not terminated");
	}
	*ret_plain = plain;
	return STATUS_OK;
}

struct cursor {
	const unsigned char *p;
	size_t left;
};

static bool take_field(struct cursor *c, const unsigned char **ret_p,
		       size_t *ret_n)
{
	size_t n;

	if (c->left < 4)
		return false;
	n = (size_t)c->p[0] << 24 | (size_t)c->p[1] << 16 |
	    (size_t)c->p[2] << 8 | c->p[3];
	if (n > c->left - 4)
		return false;
	*ret_p = c->p + 4;
	*ret_n = n;
	c->p += 4 + n;
	c->left -= 4 + n;
	return true;
}

static bool take_string(struct cursor *c, char *dst, size_t size)
{
	const unsigned char *p;
	size_t n;

	if (!take_field(c, &p, &n) || n >= size || memchr(p, 0, n))
		return false;
	memcpy(dst, p, n);
	dst[n] = '\0';
	return true;
}

/* What seal_open() authenticated was made by us: a mismatch here is a newer
 * format, not an attack. */
enum status store_entry_decode(const struct secret *plain,
			       struct store_entry *ret_entry,
			       struct reason *why)
{
	struct cursor c = { (const unsigned char *)secret_bytes(plain),
			    secret_len(plain) };
	struct store_entry e = { .password = NULL };
	const unsigned char *password = NULL;
	size_t n = 0, i;
	enum status st;

	if (c.left < 1 || c.p[0] != ENTRY_FORMAT)
		goto bad;
	c.p++, c.left--;
	for (i = 0; i < STORE_ENTRY_FIELDS; i++)
		if (!take_string(&c, (char *)&e + store_entry_fields[i].at,
				 store_entry_fields[i].size))
			goto bad;
	if (!take_field(&c, &password, &n) || n == 0 || c.left != 0)
		goto bad;
	st = secret_from(password, n, &e.password);
	if (st != STATUS_OK)
		return reason_set(why, st, "no locked memory for a secret");
	*ret_entry = e;
	return STATUS_OK;
bad:
	return reason_set(why, STATUS_CORRUPT,
			  "a stored version has an unknown format: was it "
			  "written by a newer keyturn?");
}
