/* SPDX-License-Identifier: PostgreSQL */
/* Chooses notices; must never choose one that was given. */
#include "schedule/schedule_notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/words.h"
#include "schedule/schedule.h"

/* Where it belongs, the longest first; false: it is there. */
static bool insert(struct schedule_notice *n, int64_t us)
{
	size_t at = 0;

	while (at < n->n && n->steps_us[at] > us)
		at++;
	if (at < n->n && n->steps_us[at] == us)
		return false;
	memmove(&n->steps_us[at + 1], &n->steps_us[at],
		(n->n - at) * sizeof(us));
	n->steps_us[at] = us;
	n->n++;
	return true;
}

enum status schedule_notice_parse(const char *words,
				  struct schedule_notice *ret,
				  struct reason *why)
{
	struct schedule_notice n = { .n = 0 };
	const char *at = words, *w;
	char word[24];
	int64_t us = 0;
	size_t length;
	enum status s;

	if (strcmp(words, "none") == 0)
		words = at = "";
	while ((w = words_next_item(&at, &length)) != NULL) {
		if (n.n == SCHEDULE_NOTICE_STEPS)
			return reason_set(why, STATUS_CONFIG,
					  "has more than %d steps",
					  SCHEDULE_NOTICE_STEPS);
		if (length >= sizeof(word))
			return reason_set(why, STATUS_CONFIG,
					  "\"%.40s\" is not a duration", w);
		snprintf(word, sizeof(word), "%.*s", (int)length, w);
		s = schedule_duration(word, &us, why);
		if (s != STATUS_OK)
			return s;
		if (!insert(&n, us))
			return reason_set(why, STATUS_CONFIG, "has %s twice",
					  word);
	}
	*ret = n;
	return STATUS_OK;
}

void schedule_notice_write(const struct schedule_notice_told *t,
			   char ret_line[SCHEDULE_NOTICE_SIZE])
{
	snprintf(ret_line, SCHEDULE_NOTICE_SIZE,
		 "%" PRId64 " %" PRId64 " %" PRId64, t->due_us, t->at_us,
		 t->step_us);
}

bool schedule_notice_read(const char *line, struct schedule_notice_told *ret)
{
	struct schedule_notice_told t;

	*ret = (struct schedule_notice_told){ .step_us = 0 };
	if (sscanf(line, "%" SCNd64 " %" SCNd64 " %" SCNd64, &t.due_us,
		   &t.at_us, &t.step_us) != 3)
		return false;
	*ret = t;
	return true;
}

int64_t schedule_notice_step(const struct schedule_notice *n,
			     const struct schedule_notice_told *told,
			     int64_t due_us, int64_t at_us, int64_t now_us)
{
	bool same = told->step_us > 0 && told->due_us == due_us &&
		    told->at_us == at_us;
	int64_t step = 0;

	if (at_us <= now_us || at_us == INT64_MAX)
		return 0;
	for (size_t i = 0; i < n->n; i++)
		if (at_us - n->steps_us[i] <= now_us)
			step = n->steps_us[i];
	return same && step >= told->step_us ? 0 : step;
}

int64_t schedule_notice_next(const struct schedule_notice *n, int64_t at_us,
			     int64_t now_us)
{
	for (size_t i = 0; i < n->n && at_us != INT64_MAX; i++)
		if (at_us - n->steps_us[i] > now_us)
			return at_us - n->steps_us[i];
	return INT64_MAX;
}
