/* SPDX-License-Identifier: PostgreSQL */
/* What the files of hooks share; no one else includes it. */
#ifndef KEYTURN_HOOK_INTERNAL_H
#define KEYTURN_HOOK_INTERNAL_H

#include "hook/hook.h"
#include "http/http.h"

struct hook {
	struct hook_options o;
	unsigned events;
	struct http *http; /* of a webhook */
};

/* The two kinds of hook_deliver(). */
enum status hook_command_run(const struct hook *h, const struct hook_notice *n,
			     struct reason *why);
enum status hook_web_call(const struct hook *h, const struct hook_notice *n,
			  struct reason *why);

#endif
