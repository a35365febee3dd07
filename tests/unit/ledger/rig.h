/* SPDX-License-Identifier: PostgreSQL */
/* What the tests of ledgers share: runs that begin and end, and what comes back. */
#ifndef KEYTURN_TEST_LEDGER_RIG_H
#define KEYTURN_TEST_LEDGER_RIG_H

#include <stdio.h>

#include "ledger/ledger.h"

struct id {
	char s[RANDOM_UUID_SIZE];
};

struct runs {
	struct ledger_run r[8];
	unsigned n;
};

struct lines {
	FILE *f;
	unsigned n;
	char last[4096];
};

struct id id_of(unsigned n);

struct audit_event step(enum audit_kind kind, struct id *run);

enum status begin(struct ledger *l, unsigned n, const char *role,
		  struct reason *why);

enum status finish(struct ledger *l, unsigned n, const char *role,
		   const char *status, bool keep_open, struct reason *why);

struct audit_verdict verdict(struct ledger *l, enum status want);

enum status keep_run(void *arg, const struct ledger_run *run);

enum status keep_line(void *arg, const char *line);

unsigned lines_of(struct ledger *l, struct lines *x);

#endif
