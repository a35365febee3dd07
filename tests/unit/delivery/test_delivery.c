/* SPDX-License-Identifier: PostgreSQL */
/* How the program is run is in test_program.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "delivery/delivery.h"

#define PASSWORD "Kw7.f\"2\\-Tq9_zXa"

static char folder[64], script[96], out[96], user[64];
static char said[DELIVERY_SAID_MAX + 1];
static struct reason why;

static int begin(void **state)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("nobody") :
						   getpwuid(geteuid());

	(void)state;
	assert_non_null(pw);
	snprintf(user, sizeof(user), "%s", pw->pw_name);
	snprintf(folder, sizeof(folder), "/tmp/keyturn-delivery-XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, 0755), 0);
	snprintf(script, sizeof(script), "%s/program", folder);
	snprintf(out, sizeof(out), "%s/out", folder);
	fclose(fopen(out, "w"));
	assert_int_equal(chown(out, pw->pw_uid, pw->pw_gid), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(script);
	unlink(out);
	return rmdir(folder);
}

static struct delivery settings(void)
{
	return (struct delivery){ .name = "cpi",
				  .argv = { script, out, NULL },
				  .user = user,
				  .timeout_us = 10 * NOW_SECOND };
}

static enum status run(const struct delivery *d, const char *text,
		       const char *previous)
{
	struct secret *password = NULL;
	struct format_credential c = { .host = "db",
				       .port = "5433",
				       .dbname = "sales",
				       .username = "sap_b",
				       .version = "v-1",
				       .sslmode = "" };
	struct delivery_load load = { "sap", &c, previous };
	FILE *f = fopen(script, "w");
	enum status s;

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s", text);
	fclose(f);
	assert_int_equal(chmod(script, 0755), 0);
	assert_int_equal(secret_from(PASSWORD, strlen(PASSWORD), &password),
			 STATUS_OK);
	c.password = password;
	reason_clear(&why);
	s = delivery_run(d, &load, now_system(), said, &why);
	secret_free(password);
	return s;
}

static const char *output(void)
{
	static char bytes[4096];
	FILE *f = fopen(out, "r");
	size_t n;

	assert_non_null(f);
	n = fread(bytes, 1, sizeof(bytes) - 1, f);
	fclose(f);
	bytes[n] = '\0';
	return bytes;
}

static void it_is_given_one_line_of_json(void **state)
{
	struct delivery d = settings();

	(void)state;
	assert_int_equal(run(&d, "cat >\"$1\"\n", NULL), STATUS_OK);
	assert_string_equal(
		output(),
		"{\"engine\":\"postgres\",\"host\":\"db\",\"port\":\"5433\","
		"\"dbname\":\"sales\",\"username\":\"sap_b\","
		"\"password\":\"Kw7.f\\\"2\\\\-Tq9_zXa\",\"version\":\"v-1\","
		"\"role\":\"sap\",\"delivery\":\"cpi\"}\n");
	assert_int_equal(run(&d, "cat >\"$1\"\n", "sap_a"), STATUS_OK);
	assert_non_null(strstr(output(), ",\"previous_username\":\"sap_a\"}"));
	assert_string_equal(said, "");
}

static void what_it_says_is_kept_and_told(void **state)
{
	struct delivery d = settings();
	char expected[256];

	(void)state;
	assert_int_equal(run(&d, "echo 'has it' >&2\n", NULL), STATUS_OK);
	assert_string_equal(said, "has it");
	assert_int_equal(run(&d, "echo 'HTTP 503' >&2; exit 4\n", NULL),
			 STATUS_ERROR);
	snprintf(expected, sizeof(expected), "%s ended with 4: HTTP 503",
		 script);
	assert_string_equal(why.text, expected);
	assert_int_equal(run(&d, "exit 4\n", NULL), STATUS_ERROR);
	expected[strlen(script) + strlen(" ended with 4")] = '\0';
	assert_string_equal(why.text, expected);
	d.timeout_us = NOW_SECOND;
	assert_int_equal(run(&d, "echo slow >&2; exec sleep 60\n", NULL),
			 STATUS_TIMEOUT);
	assert_non_null(strstr(why.text, "was killed: slow"));
}

static void what_has_the_password_in_it_is_not(void **state)
{
	/* As it is, as JSON has it, a piece of it, and where the line is cut. */
	static const char *const scripts[] = {
		"sed 's/.*\"password\"/x/' >&2; exit 1\n",
		"cat >&2; exit 1\n",
		"printf 'it is Tq9_zXa? no: -Tq9_zXa' >&2; exit 1\n",
		"printf '%292s-Tq9_zXa' x >&2; exit 1\n",
	};
	struct delivery d = settings();

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		assert_int_equal(run(&d, scripts[i], NULL), STATUS_ERROR);
		assert_non_null(strstr(said, "what it printed is left out"));
		assert_null(strstr(said, "Tq9"));
		assert_null(strstr(why.text, "Tq9"));
		assert_non_null(strstr(why.text, "ended with 1: what it "));
	}
}

static void a_user_who_cannot_be_is_refused(void **state)
{
	struct delivery d = settings();

	(void)state;
	d.user = "no-such-user-here";
	assert_int_equal(run(&d, "exit 0\n", NULL), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "there is no user"));
	d.user = "root";
	assert_int_equal(delivery_check(&d, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "user root is root"));
	if (geteuid() == 0)
		return;
	d.user = "daemon";
	assert_int_equal(delivery_check(&d, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "who may not become daemon: run it as "
					 "root, or give it CAP_SETUID"));
}

static void what_others_could_change_is_not_run(void **state)
{
	struct delivery d = settings();

	(void)state;
	assert_int_equal(run(&d, "exit 0\n", NULL), STATUS_OK);
	assert_int_equal(delivery_check(&d, &why), STATUS_OK);
	assert_int_equal(chmod(folder, 0775), 0);
	assert_int_equal(run(&d, "echo run >\"$1\"\n", NULL), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "can be written by others"));
	assert_string_equal(output(), "");
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(chmod(script, 0644), 0);
	assert_int_equal(delivery_check(&d, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "Permission denied"));
}

static void what_it_may_do_is_said(void **state)
{
	struct delivery d = settings();
	struct text t = text_make(4096);
	char expected[512];

	(void)state;
	delivery_describe(&d, &t);
	snprintf(
		expected, sizeof(expected),
		"%s may run as user %s for 10 s, and is given the password; it "
		"has no shell, no environment, and one group",
		script, user);
	assert_memory_equal(text_str(&t), expected, strlen(expected));
	assert_int_equal(strstr(text_str(&t), "keyturn's own") != NULL,
			 geteuid() != 0);
	text_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(it_is_given_one_line_of_json),
		T(what_it_says_is_kept_and_told),
		T(what_has_the_password_in_it_is_not),
		T(a_user_who_cannot_be_is_refused),
		T(what_others_could_change_is_not_run),
		T(what_it_may_do_is_said),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
