/* SPDX-License-Identifier: PostgreSQL */
/* handoff: how far a password has come on its way to a partner, and what is done
 * for that. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/file.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/now.h"
#include "cli/cli.h"
#include "handoff/handoff_gather.h"
#include "handoff/handoff_offer.h"
#include "handoff/handoff_refusal.h"
#include "handoff/handoff_sheet.h"
#include "handoff/handoff_story.h"
#include "handoff/handoff_token.h"
#include "jobs/handoff_watch.h"
#include "jobs/role_lock.h"

#define SHEET_MAX ((size_t)1 << 20)
#define LOCK_US	  (5 * NOW_SECOND)
#define TTL	  "1h"

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
	if (s == STATUS_OK)
		handoff_token_look(c->opened, role, &h);
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

/* ---- what a log has shown ---------------------------------------------------------- */

#define AHEAD_US (60 * NOW_SECOND) /* by which two clocks may differ */

static enum status refusal_usage(struct cli *c, struct handoff_refusal *ret)
{
	int64_t now_us = now_wall(now_system());
	char *end = "";
	enum status s;

	*ret = (struct handoff_refusal){ .source = "log",
					 .count = 1,
					 .last_us = now_us };
	if (!*c->o.address)
		return reason_set(&c->why, STATUS_USAGE,
				  "handoff refused takes --address");
	s = handoff_refusal_address(c->o.address, ret->address, &c->why);
	if (s != STATUS_OK)
		return reason_wrap(&c->why, s, "--address");
	if (*c->o.count)
		ret->count = strtol(c->o.count, &end, 10);
	if (*end || ret->count < 1 || ret->count > HANDOFF_REFUSAL_COUNT_MAX ||
	    (*c->o.count && (*c->o.count < '0' || *c->o.count > '9')))
		return reason_set(&c->why, STATUS_USAGE,
				  "--count takes a number from 1 to %d",
				  HANDOFF_REFUSAL_COUNT_MAX);
	if (*c->o.at && now_parse(c->o.at, &ret->last_us) != 0)
		return reason_set(&c->why, STATUS_USAGE,
				  "--at takes a time as 2026-11-21T03:00:00Z");
	if (ret->last_us > now_us + AHEAD_US)
		return reason_set(&c->why, STATUS_USAGE,
				  "--at %s is in the future", c->o.at);
	ret->first_us = ret->last_us;
	return STATUS_OK;
}

static enum status refused(struct cli *c, const char *name)
{
	struct handoff_refusal r;
	struct handoff h;
	int lock = -1;
	enum status s = refusal_usage(c, &r);

	if (s == STATUS_OK)
		s = begin_act(c, name, &lock, &h);
	if (s == STATUS_OK)
		s = handoff_under_way(&h, &c->why);
	if (s == STATUS_OK)
		s = handoff_refusal_add(c->ledger, &h, &r, false, &c->why);
	role_lock_end(lock);
	return s;
}

/* ---- the offer ------------------------------------------------------------------- */

/* Whole seconds. */
static enum status find_ttl(struct cli *c, int64_t *ret_s)
{
	int64_t us = 0;
	enum status s;

	if (*c->o.ttl && !c->o.wrap)
		return reason_set(&c->why, STATUS_USAGE,
				  "--ttl is for handoff offer --wrap");
	s = duration_parse(*c->o.ttl ? c->o.ttl : TTL, &us, &c->why);
	if (s != STATUS_OK)
		return reason_wrap(&c->why, STATUS_USAGE, "--ttl");
	*ret_s = us / NOW_SECOND;
	s = store_wrap_life(*ret_s, &c->why);
	return s == STATUS_OK ? s : reason_wrap(&c->why, s, "--ttl");
}

static enum status offer_usage(struct cli *c)
{
	if ((c->o.n_to > 0) + c->o.show + c->o.wrap != 1)
		return reason_set(
			&c->why, STATUS_USAGE,
			"handoff offer takes --to CERT.pem, or --show "
			"on a terminal, or --wrap");
	if (c->o.n_to > CLI_RECIPIENTS_MAX)
		return reason_set(&c->why, STATUS_USAGE,
				  "more than %d times --to",
				  CLI_RECIPIENTS_MAX);
	if ((c->o.show || c->o.wrap) && *c->o.out)
		return reason_set(&c->why, STATUS_USAGE,
				  "--%s writes no file, so --out does not go "
				  "with it",
				  c->o.show ? "show" : "wrap");
	if (c->o.show && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return reason_set(&c->why, STATUS_REFUSED,
				  "this is not a terminal, and a password in "
				  "clear is shown nowhere else; use --to "
				  "CERT.pem");
	/* Before anything is recorded. */
	if (*c->o.out && access(c->o.out, F_OK) == 0)
		return reason_set(&c->why, STATUS_REFUSED,
				  "--out %s is there already, and is not "
				  "written over",
				  c->o.out);
	return STATUS_OK;
}

static void wake_up(int signal)
{
	(void)signal;
}

/* Until Enter, or until somebody ends or stops us: nothing stays on the screen. */
static void wait_for_enter(const sigset_t *mask)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[256];

	if (ppoll(&in, 1, NULL, mask) > 0)
		(void)!read(STDIN_FILENO, line, sizeof(line));
}

static enum status show_until_enter(struct cli *c, const struct secret *lines,
				    const sigset_t *mask)
{
	if (fputs("\033[?1049h\033[H\033[2J", stdout) < 0 ||
	    fflush(stdout) != 0 ||
	    secret_write_fd(lines, STDOUT_FILENO) != STATUS_OK)
		return reason_set(&c->why, STATUS_ERROR,
				  "cannot write to the terminal");
	fputs("\r\nPress Enter when it is typed in; it is shown no longer then.",
	      stdout);
	fflush(stdout);
	wait_for_enter(mask);
	fputs("\033[H\033[2J\033[?1049l", stdout);
	fflush(stdout);
	return STATUS_OK;
}

/* On a screen of its own, which leaves nothing to scroll back to.  Signals that end
 * or stop a program end the waiting, and nothing else. */
static enum status show_on_terminal(struct cli *c, const struct secret *lines)
{
	static const int ends[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP };
	enum { N = sizeof(ends) / sizeof(*ends) };
	const struct sigaction wakes = { .sa_handler = wake_up };
	struct sigaction before[N];
	sigset_t blocked, mask;
	enum status s;

	sigemptyset(&blocked);
	for (size_t i = 0; i < N; i++)
		sigaddset(&blocked, ends[i]);
	sigprocmask(SIG_BLOCK, &blocked, &mask);
	for (size_t i = 0; i < N; i++)
		sigaction(ends[i], &wakes, &before[i]);
	s = show_until_enter(c, lines, &mask);
	/* What came meanwhile is over before they mean again what they did. */
	sigprocmask(SIG_SETMASK, &mask, NULL);
	for (size_t i = 0; i < N; i++)
		sigaction(ends[i], &before[i], NULL);
	return s;
}

static enum status write_message(struct cli *c, const struct text *message)
{
	if (!*c->o.out)
		return cli_print(c, message);
	return file_create(c->o.out, text_str(message), message->len, 0600,
			   &c->why);
}

/* The token alone, for whoever sends it; what goes with it is no secret. */
static enum status print_token(struct cli *c, const struct handoff *h,
			       const struct secret *token, int64_t ends_us)
{
	char stamp[NOW_STAMP_SIZE];
	enum status s = cli_print_secret(c, token);

	if (s == STATUS_OK && !c->o.quiet)
		fprintf(stderr,
			"%s: offered, version %s; the token opens it once, "
			"until %s: vault unwrap TOKEN, or bao unwrap TOKEN\n",
			h->role, h->version, now_stamp(ends_us, stamp));
	return s;
}

static enum status offer(struct cli *c, const char *name)
{
	const struct config_group *role = NULL;
	struct text message = text_make(SHEET_MAX);
	struct secret *lines = NULL;
	struct handoff_offer o;
	struct handoff h;
	int64_t ttl_s = 0, ends_us = 0;
	int lock = -1;
	enum status s = offer_usage(c);

	if (s == STATUS_OK)
		s = find_ttl(c, &ttl_s);
	if (s == STATUS_OK)
		s = begin_act(c, name, &lock, &h);
	if (s == STATUS_OK)
		s = open_role(c->opened, name, &role, &c->why);
	if (s == STATUS_OK)
		s = cli_begin_hooks(c);
	o = (struct handoff_offer){ .opened = c->opened,
				    .ledger = c->ledger,
				    .role = role,
				    .handoff = &h,
				    .actor = c->actor };
	if (s == STATUS_OK && c->o.show)
		s = handoff_offer_shown(&o, &lines, &c->why);
	else if (s == STATUS_OK && c->o.wrap)
		s = handoff_offer_wrapped(&o, ttl_s, &lines, &ends_us, &c->why);
	else if (s == STATUS_OK)
		s = handoff_offer_cms(&o, c->o.to, c->o.n_to, &message,
				      &c->why);
	role_lock_end(lock);
	if (s == STATUS_OK && c->o.show)
		s = show_on_terminal(c, lines);
	else if (s == STATUS_OK && c->o.wrap)
		s = print_token(c, &h, lines, ends_us);
	else if (s == STATUS_OK)
		s = write_message(c, &message);
	if (s == STATUS_OK && *c->o.out && !c->o.quiet)
		printf("%s: offered, version %s\n", h.role, h.version);
	secret_free(lines);
	harden_scrub_stack();
	cli_end_hooks(c);
	text_free(&message);
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
	{ "offer", offer, " to out show wrap ttl " },
	{ "confirm", confirm, " of-version reason " },
	{ "refused", refused, " address at count " },
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
		{ "to", c->o.n_to > 0 },
		{ "out", *c->o.out != '\0' },
		{ "show", c->o.show },
		{ "wrap", c->o.wrap },
		{ "ttl", *c->o.ttl != '\0' },
		{ "address", *c->o.address != '\0' },
		{ "at", *c->o.at != '\0' },
		{ "count", *c->o.count != '\0' },
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
			  "handoff takes one role name, or sheet, offer, "
			  "confirm or refused and one");
}
