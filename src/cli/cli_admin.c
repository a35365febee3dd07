/* SPDX-License-Identifier: PostgreSQL */
/* init, freeze, thaw, audit and config: what surrounds rotation. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"

#define DOCUMENT_MAX ((size_t)4 << 20)
#define PATH_SIZE    1024

/* ---- init ---- */

/* folder "/" name, made absolute: settings name absolute paths. */
static enum status join(struct cli *c, const char *folder, const char *name,
			char *ret)
{
	char real[PATH_MAX];

	if (!realpath(folder, real))
		return reason_set(&c->why, STATUS_CONFIG,
				  "%s: the folder cannot be used", folder);
	if (snprintf(ret, PATH_SIZE, "%s/%s", real, name) >= PATH_SIZE)
		return reason_set(&c->why, STATUS_CONFIG,
				  "%s: the path is too long", folder);
	return STATUS_OK;
}

static enum status write_sample(struct cli *c,
				const struct config_sample *files,
				const char *path)
{
	struct text t = text_make(DOCUMENT_MAX);
	enum status s;

	config_reference_sample(files, &t);
	s = text_status(&t);
	if (s == STATUS_OK)
		s = file_create(path, text_str(&t), t.len, 0640, &c->why);
	text_free(&t);
	return s;
}

enum status cli_init(struct cli *c)
{
	const char *folder = c->n_args ? c->args[0] : "/etc/keyturn";
	const char *state = *c->o.state ? c->o.state : "/var/lib/keyturn";
	char path[PATH_SIZE], ledger[PATH_SIZE], audit[PATH_SIZE];
	char store[PATH_SIZE], key[PATH_SIZE];
	const struct config_sample files = { ledger, audit, store, key };
	struct stat st;
	enum status s;

	if (c->n_args > 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "init takes one folder or none");
	s = file_make_folder(folder, 0755, &c->why);
	if (s == STATUS_OK)
		s = file_make_folder(state, 0700, &c->why);
	if (s == STATUS_OK)
		s = join(c, folder, "keyturn.conf", path);
	if (s == STATUS_OK)
		s = join(c, folder, "audit.key", audit);
	if (s == STATUS_OK)
		s = join(c, folder, "store.key", key);
	if (s == STATUS_OK)
		s = join(c, state, "ledger.db", ledger);
	if (s == STATUS_OK)
		s = join(c, state, "store.db", store);
	if (s != STATUS_OK)
		return s;
	/* An operator's own configuration is used as it stands. */
	if (lstat(path, &st) == 0)
		return reason_set(&c->why, STATUS_REFUSED,
				  "%s exists already; keyturn init overwrites "
				  "nothing",
				  path);
	for (const char *const *p =
		     (const char *[]){ ledger, audit, store, key, NULL };
	     *p; p++)
		if (lstat(*p, &st) == 0)
			return reason_set(&c->why, STATUS_REFUSED,
					  "%s exists already; keyturn init "
					  "overwrites nothing",
					  *p);
	s = write_sample(c, &files, path);
	if (s == STATUS_OK)
		s = config_load(path, &c->config, &c->why);
	if (s == STATUS_OK)
		s = backends_create(c->config, &c->why);
	if (s == STATUS_OK && !c->o.quiet)
		printf("wrote %s, keys, store and ledger; add a [cluster] and "
		       "a [role], then run keyturn check\n",
		       path);
	return s;
}

/* ---- freeze, thaw ---- */

enum status cli_freeze(struct cli *c)
{
	const struct config_group *role = NULL;
	struct ledger_role known;
	bool freeze = c->command == CLI_freeze;
	enum status s;

	if (c->n_args != 1 || (freeze && !*c->o.reason))
		return reason_set(&c->why, STATUS_USAGE,
				  freeze ? "freeze takes one role name and "
					   "--reason TEXT" :
					   "thaw takes one role name");
	if (strlen(c->o.reason) >= LEDGER_TEXT_SIZE)
		return reason_set(&c->why, STATUS_USAGE,
				  "--reason is longer than %d bytes",
				  LEDGER_TEXT_SIZE - 1);
	s = cli_open_ledger(c, BACKENDS_LEDGER_WRITE);
	if (s == STATUS_OK)
		s = backends_role(c->backends, c->args[0], &role, &c->why);
	if (s != STATUS_OK)
		return s;
	if (!freeze) {
		s = c->ledger->ops->role(c->ledger, config_name(role), &known,
					 &c->why);
		if (s == STATUS_NOT_FOUND || (s == STATUS_OK && !known.frozen))
			return reason_set(&c->why, STATUS_NOT_FOUND,
					  "role %s is not frozen",
					  config_name(role));
	}
	if (freeze)
		s = c->ledger->ops->freeze(c->ledger, config_name(role),
					   c->actor, c->o.reason, &c->why);
	else if (s == STATUS_OK)
		s = c->ledger->ops->thaw(c->ledger, config_name(role), c->actor,
					 &c->why);
	if (s == STATUS_OK && !c->o.quiet)
		printf("%s: %s\n", config_name(role),
		       freeze ? "frozen; it is served, and not rotated" :
				"thawed");
	return s;
}

/* ---- audit ---- */

static enum status export_line(void *arg, const char *json_line)
{
	struct cli *c = arg;

	if (puts(json_line) == EOF)
		return reason_set(&c->why, STATUS_ERROR,
				  "cannot write to standard output");
	return STATUS_OK;
}

static void print_verdict(const struct cli *c, const struct ledger_verdict *v,
			  bool good)
{
	if (c->o.json) {
		printf("{\"good\":%s,\"events\":%lld,\"checkpoints\":%lld,"
		       "\"bad_event\":%lld,\"unsigned_tail\":%lld,"
		       "\"head\":\"%s\"}\n",
		       good ? "true" : "false", (long long)v->events,
		       (long long)v->checkpoints, (long long)v->bad_event,
		       (long long)v->unsigned_tail, v->head);
		return;
	}
	if (good)
		printf("audit: %lld events and %lld checkpoints verify, %lld "
		       "events after the last checkpoint, head %s\n",
		       (long long)v->events, (long long)v->checkpoints,
		       (long long)v->unsigned_tail, v->head);
}

enum status cli_audit(struct cli *c)
{
	struct ledger_verdict verdict = { .events = 0 };
	bool verify;
	enum status s;

	if (c->n_args != 1 || (strcmp(c->args[0], "verify") != 0 &&
			       strcmp(c->args[0], "export") != 0))
		return reason_set(&c->why, STATUS_USAGE,
				  "audit takes verify or export");
	verify = strcmp(c->args[0], "verify") == 0;
	s = cli_open_config(c);
	if (s == STATUS_OK)
		s = backends_new(c->config, &c->backends, &c->why);
	if (s == STATUS_OK && verify && *c->o.public_key)
		s = backends_ledger_verify(c->backends, c->o.public_key,
					   &c->ledger, &c->why);
	else if (s == STATUS_OK)
		s = cli_open_ledger(c, BACKENDS_LEDGER_READ);
	if (s != STATUS_OK)
		return s;
	if (!verify) {
		s = c->ledger->ops->export(c->ledger, export_line, c, &c->why);
		if (s == STATUS_OK && fflush(stdout) != 0)
			s = reason_set(&c->why, STATUS_ERROR,
				       "cannot write to standard output");
		return s;
	}
	s = c->ledger->ops->verify(c->ledger, &verdict, &c->why);
	if (s == STATUS_OK || s == STATUS_AUDIT_BROKEN)
		print_verdict(c, &verdict, s == STATUS_OK);
	return s;
}

/* ---- config ---- */

enum status cli_config(struct cli *c)
{
	struct text t = text_make(DOCUMENT_MAX * 8);
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
