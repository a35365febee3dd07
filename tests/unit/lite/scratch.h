/* SPDX-License-Identifier: PostgreSQL */
/* Bad worlds for tests: private folders, tiny disks, other users, kill -9. */
#ifndef KEYTURN_TEST_SCRATCH_H
#define KEYTURN_TEST_SCRATCH_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* In a forked child cmocka's asserts would run the parent's tests on: there a
 * failed check says so and ends the child's function with 1. */
#define SCRATCH_CHECK(cond)                                                    \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, \
				__LINE__, #cond);                              \
			return 1;                                              \
		}                                                              \
	} while (0)

typedef int scratch_fn(const char *folder, void *arg);

/* A new private folder, free() it; and its removal with all that is in it. */
char *scratch_make(void);
void scratch_remove(char *folder);

/* "<folder>/<name>", in one of eight rotating static buffers. */
const char *scratch_path(const char *folder, const char *name);

/* Run fn in a child whose folder is a file system of `bytes` of its own: as
 * root in a mount namespace, else in a user namespace.  0 when fn gave 0. */
int scratch_on_small_disk(size_t bytes, scratch_fn *fn, void *arg);

/* Run fn in a child without root's rights. */
int scratch_unprivileged(scratch_fn *fn, const char *folder, void *arg);

/* Fill the disk of folder to the last byte, with the file "filler". */
void scratch_fill(const char *folder);
void scratch_unfill(const char *folder);

/* Start fn in a child, let it run for us, and kill it with SIGKILL. */
void scratch_kill_after(scratch_fn *fn, const char *folder, void *arg,
			unsigned us);

/* Hold the database at path locked in a child (exclusively, or only against
 * writers) until scratch_unlock(). */
struct scratch_lock {
	pid_t pid;
};
struct scratch_lock scratch_lock(const char *path, int exclusive);
void scratch_unlock(struct scratch_lock lock);

/* Run SQL on the file behind keyturn's back; aborts when it fails. */
void scratch_sql(const char *path, const char *sql);

/* Does it? 1 or 0. */
int scratch_sql_works(const char *path, const char *sql);

/* Change one bit of the byte at offset. */
void scratch_flip_byte(const char *path, long offset);

/* Change the last bit of the middle byte of a blob in the row `where`. */
void scratch_flip_blob(const char *path, const char *table, const char *column,
		       const char *where);

#endif
