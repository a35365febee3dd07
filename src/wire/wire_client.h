/* SPDX-License-Identifier: PostgreSQL */
/*
 * One request to the agent and its reply, under one deadline, for the helper
 * and the PAM module.  Made to run inside other people's servers: no
 * allocation, no static, no signal, no environment, no thread, no descriptor
 * 0 to 2, nothing left open, poll and never select, MSG_NOSIGNAL, O_CLOEXEC
 * (consumers.md section 1.2).
 *
 * The client authenticates the agent: the peer's uid (SO_PEERCRED; of who
 * called listen()) must be root, the owner of the folder that the socket is in,
 * or our own effective uid; and neither that folder nor one above it may be
 * writable by others (a sticky one above, as /tmp, may, if what is below it is
 * root's or ours); those above must be root's or ours.
 */
#ifndef KEYTURN_WIRE_CLIENT_H
#define KEYTURN_WIRE_CLIENT_H

#include "wire/wire.h"

struct wire_client_request {
	const char *socket; /* its absolute path */
	const void *frame;  /* of wire_end() */
	size_t len;
	unsigned timeout_ms;
};

/*
 * Send the request, read the reply into `reply` (`size` bytes, at most
 * WIRE_REPLY_MAX are used) and check it: same operation, one frame and nothing
 * behind it.  The budget of timeout_ms (monotonic) covers all of it and is not
 * restarted by a signal.
 *
 * STATUS_OK and the message, which points into `reply`; STATUS_NOT_FOUND, no
 * agent listens there, or it went away without a byte of a reply;
 * STATUS_TIMEOUT; STATUS_DENIED, we may not connect, or what listens is not to
 * be trusted; STATUS_CORRUPT, what came is no reply; STATUS_ERROR otherwise.
 * On failure `reply` is wiped.
 */
enum status wire_client_call(const struct wire_client_request *r, void *reply,
			     size_t size, struct wire_message *ret,
			     struct reason *why);

#endif
