/* SPDX-License-Identifier: PostgreSQL */
/* What the files behind lite.h share; no other file includes it. */
#ifndef KEYTURN_LITE_INTERNAL_H
#define KEYTURN_LITE_INTERNAL_H

#include <pthread.h>

#include "lite/lite.h"
#include "lite/lite_conn.h"
#include "lite/lite_file.h"

/* A write in the queue; it lives on the stack of the thread that waits. */
struct lite_job {
	lite_fn *fn;
	void *arg;
	struct reason *why;
	struct lite_job *next;
	enum status st;
	bool reserved;
	bool done;
};

struct lite {
	char *path;
	bool read_only;
	size_t reserve;
	int ballast; /* -1: none */
	struct lite_file file, wal;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t finished;
	struct lite_job *first, **last;
	bool leading;	   /* a thread uses the writer */
	bool ballast_gone; /* given back, not whole again */
	struct lite_tx *idle;
	unsigned n_idle;

	struct lite_tx *writer; /* the leader's */
};

/* --- lite_schema.c ------------------------------------------------------- */

/* How many steps a schema has: its texts up to the NULL. */
size_t lite_schema_count(const char *const *schema);

/* Run the steps that this file has not seen yet, all or none of them. */
enum status lite_schema_migrate(struct lite_tx *c, const struct lite_options *o,
				struct reason *why);

/* A complete database under a temporary name: whoever finds a file under the
 * real name may then take an empty one for a truncated one. */
enum status lite_schema_create(const struct lite_options *o,
			       struct reason *why);

/* Is it our file, and of a schema that we know?  Else STATUS_CONFIG. */
enum status lite_schema_check(struct lite_tx *c, const struct lite_options *o,
			      struct reason *why);

/* --- lite_group.c -------------------------------------------------------- */

/* Queue j and wait until it is done, by this thread or by another.  What comes
 * back is j->st. */
enum status lite_group_submit(struct lite *db, struct lite_job *j);

#endif
