/* SPDX-License-Identifier: PostgreSQL */
/* Wakes the event loop; must never wait for it. */
#include "agent/agent_wake.h"

#include <unistd.h>

#include "agent/agent_internal.h"

void agent_wake(void *arg)
{
	struct agent *a = arg;
	uint64_t one = 1;

	/* A full counter wakes as well. */
	if (write(a->wake.fd, &one, sizeof(one)) < 0)
		return;
}

void agent_wake_answered(void *arg, struct agent_cache_ask *q)
{
	struct agent *a = arg;

	pthread_mutex_lock(&a->lock);
	q->next = a->done;
	a->done = q;
	pthread_mutex_unlock(&a->lock);
	agent_wake(a);
}
