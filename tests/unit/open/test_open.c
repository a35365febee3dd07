/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/words.h"
#include "config/config_model.h"
#include "handout/handout.h"
#include "jobs/check_settings.h"
#include "open/engine/engine.h"
#include "open/open.h"
#include "open/open_init.h"

static char folder[] = "/tmp/keyturn-backends-XXXXXX";
static const char id[] = "11111111-2222-4333-8444-555555555555";

static char *in(const char *name)
{
	static char path[4][200];
	static int next;
	char *p = path[next++ % 4];

	snprintf(p, 200, "%s/%s", folder, name);
	return p;
}

static void write_config(const char *roles)
{
	struct text t = text_make(8192);

	text_printf(&t,
		    "[keyturn]\nledger = %s/ledger.db\naudit_key = "
		    "%s/audit.key\n[store local]\npath = %s/store.db\nkey = "
		    "%s/store.key\n[cluster main]\nconninfo = host=127.0.0.1 "
		    "port=1 user=admin dbname=app sslmode=verify-full\n%s",
		    folder, folder, folder, folder, roles);
	unlink(in("keyturn.conf"));
	assert_int_equal(file_create(in("keyturn.conf"), text_str(&t), t.len,
				     0600, NULL),
			 STATUS_OK);
	text_free(&t);
}

struct world {
	struct config *config;
	struct opened *b;
	struct ledger *ledger;
	const struct config_group *role;
};

static void open_world(struct world *w)
{
	struct reason why;

	if (config_load(in("keyturn.conf"), &w->config, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	assert_int_equal(open_new(w->config, &w->b, &why), STATUS_OK);
	if (open_ledger(w->b, OPEN_LEDGER_WRITE, &w->ledger, NULL, &why) !=
	    STATUS_OK)
		fail_msg("%s", why.text);
	assert_int_equal(open_role(w->b, "sap", &w->role, &why), STATUS_OK);
}

static void close_world(struct world *w)
{
	open_free(w->b);
	config_free(w->config);
}

static int make_site(void **state)
{
	struct config *config = NULL;
	struct reason why;

	(void)state;
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	if (!mkdtemp(folder))
		return -1;
	write_config("[role sap]\ncluster = main\nevery = 30d\n");
	if (config_load(in("keyturn.conf"), &config, &why) != STATUS_OK ||
	    open_init(config, &why) != STATUS_OK) {
		print_error("%s\n", why.text);
		return -1;
	}
	config_free(config);
	return 0;
}

static int remove_site(void **state)
{
	static const char *const names[] = {
		"keyturn.conf",	 "audit.key",	     "audit.key.pub",
		"store.key",	 "store.db",	     "store.db-wal",
		"store.db-shm",	 "store.db.reserve", "ledger.db",
		"ledger.db-wal", "ledger.db-shm",    "ledger.db.reserve",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in(names[i]));
	return rmdir(folder);
}

static void put_current(struct world *w)
{
	struct store_entry e = { .engine = "postgres",
				 .host = "db",
				 .port = "5432",
				 .dbname = "app",
				 .username = "sap" };
	struct store_state state;
	struct store *s = NULL;

	assert_int_equal(open_store(w->b, "local", &s, NULL), STATUS_OK);
	assert_int_equal(secret_new(64, &e.password), STATUS_OK);
	secret_set(e.password, "S3cret-of-the-test", 18);
	assert_int_equal(s->ops->stage(s, "sap", "", id, &e, &state, NULL),
			 STATUS_OK);
	assert_int_equal(s->ops->promote(s, "sap", state.revision, id, &state,
					 NULL),
			 STATUS_OK);
	secret_free(e.password);
}

static void create_refuses_to_overwrite_anything(void **state)
{
	struct config *config = NULL;
	struct reason why;

	(void)state;
	assert_int_equal(config_load(in("keyturn.conf"), &config, NULL),
			 STATUS_OK);
	assert_int_equal(open_init(config, &why), STATUS_REFUSED);
	assert_non_null(strstr(why.text, "audit.key exists already"));
	config_free(config);
}

static void a_lost_ledger_is_made_anew_and_asks_the_store(void **state)
{
	struct ledger_role known;
	struct world w = { NULL, NULL, NULL, NULL };
	bool lost = false;

	(void)state;
	open_world(&w);
	assert_int_equal(open_remembered(w.b, w.ledger, w.role, &known, NULL),
			 STATUS_NOT_FOUND);
	put_current(&w);
	close_world(&w);
	unlink(in("ledger.db"));
	unlink(in("ledger.db-wal"));
	unlink(in("ledger.db-shm"));
	assert_int_equal(config_load(in("keyturn.conf"), &w.config, NULL),
			 STATUS_OK);
	assert_int_equal(open_new(w.config, &w.b, NULL), STATUS_OK);
	assert_int_equal(open_ledger(w.b, OPEN_LEDGER_WRITE, &w.ledger, &lost,
				     NULL),
			 STATUS_OK);
	assert_true(lost);
	assert_int_equal(open_role(w.b, "sap", &w.role, NULL), STATUS_OK);
	assert_int_equal(open_remembered(w.b, w.ledger, w.role, &known, NULL),
			 STATUS_OK);
	assert_string_equal(known.version, id);
	assert_true(known.rotated_us > 0);
	/* Nothing is written: a person has not looked yet. */
	assert_true(known.learnt);
	assert_int_equal(w.ledger->ops->roles->get(w.ledger, "sap", &known,
						   NULL),
			 STATUS_NOT_FOUND);
	close_world(&w);
}

static void a_lost_store_is_not_made_anew(void **state)
{
	struct world w = { NULL, NULL, NULL, NULL };
	struct store *s = NULL;
	struct reason why;

	(void)state;
	open_world(&w);
	unlink(in("store.db"));
	assert_int_equal(open_store(w.b, "local", &s, &why),
			 STATUS_STORE_UNAVAILABLE);
	assert_non_null(strstr(why.text, "does not exist"));
	assert_int_not_equal(access(in("store.db"), F_OK), 0);
	close_world(&w);
}

static enum status find_handout(void *arg, const char *line)
{
	if (strstr(line, "\"handout\"") && strstr(line, id))
		*(bool *)arg = true;
	assert_null(strstr(line, "S3cret"));
	return STATUS_OK;
}

static enum status hand_out(struct world *w, struct ledger *ledger,
			    const char *label, const char *format,
			    struct secret **ret, struct reason *why)
{
	const struct handout_request r = { label, format, "test" };

	return handout_get(w->b, ledger, w->role, &r, ret, why);
}

static void a_hand_out_is_in_the_audit(void **state)
{
	struct world w = { NULL, NULL, NULL, NULL };
	struct secret *bytes = NULL;
	bool found = false;
	struct reason why;

	(void)state;
	open_world(&w);
	put_current(&w);
	assert_int_equal(hand_out(&w, w.ledger, "current", "pgpass", &bytes,
				  &why),
			 STATUS_OK);
	assert_string_equal(secret_bytes(bytes),
			    "db:5432:app:sap:S3cret-of-the-test\n");
	secret_free(bytes);
	w.ledger->ops->trail->export(w.ledger, find_handout, &found, NULL);
	assert_true(found);
	bytes = NULL;
	assert_int_equal(hand_out(&w, w.ledger, "pending", "raw", &bytes, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(hand_out(&w, w.ledger, "newest", "raw", &bytes, &why),
			 STATUS_USAGE);
	assert_int_equal(hand_out(&w, w.ledger, "current", "xml", &bytes, &why),
			 STATUS_USAGE);
	assert_null(bytes);
	close_world(&w);
}

static enum status refuse_note(struct ledger *l,
			       const struct audit_event *events, size_t n,
			       bool durable, struct reason *why)
{
	(void)l, (void)events, (void)n, (void)durable;
	return reason_set(why, STATUS_LEDGER_UNAVAILABLE, "no room");
}

static void what_cannot_be_recorded_is_not_handed_out(void **state)
{
	const struct ledger_trail_ops trail = { .note = refuse_note };
	const struct ledger_ops ops = { .trail = &trail };
	struct ledger full = { &ops };
	struct world w = { NULL, NULL, NULL, NULL };
	struct secret *bytes = NULL;

	(void)state;
	open_world(&w);
	put_current(&w);
	assert_int_equal(hand_out(&w, &full, "current", "raw", &bytes, NULL),
			 STATUS_LEDGER_UNAVAILABLE);
	assert_null(bytes);
	close_world(&w);
}

static void bad_settings_are_found_before_a_run(void **state)
{
	static const struct {
		const char *roles, *says;
	} cases[] = {
		{ "[role sap]\ncluster = main\nschedule = 61 * * * *\n",
		  "[role sap]" },
		{ "[role sap]\ncluster = main\nsink = fax /tmp/x\n", "sink" },
		{ "[role sap]\ncluster = main\npolicy = p\n[policy p]\n"
		  "symbols = @\n",
		  "[policy p]" },
		{ "[role sap]\ncluster = main\nsink = service /tmp/x\n"
		  "sink = service /tmp/x name=b\n",
		  "[role sap] has /tmp/x twice" },
		{ "[role sap]\ncluster = main\nsink = service /tmp/x\n"
		  "[role crm]\ncluster = main\nsink = service /tmp/x name=sap\n",
		  "[sap] in /tmp/x is the section of" },
		{ "[role sap]\ncluster = main\n"
		  "sink = pgbouncer_ini /tmp/x database=a\n"
		  "sink = pgbouncer_ini /tmp/x database=b\n",
		  "/tmp/x twice; a role has one line of [databases]" },
		{ "[role sap]\ncluster = main\n"
		  "sink = pgbouncer_ini /tmp/x database=a\n"
		  "[role crm]\ncluster = main\n"
		  "sink = pgbouncer_ini /tmp/x database=a\n",
		  "the line of database a in /tmp/x is that of" },
		{ "[role sap]\ncluster = main\n"
		  "sink = pgbouncer_ini /tmp/x database=a\n"
		  "[role crm]\ncluster = main\nsink = pgbouncer /tmp/x\n",
		  "a file is of one kind" },
		{ "[role sap]\ncluster = main\nsink = service /tmp/x\n"
		  "[role crm]\ncluster = main\nsink = pgpass /tmp/x\n",
		  "a file is of one kind" },
		{ "[role sap]\ncluster = main\nsink = service /tmp/x\n"
		  "rolname = \"sap \"\n",
		  "[role sap]: pg_service.conf cannot carry the user" },
		{ "[role sap]\ncluster = main\nsink = service /tmp/x name=a]\n",
		  "cannot be the name of a section" },
		{ "[token t]\ntype = aws-rds\nhost = h\nuser = u\n[sink s]\n"
		  "token = t\nfile = service /tmp/x name=sap\n"
		  "[role sap]\ncluster = main\nsink = service /tmp/x\n",
		  "[sap] in /tmp/x is the section of" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w = { NULL, NULL, NULL, NULL };
		struct open_engine *shop = NULL;
		struct reason why;

		write_config(cases[i].roles);
		open_world(&w);
		assert_int_equal(open_engine_new(w.b, w.ledger, "test", &shop,
						 &why),
				 STATUS_OK);
		assert_int_equal(check_settings(shop, &why), STATUS_CONFIG);
		if (!strstr(why.text, "keyturn.conf:") ||
		    !strstr(why.text, cases[i].says))
			fail_msg("says: %s", why.text);
		open_engine_free(shop);
		close_world(&w);
	}
}

static void a_job_is_what_the_settings_say(void **state)
{
	struct world w = { NULL, NULL, NULL, NULL };
	struct open_engine *shop = NULL;
	struct open_engine_job j;

	(void)state;
	write_config("[role sap]\ncluster = main\nrolname = \"Sap Role\"\n"
		     "dbname = crm\npolicy = p\nsink = service /tmp/x/a\n"
		     "sink = pgpass /tmp/x/.pgpass\nsink = service /tmp/x/b\n"
		     "sink = env /tmp/x/env\nsink = pgbouncer /tmp/x/list\n"
		     "[policy p]\nlength = 40\nrequire = upper digit\n");
	open_world(&w);
	assert_int_equal(open_engine_new(w.b, w.ledger, "test", &shop, NULL),
			 STATUS_OK);
	assert_int_equal(open_engine_job(shop, "sap", &j, NULL), STATUS_OK);
	assert_string_equal(j.job.rolname, "Sap Role");
	assert_string_equal(j.job.dbname, "crm");
	assert_int_equal(j.policy.length, 40);
	assert_true(j.policy.upper && j.policy.digit);
	assert_false(j.policy.lower || j.policy.symbol);
	assert_int_equal(j.job.n_sinks, 5);
	/* PgBouncer knows a user before anybody is told of it, and who reads a
	 * service file finds the password in another one. */
	assert_string_equal(j.job.sinks[0].path, "/tmp/x/list");
	assert_string_equal(j.job.sinks[1].path, "/tmp/x/.pgpass");
	assert_string_equal(j.job.sinks[2].path, "/tmp/x/env");
	assert_string_equal(j.job.sinks[3].path, "/tmp/x/a");
	assert_string_equal(j.job.sinks[4].path, "/tmp/x/b");
	assert_string_equal(j.job.cluster->host, "127.0.0.1");
	assert_string_equal(j.job.cluster->dbname, "app");
	open_engine_job_free(&j);
	assert_int_equal(open_engine_job(shop, "nobody", &j, NULL),
			 STATUS_CONFIG);
	open_engine_job_free(&j);
	open_engine_free(shop);
	close_world(&w);
}

/* The store or token x of this text opens, or says what else is wrong. */
static void has_a_driver(const char *text, bool store)
{
	struct world w = { NULL, NULL, NULL, NULL };
	struct reason why = { { 0 } };
	struct token_cache *cache;
	char all[1024];
	struct store *s;

	snprintf(all, sizeof(all), "[role sap]\ncluster = main\n%s", text);
	write_config(all);
	open_world(&w);
	if (store)
		open_store(w.b, "x", &s, &why);
	else
		open_token(w.b, "x", &cache, &why);
	if (strstr(why.text, "there is no auth") ||
	    strstr(why.text, "the type "))
		fail_msg("%s: %s", text, why.text);
	close_world(&w);
}

/* The least that opens of each type: a row for each word of `type`. */
static const struct opening {
	enum config_key type_key, auth;
	const char *type, *text;
} openings[] = {
	{ CONFIG_store_type, CONFIG_store_auth, "local",
	  "[store x]\ntype = local\npath = /nonsuch/x\nkey = /nonsuch/x\n" },
	{ CONFIG_store_type, CONFIG_store_auth, "vault",
	  "[store x]\ntype = vault\naddress = https://[::1]:1\n"
	  "token_file = /x\nrole_id = r\njwt_file = /x\n"
	  "client_cert = /x\nauth_role = r\n" },
	{ CONFIG_store_type, CONFIG_store_auth, "aws",
	  "[store x]\ntype = aws\nregion = eu-central-1\n" },
	{ CONFIG_token_type, CONFIG_token_auth, "databricks",
	  "[token x]\ntype = databricks\nworkspace = https://[::1]\n" },
	{ CONFIG_token_type, CONFIG_token_auth, "aws-rds",
	  "[token x]\ntype = aws-rds\nhost = h\nuser = u\n"
	  "region = eu-central-1\n" },
	{ CONFIG_token_type, CONFIG_token_auth, "azure",
	  "[token x]\ntype = azure\nuser = u\n" },
	{ CONFIG_token_type, CONFIG_token_auth, "gcp",
	  "[token x]\ntype = gcp\n" },
};

#define N_OPENINGS (sizeof(openings) / sizeof(*openings))

static const struct opening *find_opening(enum config_key type_key,
					  const char *type, size_t n)
{
	for (size_t i = 0; i < N_OPENINGS; i++)
		if (openings[i].type_key == type_key &&
		    strlen(openings[i].type) == n &&
		    memcmp(openings[i].type, type, n) == 0)
			return &openings[i];
	fail_msg("no row opens the type %.*s", (int)n, type);
	return NULL;
}

static void each_type_has_a_driver(void **state)
{
	static const enum config_key keys[] = { CONFIG_store_type,
						CONFIG_token_type };
	char words[CONFIG_WORDS_SIZE];
	const char *at, *w;
	size_t n;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		at = config_model_words(config_model_row(keys[i]), "", words);
		while ((w = words_next(&at, &n)) != NULL)
			has_a_driver(find_opening(keys[i], w, n)->text,
				     keys[i] == CONFIG_store_type);
	}
}

static void each_auth_of_a_type_has_a_driver(void **state)
{
	char words[CONFIG_WORDS_SIZE], text[512];
	const struct opening *o;
	const char *at, *w;
	size_t n;

	(void)state;
	for (o = openings; o < openings + N_OPENINGS; o++) {
		const struct config_row *row = config_model_row(o->auth);

		if (!config_model_applies(row, o->type))
			continue;
		at = config_model_words(row, o->type, words);
		while ((w = words_next(&at, &n)) != NULL) {
			snprintf(text, sizeof(text), "%sauth = %.*s\n", o->text,
				 (int)n, w);
			has_a_driver(text, o->type_key == CONFIG_store_type);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			create_refuses_to_overwrite_anything, make_site,
			remove_site),
		cmocka_unit_test_setup_teardown(
			a_lost_ledger_is_made_anew_and_asks_the_store,
			make_site, remove_site),
		cmocka_unit_test_setup_teardown(a_lost_store_is_not_made_anew,
						make_site, remove_site),
		cmocka_unit_test_setup_teardown(a_hand_out_is_in_the_audit,
						make_site, remove_site),
		cmocka_unit_test_setup_teardown(
			what_cannot_be_recorded_is_not_handed_out, make_site,
			remove_site),
		cmocka_unit_test_setup_teardown(
			bad_settings_are_found_before_a_run, make_site,
			remove_site),
		cmocka_unit_test_setup_teardown(a_job_is_what_the_settings_say,
						make_site, remove_site),
		cmocka_unit_test_setup_teardown(each_type_has_a_driver,
						make_site, remove_site),
		cmocka_unit_test_setup_teardown(
			each_auth_of_a_type_has_a_driver, make_site,
			remove_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
