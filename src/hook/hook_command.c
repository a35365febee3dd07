/* SPDX-License-Identifier: PostgreSQL */
/* Runs a hook's program with the event on its standard input.  Must never give it
 * anything else. */
#include "hook/hook_internal.h"
#include "program/program.h"

enum status hook_command_run(const struct hook *h, const struct hook_notice *n,
			     struct reason *why)
{
	const struct program p = {
		.argv = h->o.argv,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.timeout_us = h->o.timeout_us,
		.in = n->body,
		.n = n->n,
	};

	return program_run(&p, h->o.now, NULL, why);
}
