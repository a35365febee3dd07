/* SPDX-License-Identifier: PostgreSQL */
/* The parts of the AWS store that need no AWS: files, addresses, labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "aws/aws_endpoint.h"
#include "aws/aws_process.h"
#include "aws/aws_profile.h"
#include "base/now.h"
#include "store/aws/content.h"
#include "store/aws/known.h"
#include "store/aws/state.h"

static char folder[] = "/tmp/keyturn-aws-XXXXXX";

static void write_file(const char *variable, const char *name, const char *text,
		       mode_t mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	setenv(variable, path, 1);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[128];

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder,
			 i ? "config" : "credentials");
		unlink(path);
	}
	return rmdir(folder);
}

static struct aws_profile *files(void)
{
	struct aws_profile *p = NULL;

	write_file("AWS_CONFIG_FILE", "config",
		   "[default]\nregion = eu-west-1 \n# region = x\n"
		   "[profile  two ]\nregion=eu-central-1\n"
		   "services = local\ns3 =\n  region = nested\n"
		   "credential_process = /bin/x \"a b\" # kept\n"
		   "[profile \"with space\"]\nregion = us-east-1\n"
		   "[two]\nregion = not-this\n"
		   "[services local]\nsts =\n  endpoint_url = http://sts\n"
		   "secrets_manager = \n\tendpoint_url = http://sm\n",
		   0644);
	write_file("AWS_SHARED_CREDENTIALS_FILE", "credentials",
		   "\n[two]\r\naws_access_key_id = AKIA\r\n"
		   "aws_secret_access_key = a=b=c \r\n[three]\n",
		   0600);
	assert_int_equal(aws_profile_read(&p, NULL), STATUS_OK);
	return p;
}

static void profiles_are_read_as_awss_tools_read_them(void **state)
{
	struct aws_profile *p = files();
	char value[128];

	(void)state;
	assert_true(aws_profile_exists(p, "default"));
	assert_true(aws_profile_exists(p, "two"));
	assert_true(aws_profile_exists(p, "three"));
	assert_false(aws_profile_exists(p, "local"));
	assert_false(aws_profile_exists(p, "four"));
	assert_true(
		aws_profile_text(p, "default", "region", value, sizeof(value)));
	assert_string_equal(value, "eu-west-1");
	assert_true(aws_profile_text(p, "two", "region", value, sizeof(value)));
	assert_string_equal(value, "eu-central-1");
	assert_true(aws_profile_text(p, "with space", "region", value,
				     sizeof(value)));
	assert_string_equal(value, "us-east-1");
	assert_true(aws_profile_text(p, "two", "credential_process", value,
				     sizeof(value)));
	assert_string_equal(value, "/bin/x \"a b\" # kept");
	assert_true(aws_profile_service(p, "local", "secrets_manager",
					"endpoint_url", value, sizeof(value)));
	assert_string_equal(value, "http://sm");
	assert_false(aws_profile_text(p, "two", "region", value, 5));
	assert_string_equal(value, "");
	aws_profile_free(p);
}

static void a_key_is_read_from_a_private_file_only(void **state)
{
	struct aws_profile *p = files();
	struct secret *key = NULL;
	struct reason why;

	(void)state;
	assert_int_equal(aws_profile_secret(p, AWS_FILE_CREDENTIALS, "two",
					    "aws_secret_access_key", &key,
					    &why),
			 STATUS_OK);
	assert_string_equal(secret_bytes(key), "a=b=c");
	secret_free(key);
	assert_int_equal(aws_profile_secret(p, AWS_FILE_CREDENTIALS, "three",
					    "aws_secret_access_key", &key,
					    &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(aws_profile_secret(p, AWS_FILE_CONFIG, "two", "region",
					    &key, &why),
			 STATUS_CONFIG);
	assert_non_null(strstr(why.text, "chmod 600"));
	aws_profile_free(p);
}

static void find(struct aws_endpoint_query q, const char *region, bool fips,
		 bool dual, const char *host)
{
	struct aws_profile *p = files();
	struct aws_endpoint e;
	char url[600];

	q.region = region;
	q.fips = fips;
	q.dualstack = dual;
	assert_int_equal(aws_endpoint_find(&q, p, "default", &e, NULL),
			 STATUS_OK);
	assert_string_equal(e.host, host);
	snprintf(url, sizeof(url), "https://%s/", host);
	assert_string_equal(e.url, url);
	aws_profile_free(p);
}

static void every_partition_has_its_names(void **state)
{
	const struct aws_endpoint_query q = {
		.service = "secretsmanager",
		.variable = "AWS_ENDPOINT_URL_SECRETS_MANAGER",
		.section = "secrets_manager",
	};

	(void)state;
	find(q, "eu-central-1", false, false,
	     "secretsmanager.eu-central-1.amazonaws.com");
	find(q, "us-east-1", true, false,
	     "secretsmanager-fips.us-east-1.amazonaws.com");
	find(q, "eusc-de-east-1", false, true,
	     "secretsmanager.eusc-de-east-1.api.amazonwebservices.eu");
	find(q, "us-gov-west-1", true, true,
	     "secretsmanager-fips.us-gov-west-1.amazonaws.com");
	find(q, "cn-north-1", false, false,
	     "secretsmanager.cn-north-1.amazonaws.com.cn");
	find(q, "cn-north-1", false, true,
	     "secretsmanager.cn-north-1.amazonaws.com.cn");
	find(q, "cn-north-1", true, true,
	     "secretsmanager-fips.cn-north-1.api.amazonwebservices.com.cn");
	find(q, "eusc-de-east-1", false, false,
	     "secretsmanager.eusc-de-east-1.amazonaws.eu");
}

static void fips_is_wanted_by_variables_and_profiles_too(void **state)
{
	struct aws_endpoint_query q = {
		.service = "sts",
		.variable = "AWS_ENDPOINT_URL_STS",
		.section = "sts",
		.region = "us-west-2",
	};
	struct aws_profile *p = files();
	struct aws_endpoint e;
	struct reason why;

	(void)state;
	setenv("AWS_USE_FIPS_ENDPOINT", "True", 1);
	assert_int_equal(aws_endpoint_find(&q, p, "default", &e, NULL),
			 STATUS_OK);
	assert_string_equal(e.host, "sts-fips.us-west-2.amazonaws.com");
	/* GovCloud's usual name is FIPS. */
	q.region = "us-gov-east-1";
	assert_int_equal(aws_endpoint_find(&q, p, "default", &e, NULL),
			 STATUS_OK);
	assert_string_equal(e.host, "sts.us-gov-east-1.amazonaws.com");
	/* An address of one's own cannot be made FIPS. */
	assert_int_equal(aws_endpoint_find(&q, p, "two", &e, &why),
			 STATUS_CONFIG);
	assert_non_null(strstr(why.text, "fips"));
	setenv("AWS_USE_FIPS_ENDPOINT", "false", 1);
	assert_int_equal(aws_endpoint_find(&q, p, "two", &e, &why),
			 STATUS_CONFIG); /* http://sts is not loopback */
	assert_non_null(strstr(why.text, "loopback"));
	unsetenv("AWS_USE_FIPS_ENDPOINT");
	aws_profile_free(p);
}

static void only_a_region_becomes_part_of_a_host(void **state)
{
	static const char *const bad[] = { "",	     "EU",	     "a.b",
					   "a/b",    "x@evil",	     "-a",
					   "eu\n-1", "eu-central-1 " };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(aws_endpoint_check_region(bad[i], NULL),
				 STATUS_CONFIG);
	assert_int_equal(aws_endpoint_check_region("eu-central-1", NULL),
			 STATUS_OK);
}

static struct json_doc *parse(const char *json)
{
	struct json_doc *d = NULL;

	assert_int_equal(json_doc_parse(json, strlen(json), "", &d, NULL),
			 STATUS_OK);
	return d;
}

static void labels_become_a_state_and_its_revision(void **state)
{
	struct json_doc *d = parse(
		"{\"Name\":\"x\",\"LastChangedDate\":1523477145.713,"
		"\"VersionIdsToStages\":{"
		"\"11111111-1111-4111-8111-111111111111\":[\"AWSPREVIOUS\"],"
		"\"22222222-2222-4222-8222-222222222222\":[\"AWSCURRENT\","
		"\"AWSPENDING\"],"
		"\"33333333-3333-4333-8333-333333333333\":[\"mine\"],"
		"\"44444444-4444-4444-8444-444444444444\":[]}}");
	struct store_aws_state s;
	char current[RANDOM_UUID_SIZE];

	(void)state;
	assert_int_equal(store_aws_state_read(d, "x", "r", &s, NULL),
			 STATUS_OK);
	assert_int_equal(s.state.n, 3);
	assert_int_equal(s.state.versions[0].label, STORE_LABEL_CURRENT);
	assert_int_equal(s.state.versions[0].created_us, 1523477145713000);
	assert_int_equal(s.state.versions[1].label, STORE_LABEL_PREVIOUS);
	assert_int_equal(s.state.versions[2].label, STORE_LABEL_RING);
	assert_false(store_aws_state_is_open(&s));
	assert_int_equal(store_aws_state_revision(s.state.revision, current),
			 STORE_AWS_STATE_OURS);
	assert_string_equal(current, "22222222-2222-4222-8222-222222222222");
	json_doc_free(d);
}

static void what_changes_is_what_aws_would_say(void **state)
{
	static const char id[] = "55555555-5555-4555-8555-555555555555";
	struct json_doc *d = parse("{\"Name\":\"x\",\"VersionIdsToStages\":{"
				   "\"terraform-20260102030405678900000001\":"
				   "[\"AWSCURRENT\"]}}");
	struct json_doc *later = parse(
		"{\"Name\":\"x\",\"VersionIdsToStages\":{"
		"\"terraform-20260102030405678900000001\":[\"AWSPREVIOUS\"],"
		"\"55555555-5555-4555-8555-555555555555\":[\"AWSPENDING\","
		"\"AWSCURRENT\"]}}");
	struct store_aws_state s, said;
	const char *alias;

	(void)state;
	assert_int_equal(store_aws_state_read(d, "x", "r", &s, NULL),
			 STATUS_OK);
	alias = s.state.versions[0].id;
	assert_true(store_aws_state_is_alias(alias));
	assert_string_equal(store_aws_state_real(&s, alias),
			    "terraform-20260102030405678900000001");
	store_aws_state_staged(&s, id, 1);
	assert_true(store_aws_state_is_open(&s));
	store_aws_state_promoted(&s, id, 1);
	assert_int_equal(store_aws_state_read(later, "x", "r", &said, NULL),
			 STATUS_OK);
	assert_string_equal(s.state.revision, said.state.revision);
	assert_int_equal(s.state.n, said.state.n);
	for (size_t i = 0; i < s.state.n; i++)
		assert_string_equal(s.state.versions[i].id,
				    said.state.versions[i].id);
	json_doc_free(d);
	json_doc_free(later);
}

static struct store_aws_state described_with_tags(const char *version)
{
	struct store_aws_state s;
	char json[1024];
	struct json_doc *d;

	snprintf(json, sizeof(json),
		 "{\"Name\":\"x\",\"LastChangedDate\":1523477145.713,\"Tags\":["
		 "{\"Key\":\"keyturn:version\",\"Value\":\"%s\"},"
		 "{\"Key\":\"keyturn:other-keys\",\"Value\":\"none\"},"
		 "{\"Key\":\"keyturn:last-rotated\",\"Value\":"
		 "\"2026-01-02T03:04:05Z\"}],\"VersionIdsToStages\":{"
		 "\"11111111-1111-4111-8111-111111111111\":[\"AWSCURRENT\"],"
		 "\"22222222-2222-4222-8222-222222222222\":[\"AWSPENDING\"]}}",
		 version);
	d = parse(json);
	assert_int_equal(store_aws_state_read(d, "x", "r", &s, NULL),
			 STATUS_OK);
	json_doc_free(d);
	return s;
}

static void tags_are_about_the_version_that_they_name(void **state)
{
	struct store_aws_state s =
		described_with_tags("11111111-1111-4111-8111-111111111111");
	int64_t at = 0;

	(void)state;
	assert_int_equal(now_parse("2026-01-02T03:04:05Z", &at), 0);
	assert_true(s.plain);
	assert_int_equal(
		store_find_label(&s.state, STORE_LABEL_CURRENT)->created_us,
		at);
	assert_int_equal(
		store_find_label(&s.state, STORE_LABEL_PENDING)->created_us,
		1523477145713000);
	store_aws_state_promoted(&s, "22222222-2222-4222-8222-222222222222", 1);
	assert_false(s.plain);

	s = described_with_tags("33333333-3333-4333-8333-333333333333");
	assert_false(s.plain);
	assert_int_equal(
		store_find_label(&s.state, STORE_LABEL_CURRENT)->created_us,
		1523477145713000);
}

static void a_value_is_plain_when_nothing_of_it_would_be_lost(void **state)
{
	static const struct {
		const char *json;
		bool plain;
	} cases[] = {
#define OURS                                                               \
	"\"engine\":\"e\",\"host\":\"h\",\"port\":\"1\",\"dbname\":\"d\"," \
	"\"username\":\"u\""
		{ "{" OURS "}", true },
		{ "{" OURS ",\"password\":\"p\"}", true },
		{ "{" OURS ",\"ssl\":true}", false },
		{ "{" OURS ",\"password\":\"p\",\"masterarn\":\"x\"}", false },
		/* A port that is a number stays one. */
		{ "{\"engine\":\"e\",\"host\":\"h\",\"port\":1,\"dbname\":"
		  "\"d\",\"username\":\"u\"}",
		  false },
		{ "{\"username\":\"u\"}", false },
		{ "{}", false },
#undef OURS
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_doc *d = parse(cases[i].json);

		assert_int_equal(store_aws_content_is_plain(d), cases[i].plain);
		json_doc_free(d);
	}
}

static void what_is_known_of_a_secret_is_not_known_of_another(void **state)
{
	struct store_aws_state said = { .exists = true,
					.state.revision = "r1" };
	struct store_aws_known *k, copy;
	struct store_memory *m = NULL;

	(void)state;
	assert_int_equal(store_memory_new(sizeof(*k), &m), STATUS_OK);
	assert_false(store_aws_known_recall(m, "sap", "", &said));
	said = (struct store_aws_state){ .exists = true,
					 .state.revision = "r1" };
	store_aws_known_remember(m, "sap", &said);
	k = store_memory_lock(m, "sap");
	strcpy(k->left, "terraform-1");
	store_memory_unlock(m);
	store_aws_known_set_brief(m, "sap", true);

	store_aws_known_load(m, "sap", &copy);
	assert_true(copy.described && copy.brief && copy.state.exists);
	assert_string_equal(copy.left, "terraform-1");
	assert_true(store_aws_known_recall(m, "sap", "r1", &said));
	assert_false(store_aws_known_recall(m, "sap", "r2", &said));
	store_aws_known_load(m, "crm", &copy);
	assert_false(copy.described || copy.brief || copy.state.exists);
	assert_string_equal(copy.left, "");
	store_memory_free(m);
}

static void the_placeholder_is_no_version(void **state)
{
	struct json_doc *d = parse("{\"Name\":\"x\",\"VersionIdsToStages\":{"
				   "\"" STORE_AWS_STATE_PLACEHOLDER
				   "\":[\"AWSCURRENT\"]}}");
	struct store_aws_state s;
	char current[RANDOM_UUID_SIZE];

	(void)state;
	assert_int_equal(store_aws_state_read(d, "x", "r", &s, NULL),
			 STATUS_OK);
	assert_int_equal(s.state.n, 0);
	store_aws_state_revision(s.state.revision, current);
	assert_string_equal(current, STORE_AWS_STATE_PLACEHOLDER);
	json_doc_free(d);
}

static void two_versions_cannot_both_be_current(void **state)
{
	struct json_doc *d = parse(
		"{\"Name\":\"x\",\"VersionIdsToStages\":{"
		"\"11111111-1111-4111-8111-111111111111\":[\"AWSCURRENT\"],"
		"\"22222222-2222-4222-8222-222222222222\":[\"AWSCURRENT\"]}}");
	struct store_aws_state s;

	(void)state;
	assert_int_equal(store_aws_state_read(d, "x", "r", &s, NULL),
			 STATUS_CORRUPT);
	json_doc_free(d);
}

static void a_process_is_started_from_words(void **state)
{
	struct secret *output = NULL;

	(void)state;
	assert_int_equal(
		aws_process_run("/bin/echo  'a  b' \"c\\\"d\" $HOME;e\\ f",
				5 * NOW_SECOND, now_system(), &output, NULL),
		STATUS_OK);
	assert_string_equal(secret_bytes(output), "a  b c\"d $HOME;e f\n");
	secret_free(output);
}

static void a_process_that_hangs_is_killed(void **state)
{
	struct secret *output = NULL;
	int64_t begun = now_boot(now_system());

	(void)state;
	assert_int_equal(aws_process_run("/bin/sleep 30", NOW_SECOND / 5,
					 now_system(), &output, NULL),
			 STATUS_STORE_UNAVAILABLE);
	assert_true(now_boot(now_system()) - begun < 5 * NOW_SECOND);
	assert_null(output);
}

static void a_command_line_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "  ", "'open", "\"open", "/does/not/exist", "/bin/false"
	};
	struct secret *output = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(aws_process_run(bad[i], NOW_SECOND,
						 now_system(), &output, NULL),
				 STATUS_CONFIG);
	assert_null(output);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(profiles_are_read_as_awss_tools_read_them),
		TEST(a_key_is_read_from_a_private_file_only),
		TEST(every_partition_has_its_names),
		TEST(fips_is_wanted_by_variables_and_profiles_too),
		TEST(only_a_region_becomes_part_of_a_host),
		TEST(labels_become_a_state_and_its_revision),
		TEST(what_changes_is_what_aws_would_say),
		TEST(tags_are_about_the_version_that_they_name),
		TEST(a_value_is_plain_when_nothing_of_it_would_be_lost),
		TEST(what_is_known_of_a_secret_is_not_known_of_another),
		TEST(the_placeholder_is_no_version),
		TEST(two_versions_cannot_both_be_current),
		TEST(a_process_is_started_from_words),
		TEST(a_process_that_hangs_is_killed),
		TEST(a_command_line_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
