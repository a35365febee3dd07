/* SPDX-License-Identifier: PostgreSQL */
/* One form of a credential on standard output. */
#ifndef KEYTURN_CREDENTIAL_SHOW_H
#define KEYTURN_CREDENTIAL_SHOW_H

#include <stdint.h>

#include "helpers/credential_ask.h"

/*
 * `url` is what docker's and Bazel's callers asked for, else NULL; now_us the
 * wall clock.  The whole output is in *ret, with its end (newline, NUL, none).
 */
enum credential_exit credential_show_render(const struct credential_answer *a,
					    enum credential_form form,
					    bool bare, const char *url,
					    int64_t now_us, struct secret **ret,
					    struct reason *why);

/* Everything, or CREDENTIAL_ERROR: a reader that went away and a full disk are
 * failures. */
enum credential_exit credential_show_write(const struct secret *bytes,
					   struct reason *why);
enum credential_exit credential_show_text(const char *text, struct reason *why);

/* Render and write; warnings for a person go to standard error. */
enum credential_exit credential_show(const struct credential_answer *a,
				     const struct credential_options *o,
				     const char *url, struct reason *why);

/* A warning when the answer is stale. */
void credential_show_stale(const struct credential_answer *a);

#endif
