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
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "hook/hook.h"
#include "json/json_doc.h"

static char folder[64], script[96], out[96];

static int begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/keyturn-hook-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(script, sizeof(script), "%s/hook", folder);
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
	assert_int_equal(chmod(script, 0700), 0);
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

static struct hook_options options(void)
{
	struct hook_options o = { .name = "test",
				  .argv = { script, out, "a b; $HOME" },
				  .url = "",
				  .secret_file = "",
				  .ca_file = "",
				  .events = "",
				  .timeout_us = 10 * NOW_SECOND,
				  .now = now_system() };

	return o;
}

static const char closing[] =
	"{\"actor\":\"keyturnd\",\"at\":\"2026-11-21T03:00:00.000001Z\","
	"\"detail\":\"it \\\"fell\\\" over\",\"epoch\":7,\"kind\":\"%s\","
	"\"role\":\"r\xc3\xb6le\",\"run\":\"run-1\",\"status\":\"%s\","
	"\"took_us\":5,\"version\":\"v-1\",\"seq\":41,\"prev\":\"00\","
	"\"hash\":\"abcdef\"}";

static enum status read_notice(const char *kind, const char *status,
			       struct hook_notice *n)
{
	char line[1024];
	struct reason why;

	snprintf(line, sizeof(line), closing, kind, status);
	return hook_notice_read(line, n, &why);
}

static void a_word_that_is_no_event_is_refused(void **state)
{
	struct reason why;
	unsigned set = 0;

	(void)state;
	assert_int_equal(hook_events("", &set, &why), STATUS_OK);
	assert_int_equal(set, (1 << HOOK_EVENT_COUNT) - 1);
	assert_int_equal(hook_events(" rotated,failed frozen ", &set, &why),
			 STATUS_OK);
	assert_int_equal(set, 1 << HOOK_rotated | 1 << HOOK_failed |
				      1 << HOOK_frozen);
	assert_int_equal(hook_events("rotated rotate", &set, &why),
			 STATUS_CONFIG);
	assert_non_null(strstr(why.text, "\"rotate\" is not an event"));
}

static void a_hook_is_a_program_or_an_address(void **state)
{
	struct hook_options o = options();
	struct hook *h = NULL;
	struct reason why;

	(void)state;
	o.url = "https://example.com/";
	assert_int_equal(hook_open(&o, &h, &why), STATUS_CONFIG);
	o.argv[0] = NULL;
	assert_int_equal(hook_open(&o, &h, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "secret_file"));
	o.secret_file = "relative";
	assert_int_equal(hook_open(&o, &h, &why), STATUS_CONFIG);
	o.secret_file = "/etc/key";
	o.url = "http://example.com/";
	assert_int_equal(hook_open(&o, &h, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "https://"));
	o.url = "";
	assert_int_equal(hook_open(&o, &h, &why), STATUS_CONFIG);
	o.argv[0] = "hook";
	assert_int_equal(hook_open(&o, &h, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "absolute"));
	hook_close(NULL);
}

static void what_happened_is_told_and_nothing_else(void **state)
{
	static const struct {
		const char *kind, *status;
		int event; /* -1: none */
	} cases[] = {
		{ "rotated", "OK", HOOK_rotated },
		{ "recovered", "OK", HOOK_recovered },
		{ "close", "OK", -1 },
		{ "close", "DEFERRED", -1 },
		{ "close", "BUSY", -1 },
		{ "close", "CONFLICT", -1 },
		{ "close", "FROZEN", -1 },
		{ "close", "CLUSTER_UNAVAILABLE", HOOK_failed },
		{ "close", "UNKNOWN", HOOK_failed },
		{ "freeze", "", HOOK_frozen },
		{ "thaw", "", HOOK_thawed },
		{ "upcoming", "", HOOK_upcoming },
		{ "grace", "", HOOK_grace },
		{ "postpone", "", HOOK_postponed },
		{ "restore", "OK", HOOK_restored },
		{ "request", "", HOOK_request },
		{ "alarm", "", HOOK_alarm },
		{ "promote", "OK", -1 },
		{ "handout", "OK", -1 },
	};
	struct hook_notice n;
	enum status s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s = read_notice(cases[i].kind, cases[i].status, &n);
		if (cases[i].event < 0) {
			assert_int_equal(s, STATUS_NOT_FOUND);
			continue;
		}
		assert_int_equal(s, STATUS_OK);
		assert_int_equal(n.event, cases[i].event);
	}
}

static void a_notice_is_one_line_of_json(void **state)
{
	struct hook_notice n;
	struct reason why;
	struct json_doc *d = NULL;
	int64_t v = 0;

	(void)state;
	assert_int_equal(read_notice("close", "ERROR", &n), STATUS_OK);
	assert_int_equal(n.seq, 41);
	assert_string_equal(n.id, "abcdef");
	assert_int_equal(n.n, strlen(n.body));
	assert_ptr_equal(strchr(n.body, '\n'), n.body + n.n - 1);
	assert_int_equal(json_doc_parse(n.body, n.n, "it", &d, &why),
			 STATUS_OK);
	assert_string_equal(json_doc_text(json_doc_get(d, "event")), "failed");
	assert_string_equal(json_doc_text(json_doc_get(d, "detail")),
			    "it \"fell\" over");
	assert_string_equal(json_doc_text(json_doc_get(d, "role")),
			    "r\xc3\xb6le");
	assert_true(json_doc_int(json_doc_get(d, "epoch"), &v));
	assert_int_equal(v, 7);
	assert_null(json_doc_get(d, "took_us"));
	assert_null(json_doc_get(d, "prev"));
	json_doc_free(d);
	assert_int_equal(hook_notice_read("{\"kind\":\"thaw\"}", &n, &why),
			 STATUS_CORRUPT);
	assert_int_equal(hook_notice_read("{\"kind", &n, &why), STATUS_CORRUPT);
}

static enum status run(const char *text, struct reason *why)
{
	struct hook_options o = options();
	struct hook_notice n;
	struct hook *h = NULL;
	enum status s;

	write_script(text);
	assert_int_equal(read_notice("rotated", "OK", &n), STATUS_OK);
	if (strstr(text, "sleep"))
		o.timeout_us = NOW_SECOND / 2;
	assert_int_equal(hook_open(&o, &h, why), STATUS_OK);
	s = hook_deliver(h, &n, why);
	hook_close(h);
	return s;
}

static void a_program_has_the_event_on_its_input_and_nothing_of_ours(
	void **state)
{
	int leaked = dup2(STDERR_FILENO, 77); /* without O_CLOEXEC */
	struct hook_notice n;
	struct reason why;

	(void)state;
	setenv("KEYTURN_TEST_PASSES", "no", 1);
	assert_int_equal(leaked, 77);
	assert_int_equal(run("{ cat; echo \"argument=$2\"; pwd; "
			     "test -e /proc/$$/fd/77 && echo leaked; echo env; "
			     "tr '\\0' '\\n' </proc/$$/environ; } >\"$1\"\n",
			     &why),
			 STATUS_OK);
	close(leaked);
	read_notice("rotated", "OK", &n);
	assert_memory_equal(output(), n.body, n.n);
	assert_string_equal(output() + n.n, "argument=a b; $HOME\n/\nenv\n");
}

static void how_a_program_ends_is_told(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(run("exit 3\n", &why), STATUS_ERROR);
	assert_non_null(strstr(why.text, "ended with 3"));
	assert_int_equal(run("kill -9 $$\n", &why), STATUS_ERROR);
	assert_non_null(strstr(why.text, "signal 9"));
	/* Who reads nothing has seen enough. */
	assert_int_equal(run("exec <&-\nexit 0\n", &why), STATUS_OK);
}

/* The process whose number the program has left in its file is gone. */
static bool is_gone(void)
{
	int pid = atoi(output());

	assert_true(pid > 1);
	return kill(pid, 0) != 0 && errno == ESRCH;
}

static enum status run_for(const char *text, int seconds)
{
	struct hook_options o = options();
	struct hook_notice n;
	struct hook *h = NULL;
	struct reason why;
	enum status s;

	write_script(text);
	assert_int_equal(read_notice("rotated", "OK", &n), STATUS_OK);
	o.timeout_us = seconds * NOW_SECOND;
	assert_int_equal(hook_open(&o, &h, &why), STATUS_OK);
	s = hook_deliver(h, &n, &why);
	hook_close(h);
	return s;
}

/* Leaves its number in $1, out of the program's session. */
#define STRAY "setsid sh -c 'echo $$ >\"$0\"; exec sleep 300' \"$1\" &"
#define SEEN  "until test -s \"$1\"; do sleep 0.1; done\n"

static void what_has_left_its_session_ends_with_the_program(void **state)
{
	static const char *const scripts[] = {
		STRAY "\n" SEEN,
		"(" STRAY ")\n" SEEN,
		/* a stray's stray */
		"(setsid sh -c 'setsid sh -c \"echo \\$\\$ >$0; "
		"exec sleep 300\" & exec sleep 300' \"$1\" &)\n" SEEN,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		assert_int_equal(run_for(scripts[i], 60), STATUS_OK);
		assert_true(is_gone());
		unlink(out);
	}
	assert_int_equal(run_for("(" STRAY ")\nexec sleep 300\n", 3),
			 STATUS_TIMEOUT);
	assert_true(is_gone());
}

static void *run_until_told(void *arg)
{
	*(enum status *)arg = run_for("(" STRAY ")\nuntil test -e \"$1.go\"; "
				      "do sleep 0.1; done\n",
				      60);
	return NULL;
}

static void what_a_program_that_goes_on_has_started_is_let_be(void **state)
{
	struct hook_options o = options();
	enum status other = STATUS_ERROR;
	struct hook_notice n;
	struct hook *h = NULL;
	struct reason why;
	char go[128];
	pthread_t thread;

	(void)state;
	snprintf(go, sizeof(go), "%s.go", out);
	assert_int_equal(pthread_create(&thread, NULL, run_until_told, &other),
			 0);
	while (strchr(output(), '\n') == NULL)
		usleep(10000);
	o.argv[0] = "/bin/true";
	assert_int_equal(read_notice("rotated", "OK", &n), STATUS_OK);
	assert_int_equal(hook_open(&o, &h, &why), STATUS_OK);
	assert_int_equal(hook_deliver(h, &n, &why), STATUS_OK);
	hook_close(h);
	assert_false(is_gone());
	close(open(go, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(pthread_join(thread, NULL), 0);
	unlink(go);
	assert_int_equal(other, STATUS_OK);
	assert_true(is_gone());
}

/* In a process of its own, which can run no hook any more. */
static void all_ends_when_the_process_is_to_end(void **state)
{
	enum status s = STATUS_OK;
	pthread_t thread;
	pid_t child = fork();
	int how = -1;

	(void)state;
	if (child == 0) {
		if (pthread_create(&thread, NULL, run_until_told, &s) != 0)
			_exit(1);
		while (strchr(output(), '\n') == NULL)
			usleep(10000);
		hook_end(now_system());
		if (!is_gone())
			_exit(2);
		pthread_join(thread, NULL);
		_exit(s == STATUS_ERROR ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_int_equal(how, 0);
}

static void a_program_that_cannot_be_run_is_named(void **state)
{
	struct hook_options o = options();
	struct hook_notice n;
	struct hook *h = NULL;
	struct reason why;

	(void)state;
	o.argv[0] = "/nowhere/hook";
	read_notice("rotated", "OK", &n);
	assert_int_equal(hook_open(&o, &h, &why), STATUS_OK);
	assert_int_equal(hook_deliver(h, &n, &why), STATUS_ERROR);
	assert_non_null(strstr(why.text, "/nowhere/hook cannot be run"));
	hook_close(h);
}

static void a_program_that_does_not_end_is_killed_with_its_children(
	void **state)
{
	struct reason why;
	int64_t began = now_boot(now_system());
	int pid = 0;

	(void)state;
	assert_int_equal(run("sleep 600 & echo $! >\"$1\"\nsleep 600\n", &why),
			 STATUS_TIMEOUT);
	assert_true(now_boot(now_system()) - began < 5 * NOW_SECOND);
	assert_int_equal(sscanf(output(), "%d", &pid), 1);
	/* It may be a zombie until its new parent looks. */
	for (int i = 0; i < 100 && kill(pid, 0) == 0; i++)
		usleep(20000);
	if (kill(pid, 0) == 0) {
		char stat[64], line[256] = "";
		FILE *f;

		snprintf(stat, sizeof(stat), "/proc/%d/stat", pid);
		f = fopen(stat, "r");
		if (f) {
			assert_non_null(fgets(line, sizeof(line), f));
			fclose(f);
			assert_non_null(strstr(line, ") Z "));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_that_is_no_event_is_refused),
		cmocka_unit_test(what_happened_is_told_and_nothing_else),
		cmocka_unit_test(a_notice_is_one_line_of_json),
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(a_hook_is_a_program_or_an_address),
		T(a_program_has_the_event_on_its_input_and_nothing_of_ours),
		T(how_a_program_ends_is_told),
		T(what_has_left_its_session_ends_with_the_program),
		T(what_a_program_that_goes_on_has_started_is_let_be),
		T(all_ends_when_the_process_is_to_end),
		T(a_program_that_cannot_be_run_is_named),
		T(a_program_that_does_not_end_is_killed_with_its_children),
#undef T
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
