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
 * The version of a role under `label` ("current", "pending", "previous") as
 * `format` ("raw", "json", ...; format/format.h).  The hand-out is durable in
 * the audit when this returns STATUS_OK; when it cannot be recorded there is
 * none.  actor is who asked.  *ret_bytes is the caller's.
 */
enum status handout_get(struct opened *b, struct ledger *ledger,
			const struct config_group *role, const char *label,
			const char *format, const char *actor,
			struct secret **ret_bytes, struct reason *why);

#endif
