/* SPDX-License-Identifier: PostgreSQL */
/* What the administrator wrote behind pam_keyturn.so. */
#ifndef KEYTURN_PAM_OPTIONS_H
#define KEYTURN_PAM_OPTIONS_H

#include <stdbool.h>

#include <security/pam_modules.h>

#define PAM_OPTIONS_FILE_MAX 4096

struct pam_options {
	bool debug;
	bool quiet;
	bool use_first_pass; /* libpam obeys these two itself */
	bool try_first_pass;
	bool ignore_unknown_role;
	bool ignore_unavail;
	bool grace;
	unsigned timeout_ms;
	unsigned fail_delay_ms;
	const char *socket;
	const char *realm;		     /* NULL: any */
	const char *conf;		     /* NULL: no file */
	char file[PAM_OPTIONS_FILE_MAX + 1]; /* what conf= holds, cut up */
};

/*
 * The options of one line of a stack; what stands there counts more than what
 * the file of conf= says.  The texts point into argv and into *ret, which may
 * not be copied.  PAM_SUCCESS; else PAM_SERVICE_ERR, and the reason is in the
 * system's log: a mistaken line must never let anybody in.
 */
int pam_options_read(pam_handle_t *pamh, int argc, const char **argv,
		     struct pam_options *ret);

#endif
