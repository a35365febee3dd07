/* SPDX-License-Identifier: PostgreSQL */
/*
 * One credential in the form that was asked for, on standard output; must never
 * write a part of it anywhere else, nor call a lost write a success.
 */
#include "helpers/credential_show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/now.h"
#include "base/text.h"
#include "format/format.h"
#include "format/format_out.h"

/* Of keys and punctuation of a form that is made here. */
#define OVERHEAD 512

/* AWS: an SDK keeps keys without an end for ever, and fails when the end has
 * passed; a password may also change before it is due. */
#define AWS_LIFE_LEAST (60 * NOW_SECOND)
#define AWS_LIFE_MOST  (3600 * NOW_SECOND)

/* A time to the second, as other programs write it. */
static const char *stamp_of(int64_t us, char ret[NOW_STAMP_SIZE])
{
	now_stamp(us, ret);
	/* "2026-11-21T03:00:00" and a "Z" for ".123456Z". */
	ret[19] = 'Z';
	ret[20] = '\0';
	return ret;
}

/* ---- The protocols' forms ----------------------------------------------------- */

/* The wire carries no control character, and UTF-8 only. */
static void render_docker(struct format_out *o,
			  const struct credential_answer *a, const char *url)
{
	format_out_member(o, "ServerURL", format_out_part(url));
	format_out_member(o, "Username", format_out_part(a->key.user));
	format_out_member(o, "Secret", format_out_secret(a->password));
	format_out_text(o, "}");
}

static void render_bazel(struct format_out *o,
			 const struct credential_answer *a)
{
	char expires[NOW_STAMP_SIZE];

	format_out_key(o, "headers");
	format_out_text(o, "{}");
	format_out_member(o, "username", format_out_part(a->key.user));
	format_out_member(o, "password", format_out_secret(a->password));
	if (a->expires_at > 0)
		format_out_member(
			o, "expires",
			format_out_part(stamp_of(a->expires_at, expires)));
	format_out_text(o, "}");
}

/* git drops a credential whose time has passed; that a rotation is overdue does
 * not make the password wrong. */
static void render_git(struct format_out *o, const struct credential_answer *a,
		       int64_t now_us)
{
	char seconds[48];

	format_out_text(o, "username=");
	format_out_text(o, a->key.user);
	format_out_text(o, "\npassword=");
	format_out_bytes(o, secret_bytes(a->password), secret_len(a->password));
	if (a->expires_at > now_us) {
		snprintf(seconds, sizeof(seconds), "\npassword_expiry_utc=%jd",
			 (intmax_t)(a->expires_at / NOW_SECOND));
		format_out_text(o, seconds);
	}
	format_out_text(o, "\n");
}

/* ---- All forms ------------------------------------------------------------------ */

/* Does src/format make it?  raw is here, because a token may have no user. */
static bool of_format(enum credential_form form, enum format_kind *ret)
{
	static const struct {
		enum credential_form form;
		enum format_kind kind;
	} made[] = { { CREDENTIAL_FORM_JSON, FORMAT_JSON },
		     { CREDENTIAL_FORM_PGPASS, FORMAT_PGPASS },
		     { CREDENTIAL_FORM_ENV, FORMAT_ENV },
		     { CREDENTIAL_FORM_URI, FORMAT_URI },
		     { CREDENTIAL_FORM_CONNINFO, FORMAT_CONNINFO },
		     { CREDENTIAL_FORM_AWS, FORMAT_AWS } };

	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		if (made[i].form == form) {
			*ret = made[i].kind;
			return true;
		}
	return false;
}

/* A token's source may not know its user; then it is a password and no more. */
static bool needs_user(enum credential_form form)
{
	return form != CREDENTIAL_FORM_RAW && form != CREDENTIAL_FORM_RAW0 &&
	       form != CREDENTIAL_FORM_SUMMON;
}

static enum credential_exit no_user(struct reason *why)
{
	return CREDENTIAL_FAIL(
		ERROR, why, STATUS_REFUSED,
		"the agent knows no user name to go with the secret; use "
		"format raw");
}

static enum credential_exit no_memory(struct reason *why)
{
	return CREDENTIAL_FAIL(ERROR, why, STATUS_NO_MEMORY,
			       "cannot lock memory for a secret");
}

/* AWS's end of the secret. */
static int64_t end_of(const struct credential_answer *a, int64_t now_us)
{
	int64_t end = a->expires_at;

	if (end == 0 || end > now_us + AWS_LIFE_MOST)
		end = now_us + AWS_LIFE_MOST;
	if (end < now_us + AWS_LIFE_LEAST)
		end = now_us + AWS_LIFE_LEAST;
	return end;
}

static enum credential_exit by_format(const struct credential_answer *a,
				      enum format_kind kind, int64_t now_us,
				      struct secret **ret, struct reason *why)
{
	char rotated[NOW_STAMP_SIZE], expires[NOW_STAMP_SIZE],
		end[NOW_STAMP_SIZE];
	/* What only the agent knows. */
	const struct format_member extra[] = {
		{ .key = "role", .value = *a->key.role ? a->key.role : NULL },
		{ .key = "sslmode", .value = *a->sslmode ? a->sslmode : NULL },
		{ .key = "rotated_at",
		  .value = a->rotated_at > 0 ?
				   stamp_of(a->rotated_at, rotated) :
				   NULL },
		{ .key = "expires_at",
		  .value = a->expires_at > 0 ?
				   stamp_of(a->expires_at, expires) :
				   NULL },
		{ .key = "stale",
		  .value = a->stale ? "true" : "false",
		  .bare = true },
	};
	const struct format_credential c = {
		.host = a->key.host,
		.port = a->key.port,
		.dbname = a->key.dbname,
		.username = a->key.user,
		.version = a->version,
		.sslmode = a->sslmode,
		.password = a->password,
		.expires = stamp_of(end_of(a, now_us), end),
		.extra = extra,
		.n_extra = sizeof(extra) / sizeof(*extra),
	};

	return format_render(kind, &c, ret, why) == STATUS_OK ?
		       CREDENTIAL_OK :
		       CREDENTIAL_ERROR;
}

static void by_protocol(const struct credential_answer *a,
			enum credential_form form, const char *url,
			int64_t now_us, struct format_out *o)
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
	default:
		format_out_bytes(o, secret_bytes(a->password),
				 secret_len(a->password));
		break;
	}
}

/* One end for all: what a form brings itself is taken away first. */
static void put_end(struct format_out *o, enum credential_form form, bool bare)
{
	size_t n = secret_len(o->bytes);

	if (n > 0 && secret_bytes(o->bytes)[n - 1] == '\n')
		secret_set_len(o->bytes, n - 1);
	if (form == CREDENTIAL_FORM_RAW0)
		format_out_bytes(o, "", 1);
	else if (!bare)
		format_out_text(o, "\n");
}

enum credential_exit credential_show_render(const struct credential_answer *a,
					    enum credential_form form,
					    bool bare, const char *url,
					    int64_t now_us, struct secret **ret,
					    struct reason *why)
{
	struct format_out o = { NULL, STATUS_OK };
	enum format_kind kind;
	/* git's lines, or a JSON string of which each byte is escaped. */
	size_t cap = 2 * (secret_len(a->password) + sizeof(a->key)) +
		     (url != NULL ? 2 * strlen(url) : CREDENTIAL_URI_SIZE) +
		     OVERHEAD;

	if (needs_user(form) && !*a->key.user)
		return no_user(why);
	if (of_format(form, &kind)) {
		if (by_format(a, kind, now_us, &o.bytes, why) != CREDENTIAL_OK)
			return CREDENTIAL_ERROR;
	} else {
		if (secret_new(cap < SECRET_CAP_MAX ? cap : SECRET_CAP_MAX,
			       &o.bytes) != STATUS_OK)
			return no_memory(why);
		by_protocol(a, form, url, now_us, &o);
	}
	put_end(&o, form, bare);
	if (o.failed != STATUS_OK) {
		secret_free(o.bytes);
		return CREDENTIAL_FAIL(ERROR, why, o.failed,
				       "the credential is too large");
	}
	*ret = o.bytes;
	return CREDENTIAL_OK;
}

/* ---- Standard output --------------------------------------------------------------- */

static enum credential_exit cannot_write(struct reason *why)
{
	return CREDENTIAL_FAIL(ERROR, why, STATUS_ERROR,
			       "cannot write to standard output: %s",
			       strerror(errno));
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
	return file_write_all(STDOUT_FILENO, text, strlen(text)) ?
		       CREDENTIAL_OK :
		       cannot_write(why);
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
