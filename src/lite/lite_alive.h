/* SPDX-License-Identifier: PostgreSQL */
/* Is the database file still there? */
#ifndef KEYTURN_LITE_ALIVE_H
#define KEYTURN_LITE_ALIVE_H

#include "lite/lite_internal.h"

/* Are the file and its log still those that were opened?  STATUS_OK, or what
 * lite_file_same() says. */
enum status lite_alive_check(const struct lite *db, struct reason *why);

#endif
