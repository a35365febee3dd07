/* SPDX-License-Identifier: PostgreSQL */
/* What a checkpoint says, and whether it fits. */
#ifndef KEYTURN_AUDIT_CHECKPOINT_H
#define KEYTURN_AUDIT_CHECKPOINT_H

#include "audit/audit_walk.h"

#define AUDIT_CHECKPOINT_MAX 256

/* What is signed; its length comes back. */
size_t audit_checkpoint_message(const struct audit_checkpoint *cp,
				char message[AUDIT_CHECKPOINT_MAX]);

/* STATUS_AUDIT_BROKEN unless keys->public_key says that it is ours. */
enum status audit_checkpoint_signed(const struct audit_keys *keys,
				    const struct audit_checkpoint *cp,
				    struct reason *why);

/* Is the event that the checkpoint names there, with that hash?  The walk then
 * goes on behind it. */
enum status audit_checkpoint_anchored(const struct audit_walk *w,
				      const struct audit_checkpoint *cp,
				      struct reason *why);

#endif
