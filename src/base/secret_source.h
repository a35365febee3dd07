/* SPDX-License-Identifier: PostgreSQL */
/*
 * A secret that a setting points to and does not hold: a private file, a
 * credential that systemd passes on, or one variable of a standard name.
 */
#ifndef KEYTURN_SECRET_SOURCE_H
#define KEYTURN_SECRET_SOURCE_H

#include <stdbool.h>

#include "base/reason.h"
#include "base/secret.h"

#define SECRET_SOURCE_MAX 16384

/*
 * "/absolute/path", "credential:NAME" (of $CREDENTIALS_DIRECTORY), or
 * "environment" when variable is not NULL.  STATUS_CONFIG otherwise.
 */
enum status secret_source_check(const char *from, const char *variable,
				struct reason *why);

/*
 * Read all its bytes, up to SECRET_SOURCE_MAX.  is_private: a file must be 0600
 * and ours (file_read_private); a token that a kubelet projects is not.
 * STATUS_CONFIG says what is wrong with which file.  The caller's.
 */
enum status secret_source_load(const char *from, const char *variable,
			       bool is_private, struct secret **ret_secret,
			       struct reason *why);

/* Likewise, of what must be one line: the newlines at its end are dropped, and
 * something is left. */
enum status secret_source_read(const char *from, const char *variable,
			       bool is_private, struct secret **ret_secret,
			       struct reason *why);

/* The variable's value. */
enum status secret_source_environment(const char *variable,
				      struct secret **ret_secret,
				      struct reason *why);

#endif
