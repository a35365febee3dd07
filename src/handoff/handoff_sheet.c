/* SPDX-License-Identifier: PostgreSQL */
/* Writes the sheet; must never have anything to do with a password. */
#include "handoff/handoff_sheet.h"

#include <stdio.h>
#include <string.h>

#include "base/civil.h"
#include "base/now.h"
#include "handoff/handoff_page.h"
#include "schedule/schedule_zone.h"

#define TIME_SIZE      128
#define PARAMETER_SIZE 300

static const char *const forms[] = { "text", "html", "json" };

enum status handoff_sheet_form(const char *word, enum handoff_sheet_form *ret,
			       struct reason *why)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (strcmp(forms[i], word) == 0) {
			*ret = (enum handoff_sheet_form)i;
			return STATUS_OK;
		}
	return reason_set(why, STATUS_USAGE,
			  "there is no format %s for a sheet: text, html, "
			  "json",
			  word);
}

/* ---- values ------------------------------------------------------------------ */

/* As the partner's clocks show it, to the minute. */
static const char *local_time(const struct handoff_sheet *h, int64_t us,
			      char ret[TIME_SIZE])
{
	int64_t utc = civil_floor(us, NOW_SECOND);
	int64_t local = utc + schedule_zone_span(h->zone, utc).offset;
	struct civil day = civil_of(civil_floor(local, CIVIL_DAY));
	int64_t rest = civil_mod(local, CIVIL_DAY);

	snprintf(ret, TIME_SIZE, "%04d-%02u-%02u %02d:%02d (%.64s)",
		 (int)day.year, day.month, day.day, (int)(rest / CIVIL_HOUR),
		 (int)(rest % CIVIL_HOUR / CIVIL_MINUTE), h->zone_name);
	return ret;
}

/* What stands in a field; "" when it is not known. */
static const char *value_of(const struct handoff_sheet *h, enum handoff_value v,
			    enum handoff_language l, char buf[PARAMETER_SIZE])
{
	switch (v) {
	case HANDOFF_VALUE_HOST:
		return h->host;
	case HANDOFF_VALUE_PORT:
		return h->port;
	case HANDOFF_VALUE_DATABASE:
		return h->dbname;
	case HANDOFF_VALUE_SCHEMA:
		return h->schema;
	case HANDOFF_VALUE_SCHEMA_PARAMETER:
		snprintf(buf, PARAMETER_SIZE, "currentSchema=%s", h->schema);
		return *h->schema ? buf : "";
	case HANDOFF_VALUE_USER:
		return h->user_now;
	case HANDOFF_VALUE_PASSWORD:
		return handoff_words(l, HANDOFF_WORD_PASSWORD);
	case HANDOFF_VALUE_SSLMODE:
		return h->sslmode;
	}
	return "";
}

/* ---- for people --------------------------------------------------------------- */

struct writer {
	const struct handoff_sheet *h;
	struct handoff_page page;
	enum handoff_language l;
};

static const char *words(const struct writer *w, enum handoff_word word)
{
	return handoff_words(w->l, word);
}

static void add_row(struct writer *w, enum handoff_word label,
		    const char *value)
{
	if (*value)
		handoff_page_row(&w->page, words(w, label), value);
}

static void add_time(struct writer *w, enum handoff_word label, int64_t us)
{
	char when[TIME_SIZE];

	if (us > 0)
		handoff_page_row(&w->page, words(w, label),
				 local_time(w->h, us, when));
}

static void add_words(struct writer *w, enum handoff_word word)
{
	handoff_page_words(&w->page, words(w, word));
}

static void write_connection(struct writer *w)
{
	const struct handoff_sheet *h = w->h;

	handoff_page_head(&w->page, words(w, HANDOFF_WORD_CONNECTION));
	add_row(w, HANDOFF_WORD_ROLE, h->role);
	add_row(w, HANDOFF_WORD_HOST, h->host);
	add_row(w, HANDOFF_WORD_PORT, h->port);
	add_row(w, HANDOFF_WORD_DATABASE, h->dbname);
	add_row(w, HANDOFF_WORD_SCHEMA, h->schema);
	add_row(w, HANDOFF_WORD_USER_NOW, h->user_now);
	add_row(w, HANDOFF_WORD_USER_BEFORE, h->user_before);
	add_row(w, HANDOFF_WORD_USER_NEXT, h->user_next);
	add_row(w, HANDOFF_WORD_SSLMODE, h->sslmode);
	add_row(w, HANDOFF_WORD_ROOT_FILE, h->root_file);
	add_row(w, HANDOFF_WORD_ROOT_PRINT, h->root_print);
	add_words(w,
		  h->pair ? HANDOFF_WORD_USERS_TURN : HANDOFF_WORD_USER_KEPT);
}

static enum handoff_way way_of(const struct handoff_sheet *h)
{
	if (h->pair)
		return HANDOFF_WAY_PAIR;
	return h->grace_us > 0 ? HANDOFF_WAY_GATEWAY : HANDOFF_WAY_SINGLE;
}

static void write_form(struct writer *w)
{
	char buf[PARAMETER_SIZE];
	enum handoff_value v;
	const char *says;

	handoff_page_head(&w->page, words(w, HANDOFF_WORD_FORM));
	handoff_page_words(&w->page,
			   handoff_partner_title(w->h->partner, w->l));
	for (size_t i = 0;
	     (says = handoff_partner_field(w->h->partner, i, w->l, &v)); i++) {
		const char *value = value_of(w->h, v, w->l, buf);

		if (*value)
			handoff_page_row(&w->page, says, value);
	}
	handoff_page_head(&w->page, words(w, HANDOFF_WORD_STEPS));
	for (size_t i = 0; (says = handoff_partner_step(w->h->partner,
							way_of(w->h), i, w->l));
	     i++)
		handoff_page_step(&w->page, says);
}

static void write_times(struct writer *w)
{
	const struct handoff_sheet *h = w->h;

	handoff_page_head(&w->page, words(w, HANDOFF_WORD_WHEN));
	add_time(w, HANDOFF_WORD_PREPARED, h->prepared_us);
	if (h->grace_us > 0 && h->prepared_us > 0)
		add_time(w, HANDOFF_WORD_OLD_UNTIL,
			 h->prepared_us + h->grace_us);
	add_time(w, HANDOFF_WORD_DEADLINE, h->deadline_us);
	add_time(w, HANDOFF_WORD_NEXT, h->next_us);
	if (h->prepared_us == 0)
		add_words(w, HANDOFF_WORD_NOT_YET);
	if (h->next_us == 0)
		add_words(w, HANDOFF_WORD_BY_HAND);
	if (!h->pair && h->grace_us == 0)
		add_words(w, HANDOFF_WORD_OLD_ENDED);
	else if (h->pair)
		add_words(w, h->manual ? HANDOFF_WORD_OLD_KEPT :
					 HANDOFF_WORD_OLD_OVER);
	if (h->deadline_us > 0 && h->pair)
		add_words(w, h->retires ? HANDOFF_WORD_ACTION_RETIRE :
					  HANDOFF_WORD_ACTION_KEEP);
}

static void write_page(struct writer *w)
{
	const struct handoff_sheet *h = w->h;

	handoff_page_begin(&w->page, handoff_words_language(w->l),
			   words(w, HANDOFF_WORD_TITLE), h->role);
	if (!w->page.html)
		text_add_char(w->page.out, '\n');
	add_words(w, HANDOFF_WORD_INTRO);
	write_connection(w);
	write_form(w);
	handoff_page_head(&w->page, words(w, HANDOFF_WORD_QUERY));
	add_words(w, HANDOFF_WORD_QUERY_SAYS);
	handoff_page_code(&w->page, h->query);
	write_times(w);
	handoff_page_head(&w->page, words(w, HANDOFF_WORD_CONTACT));
	if (*h->contact)
		handoff_page_code(&w->page, h->contact);
	else
		add_words(w, HANDOFF_WORD_CONTACT_NONE);
	if (!w->page.html && *h->contact)
		text_add_char(w->page.out, '\n');
	add_words(w, HANDOFF_WORD_CONTACT_SAYS);
	handoff_page_end(&w->page);
}

/* ---- for machines --------------------------------------------------------------- */

static void add_member(struct text *t, const char *key, const char *value)
{
	text_add_member(t, key, *value ? value : NULL);
}

static void add_stamp(struct text *t, const char *key, int64_t us)
{
	char stamp[NOW_STAMP_SIZE];

	text_add_member(t, key, us > 0 ? now_stamp(us, stamp) : NULL);
}

static void add_form(const struct handoff_sheet *h, enum handoff_language l,
		     struct text *t)
{
	char buf[PARAMETER_SIZE];
	const char *says, *separator = "";
	enum handoff_value v;

	text_add(t, ",\"form\":{");
	text_add_member(t, "partner", handoff_partner_word(h->partner));
	text_add_member(t, "title", handoff_partner_title(h->partner, l));
	text_add(t, ",\"fields\":[");
	for (size_t i = 0; (says = handoff_partner_field(h->partner, i, l, &v));
	     i++) {
		const char *value = value_of(h, v, l, buf);

		if (!*value)
			continue;
		text_printf(t, "%s{", separator);
		text_add_member(t, "label", says);
		text_add_member(t, "value",
				v == HANDOFF_VALUE_PASSWORD ? NULL : value);
		text_add(t, "}");
		separator = ",";
	}
	text_add(t, "],\"steps\":[");
	for (size_t i = 0;
	     (says = handoff_partner_step(h->partner, way_of(h), i, l)); i++) {
		text_add(t, i > 0 ? "," : "");
		text_add_json(t, says);
	}
	text_add(t, "]}");
}

static void write_json(const struct handoff_sheet *h, enum handoff_language l,
		       struct text *t)
{
	text_add(t, "{");
	text_add_member(t, "role", h->role);
	text_add_member(t, "language", handoff_words_language(l));
	add_member(t, "version", h->version);
	add_member(t, "host", h->host);
	add_member(t, "port", h->port);
	add_member(t, "dbname", h->dbname);
	add_member(t, "schema", h->schema);
	add_member(t, "sslmode", h->sslmode);
	add_member(t, "root_file", h->root_file);
	add_member(t, "root_sha256", h->root_print);
	text_add_member(t, "strategy",
			h->pair		? "alternating" :
			h->grace_us > 0 ? "gateway" :
					  "single");
	add_member(t, "user_now", h->user_now);
	add_member(t, "user_before", h->user_before);
	add_member(t, "user_next", h->user_next);
	add_form(h, l, t);
	text_add_member(t, "test_query", h->query);
	add_stamp(t, "prepared_at", h->prepared_us);
	add_stamp(t, "old_until",
		  h->grace_us > 0 && h->prepared_us > 0 ?
			  h->prepared_us + h->grace_us :
			  0);
	add_stamp(t, "deadline", h->deadline_us);
	text_add_member(t, "deadline_action", h->retires ? "retire" : "alarm");
	add_stamp(t, "next_due", h->next_us);
	text_add_member(t, "timezone", h->zone_name);
	add_member(t, "contact", h->contact);
	text_add(t, "}\n");
}

enum status handoff_sheet_write(const struct handoff_sheet *h,
				enum handoff_sheet_form form,
				enum handoff_language l, struct text *ret,
				struct reason *why)
{
	struct writer w = { .h = h,
			    .page = { .out = ret,
				      .html = form == HANDOFF_SHEET_HTML },
			    .l = l };

	if (form == HANDOFF_SHEET_JSON)
		write_json(h, l, ret);
	else
		write_page(&w);
	if (text_status(ret) != STATUS_OK)
		return reason_set(why, text_status(ret),
				  "the sheet is too large");
	return STATUS_OK;
}
