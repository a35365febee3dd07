/* SPDX-License-Identifier: PostgreSQL */
/* The one closed enumeration of outcomes; see status.def for the table. */
#ifndef KEYTURN_STATUS_H
#define KEYTURN_STATUS_H

#include <stdbool.h>

enum status {
#define STATUS(name, exit_code, pam, retry, sentence) STATUS_##name,
#include "base/status.def"
#undef STATUS
	STATUS_COUNT
};

/* "OK", "STORE_UNAVAILABLE", ...; never NULL, static. */
const char *status_name(enum status s);

/* The sentence of status.def, lower case, no full stop; never NULL, static. */
const char *status_sentence(enum status s);

/* Exit code of `keyturn` for s, 0 to 125. */
int status_exit(enum status s);

/* May the same call succeed later without anybody changing anything? */
bool status_retry(enum status s);

#endif
