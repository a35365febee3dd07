/* SPDX-License-Identifier: PostgreSQL */
/* Facts by name; must never build a key other than that of the ledgers that there
 * are. */
#include <stdio.h>

#include "ledger/ledger.h"

static const struct {
	const char *prefix;
	int64_t life_us;
} facts[] = {
#define FACT(name, prefix, life, meaning) { prefix, life },
#include "ledger/facts.def"
#undef FACT
};

const char *ledger_fact_prefix(enum ledger_fact f)
{
	return facts[f].prefix;
}

void ledger_fact(enum ledger_fact f, const char *name,
		 char ret_key[LEDGER_FACT_SIZE])
{
	snprintf(ret_key, LEDGER_FACT_SIZE, "%s%s", facts[f].prefix, name);
}

enum status ledger_fact_remember(struct ledger *l, enum ledger_fact f,
				 const char *name, const char *value,
				 int64_t now_us, struct reason *why)
{
	char key[LEDGER_FACT_SIZE];
	int64_t life = facts[f].life_us;

	ledger_fact(f, name, key);
	return l->ops->facts->remember(
		l, key, value, life == LEDGER_FOREVER ? life : now_us + life,
		why);
}

enum status ledger_fact_change(struct ledger *l, enum ledger_fact f,
			       const char *name, const char *was,
			       const char *value,
			       const struct audit_event *event,
			       struct reason *why)
{
	char key[LEDGER_FACT_SIZE];

	ledger_fact(f, name, key);
	return l->ops->facts->change(l, key, was, value, event, why);
}

enum status ledger_fact_drop(struct ledger *l, enum ledger_fact f,
			     const char *name, struct reason *why)
{
	char key[LEDGER_FACT_SIZE];

	ledger_fact(f, name, key);
	return l->ops->facts->remember(l, key, "", 0, why);
}

enum status ledger_fact_recall(struct ledger *l, enum ledger_fact f,
			       const char *name, int64_t now_us,
			       char ret_value[LEDGER_TEXT_SIZE],
			       struct reason *why)
{
	char key[LEDGER_FACT_SIZE];

	ledger_fact(f, name, key);
	return l->ops->facts->recall(l, key, now_us, ret_value, why);
}
