/* SPDX-License-Identifier: PostgreSQL */
/*
 * A secret leaves keyturn: found, rendered, recorded, and only then given out.
 * Part of the readers' half.
 */
#ifndef KEYTURN_HANDOUT_H
#define KEYTURN_HANDOUT_H

#include "base/secret.h"
#include "open/open.h"

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
