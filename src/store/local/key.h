/* SPDX-License-Identifier: PostgreSQL */
/* Do the file and the key belong together? */
#ifndef KEYTURN_STORE_LOCAL_KEY_H
#define KEYTURN_STORE_LOCAL_KEY_H

#include "store/local/common.h"

/* Was the file at path sealed with s->key, which was read from key_path?  A
 * file without secrets is that key's from then on.  STATUS_CORRUPT: no. */
enum status store_local_key_check(struct store_local *s, const char *path,
				  const char *key_path, struct reason *why);

#endif
