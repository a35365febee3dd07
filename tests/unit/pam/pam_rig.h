/* SPDX-License-Identifier: PostgreSQL */
/*
 * For tests: a folder of PAM services with the module under test in them, a
 * scripted agent that knows a few roles, what the module logged, and a
 * conversation that answers as told.
 */
#ifndef KEYTURN_TEST_PAM_RIG_H
#define KEYTURN_TEST_PAM_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <security/pam_appl.h>

#include "tests/unit/wire/fake_agent.h"
#include "wire/wire.h"

#define PAM_RIG_CURRENT	 "Current-password.4711"
#define PAM_RIG_PREVIOUS "Previous-password.0815"

/* What the roles of the agent are for, besides "sap", whose passwords are
 * above: "denied" is answered with DENIED, and so are "limited", "ambiguous",
 * "away" (UNAVAILABLE), "late" (TIMEOUT), "malformed" (BAD_REQUEST). */

struct pam_rig_seen { /* the last request */
	unsigned operation;
	char user[256];
	char realm[64];
	char rhost[256];
	char service[64];
	int64_t no_grace;
	size_t password_len;
};

struct pam_rig {
	char folder[64]; /* of the services */
	struct fake_agent *agent;
	struct pam_rig_seen seen;
	unsigned seen_rotate;
	int64_t grace_until; /* of the previous password; 0: not sent */
	const char *after;   /* unused roles of LIST begin behind this */
};

struct pam_rig_talk {
	const char *password;
	int rc;		  /* of the conversation */
	unsigned prompts; /* hidden ones */
	unsigned others;
	char text[256]; /* of the last other message */
};

struct pam_rig *pam_rig_start(void);
/* Replace the agent that answers by one that does this; NULL: by none. */
void pam_rig_agent(struct pam_rig *r, const struct fake_agent_options *o);
void pam_rig_stop(struct pam_rig *r);

/* Write the service: `lines` with %M for the module and %S for socket=PATH. */
void pam_rig_service(const struct pam_rig *r, const char *name,
		     const char *lines);
/* auth, account, password and session of the module alone, with options. */
void pam_rig_alone(const struct pam_rig *r, const char *options);

/* A handle of the service "alone" or another one. */
pam_handle_t *pam_rig_handle(const struct pam_rig *r, const char *service,
			     const char *user, struct pam_rig_talk *talk);
/* pam_authenticate() in a handle of its own. */
int pam_rig_auth(const struct pam_rig *r, const char *user,
		 const char *password);

/* All that was logged since the last call of pam_rig_log_clear(). */
const char *pam_rig_log(void);
void pam_rig_log_clear(void);

#endif
