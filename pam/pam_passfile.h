/* SPDX-License-Identifier: PostgreSQL */
/* What is in the file of a session, asked for as its user. */
#ifndef KEYTURN_PAM_PASSFILE_H
#define KEYTURN_PAM_PASSFILE_H

#include "pam/pam_child.h"
#include "pam/pam_options.h"
#include "wire/wire.h"

#define PAM_PASSFILE_MAX   ((size_t)256 * 1024)
#define PAM_PASSFILE_ROLES 64 /* in one file */
#define PAM_PASSFILE_ROLE  128

/* Shared with the child, which may have a small stack only. */
struct pam_passfile_memory {
	size_t len; /* of the text */
	char text[PAM_PASSFILE_MAX];
	/* The child's own. */
	unsigned char request[WIRE_REQUEST_MAX];
	unsigned char list[WIRE_REPLY_MAX], reply[WIRE_REPLY_MAX];
	char later[PAM_PASSFILE_ROLES][PAM_PASSFILE_ROLE];
};

struct pam_passfile_work {
	const struct pam_options *o;
	struct pam_passfile_memory *m;
};

/*
 * The work of pam_child_run(); arg is a struct pam_passfile_work.  Asks the agent
 * for the roles that this user may have, and writes what the file shall hold:
 * first those that the agent has at hand; the others share what is left of the
 * time.  In the report: how many roles that are, PAM_SUCCESS, and why it lacks
 * one that the user may have, if it does; PAM_USER_UNKNOWN (PAM_IGNORE with
 * ignore_unknown_role) when there is none; PAM_AUTHINFO_UNAVAIL (PAM_IGNORE with
 * ignore_unavail); PAM_SESSION_ERR.
 */
void pam_passfile_write(void *arg, struct pam_child_report *report);

#endif
