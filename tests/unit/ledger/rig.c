/* SPDX-License-Identifier: PostgreSQL */
/* Runs that begin and end, for the tests of ledgers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "rig.h"

struct id id_of(unsigned n)
{
	struct id id;

	snprintf(id.s, sizeof id.s, "00000000-0000-4000-8000-%012x", n);
	return id;
}

struct audit_event step(enum audit_kind kind, struct id *run)
{
	struct audit_event e = { .kind = kind,
				 .role = "sap",
				 .run = run->s,
				 .actor = "uid 1000 (alice)",
				 .took_us = 12 };

	return e;
}

enum status begin(struct ledger *l, unsigned n, const char *role,
		  struct reason *why)
{
	struct id id = id_of(n);

	return l->ops->runs->begin(l, id.s, role, "rotate", "uid 1000 (alice)",
				   "due", why);
}

enum status finish(struct ledger *l, unsigned n, const char *role,
		   const char *status, bool keep_open, struct reason *why)
{
	struct ledger_role r = { .version = "v", .rotated_us = 77, .epoch = 3 };
	struct id id = id_of(n);
	struct audit_event e = step(AUDIT_PROMOTE, &id);

	snprintf(r.role, sizeof r.role, "%s", role);
	snprintf(r.last_status, sizeof r.last_status, "%s", status);
	e.role = role;
	return l->ops->runs->close(
		l,
		&(struct ledger_close){ .run = id.s,
					.events = &e,
					.n = 1,
					.role = &r,
					.status = status,
					.version = "v",
					.error = "",
					.steps = "claim=10 stage=20",
					.keep_open = keep_open },
		why);
}

struct audit_verdict verdict(struct ledger *l, enum status want)
{
	struct audit_verdict v = { .bad_event = -1 };
	struct reason why = { "" };
	enum status st = l->ops->trail->verify(l, &v, &why);

	if (st != want)
		fprintf(stderr, "verify: %s\n", why.text);
	assert_int_equal(st, want);
	return v;
}

enum status keep_run(void *arg, const struct ledger_run *run)
{
	struct runs *runs = arg;

	runs->r[runs->n++] = *run;
	return runs->n < 8 ? STATUS_OK : STATUS_LIMIT;
}

enum status keep_line(void *arg, const char *line)
{
	struct lines *x = arg;

	x->n++;
	snprintf(x->last, sizeof x->last, "%s", line);
	if (x->f)
		fprintf(x->f, "%s\n", line);
	return STATUS_OK;
}

unsigned lines_of(struct ledger *l, struct lines *x)
{
	struct reason why = { "" };

	x->n = 0;
	assert_int_equal(l->ops->trail->export(l, keep_line, x, &why),
			 STATUS_OK);
	return x->n;
}
