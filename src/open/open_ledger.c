/* SPDX-License-Identifier: PostgreSQL */
/* Opens the ledger from settings. */
#include "open/open_ledger.h"

#include <stdio.h>

#include "base/now.h"
#include "ledger/sqlite/sqlite.h"
#include "open/open_file.h"

#define PATH_SIZE 1100

enum status open_ledger_open(const struct config *c, enum open_ledger mode,
			     const char *public_key, bool *ret_lost,
			     struct ledger **ret, struct reason *why)
{
	const struct config_group *g =
		config_find(c, CONFIG_SECTION_keyturn, "");
	const char *key = config_string(g, CONFIG_keyturn_audit_key);
	char beside[PATH_SIZE];
	struct ledger_sqlite_options o = {
		.path = config_string(g, CONFIG_keyturn_ledger),
		.sign_public_path = public_key,
		.now = now_system(),
	};
	enum status s;

	if (mode != OPEN_LEDGER_READ) {
		o.sign_key_path = key;
		o.create = mode == OPEN_LEDGER_WRITE;
		*ret_lost = !open_file_exists(o.path);
	} else {
		o.read_only = true;
		/* Who may read the trail need not hold the private key. */
		if (!public_key) {
			snprintf(beside, sizeof(beside), "%s.pub", key);
			o.sign_public_path = beside;
		}
	}
	s = open_file_advise(
		ledger_sqlite_open(&o, ret, why),
		o.sign_key_path ? o.sign_key_path : o.sign_public_path, why);
	if (s == STATUS_NOT_FOUND && !o.create)
		reason_set(why, s,
			   "there is no ledger %s: bring it back from a "
			   "backup; if it is lost for good, keyturn recover "
			   "begins a new one, which does not know what was "
			   "frozen",
			   o.path);
	return s;
}
