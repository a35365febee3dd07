/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/credential_json.h"
#include "helpers/credential_request.h"
#include "helpers/credential_show.h"

#define VERSION_ID "cc464a44-9f1a-4a55-8f0e-3f6f6f1c2d3e"
#define NOW_US	   INT64_C(1800000000000000) /* 2027-01-15T08:00:00Z */

/* ---- The command line -------------------------------------------------------- */

static enum credential_exit parse(struct credential_options *o,
				  struct reason *why, const char *first, ...)
{
	static char *argv[32];
	const char *word = first;
	int argc = 0;
	va_list ap;

	va_start(ap, first);
	for (; word != NULL; word = va_arg(ap, const char *))
		argv[argc++] = (char *)word;
	va_end(ap);
	argv[argc] = NULL;
	return credential_options_parse(argc, argv, NULL, o, why);
}

#define PARSE(...) parse(&o, &why, "/usr/bin/keyturn-credential", __VA_ARGS__)

static void get_takes_a_role_and_a_form(void **state)
{
	struct credential_options o;
	struct reason why;

	(void)state;
	assert_int_equal(PARSE("get", "--role", "sap", "-f", "json", "-z",
			       "--timeout", "3s", NULL),
			 CREDENTIAL_OK);
	assert_int_equal(o.command, CREDENTIAL_GET);
	assert_int_equal(o.form, CREDENTIAL_FORM_JSON);
	assert_string_equal(o.key.role, "sap");
	assert_true(o.bare);
	assert_false(o.asked);
	assert_int_equal(o.timeout_ms, 3000);
	assert_string_equal(o.socket, WIRE_AGENT_SOCKET);
}

static void options_may_stand_before_the_command(void **state)
{
	struct credential_options o;
	struct reason why;

	(void)state;
	assert_int_equal(PARSE("--socket", "/x/y", "get", "-r", "sap", NULL),
			 CREDENTIAL_OK);
	assert_string_equal(o.socket, "/x/y");
}

static void the_environment_names_the_socket_unless_an_option_does(void **state)
{
	char *argv[] = { (char *)"keyturn-credential", (char *)"list", NULL };
	struct credential_options o;
	struct reason why;

	(void)state;
	assert_int_equal(credential_options_parse(2, argv, "/e", &o, &why),
			 CREDENTIAL_OK);
	assert_string_equal(o.socket, "/e");
	assert_int_equal(credential_options_parse(2, argv, "", &o, &why),
			 CREDENTIAL_OK);
	assert_string_equal(o.socket, WIRE_AGENT_SOCKET);
}

static void h_alone_asks_for_help_and_is_a_host_otherwise(void **state)
{
	struct credential_options o;
	struct reason why;

	(void)state;
	assert_int_equal(PARSE("-h", NULL), CREDENTIAL_OK);
	assert_int_equal(o.command, CREDENTIAL_HELP);
	assert_int_equal(PARSE("get", "-r", "sap", "-h", "db", NULL),
			 CREDENTIAL_OK);
	assert_string_equal(o.key.host, "db");
	/* An unset variable behind it is no question for help. */
	assert_int_equal(PARSE("get", "-r", "sap", "-h", NULL),
			 CREDENTIAL_USAGE);
}

static void exec_leaves_the_words_of_the_command_alone(void **state)
{
	struct credential_options o;
	struct reason why;

	(void)state;
	assert_int_equal(PARSE("exec", "-r", "sap", "--", "psql", "-h", "x",
			       "--role", "y", NULL),
			 CREDENTIAL_OK);
	assert_string_equal(o.argv[0], "psql");
	assert_string_equal(o.argv[3], "--role");
	assert_string_equal(o.key.role, "sap");
	assert_string_equal(o.key.host, "");
	/* Without "--" the first word begins the command. */
	assert_int_equal(PARSE("exec", "-r", "sap", "psql", "-r", "b", NULL),
			 CREDENTIAL_OK);
	assert_string_equal(o.argv[0], "psql");
	assert_string_equal(o.key.role, "sap");
	assert_false(o.retry);
}

static void retry_takes_exit_codes(void **state)
{
	struct credential_options o;
	struct reason why;

	(void)state;
	assert_int_equal(PARSE("exec", "-r", "a", "--retry=2,57", "--", "x",
			       NULL),
			 CREDENTIAL_OK);
	assert_true(o.retry && o.retry_on[2] && o.retry_on[57]);
	assert_false(o.retry_on[1] || o.retry_on[0] || o.retry_on[3]);
	assert_int_equal(o.wait_ms, 5000);
	assert_int_equal(PARSE("exec", "-r", "a", "--retry", "--", "x", NULL),
			 CREDENTIAL_OK);
	assert_true(o.retry_on[1] && o.retry_on[125]);
	assert_false(o.retry_on[0] || o.retry_on[126]);
}

static void protocols_go_by_the_name_of_the_program(void **state)
{
	static const struct {
		const char *program, *word;
		enum credential_form form;
		enum credential_command command;
	} rows[] = {
		{ "/usr/lib/git-core/git-credential-keyturn", "get",
		  CREDENTIAL_FORM_GIT, CREDENTIAL_GET },
		{ "git-credential-keyturn", "erase", CREDENTIAL_FORM_GIT,
		  CREDENTIAL_ERASE },
		{ "git-credential-keyturn", "capability", CREDENTIAL_FORM_GIT,
		  CREDENTIAL_IGNORE },
		{ "docker-credential-keyturn", "store", CREDENTIAL_FORM_DOCKER,
		  CREDENTIAL_STORE },
		{ "docker-credential-keyturn", "list", CREDENTIAL_FORM_DOCKER,
		  CREDENTIAL_LIST },
		{ "./keyturn-bazel", "get", CREDENTIAL_FORM_BAZEL,
		  CREDENTIAL_GET },
		{ "keyturn-summon", "main/sap", CREDENTIAL_FORM_SUMMON,
		  CREDENTIAL_GET },
		{ "keyturn-summon", "--version", CREDENTIAL_FORM_SUMMON,
		  CREDENTIAL_OWN_VERSION },
	};
	struct credential_options o;
	struct reason why;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(&o, &why, rows[i].program, rows[i].word,
				       NULL),
				 CREDENTIAL_OK);
		assert_int_equal(o.form, rows[i].form);
		assert_int_equal(o.command, rows[i].command);
	}
	assert_int_equal(parse(&o, &why, "docker-credential-keyturn", "fetch",
			       NULL),
			 CREDENTIAL_USAGE);
	assert_int_equal(o.form, CREDENTIAL_FORM_DOCKER);
	assert_string_equal(why.text,
			    "docker-credential-keyturn: unknown action: fetch");
}

static void what_makes_no_sense_is_refused_with_a_sentence(void **state)
{
	static const char *const rows[][6] = {
		{ NULL },
		{ "fetch" },
		{ "get" },
		{ "get", "-r", "" },
		{ "get", "-r", "a", "b" },
		{ "exec", "-r", "a", "--retry", "2", "psql" },
		{ "get", "-r", "a\nb" },
		{ "get", "-r", "a", "--format", "yaml" },
		{ "get", "-r", "a", "--port", "0" },
		{ "get", "-r", "a", "--port", "65536" },
		{ "get", "-r", "a", "--port", "5432x" },
		{ "get", "-r", "a", "--wait", "5s" },
		{ "get", "-r", "a", "--not-version", "7" },
		{ "get", "-r", "a", "--timeout", "0s" },
		{ "get", "-r", "a", "--timeout", "5" },
		{ "get", "-r", "a", "--timeout", "601s" },
		{ "get", "-r", "a", "--retry" },
		{ "get", "-r", "a", "--nothing" },
		{ "get", "-r" },
		{ "exec", "-r", "a" },
		{ "exec", "-r", "a", "--" },
		{ "exec", "psql" },
		{ "get", "-h", "db", "-p", "5432" },
		{ "exec", "-r", "a", "--retry=0", "x" },
		{ "exec", "-r", "a", "--retry=2,", "x" },
		{ "exec", "-r", "a", "--retry=126", "x" },
		{ "exec", "-r", "a", "--format=json", "x" },
		{ "watch" },
		{ "list", "a" },
		{ "store" },
		{ "erase", "--format", "json" },
	};
	struct credential_options o;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reason why = { "" };

		memset(&o, 0x5A, sizeof(o)); /* not secret */
		assert_int_equal(parse(&o, &why, "keyturn-credential",
				       rows[i][0], rows[i][1], rows[i][2],
				       rows[i][3], rows[i][4], rows[i][5],
				       NULL),
				 CREDENTIAL_USAGE);
		assert_true(why.text[0] != '\0');
		assert_int_equal(((unsigned char *)&o)[0], 0x5A);
	}
}

static void what_the_wire_cannot_carry_is_refused_here(void **state)
{
	struct credential_key k = { 0 };
	struct reason why;
	char role[129];

	(void)state;
	memset(role, 'r', 128); /* not secret */
	role[128] = '\0';
	assert_int_equal(credential_key_set(&k, WIRE_TAG_ROLE, role, 127, &why),
			 CREDENTIAL_OK);
	assert_int_equal(credential_key_set(&k, WIRE_TAG_ROLE, role, 128, &why),
			 CREDENTIAL_USAGE);
	assert_int_equal(credential_key_set(&k, WIRE_TAG_USER, "a\x7F", 2,
					    &why),
			 CREDENTIAL_USAGE);
	assert_int_equal(credential_key_set(&k, WIRE_TAG_USER, "a\0b", 3, &why),
			 CREDENTIAL_USAGE);
	assert_int_equal(credential_key_set(&k, WIRE_TAG_USER, "\xC3", 1, &why),
			 CREDENTIAL_USAGE);
	assert_string_equal(k.user, "");
}

/* ---- URIs ---------------------------------------------------------------------- */

static enum credential_exit uri(const char *s, struct credential_key *k)
{
	struct reason why = { "" };
	enum credential_exit e;

	*k = (struct credential_key){ 0 };
	e = credential_key_uri(k, s, strlen(s), &why);
	assert_true(e == CREDENTIAL_OK || why.text[0] != '\0');
	return e;
}

static void a_uri_names_a_role(void **state)
{
	struct credential_key k;

	(void)state;
	assert_int_equal(uri("postgresql://sap@db.example.com:6432/shop?a=b",
			     &k),
			 CREDENTIAL_OK);
	assert_string_equal(k.user, "sap");
	assert_string_equal(k.host, "db.example.com");
	assert_string_equal(k.port, "6432");
	assert_string_equal(k.dbname, "shop");
	assert_int_equal(uri("postgres://a%40b@[2001:db8::1]:5432", &k),
			 CREDENTIAL_OK);
	assert_string_equal(k.user, "a@b");
	assert_string_equal(k.host, "2001:db8::1");
	assert_int_equal(uri("postgresql://sap@%2Frun%2Fpostgresql/", &k),
			 CREDENTIAL_OK);
	assert_string_equal(k.host, "/run/postgresql");
	assert_string_equal(k.dbname, "");
}

static void a_uri_that_is_not_ours_or_broken_is_refused(void **state)
{
	struct credential_key k;

	(void)state;
	assert_int_equal(uri("https://sap@db/", &k), CREDENTIAL_NOT_FOUND);
	assert_int_equal(uri("", &k), CREDENTIAL_NOT_FOUND);
	assert_int_equal(uri("postgresql:/", &k), CREDENTIAL_NOT_FOUND);
	assert_int_equal(uri("postgresql://", &k), CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://db/shop", &k), CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://sap:secret@db", &k),
			 CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://sap@a,b", &k), CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://sap@db:x", &k), CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://sap@db:", &k), CREDENTIAL_OK);
	assert_int_equal(uri("postgresql://sap@[::1", &k), CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://sap@[::1]x", &k), CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://s%", &k), CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://s%0Ap@db", &k), CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://s%00p@db", &k), CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://s%FF@db", &k), CREDENTIAL_USAGE);
	assert_int_equal(uri("postgresql://s\tp@db", &k), CREDENTIAL_USAGE);
}

static void a_key_and_its_uri_are_the_same(void **state)
{
	static const char *const uris[] = {
		"postgresql://sap@db.example.com:6432/shop",
		"postgresql://a%40b%2F@[2001:db8::1]:5432",
		"postgresql://sap@%2Frun%2Fpostgresql/a%20b",
	};
	char made[CREDENTIAL_URI_SIZE];
	struct credential_key k;

	(void)state;
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		assert_int_equal(uri(uris[i], &k), CREDENTIAL_OK);
		credential_key_to_uri(&k, made);
		assert_string_equal(made, uris[i]);
	}
}

/* ---- JSON ---------------------------------------------------------------------- */

static const char *json(const char *s, char value[32])
{
	const struct credential_json wanted = { "a", value, 32 };

	return credential_json_read(s, strlen(s), &wanted, 1);
}

static void json_gives_the_wanted_string(void **state)
{
	char v[32];

	(void)state;
	assert_null(json("{\"a\":\"x\"}", v));
	assert_string_equal(v, "x");
	assert_null(json(" { \"b\" : [1,-2.5e+3,{\"a\":\"no\"},true,null],\n"
			 "\"a\":\"\\u0041\\uD83D\\uDE00\\n\\/\" } ",
			 v));
	assert_string_equal(v, "A\xF0\x9F\x98\x80\n/");
	assert_null(json("{}", v));
	assert_string_equal(v, "");
	assert_null(json("{\"\\u0061\":\"y\"}", v));
	assert_string_equal(v, "y");
}

static void json_that_is_none_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"[]",
		"\"a\"",
		"{",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":\"x\"",
		"{\"a\":\"x\",}",
		"{\"a\":\"x\"} x",
		"{\"a\":\"x\" \"b\":1}",
		"{a:1}",
		"{\"a\":1}",
		"{\"a\":null}",
		"{\"a\":\"x\",\"a\":\"y\"}",
		"{\"a\":\"\x01\"}",
		"{\"a\":\"\xFF\"}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}",
		"{\"a\":\"\\uD83D\"}",
		"{\"a\":\"\\uD83Dx\"}",
		"{\"a\":\"\\uDE00\"}",
		"{\"a\":\"\\u0000\"}",
		"{\"b\":01}",
		"{\"b\":-}",
		"{\"b\":1.}",
		"{\"b\":tru}",
		"{\"b\":[1,]}",
		"{\"a\":\"0123456789012345678901234567890123456789\"}",
	};
	char deep[256], v[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_non_null(json(rows[i], v));
	memset(deep, '[', sizeof(deep)); /* not secret */
	memcpy(deep, "{\"b\":", 5);
	deep[sizeof(deep) - 1] = '\0';
	assert_non_null(json(deep, v));
}

/* ---- Requests ------------------------------------------------------------------ */

static enum credential_exit git(const char *s, size_t n,
				struct credential_key *k)
{
	struct reason why = { "" };

	*k = (struct credential_key){ 0 };
	return credential_request_git(s, n, k, &why);
}

#define GIT(s) git(s, sizeof(s) - 1, &k)

static void git_asks_by_its_attributes(void **state)
{
	struct credential_key k;

	(void)state;
	assert_int_equal(GIT("capability[]=authtype\nprotocol=postgresql\n"
			     "host=db:6432\nusername=sap\npath=shop\n"
			     "wwwauth[]=x\npassword=a=b\n\nhost=other\n"),
			 CREDENTIAL_OK);
	assert_string_equal(k.user, "sap");
	assert_string_equal(k.host, "db");
	assert_string_equal(k.port, "6432");
	assert_string_equal(k.dbname, "shop");
	assert_int_equal(GIT("protocol=postgres\nusername=a\nhost=[::1]:1"),
			 CREDENTIAL_OK);
	assert_string_equal(k.host, "::1");
	assert_int_equal(GIT("protocol=https\nhost=github.com\npath=a\tb\n"),
			 CREDENTIAL_NOT_FOUND);
	assert_int_equal(GIT(""), CREDENTIAL_NOT_FOUND);
	assert_int_equal(GIT("protocol=postgresql\nhost=db\n"),
			 CREDENTIAL_NOT_FOUND);
	assert_int_equal(GIT("protocol=postgresql\nhost\n"), CREDENTIAL_USAGE);
	assert_int_equal(GIT("protocol=postgresql\nhost=a\0b\n"),
			 CREDENTIAL_USAGE);
	assert_int_equal(GIT("protocol=postgresql\nhost=a\rb\n"),
			 CREDENTIAL_USAGE);
	assert_int_equal(GIT("protocol=postgresql\nhost=a:99999\n"),
			 CREDENTIAL_USAGE);
	assert_true(credential_request_git_is_whole("a=b\n\n", 5));
	assert_true(credential_request_git_is_whole("\n", 1));
	assert_false(credential_request_git_is_whole("a=b\n", 4));
}

static void docker_asks_by_a_url(void **state)
{
	static const char url[] = " postgresql://sap@db:5432/shop\r\n";
	char given[CREDENTIAL_URI_SIZE];
	struct credential_key k;
	struct reason why;

	(void)state;
	assert_int_equal(credential_request_docker(url, sizeof(url) - 1, &k,
						   given, &why),
			 CREDENTIAL_OK);
	assert_string_equal(given, "postgresql://sap@db:5432/shop");
	assert_string_equal(k.user, "sap");
	assert_int_equal(credential_request_docker(" \n", 2, &k, given, &why),
			 CREDENTIAL_USAGE);
	assert_string_equal(why.text, "no credentials server URL");
	assert_int_equal(credential_request_docker("registry.example.com", 20,
						   &k, given, &why),
			 CREDENTIAL_NOT_FOUND);
}

static void a_request_without_a_host_is_not_answered(void **state)
{
	static const char uri[] = "{\"uri\":\"postgresql://sap@/shop\"}";
	char given[CREDENTIAL_URI_SIZE];
	struct credential_key k;
	struct reason why;

	(void)state;
	assert_int_equal(GIT("protocol=postgresql\nusername=sap\n"),
			 CREDENTIAL_NOT_FOUND);
	assert_int_equal(GIT("protocol=postgresql\nhost=\nusername=sap\n"),
			 CREDENTIAL_NOT_FOUND);
	assert_int_equal(credential_request_docker("postgresql://sap@/shop", 22,
						   &k, given, &why),
			 CREDENTIAL_NOT_FOUND);
	assert_int_equal(credential_request_bazel(uri, sizeof(uri) - 1, &k,
						  &why),
			 CREDENTIAL_NOT_FOUND);
}

static enum credential_exit store(const char *s, struct reason *why)
{
	return credential_request_docker_store(s, strlen(s), why);
}

static void docker_stores_in_vain_but_is_told_of_mistakes(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(store("{\"ServerURL\":\"postgresql://b@a\","
			       "\"Username\":\"b\",\"Secret\":\"c\"}",
			       &why),
			 CREDENTIAL_OK);
	assert_int_equal(store("{\"ServerURL\":\"registry.example.com\","
			       "\"Username\":\"b\",\"Secret\":\"c\"}",
			       &why),
			 CREDENTIAL_ERROR);
	assert_non_null(strstr(why.text, "credHelpers"));
	assert_int_equal(store("{\"Username\":\"b\",\"Secret\":\"c\"}", &why),
			 CREDENTIAL_USAGE);
	assert_string_equal(why.text, "no credentials server URL");
	assert_int_equal(store("{\"ServerURL\":\"a\",\"Username\":\"\"}", &why),
			 CREDENTIAL_USAGE);
	assert_string_equal(why.text, "no credentials username");
	assert_int_equal(store("{\"Secret\":\"hunter2", &why),
			 CREDENTIAL_USAGE);
	assert_null(strstr(why.text, "hunter2"));
}

static enum credential_exit summon(const char *path, struct credential_key *k,
				   enum credential_field *field)
{
	struct reason why;

	*k = (struct credential_key){ 0 };
	return credential_request_summon(path, strlen(path), k, field, &why);
}

static void summon_asks_by_a_path(void **state)
{
	enum credential_field f;
	struct credential_key k;

	(void)state;
	assert_int_equal(summon("sap", &k, &f), CREDENTIAL_OK);
	assert_string_equal(k.role, "sap");
	assert_int_equal(f, CREDENTIAL_FIELD_PASSWORD);
	assert_int_equal(summon("sap/username", &k, &f), CREDENTIAL_OK);
	assert_string_equal(k.role, "sap");
	assert_string_equal(k.realm, "");
	assert_int_equal(f, CREDENTIAL_FIELD_USERNAME);
	assert_int_equal(summon("main/sap", &k, &f), CREDENTIAL_OK);
	assert_string_equal(k.realm, "main");
	assert_string_equal(k.role, "sap");
	assert_int_equal(summon("main/sap/uri", &k, &f), CREDENTIAL_OK);
	assert_string_equal(k.realm, "main");
	assert_int_equal(f, CREDENTIAL_FIELD_URI);
	assert_int_equal(summon("", &k, &f), CREDENTIAL_USAGE);
	assert_int_equal(summon("/sap", &k, &f), CREDENTIAL_USAGE);
	assert_int_equal(summon("sap/", &k, &f), CREDENTIAL_USAGE);
	assert_int_equal(summon("a/b/c", &k, &f), CREDENTIAL_USAGE);
	assert_int_equal(summon("a/b/uri/d", &k, &f), CREDENTIAL_USAGE);
	assert_int_equal(summon("a\tb", &k, &f), CREDENTIAL_USAGE);
}

static void bazel_asks_by_a_uri_in_json(void **state)
{
	static const char ours[] = "{\"uri\":\"postgresql://sap@db\",\"x\":1}";
	static const char other[] = "{\"uri\":\"https://example.com\"}";
	struct credential_key k;
	struct reason why;

	(void)state;
	assert_int_equal(credential_request_bazel(ours, sizeof(ours) - 1, &k,
						  &why),
			 CREDENTIAL_OK);
	assert_string_equal(k.user, "sap");
	assert_int_equal(credential_request_bazel(other, sizeof(other) - 1, &k,
						  &why),
			 CREDENTIAL_NOT_FOUND);
	assert_int_equal(credential_request_bazel("{}", 2, &k, &why),
			 CREDENTIAL_USAGE);
}

/* ---- Forms ---------------------------------------------------------------------- */

static struct credential_answer an_answer(const char *password)
{
	struct credential_answer a = {
		.key = { .role = "sap",
			 .user = "sap",
			 .host = "db",
			 .port = "5432",
			 .dbname = "shop" },
		.sslmode = "require",
		.version = VERSION_ID,
		.rotated_at = NOW_US - 1000000,
		.expires_at = NOW_US + INT64_C(600000000),
	};

	assert_int_equal(secret_new(strlen(password), &a.password), STATUS_OK);
	secret_set(a.password, password, strlen(password));
	return a;
}

static void shows(const struct credential_answer *a, enum credential_form form,
		  bool bare, const char *url, const char *wanted, size_t n)
{
	struct secret *s = NULL;
	struct reason why = { "" };

	assert_int_equal(credential_show_render(a, form, bare, url, NOW_US, &s,
						&why),
			 CREDENTIAL_OK);
	assert_int_equal(secret_len(s), n);
	assert_memory_equal(secret_bytes(s), wanted, n);
	secret_free(s);
}

#define SHOWS(form, bare, url, wanted) \
	shows(&a, CREDENTIAL_FORM_##form, bare, url, wanted, sizeof(wanted) - 1)

static void each_form_is_what_its_reader_expects(void **state)
{
	struct credential_answer a = an_answer("p\"\\w");

	(void)state;
	SHOWS(RAW, false, NULL, "p\"\\w\n");
	SHOWS(RAW, true, NULL, "p\"\\w");
	SHOWS(RAW0, false, NULL, "p\"\\w\0");
	SHOWS(PGPASS, false, NULL, "db:5432:shop:sap:p\"\\\\w\n");
	SHOWS(PGPASS, true, NULL, "db:5432:shop:sap:p\"\\\\w");
	SHOWS(URI, false, NULL,
	      "postgresql://sap:p%22%5Cw@db:5432/shop?sslmode=require\n");
	SHOWS(GIT, false, NULL,
	      "username=sap\npassword=p\"\\w\npassword_expiry_utc=1800000600"
	      "\n");
	SHOWS(DOCKER, false, "postgresql://sap@db",
	      "{\"ServerURL\":\"postgresql://sap@db\",\"Username\":\"sap\","
	      "\"Secret\":\"p\\\"\\\\w\"}\n");
	SHOWS(DOCKER, false, NULL,
	      "{\"ServerURL\":\"postgresql://sap@db:5432/shop\",\"Username\":"
	      "\"sap\",\"Secret\":\"p\\\"\\\\w\"}\n");
	SHOWS(BAZEL, false, NULL,
	      "{\"headers\":{},\"username\":\"sap\",\"password\":"
	      "\"p\\\"\\\\w\",\"expires\":\"2027-01-15T08:10:00Z\"}\n");
	SHOWS(AWS, false, NULL,
	      "{\"Version\":1,\"AccessKeyId\":\"sap\",\"SecretAccessKey\":"
	      "\"p\\\"\\\\w\",\"Expiration\":\"2027-01-15T08:10:00Z\"}\n");
	SHOWS(JSON, true, NULL,
	      "{\"engine\":\"postgres\",\"host\":\"db\",\"port\":\"5432\","
	      "\"dbname\":\"shop\",\"username\":\"sap\",\"password\":"
	      "\"p\\\"\\\\w\",\"version\":\"" VERSION_ID "\",\"role\":\"sap\","
	      "\"sslmode\":\"require\",\"rotated_at\":\"2027-01-15T07:59:59Z\","
	      "\"expires_at\":\"2027-01-15T08:10:00Z\",\"stale\":false}");
	credential_ask_forget(&a);
}

static void an_overdue_rotation_does_not_make_a_password_look_dead(void **state)
{
	struct credential_answer a = an_answer("pw");

	(void)state;
	a.expires_at = NOW_US - 1;
	SHOWS(GIT, false, NULL, "username=sap\npassword=pw\n");
	SHOWS(AWS, true, NULL,
	      "{\"Version\":1,\"AccessKeyId\":\"sap\",\"SecretAccessKey\":"
	      "\"pw\",\"Expiration\":\"2027-01-15T08:01:00Z\"}");
	/* An SDK that is told of no end would never ask again. */
	a.expires_at = 0;
	SHOWS(AWS, true, NULL,
	      "{\"Version\":1,\"AccessKeyId\":\"sap\",\"SecretAccessKey\":"
	      "\"pw\",\"Expiration\":\"2027-01-15T09:00:00Z\"}");
	credential_ask_forget(&a);
}

static void a_secret_without_a_user_is_only_raw(void **state)
{
	struct credential_answer a = an_answer("pw");
	struct secret *s = NULL;
	struct reason why = { "" };

	(void)state;
	a.key.user[0] = '\0';
	SHOWS(RAW, false, NULL, "pw\n");
	for (int f = 0; f < CREDENTIAL_FORM_COUNT; f++) {
		if (f == CREDENTIAL_FORM_RAW || f == CREDENTIAL_FORM_RAW0 ||
		    f == CREDENTIAL_FORM_SUMMON)
			continue;
		assert_int_equal(
			credential_show_render(&a, (enum credential_form)f,
					       false, NULL, NOW_US, &s, &why),
			CREDENTIAL_ERROR);
		assert_null(s);
	}
	credential_ask_forget(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get_takes_a_role_and_a_form),
		cmocka_unit_test(options_may_stand_before_the_command),
		cmocka_unit_test(
			the_environment_names_the_socket_unless_an_option_does),
		cmocka_unit_test(h_alone_asks_for_help_and_is_a_host_otherwise),
		cmocka_unit_test(exec_leaves_the_words_of_the_command_alone),
		cmocka_unit_test(retry_takes_exit_codes),
		cmocka_unit_test(protocols_go_by_the_name_of_the_program),
		cmocka_unit_test(
			what_makes_no_sense_is_refused_with_a_sentence),
		cmocka_unit_test(what_the_wire_cannot_carry_is_refused_here),
		cmocka_unit_test(a_uri_names_a_role),
		cmocka_unit_test(a_uri_that_is_not_ours_or_broken_is_refused),
		cmocka_unit_test(a_key_and_its_uri_are_the_same),
		cmocka_unit_test(json_gives_the_wanted_string),
		cmocka_unit_test(json_that_is_none_is_refused),
		cmocka_unit_test(git_asks_by_its_attributes),
		cmocka_unit_test(docker_asks_by_a_url),
		cmocka_unit_test(a_request_without_a_host_is_not_answered),
		cmocka_unit_test(docker_stores_in_vain_but_is_told_of_mistakes),
		cmocka_unit_test(summon_asks_by_a_path),
		cmocka_unit_test(bazel_asks_by_a_uri_in_json),
		cmocka_unit_test(each_form_is_what_its_reader_expects),
		cmocka_unit_test(
			an_overdue_rotation_does_not_make_a_password_look_dead),
		cmocka_unit_test(a_secret_without_a_user_is_only_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
