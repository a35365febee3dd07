/* SPDX-License-Identifier: PostgreSQL */
#include "agent/agent_internal.h"

void agent_keep_restore(struct agent *a, int fd)
{
	(void)a;
	(void)fd;
}

void agent_keep_save(struct agent *a)
{
	(void)a;
}
