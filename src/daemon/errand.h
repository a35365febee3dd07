/* SPDX-License-Identifier: PostgreSQL */
/*
 * What may take time, and is therefore done outside the scheduler's own thread:
 * it fills in an errand, gives it to a thread, and reads the answer when it
 * comes back.  Nothing is shared meanwhile but the shop, which all may use.
 */
#ifndef KEYTURN_ERRAND_H
#define KEYTURN_ERRAND_H

#include "base/text.h"
#include "daemon/agenda.h"
#include "daemon/shop.h"

#define ERRAND_REQUESTED "asked for by the role's owner"

enum errand_kind {
	ERRAND_RUN,   /* see to one role */
	ERRAND_LOOK,  /* at all roles, and sign a checkpoint */
	ERRAND_OPEN,  /* a shop of the same configuration, with its ledger */
	ERRAND_LOAD,  /* the configuration anew, and open it */
	ERRAND_NOTE,  /* record what the owner of a role asked for */
	ERRAND_WRITE, /* the metrics */
};

/* What is to be known of a role besides the agenda's part. */
struct errand_look {
	struct agenda_finding finding;
	int64_t rotated_us;  /* wall clock, 0: never */
	int64_t next_due_us; /* wall clock, 0: none */
	unsigned failures;
	bool open, behind;  /* begun and not closed; a sink is not in step */
	bool unseen, ahead; /* see struct due */
	bool ends_early;    /* VALID UNTIL comes before the next rotation */
	bool late;	    /* it is due, and its window is closed */
	bool store_away,
		store_there; /* LOOK: the store did not answer, or did */
	bool asked;	     /* LOOK: for a rotation, before keyturnd's start */
};

struct errand_hook {
	char name[CONFIG_NAME_MAX + 1];
	unsigned attempts, lost;
};

struct errand {
	struct errand *next; /* in the list of those that came back */
	enum errand_kind kind;
	struct shop *shop; /* held */
	/* RUN and NOTE */
	char role[AGENDA_NAME_SIZE];
	bool requested;
	int64_t began; /* boot clock */
	/* LOAD, OPEN */
	const char *path, *actor;
	courier_tell_fn *tell;
	bool make; /* a missing ledger is made; LOAD: also one of another name */
	bool lost;    /* ... and was */
	bool patient; /* LOAD: take it even when its ledger is away, too */
	struct shop *made;
	/* LOOK: the trail's end; LOAD, OPEN: what must be in the trail of a ledger
	 * of the same name, seq 0: anything may. */
	int64_t head_seq;
	char head[LEDGER_HASH_SIZE];
	/* LOOK: one a role; RUN: one */
	struct errand_look *looks;
	struct errand_hook *hooks;
	size_t n_hooks;
	bool checkpoint; /* sign one */
	bool recall;	 /* what owners asked for before the start */
	/* RUN */
	struct runner_result result;
	bool moved;	      /* another version is current now */
	struct reason ending; /* that the password ends early, or "" */
	/* WRITE */
	struct text text;
	/* The answer */
	enum status status;
	struct reason why;
};

enum status errand_new(enum errand_kind kind, struct shop *shop,
		       struct errand **ret);
void errand_free(struct errand *e);

/* Do it, whatever it is. */
void errand_do(struct errand *e);

#endif
