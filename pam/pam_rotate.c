/* SPDX-License-Identifier: PostgreSQL */
/* Asks for a rotation; must never do so with the rights of a set-user-id or
 * set-group-id program instead of those of the user who called it. */
#include "pam/pam_rotate.h"

#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#include "pam/pam_agent.h"
#include "pam/pam_child.h"

#define REPLY_SIZE 4096

int pam_rotate_check(pam_handle_t *pamh, const struct pam_options *o)
{
	unsigned char request[64], reply[REPLY_SIZE];
	struct wire_message m;
	struct pam_answer a;
	struct reason why;
	struct wire_out out;

	wire_begin(&out, request, sizeof(request), WIRE_VERSION);
	a = pam_agent_ask(o, &out, o->timeout_ms, reply, sizeof(reply), &m,
			  &why);
	if (a.status == STATUS_OK && a.result == WIRE_RESULT_OK)
		return PAM_SUCCESS;
	pam_syslog(pamh, LOG_ERR, "password: %s", why.text);
	return pam_agent_code(o, &a) == PAM_IGNORE ? PAM_IGNORE : PAM_TRY_AGAIN;
}

struct work {
	const struct pam_options *o;
	char user[256];
};

static void ask_agent(void *arg, struct pam_child_report *report)
{
	unsigned char request[WIRE_REQUEST_MAX], reply[REPLY_SIZE];
	const struct work *w = arg;
	struct wire_message m;
	struct pam_answer a;
	struct wire_out out;

	wire_begin(&out, request, sizeof(request), WIRE_ROTATE);
	wire_put_text(&out, WIRE_TAG_USER, w->user);
	wire_put_text(&out, WIRE_TAG_REALM, w->o->realm);
	a = pam_agent_ask(w->o, &out, w->o->timeout_ms, reply, sizeof(reply),
			  &m, &report->why);
	report->code = pam_agent_code(w->o, &a);
}

int pam_rotate_ask(pam_handle_t *pamh, const struct pam_options *o, int flags)
{
	const struct pam_child_user caller = { .uid = getuid(),
					       .gid = getgid() };
	struct pam_child_report report = { 0 };
	struct work w = { .o = o };
	int rc;

	rc = pam_agent_user(pamh, w.user, sizeof(w.user));
	if (rc != PAM_SUCCESS)
		return rc;
	/* The agent goes by both: a set-group-id program has more, too. */
	if (geteuid() == getuid() && getegid() == getgid()) {
		ask_agent(&w, &report);
	} else {
		rc = pam_child_run(&caller, o->timeout_ms, ask_agent, &w,
				   &report, &report.why);
		if (rc != PAM_SUCCESS)
			report.code = rc;
	}
	if (report.code != PAM_SUCCESS) {
		pam_syslog(pamh, LOG_NOTICE, "password: %s", report.why.text);
		return report.code;
	}
	if (!(flags & PAM_SILENT) && !o->quiet)
		pam_info(pamh,
			 "A new password of %s was asked for; keyturn "
			 "makes and distributes it.",
			 w.user);
	return PAM_SUCCESS;
}
