/* SPDX-License-Identifier: PostgreSQL */
/* agent_serve_client: who may have how many connections, and for how long.  The
 * sockets and the users are real; the clock is a fake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/access/groups.h"
#include "agent/serve/client.h"
#include "base/file.h"
#include "base/text.h"
#include "wire/wire.h"

struct world {
	struct agent a;
	struct now now;
	int64_t us;
	char folder[64];
	struct sockaddr_un at;
};

static int64_t boot(void *self)
{
	return ((struct world *)self)->us;
}

/* The role's settings say who has a right. */
static void configure(struct world *w, const char *role)
{
	struct text t = text_make(4096);
	struct reason why = { "" };
	char path[80];

	snprintf(path, sizeof(path), "%s/agent.conf", w->folder);
	text_printf(&t,
		    "[keyturn]\nledger = %s/ledger.db\naudit_key = "
		    "%s/audit.key\n[cluster main]\nconninfo = host=127.0.0.1 "
		    "port=1 user=admin dbname=app sslmode=verify-full\n"
		    "[role sap]\ncluster = main\n%s",
		    w->folder, w->folder, role);
	assert_int_equal(file_create(path, text_str(&t), t.len, 0600, NULL),
			 STATUS_OK);
	text_free(&t);
	if (config_load(path, &w->a.config, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(agent_access_groups_new(w->a.config, false,
						 &w->a.groups, &why),
			 STATUS_OK);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct agent_watch *l;

	assert_non_null(w);
	text_copy(w->folder, sizeof(w->folder), "/tmp/keyturn-test.XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	w->us = 1000 * NOW_SECOND;
	w->now = (struct now){ boot, boot, NULL, w };
	w->a.now = &w->now;
	w->a.settings.clients = 2048;
	w->a.settings.clients_per_user = 512;
	w->a.epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(secret_new(WIRE_REQUEST_MAX, &w->a.inbox), STATUS_OK);
	assert_int_equal(secret_new(WIRE_REPLY_MAX, &w->a.outbox), STATUS_OK);
	w->at.sun_family = AF_UNIX;
	snprintf(w->at.sun_path, sizeof(w->at.sun_path), "%s/agent.sock",
		 w->folder);
	l = &w->a.listeners[AGENT_SOURCE_AGENT];
	*l = (struct agent_watch){ AGENT_SOURCE_AGENT,
				   socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK,
					  0) };
	assert_int_equal(bind(l->fd, (struct sockaddr *)&w->at, sizeof(w->at)),
			 0);
	assert_int_equal(listen(l->fd, 100), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	agent_serve_client_close_all(&w->a);
	assert_int_equal(w->a.n_clients, 0);
	assert_int_equal(w->a.n_strangers, 0);
	close(w->a.listeners[AGENT_SOURCE_AGENT].fd);
	close(w->a.epoll);
	agent_access_groups_free(w->a.groups);
	config_free(w->a.config);
	secret_free(w->a.inbox);
	secret_free(w->a.outbox);
	unlink(w->at.sun_path);
	rmdir(w->folder);
	free(w);
	return 0;
}

static int come(struct world *w)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&w->at, sizeof(w->at)),
			 0);
	agent_serve_client_accept(&w->a, &w->a.listeners[AGENT_SOURCE_AGENT]);
	return fd;
}

static bool is_ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void pass(struct world *w, int64_t us)
{
	w->us += us;
	agent_serve_client_tick(&w->a);
	agent_serve_client_turn(&w->a);
}

static void known(struct world *w)
{
	char role[64];

	snprintf(role, sizeof(role), "readers = uid:%ld\n", (long)getuid());
	configure(w, role);
}

static void an_idle_connection_ends_after_half_a_minute(void **state)
{
	struct world *w = *state;
	int fd;

	known(w);
	fd = come(w);
	pass(w, 30 * NOW_SECOND);
	assert_false(is_ended(fd));
	assert_int_equal(w->a.n_clients, 1);
	pass(w, 1);
	assert_true(is_ended(fd));
	assert_int_equal(w->a.n_clients, 0);
	close(fd);
}

static void a_request_that_drips_ends_after_a_second(void **state)
{
	struct world *w = *state;
	int fd;

	known(w);
	fd = come(w);
	pass(w, 20 * NOW_SECOND);
	assert_int_equal(send(fd, "K", 1, 0), 1);
	agent_serve_client_ready(&w->a, w->a.clients, EPOLLIN);
	pass(w, NOW_SECOND);
	assert_false(is_ended(fd));
	pass(w, 1);
	assert_true(is_ended(fd));
	close(fd);
}

static void one_without_any_right_has_few_connections(void **state)
{
	struct world *w = *state;
	int fd[9];

	configure(w, "");
	for (int i = 0; i < 9; i++)
		fd[i] = come(w);
	for (int i = 0; i < 8; i++)
		assert_false(is_ended(fd[i]));
	assert_true(is_ended(fd[8]));
	assert_int_equal(w->a.n_strangers, 8);
	for (int i = 0; i < 9; i++)
		close(fd[i]);
}

/* However many users they are. */
static void all_without_any_right_share_an_eighth(void **state)
{
	struct world *w = *state;
	struct agent_access_groups *strict;
	struct config *config;
	int fd[4], mine;

	w->a.settings.clients = 24;
	configure(w, "");
	for (int i = 0; i < 4; i++)
		fd[i] = come(w);
	for (int i = 0; i < 3; i++)
		assert_false(is_ended(fd[i]));
	assert_true(is_ended(fd[3]));
	/* Who has a right is not kept out by them. */
	strict = w->a.groups;
	config = w->a.config;
	known(w);
	agent_access_groups_free(strict);
	config_free(config);
	mine = come(w);
	assert_false(is_ended(mine));
	assert_int_equal(w->a.n_clients, 4);
	assert_int_equal(w->a.n_strangers, 3);
	/* And their places are free again when they are gone. */
	pass(w, 31 * NOW_SECOND);
	assert_int_equal(w->a.n_strangers, 0);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	close(mine);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_idle_connection_ends_after_half_a_minute),
		TEST(a_request_that_drips_ends_after_a_second),
		TEST(one_without_any_right_has_few_connections),
		TEST(all_without_any_right_share_an_eighth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
