/* SPDX-License-Identifier: PostgreSQL */
/*
 * The conversations of git, docker, Bazel and summon; must never say on
 * standard error what a protocol wants on standard output, nor the reverse.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/now.h"
#include "helpers/credential_protocol.h"
#include "helpers/credential_request.h"
#include "helpers/credential_show.h"

/* ---- Standard input ----------------------------------------------------------- */

/* All of it, or, with `git`, one request; it may hold a password. */
static enum credential_exit read_request(bool git, struct secret **ret,
					 struct reason *why)
{
	struct secret *s = NULL;
	size_t n = 0;
	ssize_t got;

	if (secret_new(CREDENTIAL_INPUT_MAX, &s) != STATUS_OK)
		return CREDENTIAL_FAIL(ERROR, why, STATUS_NO_MEMORY,
				       "cannot lock 64 KiB of memory");
	do {
		got = read(STDIN_FILENO, secret_buffer(s) + n,
			   CREDENTIAL_INPUT_MAX - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got > 0)
			n += (size_t)got;
		if (got < 0 || n == CREDENTIAL_INPUT_MAX) {
			reason_set(why, STATUS_ERROR, "%s",
				   got < 0 ? "cannot read standard input" :
					     "the request is too long");
			secret_free(s);
			return CREDENTIAL_ERROR;
		}
	} while (got != 0 &&
		 !(git && credential_request_git_is_whole(secret_bytes(s), n)));
	secret_set_len(s, n);
	*ret = s;
	return CREDENTIAL_OK;
}

/* "This password failed."  Who may not say so, or says it of a role that is not
 * there, has lost nothing. */
static enum credential_exit feed_back(struct credential_agent *a,
				      const struct credential_key *key,
				      struct reason *why)
{
	struct credential_question q = { .operation = WIRE_FEEDBACK,
					 .key = key };
	struct credential_answer answer = { 0 };
	enum credential_exit e;

	e = credential_ask(a, &q, &answer, why);
	credential_ask_forget(&answer);
	if (e == CREDENTIAL_DENIED || e == CREDENTIAL_NOT_FOUND ||
	    e == CREDENTIAL_USAGE)
		e = CREDENTIAL_OK;
	return e;
}

static enum credential_exit answer_with(struct credential_agent *a,
					const struct credential_options *o,
					const struct credential_key *key,
					const char *url, struct reason *why)
{
	struct credential_answer answer = { 0 };
	enum credential_exit e;

	e = credential_ask_secret(a, o, key, &answer, why);
	if (e == CREDENTIAL_OK)
		e = credential_show(&answer, o, url, why);
	credential_ask_forget(&answer);
	return e;
}

/* ---- git, docker, Bazel --------------------------------------------------------- */

static enum credential_exit serve_git(struct credential_agent *a,
				      const struct credential_options *o,
				      const struct secret *request,
				      struct reason *why)
{
	struct credential_key key = { 0 };
	enum credential_exit e;

	e = credential_request_git(secret_bytes(request), secret_len(request),
				   &key, why);
	if (e == CREDENTIAL_OK && o->command == CREDENTIAL_GET) {
		e = answer_with(a, o, &key, NULL, why);
		if (e == CREDENTIAL_USAGE)
			e = CREDENTIAL_NOT_FOUND; /* ambiguous */
	} else if (e == CREDENTIAL_OK && o->command == CREDENTIAL_ERASE)
		e = feed_back(a, &key, why);
	/* gitcredentials(7): who knows nothing says nothing. */
	return e == CREDENTIAL_NOT_FOUND ? CREDENTIAL_OK : e;
}

static enum credential_exit serve_docker(struct credential_agent *a,
					 const struct credential_options *o,
					 const struct secret *request,
					 struct reason *why)
{
	const char *bytes = secret_bytes(request);
	char url[CREDENTIAL_URI_SIZE];
	struct credential_key key = { 0 };
	enum credential_exit e;

	if (o->command == CREDENTIAL_STORE)
		return credential_request_docker_store(
			bytes, secret_len(request), why);
	e = credential_request_docker(bytes, secret_len(request), &key, url,
				      why);
	if (e == CREDENTIAL_OK && o->command == CREDENTIAL_GET)
		e = answer_with(a, o, &key, url, why);
	else if (e == CREDENTIAL_OK)
		e = feed_back(a, &key, why);
	if (e == CREDENTIAL_NOT_FOUND)
		reason_set(why, STATUS_NOT_FOUND, CREDENTIAL_REQUEST_NOT_HERE);
	return e;
}

static enum credential_exit serve_bazel(struct credential_agent *a,
					const struct credential_options *o,
					const struct secret *request,
					struct reason *why)
{
	struct credential_key key = { 0 };
	enum credential_exit e;

	e = credential_request_bazel(secret_bytes(request), secret_len(request),
				     &key, why);
	/* Another's URI: no headers for it. */
	if (e == CREDENTIAL_NOT_FOUND)
		return credential_show_text("{\"headers\":{}}\n", why);
	return e == CREDENTIAL_OK ? answer_with(a, o, &key, NULL, why) : e;
}

/* ---- summon --------------------------------------------------------------------- */

static enum credential_exit field_value(const struct credential_answer *a,
					enum credential_field field,
					struct secret **ret, struct reason *why)
{
	const char *const texts[CREDENTIAL_FIELD_COUNT] = {
		[CREDENTIAL_FIELD_USERNAME] = a->key.user,
		[CREDENTIAL_FIELD_HOST] = a->key.host,
		[CREDENTIAL_FIELD_PORT] = a->key.port,
		[CREDENTIAL_FIELD_DBNAME] = a->key.dbname,
		[CREDENTIAL_FIELD_VERSION] = a->version,
	};
	enum credential_form form = CREDENTIAL_FORM_RAW;

	if (field == CREDENTIAL_FIELD_URI)
		form = CREDENTIAL_FORM_URI;
	else if (field == CREDENTIAL_FIELD_CONNINFO)
		form = CREDENTIAL_FORM_CONNINFO;
	if (texts[field] == NULL)
		return credential_show_render(a, form, true, NULL, 0, ret, why);
	if (secret_new(strlen(texts[field]) + 1, ret) != STATUS_OK ||
	    secret_set(*ret, texts[field], strlen(texts[field])) != STATUS_OK)
		return CREDENTIAL_FAIL(ERROR, why, STATUS_NO_MEMORY,
				       "no memory");
	return CREDENTIAL_OK;
}

static enum credential_exit to_base64(struct secret **s, struct reason *why)
{
	size_t size = ENCODE_BASE64_SIZE(secret_len(*s));
	struct secret *coded = NULL;

	/* Strictly within SECRET_CAP_MAX: the reply's 36 KiB grow by a third. */
	if (secret_new(size, &coded) != STATUS_OK)
		return CREDENTIAL_FAIL(ERROR, why, STATUS_NO_MEMORY,
				       "no memory");
	encode_base64(secret_bytes(*s), secret_len(*s),
		      (char *)secret_buffer(coded));
	secret_set_len(coded, size - 1);
	secret_free(*s);
	*s = coded;
	return CREDENTIAL_OK;
}

/* Several values are told apart by their lines, so each is coded. */
static enum credential_exit serve_path(struct credential_agent *a,
				       const struct credential_options *o,
				       const char *path, size_t n, bool coded,
				       struct reason *why)
{
	enum credential_field field = CREDENTIAL_FIELD_PASSWORD;
	struct credential_answer answer = { 0 };
	struct credential_key key = { 0 };
	struct secret *value = NULL;
	enum credential_exit e;

	e = credential_request_summon(path, n, &key, &field, why);
	if (e == CREDENTIAL_OK)
		e = credential_ask_secret(a, o, &key, &answer, why);
	if (e == CREDENTIAL_NOT_FOUND && *key.realm)
		reason_wrap(why, STATUS_NOT_FOUND,
			    "\"%s\" is not a field of a role, so it was taken "
			    "for a role of cluster \"%s\"",
			    key.role, key.realm);
	if (e == CREDENTIAL_OK)
		e = field_value(&answer, field, &value, why);
	if (e == CREDENTIAL_OK && coded)
		e = to_base64(&value, why);
	/* In its stream mode summon takes any word on standard error for a
	 * failure. */
	if (e == CREDENTIAL_OK && !coded)
		credential_show_stale(&answer);
	if (e == CREDENTIAL_OK)
		e = credential_show_write(value, why);
	if (e == CREDENTIAL_OK)
		e = credential_show_text("\n", why);
	secret_free(value);
	credential_ask_forget(&answer);
	return e;
}

/* A path a line, a value a line, in the same order: summon pairs them by it, so
 * that after a failure there must be no further one. */
static enum credential_exit serve_stream(struct credential_agent *a,
					 const struct credential_options *o,
					 struct reason *why)
{
	enum credential_exit e = CREDENTIAL_OK;
	char line[512], *stop;
	size_t n = 0;
	ssize_t got;

	while (e == CREDENTIAL_OK) {
		got = read(STDIN_FILENO, line + n, sizeof(line) - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			/* The last path may be half of one. */
			return CREDENTIAL_FAIL(ERROR, why, STATUS_ERROR,
					       "cannot read standard input: %s",
					       strerror(errno));
		}
		if (got == 0)
			break;
		n += (size_t)got;
		while (e == CREDENTIAL_OK &&
		       (stop = memchr(line, '\n', n)) != NULL) {
			e = serve_path(a, o, line, (size_t)(stop - line), true,
				       why);
			n -= (size_t)(stop + 1 - line);
			memmove(line, stop + 1, n);
		}
		if (e == CREDENTIAL_OK && n == sizeof(line))
			return CREDENTIAL_FAIL(USAGE, why, STATUS_USAGE,
					       "a path is too long");
	}
	if (e == CREDENTIAL_OK && n > 0)
		e = serve_path(a, o, line, n, true, why);
	return e;
}

static enum credential_exit serve_summon(struct credential_agent *a,
					 const struct credential_options *o,
					 struct reason *why)
{
	enum credential_exit e = CREDENTIAL_OK;

	if (*o->argv == NULL)
		return serve_stream(a, o, why);
	for (char **path = o->argv; *path != NULL && e == CREDENTIAL_OK; path++)
		e = serve_path(a, o, *path, strlen(*path), false, why);
	return e;
}

enum credential_exit credential_protocol(struct credential_agent *a,
					 const struct credential_options *o,
					 struct reason *why)
{
	struct secret *request = NULL;
	enum credential_exit e;

	if (o->form == CREDENTIAL_FORM_SUMMON)
		return serve_summon(a, o, why);
	e = read_request(o->form == CREDENTIAL_FORM_GIT, &request, why);
	if (e == CREDENTIAL_OK && o->form == CREDENTIAL_FORM_GIT)
		e = serve_git(a, o, request, why);
	else if (e == CREDENTIAL_OK && o->form == CREDENTIAL_FORM_DOCKER)
		e = serve_docker(a, o, request, why);
	else if (e == CREDENTIAL_OK)
		e = serve_bazel(a, o, request, why);
	secret_free(request);
	return e;
}
