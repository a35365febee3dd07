/* SPDX-License-Identifier: PostgreSQL */
/* One request on its way through the handlers. */
#ifndef KEYTURN_AGENT_SERVE_CALL_H
#define KEYTURN_AGENT_SERVE_CALL_H

#include "agent/access/groups.h"
#include "agent/serve/client.h"
#include "agent/trail/trail.h"
#include "wire/wire.h"

/* What becomes of it. */
enum agent_outcome {
	AGENT_REPLY, /* a->outbox has it */
	AGENT_REPLY_AND_CLOSE,
	AGENT_PARK, /* c->until_us and c->waits_for* say for what */
	AGENT_CLOSE,
};

struct agent_call {
	struct agent *a;
	struct agent_serve_client *c;
	struct wire_message m;
	struct agent_role *role; /* NULL where none is named */
	int64_t now_us;		 /* boot */
	struct wire_out out;
};

/* Begin the reply. */
enum agent_outcome agent_serve_call_answer(struct agent_call *k,
					   enum wire_result result);
/* The same with a sentence of its own. */
enum agent_outcome agent_serve_call_refuse(struct agent_call *k,
					   enum wire_result result,
					   const char *sentence);

/* Wait for an answer about the role's secret, until `limit_us` after the
 * request came; false when that is over. */
bool agent_serve_call_wait(struct agent_call *k, int64_t limit_us);

/* Is the act in the audit?  AGENT_REPLY: yes; AGENT_PARK: not yet; AGENT_CLOSE:
 * it cannot be recorded. */
enum agent_outcome agent_serve_call_record(struct agent_call *k,
					   const struct agent_act *act);
/* The same for handing out what the role's secret holds.  `unit` names the one
 * it is for; "" for the peer. */
enum agent_outcome agent_serve_call_record_handout(struct agent_call *k,
						   const char *operation,
						   bool stale,
						   const char *unit);

#endif
