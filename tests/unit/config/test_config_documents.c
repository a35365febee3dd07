/* SPDX-License-Identifier: PostgreSQL */
/* What is printed: settings in effect, the reference and the sample. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/words.h"
#include "config/config_model.h"
#include "config_tree.h"

#define CLUSTER "[cluster main]\nconninfo = host=db\n"

/* What the sample would be with everything in it in use. */
static void uncomment(const char *sample, struct text *t)
{
	for (const char *line = sample; *line;) {
		size_t n = strcspn(line, "\n");

		if (*line == ';')
			text_add_bytes(t, line + 1, n);
		else
			text_add_bytes(t, line, n + 1);
		line += n + 1;
	}
}

/* Take "\t; FILE:LINE" off every line, in place. */
static void without_origins(struct text *t)
{
	char *to = t->bytes;

	for (const char *from = t->bytes; *from; from++) {
		if (*from == '\t')
			from += strcspn(from, "\n");
		*to++ = *from;
	}
	*to = '\0';
}

static void the_sample_loads_and_has_the_defaults(void **state)
{
	struct text t = text_make(65536);
	const struct config *c;
	const struct config_group *g;

	(void)state;
	config_reference(CONFIG_DOCUMENT_SAMPLE, &t);
	assert_int_equal(text_status(&t), STATUS_OK);
	c = config_tree_load(text_str(&t));
	assert_int_equal(config_count(c, CONFIG_SECTION_cluster), 0);
	assert_int_equal(config_count(c, CONFIG_SECTION_role), 0);
	for (int k = 0; k < CONFIG_KEY_COUNT; k++) {
		const struct config_row *row =
			config_model_row((enum config_key)k);

		if (row->section != CONFIG_SECTION_keyturn &&
		    row->section != CONFIG_SECTION_store)
			continue;
		g = config_at(c, row->section, 0);
		if (config_is_set(g, (enum config_key)k))
			assert_string_equal(
				config_string(g, (enum config_key)k), row->def);
	}
	text_free(&t);
}

static void the_sample_loads_with_every_example_in_use(void **state)
{
	struct text t = text_make(65536), all = text_make(65536);
	const struct config_group *g;
	const struct config *c;

	(void)state;
	config_reference(CONFIG_DOCUMENT_SAMPLE, &t);
	uncomment(text_str(&t), &all);
	c = config_tree_load(text_str(&all));
	g = config_find(c, CONFIG_SECTION_role, "sap_engagement");
	assert_non_null(g);
	assert_string_equal(config_string(g, CONFIG_role_schedule),
			    "0 3 * * sun");
	g = config_find(c, CONFIG_SECTION_cluster, "main");
	assert_non_null(g);
	assert_string_equal(config_string(g, CONFIG_cluster_conninfo),
			    "host=db.example.com dbname=postgres user=keyturn "
			    "sslmode=verify-full "
			    "sslrootcert=/etc/ssl/certs/ca-certificates.crt");
	text_free(&t);
	text_free(&all);
}

static void the_sample_takes_other_files(void **state)
{
	const struct config_sample files = { "/a/l.db", "/a/audit.key",
					     "/a/s.db", "/a/s.key" };
	struct text t = text_make(65536);
	const struct config *c;

	(void)state;
	config_reference_sample(&files, &t);
	c = config_tree_load(text_str(&t));
	assert_string_equal(
		config_string(config_at(c, CONFIG_SECTION_keyturn, 0),
			      CONFIG_keyturn_ledger),
		"/a/l.db");
	assert_string_equal(
		config_string(config_at(c, CONFIG_SECTION_keyturn, 0),
			      CONFIG_keyturn_audit_key),
		"/a/audit.key");
	assert_string_equal(config_string(config_at(c, CONFIG_SECTION_store, 0),
					  CONFIG_store_path),
			    "/a/s.db");
	assert_string_equal(config_string(config_at(c, CONFIG_SECTION_store, 0),
					  CONFIG_store_key),
			    "/a/s.key");
	text_free(&t);
}

static void every_default_is_of_its_type_and_within_limits(void **state)
{
	(void)state;
	for (int k = 0; k < CONFIG_KEY_COUNT; k++) {
		const struct config_row *row =
			config_model_row((enum config_key)k);
		int64_t unit = row->type == CONFIG_TYPE_DURATION ? 1000000 : 1;
		size_t n = strlen(row->def);
		int64_t number = -1;

		if (n == 0) {
			assert_false(config_model_is_number(row));
			continue;
		}
		assert_false(row->required);
		assert_int_not_equal(row->type, CONFIG_TYPE_LIST);
		assert_int_equal(config_model_number(row, row->def, &number,
						     NULL),
				 STATUS_OK);
		if (row->type == CONFIG_TYPE_PATH)
			assert_int_equal(row->def[0], '/');
		if (row->type == CONFIG_TYPE_ENUM)
			assert_true(words_have(row->words, row->def, n));
		else if (!config_model_is_number(row))
			assert_in_range(n, row->min, row->max);
		else if (row->type != CONFIG_TYPE_BOOL)
			assert_in_range(number, row->min * unit,
					row->max * unit);
	}
}

static void the_reference_names_every_setting(void **state)
{
	static const enum config_document kinds[] = { CONFIG_DOCUMENT_TEXT,
						      CONFIG_DOCUMENT_MARKDOWN,
						      CONFIG_DOCUMENT_MAN };
	static const char *const forms[] = { "\n  %s (", "\n| `%s` |",
					     "\n.It Cm %s\n" };
	char want[100];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct text t = text_make(65536);

		config_reference(kinds[i], &t);
		assert_int_equal(text_status(&t), STATUS_OK);
		for (int k = 0; k < CONFIG_KEY_COUNT; k++) {
			const char *key =
				config_model_row((enum config_key)k)->key;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(want, sizeof(want), forms[i], key);
#pragma GCC diagnostic pop
			if (!strstr(text_str(&t), want))
				fail_msg("%s is not in document %zu", key, i);
		}
		text_free(&t);
	}
}

static void show_has_each_value_with_its_origin(void **state)
{
	struct text t = text_make(65536);
	char want[300];

	(void)state;
	config_show(config_tree_load("[keyturn]\njobs = 9\n"), false, &t);
	snprintf(want, sizeof(want), "jobs = 9\t; %s:2\n",
		 config_tree_path("keyturn.conf"));
	assert_non_null(strstr(text_str(&t), want));
	assert_non_null(strstr(text_str(&t), "timezone = UTC\t; default\n"));
	assert_non_null(strstr(text_str(&t), "\n[store local]\t; default\n"));
	text_free(&t);
}

static void what_show_prints_loads_to_the_same(void **state)
{
	static const char text[] = CLUSTER
		"endpoint = host=a\nendpoint = host=b\n"
		"[policy p]\nsymbols =\nrequire =\n"
		"[role r]\ncluster = main\n"
		"rolname = \" \\\"x\\\" \\;\\\\ \"\n";
	struct text a = text_make(65536), b = text_make(65536);
	const struct config *c;

	(void)state;
	config_show(config_tree_load(text), false, &a);
	c = config_tree_load(text_str(&a));
	assert_string_equal(config_string(config_at(c, CONFIG_SECTION_role, 0),
					  CONFIG_role_rolname),
			    " \"x\" ;\\ ");
	assert_int_equal(config_list_n(config_at(c, CONFIG_SECTION_cluster, 0),
				       CONFIG_cluster_endpoint),
			 2);
	config_show(c, false, &b);
	without_origins(&a);
	without_origins(&b);
	assert_string_equal(text_str(&a), text_str(&b));
	text_free(&a);
	text_free(&b);
}

static void show_as_json_is_an_object_a_section(void **state)
{
	struct text t = text_make(65536);
	char want[700];
	const char *path;

	(void)state;
	config_show(config_tree_load("[policy p]\nlength = 40\n" CLUSTER
				     "insecure = on\nendpoint = host=a\n"
				     "endpoint = dbname='\"x\"'\n"),
		    true, &t);
	path = config_tree_path("keyturn.conf");
	assert_true(strncmp(text_str(&t),
			    "{\"keyturn\":{\"ledger\":{\"value\":"
			    "\"/var/lib/keyturn/ledger.db\","
			    "\"origin\":\"default\"},",
			    75) == 0);
	snprintf(want, sizeof(want),
		 "\"cluster\":{\"main\":{\"type\":{\"value\":\"postgres\","
		 "\"origin\":\"default\"},\"conninfo\":{\"value\":\"host=db\","
		 "\"origin\":\"%s:4\"},\"admin_passfile\":{\"value\":null,"
		 "\"origin\":\"default\"},\"insecure\":{\"value\":true,"
		 "\"origin\":\"%s:5\"},\"endpoint\":{\"value\":[\"host=a\","
		 "\"dbname='\\\"x\\\"'\"],\"origin\":[\"%s:6\",\"%s:7\"]},",
		 path, path, path, path);
	if (!strstr(text_str(&t), want))
		fail_msg("%s", text_str(&t));
	assert_non_null(strstr(text_str(&t), "\"policy\":{\"p\":{\"length\":{"
					     "\"value\":40,"));
	assert_non_null(strstr(text_str(&t), "\"role\":{},\"token\":{},"
					     "\"sink\":{}}\n"));
	text_free(&t);
}

#define TEST(f)                                               \
	cmocka_unit_test_setup_teardown(f, config_tree_setup, \
					config_tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_sample_loads_and_has_the_defaults),
		TEST(the_sample_loads_with_every_example_in_use),
		TEST(the_sample_takes_other_files),
		TEST(every_default_is_of_its_type_and_within_limits),
		TEST(the_reference_names_every_setting),
		TEST(show_has_each_value_with_its_origin),
		TEST(what_show_prints_loads_to_the_same),
		TEST(show_as_json_is_an_object_a_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
