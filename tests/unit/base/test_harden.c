/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/harden.h"
#include "tests/unit/base/child.h"

static int harden_and_look(void *arg)
{
	struct rlimit core, before;
	const bool *starts_another = arg;

	CHILD_CHECK(getrlimit(RLIMIT_CORE, &before) == 0);
	CHILD_CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	umask(0);
	CHILD_CHECK((*starts_another ? harden_before_exec(NULL) :
				       harden_process(NULL)) == STATUS_OK);
	CHILD_CHECK(prctl(PR_GET_DUMPABLE) == 0);
	CHILD_CHECK(getrlimit(RLIMIT_CORE, &core) == 0);
	CHILD_CHECK(core.rlim_cur == 0);
	CHILD_CHECK(core.rlim_max == (*starts_another ? before.rlim_max : 0));
	CHILD_CHECK(umask(0) == 077);
	return 0;
}

static void a_hardened_process_leaves_no_core(void **state)
{
	bool starts_another = false;

	(void)state;
	assert_int_equal(child_run(harden_and_look, &starts_another), 0);
	starts_another = true;
	assert_int_equal(child_run(harden_and_look, &starts_another), 0);
}

static int harden_with_credentials_around(void *arg)
{
	static const char *const gone[] = { "PGPASSWORD", "PGPASSFILE",
					    "PGUSER",	  "PGSERVICE",
					    "PG",	  "SSLKEYLOGFILE" };
	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		CHILD_CHECK(setenv(gone[i], "x", 1) == 0);
	CHILD_CHECK(setenv("XPGPASSWORD", "stays", 1) == 0);
	CHILD_CHECK(setenv("SSLKEYLOGFILE2", "stays", 1) == 0);
	CHILD_CHECK(setenv("pgpassword", "stays", 1) == 0);
	CHILD_CHECK(harden_process(NULL) == STATUS_OK);
	for (i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		CHILD_CHECK(getenv(gone[i]) == NULL);
	CHILD_CHECK(getenv("XPGPASSWORD") != NULL);
	CHILD_CHECK(getenv("SSLKEYLOGFILE2") != NULL);
	CHILD_CHECK(getenv("pgpassword") != NULL);
	CHILD_CHECK(getenv("PATH") != NULL);
	return 0;
}

static void ambient_credentials_are_removed(void **state)
{
	(void)state;
	setenv("PATH", "/usr/bin:/bin", 0);
	assert_int_equal(child_run(harden_with_credentials_around, NULL), 0);
}

static int harden_with_an_absurd_name(void *arg)
{
	char name[400];
	struct reason why = { "" };

	(void)arg;
	memset(name, 'P', sizeof(name) - 1);
	name[1] = 'G';
	name[sizeof(name) - 1] = '\0';
	CHILD_CHECK(setenv(name, "x", 1) == 0);
	CHILD_CHECK(harden_process(&why) == STATUS_ERROR);
	CHILD_CHECK(strstr(why.text, "remove it") != NULL);
	return 0;
}

static void what_cannot_be_removed_stops_the_program(void **state)
{
	(void)state;
	assert_int_equal(child_run(harden_with_an_absurd_name, NULL), 0);
}

static int harden_without_descriptors(void *arg)
{
	struct stat null, st;
	int fd;

	(void)arg;
	close(STDIN_FILENO);
	close(STDERR_FILENO);
	CHILD_CHECK(harden_process(NULL) == STATUS_OK);
	CHILD_CHECK(stat("/dev/null", &null) == 0);
	CHILD_CHECK(fstat(STDIN_FILENO, &st) == 0 &&
		    st.st_rdev == null.st_rdev);
	CHILD_CHECK(fstat(STDERR_FILENO, &st) == 0 &&
		    st.st_rdev == null.st_rdev);
	fd = open("/dev/null", O_RDONLY);
	CHILD_CHECK(fd > STDERR_FILENO);
	return 0;
}

static void no_file_becomes_standard_error_by_accident(void **state)
{
	(void)state;
	assert_int_equal(child_run(harden_without_descriptors, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hardened_process_leaves_no_core),
		cmocka_unit_test(ambient_credentials_are_removed),
		cmocka_unit_test(what_cannot_be_removed_stops_the_program),
		cmocka_unit_test(no_file_becomes_standard_error_by_accident),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
