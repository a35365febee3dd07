/* SPDX-License-Identifier: PostgreSQL */
/*
 * Presigns a login to RDS.  Must never promise a life that the credentials
 * behind it do not have: a token dies with its session.
 */
#include "token/token_aws_rds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/aws_credentials.h"
#include "aws/aws_endpoint.h"
#include "base/secret_out.h"
#include "base/text.h"

#define LIFE_S	  900U /* the service takes no more */
#define HOST_SIZE 300

struct aws_rds {
	struct token_source base;
	struct aws_call_wire wire;
	struct aws_credentials *credentials;
	char region[AWS_REGION_SIZE];
	char host[256];
	char port[8];
	char user[TOKEN_USER_SIZE];
};

enum status token_aws_rds_make(const struct sigv4_key *key,
			       const struct token_aws_rds_login *login,
			       int64_t at_us, struct secret **ret,
			       struct reason *why)
{
	char authority[HOST_SIZE];
	const struct sigv4_pair query[] = { { "Action", "connect" },
					    { "DBUser", login->user } };
	const struct sigv4_pair headers[] = { { "Host", authority } };
	const struct sigv4_scope scope = { login->region, "rds-db", at_us };
	const struct sigv4_request rq = {
		.method = "GET",
		.path = "/",
		.query = query,
		.n_query = 2,
		.headers = headers,
		.n_headers = 1,
	};
	struct secret *signed_query = NULL;
	struct secret_out token;
	enum status s;

	snprintf(authority, sizeof(authority), "%s:%s", login->host,
		 login->port);
	s = sigv4_presign(key, &scope, &rq, LIFE_S, &signed_query, why);
	if (s != STATUS_OK)
		return s;
	token = secret_out_make(strlen(authority) + 2 +
				secret_len(signed_query));
	secret_out_text(&token, authority);
	secret_out_text(&token, "/?");
	secret_out_secret(&token, signed_query);
	secret_free(signed_query);
	s = secret_out_take(&token, ret);
	return s == STATUS_OK ?
		       s :
		       reason_set(why, s, "no locked memory for a token");
}

static enum status mint_token(struct token_source *source, struct token *ret,
			      struct reason *why)
{
	struct aws_rds *a = (struct aws_rds *)source;
	struct aws_key key = { .id = "" };
	struct token t = { .secret = NULL };
	enum status s = aws_credentials_get(a->credentials, &key, why);

	if (s != STATUS_OK)
		return reason_wrap(why, s, "[token %s]", a->base.name);
	const struct sigv4_key signer = { key.id, key.secret, key.token };
	const struct token_aws_rds_login login = { a->region, a->host, a->port,
						   a->user };

	t.issued_us = now_wall(a->wire.now);
	t.expires_us = t.issued_us + LIFE_S * NOW_SECOND;
	if (key.expires_us && key.expires_us < t.expires_us)
		t.expires_us = key.expires_us;
	text_copy(t.user, sizeof(t.user), a->user);
	snprintf(t.scope, sizeof(t.scope), "user %.100s at %.120s:%s", a->user,
		 a->host, a->port);
	s = token_aws_rds_make(&signer, &login, aws_call_now(&a->wire),
			       &t.secret, why);
	aws_key_clear(&key);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "[token %s]", a->base.name);
	*ret = t;
	return STATUS_OK;
}

/* "eu-central-1" of db.x.eu-central-1.rds.amazonaws.com; false for another
 * name. */
static bool region_of(const char *host, char region[AWS_REGION_SIZE])
{
	const char *end = strstr(host, ".rds.amazonaws.com"), *from = end;

	if (!end)
		return false;
	while (from > host && from[-1] != '.')
		from--;
	if (from == host || (size_t)(end - from) >= AWS_REGION_SIZE)
		return false;
	memcpy(region, from, (size_t)(end - from));
	region[end - from] = '\0';
	return true;
}

/* A token of another region or host is one that no one takes. */
static enum status look_at_host(struct token_source *source, const char *host,
				token_finding_fn *finding, void *arg,
				struct reason *why)
{
	struct aws_rds *a = (struct aws_rds *)source;
	char region[AWS_REGION_SIZE];
	struct reason said = { "" };

	(void)why;
	if (!*host && region_of(a->host, region) &&
	    strcmp(region, a->region) != 0) {
		reason_set(
			&said, STATUS_REFUSED,
			"%s is in the region %s, and the token is signed "
			"for %s, which that server does not take; set region",
			a->host, region, a->region);
		finding(arg, TOKEN_WARN, "region", said.text);
	}
	if (*host && strcasecmp(host, a->host) != 0) {
		reason_set(&said, STATUS_REFUSED,
			   "the token is signed for %s, and the cluster is %s: "
			   "RDS takes it under its own name only",
			   a->host, host);
		finding(arg, TOKEN_WARN, "host", said.text);
	}
	return STATUS_OK;
}

static void close_source(struct token_source *source)
{
	struct aws_rds *a = (struct aws_rds *)source;

	aws_credentials_free(a->credentials);
	http_close(a->wire.http);
	free((char *)a->base.name);
	free(a);
}

static const struct token_source_ops ops = {
	.type = "aws-rds",
	.mint = mint_token,
	.look = look_at_host,
	.close = close_source,
};

static enum status find_region(struct aws_rds *a, const char *given,
			       struct reason *why)
{
	enum status s;

	if (*given)
		s = text_copy(a->region, sizeof(a->region), given);
	else
		s = aws_credentials_region(a->credentials, a->region, why);
	if (s == STATUS_OK)
		s = aws_endpoint_check_region(a->region, why);
	if (s == STATUS_OK)
		aws_credentials_set_region(a->credentials, a->region);
	return s;
}

static enum status connect_parts(struct aws_rds *a,
				 const struct token_aws_rds_options *o,
				 struct reason *why)
{
	const struct http_options http = {
		.ca_file = o->ca_file,
		.now = o->now,
		.random = o->random,
	};
	const struct aws_credentials_options credentials = {
		.profile = o->profile,
		.wire = &a->wire,
	};
	enum status s;

	a->wire.now = o->now;
	a->wire.random = o->random;
	s = http_open(&http, &a->wire.http, why);
	if (s == STATUS_OK)
		s = aws_credentials_new(&credentials, &a->credentials, why);
	return s == STATUS_OK ? find_region(a, o->region, why) : s;
}

enum status token_aws_rds_open(const struct token_aws_rds_options *o,
			       struct token_source **ret, struct reason *why)
{
	struct aws_rds *a = calloc(1, sizeof(*a));
	enum status s = STATUS_OK;

	if (!a)
		return reason_no_memory(why);
	a->base.ops = &ops;
	a->base.name = strdup(o->name);
	if (!a->base.name)
		s = reason_no_memory(why);
	else if (text_copy(a->host, sizeof(a->host), o->host) != STATUS_OK ||
		 text_copy(a->user, sizeof(a->user), o->user) != STATUS_OK ||
		 text_copy(a->port, sizeof(a->port),
			   *o->port ? o->port : "5432") != STATUS_OK)
		s = reason_set(why, STATUS_CONFIG,
			       "the name of host or user is too long");
	else
		s = connect_parts(a, o, why);
	if (s != STATUS_OK) {
		reason_wrap(why, s, "[token %s]", o->name);
		close_source(&a->base);
		return s;
	}
	*ret = &a->base;
	return STATUS_OK;
}
