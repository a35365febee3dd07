/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where the files of sessions are: a folder of root's, mode 0711, and below it
 * one of mode 0700 for each user, as root a tmpfs of its own, so that no one can
 * fill the one that the system needs.  It is mounted with the user's first file
 * and leaves with the last.
 */
#ifndef KEYTURN_PAM_PLACE_H
#define KEYTURN_PAM_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/reason.h"

#define PAM_PLACE_NAME_MAX 64

struct pam_place {
	const char *folder; /* of all users */
	uid_t uid;
	gid_t gid;
};

struct pam_place_file {
	char name[PAM_PLACE_NAME_MAX];
	int fd; /* open, and above 2: its lock says that the session lasts */
	bool bounded; /* false: no tmpfs of its own can be mounted here */
};

/*
 * Make a new file of mode 0600 with these bytes for the user, after removing
 * those that no process has open and whose own process is gone.  0; or -1 and
 * why, and then there is none.  At most wait_ms are waited for others that do
 * the same.
 */
int pam_place_make(const struct pam_place *p, const char *bytes, size_t n,
		   unsigned wait_ms, struct pam_place_file *ret,
		   struct reason *why);

/* Remove the file; 0 too when it is gone.  The process may be that user. */
int pam_place_remove(const char *folder, uid_t uid, const char *name,
		     struct reason *why);

/* Unmount the user's place when it is empty and not in use. */
void pam_place_leave(const char *folder, uid_t uid);

#endif
