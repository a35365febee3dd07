/* SPDX-License-Identifier: PostgreSQL */
/* The embedded ledger: one SQLite file. */
#ifndef KEYTURN_LEDGER_SQLITE_H
#define KEYTURN_LEDGER_SQLITE_H

#include "base/now.h"
#include "ledger/ledger.h"

struct ledger_sqlite_options {
	const char *path;
	const char *sign_key_path; /* Ed25519 private PEM; NULL: read-only use,
				      checkpoint() is refused */
	const char *sign_public_path; /* public PEM for verify(); NULL: taken
					 from the private key */
	bool create;		      /* make the file when it is not there */
	bool read_only;		      /* status, history, audit verify */
	const struct now *now;
};

enum status ledger_sqlite_open(const struct ledger_sqlite_options *o,
			       struct ledger **ret_ledger, struct reason *why);

#endif
