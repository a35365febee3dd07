/* SPDX-License-Identifier: PostgreSQL */
/* A setting "after" as a step that follows a new password. */
#ifndef KEYTURN_FOLLOW_AFTER_H
#define KEYTURN_FOLLOW_AFTER_H

#include "after/after.h"
#include "jobs/follow_delivery.h"

/* The i-th of a role; *ret is the caller's to after_free().  STATUS_CONFIG with
 * the section's line. */
enum status follow_after_parse(struct open_engine *w,
			       const struct config_group *role, size_t i,
			       struct after **ret, struct reason *why);

/* All of a role's: each can be parsed, and none is there twice. */
enum status follow_after_check(struct open_engine *w,
			       const struct config_group *role,
			       struct reason *why);

/* Have the role's files this version?  STATUS_UNDELIVERED names the first one
 * that has not. */
enum status follow_after_sinks(const struct config_group *role,
			       const char *version, struct reason *why);

/* Could it be run?  As after_try(). */
enum status follow_after_try(struct open_engine *w,
			     const struct config_group *role,
			     const struct after *a, struct reason *why);

/* As after_run(), where the files have what is current.  tried_us: when it was
 * last tried with that; 0: it was not. */
enum status follow_after_run(struct open_engine *w,
			     const struct config_group *role,
			     const struct after *a,
			     const struct follow_version *current,
			     int64_t tried_us, struct reason *why);

#endif
