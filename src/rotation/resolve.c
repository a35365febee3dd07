/* SPDX-License-Identifier: PostgreSQL */
/* Walks the rows of resolve.def; must never read anything but the facts. */
#include "rotation/resolve.h"

#include <string.h>

static const struct resolve_row rows[] = {
#define VERDICT(event, condition, sentence) { ENGINE_ON_##event, sentence },
#include "rotation/resolve.def"
};

static bool is_same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool is_live(const struct resolve_facts *f, const char *version)
{
	return *f->live && is_same(f->live, version);
}

static bool is_older(const struct resolve_facts *f)
{
	return f->label != STORE_LABEL_PENDING &&
	       f->label != STORE_LABEL_CURRENT;
}

/* Asked where PENDING is not live by the marker. */
static bool is_doubted(const struct resolve_facts *f)
{
	return f->doubts && *f->pending;
}

const struct resolve_row *resolve(const struct resolve_facts *f)
{
	const struct resolve_row *row = rows;

#define VERDICT(event, condition, sentence) \
	if (condition)                      \
		return row;                 \
	row++;
#include "rotation/resolve.def"
	return rows; /* not reached: the last condition always holds */
}

const struct resolve_row *resolve_rows(size_t *ret_n)
{
	*ret_n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}
