/* SPDX-License-Identifier: PostgreSQL */
/* Asks the agent; must never turn anything but its plain yes into a yes. */
#include "pam/pam_agent.h"

#include <string.h>

#include <security/pam_ext.h>

#include "base/text.h"

static const int codes[WIRE_RESULT_END] = {
#define WIRE_RESULT(name, number, exit_code, pam, sentence) \
	[number] = PAM_##pam,
#include "wire/wire.def"
};

struct pam_answer pam_agent_ask(const struct pam_options *o,
				struct wire_out *request, unsigned timeout_ms,
				void *reply, size_t size,
				struct wire_message *ret_reply,
				struct reason *why)
{
	struct pam_answer a = { .status = STATUS_ERROR };
	struct wire_client_request r = { .socket = o->socket,
					 .frame = request->bytes,
					 .timeout_ms = timeout_ms };
	struct wire_message m;
	int64_t result;

	a.status = wire_end(request, &r.len);
	if (a.status == STATUS_OK)
		a.status = wire_client_call(&r, reply, size, &m, why);
	else
		reason_set(why, a.status, "the request cannot be written");
	explicit_bzero(request->bytes, request->size);
	if (a.status != STATUS_OK)
		return a;
	result = wire_number(&m, WIRE_TAG_RESULT, -1);
	if (result < 0 || result >= WIRE_RESULT_END) {
		a.status = reason_set(why, STATUS_CORRUPT,
				      "the agent's reply has no result");
		return a;
	}
	a.result = (unsigned)result;
	reason_set(why, STATUS_OK, "%s", wire_result_sentence(a.result));
	*ret_reply = m;
	return a;
}

int pam_agent_code(const struct pam_options *o, const struct pam_answer *a)
{
	bool nobody = a->status == STATUS_NOT_FOUND ||
		      a->status == STATUS_TIMEOUT;

	if (a->status == STATUS_OK) {
		if (a->result == WIRE_RESULT_NOT_FOUND &&
		    o->ignore_unknown_role)
			return PAM_IGNORE;
		nobody = a->result == WIRE_RESULT_UNAVAILABLE ||
			 a->result == WIRE_RESULT_TIMEOUT;
		if (!nobody)
			return a->result < WIRE_RESULT_END ? codes[a->result] :
							     PAM_SYSTEM_ERR;
	}
	return nobody && o->ignore_unavail ? PAM_IGNORE : PAM_AUTHINFO_UNAVAIL;
}

int pam_agent_user(pam_handle_t *pamh, char *ret, size_t size)
{
	const char *user = NULL;
	char shown[4 * 256];
	size_t n;
	int rc;

	rc = pam_get_user(pamh, &user, NULL);
	if (rc != PAM_SUCCESS)
		return rc == PAM_CONV_AGAIN ? PAM_INCOMPLETE : rc;
	n = user ? strnlen(user, size) : 0;
	if (n == 0 || n >= size)
		return PAM_USER_UNKNOWN;
	/* A name that has to be escaped is no one's. */
	text_escape(shown, sizeof(shown), user, n);
	if (strcmp(shown, user) != 0)
		return PAM_USER_UNKNOWN;
	memcpy(ret, user, n + 1);
	return PAM_SUCCESS;
}

void pam_agent_item(pam_handle_t *pamh, int item, char *ret, size_t size)
{
	const void *value = NULL;

	ret[0] = '\0';
	if (pam_get_item(pamh, item, &value) != PAM_SUCCESS || value == NULL)
		return;
	/* Escaping never shortens, so more than `size` is never looked at. */
	text_escape(ret, size, value, strnlen(value, size));
}

unsigned pam_agent_left(const struct timespec *begun, unsigned budget_ms)
{
	struct timespec now;
	int64_t passed;

	clock_gettime(CLOCK_MONOTONIC, &now);
	passed = (int64_t)(now.tv_sec - begun->tv_sec) * 1000 +
		 (now.tv_nsec - begun->tv_nsec) / 1000000;
	return passed >= budget_ms ? 0 : budget_ms - (unsigned)passed;
}
