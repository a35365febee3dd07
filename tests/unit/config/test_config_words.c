/* SPDX-License-Identifier: PostgreSQL */
/* What the columns `words` and `for_types` of settings.def say is what loads,
 * for every row of the table; some rows are written out by hand, so that the
 * table is not only compared with itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/words.h"
#include "config/config_model.h"
#include "config_tree.h"

#define CLUSTER "[cluster main]\nconninfo = host=db\n"
#define TOKEN	"[token lake]\ntype = databricks\n"

/* The least that loads of each section and type; the last section of the text.  A
 * new one comes last: hand-written cases below count on the numbers. */
static const struct start {
	enum config_section section;
	const char *type, *text;
} starts[] = {
	{ CONFIG_SECTION_keyturn, "", "[keyturn]\n" },
	{ CONFIG_SECTION_agent, "", "[agent]\n" },
	{ CONFIG_SECTION_store, "local", "[store x]\ntype = local\n" },
	{ CONFIG_SECTION_store, "vault",
	  "[store x]\ntype = vault\naddress = https://v\n" },
	{ CONFIG_SECTION_store, "aws", "[store x]\ntype = aws\n" },
	{ CONFIG_SECTION_cluster, "postgres", CLUSTER },
	{ CONFIG_SECTION_hook, "", "[hook x]\n" },
	{ CONFIG_SECTION_policy, "", "[policy x]\n" },
	{ CONFIG_SECTION_role, "", CLUSTER "[role x]\ncluster = main\n" },
	{ CONFIG_SECTION_token, "databricks", TOKEN },
	{ CONFIG_SECTION_token, "aws-rds",
	  "[token x]\ntype = aws-rds\nhost = h\nuser = u\n" },
	{ CONFIG_SECTION_token, "azure",
	  "[token x]\ntype = azure\nuser = u\n" },
	{ CONFIG_SECTION_token, "gcp", "[token x]\ntype = gcp\n" },
	{ CONFIG_SECTION_sink, "",
	  TOKEN "[sink x]\ntoken = lake\nfile = env /x\n" },
	{ CONFIG_SECTION_delivery, "",
	  "[delivery x]\ncommand = /x\nuser = nobody\n" },
	{ CONFIG_SECTION_cluster, "gateway",
	  "[cluster x]\ntype = gateway\nendpoint = host=h dbname=d\n" },
};

#define N_STARTS (sizeof(starts) / sizeof(*starts))

/* start with "key = value", and what that needs behind it. */
static const char *with(const struct start *start, const char *key,
			const char *value, int n)
{
	static char text[1024];

	snprintf(text, sizeof(text), "%s%s = %.*s\n%s", start->text, key, n,
		 value,
		 n == 11 && memcmp(value, "alternating", 11) == 0 ?
			 "members = a b\n" :
		 n == 4 && memcmp(value, "auto", 4) == 0 &&
				 strcmp(key, "retire") == 0 ?
			 "strategy = alternating\nmembers = a b\n"
			 "consumers = app:x\n" :
		 strcmp(key, "deadline_action") == 0 ?
			 "handoff = manual\nhandoff_deadline = 1d\n" :
			 "");
	return text;
}

/* The sentence for that last line; detail follows the key. */
static const char *sentence(const struct start *start, const char *key,
			    const char *detail)
{
	static char text[1024];
	const char *title = strrchr(start->text, '[');
	int line = 1;

	for (const char *p = start->text; *p; p++)
		line += *p == '\n';
	snprintf(text, sizeof(text), "%d: %.*s %s: %s", line,
		 (int)strcspn(title, "\n"), title, key, detail);
	return text;
}

static bool has_start(enum config_section section, const char *type, size_t n)
{
	for (size_t i = 0; i < N_STARTS; i++)
		if (starts[i].section == section &&
		    strlen(starts[i].type) == n &&
		    memcmp(starts[i].type, type, n) == 0)
			return true;
	return false;
}

/* Else what the table says of it would not be tried below. */
static void each_section_and_type_has_its_start(void **state)
{
	char words[CONFIG_WORDS_SIZE];

	(void)state;
	for (int i = 0; i < CONFIG_SECTION_COUNT; i++) {
		enum config_section section = (enum config_section)i;
		enum config_key type = config_model_find_key(section, "type");
		const char *at = words, *w;
		size_t n;

		if (type == CONFIG_KEY_COUNT) {
			assert_true(has_start(section, "", 0));
			continue;
		}
		config_model_words(config_model_row(type), "", words);
		while ((w = words_next(&at, &n)) != NULL)
			if (!has_start(section, w, n))
				fail_msg("no start of the type %.*s", (int)n,
					 w);
	}
}

static void each_word_is_accepted_and_another_refused(void **state)
{
	unsigned accepted = 0, refused = 0;

	(void)state;
	for (size_t i = 0; i < N_STARTS * CONFIG_KEY_COUNT; i++) {
		const struct start *start = &starts[i / CONFIG_KEY_COUNT];
		const struct config_row *row = config_model_row(
			(enum config_key)(i % CONFIG_KEY_COUNT));
		char words[CONFIG_WORDS_SIZE], detail[512];
		struct text list = text_make(512);
		const char *at = words, *w;
		size_t n;

		if (row->section != start->section ||
		    strcmp(row->key, "type") == 0 ||
		    (row->type != CONFIG_TYPE_ENUM &&
		     row->type != CONFIG_TYPE_SET) ||
		    !config_model_applies(row, start->type))
			continue;
		config_model_words(row, start->type, words);
		while ((w = words_next(&at, &n)) != NULL) {
			config_tree_load(with(start, row->key, w, (int)n));
			accepted++;
		}
		words_join(words, " or ", &list);
		snprintf(detail, sizeof(detail), "must be %s, not \"nonsuch\"",
			 text_str(&list));
		config_tree_bad(with(start, row->key, "nonsuch", 7),
				sentence(start, row->key, detail));
		refused++;
		text_free(&list);
	}
	/* store.auth 5, token.auth 5 + 2 + 2, cluster 3 + 2 + 3 + 3 + 6, of a gateway 3 + 6, hook 17,
	 * policy 4, role 2 + 2 + 2 + 2 + 2, token.sslmode 4 * 6, sink 6. */
	assert_int_equal(accepted, 101);
	assert_int_equal(refused, 23);
}

static void a_setting_of_other_types_is_refused(void **state)
{
	unsigned refused = 0;
	char detail[100];

	(void)state;
	for (size_t i = 0; i < N_STARTS * CONFIG_KEY_COUNT; i++) {
		const struct start *start = &starts[i / CONFIG_KEY_COUNT];
		const struct config_row *row = config_model_row(
			(enum config_key)(i % CONFIG_KEY_COUNT));

		if (row->section != start->section ||
		    config_model_applies(row, start->type))
			continue;
		snprintf(detail, sizeof(detail),
			 "has no effect in a %s of type %s",
			 config_model_kind(start->section)->word, start->type);
		config_tree_bad(with(start, row->key, "/x", 2),
				sentence(start, row->key, detail));
		refused++;
	}
	/* local 28, vault 11, aws 19; databricks 4, aws-rds 13, azure 10,
	 * gcp 13; postgres 4, gateway 14 */
	assert_int_equal(refused, 58 + 40 + 18);
}

/* By hand, so that a slip in the table shows. */
static void some_words_and_types_are_what_they_were(void **state)
{
	static const struct {
		size_t start;
		const char *line, *says; /* NULL: loads */
	} cases[] = {
		{ 3, "auth = kubernetes", NULL },
		{ 3, "auth = cert", NULL },
		{ 3, "auth = ldap",
		  "4: [store x] auth: must be token, approle, kubernetes, jwt "
		  "or cert, not \"ldap\"" },
		{ 3, "ring = 9", NULL },
		{ 2, "ring = 9", NULL },
		{ 4, "ring = 9",
		  "3: [store x] ring: has no effect in a store of type aws" },
		/* The default may be written anywhere: config show prints it. */
		{ 4, "ring = 20", NULL },
		{ 4, "auth = token", NULL },
		{ 2, "auth = jwt",
		  "3: [store x] auth: has no effect in a store of type local" },
		{ 3, "path = /x",
		  "4: [store x] path: has no effect in a store of type vault" },
		{ 4, "timeout = 9s", NULL },
		{ 5, "admin = token:lake", NULL },
		{ 5, "admin = token:",
		  "3: [cluster main] admin: must be passfile, token:NAME or "
		  "self, not \"token:\"" },
		{ 5, "marker = None",
		  "3: [cluster main] marker: must be table or none, not "
		  "\"None\"" },
		{ 5, "password_send = plain", NULL },
		{ 5, "sample = no", NULL },
		{ 5, "sample = never",
		  "3: [cluster main] sample: must be auto, yes or no, not "
		  "\"never\"" },
		{ 5, "sslmode = verify",
		  "3: [cluster main] sslmode: must be disable, allow, prefer, "
		  "require, verify-ca or verify-full, not \"verify\"" },
		{ 6, "events =  failed  alarm", NULL },
		{ 6, "events = failed, frozen,alarm,", NULL },
		{ 6, "events = failed;alarm",
		  "2: [hook x] events: must be rotated, recovered, retired, compromised, "
		  "rollback, failed, "
		  "frozen, thawed, upcoming, grace, postponed, restored, request, alarm, handoff, delivered or undelivered, not "
		  "\"failed;alarm\"" },
		{ 7, "require = upper,digit", NULL },
		{ 6, "secret_file = environment",
		  "2: [hook x] secret_file: must be /PATH or credential:NAME; "
		  "secrets are never settings" },
		{ 9, "auth = pat", NULL },
		{ 9, "auth = key",
		  "3: [token lake] auth: must be oauth-m2m, pat, file-oidc, "
		  "env-oidc or github-oidc, not \"key\"" },
		{ 10, "auth = key",
		  "5: [token x] auth: has no effect in a token of type "
		  "aws-rds" },
		{ 10, "profile = p", NULL },
		{ 11, "auth = managed-identity", NULL },
		{ 12, "auth = key", NULL },
		{ 12, "auth = pat",
		  "3: [token x] auth: must be metadata or key, not \"pat\"" },
		{ 12, "key_file = /k", NULL },
		{ 11, "key_file = /k",
		  "4: [token x] key_file: has no effect in a token of type "
		  "azure" },
		{ 13, "sslmode = require", NULL },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text), "%s%s\n",
			 starts[cases[i].start].text, cases[i].line);
		if (cases[i].says)
			config_tree_bad(text, cases[i].says);
		else
			config_tree_load(text);
	}
}

static void a_bad_type_is_told_before_what_depends_on_it(void **state)
{
	(void)state;
	config_tree_bad("[store x]\nauth = jwt\ntype = sops\n",
			"3: [store x] type: must be local, vault or aws, not "
			"\"sops\"");
	config_tree_load("[store x]\nauth = \"jwt\"\naddress = https://v\n"
			 "type = \"vault\"\n");
}

static void hooks_are_asked_for_by_the_names_of_their_events(void **state)
{
	static const char events[] =
#define EVENT(name, kind, writer, members, sentence, hook) hook
#define HOOK(name, help)				   #name " "
#define NO_HOOK
#include "audit/events.def"
#undef EVENT
#undef HOOK
#undef NO_HOOK
		;
	const char *words = config_model_row(CONFIG_hook_events)->words;

	(void)state;
	assert_int_equal(strlen(words), strlen(events) - 1);
	assert_memory_equal(words, events, strlen(words));
}

#define TEST(f)                                               \
	cmocka_unit_test_setup_teardown(f, config_tree_setup, \
					config_tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_section_and_type_has_its_start),
		TEST(each_word_is_accepted_and_another_refused),
		TEST(a_setting_of_other_types_is_refused),
		TEST(some_words_and_types_are_what_they_were),
		TEST(a_bad_type_is_told_before_what_depends_on_it),
		TEST(hooks_are_asked_for_by_the_names_of_their_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
