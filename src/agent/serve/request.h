/* SPDX-License-Identifier: PostgreSQL */
/* Requests, from whole frames to what becomes of them. */
#ifndef KEYTURN_AGENT_SERVE_REQUEST_H
#define KEYTURN_AGENT_SERVE_REQUEST_H

#include "agent/serve/call.h"

/* One whole frame.  *ret_len is of the reply. */
enum agent_outcome agent_serve_request(struct agent *a,
				       struct agent_serve_client *c,
				       const void *frame, size_t len,
				       size_t *ret_len);

/* Its client is gone while it waited: do what is owed for it. */
void agent_serve_request_leave(struct agent *a, struct agent_serve_client *c,
			       const void *frame, size_t len);

#endif
