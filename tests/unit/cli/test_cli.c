/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static enum status parse(struct cli *c, const char *line)
{
	static char words[512];
	static char *argv[32];
	char *rest = NULL;
	int argc = 0;

	memset(c, 0, sizeof(*c)); /* not secret */
	snprintf(words, sizeof(words), "keyturn %s", line);
	for (char *w = strtok_r(words, " ", &rest); w;
	     w = strtok_r(NULL, " ", &rest))
		argv[argc++] = w;
	argv[argc] = NULL;
	return cli_parse(c, argc, argv);
}

static void options_stand_before_and_after_the_command(void **state)
{
	struct cli c;

	(void)state;
	assert_int_equal(parse(&c, "--config a.conf rotate sap --jobs 4 x "
				   "--reason leaked --json"),
			 STATUS_OK);
	assert_int_equal(c.command, CLI_rotate);
	assert_string_equal(c.o.config, "a.conf");
	assert_string_equal(c.o.jobs, "4");
	assert_string_equal(c.o.reason, "leaked");
	assert_true(c.o.json);
	assert_int_equal(c.n_args, 2);
	assert_string_equal(c.args[0], "sap");
	assert_string_equal(c.args[1], "x");
	assert_int_equal(parse(&c, "status --config=b.conf"), STATUS_OK);
	assert_string_equal(c.o.config, "b.conf");
}

static void defaults_are_what_the_manual_says(void **state)
{
	struct cli c;

	(void)state;
	assert_int_equal(parse(&c, "get sap"), STATUS_OK);
	assert_string_equal(c.o.config, "/etc/keyturn/keyturn.conf");
	assert_string_equal(c.o.label, "current");
	assert_string_equal(c.o.format, ""); /* each command has its own */
	assert_false(c.o.json);
}

static void names_with_underscores_are_spelled_with_dashes(void **state)
{
	struct cli c;

	(void)state;
	assert_int_equal(parse(&c, "rotate --dry-run --all"), STATUS_OK);
	assert_true(c.o.dry_run);
	assert_int_equal(parse(&c, "rotate --dry_run --all"), STATUS_USAGE);
	assert_int_equal(parse(&c, "import sap --password-fd 3"), STATUS_OK);
	assert_string_equal(c.o.password_fd, "3");
}

static void what_is_wrong_is_said_in_a_sentence(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "", "a command is missing" },
		{ "turn", "there is no command turn" },
		{ "rotate --fast sap",
		  "unknown option --fast for this command" },
		{ "status --due", "unknown option --due for this command" },
		{ "rotate sap --jobs", "option --jobs needs an argument" },
		{ "--due rotate", "unknown option --due for this command" },
	};
	struct cli c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(&c, cases[i].line), STATUS_USAGE);
		if (!strstr(c.why.text, cases[i].says))
			fail_msg("%s: says %s", cases[i].line, c.why.text);
	}
}

static void a_word_after_two_dashes_is_a_role(void **state)
{
	struct cli c;

	(void)state;
	assert_int_equal(parse(&c, "rotate -- --due"), STATUS_OK);
	assert_false(c.o.due);
	assert_int_equal(c.n_args, 1);
	assert_string_equal(c.args[0], "--due");
}

static void help_names_every_command_and_each_its_options(void **state)
{
	static const char *const names[] = {
#define COMMAND(name, arguments, help) #name,
#include "cli/commands.def"
	};
	struct text t = text_make(65536);
	struct cli c;

	(void)state;
	assert_int_equal(parse(&c, "--help"), STATUS_OK);
	assert_true(c.o.help);
	cli_help(CLI_COMMAND_COUNT, &t);
	for (size_t i = 0; i < CLI_COMMAND_COUNT; i++)
		assert_non_null(strstr(text_str(&t), names[i]));
	assert_int_equal(parse(&c, "rotate --help"), STATUS_OK);
	assert_true(c.o.help);
	text_reset(&t);
	cli_help(c.command, &t);
	assert_non_null(strstr(text_str(&t), "--dry-run"));
	assert_non_null(strstr(text_str(&t), "--reason TEXT"));
	assert_null(strstr(text_str(&t), "--password-fd"));
	text_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_before_and_after_the_command),
		cmocka_unit_test(defaults_are_what_the_manual_says),
		cmocka_unit_test(
			names_with_underscores_are_spelled_with_dashes),
		cmocka_unit_test(what_is_wrong_is_said_in_a_sentence),
		cmocka_unit_test(a_word_after_two_dashes_is_a_role),
		cmocka_unit_test(help_names_every_command_and_each_its_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
