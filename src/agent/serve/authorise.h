/* SPDX-License-Identifier: PostgreSQL */
/* Which role a request means, and whether its sender may. */
#ifndef KEYTURN_AGENT_SERVE_AUTHORISE_H
#define KEYTURN_AGENT_SERVE_AUTHORISE_H

#include "agent/serve/call.h"

/* May the peer do this, with the role that the request names?  OK: k->role is
 * set where the operation is about one. */
enum wire_result agent_serve_authorise(struct agent_call *k,
				       enum agent_right right);

#endif
