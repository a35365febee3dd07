/* SPDX-License-Identifier: PostgreSQL */
/*
 * The sheet that goes to a partner's administrator with a new credential: all
 * that they need but the password, which is not here.  Pure.
 */
#ifndef KEYTURN_HANDOFF_SHEET_H
#define KEYTURN_HANDOFF_SHEET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/text.h"
#include "handoff/handoff_partner.h"
#include "schedule/schedule.h"

enum handoff_sheet_form {
	HANDOFF_SHEET_TEXT,
	HANDOFF_SHEET_HTML,
	HANDOFF_SHEET_JSON
};

/* "text", "html", "json"; STATUS_USAGE lists what there is. */
enum status handoff_sheet_form(const char *word, enum handoff_sheet_form *ret,
			       struct reason *why);

/* Strings are "" when not known; times are the wall clock's, 0 for none. */
struct handoff_sheet {
	const char *role; /* the [role NAME] */
	const char *host, *port, *dbname, *schema, *sslmode;
	const char *root_file, *root_print; /* of the CA certificate that comes
					       with the sheet */
	bool pair;
	int64_t grace_us;     /* at a gateway: how long the old password is good
			     beside the new one; 0: it is not */
	const char *version;  /* current */
	const char *user_now; /* whose that is */
	const char *user_before; /* of a pair, while it may log in */
	const char *user_next;	 /* of a pair, after the next rotation */
	const char *query;	 /* to test with */
	const char *contact;
	enum handoff_partner partner;
	int64_t prepared_us; /* the current version is that since */
	int64_t deadline_us;
	bool retires; /* the old password ends then, whoever uses it */
	bool manual;  /* it does not end before the partner was seen */
	int64_t next_us;
	const struct schedule_zone *zone;
	const char *zone_name;
};

enum status handoff_sheet_write(const struct handoff_sheet *h,
				enum handoff_sheet_form form,
				enum handoff_language l, struct text *ret,
				struct reason *why);

#endif
