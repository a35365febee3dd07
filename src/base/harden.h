/* SPDX-License-Identifier: PostgreSQL */
/*
 * What every program does before it reads a byte: no core, not dumpable, no
 * inherited library debugging.  The wiping free() and realloc() of
 * wipe_malloc.c are linked into executables only, never into the PAM module.
 */
#ifndef KEYTURN_HARDEN_H
#define KEYTURN_HARDEN_H

#include "base/reason.h"

/*
 * PR_SET_DUMPABLE 0, RLIMIT_CORE 0, umask 077, standard descriptors open,
 * SSLKEYLOGFILE and all PG* variables removed from the environment (ambient
 * credentials: rotation-safety.md finding 8); what we may do by a service manager's
 * ambient capabilities is not passed on to programs that we run.  STATUS_ERROR when the kernel
 * refuses; the program must then stop.
 */
enum status harden_process(struct reason *why);

/* The same, but the hard limit of core files stays: who starts another program
 * has to give it its own limit back, and only root could raise that one. */
enum status harden_before_exec(struct reason *why);

/* Overwrite about 16 KiB of dead stack below the caller (section 4.2 rule 6). */
void harden_scrub_stack(void);

#endif
