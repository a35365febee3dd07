/* SPDX-License-Identifier: PostgreSQL */
/* Status and history as tables for people and JSON for machines. */
#ifndef KEYTURN_REPORT_H
#define KEYTURN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/text.h"
#include "ledger/ledger.h"
#include "schedule/schedule_life.h"

enum report_state {
	REPORT_NEW,	 /* never taken over, or known to the store only: a
			   person begins with it, by name */
	REPORT_OK,	 /* nothing to do */
	REPORT_DUE,	 /* due since less than an hour */
	REPORT_OVERDUE,	 /* due for longer */
	REPORT_FAILED,	 /* the last run failed */
	REPORT_DEFERRED, /* ... waits: the other login role of a pair is used */
	REPORT_OPEN,	 /* a run was begun and not closed: recover */
	REPORT_FROZEN	 /* an operator or evidence stopped it */
};

struct report_role {
	const char *cluster;
	const char *store;
	const struct ledger_role *known; /* ->role is always set */
	int64_t next_due_us;		 /* 0: by command only */
	int64_t expires_us;		 /* VALID UNTIL; 0: never */
	size_t expected;    /* consumers; 0: it is not known who they are */
	size_t adopted;	    /* of them, seen with the live version */
	bool compromised;   /* a password got out, and that it is refused was
			       not shown yet */
	const char *retire; /* of a pair: how it ends the old password, else
			       NULL */
	const char *waits;  /* ... what that waits for, or "" */
	const char *ended;  /* ... by what it has ended, or "" */
	const char
		*handoff;  /* the state of its hand-off by a person, or NULL */
	bool handoff_late; /* ... which is past its deadline */
	const char *handoff_says; /* ... a sentence, "" when it is over; not
				     NULL with `handoff` */
	struct schedule_life life;
	/* When the next rotation begins, if not at next_due_us, and why: */
	int64_t planned_us;   /* 0: not by itself */
	int64_t postponed_us; /* until then; 0: it is not */
	const char *postponed_by, *postponed_reason;
	int64_t blackout_us; /* there is one until then; 0: none */
	const char *blackout;
	const char *held;   /* a sentence of all that, or "" */
	int64_t grace_us;   /* at gateways: until when the password before is
			       accepted, 0: it is not */
	const char *follow; /* report_step_json() of each step that follows its
			       passwords, with commas between; or NULL */
};

/* "new", "ok", ... static. */
const char *report_state_name(enum report_state s);

/* The most urgent state that holds. */
enum report_state report_state(const struct report_role *r, int64_t now_us);

/* When it is due: a point in the past when it was missed; 0 without schedule
 * or for a new role. */
int64_t report_next_due(const struct schedule *schedule,
			const struct ledger_role *known);

/* Does the password end before another one can be expected?  Without a schedule:
 * within 30 days. */
bool report_ends_early(int64_t expires_us, int64_t next_due_us, int64_t now_us);

/* ... the sentence of a warning about it. */
void report_ending(int64_t expires_us, int64_t next_due_us, const char *rolname,
		   struct reason *why);

/* Does a password live longer than the policy allows, by its settings or
 * already?  False without a limit. */
bool report_outlives(const struct schedule_life *l, int64_t rotated_us,
		     int64_t now_us);

/* A table's head and line; role_width is that of the longest name. */
void report_status_head(struct text *t, int role_width);
void report_status_line(struct text *t, int role_width,
			const struct report_role *r, int64_t now_us);
/* One JSON object, no newline. */
void report_status_json(struct text *t, const struct report_role *r,
			int64_t now_us);

/* How a hook does: a line only when there is something to say, or one JSON
 * object with "hook" instead of "role". */
struct report_hook {
	const char *name;
	unsigned attempts; /* that failed, of the event at hand */
	int64_t since_us;  /* the first of them */
	unsigned lost;	   /* events that were given up */
	const char *sentence;
};
void report_hook_line(struct text *t, const struct report_hook *h,
		      int64_t now_us);
void report_hook_json(struct text *t, const struct report_hook *h);

/* A step that follows a role's new passwords: a line only when it is behind, or
 * one JSON object. */
struct report_step {
	const char *role;
	const char *name;    /* "delivery cpi" */
	const char *version; /* that it has taken, or "" */
	bool behind;
	unsigned attempts; /* that failed since then */
	int64_t since_us;  /* ... the first of them */
	int64_t next_us;   /* ... and when the next one is due */
	const char *sentence;
};
void report_step_line(struct text *t, const struct report_step *s,
		      int64_t now_us);
void report_step_json(struct text *t, const struct report_step *s);

/* A file that is kept fresh with tokens: a line, or one JSON object with "sink"
 * instead of "role". */
struct report_sink {
	const char *name;
	const char *token;
	const char *path;
	int64_t expires_us; /* 0: no token is in it */
	bool alarm;
	const char *sentence; /* why it cannot be looked at, or "" */
};
void report_sink_line(struct text *t, const struct report_sink *s,
		      int64_t now_us);
void report_sink_json(struct text *t, const struct report_sink *s,
		      int64_t now_us);

/* Two lines for a person, or one JSON object without newline. */
void report_run_lines(struct text *t, const struct ledger_run *run);
void report_run_json(struct text *t, const struct ledger_run *run);

#endif
