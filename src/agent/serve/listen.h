/* SPDX-License-Identifier: PostgreSQL */
/* The three sockets. */
#ifndef KEYTURN_AGENT_SERVE_LISTEN_H
#define KEYTURN_AGENT_SERVE_LISTEN_H

#include "agent/agent_internal.h"

/* Take the sockets that systemd passed on, make the others, and begin to watch
 * them. */
enum status agent_serve_listen(struct agent *a, struct reason *why);
void agent_serve_listen_stop(struct agent *a);
/* Stop being told of new clients, or begin again. */
void agent_serve_listen_pause(struct agent *a, bool pause);

#endif
