/* SPDX-License-Identifier: PostgreSQL */
/* config: effective settings, or the reference of all. */
#include <string.h>

#include "cli/cli.h"

#define DOCUMENT_MAX ((size_t)32 << 20)

enum status cli_config(struct cli *c)
{
	struct text t = text_make(DOCUMENT_MAX);
	enum status s = STATUS_OK;

	if (c->n_args != 1 || (strcmp(c->args[0], "show") != 0 &&
			       strcmp(c->args[0], "reference") != 0))
		return reason_set(&c->why, STATUS_USAGE,
				  "config takes show or reference");
	if (strcmp(c->args[0], "reference") == 0)
		config_reference(CONFIG_DOCUMENT_TEXT, &t);
	else {
		s = cli_open_config(c);
		if (s == STATUS_OK)
			config_show(c->config, c->o.json, &t);
	}
	if (s == STATUS_OK)
		s = cli_print(c, &t);
	text_free(&t);
	return s;
}
