/* SPDX-License-Identifier: PostgreSQL */
/* The files that keyturn itself keeps: is one there, and what to do when it
 * cannot be opened. */
#ifndef KEYTURN_OPEN_FILE_H
#define KEYTURN_OPEN_FILE_H

#include <stdbool.h>

#include "base/reason.h"

/* Is there anything of that name? */
bool open_file_exists(const char *path);

/* Say in *why, after what it says, what to do about the failure s of a file
 * whose key is key_path.  Returns the status to fail with. */
enum status open_file_advise(enum status s, const char *key_path,
			     struct reason *why);

#endif
