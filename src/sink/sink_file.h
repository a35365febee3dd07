/* SPDX-License-Identifier: PostgreSQL */
/*
 * A sink's file in its folder: one writer at a time, read without following a
 * link, and whose it is.
 */
#ifndef KEYTURN_SINK_FILE_H
#define KEYTURN_SINK_FILE_H

#include <sys/stat.h>

#include "base/file.h"
#include "sink/sink.h"

#define SINK_FILE_LOCK_PREFIX "."
#define SINK_FILE_LOCK_SUFFIX ".keyturn-lock"
#define SINK_FILE_LOCK_US     INT64_C(5000000)

struct sink_file {
	const char *path; /* the sink's */
	const char *name; /* the last part of it */
	int folder;	  /* descriptors, -1 when not open */
	int lock;
	struct stat folder_stat;
	bool exists;
	struct stat stat; /* when it exists */
};

/*
 * Open the folder, no part of whose path may be a symbolic link, and wait for
 * the lock.  STATUS_NOT_FOUND without the folder, STATUS_REFUSED for a link,
 * STATUS_TIMEOUT when another writer held the lock for SINK_FILE_LOCK_US.
 * f points into s.  Close it also after a failure.
 */
enum status sink_file_open(struct sink_file *f, const struct sink *s,
			   struct reason *why);
void sink_file_close(struct sink_file *f);

/*
 * The content (empty when there is no file), and f->exists and f->stat.
 * STATUS_REFUSED unless a regular file, STATUS_LIMIT over SECRET_CAP_MAX
 * bytes, STATUS_CONFLICT when it changed while it was read.
 */
enum status sink_file_read(struct sink_file *f, struct secret **ret_content,
			   struct reason *why);

/*
 * Who shall own the file, from the sink's settings, the file and the folder.
 * STATUS_REFUSED when we may not give it to them, or when the file is
 * somebody else's, whose content we would hand over.
 */
enum status sink_file_owner(const struct sink_file *f, const struct sink *s,
			    struct file_owner *ret_owner, struct reason *why);

/* Is the file still the one that sink_file_read() has read? */
bool sink_file_unchanged(const struct sink_file *f);

#endif
