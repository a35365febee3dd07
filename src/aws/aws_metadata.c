/* SPDX-License-Identifier: PostgreSQL */
/* Asks the host for credentials.  Must never send a token to an address that is
 * not the host's, nor speak version 1 of the instance's metadata service. */
#include "aws/aws_metadata.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "aws/aws_environment.h"
#include "base/text.h"
#include "json/json_doc.h"

#define URL_SIZE	  1024
#define ANSWER_MAX	  65536
#define CONTAINER_TIMEOUT (2 * NOW_SECOND)
#define INSTANCE_TIMEOUT  (1 * NOW_SECOND)
#define TOKEN_MAX	  16384

enum status aws_metadata_parse(const char *bytes, size_t n, const char *origin,
			       const char *token_name, struct aws_key *ret,
			       struct reason *why)
{
	struct secret *id = NULL, *secret = NULL, *token = NULL;
	char expires[64] = "";
	struct json_doc *d = NULL;
	enum status s = json_doc_parse(bytes, n, origin, &d, NULL);

	if (s != STATUS_OK || !json_doc_is(d, JSON_DOC_OBJECT)) {
		s = reason_set(why, STATUS_CONFIG, "%s gives no JSON object",
			       origin);
		goto out;
	}
	json_doc_secret(json_doc_get(d, "AccessKeyId"), AWS_KEY_ID_SIZE, &id);
	json_doc_secret(json_doc_get(d, "SecretAccessKey"), AWS_KEY_SECRET_MAX,
			&secret);
	json_doc_secret(json_doc_get(d, token_name), AWS_KEY_TOKEN_MAX, &token);
	if (json_doc_get(d, "Expiration") &&
	    !json_doc_is(json_doc_get(d, "Expiration"), JSON_DOC_NULL) &&
	    json_doc_copy(json_doc_get(d, "Expiration"), expires,
			  sizeof(expires)) != STATUS_OK)
		text_copy(expires, sizeof(expires), "?");
	s = aws_key_make(origin, id, secret, token, expires, ret, why);
out:
	secret_free(id);
	json_doc_free(d);
	return s;
}

/* A request to a service of this host. */
struct question {
	const char *whom; /* "the container's credentials endpoint" */
	const char *method;
	const char *url;
	const struct http_header *header; /* or NULL */
	int64_t timeout_us;
	unsigned tries;
};

static enum status ask_host(struct aws_call_wire *w, const struct question *q,
			    struct http_response *ret,
			    enum http_outcome *ret_outcome, struct reason *why)
{
	const struct http_request req = { .method = q->method,
					  .url = q->url,
					  .headers = q->header,
					  .n_headers = q->header ? 1 : 0,
					  .timeout_us = q->timeout_us,
					  .response_max = ANSWER_MAX,
					  .plain_http = true };
	const struct http_retry retry = { .tries = q->tries, .unknown = true };
	enum status s = http_call(w->http, &req, &retry, ret, ret_outcome, why);

	if (s == STATUS_UNKNOWN)
		s = STATUS_STORE_UNAVAILABLE; /* nothing was changed there */
	return s == STATUS_OK ? s : reason_wrap(why, s, "%s", q->whom);
}

/* --- containers ------------------------------------------------------------- */

bool aws_metadata_has_container(void)
{
	return aws_environment_get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
	       aws_environment_get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

/* The token goes there: only https, loopback, and the three addresses that
 * the host gives to ECS and EKS. */
static enum status container_url(char url[URL_SIZE], struct reason *why)
{
	static const char *const hosts[] = { "169.254.170.2", "169.254.170.23",
					     "fd00:ec2::23" };
	const char *relative =
		aws_environment_get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full =
		aws_environment_get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct http_url u;
	enum status s;
	int n;

	if (relative)
		n = snprintf(url, URL_SIZE, "http://169.254.170.2%s%s",
			     *relative == '/' ? "" : "/", relative);
	else
		n = snprintf(url, URL_SIZE, "%s", full);
	if (n < 0 || n >= URL_SIZE)
		return reason_set(why, STATUS_CONFIG,
				  "the address of the container's credentials "
				  "is too long");
	s = http_url_parse(url, &u, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "AWS_CONTAINER_CREDENTIALS_%s_URI",
				   relative ? "RELATIVE" : "FULL");
	if (u.tls || http_url_is_loopback(&u))
		return STATUS_OK;
	for (int i = 0; i < 3; i++)
		if (strcmp(u.host, hosts[i]) == 0)
			return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "AWS_CONTAINER_CREDENTIALS_FULL_URI: http is for "
			  "loopback and the addresses of ECS and EKS only");
}

/* Read again each time: EKS replaces the file. */
static enum status container_token(struct secret **ret, struct reason *why)
{
	const char *file =
		aws_environment_get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *set =
		aws_environment_get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	struct secret *token = NULL;
	enum status s = STATUS_OK;
	int fd;

	if (file) {
		fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		s = fd < 0 ? STATUS_ERROR :
			     secret_read_fd(fd, TOKEN_MAX, &token);
		if (fd >= 0)
			close(fd);
	} else if (set) {
		s = secret_from(set, strlen(set), &token);
	}
	if (s == STATUS_OK && token &&
	    text_has_control(secret_bytes(token), secret_len(token)))
		s = STATUS_ERROR;
	if (s != STATUS_OK) {
		secret_free(token);
		return reason_set(why, STATUS_CONFIG,
				  "the token for the container's credentials "
				  "cannot be read, or holds a line end");
	}
	*ret = token;
	return STATUS_OK;
}

enum status aws_metadata_container(struct aws_call_wire *w, struct aws_key *ret,
				   struct reason *why)
{
	static const char whom[] = "the container's credentials endpoint";
	struct http_response r = { .code = 0 };
	struct http_header header = { "Authorization", "", NULL };
	struct secret *token = NULL;
	char url[URL_SIZE];
	struct question q = { whom, "GET", url, NULL, CONTAINER_TIMEOUT, 3 };
	enum status s = container_url(url, why);

	if (s == STATUS_OK)
		s = container_token(&token, why);
	if (s != STATUS_OK)
		return s;
	header.secret = token;
	if (token)
		q.header = &header;
	s = ask_host(w, &q, &r, NULL, why);
	if (s == STATUS_OK && r.code != 200)
		s = reason_set(why,
			       r.code >= 500 || r.code == 429 ?
				       STATUS_STORE_UNAVAILABLE :
				       STATUS_CONFIG,
			       "%s answers %d", whom, r.code);
	else if (s == STATUS_OK)
		s = aws_metadata_parse(r.body, r.body_n, whom, "Token", ret,
				       why);
	http_response_free(&r);
	secret_free(token);
	return s;
}

/* --- instances --------------------------------------------------------------- */

/* A service of an instance, as this process and this profile are to see it. */
struct instance {
	struct aws_call_wire *wire;
	char base[URL_SIZE / 2]; /* "http://169.254.169.254" */
};

static const char instance_is[] = "the instance's metadata service";

static struct instance find_instance(struct aws_call_wire *w,
				     const struct aws_profile *files,
				     const char *profile)
{
	const char *set =
		aws_environment_get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode =
		aws_environment_get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	char of_profile[URL_SIZE / 2], mode_of_profile[16];
	struct instance found = { .wire = w };
	size_t n;

	if (!set &&
	    aws_profile_text(files, profile, "ec2_metadata_service_endpoint",
			     of_profile, sizeof(of_profile)))
		set = of_profile;
	if (!mode && aws_profile_text(files, profile,
				      "ec2_metadata_service_endpoint_mode",
				      mode_of_profile, sizeof(mode_of_profile)))
		mode = mode_of_profile;
	if (!set)
		set = mode && strcasecmp(mode, "ipv6") == 0 ?
			      "http://[fd00:ec2::254]" :
			      "http://169.254.169.254";
	text_copy(found.base, sizeof(found.base), set);
	n = strlen(found.base);
	while (n > 0 && found.base[n - 1] == '/')
		found.base[--n] = '\0';
	return found;
}

/* What kept us from a session.  Only what may be better soon is more than "not
 * there": off AWS, nothing answers at that address. */
static enum status no_session(int code, struct reason *why)
{
	if (code >= 500 || code == 429)
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "%s answers %d to the request for a session",
				  instance_is, code);
	return reason_set(why, STATUS_NOT_FOUND,
			  "%s gives no session (IMDSv2), answer %d%s",
			  instance_is, code,
			  code == 403 ? ": is it switched off for this "
					"instance (HttpEndpoint)?" :
					"");
}

/* A session token of the service; without one nothing else is asked: that
 * would be version 1. */
static enum status instance_session(const struct instance *i,
				    struct secret **ret, struct reason *why)
{
	static const struct http_header ttl = {
		"x-aws-ec2-metadata-token-ttl-seconds", "21600", NULL
	};
	enum http_outcome outcome = HTTP_NOT_SENT;
	struct http_response r = { .code = 0 };
	struct reason said = { "" };
	char url[URL_SIZE];
	const struct question q = { instance_is,      "PUT", url, &ttl,
				    INSTANCE_TIMEOUT, 1 };
	enum status s;

	if (aws_environment_is_true("AWS_EC2_METADATA_DISABLED"))
		return reason_set(why, STATUS_NOT_FOUND,
				  "AWS_EC2_METADATA_DISABLED is set");
	snprintf(url, sizeof(url), "%s/latest/api/token", i->base);
	s = ask_host(i->wire, &q, &r, &outcome, &said);
	if (s != STATUS_OK)
		return reason_set(
			why, s == STATUS_CONFIG ? s : STATUS_NOT_FOUND, "%s%s",
			said.text,
			outcome == HTTP_NOT_SENT || s == STATUS_CONFIG ?
				"" :
				" (to a container only with an instance's "
				"HttpPutResponseHopLimit of 2 or more)");
	if (r.code != 200 || r.body_n == 0 || r.body_n > TOKEN_MAX ||
	    text_has_control(r.body, r.body_n)) {
		s = no_session(r.code, why);
	} else {
		s = secret_from(r.body, r.body_n, ret);
	}
	http_response_free(&r);
	return s;
}

static enum status instance_get(const struct instance *i,
				const struct secret *session, const char *path,
				struct http_response *ret, struct reason *why)
{
	const struct http_header header = { "x-aws-ec2-metadata-token", "",
					    session };
	char url[URL_SIZE];
	const struct question q = { instance_is,      "GET", url, &header,
				    INSTANCE_TIMEOUT, 1 };
	enum status s;

	snprintf(url, sizeof(url), "%s%s", i->base, path);
	s = ask_host(i->wire, &q, ret, NULL, why);
	if (s != STATUS_OK || ret->code == 200)
		return s;
	s = reason_set(why,
		       ret->code == 404 ? STATUS_NOT_FOUND :
					  STATUS_STORE_UNAVAILABLE,
		       "%s answers %d%s", instance_is, ret->code,
		       ret->code == 404 ? ": the instance has no role" : "");
	http_response_free(ret);
	return s;
}

/* The first line, when it may stand in a path. */
static bool one_word(const struct http_response *r, char *dst, size_t size)
{
	size_t n = strcspn(r->body, "\r\n");

	if (n == 0 || n >= size)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
			    "XYZ0123456789+=,.@_-",
			    r->body[i]))
			return false;
	memcpy(dst, r->body, n);
	dst[n] = '\0';
	return true;
}

enum status aws_metadata_instance(struct aws_call_wire *w,
				  const struct aws_profile *files,
				  const char *profile, struct aws_key *ret,
				  struct reason *why)
{
	const struct instance i = find_instance(w, files, profile);
	static const char base[] =
		"/latest/meta-data/iam/security-credentials/";
	char role[128], path[sizeof(base) + sizeof(role)];
	struct http_response r = { .code = 0 };
	struct secret *session = NULL;
	enum status s;

	s = instance_session(&i, &session, why);
	if (s != STATUS_OK)
		return s;
	s = instance_get(&i, session, base, &r, why);
	if (s != STATUS_OK)
		goto out;
	if (!one_word(&r, role, sizeof(role))) {
		s = reason_set(why, STATUS_NOT_FOUND,
			       "%s: the instance has no role", instance_is);
		goto out;
	}
	http_response_free(&r);
	snprintf(path, sizeof(path), "%s%s", base, role);
	s = instance_get(&i, session, path, &r, why);
	if (s == STATUS_OK)
		s = aws_metadata_parse(r.body, r.body_n, instance_is, "Token",
				       ret, why);
out:
	http_response_free(&r);
	secret_free(session);
	return s;
}

enum status aws_metadata_region(struct aws_call_wire *w,
				const struct aws_profile *files,
				const char *profile,
				char region[AWS_REGION_SIZE],
				struct reason *why)
{
	const struct instance i = find_instance(w, files, profile);
	struct http_response r = { .code = 0 };
	struct secret *session = NULL;
	enum status s;

	s = instance_session(&i, &session, why);
	if (s == STATUS_OK)
		s = instance_get(&i, session,
				 "/latest/meta-data/placement/region", &r, why);
	if (s == STATUS_OK && !one_word(&r, region, AWS_REGION_SIZE))
		s = reason_set(why, STATUS_NOT_FOUND, "%s tells no region",
			       instance_is);
	http_response_free(&r);
	secret_free(session);
	return s;
}
