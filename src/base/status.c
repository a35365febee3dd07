/* SPDX-License-Identifier: PostgreSQL */
/* Looks up rows of status.def; must never invent an outcome of its own. */
#include "base/status.h"

struct row {
	const char *name;
	const char *sentence;
	int exit_code;
	bool retry;
};

#define RETRY_YES true
#define RETRY_NO  false

static const struct row rows[STATUS_COUNT] = {
#define STATUS(name, exit_code, pam, retry, sentence) \
	[STATUS_##name] = { #name, sentence, exit_code, RETRY_##retry },
#include "base/status.def"
#undef STATUS
};

/* A value outside the table is a bug; it reads as an internal error. */
static const struct row *find_status(enum status s)
{
	if ((unsigned)s >= STATUS_COUNT)
		return &rows[STATUS_ERROR];
	return &rows[s];
}

const char *status_name(enum status s)
{
	return find_status(s)->name;
}

const char *status_sentence(enum status s)
{
	return find_status(s)->sentence;
}

int status_exit(enum status s)
{
	return find_status(s)->exit_code;
}

bool status_retry(enum status s)
{
	return find_status(s)->retry;
}
