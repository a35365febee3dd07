/* SPDX-License-Identifier: PostgreSQL */
/* What is made of what a PgBouncer's console says, also one of a later version than
 * tests can start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "cluster/gateway/console.h"

struct gateway {
	struct pg_info *info;
	struct cluster_gateway_console c;
	struct cluster_gateway_console_facts f;
	struct text said;
};

static void note(void *arg, enum cluster_severity severity, const char *topic,
		 const char *sentence)
{
	struct gateway *g = arg;

	assert_string_equal(topic, "console");
	assert_non_null(strstr(sentence, "gateway gw1.example port 6432: "));
	text_printf(&g->said, "%s: %s\n",
		    severity == CLUSTER_FAIL ? "fail" :
		    severity == CLUSTER_WARN ? "warn" :
					       "note",
		    sentence);
}

static const char *judge(struct gateway *g)
{
	text_reset(&g->said);
	cluster_gateway_console_judge(&g->c, &g->f, note, g);
	return text_str(&g->said);
}

#define assert_finding(g, severity, words)                          \
	do {                                                        \
		const char *said_ = judge(g);                       \
		if (strstr(said_, severity ": ") == NULL ||         \
		    strstr(said_, words) == NULL)                   \
			fail_msg("no \"%s\" in: %s", words, said_); \
	} while (0)

static const char *const logins[] = { "sap", "crm" };
static const bool known[] = { false, true };

static int set_up(void **state)
{
	static struct gateway g;

	memset(&g, 0, sizeof(g));
	g.said = text_make(8192);
	assert_int_equal(pg_info_parse("host=gw1.example port=6432 dbname=app "
				       "sslmode=verify-full",
				       false, &g.info, NULL),
			 STATUS_OK);
	g.c = (struct cluster_gateway_console){ .info = g.info,
						.user = "look",
						.logins = logins,
						.n_logins = 2,
						.dbname = "app",
						.token_seconds = 3600 };
	g.f = (struct cluster_gateway_console_facts){
		.version = 118,
		.auth_type = "pam",
		.auth_file = "",
		.auth_user = "",
		.listen_addr = "*",
		.client_tls_sslmode = "require",
		.server_tls_sslmode = "verify-full",
		.server_lifetime = "2700",
		.verbose = "0",
		.found = true,
		.host = "db.example",
		.forced_user = "app_gateway",
		.known = known,
	};
	*state = &g;
	return 0;
}

static int tear_down(void **state)
{
	struct gateway *g = *state;

	pg_info_free(g->info);
	text_free(&g->said);
	return 0;
}

static void a_good_gateway_has_no_finding(void **state)
{
	assert_string_equal(judge(*state), "");
}

static void sessions_end_before_their_token_does(void **state)
{
	struct gateway *g = *state;

	g->f.server_lifetime = "3601";
	assert_finding(g, "warn",
		       "server_lifetime = 3601 keeps sessions at the server "
		       "for longer than its tokens live (3600 seconds)");
	g->f.server_lifetime = "3600";
	assert_string_equal(judge(g), "");
	/* A rotated role's password has no such end. */
	g->f.server_lifetime = "86400";
	g->c.token_seconds = 0;
	assert_string_equal(judge(g), "");
}

static void an_hba_file_may_choose_pam_from_1_24_on(void **state)
{
	struct gateway *g = *state;

	g->f.auth_type = "hba";
	assert_finding(g, "fail", "auth_type = hba does not ask");
	g->f.version = 123;
	assert_finding(g, "fail", "auth_type = hba does not ask");
	g->f.version = 124;
	assert_finding(g, "note", "see that each line for partners says pam");
	assert_null(strstr(judge(g), "fail: "));
}

static void who_came_by_pam_is_not_taken_for_an_entry(void **state)
{
	struct gateway *g = *state;

	g->f.auth_type = "hba";
	g->f.auth_file = "/etc/pgbouncer/userlist.txt";
	g->f.version = 125;
	assert_finding(g, "note", "login crm has logged in, or is in");
	assert_null(strstr(judge(g), "login sap"));
	assert_null(strstr(judge(g), "fail: "));
	g->f.version = 118;
	assert_finding(g, "fail", "login crm is in its auth_file");
}

static void a_server_on_the_host_may_be_trusted(void **state)
{
	struct gateway *g = *state;

	g->f.server_tls_sslmode = "prefer";
	assert_finding(g, "fail", "any host that answers as db.example");
	g->f.host = "127.0.0.1";
	assert_finding(g, "warn", "any host that answers as 127.0.0.1");
	g->f.host = "/run/postgresql";
	assert_string_equal(judge(g), "");
	/* Nor do clients by its socket need TLS. */
	g->f.listen_addr = "";
	g->f.client_tls_sslmode = "disable";
	assert_string_equal(judge(g), "");
}

static void a_database_must_be_able_to_be_used(void **state)
{
	struct gateway *g = *state;

	g->f.disabled = true;
	assert_finding(g, "fail", "its database app is disabled");
	g->f.found = false;
	assert_finding(g, "fail", "it has no database app");
	assert_null(strstr(judge(g), "disabled"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_gateway_has_no_finding),
		TEST(sessions_end_before_their_token_does),
		TEST(an_hba_file_may_choose_pam_from_1_24_on),
		TEST(who_came_by_pam_is_not_taken_for_an_entry),
		TEST(a_server_on_the_host_may_be_trusted),
		TEST(a_database_must_be_able_to_be_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
