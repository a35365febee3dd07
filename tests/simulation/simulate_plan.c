/* SPDX-License-Identifier: PostgreSQL */
/* Plans: which act of a run meets which fate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "simulate.h"

const char *const act_names[ACTS] = {
	"role",	    "intent",	"canary",  "open",     "preflight", "claim",
	"look",	    "describe", "fetch",   "stage",    "apply",	    "adopt",
	"prove",    "control",	"inspect", "evidence", "promote",   "retire",
	"try",	    "sink",	"freeze",  "close",    "login",	    "peek",
	"withdraw", "nologin",	"evict",   "clear",    "revert",    "renew",
	"seal",	    "settle",	"recall",
};

static void record_act(struct plan *p, const char *act)
{
	for (size_t i = 0; i < ACTS; i++)
		if (strcmp(act_names[i], act) == 0)
			p->occurred[i] = true;
}

static enum fate planned_fate(struct world *w, const char *act, void *arg)
{
	struct plan *p = arg;
	enum fate fate = FATE_GOOD;
	bool begun = p->begun;

	(void)w;
	p->acts++;
	if (p->record && (begun || p->n == 0))
		record_act(p, act);
	for (unsigned i = 0; i < p->n; i++) {
		const struct fault *f = &p->fault[i];
		unsigned now;

		if ((f->act && strcmp(f->act, act) != 0) || (f->then && !begun))
			continue;
		now = p->seen[i]++;
		if (now < f->from || now - f->from >= f->times ||
		    fate != FATE_GOOD)
			continue;
		fate = f->fate;
		p->begun = true;
		simulated.faults++;
	}
	return fate;
}

void put_under(struct world *w, struct plan *p)
{
	w->fate = planned_fate;
	w->fate_arg = p;
}

struct plan one_fault(const char *act, enum fate fate, unsigned times)
{
	return (struct plan){ .fault = { { act, fate, 0, times, false } },
			      .n = 1 };
}

static unsigned share(unsigned parts)
{
	static unsigned every;

	if (every == 0) {
		const char *set = getenv("KEYTURN_SIMULATE_EVERY");

		every = set ? (unsigned)strtoul(set, NULL, 10) : 1;
		every = every == 0 ? 1 : every;
	}
	return every < parts ? 1 : every / parts;
}

bool is_left_out(void)
{
	static unsigned n;

	return n++ % share(1) != 0;
}

bool is_one_left_out(void)
{
	static unsigned n;

	return n++ % share(4) != 0;
}
