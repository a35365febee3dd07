/* SPDX-License-Identifier: PostgreSQL */
/* What is shared with hooks (its children, its session) is in test_hook.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program/program.h"

/* Any user that is not ours; no account is needed. */
#define OTHER 64123

static char folder[64], script[96], out[96], said[256];
static struct program_result result;
static struct reason why;

static int begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/keyturn-program-XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, 0755), 0);
	snprintf(script, sizeof(script), "%s/program", folder);
	snprintf(out, sizeof(out), "%s/out", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(script);
	unlink(out);
	return rmdir(folder);
}

static void write_script(const char *text)
{
	FILE *f = fopen(script, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s", text);
	fclose(f);
	assert_int_equal(chmod(script, 0755), 0);
}

static const char *output(void)
{
	static char bytes[65536];
	FILE *f = fopen(out, "r");
	size_t n = 0;

	if (f) {
		n = fread(bytes, 1, sizeof(bytes) - 1, f);
		fclose(f);
	}
	bytes[n] = '\0';
	return bytes;
}

static const char *const argv[] = { script, out, NULL };

static struct program plain(void)
{
	return (struct program){ .argv = argv,
				 .uid = (uid_t)-1,
				 .gid = (gid_t)-1,
				 .timeout_us = 20 * NOW_SECOND,
				 .said = said,
				 .said_size = sizeof(said) };
}

static enum status run(const struct program *p, const char *text)
{
	reason_clear(&why);
	write_script(text);
	return program_run(p, now_system(), &result, &why);
}

static void it_is_fed_as_much_as_it_reads(void **state)
{
	static char much[300000];
	struct program p = plain();

	(void)state;
	for (size_t i = 0; i < sizeof(much); i++)
		much[i] = (char)('a' + i % 26);
	p.in = much;
	p.n = sizeof(much);
	assert_int_equal(run(&p, "wc -c >\"$1\"\n"), STATUS_OK);
	assert_string_equal(output(), "300000\n");
	assert_int_equal(run(&p, "head -c 3 >\"$1\"\n"), STATUS_OK);
	assert_string_equal(output(), "abc");
	assert_int_equal(run(&p, "exec <&-\nsleep 0.2\nexit 0\n"), STATUS_OK);
}

static void the_first_line_of_its_standard_error_is_kept(void **state)
{
	struct program p = plain();

	(void)state;
	assert_int_equal(
		run(&p,
		    "echo no; printf '\\n \\tone\\ttwo\\033[1m\\303\\244\\r\\n"
		    "three\\n' >&2; exit 3\n"),
		STATUS_ERROR);
	assert_string_equal(said, "one two?[1m??");
	assert_int_equal(result.exit_code, 3);
	assert_true(result.ended);
	assert_non_null(strstr(why.text, "ended with 3"));
	assert_null(strstr(why.text, "one"));
	assert_int_equal(run(&p, "exit 0\n"), STATUS_OK);
	assert_string_equal(said, "");
	/* It can be opened by its name, as some programs do. */
	assert_int_equal(run(&p, "echo named >/dev/stderr\n"), STATUS_OK);
	assert_string_equal(said, "named");
	assert_int_equal(run(&p, "kill -9 $$\n"), STATUS_ERROR);
	assert_int_equal(result.signal, 9);
	assert_int_equal(result.exit_code, -1);
}

static void a_flood_neither_waits_nor_fills_memory(void **state)
{
	struct program p = plain();

	(void)state;
	assert_int_equal(run(&p, "head -c 30000000 /dev/zero | tr '\\0' x >&2\n"
				 "head -c 30000000 /dev/zero\n"
				 "echo end >&2; exit 4\n"),
			 STATUS_ERROR);
	assert_int_equal(result.exit_code, 4);
	assert_int_equal(strlen(said), sizeof(said) - 1);
	p.timeout_us = NOW_SECOND;
	assert_int_equal(run(&p, "while :; do echo more >&2; done\n"),
			 STATUS_TIMEOUT);
	assert_string_equal(said, "more");
	assert_false(result.ended);
}

static void what_it_leaves_behind_keeps_no_line_open(void **state)
{
	struct program p = plain();
	int64_t began = now_boot(now_system());

	(void)state;
	assert_int_equal(run(&p, "echo last >&2; sleep 300 &\nexit 0\n"),
			 STATUS_OK);
	assert_string_equal(said, "last");
	assert_true(now_boot(now_system()) - began < 10 * NOW_SECOND);
}

static void nothing_of_ours_comes_along(void **state)
{
	struct program p = plain();
	int leaked = dup2(STDERR_FILENO, 77); /* without O_CLOEXEC */

	(void)state;
	assert_int_equal(leaked, 77);
	setenv("KEYTURN_TEST_PASSES", "no", 1);
	signal(SIGHUP, SIG_IGN);
	assert_int_equal(run(&p,
			     "{ pwd; for n in 0 1 2 3 4 5 6 7 8 9 77; do "
			     "test -e /proc/$$/fd/$n && echo $n; done; "
			     "tr '\\0' '\\n' </proc/$$/environ; "
			     /* but for those that are glibc's own */
			     "echo $((0x$(sed -n 's/^SigIgn:\t//p' "
			     "/proc/$$/status) & 0x7fffffff)); } >\"$1\"\n"),
			 STATUS_OK);
	signal(SIGHUP, SIG_DFL);
	close(leaked);
	assert_string_equal(output(), "/\n0\n1\n2\n0\n");
}

static void another_user_has_nothing_of_ours(void **state)
{
	struct program p = plain();
	const gid_t groups[] = { 0, 4, 64200 };
	gid_t before[64];
	int n = getgroups(64, before);

	(void)state;
	assert_int_equal(setgroups(3, groups), 0);
	p.uid = OTHER;
	p.gid = OTHER + 1;
	p.ends_with_us = true;
	assert_int_equal(run(&p, "grep -E '^(Uid|Gid|Groups|Cap|NoNew)' "
				 "/proc/$$/status | tr -s '\\t ' ' ' >&2\n"),
			 STATUS_OK);
	assert_string_equal(said, "Uid: 64123 64123 64123 64123");
	/* a file that it may write to */
	close(open(out, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(chown(out, OTHER, (gid_t)-1), 0);
	assert_int_equal(run(&p, "grep -E '^(Uid|Gid|Groups|Cap|NoNew)' "
				 "/proc/$$/status | tr -s '\\t ' ' ' >\"$1\"\n"
				 "echo opened >/dev/stderr\n"),
			 STATUS_OK);
	assert_int_equal(setgroups((size_t)n, before), 0);
	assert_string_equal(said, "opened");
	assert_non_null(strstr(output(), "Gid: 64124 64124 64124 64124\n"
					 "Groups: \n"
					 "CapInh: 0000000000000000\n"
					 "CapPrm: 0000000000000000\n"
					 "CapEff: 0000000000000000\n"));
	assert_non_null(strstr(output(), "CapAmb: 0000000000000000\n"
					 "NoNewPrivs: 1\n"));
}

/* Not root, but with what it takes: as systemd's AmbientCapabilities gives it. */
static void give_capabilities(uid_t uid)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	const uint32_t all = 1U << CAP_SETUID | 1U << CAP_SETGID |
			     1U << CAP_KILL;
	struct __user_cap_data_struct caps[2] = { { all, all, all } };

	if (prctl(PR_SET_KEEPCAPS, 1) != 0 || setresgid(uid, uid, uid) != 0 ||
	    setresuid(uid, uid, uid) != 0 ||
	    syscall(SYS_capset, &head, caps) != 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETGID, 0, 0) ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0))
		_exit(10);
}

static void capabilities_are_enough_and_do_not_come_along(void **state)
{
	struct program p = plain();
	int how = -1;
	pid_t child;

	(void)state;
	write_script("grep -E '^(Uid|Groups|Cap[IPE])' /proc/$$/status | "
		     "tr '\\t\\n' '  ' >&2\n"
		     "test $(id -u) != 64123 || exec sleep 60\n");
	child = fork();
	if (child == 0) {
		give_capabilities(OTHER + 7);
		if (!program_may_become(OTHER))
			_exit(11);
		/* As ourselves, as hooks are run. */
		if (program_run(&p, now_system(), &result, &why) != STATUS_OK ||
		    !strstr(said, "CapPrm: 0000000000000000 "
				  "CapEff: 0000000000000000 "))
			_exit(12);
		p.uid = OTHER;
		p.gid = OTHER;
		p.timeout_us = NOW_SECOND;
		/* It can be ended, too. */
		if (program_run(&p, now_system(), &result, &why) !=
		    STATUS_TIMEOUT)
			_exit(13);
		_exit(strcmp(said, "Uid: 64123 64123 64123 64123 Groups:   "
				   "CapInh: 0000000000000000 "
				   "CapPrm: 0000000000000000 "
				   "CapEff: 0000000000000000 ") == 0 ?
			      0 :
			      14);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_int_equal(how, 0);
}

static void what_another_user_may_not_execute_is_said_before(void **state)
{
	struct program p = plain();

	(void)state;
	write_script("exit 0\n");
	assert_int_equal(program_try(&p, &why), STATUS_OK);
	if (geteuid() == 0) {
		p.uid = OTHER;
		p.gid = OTHER;
		assert_int_equal(program_try(&p, &why), STATUS_OK);
		assert_int_equal(chmod(script, 0700), 0);
		assert_int_equal(program_try(&p, &why), STATUS_CONFIG);
		assert_non_null(strstr(why.text, "Permission denied"));
		assert_int_equal(program_run(&p, now_system(), &result, &why),
				 STATUS_ERROR);
		assert_int_equal(result.exit_code, -1);
	}
	assert_int_equal(chmod(script, 0600), 0);
	assert_int_equal(program_try(&p, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "cannot be run: Permission denied") ||
			strstr(why.text, "Permission denied"));
	assert_true(program_may_become(geteuid()));
}

static void who_may_not_become_another_says_so(void **state)
{
	struct program p = plain();
	int how = -1;
	pid_t child;

	(void)state;
	write_script("exit 0\n");
	child = fork();
	if (child == 0) {
		if (geteuid() == 0 && (setresgid(OTHER, OTHER, OTHER) != 0 ||
				       setresuid(OTHER, OTHER, OTHER) != 0))
			_exit(10);
		p.uid = geteuid() + 1;
		p.gid = getegid();
		if (program_may_become(p.uid))
			_exit(11);
		if (program_try(&p, &why) != STATUS_CONFIG)
			_exit(12);
		_exit(strstr(why.text, "cannot be run as user") ? 0 : 13);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_int_equal(how, 0);
}

static void check(const char *path, const char *sentence)
{
	enum status s;

	reason_clear(&why);
	s = program_check(path, OTHER, &why);
	if (!sentence) {
		assert_string_equal(why.text, "");
		assert_int_equal(s, STATUS_OK);
		return;
	}
	assert_int_equal(s, STATUS_CONFIG);
	if (!strstr(why.text, sentence))
		assert_string_equal(why.text, sentence);
}

static void who_else_could_replace_it_is_found(void **state)
{
	char link[128], path[200];

	(void)state;
	write_script("exit 0\n");
	check(script, NULL);
	check("/bin/sh", NULL); /* through symbolic links */
	check("program", "is not an absolute path");
	check(folder, "is not a regular file");
	snprintf(link, sizeof(link), "%s/missing", folder);
	check(link, "there is no such file");
	assert_int_equal(chmod(script, 0775), 0);
	check(script, "can be written by others, who could put another program "
		      "there: chmod go-w /tmp/keyturn-program-");
	assert_int_equal(chmod(script, 0755), 0);
	assert_int_equal(chmod(folder, 0757), 0);
	check(script, "the folder /tmp/keyturn-program-");
	assert_int_equal(chmod(folder, 01757), 0); /* sticky */
	check(script, NULL);
	assert_int_equal(chmod(folder, 0755), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(script, OTHER, 0), 0);
		check(script, NULL);
		assert_int_equal(chown(script, OTHER + 1, 0), 0);
		check(script, "belongs to user 64124");
		assert_int_equal(chown(script, 0, 0), 0);
	}
	/* By way of a link from a safe place to an unsafe one. */
	snprintf(path, sizeof(path), "%s/inner", folder);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(symlink("../program", strcat(path, "/link")), 0);
	check(path, NULL);
	assert_int_equal(symlink("inner/./link", link), 0);
	check(link, NULL);
	assert_int_equal(chmod(folder, 0755), 0);
	path[strlen(path) - strlen("/link")] = '\0';
	assert_int_equal(chmod(path, 0777), 0);
	check(link, "/inner can be written by others");
	unlink(link);
	assert_int_equal(symlink("missing", link), 0); /* to itself */
	check(link, "too many symbolic links");
	unlink(link);
	unlink(strcat(path, "/link"));
	path[strlen(path) - strlen("/link")] = '\0';
	assert_int_equal(rmdir(path), 0);
}

static bool said_has(const char *text, const char *secret)
{
	return program_said_has(text, secret, strlen(secret));
}

static void a_secret_is_found_in_what_was_said(void **state)
{
	(void)state;
	assert_true(said_has("login failed: Sg7-kQ2_xW9.", "Sg7-kQ2_xW9"));
	/* a part of it, as when the line was cut, or it was encoded */
	assert_true(said_has("password=7-kQ2_xW&", "Sg7-kQ2_xW9"));
	assert_false(said_has("password=-kQ2_xW&", "Sg7-kQ2_xW9"));
	assert_true(said_has("pin 1234 is wrong", "1234"));
	assert_false(said_has("pin 123", "1234"));
	assert_false(said_has("anything", ""));
	/* what is not printable was replaced in it */
	assert_true(said_has("is p??sswort1", "p\xc3\xa4sswort1"));
	/* printf 'USER:Sg7-kQ2_xW9' | base64, with users of three lengths */
	assert_true(said_has("Basic dTpTZzcta1EyX3hXOQ==", "Sg7-kQ2_xW9"));
	assert_true(said_has("Basic dXU6U2c3LWtRMl94Vzk=", "Sg7-kQ2_xW9"));
	assert_true(said_has("Basic dXV1OlNnNy1rUTJfeFc5", "Sg7-kQ2_xW9"));
	assert_false(said_has("Basic dXV1OmFub3RoZXItb25l", "Sg7-kQ2_xW9"));
	/* a form, and a string of JSON */
	assert_true(said_has("a=1&password=S%2Fk%2bQ%252%22x", "S/k+Q%2\"x"));
	assert_true(said_has("{\"password\":\"S/k+Q%2\\\"x", "S/k+Q%2\"x"));
	assert_false(said_has("a=1&password=S%2Fk%2bQ%252", "S/k+Q%2\"x"));
	/* printf Sg7-kQ2_xW9 | xxd -p, and from the third byte on */
	assert_true(said_has("got 5367372D6B51325F785739", "Sg7-kQ2_xW9"));
	assert_true(said_has("37 2d 6b 51 32 5f 78 57", "Sg7-kQ2_xW9"));
	assert_true(said_has("0x37,0x2d,0x6b,0x51,0x32,0x5f,0x78,0x57",
			     "Sg7-kQ2_xW9"));
	assert_true(said_has("%37%2d%6b%51%32%5f%78%57", "Sg7-kQ2_xW9"));
	assert_false(said_has("37 2d 6b 51 32 5f 78", "Sg7-kQ2_xW9"));
	assert_false(said_has("%", "%41bcdefgh") || said_has("%4", "Abcdefgh"));
	assert_false(said_has("\\", "\\x"));
}

static void its_standard_output_is_kept_as_it_is(void **state)
{
	char printed[16] = "before";
	struct program p = plain();

	(void)state;
	p.output = printed;
	p.output_size = sizeof(printed);
	assert_int_equal(run(&p, "printf 'a=1\nb\\000c\n'; echo no >&2\n"),
			 STATUS_OK);
	assert_string_equal(printed, "a=1\nb?c\n");
	assert_string_equal(said, "no");
	/* More than fits, and than a pipe holds, waits for nobody. */
	assert_int_equal(run(&p, "seq 100000\n"), STATUS_OK);
	assert_string_equal(printed, "1\n2\n3\n4\n5\n6\n7\n8");
	assert_int_equal(run(&p, ":\n"), STATUS_OK);
	assert_string_equal(printed, "");
}

/* run-program-as-root runs those of root with the word root. */
int main(int argc, char **words)
{
	const struct CMUnitTest of_root[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(another_user_has_nothing_of_ours),
		T(capabilities_are_enough_and_do_not_come_along),
		T(what_another_user_may_not_execute_is_said_before),
		T(who_may_not_become_another_says_so),
	};
	const struct CMUnitTest tests[] = {
		T(it_is_fed_as_much_as_it_reads),
		T(the_first_line_of_its_standard_error_is_kept),
		T(its_standard_output_is_kept_as_it_is),
		T(a_flood_neither_waits_nor_fills_memory),
		T(what_it_leaves_behind_keeps_no_line_open),
		T(nothing_of_ours_comes_along),
		T(what_another_user_may_not_execute_is_said_before),
		T(who_may_not_become_another_says_so),
		T(who_else_could_replace_it_is_found),
#undef T
		cmocka_unit_test(a_secret_is_found_in_what_was_said),
	};

	if (argc > 1 && strcmp(words[1], "root") == 0)
		return cmocka_run_group_tests(of_root, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
