/* SPDX-License-Identifier: PostgreSQL */
/* For tests: what listens where an agent should, and behaves as told. */
#ifndef KEYTURN_TEST_FAKE_AGENT_H
#define KEYTURN_TEST_FAKE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum fake_agent_act {
	FAKE_AGENT_ANSWER, /* `answer` or `bytes`, then wait for the client */
	FAKE_AGENT_ANSWER_CLOSE,
	FAKE_AGENT_DRIP, /* `bytes`, one each 20 ms */
	FAKE_AGENT_HANG, /* take the connection, say nothing */
	FAKE_AGENT_DEAF, /* listen with a full queue */
	FAKE_AGENT_CLOSE /* take the connection, close it */
};

struct fake_agent_options {
	enum fake_agent_act act;
	const void *bytes;
	size_t n;
	bool for_all; /* other users may connect, too */
	/* Fills reply from the request; its length. */
	size_t (*answer)(void *arg, const unsigned char *request, size_t n,
			 unsigned char *reply, size_t size);
	void *arg;
};

struct fake_agent;

/* A new folder of mode 0700 below /tmp with agent.sock in it. */
struct fake_agent *fake_agent_start(const struct fake_agent_options *o);
void fake_agent_stop(struct fake_agent *a);

const char *fake_agent_folder(const struct fake_agent *a);
const char *fake_agent_path(const struct fake_agent *a);
/* How many connections were taken, and how many whole requests read. */
unsigned fake_agent_connections(struct fake_agent *a);
unsigned fake_agent_requests(struct fake_agent *a);
/* The uid and the gid of who connected last. */
uid_t fake_agent_client(struct fake_agent *a);
gid_t fake_agent_client_group(struct fake_agent *a);

#endif
