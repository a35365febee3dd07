/* SPDX-License-Identifier: PostgreSQL */
/* handoff: how far a password has come on its way to a partner, and what is done
 * for that. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/now.h"
#include "cli/cli.h"
#include "handoff/handoff_gather.h"
#include "handoff/handoff_sheet.h"
#include "handoff/handoff_story.h"
#include "jobs/handoff_watch.h"
#include "jobs/role_lock.h"

#define SHEET_MAX ((size_t)1 << 20)
#define LOCK_US	  (5 * NOW_SECOND)

/* ---- the sheet ------------------------------------------------------------------ */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static enum status sheet_usage(struct cli *c, enum handoff_sheet_form *ret_form,
			       enum handoff_language *ret_language)
{
	const char *form = c->o.json ? "json" : c->o.format;
	enum status s =
		handoff_sheet_form(*form ? form : "text", ret_form, &c->why);

	if (s == STATUS_OK)
		s = handoff_words_find(*c->o.lang ? c->o.lang : "en",
				       ret_language, &c->why);
	return s;
}

static enum status show_sheet(struct cli *c, const char *name)
{
	const struct config_group *role = NULL;
	enum handoff_language l = HANDOFF_EN;
	enum handoff_sheet_form form;
	struct text t = text_make(SHEET_MAX);
	struct handoff_gather g = { .zone = NULL };
	enum status s = sheet_usage(c, &form, &l);

	if (s == STATUS_OK)
		s = cli_open_ledger(c, OPEN_LEDGER_READ);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK)
		s = open_role(c->opened, name, &role, &c->why);
	if (s == STATUS_OK)
		s = handoff_gather(c->engine, role, *c->o.root != '\0', &g,
				   &c->why);
	g.sheet.root_file = base_name(c->o.root);
	if (s == STATUS_OK)
		s = handoff_sheet_write(&g.sheet, form, l, &t, &c->why);
	if (s == STATUS_OK && *c->o.root)
		s = file_create(c->o.root, text_str(&g.root), g.root.len, 0644,
				&c->why);
	if (s == STATUS_OK)
		s = cli_print(c, &t);
	handoff_gather_free(&g);
	text_free(&t);
	return s;
}

/* ---- how far it has come ---------------------------------------------------------- */

void cli_handoff_watch(struct cli *c)
{
	struct reason why;

	if (c->engine &&
	    handoff_watch_all(c->engine, c->actor, &why) != STATUS_OK)
		log_line(LOG_LEVEL_WARN,
			 "how far hand-offs have come is not recorded: %s",
			 why.text);
}

static enum status show_states(struct cli *c, const char *name)
{
	const struct config_group *role = NULL;
	struct text t = text_make(SHEET_MAX);
	struct handoff h;
	enum status s = cli_open_ledger(c, OPEN_LEDGER_READ);

	if (s == STATUS_OK)
		s = open_role(c->opened, name, &role, &c->why);
	if (s == STATUS_OK)
		s = handoff_load(c->ledger, role, now_wall(now_system()), &h,
				 &c->why);
	if (s == STATUS_OK && c->o.json)
		handoff_story_json(&h, &t);
	else if (s == STATUS_OK)
		handoff_story_text(&h, &t);
	if (s == STATUS_OK)
		s = cli_print(c, &t);
	text_free(&t);
	return s;
}

/* ---- what is done for it ------------------------------------------------------------ */

/* Under the role's lock, with all recorded that is known. */
static enum status begin_act(struct cli *c, const char *name, int *ret_lock,
			     struct handoff *ret)
{
	const struct config_group *role = NULL;
	int64_t now_us = now_wall(now_system());
	enum status s;

	if (strlen(c->o.reason) >= LEDGER_TEXT_SIZE)
		return reason_set(&c->why, STATUS_USAGE,
				  "--reason is longer than %d bytes",
				  LEDGER_TEXT_SIZE - 1);
	s = cli_open_ledger(c, OPEN_LEDGER_AGAIN);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK)
		s = open_role(c->opened, name, &role, &c->why);
	if (s == STATUS_OK)
		s = role_lock_take(c->opened, config_name(role), LOCK_US,
				   ret_lock, &c->why);
	if (s == STATUS_OK)
		s = handoff_load(c->ledger, role, now_us, ret, &c->why);
	if (s == STATUS_OK)
		s = handoff_record(c->ledger, ret, c->actor, now_us, &c->why);
	return s;
}

static enum status confirm(struct cli *c, const char *name)
{
	const struct handoff_act act = { .state = HANDOFF_STATE_CONFIRMED,
					 .source = "command",
					 .actor = c->actor,
					 .detail = c->o.reason };
	struct handoff h;
	int lock = -1;
	enum status s = begin_act(c, name, &lock, &h);

	if (s == STATUS_OK)
		s = handoff_confirmable(&h, c->o.of_version, &c->why);
	if (s == STATUS_OK)
		s = cli_begin_hooks(c);
	if (s == STATUS_OK)
		s = handoff_record_act(c->ledger, &h, &act,
				       now_wall(now_system()), &c->why);
	role_lock_end(lock);
	if (s == STATUS_OK && !c->o.quiet)
		printf("%s: confirmed, version %s\n", h.role, h.version);
	cli_end_hooks(c);
	return s;
}

/* ---- which of them --------------------------------------------------------------- */

static const struct act {
	const char *word;
	enum status (*run)(struct cli *c, const char *role);
	const char *options; /* that it takes, of those below */
} acts[] = {
	{ "", show_states, "" },
	{ "sheet", show_sheet, " format lang root " },
	{ "confirm", confirm, " of-version reason " },
};

static enum status check_options(struct cli *c, const struct act *a)
{
	const struct {
		const char *name;
		bool given;
	} options[] = {
		{ "format", *c->o.format != '\0' },
		{ "lang", *c->o.lang != '\0' },
		{ "root", *c->o.root != '\0' },
		{ "of-version", *c->o.of_version != '\0' },
		{ "reason", *c->o.reason != '\0' },
	};
	char word[32];

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		snprintf(word, sizeof(word), " %s ", options[i].name);
		if (options[i].given && !strstr(a->options, word))
			return reason_set(&c->why, STATUS_USAGE,
					  "handoff%s%s does not take --%s",
					  *a->word ? " " : "", a->word,
					  options[i].name);
	}
	return STATUS_OK;
}

enum status cli_handoff(struct cli *c)
{
	const char *word = c->n_args == 2 ? c->args[0] : "";
	enum status s;

	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
		if (c->n_args < 1 || c->n_args > 2 ||
		    strcmp(acts[i].word, word) != 0)
			continue;
		s = check_options(c, &acts[i]);
		return s == STATUS_OK ? acts[i].run(c, c->args[c->n_args - 1]) :
					s;
	}
	return reason_set(&c->why, STATUS_USAGE,
			  "handoff takes one role name, or sheet or confirm "
			  "and one");
}
