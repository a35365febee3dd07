/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/notify.h"

static int manager = -1;
static char path[108];

static int listen_on(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(name);

	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(manager >= 0);
	memcpy(a.sun_path, name, n);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	assert_int_equal(
		bind(manager, (struct sockaddr *)&a,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
		0);
	return setenv("NOTIFY_SOCKET", name, 1);
}

static int begin(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/keyturn-notify-%d", (int)getpid());
	unlink(path);
	return listen_on(path);
}

static int end(void **state)
{
	(void)state;
	if (manager >= 0)
		close(manager);
	manager = -1;
	unlink(path);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static const char *heard(void)
{
	static char bytes[8192];
	ssize_t n = recv(manager, bytes, sizeof(bytes) - 1, 0);

	bytes[n > 0 ? n : 0] = '\0';
	return bytes;
}

static void a_message_is_one_datagram(void **state)
{
	(void)state;
	assert_true(notify_wanted());
	assert_int_equal(notify_send("READY=1\nSTATUS=well"), STATUS_OK);
	assert_string_equal(heard(), "READY=1\nSTATUS=well");
	assert_int_equal(notify_sendf("EXTEND_TIMEOUT_USEC=%d", 5), STATUS_OK);
	assert_string_equal(heard(), "EXTEND_TIMEOUT_USEC=5");
}

static void an_abstract_socket_is_reached(void **state)
{
	char name[64];

	(void)state;
	close(manager);
	snprintf(name, sizeof(name), "@keyturn-notify-%d", (int)getpid());
	assert_int_equal(listen_on(name), 0);
	assert_int_equal(notify_send("READY=1"), STATUS_OK);
	assert_string_equal(heard(), "READY=1");
}

static void a_status_cannot_forge_another_line(void **state)
{
	(void)state;
	assert_int_equal(notify_status("role %s", "sap\nMAINPID=1"), STATUS_OK);
	assert_string_equal(heard(), "STATUS=role sap\\x0aMAINPID=1");
}

static void a_reload_carries_the_time(void **state)
{
	long long us = 0;

	(void)state;
	assert_int_equal(notify_reloading(), STATUS_OK);
	assert_int_equal(
		sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%lld", &us), 1);
	assert_true(us > 0);
}

static void nobody_listening_is_no_failure(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_false(notify_wanted());
	assert_int_equal(notify_send("READY=1"), STATUS_OK);
	assert_int_equal(notify_store_fds("a", &manager, 1), STATUS_NOT_FOUND);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_false(notify_wanted());
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	assert_int_equal(notify_send("READY=1"), STATUS_ERROR);
}

static void a_full_socket_does_not_block(void **state)
{
	enum status s = STATUS_OK;

	(void)state;
	for (int i = 0; i < 100000 && s == STATUS_OK; i++)
		s = notify_send("WATCHDOG=1");
	assert_int_equal(s, STATUS_ERROR);
}

static void *make_room(void *arg)
{
	const struct timespec a_little = { .tv_nsec = 50000000L };

	(void)arg;
	nanosleep(&a_little, NULL);
	return strcmp(heard(), "WATCHDOG=1") == 0 ? arg : NULL;
}

static void readiness_is_not_lost_on_a_full_socket(void **state)
{
	enum status s = STATUS_OK;
	const char *last = "", *next;
	pthread_t manager_reads;
	void *right = NULL;

	for (int i = 0; i < 100000 && s == STATUS_OK; i++)
		s = notify_send("WATCHDOG=1");
	assert_int_equal(s, STATUS_ERROR);
	assert_int_equal(
		pthread_create(&manager_reads, NULL, make_room, &state), 0);
	s = notify_send("READY=1");
	assert_int_equal(pthread_join(manager_reads, &right), 0);
	assert_ptr_equal(right, &state);
	assert_int_equal(s, STATUS_OK);
	while (*(next = heard()))
		last = strcmp(next, "READY=1") == 0 ? "ready" : "other";
	assert_string_equal(last, "ready");
}

static void a_manager_that_never_reads_is_not_waited_for(void **state)
{
	struct timespec from, to;

	(void)state;
	while (notify_send("WATCHDOG=1") == STATUS_OK)
		;
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(notify_send("READY=1"), STATUS_ERROR);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true(to.tv_sec - from.tv_sec < 20);
}

static void descriptors_are_handed_over_and_forgotten(void **state)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 2)];
	} control;
	char bytes[256];
	struct iovec io = { bytes, sizeof(bytes) - 1 };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	int fds[2], got[2];
	struct stat a, b;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(notify_store_fds("cache", fds, 2), STATUS_OK);
	n = recvmsg(manager, &m, 0);
	assert_true(n > 0);
	bytes[n] = '\0';
	assert_string_equal(bytes, "FDSTORE=1\nFDNAME=cache");
	assert_non_null(CMSG_FIRSTHDR(&m));
	memcpy(got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
	for (int i = 0; i < 2; i++) {
		fstat(fds[i], &a);
		fstat(got[i], &b);
		assert_int_equal(a.st_ino, b.st_ino);
		close(fds[i]);
		close(got[i]);
	}
	assert_int_equal(notify_forget_fds("cache"), STATUS_OK);
	assert_string_equal(heard(), "FDSTOREREMOVE=1\nFDNAME=cache");
}

static void the_watchdog_is_fed_twice_in_its_time(void **state)
{
	char pid[32];

	(void)state;
	assert_int_equal(notify_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(notify_watchdog_us(), 15000000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_us(), 15000000);
	setenv("WATCHDOG_USEC", "12x", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "-5", 1);
	assert_int_equal(notify_watchdog_us(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(a_message_is_one_datagram),
		T(an_abstract_socket_is_reached),
		T(a_status_cannot_forge_another_line),
		T(a_reload_carries_the_time),
		T(nobody_listening_is_no_failure),
		T(a_full_socket_does_not_block),
		T(readiness_is_not_lost_on_a_full_socket),
		T(a_manager_that_never_reads_is_not_waited_for),
		T(descriptors_are_handed_over_and_forgotten),
		T(the_watchdog_is_fed_twice_in_its_time),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
