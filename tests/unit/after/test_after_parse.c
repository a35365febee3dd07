/* SPDX-License-Identifier: PostgreSQL */
/* The setting "after": what is understood, and one sentence for what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "after/after.h"
#include "after/after_internal.h"
#include "base/now.h"

#define CONSOLE "pgbouncer-admin host=127.0.0.1 user=ops"

static struct reason why;

static struct after *parsed(const char *value)
{
	struct after *a = NULL;

	reason_clear(&why);
	if (after_parse(value, false, &a, &why) != STATUS_OK)
		fail_msg("%s: %s", value, why.text);
	return a;
}

static void a_step_has_a_name_without_options(void **state)
{
	static const struct {
		const char *value, *name;
	} rows[] = {
		{ "systemd-reload app.service", "systemd-reload app.service" },
		{ "systemd-restart app@1.service timeout=2m",
		  "systemd-restart app@1.service" },
		{ "systemd-reload dev\\x2ddisk.service",
		  "systemd-reload dev\\x2ddisk.service" },
		{ "signal HUP /run/app.pid", "signal HUP /run/app.pid" },
		{ "signal\tHUP \n /run/app.pid ", "signal HUP /run/app.pid" },
		{ CONSOLE, "pgbouncer-admin 127.0.0.1 port 6432" },
		{ CONSOLE " passfile=/etc/keyturn/ops.pgpass port=7000",
		  "pgbouncer-admin 127.0.0.1 port 7000" },
		{ "pgbouncer-admin user=ops",
		  "pgbouncer-admin local socket port 6432" },
		{ "pgbouncer-admin host='/run/a b' user=ops",
		  "pgbouncer-admin /run/a b port 6432" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct after *a = parsed(rows[i].value);

		assert_string_equal(after_name(a), rows[i].name);
		after_free(a);
	}
	after_free(NULL);
}

static void options_are_taken_out_of_the_conninfo(void **state)
{
	struct after *a = parsed(
		CONSOLE " passfile=/p dbname=pgbouncer prove=shop\n"
			"\tprove_user=app timeout=10m application_name='a b'");

	(void)state;
	assert_int_equal(a->kind, AFTER_PGBOUNCER);
	assert_string_equal(a->passfile, "/p");
	assert_string_equal(a->prove, "shop");
	assert_string_equal(a->prove_user, "app");
	assert_false(a->prove_no);
	assert_int_equal(a->timeout_us, 600 * NOW_SECOND);
	assert_string_equal(pg_info_get(a->console, "dbname"), "pgbouncer");
	assert_string_equal(pg_info_get(a->console, "application_name"), "a b");
	after_free(a);
	a = parsed(CONSOLE " prove=no");
	assert_true(a->prove_no);
	assert_int_equal(a->timeout_us, 30 * NOW_SECOND);
	after_free(a);
}

static void an_endpoint_is_known_by_host_and_port(void **state)
{
	struct after *a = parsed(CONSOLE " port=6000");
	struct after *unit = parsed("systemd-reload app.service");

	(void)state;
	assert_true(after_is_endpoint(
		a, "host=127.0.0.1 port=6000 dbname=x sslmode=disable"));
	assert_true(after_is_endpoint(a, "postgresql://127.0.0.1:6000/shop"));
	assert_false(after_is_endpoint(a, "host=127.0.0.1 dbname=x"));
	assert_false(after_is_endpoint(a, "host=127.0.0.2 port=6000"));
	assert_false(after_is_endpoint(a, "no conninfo"));
	assert_false(after_is_endpoint(unit, "host=127.0.0.1 port=6000"));
	after_free(a);
	after_free(unit);
}

static void what_is_not_understood_has_a_sentence(void **state)
{
	static const struct {
		const char *value, *words;
	} rows[] = {
		{ "", "\"\" is not known; write pgbouncer-admin" },
		{ "reload app.service", "\"reload\" is not known" },
		/* units */
		{ "systemd-reload", "\"\" is not the name of a service" },
		{ "systemd-reload app", "\"app\" is not the name" },
		{ "systemd-reload --force.service", "--force.service" },
		{ "systemd-reload app*.service", "app*.service" },
		{ "systemd-reload reboot.target", "reboot.target" },
		{ "systemd-reload app@.service", "app@.service" },
		{ "systemd-reload .service", "is not the name" },
		{ "systemd-reload /etc/app.service", "/etc/app.service" },
		{ "systemd-restart keyturnd.service", "is keyturnd itself" },
		{ "systemd-restart a.service b.service",
		  "\"b.service\" is not known" },
		{ "systemd-restart a.service timeout=0s", "from 1s to 10m" },
		{ "systemd-restart a.service timeout=11m", "from 1s to 10m" },
		{ "systemd-restart a.service timeout=soon", "timeout" },
		/* signals */
		{ "signal", "\"\" is not a signal" },
		{ "signal TERM /run/app.pid", "\"TERM\" is not a signal" },
		{ "signal HUP", "pidfile \"\"" },
		{ "signal HUP app.pid", "pidfile \"app.pid\"" },
		{ "signal HUP /run/app.pid timeout=3s", "one word too many" },
		/* consoles */
		{ "pgbouncer-admin", "user=USER is missing" },
		{ "pgbouncer-admin host=127.0.0.1", "user=USER is missing" },
		{ "pgbouncer-admin postgresql://ops@127.0.0.1/pgbouncer",
		  "not as a URI" },
		{ CONSOLE " password=P4ssword", "holds a password" },
		{ CONSOLE " dbname=shop", "name the database" },
		{ CONSOLE " port=1,2", "port lists 2" },
		{ "pgbouncer-admin host=/a,/b user=ops",
		  "each PgBouncer is a step" },
		{ CONSOLE " passfile=ops.pgpass", "passfile \"ops.pgpass\"" },
		{ CONSOLE " prove=no prove=shop", "exclude each other" },
		{ CONSOLE " prove=pgbouncer", "and not pgbouncer" },
		{ CONSOLE " prove=", "prove= is not a name" },
		{ CONSOLE " prove_user=app", "needs prove=DATABASE" },
		{ CONSOLE " RELOAD", "\"RELOAD\" is not KEYWORD=VALUE" },
		{ CONSOLE " hots=x", "is not a libpq connection string" },
		{ CONSOLE " service=x", "conninfo may not hold \"service\"" },
		{ "pgbouncer-admin host=db.example.com user=ops sslmode=require",
		  "sslmode=verify-full" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct after *a = NULL;

		reason_clear(&why);
		assert_int_equal(after_parse(rows[i].value, false, &a, &why),
				 STATUS_CONFIG);
		assert_null(a);
		if (strstr(why.text, rows[i].words) == NULL ||
		    strstr(why.text, "after") != why.text)
			fail_msg("%s: %s", rows[i].value, why.text);
		assert_null(strstr(why.text, "P4ssword"));
	}
}

static void where_it_is_allowed_a_console_may_be_without_tls(void **state)
{
	struct after *a = NULL;

	(void)state;
	assert_int_equal(
		after_parse("pgbouncer-admin host=db.example.com user=ops "
			    "sslmode=require",
			    true, &a, &why),
		STATUS_OK);
	after_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_has_a_name_without_options),
		cmocka_unit_test(options_are_taken_out_of_the_conninfo),
		cmocka_unit_test(an_endpoint_is_known_by_host_and_port),
		cmocka_unit_test(what_is_not_understood_has_a_sentence),
		cmocka_unit_test(
			where_it_is_allowed_a_console_may_be_without_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
