/* SPDX-License-Identifier: PostgreSQL */
/* What the files of program share; no one else includes it. */
#ifndef KEYTURN_PROGRAM_INTERNAL_H
#define KEYTURN_PROGRAM_INTERNAL_H

#include <sys/types.h>

#include "program/program.h"

/* ---- program_child.c: from fork to exec --------------------------------- */

struct program_start {
	const struct program *program;
	int in;	       /* the child's standard input; -1: /dev/null */
	int err;       /* its standard error; -1: ours, for its output, too */
	int out;       /* its standard output; -1: as err says, or nowhere */
	bool try_only; /* look whether it could be executed, and end */
	bool refused;  /* it could not become the user */
};

/* Start it, as the leader of a session of its own; 0, or an errno. */
int program_child_start(struct program_start *s, pid_t *ret_pid);

/* ---- program_kin.c: what a program has started -------------------------- */

/* A running program, from program_kin_start() to program_kin_end(). */
struct program_kin {
	struct program_kin *next;
	pid_t pid;
	unsigned long long since;
};

/* 0, or an errno: ECANCELED after program_kin_end_all(). */
int program_kin_start(struct program_kin *k, struct program_start *s);
/* Only see whether it could be: nothing is left of it. */
int program_kin_try(struct program_start *s);
/* End and reap it, and all that it has started. */
void program_kin_end(const struct now *now, struct program_kin *k);
/* What program_end_all() does. */
void program_kin_end_all(const struct now *now);

#endif
