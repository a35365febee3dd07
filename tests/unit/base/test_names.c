/* SPDX-License-Identifier: PostgreSQL */
/* names: a directory that is away is not one that does not know the name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>

#include "base/names.h"

/* What the directory answers, in place of the C library's. */
static struct {
	int error;
	bool knows;
	size_t wants; /* the least buffer that it takes */
} directory;

int getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size,
	       struct passwd **ret)
{
	(void)name;
	(void)buf;
	*ret = NULL;
	if (size < directory.wants)
		return ERANGE;
	*pw = (struct passwd){ .pw_uid = 4711, .pw_gid = 4713 };
	if (directory.knows)
		*ret = pw;
	return directory.error;
}

int getgrnam_r(const char *name, struct group *gr, char *buf, size_t size,
	       struct group **ret)
{
	(void)name;
	(void)buf;
	*ret = NULL;
	if (size < directory.wants)
		return ERANGE;
	*gr = (struct group){ .gr_gid = 4712 };
	if (directory.knows)
		*ret = gr;
	return directory.error;
}

static void who_is_known_has_a_number(void **state)
{
	uid_t uid = 0;
	gid_t gid = 0;

	(void)state;
	memset(&directory, 0, sizeof(directory));
	directory.knows = true;
	assert_int_equal(names_user("sapjob", &uid, NULL), STATUS_OK);
	assert_int_equal(uid, 4711);
	assert_int_equal(names_group("partners", &gid, NULL), STATUS_OK);
	assert_int_equal(gid, 4712);
	assert_int_equal(names_group_of_user("sapjob", &gid, NULL), STATUS_OK);
	assert_int_equal(gid, 4713);
}

static void a_group_may_have_many_members(void **state)
{
	gid_t gid = 0;

	(void)state;
	memset(&directory, 0, sizeof(directory));
	directory.knows = true;
	directory.wants = 500000;
	assert_int_equal(names_group("all", &gid, NULL), STATUS_OK);
	assert_int_equal(gid, 4712);
	directory.wants = (size_t)1 << 30;
	assert_int_equal(names_group("all", &gid, NULL), STATUS_ERROR);
}

static void who_is_not_known_is_not_found(void **state)
{
	const int none[] = { 0, ENOENT, ESRCH };
	struct reason why;
	uid_t id = 7;

	(void)state;
	memset(&directory, 0, sizeof(directory));
	for (size_t i = 0; i < 3; i++) {
		directory.error = none[i];
		assert_int_equal(names_user("sapjob", &id, &why),
				 STATUS_NOT_FOUND);
		assert_string_equal(why.text, "there is no user \"sapjob\"");
	}
	assert_int_equal(id, 7);
}

static void a_directory_that_is_away_is_no_answer(void **state)
{
	const int away[] = { EIO, ECONNREFUSED, ETIMEDOUT, EMFILE, EAGAIN };
	struct reason why;
	gid_t id = 7;

	(void)state;
	memset(&directory, 0, sizeof(directory));
	for (size_t i = 0; i < 5; i++) {
		directory.error = away[i];
		assert_int_equal(names_group("partners", &id, &why),
				 STATUS_ERROR);
		assert_non_null(strstr(why.text, "group \"partners\" cannot be "
						 "looked up: "));
		assert_non_null(strstr(why.text, strerror(away[i])));
	}
	assert_int_equal(id, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_known_has_a_number),
		cmocka_unit_test(a_group_may_have_many_members),
		cmocka_unit_test(who_is_not_known_is_not_found),
		cmocka_unit_test(a_directory_that_is_away_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
