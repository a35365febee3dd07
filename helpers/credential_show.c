/* SPDX-License-Identifier: PostgreSQL */
/*
 * One credential in the form that was asked for, on standard output; must never
 * write a part of it anywhere else, nor call a lost write a success.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/now.h"
#include "base/text.h"
#include "format/format.h"
#include "helpers/credential.h"

/* Of keys and punctuation of a form that is made here. */
#define OVERHEAD 512

/* AWS: an SDK keeps keys for ever when there is no end to them, and fails when
 * the end has passed; a password may also change before it is due. */
#define AWS_LIFE_LEAST (60 * NOW_SECOND)
#define AWS_LIFE_MOST  (3600 * NOW_SECOND)

struct out {
	struct secret *bytes;
	enum status failed;
};

static void put_n(struct out *o, const char *s, size_t n)
{
	if (o->failed == STATUS_OK)
		o->failed = secret_append(o->bytes, s, n);
}

static void put(struct out *o, const char *s)
{
	put_n(o, s, strlen(s));
}

/* The wire carries no control character, and UTF-8 only. */
static void put_string(struct out *o, const char *s, size_t n)
{
	put(o, "\"");
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"' || s[i] == '\\')
			put(o, "\\");
		put_n(o, &s[i], 1);
	}
	put(o, "\"");
}

static void put_key(struct out *o, const char *key)
{
	put(o, secret_len(o->bytes) == 0 ? "{" : ",");
	put_string(o, key, strlen(key));
	put(o, ":");
}

static void put_text(struct out *o, const char *key, const char *value)
{
	put_key(o, key);
	put_string(o, value, strlen(value));
}

static void put_secret(struct out *o, const char *key, const struct secret *s)
{
	put_key(o, key);
	put_string(o, secret_bytes(s), secret_len(s));
}

/* A time to the second, as other programs write it. */
static void put_time(struct out *o, const char *key, int64_t us)
{
	char stamp[NOW_STAMP_SIZE];

	now_stamp(us, stamp);
	/* "2026-11-21T03:00:00" and a "Z" for ".123456Z". */
	stamp[19] = 'Z';
	stamp[20] = '\0';
	put_text(o, key, stamp);
}

/* ---- The protocols' forms ----------------------------------------------------- */

static void render_docker(struct out *o, const struct credential_answer *a,
			  const char *url)
{
	put_text(o, "ServerURL", url);
	put_text(o, "Username", a->key.user);
	put_secret(o, "Secret", a->password);
	put(o, "}");
}

static void render_bazel(struct out *o, const struct credential_answer *a)
{
	put(o, "{\"headers\":{}");
	put_text(o, "username", a->key.user);
	put_secret(o, "password", a->password);
	if (a->expires_at > 0)
		put_time(o, "expires", a->expires_at);
	put(o, "}");
}

static void render_aws(struct out *o, const struct credential_answer *a,
		       int64_t now_us)
{
	int64_t end = a->expires_at;

	if (end == 0 || end > now_us + AWS_LIFE_MOST)
		end = now_us + AWS_LIFE_MOST;
	if (end < now_us + AWS_LIFE_LEAST)
		end = now_us + AWS_LIFE_LEAST;
	put(o, "{\"Version\":1");
	put_text(o, "AccessKeyId", a->key.user);
	put_secret(o, "SecretAccessKey", a->password);
	put_time(o, "Expiration", end);
	put(o, "}");
}

/* git drops a credential whose time has passed; that a rotation is overdue does
 * not make the password wrong. */
static void render_git(struct out *o, const struct credential_answer *a,
		       int64_t now_us)
{
	char seconds[48];

	put(o, "username=");
	put(o, a->key.user);
	put(o, "\npassword=");
	put_n(o, secret_bytes(a->password), secret_len(a->password));
	if (a->expires_at > now_us) {
		snprintf(seconds, sizeof(seconds), "\npassword_expiry_utc=%jd",
			 (intmax_t)(a->expires_at / NOW_SECOND));
		put(o, seconds);
	}
	put(o, "\n");
}

/* What format's JSON has, and what only the agent knows. */
static void extend_json(struct out *o, const struct credential_answer *a)
{
	secret_set_len(o->bytes, secret_len(o->bytes) - 1); /* "}" */
	if (*a->key.role)
		put_text(o, "role", a->key.role);
	if (*a->sslmode)
		put_text(o, "sslmode", a->sslmode);
	if (a->rotated_at > 0)
		put_time(o, "rotated_at", a->rotated_at);
	if (a->expires_at > 0)
		put_time(o, "expires_at", a->expires_at);
	put_key(o, "stale");
	put(o, a->stale ? "true}" : "false}");
}

/* ---- All forms ------------------------------------------------------------------ */

/* Does src/format make it?  raw is here, because a token may have no user. */
static bool of_format(enum credential_form form, enum format_kind *ret)
{
	switch (form) {
	case CREDENTIAL_FORM_JSON:
		*ret = FORMAT_JSON;
		return true;
	case CREDENTIAL_FORM_PGPASS:
		*ret = FORMAT_PGPASS;
		return true;
	case CREDENTIAL_FORM_ENV:
		*ret = FORMAT_ENV;
		return true;
	case CREDENTIAL_FORM_URI:
		*ret = FORMAT_URI;
		return true;
	case CREDENTIAL_FORM_CONNINFO:
		*ret = FORMAT_CONNINFO;
		return true;
	default:
		return false;
	}
}

/* A token's source may not know its user; then it is a password and no more. */
static bool needs_user(enum credential_form form)
{
	return form != CREDENTIAL_FORM_RAW && form != CREDENTIAL_FORM_RAW0 &&
	       form != CREDENTIAL_FORM_SUMMON;
}

static enum credential_exit no_user(struct reason *why)
{
	reason_set(why, STATUS_REFUSED,
		   "the agent knows no user name to go with the secret; use "
		   "format raw");
	return CREDENTIAL_ERROR;
}

static enum credential_exit no_memory(struct reason *why)
{
	reason_set(why, STATUS_NO_MEMORY, "cannot lock memory for a secret");
	return CREDENTIAL_ERROR;
}

static enum credential_exit by_format(const struct credential_answer *a,
				      enum format_kind kind, struct out *o,
				      struct reason *why)
{
	struct format_credential c = {
		.host = a->key.host,
		.port = a->key.port,
		.dbname = a->key.dbname,
		.username = a->key.user,
		.version = a->version,
		.sslmode = a->sslmode,
		.password = a->password,
	};
	struct secret *bytes = NULL;

	if (format_render(kind, &c, &bytes, why) != STATUS_OK)
		return CREDENTIAL_ERROR;
	put_n(o, secret_bytes(bytes), secret_len(bytes));
	secret_free(bytes);
	return CREDENTIAL_OK;
}

static void by_protocol(const struct credential_answer *a,
			enum credential_form form, const char *url,
			int64_t now_us, struct out *o)
{
	char made[CREDENTIAL_URI_SIZE];

	switch (form) {
	case CREDENTIAL_FORM_GIT:
		render_git(o, a, now_us);
		break;
	case CREDENTIAL_FORM_DOCKER:
		if (url == NULL)
			credential_key_to_uri(&a->key, made);
		render_docker(o, a, url != NULL ? url : made);
		break;
	case CREDENTIAL_FORM_BAZEL:
		render_bazel(o, a);
		break;
	case CREDENTIAL_FORM_AWS:
		render_aws(o, a, now_us);
		break;
	default:
		put_n(o, secret_bytes(a->password), secret_len(a->password));
		break;
	}
}

/* One end for all: what a form brings itself is taken away first. */
static void put_end(struct out *o, enum credential_form form, bool bare)
{
	size_t n = secret_len(o->bytes);

	if (n > 0 && secret_bytes(o->bytes)[n - 1] == '\n')
		secret_set_len(o->bytes, n - 1);
	if (form == CREDENTIAL_FORM_RAW0)
		put_n(o, "", 1);
	else if (!bare)
		put(o, "\n");
}

enum credential_exit credential_show_render(const struct credential_answer *a,
					    enum credential_form form,
					    bool bare, const char *url,
					    int64_t now_us, struct secret **ret,
					    struct reason *why)
{
	struct out o = { NULL, STATUS_OK };
	enum credential_exit e = CREDENTIAL_OK;
	enum format_kind kind;
	/* As src/format reckons: three bytes for each of the password's and of
	 * the names'. */
	size_t cap = 3 * (secret_len(a->password) + sizeof(a->key)) +
		     (url != NULL ? 2 * strlen(url) : CREDENTIAL_URI_SIZE) +
		     OVERHEAD;

	if (secret_new(cap < SECRET_CAP_MAX ? cap : SECRET_CAP_MAX, &o.bytes) !=
	    STATUS_OK)
		return no_memory(why);
	if (needs_user(form) && !*a->key.user)
		e = no_user(why);
	else if (of_format(form, &kind))
		e = by_format(a, kind, &o, why);
	else
		by_protocol(a, form, url, now_us, &o);
	if (e == CREDENTIAL_OK && form == CREDENTIAL_FORM_JSON)
		extend_json(&o, a);
	if (e == CREDENTIAL_OK)
		put_end(&o, form, bare);
	if (e == CREDENTIAL_OK && o.failed != STATUS_OK) {
		reason_set(why, o.failed, "the credential is too large");
		e = CREDENTIAL_ERROR;
	}
	if (e == CREDENTIAL_OK)
		*ret = o.bytes;
	else
		secret_free(o.bytes);
	return e;
}

/* ---- Standard output --------------------------------------------------------------- */

static enum credential_exit cannot_write(struct reason *why)
{
	reason_set(why, STATUS_ERROR, "cannot write to standard output: %s",
		   strerror(errno));
	return CREDENTIAL_ERROR;
}

enum credential_exit credential_show_write(const struct secret *bytes,
					   struct reason *why)
{
	return secret_write_fd(bytes, STDOUT_FILENO) == STATUS_OK ?
		       CREDENTIAL_OK :
		       cannot_write(why);
}

enum credential_exit credential_show_text(const char *text, struct reason *why)
{
	size_t n = strlen(text);
	ssize_t done;

	while (n > 0) {
		done = write(STDOUT_FILENO, text, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return cannot_write(why);
		text += done;
		n -= (size_t)done;
	}
	return CREDENTIAL_OK;
}

void credential_show_stale(const struct credential_answer *a)
{
	char name[640];

	if (!a->stale)
		return;
	credential_key_name(&a->key, name, sizeof(name));
	log_line(LOG_LEVEL_WARN,
		 "%s: the store could not be asked for %jd seconds; this is "
		 "what was known then",
		 name, (intmax_t)a->stale_seconds);
}

enum credential_exit credential_show(const struct credential_answer *a,
				     const struct credential_options *o,
				     const char *url, struct reason *why)
{
	struct secret *bytes = NULL;
	enum credential_exit e;

	e = credential_show_render(a, o->form, o->bare, url,
				   now_wall(now_system()), &bytes, why);
	if (e == CREDENTIAL_OK) {
		credential_show_stale(a);
		if (isatty(STDOUT_FILENO))
			log_line(LOG_LEVEL_WARN,
				 "a password goes to a terminal");
		e = credential_show_write(bytes, why);
	}
	secret_free(bytes);
	return e;
}
