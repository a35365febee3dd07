/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is done with secrets; must never leave a copy of one behind, nor tell
 * by the time it takes what two of them have in common.
 */
#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret_internal.h"

#define BOUNCE_BYTES  4096
#define NEWLINE_BYTES 2 /* "\r\n" behind a secret that is read from a file */

/* A secret with room for cap bytes, more bytes that its owner does not see,
 * and the NUL. */
static enum status make_secret(size_t cap, size_t more,
			       struct secret **ret_secret)
{
	struct secret *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return STATUS_NO_MEMORY;
	if (!secret_arena_take(s, (cap + more + SECRET_UNIT) / SECRET_UNIT)) {
		free(s);
		return STATUS_NO_MEMORY;
	}
	s->cap = cap + more;
	*ret_secret = s;
	return STATUS_OK;
}

enum status secret_new(size_t cap, struct secret **ret_secret)
{
	if (cap == 0 || cap > SECRET_CAP_MAX)
		return STATUS_LIMIT;
	return make_secret(cap, 0, ret_secret);
}

enum status secret_from(const void *bytes, size_t n, struct secret **ret_secret)
{
	struct secret *s = NULL;
	enum status st = secret_new(n, &s);

	if (st != STATUS_OK)
		return st;
	secret_set(s, bytes, n);
	*ret_secret = s;
	return STATUS_OK;
}

void secret_free(struct secret *s)
{
	if (s == NULL)
		return;
	secret_arena_give(s);
	free(s);
}

void secret_set_len(struct secret *s, size_t n)
{
	/* Whoever says so has already written behind the end. */
	if (n > s->cap)
		abort();
	s->len = n;
	secret_wipe(s->bytes + n, s->cap - n + 1);
}

void secret_clear(struct secret *s)
{
	secret_set_len(s, 0);
}

enum status secret_set(struct secret *s, const void *bytes, size_t n)
{
	if (n > s->cap)
		return STATUS_LIMIT;
	/* memmove(): bytes may be a part of s. */
	if (n > 0)
		memmove(s->bytes, bytes, n);
	secret_set_len(s, n);
	return STATUS_OK;
}

enum status secret_append(struct secret *s, const void *bytes, size_t n)
{
	if (n > s->cap - s->len)
		return STATUS_LIMIT;
	if (n > 0)
		memmove(s->bytes + s->len, bytes, n);
	s->len += n;
	s->bytes[s->len] = '\0';
	return STATUS_OK;
}

enum status secret_copy(const struct secret *s, struct secret **ret_secret)
{
	struct secret *copy = NULL;
	enum status st;

	st = make_secret(s->cap, 0, &copy);
	if (st != STATUS_OK)
		return st;
	secret_set(copy, s->bytes, s->len);
	*ret_secret = copy;
	return STATUS_OK;
}

const char *secret_bytes(const struct secret *s)
{
	return (const char *)s->bytes;
}

unsigned char *secret_buffer(struct secret *s)
{
	return s->bytes;
}

size_t secret_len(const struct secret *s)
{
	return s->len;
}

size_t secret_cap(const struct secret *s)
{
	return s->cap;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	const volatile unsigned char *p = a->bytes, *q = b->bytes;
	unsigned char differ = 0;
	size_t i;

	if (a->len != b->len)
		return false;
	for (i = 0; i < a->len; i++)
		differ |= p[i] ^ q[i];
	return differ == 0;
}

enum status secret_write_fd(const struct secret *s, int fd)
{
	return file_write_secret(fd, s->bytes, s->len) ? STATUS_OK :
							 STATUS_ERROR;
}

static void drop_newline(struct secret *s)
{
	size_t n = s->len;

	if (n > 0 && s->bytes[n - 1] == '\n') {
		n--;
		if (n > 0 && s->bytes[n - 1] == '\r')
			n--;
		secret_set_len(s, n);
	}
}

enum status secret_append_fd(struct secret *s, int fd)
{
	unsigned char bounce[BOUNCE_BYTES];
	enum status st = STATUS_OK;
	ssize_t got;
	int saved;

	for (;;) {
		got = read(fd, bounce, sizeof(bounce));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			st = STATUS_ERROR;
		if (got <= 0)
			break;
		st = secret_append(s, bounce, (size_t)got);
		if (st != STATUS_OK)
			break;
	}
	saved = errno;
	secret_wipe(bounce, sizeof(bounce));
	errno = saved;
	return st;
}

enum status secret_read_fd(int fd, size_t max, struct secret **ret_secret)
{
	struct secret *s = NULL;
	enum status st;

	if (max == 0 || max > SECRET_CAP_MAX)
		return STATUS_LIMIT;
	st = make_secret(max, NEWLINE_BYTES, &s);
	if (st != STATUS_OK)
		return st;
	st = secret_append_fd(s, fd);
	if (st != STATUS_OK)
		goto out;
	drop_newline(s);
	if (s->len > max) {
		st = STATUS_LIMIT;
		goto out;
	}
	s->cap = max;
	*ret_secret = s;
	s = NULL;
out:
	secret_free(s);
	return st;
}

void secret_short_lived(void)
{
	secret_arena_without_memfd();
}

const char *secret_backing(void)
{
	return secret_arena_backing();
}
