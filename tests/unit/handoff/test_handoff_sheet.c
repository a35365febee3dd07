/* SPDX-License-Identifier: PostgreSQL */
/* What a sheet says, and that no value of it is obeyed by who shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/now.h"
#include "base/words.h"
#include "config/config_model.h"
#include "handoff/handoff_sheet.h"

/* Escape, C1's CSI, a right-to-left override, a zero width space, a tag and an
 * attribute's end. */
#define HOSTILE             \
	"a\x1b[31m\xc2\x9b" \
	"1m\xe2\x80\xae\xe2\x80\x8b<script>\"'&\n"

static struct schedule_zone *zone;

static int open_zone(void **state)
{
	(void)state;
	return schedule_zone_open("UTC", &zone, NULL) == STATUS_OK ? 0 : -1;
}

static int close_zone(void **state)
{
	(void)state;
	schedule_zone_free(zone);
	return 0;
}

static struct handoff_sheet pair(void)
{
	return (struct handoff_sheet){
		.role = "sap",
		.host = "db.example.com",
		.port = "5432",
		.dbname = "shop",
		.schema = "sales",
		.sslmode = "verify-full",
		.root_file = "",
		.root_print = "",
		.pair = true,
		.version = "11111111-2222-4333-8444-555555555555",
		.user_now = "sap_b",
		.user_before = "sap_a",
		.user_next = "sap_a",
		.query = "SELECT 1",
		.contact = "+49 30 1234",
		.partner = HANDOFF_PARTNER_SAP_ENGAGEMENT_CLOUD,
		.prepared_us = INT64_C(1800000000) * NOW_SECOND,
		.deadline_us = INT64_C(1800600000) * NOW_SECOND,
		.manual = true,
		.zone = zone,
		.zone_name = "UTC",
	};
}

static struct handoff_sheet hostile(void)
{
	struct handoff_sheet h = pair();

	h.role = h.host = h.port = h.dbname = h.schema = h.sslmode = HOSTILE;
	h.root_file = h.root_print = h.version = h.user_now = HOSTILE;
	h.user_before = h.user_next = h.query = h.contact = HOSTILE;
	h.zone_name = HOSTILE;
	return h;
}

static struct text written(const struct handoff_sheet *h,
			   enum handoff_sheet_form form,
			   enum handoff_language l)
{
	struct text t = text_make(1 << 20);

	assert_int_equal(handoff_sheet_write(h, form, l, &t, NULL), STATUS_OK);
	return t;
}

static void says(const struct text *t, const char *words)
{
	if (!strstr(text_str(t), words))
		fail_msg("not there: %s\n%s", words, text_str(t));
}

static void says_not(const struct text *t, const char *words)
{
	if (strstr(text_str(t), words))
		fail_msg("it is there: %s\n%s", words, text_str(t));
}

static void a_pair_s_sheet_names_both_users_and_what_to_do(void **state)
{
	struct handoff_sheet h = pair();
	struct text t = written(&h, HANDOFF_SHEET_TEXT, HANDOFF_EN);

	(void)state;
	says(&t, "Hand-off sheet: sap\n");
	says(&t, "User name now                       sap_b\n");
	says(&t, "User name before, still valid       sap_a\n");
	says(&t, "Connection parameter                currentSchema=sales\n");
	says(&t, "second connection");
	says(&t, "2027-01-15 08:00 (UTC)");
	says(&t,
	     "  Please have it entered by           2027-01-22 06:40 (UTC)");
	says(&t, "nothing is switched off");
	says(&t, "+49 30 1234");
	text_free(&t);
	h.retires = true;
	t = written(&h, HANDOFF_SHEET_TEXT, HANDOFF_EN);
	says_not(&t, "nothing is switched off");
	says(&t, "end, also when they are still");
	text_free(&t);
}

static void one_role_s_sheet_says_that_the_old_password_is_over(void **state)
{
	struct handoff_sheet h = pair();
	struct text t;

	(void)state;
	h.pair = false;
	h.user_before = h.user_next = "";
	t = written(&h, HANDOFF_SHEET_TEXT, HANDOFF_EN);
	says(&t, "the old password ended for new connections");
	says_not(&t, "second connection");
	says_not(&t, "take turns");
	text_free(&t);
}

static void what_is_not_known_is_left_out(void **state)
{
	struct handoff_sheet h = pair();
	struct text t;

	(void)state;
	h.schema = h.contact = h.user_before = "";
	h.deadline_us = h.prepared_us = 0;
	t = written(&h, HANDOFF_SHEET_TEXT, HANDOFF_EN);
	says_not(&t, "currentSchema=");
	says_not(&t, "Please have it entered by");
	says_not(&t, "still valid  ");
	says(&t, "There is no password yet.");
	says(&t, "The person who gave you this sheet.");
	text_free(&t);
}

static void a_german_sheet_is_german(void **state)
{
	struct handoff_sheet h = pair();
	struct text t = written(&h, HANDOFF_SHEET_HTML, HANDOFF_DE);

	(void)state;
	says(&t, "<html lang=\"de\">");
	says(&t, "<h1>Übergabeblatt: <bdi>sap</bdi></h1>");
	says(&t, "Benutzername jetzt");
	says(&t, "zweite Verbindung");
	says_not(&t, "User name");
	text_free(&t);
}

static void no_value_is_obeyed_by_a_terminal(void **state)
{
	struct handoff_sheet h = hostile();
	struct text t = written(&h, HANDOFF_SHEET_TEXT, HANDOFF_EN);

	(void)state;
	for (const char *s = text_str(&t); *s; s++)
		if (*s != '\n' && text_control_length(s, strlen(s)) > 0)
			fail_msg("a control character at: %s", s);
	says_not(&t, "\xe2\x80\xae");
	says_not(&t, "\xe2\x80\x8b");
	says(&t, "a\\x1b[31m\\xc2\\x9b1m\\xe2\\x80\\xae\\xe2\\x80\\x8b<script>"
		 "\"'&\\x0a\n");
	text_free(&t);
}

static void no_value_is_obeyed_by_a_browser(void **state)
{
	struct handoff_sheet h = hostile();
	struct text t = written(&h, HANDOFF_SHEET_HTML, HANDOFF_EN);

	(void)state;
	says_not(&t, "<script");
	says_not(&t, "\x1b");
	says_not(&t, "\xe2\x80\xae");
	says(&t, "&lt;script&gt;&quot;&#39;&amp;\\x0a</code>");
	says(&t, "default-src 'none'");
	text_free(&t);
}

static void json_has_every_value_and_no_password(void **state)
{
	struct handoff_sheet h = hostile();
	struct text t = written(&h, HANDOFF_SHEET_JSON, HANDOFF_DE);
	json_t *d =
		json_loadb(text_str(&t), t.len, JSON_REJECT_DUPLICATES, NULL);
	json_t *field;
	size_t i, passwords = 0;

	(void)state;
	assert_non_null(d);
	assert_string_equal(json_string_value(json_object_get(d, "user_now")),
			    HOSTILE);
	assert_string_equal(json_string_value(json_object_get(d, "contact")),
			    HOSTILE);
	json_array_foreach(
		json_object_get(json_object_get(d, "form"), "fields"), i, field)
		passwords += json_is_null(json_object_get(field, "value"));
	assert_int_equal(passwords, 1);
	json_decref(d);
	text_free(&t);
}

static void each_word_has_both_languages(void **state)
{
	(void)state;
	for (int w = 0; w < HANDOFF_WORDS; w++)
		for (int l = 0; l < HANDOFF_LANGUAGES; l++)
			assert_true(handoff_words((enum handoff_language)l,
						  (enum handoff_word)w)[0]);
}

/* The words of the setting are those of the table, in its order; and a form
 * without a user and a password, or without a step, is none. */
static void each_partner_of_the_setting_has_its_form(void **state)
{
	const char *at = config_model_row(CONFIG_role_handoff_partner)->words;
	enum handoff_value v;
	const char *w;
	size_t n;

	(void)state;
	for (int p = 0; p < HANDOFF_PARTNERS; p++) {
		unsigned seen = 0;

		w = words_next(&at, &n);
		assert_non_null(w);
		assert_int_equal(n, strlen(handoff_partner_word(
					    (enum handoff_partner)p)));
		assert_memory_equal(
			w, handoff_partner_word((enum handoff_partner)p), n);
		for (size_t i = 0; handoff_partner_field(
			     (enum handoff_partner)p, i, HANDOFF_DE, &v);
		     i++)
			seen |= 1u << v;
		assert_true(seen & 1u << HANDOFF_VALUE_USER);
		assert_true(seen & 1u << HANDOFF_VALUE_PASSWORD);
		for (int pair = 0; pair < 2; pair++)
			assert_non_null(handoff_partner_step(
				(enum handoff_partner)p, pair, 0, HANDOFF_EN));
	}
	assert_null(words_next(&at, &n));
	assert_int_equal(handoff_partner_find("nonsuch"), HANDOFF_PARTNERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_pair_s_sheet_names_both_users_and_what_to_do),
		cmocka_unit_test(
			one_role_s_sheet_says_that_the_old_password_is_over),
		cmocka_unit_test(what_is_not_known_is_left_out),
		cmocka_unit_test(a_german_sheet_is_german),
		cmocka_unit_test(no_value_is_obeyed_by_a_terminal),
		cmocka_unit_test(no_value_is_obeyed_by_a_browser),
		cmocka_unit_test(json_has_every_value_and_no_password),
		cmocka_unit_test(each_word_has_both_languages),
		cmocka_unit_test(each_partner_of_the_setting_has_its_form),
	};

	return cmocka_run_group_tests(tests, open_zone, close_zone);
}
