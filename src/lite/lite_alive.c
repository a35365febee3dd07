/* SPDX-License-Identifier: PostgreSQL */
/* Whether the file that was opened is still the one of its name.  Must never take
 * another for it. */
#include "lite/lite_alive.h"

enum status lite_alive_check(const struct lite *db, struct reason *why)
{
	enum status st = lite_file_same(db->path, "", &db->file, why);

	if (st == STATUS_OK && !db->read_only)
		st = lite_file_same(db->path, "-wal", &db->wal, why);
	return st;
}
