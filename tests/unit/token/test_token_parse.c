/* SPDX-License-Identifier: PostgreSQL */
/* What the token sources read and make without a network: the profile file,
 * times and numbers of answers, and RDS's presigned login. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "token/databricks/profile.h"
#include "token/token_aws_rds.h"
#include "token/token_web.h"
#include "json/json_doc.h"

static struct secret *secret_of(const char *text)
{
	struct secret *s = NULL;

	assert_int_equal(secret_new(strlen(text) + 1, &s), STATUS_OK);
	assert_int_equal(secret_set(s, text, strlen(text)), STATUS_OK);
	return s;
}

/* ---- profiles ----------------------------------------------------------------- */

static void assert_value(const char *file, const char *profile, const char *key,
			 const char *want)
{
	struct secret *f = secret_of(file), *secret = NULL;
	char got[64];

	assert_int_equal(token_databricks_profile_text(f, profile, key, got,
						       sizeof(got)),
			 *want != '\0');
	assert_string_equal(got, want);
	if (token_databricks_profile_secret(f, profile, key, &secret) ==
	    STATUS_OK)
		assert_string_equal(secret_bytes(secret), want);
	else
		assert_string_equal("", want);
	secret_free(secret);
	secret_free(f);
}

static void a_profile_has_its_own_values(void **state)
{
	static const char file[] = "[DEFAULT] # the usual\nhost = a\n\n"
				   "[ two ]\r\n  Host=b  \r\nTOKEN\t:\tdapi1\n"
				   "[three]\n";

	(void)state;
	assert_value(file, "DEFAULT", "host", "a");
	assert_value(file, "two", "host", "b");
	assert_value(file, "two", "token", "dapi1");
	assert_value(file, "three", "host", "");
	assert_value(file, "four", "host", "");
}

static void a_comment_in_a_line_needs_a_blank(void **state)
{
	static const char file[] = "[a]\n# host = no\n; host = no\n"
				   "one = x#y\ntwo = x #y\nthree = #y\n"
				   "four = x;y\nfive=a=b\nsix =\n";

	(void)state;
	assert_value(file, "a", "host", "");
	assert_value(file, "a", "one", "x#y");
	assert_value(file, "a", "two", "x");
	assert_value(file, "a", "three", "");
	assert_value(file, "a", "four", "x;y");
	assert_value(file, "a", "five", "a=b");
	assert_value(file, "a", "six", "");
}

static void the_last_of_two_values_counts(void **state)
{
	(void)state;
	assert_value("[a]\nk = 1\n[b]\nk = 2\n[a]\nk = 3\n", "a", "k", "3");
}

static void a_value_that_does_not_fit_is_none(void **state)
{
	char file[256];

	(void)state;
	snprintf(file, sizeof(file), "[a]\nk = %0100d\n", 1);
	struct secret *f = secret_of(file);
	char got[64] = "x";

	assert_false(
		token_databricks_profile_text(f, "a", "k", got, sizeof(got)));
	assert_string_equal(got, "");
	secret_free(f);
}

static void the_default_profile_may_be_named(void **state)
{
	struct secret *f = secret_of("[__settings__]\ndefault_profile = b\n"
				     "[b]\nhost = x\n");
	struct secret *none = secret_of("[x]\n");
	char name[32];

	(void)state;
	token_databricks_profile_default(f, name, sizeof(name));
	assert_string_equal(name, "b");
	assert_true(token_databricks_profile_has(f, "b"));
	assert_false(token_databricks_profile_has(f, "__settings__"));
	token_databricks_profile_default(none, name, sizeof(name));
	assert_string_equal(name, "DEFAULT");
	assert_false(token_databricks_profile_has(none, name));
	secret_free(f);
	secret_free(none);
}

static void a_profile_file_must_be_private(void **state)
{
	char folder[] = "/tmp/test_token.XXXXXX", path[64];
	struct secret *file = NULL;
	struct reason why;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/.databrickscfg", folder);
	setenv("HOME", folder, 1);
	unsetenv("DATABRICKS_CONFIG_FILE");
	assert_int_equal(token_databricks_profile_read(&file, &why),
			 STATUS_NOT_FOUND);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("[a]\nhost = b\n", f);
	fclose(f);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(token_databricks_profile_read(&file, &why),
			 STATUS_CONFIG);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(token_databricks_profile_read(&file, &why), STATUS_OK);
	assert_true(token_databricks_profile_has(file, "a"));
	secret_free(file);
	unlink(path);
	rmdir(folder);
}

/* ---- answers ------------------------------------------------------------------- */

static struct json_doc *parse(const char *json)
{
	struct json_doc *d = NULL;

	assert_int_equal(json_doc_parse(json, strlen(json), "the test", &d,
					NULL),
			 STATUS_OK);
	return d;
}

static void a_time_may_have_any_fraction(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} table[] = {
		{ "2026-09-01T12:00:00Z", INT64_C(1788264000000000) },
		{ "2026-09-01T12:00:00.5Z", INT64_C(1788264000500000) },
		{ "2026-09-01T12:00:00.123456Z", INT64_C(1788264000123456) },
		{ "2026-09-01T12:00:00.123456789Z", INT64_C(1788264000123456) },
		{ "2026-09-01T14:00:00.000000001+02:00",
		  INT64_C(1788264000000000) },
		{ "2026-09-01T12:00:00.Z", -1 },
		{ "2026-09-01T12:00:00.1234567890123Z", -1 },
		{ "2026-09-01 12:00", -1 },
		{ "soon", -1 },
		{ "", -1 },
	};
	char json[128];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(json, sizeof(json), "[\"%s\"]", table[i].text);
		struct json_doc *d = parse(json);

		assert_int_equal(token_web_time(json_doc_at(d, 0)),
				 table[i].us);
		json_doc_free(d);
	}
	assert_int_equal(token_web_time(NULL), -1);
}

static void seconds_may_be_a_number_or_text(void **state)
{
	struct json_doc *d =
		parse("[3600,\"3600\",3600.0,\"\",\"-1\",-1,\"1e3\","
		      "null,\"99999999999999\",true,"
		      "1000000000000000000,99999999999]");
	const int64_t want[] = { 3600, 3600, 3600, -1, -1, -1,
				 -1,   -1,   -1,   -1, -1, 99999999999 };

	(void)state;
	for (size_t i = 0; i < 12; i++)
		assert_int_equal(token_web_seconds(json_doc_at(d, i)), want[i]);
	json_doc_free(d);
}

/* ---- RDS ------------------------------------------------------------------------ */

/* botocore's generate_db_auth_token gives the same; the integration tests ask
 * it. */
static void rds_tokens_are_those_of_the_vectors(void **state)
{
	static const struct {
		const char *session;
		const char *signature;
	} vectors[] = {
		{ NULL, "8d8154ee47dee80ef0a0af9fc4dba6b80e1e669e8382f9bbe00860"
			"0bdb799701" },
		{ "SESS/TOK+EN=", "8b6ab4120c25a3bd35d56226ffef248058c5aa5e5563"
				  "6398b963d94d897422a4" },
	};
	static const char host[] = "db.example.eu-central-1.rds.amazonaws.com";

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct secret *secret =
			secret_of("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
		struct secret *session = vectors[i].session ?
						 secret_of(vectors[i].session) :
						 NULL;
		const struct sigv4_key key = { "AKIDEXAMPLE", secret, session };
		struct secret *token = NULL;
		int64_t at = 0;
		const struct token_aws_rds_login login = { "eu-central-1", host,
							   "5432", "app_user" };
		const char *tail;

		assert_int_equal(now_parse("2026-01-02T03:04:05Z", &at), 0);
		assert_int_equal(token_aws_rds_make(&key, &login, at, &token,
						    NULL),
				 STATUS_OK);
		assert_int_equal(
			strncmp(secret_bytes(token), host, strlen(host)), 0);
		assert_non_null(strstr(secret_bytes(token),
				       ":5432/?Action=connect&DBUser=app_user&"
				       "X-Amz-Algorithm=AWS4-HMAC-SHA256&"));
		tail = strstr(secret_bytes(token), "&X-Amz-Signature=");
		assert_non_null(tail);
		assert_string_equal(tail + strlen("&X-Amz-Signature="),
				    vectors[i].signature);
		secret_free(token);
		secret_free(secret);
		secret_free(session);
	}
}

/* What a token with an expiry by the server's clock is said to live until, by
 * ours: until - skew. */
static void a_slow_answer_makes_no_token_live_longer(void **state)
{
	const int64_t s = NOW_SECOND, at = INT64_C(1790000000) * s;

	(void)state;
	/* Clocks agree; it took 10 seconds, after the Date or before it. */
	assert_true(token_web_skew(at, at, at + 10 * s) >= 0);
	assert_true(token_web_skew(at + 4 * s, at, at + 10 * s) >= 0);
	assert_true(token_web_skew(at - s, at - s / 2, at + 10 * s) >= 0);
	/* Ours is a minute ahead: what the answer took does not count. */
	assert_int_equal(token_web_skew(at, at + 60 * s, at + 70 * s), -60 * s);
	/* Ours is a minute behind. */
	assert_int_equal(token_web_skew(at + 60 * s, at - s, at), 60 * s);
	assert_int_equal(token_web_skew(-1, at, at), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_has_its_own_values),
		cmocka_unit_test(a_comment_in_a_line_needs_a_blank),
		cmocka_unit_test(the_last_of_two_values_counts),
		cmocka_unit_test(a_value_that_does_not_fit_is_none),
		cmocka_unit_test(the_default_profile_may_be_named),
		cmocka_unit_test(a_profile_file_must_be_private),
		cmocka_unit_test(a_time_may_have_any_fraction),
		cmocka_unit_test(seconds_may_be_a_number_or_text),
		cmocka_unit_test(a_slow_answer_makes_no_token_live_longer),
		cmocka_unit_test(rds_tokens_are_those_of_the_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
