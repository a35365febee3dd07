/* SPDX-License-Identifier: PostgreSQL */
/* A member of struct store_ops. */
#ifndef KEYTURN_STORE_AWS_STAGE_H
#define KEYTURN_STORE_AWS_STAGE_H

#include "store/store.h"

enum status store_aws_stage(struct store *store, const char *name,
			    const char *revision, const char *id,
			    const struct store_entry *entry,
			    struct store_state *ret_state, struct reason *why);

#endif
