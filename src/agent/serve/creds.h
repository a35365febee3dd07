/* SPDX-License-Identifier: PostgreSQL */
/* What systemd's LoadCredential= gets. */
#ifndef KEYTURN_AGENT_SERVE_CREDS_H
#define KEYTURN_AGENT_SERVE_CREDS_H

#include "agent/serve/call.h"

#define AGENT_SERVE_CREDS_NAME_SIZE 108 /* of an abstract address, with a NUL */

struct agent_serve_creds_wanted {
	char unit[AGENT_SERVE_CREDS_NAME_SIZE];
	char id[AGENT_SERVE_CREDS_NAME_SIZE]; /* a role, maybe with a form behind */
};

/* "adf9d86b6eda275e/unit/app.service/sap.password", the NUL in front taken
 * away; false when it is not exactly that. */
bool agent_serve_creds_read(const char *name,
			    struct agent_serve_creds_wanted *ret);

/* The name that systemd has bound its end to, "X/unit/UNIT/ID"; free().  NULL:
 * it is no such name. */
char *agent_serve_creds_name(int fd);

enum agent_outcome agent_serve_creds(struct agent *a,
				     struct agent_serve_client *c,
				     size_t *ret_len);

#endif
