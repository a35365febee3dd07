/* SPDX-License-Identifier: PostgreSQL */
/*
 * What may take time, and is therefore done outside the scheduler's own thread:
 * it fills in a task, gives it to a thread, and reads the answer when it
 * comes back.  Nothing is shared meanwhile but the generation, which all may use.
 */
#ifndef KEYTURN_TASK_H
#define KEYTURN_TASK_H

#include "base/text.h"
#include "daemon/generation.h"
#include "daemon/plan.h"

#define TASK_REQUESTED "asked for by the role's owner"

enum task_kind {
	TASK_RUN,  /* see to one role */
	TASK_LOOK, /* at all roles, and sign a checkpoint */
	TASK_OPEN, /* a generation of the same configuration, with its ledger */
	TASK_LOAD, /* the configuration again, and open it */
	TASK_NOTE, /* record what the owner of a role asked for */
	TASK_WRITE, /* the metrics */
};

/* What is to be known of a role besides the plan's part. */
struct task_look {
	struct plan_finding finding;
	int64_t rotated_us;  /* wall clock, 0: never */
	int64_t next_due_us; /* wall clock, 0: none */
	unsigned failures;
	bool open, behind;  /* begun and not closed; a sink or a delivery is
			       not in step */
	bool unseen, ahead; /* see struct due */
	bool ends_early;    /* VALID UNTIL comes before the next rotation */
	bool late;	    /* it is due, and its window is closed */
	bool postponed, blackout; /* now */
	bool held;		  /* ... and so it waits though it is due */
	int64_t planned_us; /* wall clock: when it begins; 0: never by itself */
	int64_t wake_us;    /* wall clock: when something changes by time
				alone; INT64_MAX: never */
	bool handoff_open, handoff_late; /* LOOK: a person has it to do */
	bool store_away,
		store_there; /* LOOK: the store did not answer, or did */
	bool asked;	     /* LOOK: for a rotation, before keyturnd's start */
};

struct task_hook {
	char name[CONFIG_NAME_MAX + 1];
	unsigned attempts, lost;
};

/* A run, and what came of it. */
struct task_run {
	char role[PLAN_NAME_SIZE];
	bool requested;
	struct runner_result result;
	bool moved;	      /* another version is current now */
	struct reason ending; /* that the password ends early, or "" */
	struct task_look look;
};

/* A look at all roles. */
struct task_all {
	bool checkpoint;	 /* sign one */
	bool recall;		 /* what owners asked for before the start */
	size_t told;		 /* so many rotations to come were told of */
	struct task_look *looks; /* one a role */
	struct task_hook *hooks;
	size_t n_hooks;
};

/* Another generation. */
struct task_open {
	const char *path; /* LOAD: of the configuration */
	hook_dispatch_tell_fn *tell;
	bool make;    /* a missing ledger is made; LOAD: also one of another
			 name */
	bool patient; /* LOAD: take it even when its ledger is away, too */
	bool lost;    /* a missing ledger was made */
	struct generation *made;
};

struct task_write {
	const char *path;
	struct text text;
};

struct task {
	struct task *next; /* in the list of those that came back */
	enum task_kind kind;
	struct generation *generation; /* held */
	const char *actor;
	int64_t began; /* boot clock */
	/* LOOK: the trail's end; LOAD, OPEN: what must be in the trail of a ledger
	 * of the same name, seq 0: anything may. */
	int64_t head_seq;
	char head[LEDGER_HASH_SIZE];
	union {
		struct task_run run;
		struct task_all all;   /* LOOK */
		struct task_open open; /* LOAD, OPEN */
		struct task_write write;
		char note[PLAN_NAME_SIZE]; /* NOTE: the role */
	} u;
	/* The answer; of a run it is in its result. */
	enum status status;
	struct reason why;
};

enum status task_new(enum task_kind kind, struct generation *generation,
		     struct task **ret);
void task_free(struct task *e);

/* Do it, whatever it is. */
void task_do(struct task *e);

#endif
