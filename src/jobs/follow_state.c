/* SPDX-License-Identifier: PostgreSQL */
/* Writes and reads the one text that is remembered of a step; what is not
 * understood of it must lead to one attempt too many, never to none. */
#include "jobs/follow_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/now.h"
#include "base/text.h"

#define NONE "-" /* no version */

static void name_fact(const char *role, const char *step,
		      char ret[LEDGER_FACT_SIZE / 2])
{
	snprintf(ret, LEDGER_FACT_SIZE / 2, "%s %s", role, step);
}

static void take_version(char ret[RANDOM_UUID_SIZE], const char *word)
{
	if (strcmp(word, NONE) != 0)
		text_copy(ret, RANDOM_UUID_SIZE, word);
}

enum status follow_state_load(struct ledger *l, const char *role,
			      const char *step, struct follow_state *ret,
			      struct reason *why)
{
	char name[LEDGER_FACT_SIZE / 2], accepted[64], tried[64];
	struct follow_state s = { .attempts = 0 };
	int at = 0;
	enum status st;

	name_fact(role, step, name);
	st = ledger_fact_recall(l, LEDGER_FACT_FOLLOW, name,
				now_wall(now_system()), s.was, why);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	if (st == STATUS_OK &&
	    sscanf(s.was,
		   "%63s %" SCNx32 " %u %63s %" SCNd64 " %" SCNd64 " %" SCNd64
		   " %n",
		   accepted, &s.settings, &s.attempts, tried, &s.since_us,
		   &s.last_us, &s.next_us, &at) == 7 &&
	    at > 0) {
		take_version(s.accepted, accepted);
		take_version(s.tried, tried);
		text_copy(s.sentence, sizeof(s.sentence), s.was + at);
	}
	*ret = s;
	return STATUS_OK;
}

static const char *word_of(const char *version)
{
	return *version ? version : NONE;
}

static enum status change_state(struct ledger *l, const char *role,
				const char *step, const struct follow_state *s,
				const struct audit_event *event,
				struct reason *why)
{
	char name[LEDGER_FACT_SIZE / 2], value[LEDGER_TEXT_SIZE];
	char sentence[FOLLOW_SENTENCE_SIZE]; /* not cut within a character */

	name_fact(role, step, name);
	text_cut(sentence, sizeof(sentence), s->sentence);
	snprintf(value, sizeof(value),
		 "%s %" PRIx32 " %u %s %" PRId64 " %" PRId64 " %" PRId64 " %s",
		 word_of(s->accepted), s->settings, s->attempts,
		 word_of(s->tried), s->since_us, s->last_us, s->next_us,
		 sentence);
	return ledger_fact_change(l, LEDGER_FACT_FOLLOW, name, s->was, value,
				  event, why);
}

bool follow_state_has_taken(const struct follow_state *s, uint32_t settings,
			    const char *version)
{
	return strcmp(s->accepted, version) == 0 && s->settings == settings;
}

bool follow_state_must_wait(const struct follow_state *s, const char *version)
{
	int64_t now = now_wall(now_system());

	return s->attempts > 0 && strcmp(s->tried, version) == 0 &&
	       now < s->next_us && now >= s->last_us;
}

int64_t follow_state_pause(struct opened *b, unsigned attempts)
{
	const struct config_group *g =
		config_find(open_config(b), CONFIG_SECTION_keyturn, "");

	return backoff_us(open_random(),
			  config_duration_us(g, CONFIG_keyturn_backoff),
			  config_duration_us(g, CONFIG_keyturn_backoff_max),
			  attempts);
}

enum status follow_state_remember(struct opened *b, struct ledger *l,
				  const struct follow_attempt *a,
				  struct follow_state *s, struct reason *why)
{
	int64_t now = now_wall(now_system());
	struct audit_event ev = audit_event_make(
		a->how == STATUS_OK ? AUDIT_DELIVERED : AUDIT_UNDELIVERED,
		a->role, a->actor, status_name(a->how), a->detail);

	ev.recipient = a->step;
	ev.version = a->version;
	if (a->how == STATUS_OK) {
		text_copy(s->accepted, sizeof(s->accepted), a->version);
		s->settings = a->settings;
		s->attempts = 0;
		s->tried[0] = s->sentence[0] = '\0';
		s->since_us = s->last_us = s->next_us = 0;
	} else {
		if (s->attempts == 0)
			s->since_us = now;
		if (s->attempts < UINT32_MAX)
			s->attempts++;
		text_copy(s->tried, sizeof(s->tried), a->version);
		s->last_us = now;
		s->next_us = now + follow_state_pause(b, s->attempts);
		text_cut(s->sentence, sizeof(s->sentence), a->detail);
	}
	return change_state(l, a->role, a->step, s, &ev, why);
}
