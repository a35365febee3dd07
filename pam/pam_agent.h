/* SPDX-License-Identifier: PostgreSQL */
/* Questions of the module to the agent, and what the answers mean to libpam. */
#ifndef KEYTURN_PAM_AGENT_H
#define KEYTURN_PAM_AGENT_H

#include <time.h>

#include "pam/pam_options.h"
#include "wire/wire_client.h"

/* How a question ended. */
struct pam_answer {
	enum status status; /* of wire_client_call() */
	unsigned result;    /* WIRE_RESULT_*, when the status is STATUS_OK */
};

/*
 * Ask, within timeout_ms, what `request` holds, and wipe it.  reply has `size`
 * bytes; *ret_reply points into them.  why is a sentence when the answer is not
 * WIRE_RESULT_OK or WIRE_RESULT_OK_PREVIOUS.
 */
struct pam_answer pam_agent_ask(const struct pam_options *o,
				struct wire_out *request, unsigned timeout_ms,
				void *reply, size_t size,
				struct wire_message *ret_reply,
				struct reason *why);

/*
 * The PAM code of an answer (wire.def).  PAM_IGNORE only when an option says
 * so, and only for "no such role" or "no one answers": never for an agent that
 * is not to be trusted, a damaged reply, or a fault of our own.
 */
int pam_agent_code(const struct pam_options *o, const struct pam_answer *a);

/*
 * PAM_USER as the agent may be told it, in ret[256]; never changed.
 * PAM_USER_UNKNOWN for what no role can be called.
 */
int pam_agent_user(pam_handle_t *pamh, char *ret, size_t size);

/* An item that a client could have chosen, made fit to send and to log. */
void pam_agent_item(pam_handle_t *pamh, int item, char *ret, size_t size);

/* Milliseconds of the budget that are left since `begun` (CLOCK_MONOTONIC). */
unsigned pam_agent_left(const struct timespec *begun, unsigned budget_ms);

#endif
