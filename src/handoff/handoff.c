/* SPDX-License-Identifier: PostgreSQL */
/* What a hand-off has come to, and what that allows; must never take somebody
 * else's login for the partner's. */
#include "handoff/handoff.h"

#include <stdio.h>
#include <string.h>

#include "base/now.h"

static const char *const state_words[] = {
#define HANDOFF_STATE(name, word, meaning) word,
#include "handoff/handoff_states.def"
#undef HANDOFF_STATE
};

const char *handoff_state_word(enum handoff_state s)
{
	return state_words[s];
}

const char *handoff_fact(const struct handoff *h, enum handoff_state s,
			 char ret[HANDOFF_FACT_SIZE])
{
	snprintf(ret, HANDOFF_FACT_SIZE, "%s %s", h->role,
		 s < HANDOFF_STATES ? state_words[s] : "late");
	return ret;
}

bool handoff_is_over(const struct handoff *h)
{
	return (h->expected > 0 && h->adopted == h->expected) ||
	       h->marks[HANDOFF_STATE_CONFIRMED].at_us > 0 ||
	       (h->pair && h->marks[HANDOFF_STATE_RETIRED].at_us > 0);
}

const char *handoff_decided(const struct handoff *h)
{
	if (!h->manual)
		return NULL;
	if (h->marks[HANDOFF_STATE_CONFIRMED].at_us > 0)
		return "the hand-off was confirmed by a person";
	if (h->late && h->retires)
		return "handoff_deadline is over, and deadline_action = retire";
	return NULL;
}

enum handoff_state handoff_reached(const struct handoff *h)
{
	int s = HANDOFF_STATES - 1;

	/* Of one login role the old password ends as the new one begins. */
	if (!h->pair)
		s = HANDOFF_STATE_CONFIRMED;
	while (s >= 0 && h->marks[s].at_us == 0)
		s--;
	return s >= 0 ? (enum handoff_state)s : HANDOFF_STATES;
}

static void say_who_is_waited_for(const struct handoff *h, struct text *t)
{
	if (h->expected > 0)
		text_printf(t,
			    "%zu of %zu consumers were seen with the new "
			    "password",
			    h->adopted, h->expected);
	else
		text_add(t, "who the partner's consumers are is not set");
}

void handoff_sentence(const struct handoff *h, struct text *t)
{
	enum handoff_state s = handoff_reached(h);
	char stamp[NOW_STAMP_SIZE];

	if (!h->manual || !h->version[0] || handoff_is_over(h))
		return;
	text_printf(t, "hand-off %s",
		    s < HANDOFF_STATES ? state_words[s] : "not begun");
	if (h->late)
		text_printf(t, ", late since %s",
			    now_stamp(h->deadline_us, stamp));
	text_add(t, "; ");
	say_who_is_waited_for(h, t);
}

enum status handoff_held(const struct handoff *h, struct reason *why)
{
	struct text t = text_make(512);

	if (!h->manual || !h->version[0] || handoff_is_over(h) ||
	    handoff_decided(h))
		return STATUS_OK;
	say_who_is_waited_for(h, &t);
	reason_set(why, STATUS_DEFERRED,
		   "role %s is handed off by a person, and that is not over: "
		   "%s; keyturn handoff confirm %s says that the partner has "
		   "it%s",
		   h->role, text_str(&t), h->role,
		   h->pair ? ", and keyturn retire --reason TEXT ends the old "
			     "one all the same" :
			     "");
	text_free(&t);
	return STATUS_DEFERRED;
}

enum status handoff_under_way(const struct handoff *h, struct reason *why)
{
	if (!h->manual)
		return reason_set(why, STATUS_REFUSED,
				  "role %s is not handed off by a person; "
				  "that takes handoff = manual",
				  h->role);
	if (!h->version[0])
		return reason_set(why, STATUS_REFUSED,
				  "role %s has no password yet that could be "
				  "handed off; keyturn rotate %s makes one",
				  h->role, h->role);
	return STATUS_OK;
}

enum status handoff_confirmable(const struct handoff *h, const char *version,
				struct reason *why)
{
	const struct handoff_mark *m = &h->marks[HANDOFF_STATE_CONFIRMED];
	char stamp[NOW_STAMP_SIZE];
	enum status s = handoff_under_way(h, why);

	if (s != STATUS_OK)
		return s;
	if (*version && strcmp(version, h->version) != 0)
		return reason_set(
			why, STATUS_REFUSED,
			"role %s: version %.64s is not the current one, which "
			"is %s; nothing was confirmed",
			h->role, version, h->version);
	if (m->at_us > 0)
		return reason_set(why, STATUS_REFUSED,
				  "role %s: version %s was confirmed already, "
				  "at %s by %s",
				  h->role, h->version,
				  now_stamp(m->at_us, stamp), m->actor);
	return STATUS_OK;
}
