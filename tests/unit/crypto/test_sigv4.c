/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/now.h"
#include "crypto/sigv4.h"

#define KEY_ID	   "AKIDEXAMPLE"
#define SECRET_KEY "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct vector {
	const char *name;
	const char *request;
	const char *token;
	int sign_body;
	int omit_token;
	unsigned expires;
	const char *canonical;
	const char *authorization;
	const char *query_canonical;
	const char *query_signature;
};

static const struct vector vectors[] = {
#define VECTOR(...) { __VA_ARGS__ },
#include "sigv4_vectors.inc"
#undef VECTOR
};

/* A request of the suite, taken apart. */
struct parsed {
	char bytes[2048];
	struct sigv4_pair query[SIGV4_PAIRS_MAX];
	struct sigv4_pair headers[SIGV4_PAIRS_MAX];
	struct sigv4_request rq;
};

static int unhex(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%' && s[1] && s[2]) {
			*to++ = (char)(unhex(s[1]) * 16 + unhex(s[2]));
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static void parse_query(struct parsed *p, char *query)
{
	char *next, *value;

	for (; query && *query; query = next) {
		next = strchr(query, '&');
		if (next)
			*next++ = '\0';
		value = strchr(query, '=');
		if (value)
			*value++ = '\0';
		else
			value = query + strlen(query);
		decode(query);
		decode(value);
		p->query[p->rq.n_query++] = (struct sigv4_pair){ query, value };
	}
}

/* A line that begins with a blank goes on with the one before. */
static char *next_line(char *at)
{
	char *end = at;

	do
		end = strchr(end + 1, '\n');
	while (end && end[1] == ' ');
	if (!end)
		return at + strlen(at);
	*end = '\0';
	return end + 1;
}

static void parse(const struct vector *v, struct parsed *p)
{
	char *at = p->bytes, *line, *mark;

	memset(p, 0, sizeof(*p));
	assert_true(strlen(v->request) < sizeof(p->bytes));
	memcpy(p->bytes, v->request, strlen(v->request) + 1);
	p->rq.query = p->query;
	p->rq.headers = p->headers;
	line = at;
	at = next_line(at);
	p->rq.method = line;
	mark = strchr(line, ' ');
	*mark++ = '\0';
	p->rq.path = mark;
	*strrchr(mark, ' ') = '\0';
	mark = strchr(mark, '?');
	if (mark) {
		*mark = '\0';
		parse_query(p, mark + 1);
	}
	while (*at && *at != '\n') {
		line = at;
		at = next_line(at);
		mark = strchr(line, ':');
		*mark = '\0';
		p->headers[p->rq.n_headers++] =
			(struct sigv4_pair){ line, mark + 1 };
	}
	if (*at == '\n')
		at++;
	p->rq.body = at;
	p->rq.body_n = strlen(at);
}

static struct secret *make(const char *s)
{
	struct secret *made = NULL;

	assert_int_equal(secret_new(strlen(s), &made), STATUS_OK);
	assert_int_equal(secret_set(made, s, strlen(s)), STATUS_OK);
	return made;
}

static int64_t time_of(const char *s)
{
	int64_t at = 0;

	assert_int_equal(now_parse(s, &at), 0);
	return at;
}

static void add_header(struct parsed *p, const char *name, const char *value)
{
	p->headers[p->rq.n_headers++] = (struct sigv4_pair){ name, value };
}

/* The suite signs the hash of a body by sending it as a header; with
 * sign_body = 0 the body is taken for empty. */
static void apply_body_rule(const struct vector *v, struct parsed *p)
{
	static char hash[65];
	const char *found;

	if (!v->sign_body) {
		assert_int_equal(p->rq.body_n, 0);
		return;
	}
	found = strrchr(v->canonical, '\n');
	snprintf(hash, sizeof(hash), "%s", found + 1);
	add_header(p, "X-Amz-Content-Sha256", hash);
}

static void check_headers(const struct vector *v, struct secret *secret,
			  struct secret *token)
{
	const struct sigv4_scope scope = { "us-east-1", "service",
					   time_of("2015-08-30T12:36:00Z") };
	const struct sigv4_key key = { KEY_ID, secret,
				       v->omit_token ? NULL : token };
	struct text t = text_make(8192);
	struct secret *canonical = NULL;
	struct reason why = { { 0 } };
	struct parsed p;

	parse(v, &p);
	apply_body_rule(v, &p);
	assert_int_equal(sigv4_authorize(&key, &scope, &p.rq, &t, &why),
			 STATUS_OK);
	if (strcmp(text_str(&t), v->authorization) != 0)
		print_error("%s\n", v->name);
	assert_string_equal(text_str(&t), v->authorization);
	text_free(&t);

	add_header(&p, "X-Amz-Date", "20150830T123600Z");
	if (key.token)
		add_header(&p, "X-Amz-Security-Token", v->token);
	assert_int_equal(sigv4_canonical(&p.rq, &canonical, &why), STATUS_OK);
	assert_string_equal(secret_bytes(canonical), v->canonical);
	secret_free(canonical);
}

static void the_suite_of_aws_c_auth_is_signed_in_headers(void **state)
{
	struct secret *secret = make(SECRET_KEY), *token;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		token = vectors[i].token ? make(vectors[i].token) : NULL;
		check_headers(&vectors[i], secret, token);
		secret_free(token);
	}
	assert_true(sizeof(vectors) / sizeof(vectors[0]) >= 32);
	secret_free(secret);
}

static void check_presigned(const struct vector *v, struct secret *secret,
			    struct secret *token)
{
	const struct sigv4_scope scope = { "us-east-1", "service",
					   time_of("2015-08-30T12:36:00Z") };
	const struct sigv4_key key = { KEY_ID, secret,
				       v->omit_token ? NULL : token };
	struct secret *query = NULL;
	struct reason why = { { 0 } };
	const char *mark, *canonical;
	struct parsed p;
	size_t n;

	parse(v, &p);
	assert_int_equal(sigv4_presign(&key, &scope, &p.rq, v->expires, &query,
				       &why),
			 STATUS_OK);
	mark = strstr(secret_bytes(query), "&X-Amz-Signature=");
	assert_non_null(mark);
	/* The query is the third line of the canonical request. */
	canonical = strchr(strchr(v->query_canonical, '\n') + 1, '\n') + 1;
	n = strcspn(canonical, "\n");
	assert_int_equal(mark - secret_bytes(query), n);
	assert_memory_equal(secret_bytes(query), canonical, n);
	assert_string_equal(mark + strlen("&X-Amz-Signature="),
			    v->query_signature);
	secret_free(query);
}

static void the_suite_of_aws_c_auth_is_presigned(void **state)
{
	struct secret *secret = make(SECRET_KEY), *token;
	size_t checked = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		/* A token that is added behind the signature is not ours, and
		 * the suite signs bodies with a header that it then leaves out
		 * of the URL. */
		if (vectors[i].omit_token || vectors[i].sign_body)
			continue;
		token = vectors[i].token ? make(vectors[i].token) : NULL;
		check_presigned(&vectors[i], secret, token);
		secret_free(token);
		checked++;
	}
	assert_true(checked >= 28);
	secret_free(secret);
}

/* What botocore's generate_db_auth_token() makes of the same input. */
static void a_login_token_for_rds_is_what_botocore_makes(void **state)
{
	static const struct sigv4_pair query[] = { { "DBUser", "app_user" },
						   { "Action", "connect" } };
	static const struct sigv4_pair host = {
		"Host", "db.example.eu-central-1.rds.amazonaws.com:5432"
	};
	const struct sigv4_request rq = { "GET", "/", query, 2,
					  &host, 1,   NULL,  0 };
	const struct sigv4_scope scope = { "eu-central-1", "rds-db",
					   time_of("2026-01-02T03:04:05Z") };
	struct secret *secret = make(SECRET_KEY), *token, *made = NULL;
	struct sigv4_key key = { KEY_ID, secret, NULL };
	struct reason why = { { 0 } };

	(void)state;
	assert_int_equal(sigv4_presign(&key, &scope, &rq, 900, &made, &why),
			 STATUS_OK);
	assert_string_equal(
		secret_bytes(made),
		"Action=connect&DBUser=app_user&"
		"X-Amz-Algorithm=AWS4-HMAC-SHA256&"
		"X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-central-1%2F"
		"rds-db%2Faws4_request&X-Amz-Date=20260102T030405Z&"
		"X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature="
		"8d8154ee47dee80ef0a0af9fc4dba6b80e1e669e8382f9bbe008600bdb799"
		"701");
	secret_free(made);
	token = make("SESS/TOK+EN=");
	key.token = token;
	assert_int_equal(sigv4_presign(&key, &scope, &rq, 900, &made, &why),
			 STATUS_OK);
	assert_non_null(strstr(secret_bytes(made),
			       "&X-Amz-Security-Token=SESS%2FTOK%2BEN%3D&"));
	assert_non_null(
		strstr(secret_bytes(made),
		       "&X-Amz-Signature=8b6ab4120c25a3bd35d56226ffef248058c5aa"
		       "5e55636398b963d94d897422a4"));
	secret_free(made);
	secret_free(token);
	secret_free(secret);
}

static void a_change_anywhere_changes_the_signature(void **state)
{
	struct sigv4_pair header = { "host", "h" };
	struct sigv4_request rq = { .method = "POST",
				    .path = "/",
				    .headers = &header,
				    .n_headers = 1,
				    .body = "{}",
				    .body_n = 2 };
	struct sigv4_scope scope = { "r", "s", 0 };
	struct secret *secret = make("k");
	const struct sigv4_key key = { "id", secret, NULL };
	struct text seen[6];

	(void)state;
	for (int i = 0; i < 6; i++) {
		if (i == 1)
			rq.body_n = 1;
		if (i == 2)
			header.value = "other";
		if (i == 3)
			scope.region = "r2";
		if (i == 4)
			scope.service = "s2";
		if (i == 5)
			scope.at_us = NOW_SECOND;
		seen[i] = text_make(1024);
		assert_int_equal(sigv4_authorize(&key, &scope, &rq, &seen[i],
						 NULL),
				 STATUS_OK);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
				strstr(text_str(&seen[i]), "Signature="),
				strstr(text_str(&seen[k]), "Signature="));
	}
	for (int i = 0; i < 6; i++)
		text_free(&seen[i]);
	secret_free(secret);
}

static void what_cannot_be_signed_is_refused(void **state)
{
	static const struct sigv4_pair other = { "x", "y" };
	static const struct sigv4_pair host = { "HOST", "y" };
	struct sigv4_pair many[SIGV4_PAIRS_MAX + 1];
	struct sigv4_request rq = {
		.method = "GET", .path = "/", .headers = &other, .n_headers = 1
	};
	struct sigv4_scope scope = { "r", "s", 0 };
	struct secret *secret = make("k"), *made = secret;
	const struct sigv4_key key = { "id", secret, NULL };
	struct text t = text_make(1024);
	struct reason why = { { 0 } };

	(void)state;
	assert_int_equal(sigv4_authorize(&key, &scope, &rq, &t, &why),
			 STATUS_USAGE);
	rq.headers = &host;
	scope.region = "";
	assert_int_equal(sigv4_authorize(&key, &scope, &rq, &t, &why),
			 STATUS_USAGE);
	scope.region = "r";
	for (size_t i = 0; i < SIGV4_PAIRS_MAX + 1; i++)
		many[i] = host;
	rq.headers = many;
	rq.n_headers = SIGV4_PAIRS_MAX + 1;
	assert_int_equal(sigv4_authorize(&key, &scope, &rq, &t, &why),
			 STATUS_LIMIT);
	assert_int_equal(sigv4_canonical(&rq, &made, &why), STATUS_LIMIT);
	rq.headers = &host;
	rq.n_headers = 1;
	assert_int_equal(sigv4_presign(&key, &scope, &rq, 0, &made, &why),
			 STATUS_USAGE);
	assert_int_equal(sigv4_presign(&key, &scope, &rq, 604801, &made, &why),
			 STATUS_USAGE);
	assert_ptr_equal(made, secret);
	assert_int_equal(t.len, 0);
	text_free(&t);
	secret_free(secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_suite_of_aws_c_auth_is_signed_in_headers),
		cmocka_unit_test(the_suite_of_aws_c_auth_is_presigned),
		cmocka_unit_test(a_login_token_for_rds_is_what_botocore_makes),
		cmocka_unit_test(a_change_anywhere_changes_the_signature),
		cmocka_unit_test(what_cannot_be_signed_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
