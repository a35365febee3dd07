/* SPDX-License-Identifier: PostgreSQL */
/* Secrets that settings point to: files, credentials of systemd, variables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/secret_source.h"

#define VARIABLE "KEYTURN_TEST_SECRET"

static char folder[] = "/tmp/test_secret_source.XXXXXX";
static char path[64];

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/secret", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void put(const char *bytes, size_t n, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void assert_read(const char *from, bool is_private, const char *want)
{
	struct secret *s = NULL;
	struct reason why = { "" };

	assert_int_equal(secret_source_read(from, VARIABLE, is_private, &s,
					    &why),
			 STATUS_OK);
	assert_string_equal(secret_bytes(s), want);
	assert_int_equal(secret_len(s), strlen(want));
	secret_free(s);
}

static void assert_refused(const char *from, bool is_private, const char *says)
{
	struct secret *s = NULL;
	struct reason why = { "" };

	assert_int_equal(secret_source_read(from, VARIABLE, is_private, &s,
					    &why),
			 STATUS_CONFIG);
	assert_null(s);
	if (!strstr(why.text, says))
		fail_msg("\"%s\" does not say \"%s\"", why.text, says);
}

static void only_three_forms_are_known(void **state)
{
	static const char *const bad[] = { "",
					   "relative",
					   "dose0123456789",
					   "credential:",
					   "credential:../x",
					   "credential:.x",
					   "credential:a/b",
					   "Environment" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(secret_source_check(bad[i], VARIABLE, NULL),
				 STATUS_CONFIG);
	assert_int_equal(secret_source_check("/a", NULL, NULL), STATUS_OK);
	assert_int_equal(secret_source_check("credential:a.b-c", NULL, NULL),
			 STATUS_OK);
	assert_int_equal(secret_source_check("environment", VARIABLE, NULL),
			 STATUS_OK);
	assert_int_equal(secret_source_check("environment", NULL, NULL),
			 STATUS_CONFIG);
}

static void a_file_is_one_line(void **state)
{
	(void)state;
	put("s3cret\r\n\n", 9, 0600);
	assert_read(path, true, "s3cret");
	put("s3cret", 6, 0600);
	assert_read(path, true, "s3cret");
	put("two\nlines\n", 10, 0600);
	assert_refused(path, true, "more than one line");
	put("\n\n", 2, 0600);
	assert_refused(path, true, "is empty");
	put("a\0b", 3, 0600);
	assert_refused(path, true, "more than one line");
	unlink(path);
	assert_refused(path, true, "does not exist");
}

static void a_file_that_others_may_read_is_none_unless_that_is_its_nature(
	void **state)
{
	(void)state;
	put("token\n", 6, 0644);
	assert_refused(path, true, "chmod");
	assert_read(path, false, "token");
}

static void what_is_too_long_is_refused(void **state)
{
	static char long_one[SECRET_SOURCE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(long_one); i++)
		long_one[i] = 'x';
	put(long_one, SECRET_SOURCE_MAX + 1, 0600);
	assert_refused(path, false, "too long");
}

static void a_credential_is_one_of_the_unit_s(void **state)
{
	(void)state;
	put("from systemd\n", 13, 0400);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_refused("credential:secret", true, "LoadCredential=");
	setenv("CREDENTIALS_DIRECTORY", "relative", 1);
	assert_refused("credential:secret", true, "LoadCredential=");
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	assert_read("credential:secret", true, "from systemd");
	assert_refused("credential:other", true, "cannot be read");
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void a_variable_has_the_name_that_the_caller_gives(void **state)
{
	(void)state;
	unsetenv(VARIABLE);
	assert_refused("environment", true, VARIABLE " is not set");
	setenv(VARIABLE, "", 1);
	assert_refused("environment", true, VARIABLE " is not set");
	setenv(VARIABLE, "value", 1);
	assert_read("environment", true, "value");
	setenv(VARIABLE, "two\nlines", 1);
	assert_refused("environment", true, "more than one line");
	unsetenv(VARIABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_three_forms_are_known),
		cmocka_unit_test(a_file_is_one_line),
		cmocka_unit_test(
			a_file_that_others_may_read_is_none_unless_that_is_its_nature),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(a_credential_is_one_of_the_unit_s),
		cmocka_unit_test(a_variable_has_the_name_that_the_caller_gives),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
