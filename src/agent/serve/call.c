/* SPDX-License-Identifier: PostgreSQL */
/* What the handlers of requests have in common; must never let an act pass that
 * is not in the audit. */
#include "agent/serve/call.h"

/* How long a request waits for the audit. */
#define RECORD_US (5 * NOW_SECOND)

enum agent_outcome agent_serve_call_answer(struct agent_call *k,
					   enum wire_result result)
{
	wire_begin(&k->out, secret_buffer(k->a->outbox),
		   secret_cap(k->a->outbox), k->m.operation | WIRE_REPLY);
	wire_put_number(&k->out, WIRE_TAG_RESULT, (int64_t)result);
	return AGENT_REPLY;
}

enum agent_outcome agent_serve_call_refuse(struct agent_call *k,
					   enum wire_result result,
					   const char *sentence)
{
	agent_serve_call_answer(k, result);
	wire_put_text(&k->out, WIRE_TAG_SENTENCE, sentence);
	return AGENT_REPLY;
}

bool agent_serve_call_wait(struct agent_call *k, int64_t limit_us)
{
	struct agent_serve_client *c = k->c;

	if (c->left || k->now_us >= c->begun_us + limit_us)
		return false;
	c->until_us = c->begun_us + limit_us;
	c->waits_for = k->role->secret;
	c->waits_for_trail = false;
	return true;
}

enum agent_outcome agent_serve_call_record(struct agent_call *k,
					   const struct agent_act *act)
{
	struct agent_serve_client *c = k->c;

	switch (agent_trail_hand_out(k->a->trail, act, &c->ticket)) {
	case AGENT_TRAIL_GO:
		return AGENT_REPLY;
	case AGENT_TRAIL_BROKEN:
		return AGENT_CLOSE;
	case AGENT_TRAIL_WAIT:
		break;
	}
	if (!c->waits_for_trail)
		c->until_us = k->now_us + RECORD_US;
	else if (k->now_us >= c->until_us)
		return AGENT_CLOSE;
	c->waits_for_trail = true;
	c->waits_for = NULL;
	return AGENT_PARK;
}

enum agent_outcome agent_serve_call_record_handout(struct agent_call *k,
						   const char *operation,
						   bool stale, const char *unit)
{
	const struct agent_act act = {
		.kind = AUDIT_HANDOUT,
		.operation = operation,
		.status = status_name(STATUS_OK),
		.uid = k->c->peer.uid,
		.pid = k->c->peer.pid,
		.role = k->role->name,
		.version = k->role->secret->current.id,
		.stale = stale,
		.service = unit,
	};

	return agent_serve_call_record(k, &act);
}
