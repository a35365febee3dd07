/* SPDX-License-Identifier: PostgreSQL */
/* Remembers until when the agents of gateways were heard; must never close a gap that
 * there was. */
#include "jobs/heard.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void name_fact(const char *cluster, size_t i, char ret[LEDGER_FACT_SIZE])
{
	snprintf(ret, LEDGER_FACT_SIZE, "%s:%zu", cluster, i);
}

/* "FROM LAST GATEWAY". */
static bool read_heard(const char *line, struct heard *ret)
{
	int at = 0;

	*ret = (struct heard){ .from_us = 0 };
	return sscanf(line, "%" SCNd64 " %" SCNd64 " %n", &ret->from_us,
		      &ret->last_us, &at) == 2 &&
	       at > 0 &&
	       text_copy(ret->gateway, sizeof(ret->gateway), line + at) ==
		       STATUS_OK;
}

enum status heard_recall(struct ledger *l, const char *cluster, size_t i,
			 int64_t now_us, struct heard *ret, struct reason *why)
{
	char name[LEDGER_FACT_SIZE], line[LEDGER_TEXT_SIZE];
	enum status s;

	name_fact(cluster, i, name);
	s = ledger_fact_recall(l, LEDGER_FACT_HEARD, name, now_us, line, why);
	if (s == STATUS_OK && !read_heard(line, ret))
		return STATUS_NOT_FOUND;
	return s;
}

enum status heard_note(struct ledger *l, const char *cluster, size_t i,
		       const struct cluster_heard *h, int64_t now_us,
		       struct reason *why)
{
	char name[LEDGER_FACT_SIZE], line[LEDGER_TEXT_SIZE];
	struct heard known, now = { .from_us = 0 };
	int64_t since = now_us - h->since_ago_us;
	enum status s = heard_recall(l, cluster, i, now_us, &known, why);

	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		return s;
	text_cut(now.gateway, sizeof(now.gateway), h->gateway);
	if (s == STATUS_OK && strcmp(known.gateway, now.gateway) == 0) {
		if (!h->answered)
			return STATUS_OK;
		now = known;
	}
	if (h->answered) {
		/* A gap: it was restarted behind our last look, or one of our
		 * clocks was set. */
		if (since > now.last_us || now.last_us > now_us ||
		    since < now.from_us)
			now.from_us = since;
		now.last_us = now_us;
	}
	snprintf(line, sizeof(line), "%" PRId64 " %" PRId64 " %s", now.from_us,
		 now.last_us, now.gateway);
	name_fact(cluster, i, name);
	return ledger_fact_remember(l, LEDGER_FACT_HEARD, name, line, now_us,
				    why);
}

/* What cannot be forgotten now is at the next look. */
void heard_end(struct ledger *l, const char *cluster, size_t n, int64_t now_us)
{
	char name[LEDGER_FACT_SIZE];
	struct heard gone;

	for (size_t i = n;
	     heard_recall(l, cluster, i, now_us, &gone, NULL) == STATUS_OK;
	     i++) {
		name_fact(cluster, i, name);
		if (ledger_fact_drop(l, LEDGER_FACT_HEARD, name, NULL) !=
		    STATUS_OK)
			return;
	}
}

bool heard_all(const struct heard *h, int64_t since_us, int64_t now_us,
	       int64_t gap_us)
{
	return h->last_us > 0 && h->from_us <= since_us &&
	       h->last_us >= now_us - gap_us;
}
