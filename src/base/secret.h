/* SPDX-License-Identifier: PostgreSQL */
/*
 * Bytes that must not be seen: passwords, keys, verifiers.  A secret lives in
 * its own locked arena (memfd_secret where the kernel has it, else mlock, both
 * with MADV_DONTDUMP and MADV_DONTFORK), has a capacity fixed at birth, is
 * wiped on clear and free, is compared in constant time, and has no printf
 * path.  rotation-safety.md section 4.2 rule 1.
 *
 * Functions on one secret are not thread-safe; the arena itself is.
 *
 * A forked child has none of its parent's secrets: it may free them and make
 * new ones, but touching the bytes of an inherited one ends it (SIGSEGV).  Send
 * a child what it needs through a pipe (secret_write_fd, secret_read_fd).
 */
#ifndef KEYTURN_SECRET_H
#define KEYTURN_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/secret_wipe.h"
#include "base/status.h"

#define SECRET_CAP_MAX 65536

struct secret;

/*
 * A new empty secret that can hold up to cap bytes (1 to SECRET_CAP_MAX).
 * STATUS_NO_MEMORY when the arena cannot grow or memory cannot be locked.
 * *ret_secret is the caller's; free it with secret_free().
 */
enum status secret_new(size_t cap, struct secret **ret_secret);

/* A new secret that holds n bytes, 1 to SECRET_CAP_MAX, and has room for no
 * more. */
enum status secret_from(const void *bytes, size_t n,
			struct secret **ret_secret);

/* Wipe and release.  Takes NULL. */
void secret_free(struct secret *s);

/* Wipe; length becomes 0. */
void secret_clear(struct secret *s);

/* Replace the content with n bytes; STATUS_LIMIT if n exceeds the capacity,
 * in which case the old content stays. */
enum status secret_set(struct secret *s, const void *bytes, size_t n);

/* Append n bytes; STATUS_LIMIT if they do not fit (content unchanged). */
enum status secret_append(struct secret *s, const void *bytes, size_t n);

/* A copy with the same capacity. */
enum status secret_copy(const struct secret *s, struct secret **ret_secret);

/*
 * The bytes, always followed by a NUL that is not counted, so that a secret
 * without NUL inside can be handed to a C API.  Valid until the next call that
 * changes or frees s.  Do not keep, log or copy it.
 */
const char *secret_bytes(const struct secret *s);

/* Writable view of the whole capacity, for an API that fills a buffer; call
 * secret_set_len() afterwards, which wipes what is behind n and aborts if n
 * exceeds the capacity. */
unsigned char *secret_buffer(struct secret *s);
void secret_set_len(struct secret *s, size_t n);

size_t secret_len(const struct secret *s);
size_t secret_cap(const struct secret *s);

/* Equal length and bytes; time depends on the lengths only. */
bool secret_equal(const struct secret *a, const struct secret *b);

/* Write all bytes to fd, through a wiped bounce buffer; retries EINTR and
 * short writes.  STATUS_ERROR with errno set on failure. */
enum status secret_write_fd(const struct secret *s, int fd);

/* Append what comes from fd until its end.  STATUS_LIMIT: there is more than s
 * has room for; STATUS_ERROR: errno says why it cannot be read. */
enum status secret_append_fd(struct secret *s, int fd);

/*
 * Read fd to its end into a new secret, at most max bytes; one trailing "\n"
 * or "\r\n" is dropped.  STATUS_LIMIT when there is more.
 */
enum status secret_read_fd(int fd, size_t max, struct secret **ret_secret);

/*
 * For a program that lives for milliseconds, before its first secret: mlock()ed
 * memory only.  memfd_secret() takes each page out of the kernel's own map and
 * puts it back, which costs more than all the rest of such a program.
 */
void secret_short_lived(void);

/* How the arena is protected: "memfd_secret", "mlock" or "none yet". */
const char *secret_backing(void);

#endif
