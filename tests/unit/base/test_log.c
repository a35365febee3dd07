/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

static int saved_stderr = -1;
static int reading = -1;

static void catch_stderr(void)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	reading = fds[0];
}

/* What was written since catch_stderr(); the pipe holds 64 KiB. */
static const char *caught(void)
{
	static char bytes[65536];
	size_t n = 0;
	ssize_t got;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	while ((got = read(reading, bytes + n, sizeof(bytes) - 1 - n)) > 0)
		n += (size_t)got;
	close(reading);
	bytes[n] = '\0';
	return bytes;
}

static void a_message_is_one_line_with_program_and_level(void **state)
{
	(void)state;
	catch_stderr();
	errno = E2BIG;
	log_line(LOG_LEVEL_ERROR, "role %s: %m", "a");
	assert_int_equal(errno, E2BIG);
	log_set_program("keyturnd");
	log_line(LOG_LEVEL_WARN, "w");
	log_line(LOG_LEVEL_INFO, "i");
	log_line(LOG_LEVEL_DEBUG, "not shown");
	assert_string_equal(caught(), "keyturn: error: role a: Argument list "
				      "too long\n"
				      "keyturnd: warning: w\n"
				      "keyturnd: info: i\n");
}

static void messages_above_the_level_are_dropped(void **state)
{
	(void)state;
	catch_stderr();
	log_set_level(LOG_LEVEL_ERROR);
	log_line(LOG_LEVEL_WARN, "dropped");
	log_set_level(LOG_LEVEL_DEBUG);
	log_line(LOG_LEVEL_DEBUG, "shown");
	log_set_level(LOG_LEVEL_INFO);
	assert_string_equal(caught(), "keyturnd: debug: shown\n");
}

static void a_message_cannot_forge_another(void **state)
{
	(void)state;
	catch_stderr();
	log_line(LOG_LEVEL_INFO, "%s", "x\nkeyturnd: info: y\r\x1b[0m\xff");
	assert_string_equal(caught(), "keyturnd: info: x\\x0akeyturnd: info: y"
				      "\\x0d\\x1b[0m\\xff\n");
}

static void a_long_message_is_cut_at_2_kib(void **state)
{
	char s[5000];
	const char *line;

	(void)state;
	memset(s, 'l', sizeof(s) - 1);
	s[sizeof(s) - 1] = '\0';
	catch_stderr();
	log_line(LOG_LEVEL_INFO, "%s", s);
	line = caught();
	assert_in_range(strlen(line), 2040, 2048);
	assert_string_equal(line + strlen(line) - 4, "...\n");
}

static void for_the_journal_a_line_begins_with_its_priority(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	catch_stderr();
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_line(LOG_LEVEL_ERROR, "e");
	log_line(LOG_LEVEL_INFO, "i");
	/* Set for a stream that is not ours any more. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_line(LOG_LEVEL_WARN, "w");
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(caught(), "<3>keyturnd: e\n<6>keyturnd: i\n"
				      "keyturnd: warning: w\n");
}

static void *chatter(void *arg)
{
	int i;

	for (i = 0; i < 50; i++)
		log_line(LOG_LEVEL_INFO, "%s", (const char *)arg);
	return NULL;
}

static void lines_of_threads_are_not_mixed(void **state)
{
	char words[8][101], *line, *rest, *text;
	pthread_t threads[8];
	int i, lines = 0;

	(void)state;
	catch_stderr();
	for (i = 0; i < 8; i++) {
		memset(words[i], 'a' + i, 100);
		words[i][100] = '\0';
		assert_int_equal(pthread_create(&threads[i], NULL, chatter,
						words[i]),
				 0);
	}
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(text_dup(caught(), &text), STATUS_OK);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		assert_int_equal(strncmp(line, "keyturnd: info: ", 16), 0);
		assert_in_range(line[16], 'a', 'h');
		assert_string_equal(line + 16, words[line[16] - 'a']);
		lines++;
	}
	free(text);
	assert_int_equal(lines, 8 * 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_one_line_with_program_and_level),
		cmocka_unit_test(messages_above_the_level_are_dropped),
		cmocka_unit_test(a_message_cannot_forge_another),
		cmocka_unit_test(a_long_message_is_cut_at_2_kib),
		cmocka_unit_test(
			for_the_journal_a_line_begins_with_its_priority),
		cmocka_unit_test(lines_of_threads_are_not_mixed),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
