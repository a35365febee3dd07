/* SPDX-License-Identifier: PostgreSQL */
/* The database file as the file system sees it: private, whole, still there. */
#ifndef KEYTURN_LITE_FILE_H
#define KEYTURN_LITE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/reason.h"

/* What to do about damage.  What lies beside a file belongs to that file: SQLite
 * would write it over one that is put in its place. */
#define LITE_RESTORE                                                    \
	"restore it from a backup, and remove the -wal and -shm files " \
	"beside it first"

/* Which file a path named when it was opened. */
struct lite_file {
	dev_t dev;
	ino_t ino;
};

/*
 * May path be trusted as a private database?  Its folder belongs to root or
 * the effective user and no one else may write there; the file is regular, no
 * symbolic link, mode 0600, not empty, and the effective user's own (root may
 * read anybody's when read_only).  STATUS_NOT_FOUND when there is no file,
 * STATUS_CONFIG, STATUS_CORRUPT (empty: it was truncated), STATUS_DENIED.
 */
enum status lite_file_check(const char *path, bool read_only,
			    struct reason *why);

/*
 * An empty file of mode 0600 next to path, for a database that is put in place
 * by lite_file_publish() only when it is complete.  *ret_temporary: free().
 */
enum status lite_file_draft(const char *path, char **ret_temporary,
			    struct reason *why);

/* Make the draft durable under its real name, unless somebody was faster: then
 * theirs stays and it is STATUS_OK all the same. */
enum status lite_file_publish(const char *temporary, const char *path,
			      struct reason *why);

/* Remember which file path (with suffix) is, without opening it. */
enum status lite_file_identify(const char *path, const char *suffix,
			       struct lite_file *ret_file, struct reason *why);

/* Is it still that one?  STATUS_ERROR when it was deleted or replaced. */
enum status lite_file_same(const char *path, const char *suffix,
			   const struct lite_file *file, struct reason *why);

/* "<path><suffix>", or NULL without memory.  free(). */
char *lite_file_join(const char *path, const char *suffix);

#endif
