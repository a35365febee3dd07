/* SPDX-License-Identifier: PostgreSQL */
/*
 * The command line of `keyturn`: options from commands.def, one function per
 * command.  Results go to standard output, everything else to standard error;
 * a secret only to the standard output of `get`.
 */
#ifndef KEYTURN_CLI_H
#define KEYTURN_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/cluster_tools.h"
#include "config/config.h"
#include "jobs/hook_dispatch.h"
#include "open/engine/engine.h"
#include "open/open.h"

#define CLI_RECIPIENTS_MAX 16

enum cli_command {
#define COMMAND(name, arguments, help) CLI_##name,
#include "cli/commands.def"
	CLI_COMMAND_COUNT
};

/* Every option of every command, by its name in commands.def; "" or false when
 * not given. */
struct cli_options {
	const char *config, *state, *reason, *since, *label, *format;
	const char *public_key, *jobs, *password_fd, *min_life;
	const char *until;
	const char *owner, *in_database, *oauth, *cluster, *agent;
	const char *lang, *root, *of_version, *out, *ttl, *address, *at, *count;
	const char *to[CLI_RECIPIENTS_MAX + 1];
	size_t n_to;
	const char *grant[CLUSTER_GRANTS_MAX + 1];
	size_t n_grants;
	bool json, quiet, help, version, due, all, dry_run, emergency, force,
		withdraw, pem, show, look, learn, now, end_sessions, print,
		compromised, wrap;
};

struct cli {
	enum cli_command command;
	struct cli_options o;
	char **args; /* what is left: roles and sub-commands */
	size_t n_args;
	bool unpair; /* role unpair: rotate to the owner */
	bool create; /* role create: the first rotation of a new role */
	char actor[128];
	int64_t began_us;  /* wall clock: rotate and its kin were asked for */
	struct reason why; /* of the failure that main() prints */
	/* Opened by cli_open*(); freed by main(). */
	struct config *config;
	struct opened *opened;
	struct ledger *ledger;
	struct open_engine *engine;
	struct hook_dispatch *dispatch;
};

/* Parse argv.  STATUS_USAGE with a sentence in c->why. */
enum status cli_parse(struct cli *c, int argc, char **argv);

/* Help of one command, or of all for CLI_COMMAND_COUNT. */
void cli_help(enum cli_command command, struct text *t);

/* Load the configuration; then the ledger; then the engine. */
enum status cli_open_config(struct cli *c);
enum status cli_open_ledger(struct cli *c, enum open_ledger mode);
enum status cli_open_workshop(struct cli *c);

/* Hooks hear of what is recorded between these two; what they cannot be told
 * within their time is left to the next command, or to keyturnd. */
enum status cli_begin_hooks(struct cli *c);
void cli_end_hooks(struct cli *c);

/*
 * The [role NAME] groups named by c->args, each once, or all when there are none.
 * *ret_roles is the caller's to free().
 */
enum status cli_roles(struct cli *c, const struct config_group ***ret_roles,
		      size_t *ret_n);

/* What --since says, in microseconds since 1970; 0 without it. */
enum status cli_since(struct cli *c, int64_t *ret_us);

/*
 * What --until says, by the wall clock: a duration from now on, or a time as
 * schedule_time_parse() takes it, by the zone of schedules.  *ret_date: a date
 * alone, and its beginning.
 */
enum status cli_until(struct cli *c, bool *ret_date, int64_t *ret_us);

/* Record what has come to pass of hand-offs, for a command that may write the
 * ledger; a failure is told, and is none of the command. */
void cli_handoff_watch(struct cli *c);

/* Print to standard output; STATUS_ERROR when it is closed or full. */
enum status cli_print(struct cli *c, const struct text *t);

/* A secret to standard output, with a newline for a person's eye only. */
enum status cli_print_secret(struct cli *c, const struct secret *bytes);

/* The commands.  Each returns the status whose exit code main() ends with. */
enum status cli_init(struct cli *c);
enum status cli_check(struct cli *c);
enum status cli_rotate(
	struct cli *c); /* also import, recover, retire, rollback */
enum status cli_cluster(struct cli *c);
enum status cli_role(struct cli *c);
enum status cli_status(struct cli *c);
enum status cli_notice(struct cli *c);
enum status cli_postpone(struct cli *c);
enum status cli_forecast(struct cli *c); /* rotate --due --dry-run --until */
enum status cli_history(struct cli *c);
enum status cli_report(struct cli *c);
enum status cli_adoption(struct cli *c);
enum status cli_get(struct cli *c);
enum status cli_handoff(struct cli *c);
enum status cli_refresh(struct cli *c);
enum status cli_token(struct cli *c);
enum status cli_freeze(struct cli *c); /* also thaw */
enum status cli_audit(struct cli *c);
enum status cli_config(struct cli *c);

#endif
