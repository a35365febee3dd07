/* SPDX-License-Identifier: PostgreSQL */
/*
 * Has systemd reload or restart a unit, by systemctl: it waits for the end of
 * what it asked for, and says why that failed.  Must never start what was
 * stopped on purpose, nor ask anybody for a password.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "after/after_internal.h"
#include "base/now.h"
#include "base/text.h"
#include "program/program.h"

#define SAID_SIZE  256
#define SHOWN_SIZE 1024
#define OWN	   "keyturnd.service"

/* Of whom nobody but root may put another file there. */
static const char *const systemctls[] = { "/usr/bin/systemctl",
					  "/bin/systemctl" };

static const char *systemctl(void)
{
	for (size_t i = 0; i < sizeof(systemctls) / sizeof(*systemctls); i++)
		if (access(systemctls[i], X_OK) == 0)
			return systemctls[i];
	return NULL;
}

static const char *verb_of(const struct after *a)
{
	return a->kind == AFTER_RELOAD ? "reload" : "restart";
}

static const char *done_of(const struct after *a)
{
	return a->kind == AFTER_RELOAD ? "reloaded" : "restarted";
}

/* ---- which unit is ours ------------------------------------------------------- */

/* cgroups(7): the last part of the path that ends in .service; "0::" is the line
 * of systemd's own hierarchy where there is but one. */
static bool runs_in(const char *unit)
{
	char line[4096], *p = line, *part, *end;
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	bool ours = false;
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	while (!ours && (part = strsep(&p, "/\n")) != NULL) {
		end = strrchr(part, '.');
		ours = end != NULL && strcmp(end, ".service") == 0 &&
		       strcmp(part, unit) == 0;
	}
	return ours;
}

bool after_systemd_is_ours(const char *unit)
{
	return strcmp(unit, OWN) == 0 || runs_in(unit);
}

/* ---- systemctl ---------------------------------------------------------------- */

struct call {
	const struct after *a;
	int64_t until; /* boot clock */
	bool acts;     /* it asks for what the step is for */
	char said[SAID_SIZE];
	char shown[SHOWN_SIZE];
};

static bool said(const struct call *c, const char *words)
{
	return strstr(c->said, words) != NULL;
}

/* What systemctl says when it may not; it has no language but English. */
static bool was_denied(const struct call *c)
{
	return said(c, "nteractive authentication required") ||
	       said(c, "Access denied") || said(c, "Permission denied");
}

static enum status explain(const struct call *c, enum status st,
			   struct reason *why)
{
	const struct after *a = c->a;

	if (was_denied(c))
		return reason_set(why, STATUS_DENIED,
				  "systemd does not let user %lu %s %s; a rule "
				  "of polkit's may allow it",
				  (unsigned long)geteuid(), verb_of(a),
				  a->target);
	if (said(c, "not been booted with systemd") ||
	    said(c, "Failed to connect to bus") ||
	    said(c, "Failed to connect to system scope bus"))
		return reason_set(why, STATUS_NOT_FOUND,
				  "there is no systemd here that can be asked "
				  "to %s %s (%s)",
				  verb_of(a), a->target, c->said);
	if (st == STATUS_TIMEOUT && !c->acts)
		return reason_set(why, st, "systemd does not answer what %s is",
				  a->target);
	if (st == STATUS_TIMEOUT)
		return reason_set(why, st,
				  "systemd had not %s %s after %lld s, and "
				  "goes on with it: systemctl status %s",
				  done_of(a), a->target,
				  (long long)(a->timeout_us / NOW_SECOND),
				  a->target);
	if (c->said[0] == '\0')
		return reason_wrap(why, STATUS_REFUSED,
				   "systemd could not %s %s", verb_of(a),
				   a->target);
	return reason_set(why, STATUS_REFUSED, "systemd could not %s %s: %s",
			  verb_of(a), a->target, c->said);
}

/* With up to four words behind systemctl; NULL ends them earlier. */
static enum status call(struct call *c, const char *const words[4],
			struct reason *why)
{
	const char *argv[8] = { systemctl(), "--no-ask-password" };
	struct program p = {
		.argv = argv,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.timeout_us = c->until - now_boot(now_system()),
		.said = c->said,
		.said_size = sizeof(c->said),
		.output = c->shown,
		.output_size = sizeof(c->shown),
	};
	enum status st;
	size_t n = 2;

	if (argv[0] == NULL)
		return reason_set(why, STATUS_NOT_FOUND,
				  "there is no systemd here: %s is not there",
				  systemctls[0]);
	for (size_t i = 0; i < 4 && words[i] != NULL; i++)
		argv[n++] = words[i];
	argv[n++] = "--";
	argv[n] = c->a->target;
	st = program_run(&p, now_system(), NULL, why);
	return st == STATUS_OK ? st : explain(c, st, why);
}

/* ---- what systemd knows of the unit ------------------------------------------- */

struct unit {
	char id[256];
	char load[32];
	char active[32];
	bool may_reload;
	bool has_job;
	int64_t active_s; /* since when, wall clock; 0: not known */
};

/* "KEY=VALUE" of `systemctl show`, one a line. */
static void take_line(char *line, struct unit *u)
{
	char *value = strchr(line, '=');

	if (value == NULL)
		return;
	*value++ = '\0';
	if (strcmp(line, "Id") == 0)
		text_cut(u->id, sizeof(u->id), value);
	else if (strcmp(line, "LoadState") == 0)
		text_cut(u->load, sizeof(u->load), value);
	else if (strcmp(line, "ActiveState") == 0)
		text_cut(u->active, sizeof(u->active), value);
	else if (strcmp(line, "CanReload") == 0)
		u->may_reload = strcmp(value, "yes") == 0;
	else if (strcmp(line, "Job") == 0)
		u->has_job = *value != '\0' && strcmp(value, "0") != 0;
	else if (strcmp(line, "ActiveEnterTimestamp") == 0 && *value == '@')
		u->active_s = strtoll(value + 1, NULL, 10);
}

static enum status check_unit(const struct after *a, const struct unit *u,
			      struct reason *why)
{
	if (strcmp(u->load, "loaded") == 0 && after_systemd_is_ours(u->id))
		return reason_set(why, STATUS_REFUSED,
				  "%s is keyturnd's own unit, which would end "
				  "while it waits for that",
				  a->target);
	if (strcmp(u->load, "loaded") == 0 && a->kind == AFTER_RELOAD &&
	    !u->may_reload)
		return reason_set(why, STATUS_REFUSED,
				  "%s cannot be reloaded: it has no "
				  "ExecReload=; use systemd-restart",
				  a->target);
	if (strcmp(u->load, "loaded") == 0)
		return STATUS_OK;
	if (strcmp(u->load, "not-found") == 0)
		return reason_set(why, STATUS_NOT_FOUND,
				  "systemd has no unit %s", a->target);
	if (strcmp(u->load, "masked") == 0)
		return reason_set(why, STATUS_REFUSED,
				  "%s is masked; systemctl unmask it, or take "
				  "the step out",
				  a->target);
	return reason_set(why, STATUS_REFUSED,
			  "systemd has not loaded %s (%s): systemctl status %s",
			  a->target, u->load[0] != '\0' ? u->load : "no answer",
			  a->target);
}

static enum status look(struct call *c, struct unit *ret, struct reason *why)
{
	/* The form of times is known since 247; before, they are not asked. */
	static const char *const words[2][4] = {
		{ "show", "--timestamp=unix",
		  "--property=Id,LoadState,ActiveState,CanReload,Job,"
		  "ActiveEnterTimestamp" },
		{ "show", "--property=Id,LoadState,ActiveState,CanReload,Job" },
	};
	char *p = c->shown, *line;
	enum status st = call(c, words[0], why);

	*ret = (struct unit){ .has_job = false };
	if (st == STATUS_REFUSED && said(c, "timestamp"))
		st = call(c, words[1], why);
	if (st != STATUS_OK)
		return st;
	while ((line = strsep(&p, "\n")) != NULL)
		take_line(line, ret);
	return check_unit(c->a, ret, why);
}

static struct call begin(const struct after *a)
{
	return (struct call){ .a = a,
			      .until = now_boot(now_system()) + a->timeout_us };
}

/* ---- try ---------------------------------------------------------------------- */

/*
 * There is no question for it.  A job mode that is for stopping only is refused
 * after the rights were looked at, so the answer tells; a systemd that does not
 * know that mode (before 246) refuses it before, and nothing is known.
 */
static enum status ask_rights(struct call *c, struct reason *why)
{
	const char *const words[4] = { "--job-mode=triggering", verb_of(c->a) };
	enum status st = call(c, words, why);

	if (st != STATUS_REFUSED)
		return st;
	if (said(c, "only valid for stop"))
		return reason_set(why, STATUS_OK, "%s may be %s", c->a->target,
				  done_of(c->a));
	return reason_set(why, STATUS_OK,
			  "%s is loaded; whether it may be %s shows when it "
			  "is",
			  c->a->target, done_of(c->a));
}

enum status after_systemd_try(const struct after *a, struct reason *why)
{
	struct call c = begin(a);
	struct unit u;
	enum status st = look(&c, &u, why);

	return st == STATUS_OK ? ask_rights(&c, why) : st;
}

/* ---- run ---------------------------------------------------------------------- */

/* Nothing is to be done: *ret is how that is. */
static bool is_settled(const struct after *a, const struct unit *u,
		       int64_t tried_us, enum status *ret, struct reason *why)
{
	*ret = STATUS_OK;
	if (tried_us > 0 && u->has_job)
		*ret = reason_set(why, STATUS_TIMEOUT,
				  "systemd still works on %s: systemctl "
				  "status %s",
				  a->target, a->target);
	else if (strcmp(u->active, "inactive") == 0 && !u->has_job)
		reason_set(why, STATUS_OK,
			   "%s does not run; it reads its files when it starts",
			   a->target);
	else if (a->kind == AFTER_RESTART && tried_us > 0 &&
		 strcmp(u->active, "active") == 0 &&
		 u->active_s > tried_us / NOW_SECOND)
		reason_set(why, STATUS_OK, "%s was restarted meanwhile",
			   a->target);
	else
		return false;
	return true;
}

enum status after_systemd_run(const struct after *a, int64_t tried_us,
			      struct reason *why)
{
	const char *const words[4] = { verb_of(a) };
	struct call c = begin(a);
	struct unit u;
	enum status st = look(&c, &u, why);

	if (st != STATUS_OK || is_settled(a, &u, tried_us, &st, why))
		return st;
	c.acts = true;
	st = call(&c, words, why);
	if (st == STATUS_OK)
		reason_set(why, st, "%s was %s", a->target, done_of(a));
	return st;
}
