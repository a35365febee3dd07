/* SPDX-License-Identifier: PostgreSQL */
/* wire_client: an exact reply or a failure, never later than the deadline,
 * from nobody who is not trusted, and nothing left behind in the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fake_agent.h"
#include "tests/unit/base/child.h"
#include "wire/wire_client.h"

#define PATIENCE_MS 300
/* A busy machine may let us wait for the processor; a second budget would be
 * seen all the same. */
#define SLACK_MS 290

/* ---- What the kernel says, when a test lies ------------------------------- */

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *n);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *n);
int __real_connect(int fd, const struct sockaddr *a, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n);

static uid_t peer_uid = (uid_t)-1;
static int connected_fd = -1, connected_flags, connected_status;

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *n)
{
	int rc = __real_getsockopt(fd, level, name, value, n);

	if (rc == 0 && name == SO_PEERCRED && peer_uid != (uid_t)-1)
		((struct ucred *)value)->uid = peer_uid;
	return rc;
}

int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n)
{
	connected_fd = fd;
	connected_flags = fcntl(fd, F_GETFD);
	connected_status = fcntl(fd, F_GETFL);
	return __real_connect(fd, a, n);
}

/* ---- Helpers -------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* A frame of that kind with these fields (either may be absent). */
static size_t frame(unsigned char *buf, size_t size, unsigned kind,
		    const char *role, int64_t result)
{
	struct wire_out o;
	size_t n = 0;

	wire_begin(&o, buf, size, kind);
	if (result >= 0)
		wire_put_number(&o, WIRE_TAG_RESULT, result);
	if (role)
		wire_put_text(&o, WIRE_TAG_ROLE, role);
	if (wire_end(&o, &n) != STATUS_OK)
		abort();
	return n;
}

struct asked {
	enum status s;
	struct wire_message m;
	struct reason why;
	unsigned char reply[4096];
	int64_t ms;
};

static void ask_at(const char *path, unsigned timeout_ms, struct asked *a)
{
	unsigned char request[256];
	const struct wire_client_request r = {
		.socket = path,
		.frame = request,
		.len = frame(request, sizeof(request), WIRE_DESCRIBE, "sap",
			     -1),
		.timeout_ms = timeout_ms,
	};
	int64_t begun = now_ms();

	reason_clear(&a->why);
	for (size_t i = 0; i < sizeof(a->reply); i++)
		a->reply[i] = 'x';
	a->s = wire_client_call(&r, a->reply, sizeof(a->reply), &a->m, &a->why);
	a->ms = now_ms() - begun;
}

static bool wiped(const struct asked *a)
{
	for (size_t i = 0; i < sizeof(a->reply); i++)
		if (a->reply[i] != 0)
			return false;
	return true;
}

/* One question to an agent that behaves so. */
static void ask(const struct fake_agent_options *o, struct asked *a)
{
	struct fake_agent *agent = fake_agent_start(o);

	ask_at(fake_agent_path(agent), PATIENCE_MS, a);
	fake_agent_stop(agent);
}

static void expect_failure(const struct fake_agent_options *o, enum status s)
{
	unsigned before = open_descriptors();
	struct asked a;

	ask(o, &a);
	assert_string_equal(status_name(a.s), status_name(s));
	assert_true(wiped(&a));
	assert_true(a.why.text[0] != '\0');
	assert_true(a.ms < PATIENCE_MS + SLACK_MS);
	assert_int_equal(open_descriptors(), before);
}

/* ---- Replies -------------------------------------------------------------- */

static unsigned char good[256];
static size_t n_good;

static int make_good(void **state)
{
	(void)state;
	peer_uid = (uid_t)-1;
	n_good = frame(good, sizeof(good), WIRE_DESCRIBE | WIRE_REPLY, "sap",
		       WIRE_RESULT_OK);
	return 0;
}

static void a_whole_reply_is_given_to_the_caller(void **state)
{
	const struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					      .bytes = good,
					      .n = n_good };
	unsigned before = open_descriptors();
	char role[128];
	struct asked a;

	(void)state;
	ask(&o, &a);
	assert_string_equal(status_name(a.s), "OK");
	assert_int_equal(a.m.operation, WIRE_DESCRIBE);
	assert_true(wire_text(&a.m, WIRE_TAG_ROLE, role, sizeof(role)));
	assert_string_equal(role, "sap");
	assert_true(a.m.body >= a.reply &&
		    a.m.body < a.reply + sizeof(a.reply));
	assert_int_equal(open_descriptors(), before);
}

static void a_reply_that_comes_byte_by_byte_is_put_together(void **state)
{
	const struct fake_agent_options o = { .act = FAKE_AGENT_DRIP,
					      .bytes = good,
					      .n = n_good };
	struct fake_agent *agent = fake_agent_start(&o);
	struct asked a;

	(void)state;
	ask_at(fake_agent_path(agent), 20000, &a);
	fake_agent_stop(agent);
	assert_string_equal(status_name(a.s), "OK");
}

static void a_reply_that_drips_past_the_deadline_is_given_up(void **state)
{
	unsigned char slow[1024];
	struct fake_agent_options o = { .act = FAKE_AGENT_DRIP };
	char role[101];

	(void)state;
	for (size_t i = 0; i < 100; i++)
		role[i] = 'r';
	role[100] = '\0';
	o.bytes = slow;
	o.n = frame(slow, sizeof(slow), WIRE_DESCRIBE | WIRE_REPLY, role,
		    WIRE_RESULT_OK);
	expect_failure(&o, STATUS_TIMEOUT);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t n = 1; n < n_good; n++)
		expect_failure(
			&(struct fake_agent_options){
				.act = FAKE_AGENT_ANSWER_CLOSE,
				.bytes = good,
				.n = n },
			STATUS_CORRUPT);
}

static void a_frame_that_claims_more_than_it_has_is_waited_for(void **state)
{
	struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					.bytes = good,
					.n = n_good };

	(void)state;
	good[7]++;
	expect_failure(&o, STATUS_TIMEOUT);
	o.act = FAKE_AGENT_ANSWER_CLOSE;
	expect_failure(&o, STATUS_CORRUPT);
}

static void a_frame_that_claims_less_than_came_is_refused(void **state)
{
	(void)state;
	good[7]--;
	expect_failure(&(struct fake_agent_options){ .act = FAKE_AGENT_ANSWER,
						     .bytes = good,
						     .n = n_good },
		       STATUS_CORRUPT);
}

static void a_second_frame_behind_the_first_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_good; i++)
		good[n_good + i] = good[i];
	expect_failure(&(struct fake_agent_options){ .act = FAKE_AGENT_ANSWER,
						     .bytes = good,
						     .n = 2 * n_good },
		       STATUS_CORRUPT);
}

static void a_length_beyond_all_limits_is_refused_at_once(void **state)
{
	struct asked a;

	(void)state;
	good[4] = 0xff;
	ask(&(struct fake_agent_options){ .act = FAKE_AGENT_ANSWER,
					  .bytes = good,
					  .n = WIRE_HEADER_SIZE },
	    &a);
	assert_string_equal(status_name(a.s), "CORRUPT");
}

static void a_reply_longer_than_the_buffer_is_refused(void **state)
{
	(void)state;
	good[5] = 0;
	good[6] = 0x20; /* 8 KiB, and there are 4 */
	expect_failure(&(struct fake_agent_options){ .act = FAKE_AGENT_ANSWER,
						     .bytes = good,
						     .n = n_good },
		       STATUS_CORRUPT);
}

static void a_reply_to_another_question_is_refused(void **state)
{
	unsigned char other[256];
	size_t n = frame(other, sizeof(other), WIRE_VERIFY | WIRE_REPLY, NULL,
			 WIRE_RESULT_OK);

	(void)state;
	expect_failure(&(struct fake_agent_options){ .act = FAKE_AGENT_ANSWER,
						     .bytes = other,
						     .n = n },
		       STATUS_CORRUPT);
}

static void a_request_is_no_reply(void **state)
{
	unsigned char other[256];
	size_t n = frame(other, sizeof(other), WIRE_DESCRIBE, "sap", -1);

	(void)state;
	expect_failure(&(struct fake_agent_options){ .act = FAKE_AGENT_ANSWER,
						     .bytes = other,
						     .n = n },
		       STATUS_CORRUPT);
}

/* Each byte of a reply changed to each of some values: never accepted as
 * something else without the codec's consent, never a wait past the end. */
static void damaged_bytes_never_hang_or_leak(void **state)
{
	static const unsigned char values[] = { 0x00, 0x7f, 0x80, 0xff };
	unsigned before = open_descriptors();
	unsigned char damaged[256];
	struct asked a;

	(void)state;
	for (size_t i = 0; i < n_good * sizeof(values); i++) {
		memcpy(damaged, good, n_good);
		damaged[i / sizeof(values)] = values[i % sizeof(values)];
		ask(
			&(struct fake_agent_options){
				.act = FAKE_AGENT_ANSWER_CLOSE,
				.bytes = damaged,
				.n = n_good },
			&a);
		assert_true(a.s == STATUS_OK || a.s == STATUS_CORRUPT);
		assert_true(a.s == STATUS_OK || wiped(&a));
	}
	assert_int_equal(open_descriptors(), before);
}

/* ---- Time ----------------------------------------------------------------- */

static void a_hung_agent_costs_the_budget_and_no_more(void **state)
{
	struct asked a;

	(void)state;
	ask(&(struct fake_agent_options){ .act = FAKE_AGENT_HANG }, &a);
	assert_string_equal(status_name(a.s), "TIMEOUT");
	assert_true(a.ms >= PATIENCE_MS);
	assert_true(a.ms < PATIENCE_MS + SLACK_MS);
}

static void a_full_queue_costs_the_budget_and_no_more(void **state)
{
	struct asked a;

	(void)state;
	ask(&(struct fake_agent_options){ .act = FAKE_AGENT_DEAF }, &a);
	assert_string_equal(status_name(a.s), "TIMEOUT");
	assert_true(a.ms >= PATIENCE_MS);
	assert_true(a.ms < PATIENCE_MS + SLACK_MS);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* A timer of 1 ms without SA_RESTART: each wait is interrupted. */
static void signal_storm(bool on)
{
	struct sigaction sa = { .sa_handler = count_alarm };
	struct itimerval t = { { 0, on ? 1000 : 0 }, { 0, on ? 1000 : 0 } };

	if (on)
		alarms = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

static void signals_do_not_lengthen_the_budget(void **state)
{
	static const enum fake_agent_act acts[] = { FAKE_AGENT_HANG,
						    FAKE_AGENT_DEAF };
	sigset_t set;
	struct fake_agent *agent;
	struct asked a;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	for (size_t i = 0; i < 2; i++) {
		/* The agent's thread must not take them instead of us. */
		pthread_sigmask(SIG_BLOCK, &set, NULL);
		agent = fake_agent_start(
			&(struct fake_agent_options){ .act = acts[i] });
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
		signal_storm(true);
		ask_at(fake_agent_path(agent), PATIENCE_MS, &a);
		signal_storm(false);
		fake_agent_stop(agent);
		assert_string_equal(status_name(a.s), "TIMEOUT");
		assert_true(a.ms >= PATIENCE_MS);
		assert_true(a.ms < PATIENCE_MS + SLACK_MS);
	}
}

static void an_answer_gets_through_a_storm_of_signals(void **state)
{
	const struct fake_agent_options o = { .act = FAKE_AGENT_DRIP,
					      .bytes = good,
					      .n = n_good };
	struct fake_agent *agent;
	struct asked a;
	sigset_t set;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	agent = fake_agent_start(&o);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	signal_storm(true);
	ask_at(fake_agent_path(agent), 20000, &a);
	signal_storm(false);
	fake_agent_stop(agent);
	assert_string_equal(status_name(a.s), "OK");
	assert_true(alarms > 10);
}

/* ---- Nobody there --------------------------------------------------------- */

static void an_agent_that_closes_without_a_word_is_absent(void **state)
{
	(void)state;
	expect_failure(&(struct fake_agent_options){ .act = FAKE_AGENT_CLOSE },
		       STATUS_NOT_FOUND);
}

static void no_socket_is_no_agent(void **state)
{
	struct asked a;

	(void)state;
	ask_at("/tmp/fake_agent-not-there/agent.sock", PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "NOT_FOUND");
	ask_at("/etc/passwd/agent.sock", PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "DENIED");
}

static void a_socket_nobody_listens_at_is_no_agent(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char folder[] = "/tmp/test_wire.XXXXXX";
	struct asked a;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	close(fd);
	ask_at(address.sun_path, PATIENCE_MS, &a);
	unlink(address.sun_path);
	rmdir(folder);
	assert_string_equal(status_name(a.s), "NOT_FOUND");
}

/* ---- Trust ---------------------------------------------------------------- */

static void a_peer_of_another_uid_is_not_asked(void **state)
{
	const struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					      .bytes = good,
					      .n = n_good };
	struct fake_agent *agent = fake_agent_start(&o);
	struct asked a;

	(void)state;
	peer_uid = 54321;
	ask_at(fake_agent_path(agent), PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "DENIED");
	assert_non_null(strstr(a.why.text, "uid 54321"));
	/* Not a byte of the request went there. */
	assert_int_equal(fake_agent_requests(agent), 0);
	peer_uid = 0;
	ask_at(fake_agent_path(agent), PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "OK");
	fake_agent_stop(agent);
}

static void a_folder_that_others_may_write_is_not_trusted(void **state)
{
	static const mode_t modes[] = { 0720, 0702, 01777, 0770 };
	const struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					      .bytes = good,
					      .n = n_good };
	struct fake_agent *agent = fake_agent_start(&o);
	struct asked a;

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		chmod(fake_agent_folder(agent), modes[i]);
		ask_at(fake_agent_path(agent), PATIENCE_MS, &a);
		assert_string_equal(status_name(a.s), "DENIED");
	}
	assert_int_equal(fake_agent_connections(agent), 0);
	chmod(fake_agent_folder(agent), 0755);
	ask_at(fake_agent_path(agent), PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "OK");
	fake_agent_stop(agent);
}

static void a_folder_above_that_others_may_write_is_not_trusted(void **state)
{
	const struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					      .bytes = good,
					      .n = n_good };
	struct fake_agent *agent = fake_agent_start(&o);
	char above[] = "/tmp/test_wire.XXXXXX", moved[64], path[80];
	struct asked a;

	(void)state;
	assert_non_null(mkdtemp(above));
	snprintf(moved, sizeof(moved), "%s/run", above);
	snprintf(path, sizeof(path), "%s/agent.sock", moved);
	assert_int_equal(rename(fake_agent_folder(agent), moved), 0);
	chmod(above, 0777);
	ask_at(path, PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "DENIED");
	/* As /tmp: what is below is ours, and nobody can take it away. */
	chmod(above, 01777);
	ask_at(path, PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "OK");
	assert_int_equal(rename(moved, fake_agent_folder(agent)), 0);
	rmdir(above);
	fake_agent_stop(agent);
}

/* Its owner could put another folder there.  Deeper than right below /tmp, where
 * the owner counts for another reason. */
static void a_folder_above_that_is_another_users_is_not_trusted(void **state)
{
	static const uid_t others[] = { 12345, 65534 };
	const struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					      .bytes = good,
					      .n = n_good };
	struct fake_agent *agent = fake_agent_start(&o);
	char top[] = "/tmp/test_wire.XXXXXX", above[32], moved[40], path[64];
	struct asked a;

	(void)state;
	assert_non_null(mkdtemp(top));
	snprintf(above, sizeof(above), "%s/a", top);
	snprintf(moved, sizeof(moved), "%s/run", above);
	snprintf(path, sizeof(path), "%s/agent.sock", moved);
	assert_int_equal(mkdir(above, 0755), 0);
	assert_int_equal(rename(fake_agent_folder(agent), moved), 0);
	ask_at(path, PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "OK");
	/* Only root can give it away. */
	for (size_t i = 0; geteuid() == 0 && i < 2; i++) {
		if (chown(above, others[i], 0) < 0) {
			/* Root of a user namespace that has no such user. */
			assert_int_equal(errno, EINVAL);
			continue;
		}
		ask_at(path, PATIENCE_MS, &a);
		assert_string_equal(status_name(a.s), "DENIED");
	}
	assert_int_equal(rename(moved, fake_agent_folder(agent)), 0);
	rmdir(above);
	rmdir(top);
	fake_agent_stop(agent);
}

static void a_file_in_the_sockets_place_is_not_trusted(void **state)
{
	char folder[] = "/tmp/test_wire.XXXXXX", path[64];
	struct asked a;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/agent.sock", folder);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ask_at(path, PATIENCE_MS, &a);
	unlink(path);
	rmdir(folder);
	assert_string_equal(status_name(a.s), "DENIED");
}

static void a_link_in_the_sockets_place_is_not_followed(void **state)
{
	const struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					      .bytes = good,
					      .n = n_good };
	struct fake_agent *agent = fake_agent_start(&o);
	char folder[] = "/tmp/test_wire.XXXXXX", path[64];
	struct asked a;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/agent.sock", folder);
	assert_int_equal(symlink(fake_agent_path(agent), path), 0);
	ask_at(path, PATIENCE_MS, &a);
	unlink(path);
	rmdir(folder);
	fake_agent_stop(agent);
	assert_string_equal(status_name(a.s), "DENIED");
}

/* ---- The process around it ------------------------------------------------ */

static int ask_without_standard_descriptors(void *path)
{
	struct asked a;

	close(0);
	close(1);
	close(2);
	ask_at(path, 5000, &a);
	CHILD_CHECK(a.s == STATUS_OK);
	CHILD_CHECK(connected_fd > 2);
	CHILD_CHECK(connected_flags & FD_CLOEXEC);
	CHILD_CHECK(connected_status & O_NONBLOCK);
	for (int fd = 0; fd < 10; fd++)
		CHILD_CHECK(fd > 2 || fcntl(fd, F_GETFD) < 0);
	return 0;
}

static void standard_descriptors_are_never_used(void **state)
{
	const struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					      .bytes = good,
					      .n = n_good };
	struct fake_agent *agent = fake_agent_start(&o);
	char path[80];

	(void)state;
	snprintf(path, sizeof(path), "%s", fake_agent_path(agent));
	assert_int_equal(child_run(ask_without_standard_descriptors, path), 0);
	fake_agent_stop(agent);
}

static int ask_with_many_descriptors(void *path)
{
	struct rlimit limit;
	struct asked a;

	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (unsigned i = 0; i < 2000; i++)
		CHILD_CHECK(open("/dev/null", O_RDONLY) >= 0);
	ask_at(path, 5000, &a);
	CHILD_CHECK(a.s == STATUS_OK);
	CHILD_CHECK(connected_fd > FD_SETSIZE);
	/* And with none left. */
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	ask_at(path, 5000, &a);
	CHILD_CHECK(a.s == STATUS_ERROR);
	return 0;
}

static void two_thousand_open_files_do_not_matter(void **state)
{
	const struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					      .bytes = good,
					      .n = n_good };
	struct fake_agent *agent = fake_agent_start(&o);
	char path[80];

	(void)state;
	snprintf(path, sizeof(path), "%s", fake_agent_path(agent));
	assert_int_equal(child_run(ask_with_many_descriptors, path), 0);
	fake_agent_stop(agent);
}

static int ask_who_closes(void *arg)
{
	struct asked a;

	signal(SIGPIPE, SIG_DFL);
	for (int i = 0; i < 200; i++) {
		ask_at(arg, 5000, &a);
		CHILD_CHECK(a.s == STATUS_NOT_FOUND);
	}
	return 0;
}

static void an_agent_that_closes_raises_no_sigpipe(void **state)
{
	struct fake_agent *agent = fake_agent_start(
		&(struct fake_agent_options){ .act = FAKE_AGENT_CLOSE });
	char path[80];

	(void)state;
	snprintf(path, sizeof(path), "%s", fake_agent_path(agent));
	assert_int_equal(child_run(ask_who_closes, path), 0);
	fake_agent_stop(agent);
}

static void a_path_that_cannot_be_a_sockets_is_refused(void **state)
{
	char longer[200];
	struct asked a;

	(void)state;
	longer[0] = '/';
	for (size_t i = 1; i < sizeof(longer); i++)
		longer[i] = 'l';
	longer[sizeof(longer) - 1] = '\0';
	ask_at(longer, PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "ERROR");
	ask_at("agent.sock", PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "ERROR");
	ask_at("", PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "ERROR");
	ask_at("/run/", PATIENCE_MS, &a);
	assert_string_equal(status_name(a.s), "ERROR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_whole_reply_is_given_to_the_caller,
				       make_good),
		cmocka_unit_test_setup(
			a_reply_that_comes_byte_by_byte_is_put_together,
			make_good),
		cmocka_unit_test_setup(
			a_reply_that_drips_past_the_deadline_is_given_up,
			make_good),
		cmocka_unit_test_setup(every_truncation_is_refused, make_good),
		cmocka_unit_test_setup(
			a_frame_that_claims_more_than_it_has_is_waited_for,
			make_good),
		cmocka_unit_test_setup(
			a_frame_that_claims_less_than_came_is_refused,
			make_good),
		cmocka_unit_test_setup(
			a_second_frame_behind_the_first_is_refused, make_good),
		cmocka_unit_test_setup(
			a_length_beyond_all_limits_is_refused_at_once,
			make_good),
		cmocka_unit_test_setup(
			a_reply_longer_than_the_buffer_is_refused, make_good),
		cmocka_unit_test_setup(a_reply_to_another_question_is_refused,
				       make_good),
		cmocka_unit_test_setup(a_request_is_no_reply, make_good),
		cmocka_unit_test_setup(damaged_bytes_never_hang_or_leak,
				       make_good),
		cmocka_unit_test_setup(
			a_hung_agent_costs_the_budget_and_no_more, make_good),
		cmocka_unit_test_setup(
			a_full_queue_costs_the_budget_and_no_more, make_good),
		cmocka_unit_test_setup(signals_do_not_lengthen_the_budget,
				       make_good),
		cmocka_unit_test_setup(
			an_answer_gets_through_a_storm_of_signals, make_good),
		cmocka_unit_test_setup(
			an_agent_that_closes_without_a_word_is_absent,
			make_good),
		cmocka_unit_test_setup(no_socket_is_no_agent, make_good),
		cmocka_unit_test_setup(a_socket_nobody_listens_at_is_no_agent,
				       make_good),
		cmocka_unit_test_setup(a_peer_of_another_uid_is_not_asked,
				       make_good),
		cmocka_unit_test_setup(
			a_folder_that_others_may_write_is_not_trusted,
			make_good),
		cmocka_unit_test_setup(
			a_folder_above_that_others_may_write_is_not_trusted,
			make_good),
		cmocka_unit_test_setup(
			a_folder_above_that_is_another_users_is_not_trusted,
			make_good),
		cmocka_unit_test_setup(
			a_file_in_the_sockets_place_is_not_trusted, make_good),
		cmocka_unit_test_setup(
			a_link_in_the_sockets_place_is_not_followed, make_good),
		cmocka_unit_test_setup(standard_descriptors_are_never_used,
				       make_good),
		cmocka_unit_test_setup(two_thousand_open_files_do_not_matter,
				       make_good),
		cmocka_unit_test_setup(an_agent_that_closes_raises_no_sigpipe,
				       make_good),
		cmocka_unit_test_setup(
			a_path_that_cannot_be_a_sockets_is_refused, make_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
