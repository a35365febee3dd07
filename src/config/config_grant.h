/* SPDX-License-Identifier: PostgreSQL */
/* The words of readers, verifiers, listers and requesters: to whom a right is
 * given. */
#ifndef KEYTURN_CONFIG_GRANT_H
#define KEYTURN_CONFIG_GRANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

#define CONFIG_GRANT_NAME_SIZE 64

struct config_grant {
	bool group; /* else a user */
	bool by_id; /* id counts, else name */
	uint32_t id;
	char name[CONFIG_GRANT_NAME_SIZE];
};

/*
 * The word at *at, and *at moved behind it; STATUS_NOT_FOUND at the end.
 * "user:NAME", "uid:N", "group:NAME", "gid:N"; STATUS_CONFIG names any other
 * word.  Whether the user or group exists is not checked.
 */
enum status config_grant_next(const char **at, struct config_grant *ret,
			      struct reason *why);

#endif
