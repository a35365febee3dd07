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

enum {
	SUCCESS,
	DUE,
	PLANNED,
	POSTPONED,
	BLACKOUT,
	FAILURES,
	FROZEN,
	UNTAKEN,
	UNDELIVERED,
	ENDS_EARLY,
	MAX_LIFE,
	LONGEST_LIFE,
	OUTLIVES,
	HANDOFF_OPEN,
	HANDOFF_LATE,
	INTERRUPTED,
	RUNNING,
	BACKOFF,
	N_ROLE
};

static const struct {
	const char *name, *help;
} role_metrics[N_ROLE] = {
	[SUCCESS] = { "role_last_success_timestamp_seconds",
		      "When the current password became current; 0: never." },
	[DUE] = { "role_next_due_timestamp_seconds",
		  "When the next rotation is due, in the past when it is "
		  "late; 0: by command only." },
	[PLANNED] = { "role_planned_timestamp_seconds",
		      "When the next rotation begins, by schedule, window, "
		      "postponement and blackouts; 0: not by itself." },
	[POSTPONED] = { "role_postponed",
			"1: a person put the next rotation off." },
	[BLACKOUT] = { "role_blackout",
		       "1: there is a blackout, and nothing begins by "
		       "itself." },
	[FAILURES] = { "role_failures",
		       "Runs in a row that failed; 0: the last one was good." },
	[FROZEN] = { "role_frozen", "1: not rotated until a person thaws it." },
	[UNTAKEN] = { "role_untaken",
		      "1: never rotated or imported, so left alone." },
	[UNDELIVERED] = { "role_undelivered",
			  "1: a sink or a delivery does not have the current "
			  "password." },
	[ENDS_EARLY] = { "role_ends_early",
			 "1: VALID UNTIL ends the password before the next "
			 "rotation." },
	[MAX_LIFE] = { "role_max_life_seconds",
		       "How long a password may live by its policy; 0: for "
		       "ever." },
	[LONGEST_LIFE] = { "role_longest_life_seconds",
			   "How long a password lives at most by schedule and "
			   "grace; 0: nothing bounds it, or there is no "
			   "max_life." },
	[OUTLIVES] = { "role_outlives",
		       "1: that is more than max_life, or the password is "
		       "older." },
	[HANDOFF_OPEN] = { "role_handoff_open",
			   "1: a person has to bring the current password to "
			   "a partner, who was not seen with it yet." },
	[HANDOFF_LATE] = { "role_handoff_late",
			   "1: that is past handoff_deadline." },
	[INTERRUPTED] = { "role_interrupted",
			  "1: a run was begun and not closed." },
	[RUNNING] = { "role_running", "1: it is being worked on." },
	[BACKOFF] = { "role_backoff_seconds",
		      "How long until it is tried again; 0: it does not "
		      "wait." },
};

static double role_value(const struct metrics_view *v, size_t i, int metric)
{
	const struct task_look *l = &v->looks[i];
	const struct plan_role *r = &v->plan->roles[i];
	int64_t left = plan_pause(v->plan, r) - v->boot_us;
	const double values[N_ROLE] = {
		[SUCCESS] = seconds(l->rotated_us),
		[DUE] = seconds(l->next_due_us),
		[PLANNED] = seconds(l->planned_us),
		[POSTPONED] = l->postponed,
		[BLACKOUT] = l->blackout,
		[FAILURES] = l->failures > r->failures ? l->failures :
							 r->failures,
		[FROZEN] = l->finding.frozen || r->frozen,
		[UNTAKEN] = l->finding.untaken,
		[UNDELIVERED] = l->behind,
		[ENDS_EARLY] = l->ends_early,
		[MAX_LIFE] = seconds(v->lives[i].max_us),
		[LONGEST_LIFE] = seconds(schedule_life_longest(&v->lives[i])),
		[OUTLIVES] =
			report_outlives(&v->lives[i], l->rotated_us, v->now_us),
		[HANDOFF_OPEN] = l->handoff_open,
		[HANDOFF_LATE] = l->handoff_late,
		[INTERRUPTED] = l->open && !r->running,
		[RUNNING] = r->running,
		[BACKOFF] = left > 0 ? seconds(left) : 0,
	};

	return values[metric];
}

static void roles(const struct metrics_view *v, struct text *t)
{
	const struct plan *a = v->plan;

	for (int m = 0; m < N_ROLE; m++) {
		head(t, role_metrics[m].name, "gauge", role_metrics[m].help);
		for (size_t i = 0; i < a->n_roles; i++) {
			if (!a->roles[i].known)
				continue;
			text_printf(t, "keyturn_%s{role=\"",
				    role_metrics[m].name);
			add_label(t, a->roles[i].name);
			text_add(t, "\",cluster=\"");
			add_label(t, a->sites[a->roles[i].cluster].name);
			text_printf(t, "\"} %.17g\n", role_value(v, i, m));
		}
	}
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

static void files(const struct metrics_view *v, struct text *t)
{
	static const char *const metrics[][2] = {
		{ "token_file_expires_timestamp_seconds",
		  "When the token in the file ends; 0: there is none." },
		{ "token_file_alarm",
		  "1: the token in the file expires sooner than min_life." },
		{ "token_file_failures",
		  "Attempts in a row to refresh the file that failed." },
	};

	for (int m = 0; m < 3 && v->n_files > 0; m++) {
		head(t, metrics[m][0], "gauge", metrics[m][1]);
		for (size_t i = 0; i < v->n_files; i++) {
			const struct refresher_file *f = &v->files[i];
			const double values[] = { seconds(f->expires_us),
						  f->alarm, f->failures };

			text_printf(t, "keyturn_%s{sink=\"", metrics[m][0]);
			add_label(t, f->sink);
			text_add(t, "\",token=\"");
			add_label(t, f->token);
			text_printf(t, "\"} %.17g\n", values[m]);
		}
	}
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
		    "keyturn_runs_total{outcome=\"failed\"} %llu\n"
		    "keyturn_runs_total{outcome=\"deferred\"} %llu\n",
		    v->runs_ok, v->runs_failed, v->runs_deferred);
	one(t, "agent_push_failures_total", "counter",
	    "New passwords of which the agent could not be told.",
	    v->agent_failures);
	sites(v, t);
	roles(v, t);
	hooks(v, t);
	files(v, t);
}
