/* SPDX-License-Identifier: PostgreSQL */
/*
 * Lets the agent compare a password.  Runs inside database servers: must never
 * hold anything across the conversation (PostgreSQL leaves it by longjmp),
 * open a file, look up an account of the system, or wait past the deadline.
 */
#include "pam/pam_verify.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include <security/pam_ext.h>

#include "base/text.h"
#include "pam/pam_agent.h"

#define VERDICT	    "keyturn:verdict"
#define USER_SIZE   256
#define REALM_SIZE  41
#define REPLY_SIZE  4096
#define SERVICE_MAX 63
#define RHOST_MAX   255

/* What the auth phase found, for the account phase.  No secret. */
struct verdict {
	struct pam_answer answer;
	int64_t grace_until; /* microseconds since 1970; 0: current password */
	char user[USER_SIZE];
	char realm[REALM_SIZE];
};

struct attempt {
	char user[USER_SIZE];
	char rhost[RHOST_MAX + 1];
	char service[SERVICE_MAX + 1];
};

static void forget_verdict(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh;
	(void)status;
	free(data);
}

static int keep_verdict(pam_handle_t *pamh, const struct verdict *v)
{
	struct verdict *copy = malloc(sizeof(*copy));
	int rc;

	if (copy == NULL)
		return PAM_BUF_ERR;
	*copy = *v;
	rc = pam_set_data(pamh, VERDICT, copy, forget_verdict);
	if (rc != PAM_SUCCESS)
		free(copy);
	return rc;
}

static bool grace_is_over(const struct verdict *v)
{
	struct timespec now;

	if (v->answer.result != WIRE_RESULT_OK_PREVIOUS)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	return v->grace_until <=
	       (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- auth ---------------------------------------------------------------- */

/* Anything that cannot be one of our passwords is refused before the agent
 * hears of it: libpam's own limit is 512 bytes, PostgreSQL's is 65,535. */
static bool may_be_password(const char *token)
{
	size_t n = strnlen(token, WIRE_SECRET_MAX + 1);

	return n > 0 && n <= WIRE_SECRET_MAX && !text_has_control(token, n) &&
	       text_is_utf8(token, n);
}

static struct pam_answer ask_agent(const struct pam_options *o,
				   const struct attempt *a, const char *token,
				   struct verdict *v, struct reason *why)
{
	unsigned char request[WIRE_REQUEST_MAX], reply[REPLY_SIZE];
	struct wire_message m = { 0 };
	struct pam_answer answer;
	struct wire_out out;

	wire_begin(&out, request, sizeof(request), WIRE_VERIFY);
	wire_put_text(&out, WIRE_TAG_USER, a->user);
	wire_put_text(&out, WIRE_TAG_REALM, o->realm);
	wire_put_text(&out, WIRE_TAG_RHOST, a->rhost);
	wire_put_text(&out, WIRE_TAG_SERVICE, a->service);
	if (!o->grace)
		wire_put_number(&out, WIRE_TAG_NO_GRACE, 1);
	wire_put_text(&out, WIRE_TAG_PASSWORD, token);
	answer = pam_agent_ask(o, &out, o->timeout_ms, reply, sizeof(reply), &m,
			       why);
	if (answer.status == STATUS_OK &&
	    answer.result == WIRE_RESULT_OK_PREVIOUS)
		v->grace_until = wire_number(&m, WIRE_TAG_GRACE_UNTIL, 0);
	return answer;
}

/* A refused user can fill the log, so what may be noise is not logged, and a
 * name that may be no role's is never written: people type passwords there. */
static void log_refusal(pam_handle_t *pamh, const struct pam_options *o,
			const struct attempt *a,
			const struct pam_answer *answer,
			const struct reason *why)
{
	if (answer->status != STATUS_OK) {
		pam_syslog(pamh, LOG_ERR, "%s", why->text);
		return;
	}
	switch (answer->result) {
	case WIRE_RESULT_OK:
		if (o->debug)
			pam_syslog(pamh, LOG_DEBUG, "role %s rhost=%s: %s",
				   a->user, a->rhost, why->text);
		break;
	case WIRE_RESULT_OK_PREVIOUS:
		pam_syslog(pamh, LOG_INFO,
			   "role %s rhost=%s came with the previous password",
			   a->user, a->rhost);
		break;
	case WIRE_RESULT_NOT_FOUND:
		if (!o->quiet)
			pam_syslog(pamh, LOG_INFO, "no such role; rhost=%s",
				   a->rhost);
		break;
	case WIRE_RESULT_DENIED:
	case WIRE_RESULT_BAD_REQUEST:
		pam_syslog(pamh, LOG_NOTICE, "rhost=%s: %s", a->rhost,
			   why->text);
		break;
	default:
		pam_syslog(pamh, LOG_NOTICE, "role %s rhost=%s: %s", a->user,
			   a->rhost, why->text);
	}
}

/* The agent's yes, checked against what we asked for. */
static int judge_answer(pam_handle_t *pamh, const struct pam_options *o,
			struct verdict *v)
{
	int rc = pam_agent_code(o, &v->answer);

	if (rc == PAM_SUCCESS && v->answer.result == WIRE_RESULT_OK_PREVIOUS &&
	    (!o->grace || grace_is_over(v))) {
		pam_syslog(pamh, LOG_ERR,
			   "the agent accepted a previous password without "
			   "grace");
		v->answer.result = WIRE_RESULT_MISMATCH;
		rc = PAM_AUTH_ERR;
	}
	return rc;
}

static int prompt_password(pam_handle_t *pamh, const char **ret_token)
{
	const char *token = NULL;
	int rc = pam_get_authtok(pamh, PAM_AUTHTOK, &token, NULL);

	if (rc == PAM_CONV_AGAIN)
		return PAM_INCOMPLETE;
	/* The first is how libpam says that the conversation failed. */
	if (rc == PAM_AUTHTOK_ERR || rc == PAM_IGNORE)
		return PAM_CONV_ERR;
	if (rc == PAM_SUCCESS && token == NULL)
		return PAM_AUTH_ERR;
	*ret_token = token;
	return rc;
}

static int verify_password(pam_handle_t *pamh, const struct pam_options *o)
{
	const char *token = NULL;
	struct attempt a;
	struct verdict v = { 0 };
	struct reason why;
	int rc;

	rc = prompt_password(pamh, &token);
	if (rc != PAM_SUCCESS)
		return rc;
	/* Only now, so that nothing of ours waits with the conversation. */
	rc = pam_agent_user(pamh, a.user, sizeof(a.user));
	if (rc != PAM_SUCCESS)
		return rc;
	if (!may_be_password(token)) {
		if (o->debug)
			pam_syslog(pamh, LOG_DEBUG,
				   "no password of ours looks like this");
		return PAM_AUTH_ERR;
	}
	pam_agent_item(pamh, PAM_RHOST, a.rhost, sizeof(a.rhost));
	pam_agent_item(pamh, PAM_SERVICE, a.service, sizeof(a.service));
	v.answer = ask_agent(o, &a, token, &v, &why);
	/* The password, which the wire does not carry. */
	if (v.answer.status == STATUS_REFUSED)
		return PAM_AUTH_ERR;
	log_refusal(pamh, o, &a, &v.answer, &why);
	rc = judge_answer(pamh, o, &v);
	memcpy(v.user, a.user, sizeof(v.user));
	if (o->realm != NULL)
		memcpy(v.realm, o->realm, strlen(o->realm) + 1);
	return keep_verdict(pamh, &v) == PAM_SUCCESS ? rc : PAM_BUF_ERR;
}

int pam_verify_password(pam_handle_t *pamh, const struct pam_options *o)
{
	char user[USER_SIZE];
	int rc;

	/* What an earlier attempt found does not speak for this one. */
	rc = pam_set_data(pamh, VERDICT, NULL, NULL);
	if (rc != PAM_SUCCESS)
		return rc;
	rc = pam_agent_user(pamh, user, sizeof(user));
	if (rc == PAM_SUCCESS)
		rc = verify_password(pamh, o);
	if (rc != PAM_SUCCESS && rc != PAM_IGNORE && o->fail_delay_ms > 0)
		pam_fail_delay(pamh, o->fail_delay_ms * 1000);
	return rc;
}

/* ---- account ------------------------------------------------------------- */

int pam_verify_account(pam_handle_t *pamh, const struct pam_options *o)
{
	const struct verdict *v;
	const void *data = NULL;
	char user[USER_SIZE];
	int rc;

	rc = pam_agent_user(pamh, user, sizeof(user));
	if (rc != PAM_SUCCESS)
		return rc;
	if (pam_get_data(pamh, VERDICT, &data) != PAM_SUCCESS || data == NULL) {
		pam_syslog(pamh, LOG_ERR,
			   "account: pam_keyturn did not authenticate here");
		return PAM_SERVICE_ERR;
	}
	v = data;
	if (strcmp(v->user, user) != 0 ||
	    (o->realm != NULL && strcmp(v->realm, o->realm) != 0)) {
		pam_syslog(pamh, LOG_ERR,
			   "account: pam_keyturn authenticated another role");
		return PAM_SERVICE_ERR;
	}
	rc = pam_agent_code(o, &v->answer);
	if (rc == PAM_SUCCESS && grace_is_over(v))
		return PAM_AUTHTOK_EXPIRED;
	return rc;
}
