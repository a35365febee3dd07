/* SPDX-License-Identifier: PostgreSQL */
/*
 * A secret leaves keyturn: found, rendered, recorded, and only then given out.
 * Part of the readers' half.
 */
#ifndef KEYTURN_HANDOUT_H
#define KEYTURN_HANDOUT_H

#include "base/secret.h"
#include "open/open.h"

/*
 * The version of a role with this label, with host, port and database as they are
 * told now; for a caller that records the hand-out itself before a byte leaves.
 * ret->password is the caller's.
 */
enum status handout_read(struct opened *b, const struct config_group *role,
			 const char *label, char ret_version[RANDOM_UUID_SIZE],
			 struct store_entry *ret, struct reason *why);

struct handout_request {
	const char *label;  /* "current", "pending", "previous" */
	const char *format; /* "raw", "json", ...; format/format.h */
	const char *actor;  /* who asks */
};

/*
 * The version of a role that is asked for.  The hand-out is durable in the audit
 * when this returns STATUS_OK; when it cannot be recorded there is none.
 * *ret_bytes is the caller's.
 */
enum status handout_get(struct opened *b, struct ledger *ledger,
			const struct config_group *role,
			const struct handout_request *r,
			struct secret **ret_bytes, struct reason *why);

#endif
