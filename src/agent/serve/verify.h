/* SPDX-License-Identifier: PostgreSQL */
/* Checking what somebody typed. */
#ifndef KEYTURN_AGENT_SERVE_VERIFY_H
#define KEYTURN_AGENT_SERVE_VERIFY_H

#include "agent/serve/call.h"

enum agent_outcome agent_serve_verify(struct agent_call *k);
/* The same work for a role that is unknown or forbidden, so that no one can tell
 * by the time it takes. */
void agent_serve_verify_nobody(struct agent_call *k);

#endif
