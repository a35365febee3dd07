/* SPDX-License-Identifier: PostgreSQL */
/* What the files that keyturn keeps have in common. */
#include "open/open_file.h"

#include <stddef.h>
#include <sys/stat.h>

bool open_file_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

enum status open_file_advise(enum status s, const char *key_path,
			     struct reason *why)
{
	struct reason was = { "" };

	if (why != NULL)
		was = *why;
	if (s == STATUS_NOT_FOUND && !open_file_exists(key_path))
		return reason_set(why, STATUS_CONFIG,
				  "%s; bring the key back from a backup",
				  was.text);
	if (s == STATUS_DENIED)
		return reason_set(why, s,
				  "%s; run keyturn as the owner of its files",
				  was.text);
	if (s == STATUS_AUDIT_BROKEN)
		return reason_set(why, s,
				  "%s, or move it away: then its history is "
				  "lost, and no password",
				  was.text);
	return s;
}
