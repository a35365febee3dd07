/* SPDX-License-Identifier: PostgreSQL */
/* What the files of this folder share; no other folder includes it. */
#ifndef KEYTURN_AFTER_INTERNAL_H
#define KEYTURN_AFTER_INTERNAL_H

#include "after/after.h"
#include "pg/pg.h"

enum after_kind { AFTER_PGBOUNCER, AFTER_RELOAD, AFTER_RESTART, AFTER_SIGNAL };

#define AFTER_TIMEOUT_US INT64_C(30000000) /* unless it is set */

struct after {
	enum after_kind kind;
	char *name;
	int64_t timeout_us;
	char target[1024]; /* the unit, or the pidfile */
	/* AFTER_PGBOUNCER */
	struct pg_info *console;
	char port[16];
	char passfile[1024]; /* "" for none */
	char prove[64];	     /* database; "": that of consumers */
	char prove_user[64]; /* "": the role */
	bool prove_no;
};

/* ---- after_pgbouncer.c, after_systemd.c: as after_try() and after_run() ---- */

enum status after_pgbouncer_try(const struct after *a, bool as_user,
				struct reason *why);
enum status after_pgbouncer_run(const struct after *a,
				const struct after_delivered *d,
				struct reason *why);
enum status after_systemd_try(const struct after *a, struct reason *why);
enum status after_systemd_run(const struct after *a, int64_t tried_us,
			      struct reason *why);

/* Is it keyturnd's own unit?  To restart that would end who waits for it. */
bool after_systemd_is_ours(const char *unit);

#endif
