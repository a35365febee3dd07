/* SPDX-License-Identifier: PostgreSQL */
/* rotate, import, recover, retire and rollback: choose the roles, then let the pool run them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/cli_batch.h"
#include "cli/cli_follow.h"
#include "jobs/compromise.h"
#include "jobs/due.h"
#include "jobs/grace.h"
#include "jobs/handoff_watch.h"
#include "jobs/notice.h"

struct choice {
	struct cli_batch_task *tasks;
	size_t n;
	size_t fresh;  /* roles that --due leaves alone: never taken over */
	size_t behind; /* ... whose sinks are tried again later */
	size_t unseen; /* ... the ledger does not know, and the store does */
	size_t held;   /* of all, those that a blackout or a person holds */
};

static enum status parse_number(struct cli *c, const char *what, const char *s,
				long min, long max, long *ret)
{
	char *end = NULL;
	long v;

	errno = 0;
	v = strtol(s, &end, 10);
	if (errno || end == s || *end || v < min || v > max)
		return reason_set(&c->why, STATUS_USAGE,
				  "%s must be a number from %ld to %ld, not "
				  "\"%s\"",
				  what, min, max, s);
	*ret = v;
	return STATUS_OK;
}

/* What --due leaves alone, or does for no usual reason. */
static void tell_of(struct cli *c, const char *role, const struct due *d)
{
	char stamp[NOW_STAMP_SIZE];
	struct reason why;

	/* Also with --quiet: the ledger was lost, or is another one. */
	if (d->unseen)
		log_line(LOG_LEVEL_WARN,
			 "%s: the store knows this role and the ledger does "
			 "not; it may have been frozen, so it is not rotated "
			 "until keyturn recover or rotate names it",
			 role);
	else if (d->handing && !c->o.quiet)
		log_line(
			LOG_LEVEL_WARN,
			"%s: is due and not rotated: its partner does not have "
			"the present password yet; keyturn handoff %s",
			role, role);
	else if (d->ahead)
		log_line(LOG_LEVEL_WARN,
			 "%s: was last rotated at %s, which is to come: a "
			 "clock was or is wrong; it counts as due",
			 role, now_stamp(d->known.rotated_us, stamp));
	if (d->held && !d->known.frozen && !c->o.quiet) {
		hold_say(&d->hold, &why);
		log_line(LOG_LEVEL_WARN,
			 "%s: is due since %s and not rotated: %s", role,
			 now_stamp(d->next_us, stamp), why.text);
	}
	if ((d->wanted || d->held) && d->known.frozen && !c->o.quiet)
		log_line(LOG_LEVEL_WARN,
			 "%s: is due and frozen, so it is not rotated: %s",
			 role, d->known.frozen_reason);
}

/* What is for a pair alone, or for all but a pair. */
static enum status check_strategy(struct cli *c,
				  const struct config_group *role)
{
	bool pair = config_is_pair(role);
	bool gateway = config_is_at_gateway(role);

	if (gateway && c->o.end_sessions)
		return reason_set(
			&c->why, STATUS_USAGE,
			"%s is the login of a gateway, whose sessions "
			"keyturn cannot end; KILL at PgBouncer's "
			"console does",
			config_name(role));
	if (!pair && !gateway && c->o.force)
		return reason_set(
			&c->why, STATUS_USAGE,
			"%s is one login role, whose sessions stand "
			"in no rotation's way; --force is for strategy "
			"= alternating",
			config_name(role));
	if (!pair && c->unpair)
		return reason_set(&c->why, STATUS_USAGE,
				  "%s is one login role already; unpair is for "
				  "strategy = alternating",
				  config_name(role));
	if (!pair && !gateway &&
	    (c->command == CLI_retire || c->command == CLI_rollback))
		return reason_set(&c->why, STATUS_USAGE,
				  "%s is one login role, whose old password "
				  "ended when it was rotated; this is for "
				  "strategy = alternating",
				  config_name(role));
	return STATUS_OK;
}

/* A person's rotation: what holds the role is said, and what to do about it.
 * Never of what cannot wait, a password that got out or is not known. */
static enum status check_hold(struct cli *c, const struct config_group *role)
{
	struct ledger_role known;
	struct hold hold;
	struct reason why;
	enum status s;

	if (c->command != CLI_rotate || c->o.due || c->o.emergency ||
	    c->o.compromised || c->o.now || c->create)
		return STATUS_OK;
	s = c->ledger->ops->roles->get(c->ledger, config_name(role), &known,
				       &why);
	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		c->why = why;
	else
		s = hold_look(c->engine, role, &known, NULL,
			      now_wall(now_system()), &hold, &c->why);
	if (s != STATUS_OK || !hold_is(&hold))
		return s;
	hold_say(&hold, &why);
	return reason_set(&c->why, STATUS_REFUSED,
			  "role %s is not rotated: %s; %s", config_name(role),
			  why.text,
			  c->unpair ? "wait for its end" :
				      "to rotate it all the same: keyturn "
				      "rotate ROLE --now --reason TEXT");
}

/* Tell hooks of what is to come, where no keyturnd does. */
static enum status tell_of_next(struct cli *c, const struct config_group *role,
				const struct due *d)
{
	bool told = false;
	enum status s;

	if (!c->o.due || c->o.dry_run)
		return STATUS_OK;
	s = notice_tell(c->engine, role, d, c->actor, now_wall(now_system()),
			&told, &c->why);
	if (s == STATUS_OK)
		s = grace_tell(c->engine,
			       &(struct grace_watch){
				       .role = role,
				       .known = &d->known,
				       .looked = true,
				       .actor = c->actor,
				       .now_us = now_wall(now_system()) },
			       &told, &c->why);
	return s;
}

static bool gives_notice(const struct cli *c)
{
	size_t n = config_count(c->config, CONFIG_SECTION_role);
	bool any = config_is_set(config_find(c->config, CONFIG_SECTION_keyturn,
					     ""),
				 CONFIG_keyturn_notice);

	for (size_t i = 0; i < n && !any; i++) {
		const struct config_group *role =
			config_at(c->config, CONFIG_SECTION_role, i);

		any = config_is_set(role, CONFIG_role_notice) ||
		      config_is_at_gateway(role);
	}
	return any;
}

/* A partner who is not there yet keeps its old password, unless a person decides:
 * by --reason. */
static enum status check_handoff(struct cli *c, const struct config_group *role)
{
	struct handoff h;
	enum status s;

	if (c->command != CLI_retire || *c->o.reason)
		return STATUS_OK;
	s = handoff_load(c->ledger, role, now_wall(now_system()), &h, &c->why);
	return s == STATUS_OK ? handoff_held(&h, &c->why) : s;
}

static enum status choose_roles(struct cli *c, struct choice *ret)
{
	static const enum engine_mode modes[] = {
		[CLI_rotate] = ENGINE_MODE_ROTATE,
		[CLI_import] = ENGINE_MODE_IMPORT,
		[CLI_recover] = ENGINE_MODE_RECOVER,
		[CLI_retire] = ENGINE_MODE_RETIRE,
		[CLI_rollback] = ENGINE_MODE_ROLLBACK,
	};
	const struct config_group **roles = NULL;
	size_t n = 0;
	enum status s;

	memset(ret, 0, sizeof(*ret)); /* not secret */
	s = cli_roles(c, &roles, &n);
	if (s != STATUS_OK)
		return s;
	ret->tasks = calloc(n + 1, sizeof(*ret->tasks));
	if (!ret->tasks)
		s = reason_no_memory(&c->why);
	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		struct due d = { .wanted = true, .mode = modes[c->command] };
		struct reason why;

		if (c->o.due)
			s = due_look(c->engine, roles[i],
				     now_wall(now_system()), &d, &why);
		if (s != STATUS_OK) {
			c->why = why;
			break;
		}
		s = check_strategy(c, roles[i]);
		if (s == STATUS_OK)
			s = check_hold(c, roles[i]);
		/* Of all roles, those that may be are rotated. */
		if (s == STATUS_REFUSED && c->o.all) {
			log_line(LOG_LEVEL_WARN, "%s", c->why.text);
			ret->held++;
			s = STATUS_OK;
			continue;
		}
		if (s == STATUS_OK)
			s = tell_of_next(c, roles[i], &d);
		if (s == STATUS_OK)
			s = check_handoff(c, roles[i]);
		if (s != STATUS_OK)
			break;
		if (c->o.due)
			tell_of(c, config_name(roles[i]), &d);
		if (d.wanted && !(c->o.due && d.known.frozen))
			ret->tasks[ret->n++] = (struct cli_batch_task){
				.role = config_name(roles[i]),
				.group = roles[i],
				.due = c->o.due,
				.cluster = config_find(
					c->config, CONFIG_SECTION_cluster,
					config_string(roles[i],
						      CONFIG_role_cluster)),
				.compromised = c->o.compromised ||
					       (d.mode == ENGINE_MODE_RECOVER &&
						compromise_is_open(
							c->ledger,
							config_name(roles[i]))),
				.mode = d.mode
			};
		ret->fresh += d.untaken;
		ret->behind += d.behind && !d.wanted && !d.known.frozen;
		ret->unseen += d.unseen;
	}
	free(roles);
	return s;
}

static enum status dry_run(struct cli *c, const struct choice *choice)
{
	struct text t = text_make(16 << 20);
	enum status s;

	for (size_t i = 0; i < choice->n; i++) {
		const struct cli_batch_task *task = &choice->tasks[i];
		bool recover = task->mode == ENGINE_MODE_RECOVER;
		bool retire = task->mode == ENGINE_MODE_RETIRE;

		if (c->o.json) {
			text_add(&t, "{");
			text_add_member(&t, "role", task->role);
			text_add_member(&t, "would",
					recover ? "recover" :
					retire	? "retire" :
						  "rotate");
			text_add(&t, "}\n");
		} else
			text_printf(&t, "%s: would be %s\n", task->role,
				    recover ? "recovered (it was interrupted)" :
				    retire  ? "rid of its old password" :
				    task->compromised ?
					     "rotated, and its old password "
					     "ended" :
					     "rotated");
	}
	s = cli_print(c, &t);
	text_free(&t);
	return s;
}

/* One role ends with its own status; several with 0, with what all of them
 * failed with, or with "some roles failed". */
static enum status verdict(struct cli *c, const struct cli_batch_tally *t)
{
	reason_clear(&c->why); /* each role has said its own sentence */
	if (t->not_begun > 0)
		return reason_set(&c->why, STATUS_SOME_FAILED,
				  "stopped by a signal: %zu roles were not "
				  "begun",
				  t->not_begun);
	if (t->failed == 0)
		return t->done == 0 && t->deferred > 0 ? STATUS_DEFERRED :
							 STATUS_OK;
	if (t->done == 0 && !t->different)
		return t->first_failure;
	return STATUS_SOME_FAILED;
}

static enum status read_password(struct cli *c, struct secret **ret)
{
	long fd = -1;
	enum status s;

	if (!*c->o.password_fd)
		return reason_set(
			&c->why, STATUS_USAGE,
			"import needs --password-fd N: the descriptor "
			"from which the password is read");
	s = parse_number(c, "--password-fd", c->o.password_fd, 0, 1023, &fd);
	if (s != STATUS_OK)
		return s;
	if (fcntl((int)fd, F_GETFD) < 0)
		return reason_set(&c->why, STATUS_USAGE,
				  "--password-fd %ld: that descriptor is not "
				  "open",
				  fd);
	s = secret_read_fd((int)fd, 512, ret);
	if (s == STATUS_LIMIT)
		return reason_set(&c->why, STATUS_REFUSED,
				  "the password to import is longer than 512 "
				  "bytes");
	if (s != STATUS_OK)
		return reason_set(&c->why, s,
				  "the password cannot be read from descriptor "
				  "%ld",
				  fd);
	return policy_importable(*ret, &c->why);
}

static enum status check_usage(struct cli *c)
{
	size_t ways = (c->n_args > 0) + c->o.due + c->o.all;

	if (c->command == CLI_rotate && ways != 1)
		return reason_set(
			&c->why, STATUS_USAGE,
			"rotate takes role names, or --due, or --all");
	if (c->command == CLI_import && c->n_args != 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "import takes one role name");
	if ((c->command == CLI_retire || c->command == CLI_rollback) &&
	    c->n_args != 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "retire and rollback take the name of one "
				  "pair");
	if (c->command == CLI_rollback && !*c->o.reason)
		return reason_set(&c->why, STATUS_USAGE,
				  "rollback needs --reason TEXT");
	if (c->o.force && c->command == CLI_rotate && c->n_args == 0)
		return reason_set(&c->why, STATUS_USAGE,
				  "--force needs the roles by name");
	if (c->o.compromised && (c->n_args != 1 || !*c->o.reason))
		return reason_set(&c->why, STATUS_USAGE,
				  "--compromised takes the name of one role, "
				  "and needs --reason TEXT");
	if (c->command == CLI_rotate && c->o.end_sessions && !c->o.compromised)
		return reason_set(&c->why, STATUS_USAGE,
				  "--end-sessions goes with --compromised");
	if (c->command == CLI_rotate && c->o.now &&
	    (c->n_args == 0 || !*c->o.reason))
		return reason_set(&c->why, STATUS_USAGE,
				  "--now needs the roles by name, and --reason "
				  "TEXT");
	if (*c->o.until && !(c->o.due && c->o.dry_run))
		return reason_set(&c->why, STATUS_USAGE,
				  "--until goes with --due --dry-run");
	if (c->o.emergency && c->n_args == 0)
		return reason_set(&c->why, STATUS_USAGE,
				  "--emergency needs the roles by name");
	if (strlen(c->o.reason) >= LEDGER_TEXT_SIZE)
		return reason_set(&c->why, STATUS_USAGE,
				  "--reason is longer than %d bytes",
				  LEDGER_TEXT_SIZE - 1);
	return STATUS_OK;
}

static enum status number_of_jobs(struct cli *c, unsigned *ret)
{
	long jobs = (long)config_int(config_find(c->config,
						 CONFIG_SECTION_keyturn, ""),
				     CONFIG_keyturn_jobs);
	enum status s = STATUS_OK;

	if (*c->o.jobs)
		s = parse_number(c, "--jobs", c->o.jobs, 1, 64, &jobs);
	*ret = (unsigned)jobs;
	return s;
}

static enum status run_choice(struct cli *c, const struct choice *choice,
			      struct secret *password, unsigned jobs)
{
	const struct runner_job like = {
		.fresh = !c->o.due,
		.takeover = c->command == CLI_recover,
		.emergency = c->o.emergency,
		.force = c->o.force,
		.unpair = c->unpair,
		.at_once = c->command == CLI_retire && c->o.now,
		.end_sessions = c->o.end_sessions,
		.since_us = c->began_us,
		.reason = c->o.reason,
		.password = password,
	};
	struct cli_batch_tally tally;
	struct reason why;
	bool nothing;

	cli_batch_run(c, choice->tasks, choice->n, jobs, &like, &tally);
	/* A signature over what was done; a failure does not undo it.  Where
	 * nothing could be recorded there is nothing to sign. */
	nothing = tally.done == 0 && !tally.different &&
		  tally.first_failure == STATUS_LEDGER_UNAVAILABLE;
	if (!nothing &&
	    c->ledger->ops->trail->checkpoint(c->ledger, &why) != STATUS_OK)
		log_line(LOG_LEVEL_WARN, "no checkpoint was signed: %s",
			 why.text);
	return verdict(c, &tally);
}

/* --due is all that some hosts have of keyturnd: what is behind of other roles is
 * tried as well, when its time has come. */
static enum status follow_others(struct cli *c, const struct choice *choice,
				 enum status s)
{
	const struct config_group **done;
	enum status behind;

	if (!c->o.due || c->o.dry_run || !choice->tasks || !cli_follow_any(c))
		return s;
	done = calloc(choice->n + 1, sizeof(*done));
	if (!done)
		return s == STATUS_OK ? reason_no_memory(&c->why) : s;
	for (size_t i = 0; i < choice->n; i++)
		done[i] = choice->tasks[i].group;
	if (!c->dispatch)
		cli_begin_hooks(c);
	behind = cli_follow_all(c, false, false, done, choice->n);
	free(done);
	if (behind == STATUS_OK || (s != STATUS_OK && s != STATUS_NOTHING_DUE))
		return s;
	return reason_set(&c->why, s == STATUS_OK ? STATUS_SOME_FAILED : behind,
			  "what follows a password is behind; it is tried "
			  "again when its pause is over, or now by keyturn "
			  "recover ROLE");
}

enum status cli_rotate(struct cli *c)
{
	struct secret *password = NULL;
	struct choice choice = { .tasks = NULL };
	unsigned jobs = 1;
	enum status s;

	c->began_us = now_wall(now_system());
	s = check_usage(c);
	if (s == STATUS_OK && c->command == CLI_import)
		s = read_password(c, &password);
	if (s == STATUS_OK)
		s = cli_open_ledger(c, c->o.dry_run ? OPEN_LEDGER_AGAIN :
						      OPEN_LEDGER_WRITE);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK && *c->o.until)
		return cli_forecast(c);
	if (s == STATUS_OK)
		s = number_of_jobs(c, &jobs);
	/* Before anything is recorded that they should hear of. */
	if (s == STATUS_OK && c->o.due && !c->o.dry_run && gives_notice(c))
		s = cli_begin_hooks(c);
	if (s == STATUS_OK)
		s = choose_roles(c, &choice);
	if (s != STATUS_OK)
		goto out;
	if (choice.fresh && !c->o.quiet)
		log_line(LOG_LEVEL_WARN,
			 "%zu roles are not managed yet and are skipped by "
			 "--due; run keyturn rotate ROLE once",
			 choice.fresh);
	if (choice.n == 0 && choice.held) {
		s = reason_set(&c->why, STATUS_REFUSED,
			       "all of them wait for the end of a blackout or "
			       "of a postponement");
		goto out;
	}
	if (choice.n == 0 && choice.unseen) {
		s = reason_set(&c->why, STATUS_REFUSED,
			       "%zu roles wait for a person to look",
			       choice.unseen);
		goto out;
	}
	if (choice.n == 0 && choice.behind) {
		s = reason_set(&c->why, STATUS_UNDELIVERED,
			       "%zu roles wait for their next attempt; keyturn "
			       "recover ROLE makes it now",
			       choice.behind);
		goto out;
	}
	/* No error: what cron mails every hour is soon not read any more. */
	if (choice.n == 0) {
		s = STATUS_NOTHING_DUE;
		if (!c->o.quiet && !c->o.json)
			puts(status_sentence(s));
	} else if (c->o.dry_run)
		s = dry_run(c, &choice);
	else {
		if (!c->dispatch)
			s = cli_begin_hooks(c);
		if (s == STATUS_OK)
			s = run_choice(c, &choice, password, jobs);
		if (s == STATUS_OK && choice.unseen)
			s = reason_set(&c->why, STATUS_SOME_FAILED,
				       "%zu roles wait for a person to look",
				       choice.unseen);
		if (s == STATUS_OK && choice.held)
			s = reason_set(&c->why, STATUS_SOME_FAILED,
				       "%zu roles were not rotated",
				       choice.held);
	}
out:
	s = follow_others(c, &choice, s);
	if (!c->o.dry_run)
		cli_handoff_watch(c);
	cli_end_hooks(c);
	free(choice.tasks);
	secret_free(password);
	return s;
}
