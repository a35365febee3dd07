/* SPDX-License-Identifier: PostgreSQL */
/* A hand-off as the ledger has it, with what follows from what else the ledger
 * knows.  Must never take what is known of another version for this one's. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/now.h"
#include "base/words.h"
#include "handoff/handoff.h"
#include "handoff/handoff_refusal.h"
#include "handoff/handoff_token.h"
#include "report/report_adoption.h"

#define DAY (INT64_C(86400) * NOW_SECOND)

/* ---- facts --------------------------------------------------------------------- */

/* "VERSION TIME SOURCE ACTOR"; of another version, or of before this one became
 * current (again), it is nothing.  renewed: the password may have had another
 * version since then. */
static bool read_fact(const char *line, const struct handoff *h,
		      int64_t since_us, bool renewed, struct handoff_mark *ret)
{
	struct handoff_mark m = { .recorded = true };
	char version[RANDOM_UUID_SIZE] = "";
	int end = -1;

	if (sscanf(line, "%36s %" SCNd64 " %23s %n", version, &m.at_us,
		   m.source, &end) < 3 ||
	    end < 0 || m.at_us < since_us ||
	    (!renewed && strcmp(version, h->version) != 0))
		return false;
	text_cut(m.actor, sizeof(m.actor), line + end);
	*ret = m;
	return true;
}

static enum status recall(struct ledger *l, struct handoff *h, int64_t since_us,
			  bool renewed, int64_t now_us, struct reason *why)
{
	char line[LEDGER_TEXT_SIZE], name[HANDOFF_FACT_SIZE];
	struct handoff_mark alarm;
	enum status s = STATUS_OK;

	for (int i = 0; i <= HANDOFF_STATES && s == STATUS_OK; i++) {
		s = ledger_fact_recall(l, LEDGER_FACT_HANDOFF,
				       handoff_fact(h, (enum handoff_state)i,
						    name),
				       now_us, line, why);
		if (s == STATUS_OK && i < HANDOFF_STATES)
			read_fact(line, h, since_us, renewed, &h->marks[i]);
		else if (s == STATUS_OK)
			h->alarmed =
				read_fact(line, h, since_us, renewed, &alarm);
		else if (s == STATUS_NOT_FOUND)
			s = STATUS_OK;
	}
	return s;
}

/* ---- what follows from sightings and runs ------------------------------------ */

static void set_mark(struct handoff *h, enum handoff_state s, int64_t at_us,
		     const char *source, const char *actor)
{
	struct handoff_mark *m = &h->marks[s];

	if (m->recorded || (m->at_us > 0 && m->at_us <= at_us))
		return;
	m->at_us = at_us;
	text_cut(m->source, sizeof(m->source), source);
	text_cut(m->actor, sizeof(m->actor), actor);
}

struct looking {
	struct handoff *h;
	const char *expected; /* consumers */
	int64_t since_us;     /* the version is current */
	int64_t made_us;      /* when the run that made it so began; 0: none */
	struct report_adoption *adoption;
};

static bool is_expected(const struct looking *k, const char *consumer)
{
	const char *at = k->expected, *w;
	size_t n;

	while ((w = words_next(&at, &n)) != NULL)
		if (consumer_matches(w, n, consumer))
			return true;
	return false;
}

static enum status take_sighting(void *arg, const struct ledger_sighting *s)
{
	struct looking *k = arg;
	int64_t at = s->first_us > k->since_us ? s->first_us : k->since_us;

	if (strcmp(s->version, k->h->version) == 0 &&
	    s->last_us >= k->since_us) {
		if (!ledger_source_uses(s->source))
			set_mark(k->h, HANDOFF_STATE_FETCHED, at,
				 ledger_source_word(s->source), s->consumer);
		else if (is_expected(k, s->consumer))
			set_mark(k->h, HANDOFF_STATE_SEEN, at,
				 ledger_source_word(s->source), s->consumer);
	}
	return report_adoption_add(k->adoption, s);
}

static enum status look_at_sightings(struct ledger *l, struct looking *k,
				     struct reason *why)
{
	struct handoff *h = k->h;
	enum status s;

	if (report_adoption_new(h->role, h->version, k->expected,
				&k->adoption) != STATUS_OK)
		return reason_no_memory(why);
	report_adoption_since(k->adoption, k->since_us);
	s = l->ops->adoption->each(l, h->role, take_sighting, k, why);
	if (*k->expected) {
		h->expected = report_adoption_expected(k->adoption);
		h->adopted = report_adoption_adopted(k->adoption);
	}
	report_adoption_free(k->adoption);
	return s;
}

static bool is_mode(const struct ledger_run *run, const char *mode)
{
	return strcmp(run->mode, mode) == 0;
}

/* The newest run that began before the version became current made it so; the
 * first good retirement since then ended the one before. */
static enum status take_run(void *arg, const struct ledger_run *run)
{
	struct looking *k = arg;
	struct handoff *h = k->h;
	struct handoff_mark *made = &h->marks[HANDOFF_STATE_PREPARED];

	if (strcmp(run->version, h->version) != 0)
		return STATUS_OK;
	/* By its end: it may have made the version that it ends with. */
	if (h->overlaps && is_mode(run, "retire") &&
	    run->ended_us >= k->since_us &&
	    strcmp(run->status, status_name(STATUS_OK)) == 0)
		set_mark(h, HANDOFF_STATE_RETIRED, run->ended_us, "retire",
			 run->actor);
	if (is_mode(run, "retire") || run->begun_us > k->since_us ||
	    run->begun_us <= k->made_us || made->recorded)
		return STATUS_OK;
	k->made_us = run->begun_us;
	text_cut(made->source, sizeof(made->source), run->mode);
	text_cut(made->actor, sizeof(made->actor), run->actor);
	return STATUS_OK;
}

static enum status look_at_runs(struct ledger *l, struct looking *k,
				struct reason *why)
{
	struct handoff *h = k->h;
	const struct handoff_mark *made = &h->marks[HANDOFF_STATE_PREPARED];
	enum status s;

	set_mark(h, HANDOFF_STATE_PREPARED, k->since_us, "rotate", "?");
	/* A run that was interrupted may have begun long before. */
	s = l->ops->runs->history(l, h->role,
				  k->since_us - (made->recorded ? 0 : 30 * DAY),
				  take_run, k, why);
	/* An imported one is what the partner has. */
	if (strcmp(made->source, "import") == 0)
		set_mark(h, HANDOFF_STATE_CONFIRMED, made->at_us, "import",
			 made->actor);
	else if (!h->overlaps)
		set_mark(h, HANDOFF_STATE_RETIRED, made->at_us, made->source,
			 made->actor);
	return s == STATUS_NOT_FOUND ? STATUS_OK : s;
}

enum status handoff_load(struct ledger *l, const struct config_group *role,
			 int64_t now_us, struct handoff *ret,
			 struct reason *why)
{
	int64_t deadline =
		config_duration_us(role, CONFIG_role_handoff_deadline);
	struct handoff h = {
		.role = config_name(role),
		.manual = strcmp(config_string(role, CONFIG_role_handoff),
				 "manual") == 0,
		.pair = config_is_pair(role),
		.overlaps = config_is_pair(role) || config_is_at_gateway(role),
		.consumers = config_string(role, CONFIG_role_consumers),
		.retires =
			strcmp(config_string(role, CONFIG_role_deadline_action),
			       "retire") == 0,
	};
	struct looking k = { .h = &h, .expected = h.consumers };
	struct ledger_role known;
	enum status s = l->ops->roles->get(l, h.role, &known, why);

	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		return s;
	text_copy(h.version, sizeof(h.version), known.version);
	k.since_us = known.rotated_us;
	*ret = h;
	if (!h.manual || !h.version[0] || known.rotated_us == 0)
		return STATUS_OK;
	s = recall(l, &h, k.since_us, false, now_us, why);
	if (s == STATUS_OK)
		s = handoff_token_load(l, &h, k.since_us, now_us, why);
	if (s == STATUS_OK)
		s = look_at_sightings(l, &k, why);
	if (s == STATUS_OK)
		s = look_at_runs(l, &k, why);
	/* With AWS a retirement gives the same password another version. */
	if (s == STATUS_OK && h.pair &&
	    h.marks[HANDOFF_STATE_RETIRED].at_us > 0)
		s = recall(l, &h, k.since_us, true, now_us, why);
	if (s == STATUS_OK)
		s = handoff_refusal_load(l, &h, now_us, why);
	if (deadline > 0)
		h.deadline_us = known.rotated_us + deadline;
	h.late = deadline > 0 && now_us >= h.deadline_us &&
		 !handoff_is_over(&h);
	if (s == STATUS_OK)
		*ret = h;
	return s;
}
