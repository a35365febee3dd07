/* SPDX-License-Identifier: PostgreSQL */
/* How files are read: every kind of line, and every line that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config_read.h"
#include "config_tree.h"

#define CLUSTER "[cluster main]\nconninfo = host=db\n"

static const struct config_group *group(const struct config *c,
					enum config_section section,
					const char *name)
{
	const struct config_group *g = config_find(c, section, name);

	assert_non_null(g);
	return g;
}

static void an_empty_file_is_the_default_configuration(void **state)
{
	const struct config *c = config_tree_load("");
	const struct config_group *g;

	(void)state;
	assert_int_equal(config_count(c, CONFIG_SECTION_keyturn), 1);
	assert_int_equal(config_count(c, CONFIG_SECTION_store), 1);
	assert_int_equal(config_count(c, CONFIG_SECTION_role), 0);
	g = group(c, CONFIG_SECTION_keyturn, "");
	assert_string_equal(config_where(g), "default");
	assert_string_equal(config_string(g, CONFIG_keyturn_timezone), "UTC");
	assert_string_equal(config_origin(g, CONFIG_keyturn_timezone),
			    "default");
	assert_int_equal(config_int(g, CONFIG_keyturn_jobs), 4);
	assert_true(config_duration_us(g, CONFIG_keyturn_control_interval) ==
		    INT64_C(3600000000));
	g = group(c, CONFIG_SECTION_store, "local");
	assert_string_equal(config_string(g, CONFIG_store_type), "local");
	assert_false(config_is_set(g, CONFIG_store_type));
}

static void values_come_with_file_and_line(void **state)
{
	char want[300];
	const struct config *c = config_tree_load(
		"# comment\n\n[keyturn]\njobs = 8 ; many\n" CLUSTER
		"insecure = YES\nprove_deadline=1m\n");
	const struct config_group *g = group(c, CONFIG_SECTION_keyturn, "");

	(void)state;
	assert_int_equal(config_int(g, CONFIG_keyturn_jobs), 8);
	snprintf(want, sizeof(want), "%s:4", config_tree_path("keyturn.conf"));
	assert_string_equal(config_origin(g, CONFIG_keyturn_jobs), want);
	snprintf(want, sizeof(want), "%s:3", config_tree_path("keyturn.conf"));
	assert_string_equal(config_where(g), want);
	g = group(c, CONFIG_SECTION_cluster, "main");
	assert_true(config_bool(g, CONFIG_cluster_insecure));
	assert_true(config_duration_us(g, CONFIG_cluster_prove_deadline) ==
		    INT64_C(60000000));
	assert_string_equal(config_string(g, CONFIG_cluster_admin_passfile),
			    "");
}

static void a_file_with_crlf_line_ends_is_read(void **state)
{
	const struct config *c = config_tree_load(
		"[cluster main]\r\nconninfo = host=db\r\n\tport=5433\r\n\r\n");

	(void)state;
	assert_string_equal(
		config_string(group(c, CONFIG_SECTION_cluster, "main"),
			      CONFIG_cluster_conninfo),
		"host=db port=5433");
}

static void a_byte_order_mark_is_skipped(void **state)
{
	const struct config *c =
		config_tree_load("\xef\xbb\xbf[keyturn]\njobs = 2\n");

	(void)state;
	assert_int_equal(config_int(group(c, CONFIG_SECTION_keyturn, ""),
				    CONFIG_keyturn_jobs),
			 2);
	config_tree_bad("[keyturn]\n\xef\xbb\xbfjobs = 2\n",
			"2: unknown setting \"\xef\xbb\xbfjobs\" in [keyturn]; "
			"\"keyturn config reference\" lists them");
}

static void a_last_line_without_newline_counts(void **state)
{
	const struct config *c = config_tree_load("[keyturn]\njobs = 2");

	(void)state;
	assert_int_equal(config_int(group(c, CONFIG_SECTION_keyturn, ""),
				    CONFIG_keyturn_jobs),
			 2);
}

static void a_comment_may_be_of_any_length(void **state)
{
	char text[2000] = "[keyturn]\n# ";

	(void)state;
	memset(text + 12, 'x', 1500);
	strncat(text, "\njobs = 3\n", sizeof(text) - strlen(text) - 1);
	assert_int_equal(config_int(group(config_tree_load(text),
					  CONFIG_SECTION_keyturn, ""),
				    CONFIG_keyturn_jobs),
			 3);
}

static void a_comment_begins_with_a_semicolon_after_a_space(void **state)
{
	const struct config *c = config_tree_load(
		CLUSTER "dbname = a;b # c ; d\nendpoint = host=x ; y\n"
			"\tport=1 ; z\n\t; w\n\tuser=u;v\n");
	const struct config_group *g = group(c, CONFIG_SECTION_cluster, "main");

	(void)state;
	assert_string_equal(config_string(g, CONFIG_cluster_dbname), "a;b # c");
	assert_string_equal(config_list_at(g, CONFIG_cluster_endpoint, 0),
			    "host=x port=1 user=u;v");
}

static void a_long_text_goes_on_on_indented_lines(void **state)
{
	char text[1400] = "[cluster main]\nconninfo = host=db\n", part[140];
	char want[1400] = "host=db";
	const struct config *c;

	(void)state;
	for (int i = 0; i < 9; i++) {
		snprintf(part, sizeof(part), "options%d='%0100d'", i, i);
		strncat(text, "  ", sizeof(text) - strlen(text) - 1);
		strncat(text, part, sizeof(text) - strlen(text) - 1);
		strncat(text, "\n", sizeof(text) - strlen(text) - 1);
		strncat(want, " ", sizeof(want) - strlen(want) - 1);
		strncat(want, part, sizeof(want) - strlen(want) - 1);
	}
	assert_true(strlen(want) > 900);
	c = config_tree_load(text);
	assert_string_equal(
		config_string(group(c, CONFIG_SECTION_cluster, "main"),
			      CONFIG_cluster_conninfo),
		want);
}

static void a_text_that_goes_on_too_long_is_refused(void **state)
{
	char text[8000] = "[cluster main]\nconninfo = a\n", part[180];

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(part, sizeof(part), "\t%0150d\n", i);
		strncat(text, part, sizeof(text) - strlen(text) - 1);
	}
	config_tree_bad(text, "16: conninfo is longer than 1024 bytes");
}

static void a_list_keeps_the_order_of_the_file(void **state)
{
	const struct config *c = config_tree_load(
		CLUSTER "endpoint = host=a\nhost = h\nendpoint = host=b\n"
			"endpoint = host=c\n");
	const struct config_group *g = group(c, CONFIG_SECTION_cluster, "main");
	char want[300];

	(void)state;
	assert_int_equal(config_list_n(g, CONFIG_cluster_endpoint), 3);
	assert_string_equal(config_list_at(g, CONFIG_cluster_endpoint, 0),
			    "host=a");
	assert_string_equal(config_list_at(g, CONFIG_cluster_endpoint, 1),
			    "host=b");
	assert_string_equal(config_list_at(g, CONFIG_cluster_endpoint, 2),
			    "host=c");
	snprintf(want, sizeof(want), "%s:3", config_tree_path("keyturn.conf"));
	assert_string_equal(config_origin(g, CONFIG_cluster_endpoint), want);
}

static void quotes_keep_spaces_and_hide_a_comment(void **state)
{
	const struct config *c = config_tree_load(
		CLUSTER "[role r]\ncluster = main\n"
			"rolname = \" a \\\"b\\\" \\\\ \\; c \" ; comment\n");

	(void)state;
	assert_string_equal(config_string(group(c, CONFIG_SECTION_role, "r"),
					  CONFIG_role_rolname),
			    " a \"b\" \\ ; c ");
}

static void an_unclosed_quote_is_refused_and_explained(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER "[role r]\ncluster = main\n"
				"rolname = \"a ; b\"\n",
			"5: [role r] rolname: the double quote is not closed "
			"(\" ;\" starts a comment, also inside quotes: write "
			"\\; there)");
}

static void text_after_a_closing_quote_is_refused(void **state)
{
	(void)state;
	config_tree_bad(
		"[keyturn]\ntimezone = \"UTC\"x\n",
		"2: [keyturn] timezone: something follows the closing "
		"double quote; write \\\" for a quote inside the value");
}

static void an_unknown_escape_in_quotes_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\ntimezone = \"U\\nTC\"\n",
			"2: [keyturn] timezone: a backslash in a quoted value "
			"may stand before a quote, a backslash or a semicolon "
			"only");
}

static void an_unknown_key_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\njobs = 4\nspeed = 9\n",
			"3: unknown setting \"speed\" in [keyturn]; \"keyturn "
			"config reference\" lists them");
}

static void a_key_of_another_section_is_named(void **state)
{
	(void)state;
	config_tree_bad("[store x]\njobs = 4\n",
			"2: unknown setting \"jobs\" in [store x]; it is one "
			"of [keyturn]");
}

static void a_password_as_a_setting_is_refused_without_its_value(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER "admin_password = hunter2\n",
			"3: unknown setting \"admin_password\" in [cluster "
			"main]; secrets are never settings, they are files");
}

static void an_unknown_section_is_refused(void **state)
{
	(void)state;
	config_tree_bad("\n[rolle sap]\n",
			"2: unknown section [rolle sap]; there are [keyturn], "
			"[agent], [store NAME], [cluster NAME], [hook "
			"NAME], [delivery NAME], [policy NAME], [role NAME], "
			"[token NAME], "
			"[sink NAME]");
}

static void a_section_without_its_name_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[role]\n",
			"1: [role] lacks a name: write [role NAME]");
	config_tree_bad("[keyturn x]\n",
			"1: [keyturn] takes no name: write [keyturn]");
}

static void a_bad_section_name_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[role a/b]\n",
			"1: the name in [role a/b] may hold letters, digits, "
			"'.', '_' and '-' only");
	config_tree_bad("[role a b]\n",
			"1: the name in [role a b] may hold letters, digits, "
			"'.', '_' and '-' only");
}

static void a_name_has_forty_characters_and_no_more(void **state)
{
	const struct config *c;

	(void)state;
	c = config_tree_load("[policy a234567890b234567890c234567890d234567890]"
			     "\nlength = 40\n");
	assert_int_equal(config_int(group(c, CONFIG_SECTION_policy,
					  "a234567890b234567890c234567890d23456"
					  "7890"),
				    CONFIG_policy_length),
			 40);
	config_tree_bad("[policy a234567890b234567890c234567890d2345678901]\n",
			"1: the name of the [policy] section is longer than 40 "
			"characters");
}

static void a_broken_section_header_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[keyturn\n", "1: the section header lacks its \"]\"");
	config_tree_bad("[keyturn] jobs = 1\n",
			"1: a section header stands alone on its line");
	config_tree_bad("\n [keyturn]\n",
			"2: a section header must stand at the beginning of "
			"its line");
}

static void a_section_header_may_be_followed_by_a_comment(void **state)
{
	const struct config *c = config_tree_load("[keyturn] ; x\njobs = 1\n");

	(void)state;
	assert_int_equal(config_int(group(c, CONFIG_SECTION_keyturn, ""),
				    CONFIG_keyturn_jobs),
			 1);
}

static void a_duplicate_section_names_both_places(void **state)
{
	(void)state;
	config_tree_bad("[store x]\n\n[policy x]\n[store x]\nring = 5\n",
			"4: [store x] is already there at "
			"@/keyturn.conf:1; a section may stand once in all "
			"files");
}

static void a_duplicate_section_in_conf_d_names_both_files(void **state)
{
	(void)state;
	config_tree_write("keyturn.conf", "[keyturn]\n", 10);
	config_tree_write("conf.d/a.conf", "\n[keyturn]\n", 11);
	config_tree_refused("@/conf.d/a.conf:2: [keyturn] is already there at "
			    "@/keyturn.conf:1; a section may stand once in all "
			    "files");
}

static void a_duplicate_key_names_both_places(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\njobs = 4\ntimezone = UTC\njobs = 4\n",
			"4: jobs is already set at @/keyturn.conf:2");
}

static void a_setting_before_any_section_is_refused(void **state)
{
	(void)state;
	config_tree_bad("jobs = 4\n",
			"1: a setting before the first [section]");
}

static void a_line_without_equals_sign_is_refused_unprinted(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\nhunter2\n",
			"2: this is neither \"key = value\" nor a [section] "
			"nor a comment");
	config_tree_bad("[keyturn]\njobs: 4\n",
			"2: this is neither \"key = value\" nor a [section] "
			"nor a comment");
	config_tree_bad("[keyturn]\n= 4\n",
			"2: there is no key before the \"=\"");
}

static void an_indented_setting_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\n  jobs = 4\n",
			"2: an indented line continues the setting above it, "
			"and there is none; begin settings at the beginning of "
			"the line");
	config_tree_bad("[keyturn]\njobs = 4\n  timezone = UTC\n",
			"3: an indented line would continue \"jobs\", which is "
			"a setting of one line; begin settings at the "
			"beginning of the line");
}

static void an_over_long_line_is_refused(void **state)
{
	char text[400] = "[cluster main]\nconninfo = ";
	size_t start = strlen(text) - strlen("conninfo = ");

	(void)state;
	memset(text + strlen(text), 'x', start + 198 - strlen(text));
	assert_int_equal(strlen(text) - start, 198);
	config_tree_load(text);
	text[start + 198] = 'x';
	config_tree_bad(text, "2: the line is longer than 198 bytes; a list or "
			      "a long text may go on on the next line, "
			      "indented");
}

static void a_nul_byte_is_refused(void **state)
{
	static const char text[] = "[keyturn]\njobs = 4\0\n";

	(void)state;
	config_tree_write("keyturn.conf", text, sizeof(text) - 1);
	config_tree_refused("@/keyturn.conf:2: the line holds a NUL byte; is "
			    "this a configuration file?");
}

static void a_control_character_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\n# a comment\x1b[2J\n",
			"2: the line holds the control character 0x1b");
	config_tree_bad("[keyturn]\njobs = 4\rx\n",
			"2: the line holds the control character 0x0d");
	config_tree_bad("[keyturn]\njobs = 4\x7f\n",
			"2: the line holds the control character 0x7f");
	config_tree_bad("[keyturn]\njobs = 4\xC2\x85\n",
			"2: the line holds the control character U+0085");
	config_tree_bad("[role sap]\nrolname = sa\xC2\x9Bp\n",
			"2: the line holds the control character U+009B");
}

static void a_tab_inside_a_value_is_refused(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER "[role r]\ncluster = main\nrolname = a\tb\n",
			"5: [role r] rolname: holds a tab; write spaces");
}

static void invalid_utf_8_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\ntimezone = M\xfcnchen\n",
			"2: the line is not valid UTF-8");
}

static void a_missing_file_is_refused(void **state)
{
	(void)state;
	config_tree_refused("@/keyturn.conf: cannot be read: No such file or "
			    "directory");
}

static void an_unreadable_file_is_refused(void **state)
{
	uid_t me = geteuid();

	(void)state;
	config_tree_write("keyturn.conf", "", 0);
	assert_int_equal(chmod(config_tree_path("keyturn.conf"), 0), 0);
	if (me == 0)
		assert_int_equal(seteuid(65534), 0);
	config_tree_refused("@/keyturn.conf: cannot be read: Permission "
			    "denied");
	assert_int_equal(seteuid(me), 0);
}

static void a_group_writable_file_is_refused(void **state)
{
	(void)state;
	config_tree_write("keyturn.conf", "", 0);
	assert_int_equal(chmod(config_tree_path("keyturn.conf"), 0664), 0);
	config_tree_refused("@/keyturn.conf: is writable by its group; run "
			    "chmod go-w @/keyturn.conf");
}

static void a_world_writable_file_is_refused(void **state)
{
	(void)state;
	config_tree_write("keyturn.conf", "", 0);
	assert_int_equal(chmod(config_tree_path("keyturn.conf"), 0666), 0);
	config_tree_refused("@/keyturn.conf: is writable by others; run chmod "
			    "go-w @/keyturn.conf");
}

static void what_is_no_regular_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(config_tree_path("keyturn.conf"), 0755), 0);
	config_tree_refused("@/keyturn.conf: is not a regular file");
	assert_int_equal(rmdir(config_tree_path("keyturn.conf")), 0);
	/* Must not wait for a writer. */
	assert_int_equal(mkfifo(config_tree_path("keyturn.conf"), 0600), 0);
	config_tree_refused("@/keyturn.conf: is not a regular file");
}

static void files_of_conf_d_are_read_in_byte_order(void **state)
{
	static const char *const names[] = { "one", "B", "a", "b", "c" };
	/* Neither this order nor its reverse, in which folders may list it. */
	static const char *const written[] = { "b", "B", "c", "a" };
	const struct config *c;
	char path[40], text[40];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "conf.d/%s.conf", written[i]);
		snprintf(text, sizeof(text), "[policy %s]\n", written[i]);
		config_tree_write(path, text, strlen(text));
	}
	config_tree_write("conf.d/.hidden.conf", "rubbish\n", 8);
	config_tree_write("conf.d/b.conf.bak", "rubbish\n", 8);
	c = config_tree_load("[policy one]\n");
	assert_int_equal(config_count(c, CONFIG_SECTION_policy), 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(
			config_name(config_at(c, CONFIG_SECTION_policy, i)),
			names[i]);
}

static void a_bad_file_in_conf_d_is_named(void **state)
{
	(void)state;
	config_tree_write("keyturn.conf", "", 0);
	config_tree_write("conf.d/x.conf", "[keyturn]\njobs = many\n", 22);
	config_tree_refused("@/conf.d/x.conf:2: [keyturn] jobs: \"many\" is "
			    "not a whole number");
}

static void only_files_and_folders_of_root_and_ours_are_trusted(void **state)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_uid = geteuid() + 1 };
	struct reason why = { "" };

	(void)state;
	assert_int_equal(config_read_trust("/x", &st, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "/x: belongs to uid "));
	assert_non_null(strstr(why.text, "chown root /x"));
	st.st_mode = S_IFDIR | 0755;
	assert_int_equal(config_read_trust("/x", &st, &why), STATUS_CONFIG);
	st.st_uid = 0;
	assert_int_equal(config_read_trust("/x", &st, &why), STATUS_OK);
	st.st_uid = geteuid();
	assert_int_equal(config_read_trust("/x", &st, &why), STATUS_OK);
	st.st_mode = S_IFDIR | 0775;
	assert_int_equal(config_read_trust("/x", &st, &why), STATUS_CONFIG);
	st.st_mode = S_IFDIR | S_ISVTX | 0777;
	assert_int_equal(config_read_trust("/x", &st, &why), STATUS_OK);
	st.st_mode = S_IFREG | S_ISVTX | 0646;
	assert_int_equal(config_read_trust("/x", &st, &why), STATUS_CONFIG);
}

static void a_folder_in_which_others_may_write_is_refused(void **state)
{
	char folder[256];

	(void)state;
	config_tree_write("keyturn.conf", "", 0);
	snprintf(folder, sizeof(folder), "%s", config_tree_path("x"));
	folder[strlen(folder) - 2] = '\0';
	assert_int_equal(chmod(folder, 0777), 0);
	config_tree_refused("@: is writable by others; run chmod go-w @");
	assert_int_equal(chmod(folder, 0755), 0);
}

static void a_conf_d_that_others_may_write_to_is_refused(void **state)
{
	(void)state;
	config_tree_write("keyturn.conf", "", 0);
	config_tree_write("conf.d/x.conf", "", 0);
	assert_int_equal(chmod(config_tree_path("conf.d"), 0777), 0);
	config_tree_refused("@/conf.d: is writable by others; run "
			    "chmod go-w @/conf.d");
}

#define TEST(f)                                               \
	cmocka_unit_test_setup_teardown(f, config_tree_setup, \
					config_tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_file_is_the_default_configuration),
		TEST(values_come_with_file_and_line),
		TEST(a_file_with_crlf_line_ends_is_read),
		TEST(a_byte_order_mark_is_skipped),
		TEST(a_last_line_without_newline_counts),
		TEST(a_comment_may_be_of_any_length),
		TEST(a_comment_begins_with_a_semicolon_after_a_space),
		TEST(a_long_text_goes_on_on_indented_lines),
		TEST(a_text_that_goes_on_too_long_is_refused),
		TEST(a_list_keeps_the_order_of_the_file),
		TEST(quotes_keep_spaces_and_hide_a_comment),
		TEST(an_unclosed_quote_is_refused_and_explained),
		TEST(text_after_a_closing_quote_is_refused),
		TEST(an_unknown_escape_in_quotes_is_refused),
		TEST(an_unknown_key_is_refused),
		TEST(a_key_of_another_section_is_named),
		TEST(a_password_as_a_setting_is_refused_without_its_value),
		TEST(an_unknown_section_is_refused),
		TEST(a_section_without_its_name_is_refused),
		TEST(a_bad_section_name_is_refused),
		TEST(a_name_has_forty_characters_and_no_more),
		TEST(a_broken_section_header_is_refused),
		TEST(a_section_header_may_be_followed_by_a_comment),
		TEST(a_duplicate_section_names_both_places),
		TEST(a_duplicate_section_in_conf_d_names_both_files),
		TEST(a_duplicate_key_names_both_places),
		TEST(a_setting_before_any_section_is_refused),
		TEST(a_line_without_equals_sign_is_refused_unprinted),
		TEST(an_indented_setting_is_refused),
		TEST(an_over_long_line_is_refused),
		TEST(a_nul_byte_is_refused),
		TEST(a_control_character_is_refused),
		TEST(a_tab_inside_a_value_is_refused),
		TEST(invalid_utf_8_is_refused),
		TEST(a_missing_file_is_refused),
		TEST(an_unreadable_file_is_refused),
		TEST(a_group_writable_file_is_refused),
		TEST(a_world_writable_file_is_refused),
		TEST(what_is_no_regular_file_is_refused),
		TEST(files_of_conf_d_are_read_in_byte_order),
		TEST(a_bad_file_in_conf_d_is_named),
		TEST(a_conf_d_that_others_may_write_to_is_refused),
		TEST(only_files_and_folders_of_root_and_ours_are_trusted),
		TEST(a_folder_in_which_others_may_write_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
