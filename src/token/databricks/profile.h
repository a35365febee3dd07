/* SPDX-License-Identifier: PostgreSQL */
/*
 * ~/.databrickscfg, the profiles of Databricks's own clients, in base/ini.h's
 * dialect; " #" within a value begins a comment.  The reader of AWS's files does
 * not serve: there a section is "profile NAME", a key may nest others, and
 * settings that are no secret may be read from an open file; here a profile
 * holds everything, secrets as well.
 */
#ifndef KEYTURN_TOKEN_DATABRICKS_PROFILE_H
#define KEYTURN_TOKEN_DATABRICKS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"
#include "base/secret.h"

#define TOKEN_DATABRICKS_PROFILE_MAX 65536

/*
 * The file: $DATABRICKS_CONFIG_FILE or ~/.databrickscfg.  It must be private.
 * STATUS_NOT_FOUND when there is none; STATUS_CONFIG says what is wrong.
 */
enum status token_databricks_profile_read(struct secret **ret_file,
					  struct reason *why);

/* Is there a section of this name?  "__settings__" is none. */
bool token_databricks_profile_has(const struct secret *file, const char *name);

/* The profile that is meant when none is named: default_profile of
 * "[__settings__]", or "DEFAULT". */
void token_databricks_profile_default(const struct secret *file, char *dst,
				      size_t size);

/* A value that is no secret; false (and "") when it is not set, is empty, holds
 * a control character or does
 * not fit. */
bool token_databricks_profile_text(const struct secret *file, const char *name,
				   const char *key, char *dst, size_t size);

/* A secret value, the caller's; STATUS_NOT_FOUND when it is not set. */
enum status token_databricks_profile_secret(const struct secret *file,
					    const char *name, const char *key,
					    struct secret **ret);

#endif
