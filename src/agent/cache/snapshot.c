/* SPDX-License-Identifier: PostgreSQL */
/*
 * The cache over a restart: a sealed memfd that the service manager holds
 * (FDSTORE=1), never a file.  Two names take turns, so that there is never a
 * moment without one; the higher number counts.  What is read back was sealed by
 * an agent before us; it is still checked as if it were a stranger's.
 *
 * magic, number, digest key, then for each secret a 32-bit length and as many
 * bytes: texts with a 16-bit length before them, and 64-bit numbers, all in
 * this machine's order.
 */
#include "agent/cache/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/text.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

#define MAGIC	   "keyturn-cache-2\n"
#define MAGIC_SIZE (sizeof(MAGIC) - 1)
#define HEAD_SIZE  (MAGIC_SIZE + sizeof(uint64_t) + DIGEST_SIZE)
#define SEALS	   (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define RECORD_MAX 40000
#define CHANGED_US NOW_SECOND	     /* between two, when a secret changed */
#define OTHER_US   (60 * NOW_SECOND) /* when only times did */

/* ---- One record ---------------------------------------------------------- */

/* Written or read, in the same order. */
struct record {
	unsigned char *at, *end;
	bool reading;
	bool bad; /* full, or not to be understood */
};

/* n bytes that the caller fills in or takes; NULL: there are not so many. */
static unsigned char *next_bytes(struct record *r, size_t n)
{
	unsigned char *p = r->at;

	if (r->bad || (size_t)(r->end - r->at) < n) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return p;
}

static void pass_number(struct record *r, int64_t *number)
{
	void *p = next_bytes(r, sizeof(*number));

	if (p && r->reading)
		memcpy(number, p, sizeof(*number));
	else if (p)
		memcpy(p, number, sizeof(*number));
}

/* *n bytes, of which `bytes` are written when it is not a reading. */
static const void *pass_bytes(struct record *r, const void *bytes, size_t *n)
{
	uint16_t len = r->reading ? 0 : (uint16_t)*n;
	void *p = next_bytes(r, sizeof(len));

	if (p && r->reading)
		memcpy(&len, p, sizeof(len));
	else if (p)
		memcpy(p, &len, sizeof(len));
	*n = len;
	p = next_bytes(r, len);
	if (p && !r->reading)
		memcpy(p, bytes, len);
	return p;
}

static void pass_text(struct record *r, char *text, size_t size)
{
	size_t n = strlen(text);
	const char *p = pass_bytes(r, text, &n);

	if (!r->reading)
		return;
	text[0] = '\0';
	if (!p || n >= size || text_has_control(p, n) || !text_is_utf8(p, n)) {
		r->bad = true;
		return;
	}
	memcpy(text, p, n);
	text[n] = '\0';
}

static void pass_version(struct record *r, struct agent_version *v)
{
	size_t n = v->has_mac ? sizeof(v->mac) : 0;
	const void *mac;

	pass_text(r, v->id, sizeof(v->id));
	pass_text(r, v->username, sizeof(v->username));
	pass_number(r, &v->created_us);
	mac = pass_bytes(r, v->mac, &n);
	if (!mac || (n != 0 && n != sizeof(v->mac))) {
		r->bad = true;
		return;
	}
	v->has_mac = n > 0;
	if (r->reading)
		memcpy(v->mac, mac, n);
}

/* True when it was read whole. */
static bool pass_secret(struct record *r, struct agent_secret *s)
{
	size_t n = s->password ? secret_len(s->password) : 0;
	const void *password;

	pass_text(r, s->name, sizeof(s->name));
	pass_text(r, s->store, sizeof(s->store));
	pass_version(r, &s->current);
	pass_version(r, &s->previous);
	pass_text(r, s->host, sizeof(s->host));
	pass_text(r, s->port, sizeof(s->port));
	pass_text(r, s->dbname, sizeof(s->dbname));
	pass_number(r, &s->since_us);
	pass_number(r, &s->expires_us);
	pass_number(r, &s->checked_us);
	pass_number(r, &s->seen_us);
	password =
		pass_bytes(r, s->password ? secret_bytes(s->password) : "", &n);
	return r->reading && !r->bad && r->at == r->end &&
	       (n == 0 || secret_from(password, n, &s->password) == STATUS_OK);
}

/* ---- Writing ------------------------------------------------------------- */

static bool write_head(int fd, const struct agent_cache_snapshot *p,
		       uint64_t number)
{
	const struct secret *key = agent_cache_key(p->cache);

	return file_write_all(fd, MAGIC, MAGIC_SIZE) &&
	       file_write_all(fd, &number, sizeof(number)) &&
	       file_write_all(fd, secret_bytes(key), secret_len(key));
}

static bool write_records(int fd, struct agent_cache_snapshot *p)
{
	unsigned char *begin = secret_buffer(p->buffer);
	struct record w = { begin, begin + secret_cap(p->buffer), false,
			    false };
	bool fine = true;

	for (struct agent_secret *s = agent_cache_first(p->cache); s && fine;
	     s = s->next) {
		unsigned char *length = w.at;
		uint32_t n;

		if (!s->current.id[0])
			continue;
		if (w.end - w.at < RECORD_MAX) {
			fine = file_write_all(fd, begin,
					      (size_t)(w.at - begin));
			w.at = length = begin;
		}
		next_bytes(&w, sizeof(n));
		pass_secret(&w, s);
		n = (uint32_t)(w.at - length - (ptrdiff_t)sizeof(n));
		memcpy(length, &n, sizeof(n));
	}
	fine = fine && !w.bad &&
	       file_write_all(fd, begin, (size_t)(w.at - begin));
	secret_wipe(begin, secret_cap(p->buffer));
	return fine;
}

static void name_of(uint64_t number, char ret[8])
{
	text_copy(ret, 8, number % 2 ? "cache-1" : "cache-0");
}

/* Older kernels do not know that it is not to be executed. */
static int new_memfd(void)
{
	const char *name = "keyturn-cache";
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);

	return fd < 0 && errno == EINVAL ? memfd_create(name, flags) : fd;
}

static bool save_as(struct agent_cache_snapshot *p, uint64_t number)
{
	int fd = new_memfd();
	char name[8];
	bool fine;

	if (fd < 0)
		return false;
	name_of(number, name);
	fine = fchmod(fd, 0600) == 0 && write_head(fd, p, number) &&
	       write_records(fd, p) && fcntl(fd, F_ADD_SEALS, SEALS) == 0 &&
	       notify_store_fds(name, &fd, 1) == STATUS_OK;
	close(fd);
	return fine;
}

void agent_cache_snapshot_save(struct agent_cache_snapshot *p, bool at_once)
{
	int64_t age = now_boot(p->now) - p->saved_us;
	uint64_t number = p->number + 1;
	char before[8];

	if (!notify_wanted() ||
	    (!at_once && age < (p->changed ? CHANGED_US : OTHER_US)))
		return;
	p->saved_us = now_boot(p->now);
	p->changed = !save_as(p, number);
	if (p->changed)
		return;
	p->number = number;
	name_of(number + 1, before);
	notify_forget_fds(before);
}

/* ---- Reading ------------------------------------------------------------- */

static bool read_all(int fd, off_t at, void *p, size_t n)
{
	return pread(fd, p, n, at) == (ssize_t)n;
}

/* One of ours: it cannot change while we read it.  The kernel may have sealed
 * more (F_SEAL_EXEC). */
static bool is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static bool read_head(struct agent_cache_snapshot *p, int fd,
		      uint64_t *ret_number)
{
	unsigned char *head = secret_buffer(p->buffer);
	struct secret *key = NULL;
	bool fine;

	fine = is_sealed(fd) && read_all(fd, 0, head, HEAD_SIZE) &&
	       memcmp(head, MAGIC, MAGIC_SIZE) == 0;
	if (fine) {
		memcpy(ret_number, head + MAGIC_SIZE, sizeof(*ret_number));
		fine = *ret_number > p->number &&
		       secret_from(head + MAGIC_SIZE + sizeof(uint64_t),
				   DIGEST_SIZE, &key) == STATUS_OK;
	}
	secret_wipe(head, HEAD_SIZE);
	if (fine)
		agent_cache_rekey(p->cache, key);
	else
		secret_free(key);
	return fine;
}

/* The length of the record, 0 at the end or when it is malformed. */
static size_t read_record(struct agent_cache_snapshot *p, int fd, off_t at,
			  size_t *ret_held)
{
	unsigned char *bytes = secret_buffer(p->buffer);
	struct agent_secret s = { .password = NULL };
	struct record r;
	uint32_t n;

	if (!read_all(fd, at, &n, sizeof(n)) || n == 0 || n > RECORD_MAX ||
	    !read_all(fd, at + (off_t)sizeof(n), bytes, n))
		return 0;
	r = (struct record){ bytes, bytes + n, true, false };
	if (pass_secret(&r, &s) && agent_cache_restore(p->cache, &s))
		++*ret_held;
	secret_free(s.password);
	secret_wipe(bytes, n);
	return r.bad ? 0 : sizeof(n) + n;
}

void agent_cache_snapshot_restore(struct agent_cache_snapshot *p, int fd)
{
	off_t at = HEAD_SIZE;
	uint64_t number = 0;
	size_t n, held = 0;

	if (!read_head(p, fd, &number))
		return;
	p->number = number;
	while ((n = read_record(p, fd, at, &held)) > 0)
		at += (off_t)n;
	log_line(LOG_LEVEL_INFO, "%zu secrets were kept over the restart",
		 held);
}
