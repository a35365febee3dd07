/* SPDX-License-Identifier: PostgreSQL */
/* handoff sheet: what a partner needs but the password. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "handoff/handoff_gather.h"
#include "handoff/handoff_sheet.h"

#define SHEET_MAX ((size_t)1 << 20)

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

enum status cli_handoff(struct cli *c)
{
	const struct config_group *role = NULL;
	enum handoff_language l = HANDOFF_EN;
	enum handoff_sheet_form form;
	struct text t = text_make(SHEET_MAX);
	struct handoff_gather g = { .zone = NULL };
	enum status s;

	if (c->n_args != 2 || strcmp(c->args[0], "sheet") != 0)
		return reason_set(&c->why, STATUS_USAGE,
				  "handoff takes sheet and one role name");
	s = sheet_usage(c, &form, &l);

	if (s == STATUS_OK)
		s = cli_open_ledger(c, OPEN_LEDGER_READ);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK)
		s = open_role(c->opened, c->args[1], &role, &c->why);
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
