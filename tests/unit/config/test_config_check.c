/* SPDX-License-Identifier: PostgreSQL */
/* What values and references must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config_conninfo.h"
#include "config/config_grant.h"
#include "config_tree.h"

#define CLUSTER "[cluster main]\nconninfo = host=db\n"
#define ROLE	"[role r]\ncluster = main\n"

#define LAKE "[token lake]\ntype = databricks\n"

static void a_token_s_settings_are_of_its_type(void **state)
{
	(void)state;
	config_tree_load(LAKE "endpoint = projects/p/branches/b/endpoints/e\n"
			      "ttl = 15m\nreaders = user:app\n"
			      "[sink app]\ntoken = lake\n"
			      "file = pgpass /x/y\n");
	config_tree_bad("[token lake]\ntype = oracle\n",
			"2: [token lake] type: must be databricks, aws-rds, "
			"azure or gcp, not \"oracle\"");
	config_tree_bad("[token lake]\nttl = 15m\n",
			"1: [token lake] lacks the setting \"type\"");
	config_tree_bad("[token lake]\ntype = gcp\nttl = 15m\n",
			"3: [token lake] ttl: has no effect in a token of "
			"type gcp");
	config_tree_bad(LAKE "ttl = 4m\n",
			"3: [token lake] ttl: must be 5m to 1h, or 0s");
	config_tree_bad(LAKE "auth = managed-identity\n",
			"3: [token lake] auth: must be oauth-m2m, pat, "
			"file-oidc, env-oidc or github-oidc, not "
			"\"managed-identity\"");
	config_tree_bad(LAKE "client_secret_file = dose0123\n",
			"3: [token lake] client_secret_file: must be /PATH, "
			"credential:NAME or environment; secrets are never "
			"settings");
	config_tree_bad(LAKE "endpoint = e\ninstance = i\n",
			"4: [token lake] instance: is of Lakebase Provisioned "
			"and endpoint of Autoscaling; set one of them");
	config_tree_bad(LAKE "readers = app\n",
			"3: [token lake] readers: \"app\" is not "
			"user:NAME, uid:N, group:NAME or gid:N");
	config_tree_bad("[token db]\ntype = aws-rds\nhost = db\n",
			"1: [token db] needs user");
	config_tree_bad(LAKE "port = 70000\n",
			"3: [token lake] port: 70000 is out of range, 1 to "
			"65535");
	config_tree_bad("[sink app]\ntoken = lake\nfile = env /x\n",
			"2: [sink app] token: there is no [token lake]");
}

static void a_bad_number_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\njobs = four\n",
			"2: [keyturn] jobs: \"four\" is not a whole number");
	config_tree_bad("[keyturn]\njobs = -1\n",
			"2: [keyturn] jobs: \"-1\" is not a whole number");
	config_tree_bad("[keyturn]\njobs = 18446744073709551620\n",
			"2: [keyturn] jobs: \"18446744073709551620\" is not a "
			"whole number");
}

static void a_number_out_of_range_names_the_range(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\njobs = 65\n",
			"2: [keyturn] jobs: 65 is out of range, 1 to 64");
	config_tree_bad("[keyturn]\njobs = 0\n",
			"2: [keyturn] jobs: 0 is out of range, 1 to 64");
	config_tree_bad("[policy p]\nlength = 19\n",
			"2: [policy p] length: 19 is out of range, 20 to 512");
}

static void a_bad_duration_is_refused(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER "lock_timeout = 5\n",
			"3: [cluster main] lock_timeout: \"5\" is not a "
			"duration; write a number and one unit: 90s, 15m, 36h, "
			"30d or 2w");
	config_tree_bad(CLUSTER "lock_timeout = 0s\n",
			"3: [cluster main] lock_timeout: 0s is out of range, "
			"1s to 600s");
	config_tree_bad(CLUSTER "lock_timeout = 11m\n",
			"3: [cluster main] lock_timeout: 11m is out of range, "
			"1s to 600s");
}

static void a_bad_switch_is_refused(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER "insecure = 1\n",
			"3: [cluster main] insecure: \"1\" is neither yes, on, "
			"true nor no, off, false");
}

static void every_spelling_of_a_switch_is_read(void **state)
{
	static const char *const words[] = { "yes", "on",    "true",
					     "no",  "False", "OFF" };
	char text[100];

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		snprintf(text, sizeof(text), CLUSTER "insecure = %s\n",
			 words[i]);
		assert_int_equal(config_bool(config_at(config_tree_load(text),
						       CONFIG_SECTION_cluster,
						       0),
					     CONFIG_cluster_insecure),
				 i < 3);
	}
}

static void an_empty_value_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\ntimezone =\n",
			"2: [keyturn] timezone: has no value; leave the line "
			"out for the default");
	config_tree_bad("[keyturn]\njobs = ; four\n",
			"2: [keyturn] jobs: \"\" is not a whole number");
}

static void an_empty_symbol_set_is_a_value(void **state)
{
	const struct config *c = config_tree_load("[policy p]\nsymbols =\n");
	const struct config_group *g = config_at(c, CONFIG_SECTION_policy, 0);

	(void)state;
	assert_true(config_is_set(g, CONFIG_policy_symbols));
	assert_string_equal(config_string(g, CONFIG_policy_symbols), "");
}

static void a_relative_path_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[store local]\nkey = store.key\n",
			"2: [store local] key: must be an absolute path");
	config_tree_bad("[keyturn]\nledger = ledger.db\n",
			"2: [keyturn] ledger: must be an absolute path");
}

static void a_ledger_in_a_server_is_not_available(void **state)
{
	(void)state;
	config_tree_bad("[keyturn]\nledger = postgresql://db/keyturn\n",
			"2: [keyturn] ledger: a ledger in a server is not "
			"available in this release; name a SQLite file");
}

static void a_missing_required_setting_is_named(void **state)
{
	(void)state;
	config_tree_bad("[cluster main]\nhost = x\n",
			"1: [cluster main] lacks the setting \"conninfo\"");
	config_tree_bad("\n[role r]\n",
			"2: [role r] lacks the setting \"cluster\"");
}

static void a_reference_to_nothing_is_refused(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER "[role r]\ncluster = mian\n",
			"4: [role r] cluster: there is no [cluster mian]");
	config_tree_bad(CLUSTER ROLE "store = vault\n",
			"5: [role r] store: there is no [store vault]");
	config_tree_bad(CLUSTER ROLE "policy = strong\n",
			"5: [role r] policy: there is no [policy strong]");
}

static void a_reference_may_point_forward_and_to_another_file(void **state)
{
	const struct config *c;

	(void)state;
	config_tree_write("conf.d/p.conf", "[policy strong]\n", 16);
	c = config_tree_load(ROLE "policy = strong\n" CLUSTER);
	assert_string_equal(config_string(config_at(c, CONFIG_SECTION_role, 0),
					  CONFIG_role_policy),
			    "strong");
}

static void other_stores_and_strategies_are_not_available(void **state)
{
	(void)state;
	config_tree_bad("[store v]\ntype = sops\n",
			"2: [store v] type: must be local, vault or aws, not "
			"\"sops\"");
	config_tree_bad(CLUSTER ROLE "strategy = twice\n",
			"5: [role r] strategy: must be single or alternating, "
			"not \"twice\"");
}

static void a_pair_has_two_members_and_what_can_keep_it(void **state)
{
#define PAIR CLUSTER ROLE "strategy = alternating\n"
	(void)state;
	config_tree_load(PAIR "members = a b\ntombstone = 1d\n");
	config_tree_bad(PAIR, "3: [role r] needs members = A B, the two login "
			      "roles of strategy = alternating");
	config_tree_bad(PAIR "members = abc\n",
			"6: [role r] members: must name two roles");
	config_tree_bad(PAIR "members = a b c\n",
			"6: [role r] members: must name two roles");
	config_tree_bad(PAIR "members = a a\n",
			"6: [role r] members: names one role twice");
	config_tree_bad(PAIR "members = a r\n",
			"6: [role r] members: has the owner (r) among them; "
			"the members are two other roles");
	config_tree_bad(PAIR "members = a b\nowner = o\nrolname = p\n",
			"7: [role r] owner: and rolname are the same thing "
			"here; set one");
	config_tree_bad(CLUSTER ROLE "members = a b\n",
			"5: [role r] members: has no effect without strategy = "
			"alternating");
	config_tree_bad(CLUSTER ROLE "tombstone = 1d\n",
			"5: [role r] tombstone: has no effect without strategy "
			"= alternating");
	config_tree_bad(
		PAIR "members = a b\nsink = pgpass /x\n",
		"7: [role r] sink: is a pgpass file alone, which cannot "
		"tell a client the user, and that changes with each "
		"rotation; add a sink that can (service, env), or let "
		"clients use keyturn-credential");
	config_tree_load(PAIR "members = a b\nsink = pgpass /x\n"
			      "sink = service /y\n");
	config_tree_load("[store a]\ntype = aws\n" PAIR
			 "members = a b\nstore = a\n");
	config_tree_load(PAIR "members = a b\nconsumers = app:etl\n"
			      "retire = auto\nquiet = 2h\n");
	config_tree_bad(PAIR "members = a b\nretire = auto\n",
			"7: [role r] retire: auto needs consumers, who must "
			"have been seen with the new password before the old "
			"one ends");
	config_tree_bad(CLUSTER ROLE "consumers = app:x\nretire = auto\n",
			"6: [role r] retire: has no effect without strategy = "
			"alternating");
	config_tree_bad(CLUSTER ROLE "quiet = 2h\n",
			"5: [role r] quiet: has no effect without strategy = "
			"alternating");
	config_tree_bad(CLUSTER ROLE "delivery = cpi\n",
			"5: [role r] delivery: there is no [delivery cpi]");
	config_tree_bad(
		"[delivery cpi]\ncommand = cpi\nuser = u\n",
		"2: [delivery cpi] command: must begin with the absolute "
		"path of a program; no shell looks for it");
	config_tree_bad("[delivery cpi]\ncommand = /cpi\n",
			"1: [delivery cpi] lacks the setting \"user\"");
	config_tree_bad("[delivery a]\ncommand = /a\nuser = u\n" CLUSTER ROLE
			"delivery = a\ndelivery = a\n",
			"8: [role r] delivery: a is there twice");
	config_tree_bad(CLUSTER ROLE "handoff_deadline = 14d\n",
			"5: [role r] handoff_deadline: has no effect without "
			"handoff = manual");
	config_tree_bad(CLUSTER ROLE
			"handoff = manual\ndeadline_action = retire\n",
			"6: [role r] deadline_action: retire needs "
			"handoff_deadline");
	config_tree_bad(PAIR "members = a b\n[role b]\ncluster = main\n",
			"7: [role b] and [role r] at @/keyturn.conf:3 are "
			"the same role of the same cluster");
#undef PAIR
}

static void a_setting_of_another_type_of_store_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[store a]\ntype = aws\npath = /x\n",
			"3: [store a] path: has no effect in a store of type "
			"aws");
	config_tree_bad("[store l]\nregion = eu-central-1\n",
			"2: [store l] region: has no effect in a store of type "
			"local");
}

static void a_vault_has_an_address_with_a_scheme(void **state)
{
	(void)state;
	config_tree_bad("[store v]\ntype = vault\n",
			"1: [store v] lacks the setting \"address\"");
	config_tree_bad("[store v]\ntype = vault\naddress = vault:8200\n",
			"3: [store v] address: must begin with https://");
	config_tree_bad("[store v]\ntype = vault\naddress = https://v\n"
			"auth = ldap\n",
			"4: [store v] auth: must be token, approle, "
			"kubernetes, jwt or cert, not \"ldap\"");
	config_tree_bad("[store v]\nnamespace = a\n",
			"2: [store v] namespace: has no effect in a store of "
			"type local");
}

static void an_interval_that_fills_a_secret_up_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[store a]\ntype = aws\n" CLUSTER ROLE
			"store = a\nevery = 14m\n",
			"8: [role r] every: is too often for AWS, which keeps "
			"100 versions for 24 hours; at least 15m");
	config_tree_load("[store a]\ntype = aws\n" CLUSTER ROLE
			 "store = a\nevery = 15m\n");
	config_tree_bad("[store a]\ntype = aws\n" CLUSTER ROLE
			"strategy = alternating\n"
			"members = a b\nstore = a\nevery = 29m\n",
			"10: [role r] every: is too often for AWS, which keeps "
			"100 versions for 24 hours; at least 30m");
	config_tree_load("[store a]\ntype = aws\n" CLUSTER ROLE
			 "strategy = alternating\n"
			 "members = a b\nstore = a\nevery = 30m\n");
}

static void schedule_and_every_exclude_each_other(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER ROLE "schedule = 0 3 * * sun\nevery = 30d\n",
			"6: [role r] every: schedule is set at "
			"@/keyturn.conf:5; a role has one or the other");
}

static void an_interval_is_a_duration_and_not_zero(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER ROLE "every = monthly\n",
			"5: [role r] every: \"monthly\" is not a duration; "
			"write a number and one unit: 90s, 15m, 36h, 30d or "
			"2w");
	config_tree_bad(CLUSTER ROLE "every = 0d\n",
			"5: [role r] every: must be greater than zero");
	config_tree_bad(CLUSTER ROLE "every = 1d\nsplay = 1\n",
			"6: [role r] splay: \"1\" is not a duration; write a "
			"number and one unit: 90s, 15m, 36h, 30d or 2w");
}

static void a_window_without_a_schedule_is_refused(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER ROLE "window = 01:00-05:00\n",
			"5: [role r] window: has no effect without schedule or "
			"every");
}

static void an_unknown_class_of_characters_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[policy p]\nrequire = upper lower  digits\n",
			"2: [policy p] require: must be upper, lower, digit or "
			"symbol, not \"digits\"");
}

static void a_role_name_has_at_most_63_bytes(void **state)
{
	const struct config *c;
	char text[300];

	(void)state;
	snprintf(text, sizeof(text), CLUSTER ROLE "rolname = %063d\n", 1);
	c = config_tree_load(text);
	assert_int_equal(
		strlen(config_string(config_at(c, CONFIG_SECTION_role, 0),
				     CONFIG_role_rolname)),
		63);
	snprintf(text, sizeof(text), CLUSTER ROLE "rolname = %064d\n", 1);
	config_tree_bad(text, "5: [role r] rolname: has 64 bytes, and may have "
			      "1 to 63");
}

static void an_awkward_role_name_is_kept_as_it_is(void **state)
{
	const struct config *c = config_tree_load(
		CLUSTER ROLE "rolname = 'a\"b';DROP 100%s s\xc3\xa4p\n");

	(void)state;
	assert_string_equal(config_string(config_at(c, CONFIG_SECTION_role, 0),
					  CONFIG_role_rolname),
			    "'a\"b';DROP 100%s s\xc3\xa4p");
}

static void one_login_in_two_sections_is_refused(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER ROLE "[role other]\ncluster = main\n"
				     "rolname = r\n",
			"5: [role other] and [role r] at @/keyturn.conf:3 are "
			"the same role of the same cluster");
	config_tree_load(CLUSTER ROLE
			 "[cluster b]\nconninfo = host=b\n[role other]\n"
			 "cluster = b\nrolname = r\n");
}

/* Two sections for the role r, the first on db.example. */
static const char *two_clusters(const char *other)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		 "[cluster main]\nconninfo = host=db.example\n"
		 "[role r]\ncluster = main\n"
		 "[cluster b]\nconninfo = %s\n[role other]\n"
		 "cluster = b\nrolname = r\n",
		 other);
	return text;
}

static void one_login_of_one_server_in_two_clusters_is_refused(void **state)
{
	static const char *const same[] = {
		"host=DB.example.",
		"port=5432 host='db.example'",
		"host=standby,db.example",
		"host=standby,db.example port=6432,5432 user=x",
		"hostaddr=10.0.0.1 host = db.example dbname=other",
		"postgresql://u@db.example/other",
		"postgres://standby:6432,db.example:5432?sslmode=require",
		"postgresql:///other?host=db%2Eexample&port=5432",
	};
	static const char *const apart[] = {
		"host=db.example port=5433",
		"host=db",
		"host=db.example.org",
		"user=host=db.example",
		"host=standby,db.example port=5432,6432",
		"postgresql://db.example:6432/other",
		"postgresql://db.example@standby/other",
		"postgresql://[::1]:5432/other",
		"dbname=other",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		config_tree_bad(two_clusters(same[i]),
				"3: [role r] and [role other] at "
				"@/keyturn.conf:7 are the same role of one "
				"server: db.example:5432 is in [cluster b] and "
				"in [cluster main]");
	for (size_t i = 0; i < sizeof(apart) / sizeof(*apart); i++)
		config_tree_load(two_clusters(apart[i]));
	/* No host is the local socket. */
	config_tree_bad("[cluster main]\nconninfo = dbname=a\n"
			"[role r]\ncluster = main\n"
			"[cluster b]\nconninfo = dbname=b\n[role other]\n"
			"cluster = b\nrolname = r\n",
			"3: [role r] and [role other] at @/keyturn.conf:7 are "
			"the same role of one server: :5432 is in [cluster b] "
			"and in [cluster main]");
}

static void a_password_in_a_connection_string_is_refused(void **state)
{
	(void)state;
	config_tree_bad("[cluster main]\nconninfo = host=db "
			"password=hunter2\n",
			"2: [cluster main] conninfo: holds a password; secrets "
			"are never settings, they are files: use "
			"admin_passfile for the administrator's password");
	config_tree_bad(CLUSTER "endpoint = host=db\n"
				"endpoint = postgresql://u:hunter2@db/x\n",
			"4: [cluster main] endpoint: holds a password; secrets "
			"are never settings, they are files: use "
			"admin_passfile for the administrator's password");
	config_tree_bad("[cluster main]\nconninfo = host=db\n"
			"\tpassword = 'hunter 2'\n",
			"2: [cluster main] conninfo: holds a password; secrets "
			"are never settings, they are files: use "
			"admin_passfile for the administrator's password");
}

#define GATE "[cluster gate]\ntype = gateway\n"

static void an_endpoint_of_a_gateway_is_a_server_with_a_database(void **state)
{
	static const char *const good[] = {
		GATE "endpoint = host=gw dbname=a\nagent = /run/a.sock\n",
		GATE "endpoint = postgresql://gw/a\n",
		GATE "endpoint = postgresql://gw?dbname=a\n",
		GATE "endpoint = host=gw\nprove_dbname = a\n",
		GATE "endpoint = host=gw\ndbname = a\n",
		GATE "endpoint = host=gw dbname=a\n"
		     "endpoint = host=gw port=6432 dbname=a\n",
	};
	static const char *const nowhere[] = {
		"host=gw",
		"host=gw dbname=",
		"host=gw dbname=''",
		"postgresql://gw",
		"postgresql://gw/",
		"postgresql://gw/?sslmode=require",
		"postgresql://gw?dbname=",
	};
	static const char *const who[] = {
		"host=gw user=u dbname=a",
		"user = 'u v' host=gw dbname=a",
		"postgresql://u@gw/a",
		"postgresql://gw/a?user=u",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		config_tree_load(good[i]);
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
		snprintf(text, sizeof(text),
			 GATE "endpoint = host=a dbname=a\nendpoint = %s\n",
			 nowhere[i]);
		config_tree_bad(text,
				"4: [cluster gate] endpoint: names no "
				"database, and PgBouncer has none of the "
				"login's name; add dbname=NAME, the one that "
				"partners ask for");
	}
	for (size_t i = 0; i < sizeof(who) / sizeof(*who); i++) {
		snprintf(text, sizeof(text), GATE "endpoint = %s\n", who[i]);
		config_tree_bad(text,
				"3: [cluster gate] endpoint: names a user, "
				"which has no effect: keyturn logs in as each "
				"role; take user out");
	}
	config_tree_bad(GATE "endpoint = host=gw dbname=a password=hunter2\n",
			"3: [cluster gate] endpoint: holds a password, and "
			"none belongs there: keyturn logs in as each role, "
			"with the password that the store has");
	config_tree_bad(GATE "endpoint = host=gw dbname=a\n"
			     "agent = run/a.sock\n",
			"4: [cluster gate] agent: must be an absolute path");
}

static void a_gateway_is_there_once(void **state)
{
	(void)state;
	config_tree_bad(GATE "endpoint = host=gw port=6432 dbname=a\n"
			     "endpoint = host=other port=6432 dbname=a\n"
			     "endpoint = postgresql://GW.:6432/b\n",
			"5: [cluster gate] endpoint: the endpoint at "
			"@/keyturn.conf:3 is gw:6432 as well; each PgBouncer "
			"is there once");
	config_tree_bad(GATE "endpoint = host=a,b dbname=a\n"
			     "agent = /run/a.sock\n"
			     "endpoint = host=b port=5432 dbname=a\n",
			"5: [cluster gate] endpoint: the endpoint at "
			"@/keyturn.conf:3 is b:5432 as well; each PgBouncer "
			"is there once");
}

static void secrets_are_found_in_both_forms(void **state)
{
	static const struct {
		const char *conninfo;
		const char *keyword;
	} cases[] = {
		{ "", NULL },
		{ "host=db user=password dbname='password=x'", NULL },
		{ "host=db passfile=/x", NULL },
		{ "host=db options='-c a=\\' password=b'", NULL },
		{ "password=x", "password" },
		{ "host=a\\ password=x", NULL },
		{ "host=a  password  =  ''", "password" },
		{ "host='a\\'b' password=x", "password" },
		{ "host= password=x", NULL },
		{ "sslkey=/k sslpassword=x", "sslpassword" },
		{ "scram_client_key=x", "scram_client_key" },
		{ "postgresql://db/x", NULL },
		{ "postgres://u@db:5432/x?sslmode=require", NULL },
		{ "postgres://u:@db/x", NULL },
		{ "postgres://db:5432/x@y:z", NULL },
		{ "postgres://u:p@db", "password" },
		{ "postgresql://:p@db", "password" },
		{ "postgresql://[::1]:5432/x?a=b", NULL },
		{ "postgresql://db/x?a=b&password=c", "password" },
		{ "postgresql://u?@db/x?password=c", "password" },
		{ "postgresql:///?p%61ssword=c", "password" },
		{ "postgresql:///?sslmode=password", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *got = config_conninfo_secret(cases[i].conninfo);

		if ((got == NULL) != (cases[i].keyword == NULL))
			fail_msg("%s: %s", cases[i].conninfo, got ? got : "no");
		if (got)
			assert_string_equal(got, cases[i].keyword);
	}
}

static void a_bad_port_or_sslmode_is_refused(void **state)
{
	(void)state;
	config_tree_bad(CLUSTER "port = 65536\n",
			"3: [cluster main] port: 65536 is out of range, 1 to "
			"65535");
	config_tree_bad(CLUSTER "port = +80\n",
			"3: [cluster main] port: +80 is out of range, 1 to "
			"65535");
	config_tree_bad(CLUSTER "sslmode = on\n",
			"3: [cluster main] sslmode: must be disable, allow, "
			"prefer, require, verify-ca or verify-full, not "
			"\"on\"");
}

static void a_grant_that_is_not_understood_is_refused(void **state)
{
	static const char *const bad[] = {
		"alice",       "user:",		 "uid:alice",	    "uid:-1",
		"uid:01",      "uid:4294967295", "gid:99999999999", "*",
		"users:alice", "User:alice"
	};
	static const char *const keys[] = { "readers", "verifiers", "listers",
					    "requesters" };
	char text[256], says[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *key = keys[i % 4];

		snprintf(text, sizeof(text),
			 CLUSTER ROLE "%s = user:root %s uid:7\n", key, bad[i]);
		snprintf(says, sizeof(says),
			 "5: [role r] %s: \"%s\" is not user:NAME, uid:N, "
			 "group:NAME or gid:N",
			 key, bad[i]);
		config_tree_bad(text, says);
	}
}

static void a_unit_that_never_asks_is_refused(void **state)
{
	(void)state;
	config_tree_load(CLUSTER ROLE "units = app.service app@.service "
				      "app@1.service x.socket srv.mount\n");
	config_tree_bad(CLUSTER ROLE "units = a.service app\n",
			"5: [role r] units: app is not a unit that can load a "
			"credential; write its whole name, as in app.service");
	config_tree_bad(CLUSTER ROLE "units = .service app.timer\n",
			"5: [role r] units: .service is not a unit that can "
			"load a credential; write its whole name, as in "
			"app.service");
}

static void expected_consumers_are_words_of_which_each_is_one(void **state)
{
	(void)state;
	config_tree_load(CLUSTER ROLE
			 "consumers = host:192.0.2.7 app:etl\n"
			 "\tapp:etl-* host:10.0.0.0/8,app:PostgreSQL%20JDBC\n");
	config_tree_bad(CLUSTER ROLE "consumers = app:etl etl\n",
			"5: [role r] consumers: \"etl\" is not host:ADDRESS, "
			"host:NETWORK/BITS, app:NAME, user:NAME or "
			"via:GATEWAY, nor some of them divided by commas; a "
			"blank in a name is written %20");
	config_tree_bad(CLUSTER ROLE "consumers = app:a host:b app:a\n",
			"5: [role r] consumers: names app:a twice");
}

static void grants_are_read_word_by_word(void **state)
{
	const char *at = "user:sapjob  uid:0 group:a-b gid:4294967294 ";
	struct config_grant g;

	(void)state;
	assert_int_equal(config_grant_next(&at, &g, NULL), STATUS_OK);
	assert_false(g.group || g.by_id);
	assert_string_equal(g.name, "sapjob");
	assert_int_equal(config_grant_next(&at, &g, NULL), STATUS_OK);
	assert_true(!g.group && g.by_id && g.id == 0);
	assert_int_equal(config_grant_next(&at, &g, NULL), STATUS_OK);
	assert_true(g.group && !g.by_id);
	assert_string_equal(g.name, "a-b");
	assert_int_equal(config_grant_next(&at, &g, NULL), STATUS_OK);
	assert_true(g.group && g.by_id && g.id == 4294967294u);
	assert_int_equal(config_grant_next(&at, &g, NULL), STATUS_NOT_FOUND);
	assert_int_equal(config_grant_next(&at, &g, NULL), STATUS_NOT_FOUND);
}

static void ten_thousand_roles_are_found_by_name(void **state)
{
	struct text t = text_make((size_t)4 * 1024 * 1024);
	const struct config *c;
	char name[40];

	(void)state;
	text_add(&t, CLUSTER "[policy p]\n");
	for (int i = 0; i < 10000; i++)
		text_printf(&t,
			    "[role role_%d]\ncluster = main\npolicy = p\n"
			    "schedule = 0 3 * * sun\nsplay = 2h\n",
			    (i * 7919) % 10000);
	assert_int_equal(text_status(&t), STATUS_OK);
	c = config_tree_load(text_str(&t));
	assert_int_equal(config_count(c, CONFIG_SECTION_role), 10000);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "role_%d", i);
		assert_string_equal(
			config_name(config_find(c, CONFIG_SECTION_role, name)),
			name);
	}
	assert_null(config_find(c, CONFIG_SECTION_role, "role_10000"));
	assert_string_equal(config_name(config_at(c, CONFIG_SECTION_role, 1)),
			    "role_7919");
	text_free(&t);
}

#define TEST(f)                                               \
	cmocka_unit_test_setup_teardown(f, config_tree_setup, \
					config_tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_token_s_settings_are_of_its_type),
		TEST(a_bad_number_is_refused),
		TEST(a_number_out_of_range_names_the_range),
		TEST(a_bad_duration_is_refused),
		TEST(a_bad_switch_is_refused),
		TEST(every_spelling_of_a_switch_is_read),
		TEST(an_empty_value_is_refused),
		TEST(an_empty_symbol_set_is_a_value),
		TEST(a_relative_path_is_refused),
		TEST(a_ledger_in_a_server_is_not_available),
		TEST(a_missing_required_setting_is_named),
		TEST(a_reference_to_nothing_is_refused),
		TEST(a_reference_may_point_forward_and_to_another_file),
		TEST(other_stores_and_strategies_are_not_available),
		TEST(a_pair_has_two_members_and_what_can_keep_it),
		TEST(a_setting_of_another_type_of_store_is_refused),
		TEST(a_vault_has_an_address_with_a_scheme),
		TEST(an_interval_that_fills_a_secret_up_is_refused),
		TEST(schedule_and_every_exclude_each_other),
		TEST(an_interval_is_a_duration_and_not_zero),
		TEST(a_window_without_a_schedule_is_refused),
		TEST(an_unknown_class_of_characters_is_refused),
		TEST(a_role_name_has_at_most_63_bytes),
		TEST(an_awkward_role_name_is_kept_as_it_is),
		TEST(one_login_in_two_sections_is_refused),
		TEST(one_login_of_one_server_in_two_clusters_is_refused),
		TEST(a_password_in_a_connection_string_is_refused),
		TEST(an_endpoint_of_a_gateway_is_a_server_with_a_database),
		TEST(a_gateway_is_there_once),
		TEST(secrets_are_found_in_both_forms),
		TEST(a_bad_port_or_sslmode_is_refused),
		TEST(a_grant_that_is_not_understood_is_refused),
		TEST(a_unit_that_never_asks_is_refused),
		TEST(expected_consumers_are_words_of_which_each_is_one),
		TEST(grants_are_read_word_by_word),
		TEST(ten_thousand_roles_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
