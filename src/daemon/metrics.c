/* SPDX-License-Identifier: PostgreSQL */
/* Writes numbers for Prometheus; a name here is a promise to other people's
 * alerts and must never change its meaning. */
#include "daemon/metrics.h"

#include <inttypes.h>

#include "base/now.h"

static void head(struct text *t, const char *name, const char *type,
		 const char *help)
{
	text_printf(t, "# HELP keyturn_%s %s\n# TYPE keyturn_%s %s\n", name,
		    help, name, type);
}

/* Inside the quotes of a label: backslash, quote and newline are escaped. */
static void add_label(struct text *t, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '"')
			text_add_char(t, '\\');
		if (*s == '\n')
			text_add(t, "\\n");
		else
			text_add_char(t, *s);
	}
}

static void one(struct text *t, const char *name, const char *type,
		const char *help, double value)
{
	head(t, name, type, help);
	text_printf(t, "keyturn_%s %.17g\n", name, value);
}

static double seconds(int64_t us)
{
	return (double)us / NOW_SECOND;
}

/* ---- roles ------------------------------------------------------------------ */

typedef double role_value(const struct metrics_view *v, size_t i);

static double last_success(const struct metrics_view *v, size_t i)
{
	return seconds(v->looks[i].rotated_us);
}

static double next_due(const struct metrics_view *v, size_t i)
{
	return seconds(v->looks[i].next_due_us);
}

static double failures(const struct metrics_view *v, size_t i)
{
	unsigned by_ledger = v->looks[i].failures;
	unsigned by_us = v->plan->roles[i].failures;

	return by_ledger > by_us ? by_ledger : by_us;
}

static double frozen(const struct metrics_view *v, size_t i)
{
	return v->looks[i].finding.frozen || v->plan->roles[i].frozen;
}

static double untaken(const struct metrics_view *v, size_t i)
{
	return v->looks[i].finding.untaken;
}

static double behind(const struct metrics_view *v, size_t i)
{
	return v->looks[i].behind;
}

static double ends_early(const struct metrics_view *v, size_t i)
{
	return v->looks[i].ends_early;
}

static double interrupted(const struct metrics_view *v, size_t i)
{
	return v->looks[i].open && !v->plan->roles[i].running;
}

static double running(const struct metrics_view *v, size_t i)
{
	return v->plan->roles[i].running;
}

static double back_off(const struct metrics_view *v, size_t i)
{
	int64_t left = plan_pause(v->plan, &v->plan->roles[i]) - v->boot_us;

	return left > 0 ? seconds(left) : 0;
}

static void each_role(const struct metrics_view *v, struct text *t,
		      const char *name, const char *help, role_value *value)
{
	const struct plan *a = v->plan;

	head(t, name, "gauge", help);
	for (size_t i = 0; i < a->n_roles; i++) {
		if (!a->roles[i].known)
			continue;
		text_printf(t, "keyturn_%s{role=\"", name);
		add_label(t, a->roles[i].name);
		text_add(t, "\",cluster=\"");
		add_label(t, a->sites[a->roles[i].cluster].name);
		text_printf(t, "\"} %.17g\n", value(v, i));
	}
}

static void roles(const struct metrics_view *v, struct text *t)
{
	each_role(v, t, "role_last_success_timestamp_seconds",
		  "When the current password became current; 0: never.",
		  last_success);
	each_role(v, t, "role_next_due_timestamp_seconds",
		  "When the next rotation is due, in the past when it is "
		  "late; 0: by command only.",
		  next_due);
	each_role(v, t, "role_failures",
		  "Runs in a row that failed; 0: the last one was good.",
		  failures);
	each_role(v, t, "role_frozen",
		  "1: not rotated until a person thaws it.", frozen);
	each_role(v, t, "role_untaken",
		  "1: never rotated or imported, so left alone.", untaken);
	each_role(v, t, "role_undelivered",
		  "1: a sink does not have the current password.", behind);
	each_role(v, t, "role_ends_early",
		  "1: VALID UNTIL ends the password before the next rotation.",
		  ends_early);
	each_role(v, t, "role_interrupted",
		  "1: a run was begun and not closed.", interrupted);
	each_role(v, t, "role_running", "1: it is being worked on.", running);
	each_role(v, t, "role_backoff_seconds",
		  "How long until it is tried again; 0: it does not wait.",
		  back_off);
}

/* ---- sites and hooks --------------------------------------------------------- */

static void sites(const struct metrics_view *v, struct text *t)
{
	static const char *const kinds[] = { "ledger", "cluster", "store" };
	const struct plan *a = v->plan;

	head(t, "site_failures", "gauge",
	     "Failures in a row of the ledger, a cluster or a store; 0: in "
	     "good standing.");
	for (size_t i = 0; i < a->n_sites; i++) {
		text_printf(t, "keyturn_site_failures{kind=\"%s\",name=\"",
			    kinds[a->sites[i].kind]);
		add_label(t, a->sites[i].name);
		text_printf(t, "\"} %u\n", a->sites[i].failures);
	}
}

static void hooks(const struct metrics_view *v, struct text *t)
{
	if (v->n_hooks == 0)
		return;
	head(t, "hook_attempts", "gauge",
	     "Failed attempts for the event at hand; 0: the hook does well.");
	for (size_t i = 0; i < v->n_hooks; i++) {
		text_add(t, "keyturn_hook_attempts{hook=\"");
		add_label(t, v->hooks[i].name);
		text_printf(t, "\"} %u\n", v->hooks[i].attempts);
	}
	head(t, "hook_lost_total", "counter", "Events that were given up.");
	for (size_t i = 0; i < v->n_hooks; i++) {
		text_add(t, "keyturn_hook_lost_total{hook=\"");
		add_label(t, v->hooks[i].name);
		text_printf(t, "\"} %u\n", v->hooks[i].lost);
	}
}

static void each_file(const struct metrics_view *v, struct text *t,
		      const char *name, const char *help,
		      double (*value)(const struct refresher_file *f))
{
	head(t, name, "gauge", help);
	for (size_t i = 0; i < v->n_files; i++) {
		text_printf(t, "keyturn_%s{sink=\"", name);
		add_label(t, v->files[i].sink);
		text_add(t, "\",token=\"");
		add_label(t, v->files[i].token);
		text_printf(t, "\"} %.17g\n", value(&v->files[i]));
	}
}

static double file_expires(const struct refresher_file *f)
{
	return seconds(f->expires_us);
}

static double file_alarm(const struct refresher_file *f)
{
	return f->alarm;
}

static double file_failures(const struct refresher_file *f)
{
	return f->failures;
}

static void files(const struct metrics_view *v, struct text *t)
{
	if (v->n_files == 0)
		return;
	each_file(v, t, "token_file_expires_timestamp_seconds",
		  "When the token in the file ends; 0: there is none.",
		  file_expires);
	each_file(v, t, "token_file_alarm",
		  "1: the token in the file expires sooner than min_life.",
		  file_alarm);
	each_file(v, t, "token_file_failures",
		  "Attempts in a row to refresh the file that failed.",
		  file_failures);
}

void metrics_write(const struct metrics_view *v, struct text *t)
{
	unsigned at_work = 0;

	for (size_t i = 0; i < v->plan->n_roles; i++)
		at_work += v->plan->roles[i].running;
	one(t, "start_time_seconds", "gauge", "When keyturnd was started.",
	    seconds(v->started_us));
	one(t, "written_timestamp_seconds", "gauge",
	    "When this was written: old means that keyturnd does not run.",
	    seconds(v->now_us));
	one(t, "configuration_timestamp_seconds", "gauge",
	    "When the configuration in force was read.",
	    seconds(v->reloaded_us));
	one(t, "configuration_reload_ok", "gauge",
	    "0: the last reload was refused, and the one before is in force.",
	    v->reload_ok);
	one(t, "ledger_up", "gauge", "0: the ledger is away, nothing runs.",
	    v->ledger_up);
	one(t, "running", "gauge", "Roles being worked on.", at_work);
	head(t, "runs_total", "counter", "Runs since the start.");
	text_printf(t,
		    "keyturn_runs_total{outcome=\"ok\"} %llu\n"
		    "keyturn_runs_total{outcome=\"failed\"} %llu\n",
		    v->runs_ok, v->runs_failed);
	one(t, "agent_push_failures_total", "counter",
	    "New passwords of which the agent could not be told.",
	    v->agent_failures);
	sites(v, t);
	roles(v, t);
	hooks(v, t);
	files(v, t);
}
