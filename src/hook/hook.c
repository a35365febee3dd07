/* SPDX-License-Identifier: PostgreSQL */
/* Opens hooks and sorts events; must never give a hook what it did not ask
 * for. */
#include "hook/hook_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/secret_source.h"
#include "program/program.h"

static const char *const names[] = {
#define EVENT(name, kind, writer, members, sentence, hook) hook
#define HOOK(name, help)				   #name,
#define NO_HOOK
#include "audit/events.def"
#undef EVENT
#undef HOOK
#undef NO_HOOK
};

const char *hook_event_name(enum hook_event e)
{
	return names[e];
}

enum status hook_events(const char *words, unsigned *ret_events,
			struct reason *why)
{
	static const char between[] = " ,\t";
	unsigned set = 0;
	size_t n;
	int e;

	for (words += strspn(words, between); *words;
	     words += n, words += strspn(words, between)) {
		n = strcspn(words, between);
		for (e = 0; e < HOOK_EVENT_COUNT; e++)
			if (strlen(names[e]) == n &&
			    memcmp(names[e], words, n) == 0)
				break;
		if (e == HOOK_EVENT_COUNT)
			return reason_set(why, STATUS_CONFIG,
					  "\"%.*s\" is not an event; there "
					  "are rotated, recovered, failed, "
					  "frozen, thawed, restored, request "
					  "and alarm",
					  (int)n, words);
		set |= 1U << e;
	}
	*ret_events = set ? set : (1U << HOOK_EVENT_COUNT) - 1;
	return STATUS_OK;
}

static enum status check_command(const struct hook_options *o,
				 struct reason *why)
{
	if (o->argv[0][0] != '/')
		return reason_set(why, STATUS_CONFIG,
				  "the first command must be the absolute path "
				  "of a program; no shell reads it");
	return STATUS_OK;
}

static enum status open_web(struct hook *h, struct reason *why)
{
	const struct hook_options *o = &h->o;
	struct http_options ho = {
		.ca_file = *o->ca_file ? o->ca_file : NULL,
		.user_agent = "keyturn-hook",
		.connect_timeout_us = o->timeout_us,
		.now = o->now,
		.random = o->random,
	};
	struct http_url url;
	enum status s;

	if (!*o->secret_file)
		return reason_set(why, STATUS_CONFIG,
				  "a url needs a secret_file: the receiver "
				  "cannot tell our events from forged ones "
				  "otherwise");
	s = secret_source_check(o->secret_file, NULL, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "secret_file");
	s = http_url_parse(o->url, &url, why);
	if (s == STATUS_OK && !url.tls && !http_url_is_loopback(&url))
		s = reason_set(why, STATUS_CONFIG,
			       "the url must begin with https://");
	if (s == STATUS_OK)
		s = http_open(&ho, &h->http, why);
	return s;
}

enum status hook_open(const struct hook_options *o, struct hook **ret,
		      struct reason *why)
{
	bool command = o->argv[0] != NULL, web = *o->url != '\0';
	struct hook *h;
	unsigned events;
	enum status s;

	if (command == web)
		return reason_set(why, STATUS_CONFIG,
				  "needs either a command or a url");
	s = hook_events(o->events, &events, why);
	if (s == STATUS_OK && command)
		s = check_command(o, why);
	if (s != STATUS_OK)
		return s;
	h = calloc(1, sizeof(*h));
	if (!h)
		return reason_no_memory(why);
	h->o = *o;
	h->events = events;
	if (web)
		s = open_web(h, why);
	if (s != STATUS_OK) {
		hook_close(h);
		return s;
	}
	*ret = h;
	return STATUS_OK;
}

void hook_close(struct hook *h)
{
	if (!h)
		return;
	if (h->http)
		http_close(h->http);
	free(h);
}

bool hook_wants(const struct hook *h, enum hook_event e)
{
	return h->events & 1U << e;
}

enum status hook_deliver(struct hook *h, const struct hook_notice *n,
			 struct reason *why)
{
	return h->http ? hook_web_call(h, n, why) : hook_command_run(h, n, why);
}

void hook_end(const struct now *now)
{
	program_end_all(now);
}
