/* SPDX-License-Identifier: PostgreSQL */
/* The name that systemd binds its end of a LoadCredential= socket to. */
#ifndef KEYTURN_AGENT_CREDS_H
#define KEYTURN_AGENT_CREDS_H

#include <stdbool.h>

#define AGENT_SERVE_CREDS_NAME_SIZE 108 /* of an abstract address, with a NUL */

struct agent_serve_creds_wanted {
	char unit[AGENT_SERVE_CREDS_NAME_SIZE];
	char id[AGENT_SERVE_CREDS_NAME_SIZE]; /* a role, maybe with a form behind */
};

/* "adf9d86b6eda275e/unit/app.service/sap.password", the NUL in front taken
 * away; false when it is not exactly that. */
bool agent_serve_creds_read(const char *name,
			    struct agent_serve_creds_wanted *ret);

#endif
