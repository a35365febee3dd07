/* SPDX-License-Identifier: PostgreSQL */
/* One step after a delivery, whatever its kind; must never decide whether it is
 * its turn. */
#include "after/after.h"

#include <stdlib.h>
#include <string.h>

#include "after/after_internal.h"
#include "sink/sink_signal.h"

void after_free(struct after *a)
{
	if (a == NULL)
		return;
	pg_info_free(a->console);
	free(a->name);
	free(a);
}

int64_t after_timeout_us(const struct after *a)
{
	return a->timeout_us;
}

const char *after_name(const struct after *a)
{
	return a->name;
}

static bool is_same(const struct pg_info *console, const struct pg_info *other,
		    const char *keyword)
{
	return strcmp(pg_info_get(console, keyword),
		      pg_info_get(other, keyword)) == 0;
}

bool after_is_endpoint(const struct after *a, const char *conninfo)
{
	struct pg_info *other = NULL;
	const char *port;
	bool same;

	if (a->kind != AFTER_PGBOUNCER ||
	    pg_info_parse(conninfo, true, &other, NULL) != STATUS_OK)
		return false;
	port = pg_info_get(other, "port");
	same = strcmp(a->port, port[0] != '\0' ? port : "5432") == 0 &&
	       is_same(a->console, other, "host") &&
	       is_same(a->console, other, "hostaddr");
	pg_info_free(other);
	return same;
}

bool after_proves_as_role(const struct after *a)
{
	return a->kind == AFTER_PGBOUNCER && a->prove[0] != '\0' &&
	       a->prove_user[0] == '\0';
}

enum status after_try(const struct after *a, bool as_user, struct reason *why)
{
	enum status st;

	if (a->kind == AFTER_PGBOUNCER)
		return after_pgbouncer_try(a, as_user, why);
	if (a->kind != AFTER_SIGNAL)
		return after_systemd_try(a, why);
	st = sink_signal_try(a->target, why);
	if (st == STATUS_OK)
		reason_set(why, st, "the process of %s is there", a->target);
	return st;
}

enum status after_run(const struct after *a, const struct after_delivered *d,
		      struct reason *why)
{
	enum status st;

	if (a->kind == AFTER_PGBOUNCER)
		return after_pgbouncer_run(a, d, why);
	if (a->kind != AFTER_SIGNAL)
		return after_systemd_run(a, d->tried_us, why);
	st = sink_signal_send(a->target, why);
	if (st == STATUS_OK)
		reason_set(why, st, "the process of %s got SIGHUP", a->target);
	return st;
}
