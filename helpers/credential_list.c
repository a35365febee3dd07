/* SPDX-License-Identifier: PostgreSQL */
/* What there is, and when it changes; must never ask for a secret where a
 * description does. */
#include "helpers/credential_list.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/now.h"
#include "base/text.h"
#include "helpers/credential_show.h"

#define LIST_MAX      ((size_t)16 * 1024 * 1024)
#define WATCH_WAIT_MS 30000

/* Between two attempts at an agent that is away. */
#define WATCH_PAUSE_US	    NOW_SECOND
#define WATCH_PAUSE_MOST_US (30 * NOW_SECOND)

static void add_pair(struct text *t, const char *key, const char *value)
{
	if (!*value)
		return;
	text_add_char(t,
		      t->len > 0 && text_str(t)[t->len - 1] == '{' ? ' ' : ',');
	text_add_json(t, key);
	text_add_char(t, ':');
	text_add_json(t, value);
}

static void add_time(struct text *t, const char *key, int64_t us)
{
	char stamp[NOW_STAMP_SIZE];

	if (us > 0)
		add_pair(t, key, now_stamp(us, stamp));
}

static void add_description(struct text *t, const struct credential_answer *a)
{
	text_add_char(t, '{');
	add_pair(t, "role", a->key.role);
	add_pair(t, "realm", a->key.realm);
	add_pair(t, "username", a->key.user);
	add_pair(t, "host", a->key.host);
	add_pair(t, "port", a->key.port);
	add_pair(t, "dbname", a->key.dbname);
	add_pair(t, "sslmode", a->sslmode);
	add_pair(t, "version", a->version);
	add_time(t, "rotated_at", a->rotated_at);
	add_time(t, "expires_at", a->expires_at);
	text_add(t, a->stale ? ",\"stale\":true}" : ",\"stale\":false}");
}

/* docker's list: {"URL":"user",...}, what "get" answers: one URL for each host of
 * a list, and none for a role without one. */
static void add_docker(struct text *t, const struct credential_answer *a)
{
	struct credential_key one = a->key;
	char url[CREDENTIAL_URI_SIZE];
	const char *host = a->key.host;
	size_t n;

	for (; *a->key.user && *host; host += n, host += *host == ',') {
		n = strcspn(host, ",");
		memcpy(one.host, host, n);
		one.host[n] = '\0';
		if (n == 0)
			continue;
		credential_key_to_uri(&one, url);
		add_pair(t, url, one.user);
	}
}

/* Ask for each of the names (one a line) and add what comes back. */
static enum credential_exit describe_role(struct credential_agent *a,
					  char *names,
					  enum credential_form form,
					  struct text *t, struct reason *why)
{
	struct credential_answer answer = { 0 };
	struct credential_key key;
	struct credential_question q = { .operation = WIRE_DESCRIBE,
					 .key = &key };
	enum credential_exit e = CREDENTIAL_OK;
	bool first = true;
	char *end;

	for (; *names != '\0' && e == CREDENTIAL_OK; names = end + 1) {
		end = strchr(names, '\n');
		key = (struct credential_key){ 0 };
		e = credential_key_set(&key, WIRE_TAG_ROLE, names,
				       (size_t)(end - names), why);
		if (e == CREDENTIAL_OK)
			e = credential_ask(a, &q, &answer, why);
		/* It is listed and there is no secret yet. */
		if (e == CREDENTIAL_NOT_FOUND || e == CREDENTIAL_UNAVAILABLE) {
			e = CREDENTIAL_OK;
			continue;
		}
		if (e != CREDENTIAL_OK)
			break;
		if (form == CREDENTIAL_FORM_DOCKER)
			add_docker(t, &answer);
		else {
			text_add(t, first ? "\n" : ",\n");
			add_description(t, &answer);
		}
		first = false;
	}
	credential_ask_forget(&answer);
	return e;
}

enum credential_exit credential_list(struct credential_agent *a,
				     const struct credential_options *o,
				     struct reason *why)
{
	struct text names = text_make(LIST_MAX), t = text_make(LIST_MAX);
	bool docker = o->form == CREDENTIAL_FORM_DOCKER;
	enum credential_exit e;

	e = credential_ask_roles(a, &names, why);
	if (e == CREDENTIAL_OK && !docker && o->form != CREDENTIAL_FORM_JSON) {
		e = credential_show_text(text_str(&names), why);
		goto out;
	}
	text_add(&t, docker ? "{" : "[");
	if (e == CREDENTIAL_OK && names.len > 0)
		e = describe_role(a, names.bytes, o->form, &t, why);
	text_add(&t, docker ? "}\n" : "]\n");
	if (e == CREDENTIAL_OK && text_status(&t) != STATUS_OK) {
		reason_set(why, text_status(&t), "the list is too long");
		e = CREDENTIAL_ERROR;
	}
	if (e == CREDENTIAL_OK)
		e = credential_show_text(text_str(&t), why);
out:
	text_free(&names);
	text_free(&t);
	return e;
}

/* ---- watch ------------------------------------------------------------------- */

/* A reader that went away would otherwise be noticed at the next rotation. */
static bool is_read(void)
{
	struct pollfd f = { .fd = STDOUT_FILENO };

	return poll(&f, 1, 0) <= 0 || !(f.revents & (POLLERR | POLLHUP));
}

/* What passes by itself. */
static bool is_passing(enum credential_exit e)
{
	return e == CREDENTIAL_TIMEOUT || e == CREDENTIAL_UNAVAILABLE;
}

/* One line: when, which role, which version. */
static enum credential_exit show_version(const struct credential_answer *a,
					 struct reason *why)
{
	char line[512], stamp[NOW_STAMP_SIZE];
	int64_t at = a->rotated_at;

	snprintf(line, sizeof(line), "%s %s %s\n",
		 now_stamp(at > 0 ? at : now_wall(now_system()), stamp),
		 *a->key.role ? a->key.role : a->key.user, a->version);
	return credential_show_text(line, why);
}

/* Until something is wrong that does not pass. */
enum credential_exit credential_list_watch(struct credential_agent *a,
					   const struct credential_options *o,
					   struct reason *why)
{
	struct credential_question q = { .operation = WIRE_DESCRIBE,
					 .key = &o->key };
	struct credential_answer answer = { 0 };
	char seen[sizeof(answer.version)] = "";
	int64_t pause = WATCH_PAUSE_US;
	bool away = false;
	enum credential_exit e;

	for (;;) {
		int64_t begun = now_boot(now_system());

		e = credential_ask(a, &q, &answer, why);
		if (e == CREDENTIAL_DENIED && q.operation == WIRE_DESCRIBE) {
			/* Who may read a role may not always list it. */
			q.operation = WIRE_GET;
			continue;
		}
		if (e == CREDENTIAL_OK && strcmp(seen, answer.version) != 0) {
			memcpy(seen, answer.version, sizeof(seen));
			e = show_version(&answer, why);
		}
		credential_ask_forget(&answer);
		if (e != CREDENTIAL_OK && (!is_passing(e) || !*seen))
			return e;
		if (!is_read())
			return CREDENTIAL_FAIL(
				ERROR, why, STATUS_ERROR,
				"standard output is not read any more");
		if (e == CREDENTIAL_UNAVAILABLE && !away)
			log_line(LOG_LEVEL_WARN, "%s; waiting", why->text);
		away = e == CREDENTIAL_UNAVAILABLE;
		q.not_version = seen;
		q.wait_ms = WATCH_WAIT_MS;
		/* An agent that answers at once is not asked in a loop. */
		if (e == CREDENTIAL_OK ||
		    now_boot(now_system()) - begun >= NOW_SECOND) {
			pause = WATCH_PAUSE_US;
			continue;
		}
		now_sleep(now_system(), pause);
		pause = pause * 2 < WATCH_PAUSE_MOST_US ? pause * 2 :
							  WATCH_PAUSE_MOST_US;
	}
}

enum credential_exit credential_list_version(struct credential_agent *a,
					     struct reason *why)
{
	struct credential_question q = { .operation = WIRE_VERSION };
	struct credential_answer answer = { 0 };
	enum credential_exit e;
	char line[128];

	e = credential_ask(a, &q, &answer, why);
	if (e == CREDENTIAL_OK) {
		snprintf(line, sizeof(line), "agent: %s\n",
			 *answer.server ? answer.server : "unknown");
		e = credential_show_text(line, why);
	}
	credential_ask_forget(&answer);
	return e;
}
