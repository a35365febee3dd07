/* SPDX-License-Identifier: PostgreSQL */
/*
 * Tokens: obtained by the configured method, renewed before they expire, and
 * obtained again when Vault does not accept them any more.  Must never unwrap a
 * secret_id whose wrapping somebody else could have made.
 */
#include "store/vault/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/harden.h"
#include "base/secret_source.h"
#include "store/vault/path.h"

#define MARGIN_US (10 * NOW_SECOND)
#define NEVER	  INT64_MAX

#define TOKEN_VARIABLE "VAULT_TOKEN"

enum method { TOKEN, APPROLE, KUBERNETES, JWT, CERT, METHODS };

static const char *const method_names[] = {
	[TOKEN] = "token", [APPROLE] = "approle", [KUBERNETES] = "kubernetes",
	[JWT] = "jwt",	   [CERT] = "cert",
};

struct store_vault_auth {
	enum method method;
	char *mount;
	char *from; /* of the method's token, secret_id or JWT; "": none */
	char *role_id;
	char *role;
	bool wrapped;
	pthread_mutex_t lock;	  /* over all below; held during a login */
	struct secret *secret_id; /* unwrapped, which works only once */
	struct secret *token;
	int64_t obtained_us; /* boot clock, as the two below */
	int64_t expires_us;
	int64_t renew_us;
	bool renewable;
	bool doubted; /* it may not look itself up, and did nothing else yet */
};

/* ---- setting up -------------------------------------------------------- */

static enum status check_sources(const struct store_vault_options *o,
				 struct reason *why)
{
	const struct {
		const char *setting, *from, *variable;
	} sources[] = {
		{ "token_file", o->token_from, TOKEN_VARIABLE },
		{ "secret_id_file", o->secret_id_from, NULL },
		{ "jwt_file", o->jwt_from, NULL },
	};
	enum status s = STATUS_OK;
	size_t i;

	for (i = 0; i < 3 && s == STATUS_OK; i++) {
		/* Another check says what is needed. */
		if (sources[i].from && sources[i].from[0])
			s = secret_source_check(sources[i].from,
						sources[i].variable, why);
		if (s != STATUS_OK)
			reason_wrap(why, s, "store %s: %s", o->name,
				    sources[i].setting);
	}
	return s;
}

/* What a method cannot do without. */
static enum status check_needs(const struct store_vault_options *o,
			       enum method m, struct reason *why)
{
	const bool approle = m == APPROLE, jwt = m == KUBERNETES || m == JWT;
	const bool wrapped = approle && o->secret_id_wrapped;
	/* An AppRole need not ask for a secret_id (bind_secret_id). */
	const struct {
		bool needed;
		const char *value, *setting;
	} needs[] = {
		{ m == TOKEN, o->token_from, "token_file" },
		{ approle, o->role_id, "role_id" },
		{ wrapped, o->secret_id_from,
		  "secret_id_file when the secret_id is wrapped" },
		{ wrapped, o->auth_role,
		  "auth_role when the secret_id is wrapped" },
		{ jwt, o->auth_role, "auth_role" },
		{ jwt, o->jwt_from, "jwt_file" },
		{ m == CERT, o->client_cert, "client_cert" },
	};
	size_t i;

	for (i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (needs[i].needed && (!needs[i].value || !needs[i].value[0]))
			return reason_set(why, STATUS_CONFIG,
					  "store %s: auth = %s needs %s",
					  o->name, method_names[m],
					  needs[i].setting);
	return STATUS_OK;
}

enum status store_vault_auth_new(const struct store_vault_options *o,
				 struct store_vault_auth **ret_auth,
				 struct reason *why)
{
	struct store_vault_auth *a;
	const char *mount = o->auth_mount, *from;
	enum method m;
	enum status s;

	for (m = TOKEN; m < METHODS; m++)
		if (strcmp(o->auth, method_names[m]) == 0)
			break;
	if (m == METHODS)
		return reason_set(why, STATUS_CONFIG,
				  "store %s: there is no auth = %s", o->name,
				  o->auth);
	s = check_sources(o, why);
	if (s == STATUS_OK)
		s = check_needs(o, m, why);
	if (s != STATUS_OK)
		return s;
	a = calloc(1, sizeof(*a));
	if (!a)
		return reason_no_memory(why);
	a->method = m;
	a->wrapped = o->secret_id_wrapped;
	pthread_mutex_init(&a->lock, NULL);
	if (!mount || !mount[strspn(mount, "/")])
		mount = method_names[m];
	from = m == TOKEN   ? o->token_from :
	       m == APPROLE ? o->secret_id_from :
			      o->jwt_from;
	a->mount = store_vault_path_trim(mount);
	a->from = strdup(from ? from : "");
	a->role_id = strdup(o->role_id ? o->role_id : "");
	a->role = strdup(o->auth_role ? o->auth_role : "");
	if (!a->mount || !a->from || !a->role_id || !a->role) {
		store_vault_auth_free(a);
		return reason_no_memory(why);
	}
	*ret_auth = a;
	return STATUS_OK;
}

void store_vault_auth_free(struct store_vault_auth *a)
{
	if (!a)
		return;
	secret_free(a->token);
	secret_free(a->secret_id);
	pthread_mutex_destroy(&a->lock);
	free(a->mount);
	free(a->from);
	free(a->role_id);
	free(a->role);
	free(a);
}

/* ---- what a token lives ------------------------------------------------ */

static void set_life(struct store_vault *v, struct store_vault_auth *a,
		     int64_t seconds, bool renewable)
{
	int64_t now = now_boot(v->now), life;

	a->obtained_us = now;
	a->renewable = renewable;
	a->expires_us = NEVER;
	a->renew_us = NEVER;
	if (seconds <= 0 || seconds > INT64_C(10) * 366 * 86400)
		return; /* a root token, or a batch token's own business */
	life = seconds * NOW_SECOND;
	a->expires_us =
		now + life - (life > 4 * MARGIN_US ? MARGIN_US : life / 4);
	a->renew_us = now + life * 2 / 3;
}

/* "auth" of a login or a renewal. */
static enum status take_auth(struct store_vault *v, struct store_vault_auth *a,
			     const struct json_doc *answer, struct reason *why)
{
	const struct json_doc *auth = json_doc_get(answer, "auth");
	struct secret *token = NULL;
	int64_t seconds = 0;
	enum status s;

	s = json_doc_secret(json_doc_get(auth, "client_token"),
			    SECRET_SOURCE_MAX, &token);
	if (s == STATUS_OK && secret_len(token) == 0)
		s = STATUS_NOT_FOUND;
	if (s != STATUS_OK) {
		secret_free(token);
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "store %s: the answer to the login holds no "
				  "token: is a second factor asked for?",
				  v->name);
	}
	json_doc_int(json_doc_get(auth, "lease_duration"), &seconds);
	secret_free(a->token);
	a->token = token;
	set_life(v, a, seconds,
		 json_doc_bool(json_doc_get(auth, "renewable"), false));
	return STATUS_OK;
}

/* ---- wrapped secret_id ------------------------------------------------- */

/* body is freed; NULL is {}. */
static enum status post_login(struct store_vault *v, const char *path,
			      const struct secret *token, struct json_out *body,
			      struct store_vault_answer *ret,
			      struct reason *why)
{
	struct json_out empty = json_out_object();
	const struct store_vault_request r = {
		.method = "POST",
		.path = path,
		.token = token,
		.body = body ? body : &empty,
		.writes = true, /* a login can use up what it is given */
		.login = true,
	};
	enum status s = store_vault_call(v, &r, ret, why);

	json_out_free(&empty);
	if (body)
		json_out_free(body);
	/* It does not matter whether the login took place. */
	return s == STATUS_UNKNOWN ? STATUS_STORE_UNAVAILABLE : s;
}

/* Anybody can wrap something; only Vault's own record tells what made it. */
static enum status check_wrapping(struct store_vault *v,
				  struct store_vault_auth *a,
				  const struct secret *wrapping,
				  struct reason *why)
{
	struct json_out body = json_out_object();
	struct store_vault_answer answer = { 0 };
	char expected[512];
	enum status s;

	snprintf(expected, sizeof(expected), "auth/%s/role/%s/secret-id",
		 a->mount, a->role);
	json_out_secret(&body, "token", wrapping);
	s = post_login(v, "sys/wrapping/lookup", NULL, &body, &answer, why);
	if (s != STATUS_OK)
		return s;
	if (answer.code != 200)
		s = reason_set(why, STATUS_REFUSED,
			       "store %s: ALARM: the wrapped secret_id in %s "
			       "is expired or was unwrapped before: find out "
			       "by whom, and issue a new one",
			       v->name, a->from);
	else if (!json_doc_says(json_doc_path(answer.doc, "data.creation_path"),
				expected))
		s = reason_set(why, STATUS_REFUSED,
			       "store %s: ALARM: what %s wraps was not made by "
			       "%s: it was put there by somebody else",
			       v->name, a->from, expected);
	store_vault_call_free(&answer);
	return s;
}

static enum status unwrap_secret_id(struct store_vault *v,
				    struct store_vault_auth *a,
				    const struct secret *wrapping,
				    struct reason *why)
{
	struct store_vault_answer answer = { 0 };
	enum status s = check_wrapping(v, a, wrapping, why);

	if (s == STATUS_OK)
		s = post_login(v, "sys/wrapping/unwrap", wrapping, NULL,
			       &answer, why);
	if (s != STATUS_OK)
		return s;
	if (answer.code != 200 ||
	    json_doc_secret(json_doc_path(answer.doc, "data.secret_id"),
			    SECRET_SOURCE_MAX, &a->secret_id) != STATUS_OK)
		s = reason_set(why, STATUS_REFUSED,
			       "store %s: ALARM: the wrapped secret_id in %s "
			       "was unwrapped by somebody else just now: "
			       "revoke it, and issue a new one",
			       v->name, a->from);
	store_vault_call_free(&answer);
	return s;
}

static enum status read_secret_id(struct store_vault *v,
				  struct store_vault_auth *a,
				  struct secret **ret, struct reason *why)
{
	struct secret *content = NULL;
	enum status s;

	if (a->wrapped && a->secret_id)
		return secret_copy(a->secret_id, ret);
	s = secret_source_read(a->from, NULL, true, &content, why);
	if (s != STATUS_OK || !a->wrapped) {
		*ret = content;
		return s;
	}
	s = unwrap_secret_id(v, a, content, why);
	secret_free(content);
	return s == STATUS_OK ? secret_copy(a->secret_id, ret) : s;
}

/* ---- logging in -------------------------------------------------------- */

static enum status put_approle(struct store_vault *v,
			       struct store_vault_auth *a,
			       struct json_out *body, struct reason *why)
{
	struct secret *secret = NULL;
	enum status s = STATUS_OK;

	if (a->from[0])
		s = read_secret_id(v, a, &secret, why);
	json_out_text(body, "role_id", a->role_id);
	if (secret)
		json_out_secret(body, "secret_id", secret);
	secret_free(secret);
	return s;
}

static enum status put_jwt(const struct store_vault_auth *a,
			   struct json_out *body, struct reason *why)
{
	struct secret *jwt = NULL;
	enum status s = secret_source_read(a->from, NULL, false, &jwt, why);

	json_out_text(body, "role", a->role);
	if (s == STATUS_OK)
		json_out_secret(body, "jwt", jwt);
	secret_free(jwt);
	return s;
}

static enum status put_login(struct store_vault *v, struct store_vault_auth *a,
			     struct json_out *body, struct reason *why)
{
	if (a->method == APPROLE)
		return put_approle(v, a, body, why);
	if (a->method != CERT)
		return put_jwt(a, body, why);
	if (a->role[0])
		json_out_text(body, "name", a->role);
	return STATUS_OK;
}

/* Without a token Vault answers 403 for a path that it does not know; of the
 * methods only that of Kubernetes refuses with the same. */
static enum status explain_login(const struct store_vault *v,
				 const struct store_vault_auth *a, int code,
				 struct reason *why)
{
	static const char *const hints[] = {
		[APPROLE] = "role_id or secret_id is wrong, expired or used "
			    "up, or this host is not in its CIDR list",
		[KUBERNETES] = "the service account or its namespace is not "
			       "bound to the role, or the token has expired, "
			       "or there is no such auth method (auth_mount)",
		[JWT] = "the JWT has expired, or its claims do not fit the "
			"role",
		[CERT] = "the certificate does not fit a role",
	};

	if (code == 404 || code == 405 ||
	    (code == 403 && a->method != KUBERNETES))
		return reason_set(why, STATUS_REFUSED,
				  "store %s: there is no auth method at "
				  "auth/%s%s%s: look at auth_mount and "
				  "auth_namespace (HTTP %d)",
				  v->name, a->mount,
				  v->auth_namespace[0] ? " in namespace " : "",
				  v->auth_namespace, code);
	return reason_set(why, STATUS_REFUSED,
			  "store %s: the %s login at auth/%s is refused (HTTP "
			  "%d): %s%s",
			  v->name, method_names[a->method], a->mount, code,
			  a->method == APPROLE && !a->from[0] ?
				  "no secret_id_file is set, and " :
				  "",
			  hints[a->method]);
}

static enum status log_in(struct store_vault *v, struct store_vault_auth *a,
			  struct reason *why)
{
	struct store_vault_answer answer = { 0 };
	struct json_out body = json_out_object();
	char path[512];
	enum status s = put_login(v, a, &body, why);

	if (s != STATUS_OK) {
		json_out_free(&body);
		return s == STATUS_CONFIG ? STATUS_REFUSED : s;
	}
	snprintf(path, sizeof(path), "auth/%s/login", a->mount);
	s = post_login(v, path, NULL, &body, &answer, why);
	if (s != STATUS_OK)
		return s;
	s = answer.code == 200 ? take_auth(v, a, answer.doc, why) :
				 explain_login(v, a, answer.code, why);
	store_vault_call_free(&answer);
	return s;
}

/* How long a token that we were given lives.  It is not an error not to be told: the
 * default policy may have been taken from it. */
static enum status look_up(struct store_vault *v, struct store_vault_auth *a,
			   struct reason *why)
{
	struct store_vault_request r = { .method = "GET",
					 .path = "auth/token/lookup-self",
					 .token = a->token,
					 .login = true };
	struct store_vault_answer answer = { 0 };
	int64_t seconds = 0;
	enum status s = store_vault_call(v, &r, &answer, why);

	if (s != STATUS_OK)
		return s;
	a->doubted = answer.code == 403;
	if (answer.code == 200) {
		json_doc_int(json_doc_path(answer.doc, "data.ttl"), &seconds);
		set_life(v, a, seconds,
			 json_doc_bool(json_doc_path(answer.doc,
						     "data.renewable"),
				       false));
	}
	store_vault_call_free(&answer);
	return STATUS_OK;
}

static enum status obtain_token(struct store_vault *v,
				struct store_vault_auth *a, struct reason *why)
{
	struct secret *token = NULL;
	enum status s;

	if (a->method != TOKEN)
		return log_in(v, a, why);
	s = secret_source_read(a->from, TOKEN_VARIABLE, true, &token, why);
	if (s == STATUS_OK && strchr("\"'", secret_bytes(token)[0])) {
		secret_free(token);
		s = reason_set(why, STATUS_CONFIG,
			       "%s holds quotes: no token of Vault has them",
			       a->from);
	}
	if (s != STATUS_OK)
		return reason_wrap(why, STATUS_REFUSED, "store %s", v->name);
	secret_free(a->token);
	a->token = token;
	set_life(v, a, 0, false);
	return look_up(v, a, why);
}

/* A renewal that fails is followed by a login, so it has no words. */
static bool renew_token(struct store_vault *v, struct store_vault_auth *a)
{
	struct store_vault_answer answer = { 0 };
	enum status s;

	if (!a->renewable)
		return false;
	s = post_login(v, "auth/token/renew-self", a->token, NULL, &answer,
		       NULL);
	if (s == STATUS_OK && answer.code == 200)
		s = take_auth(v, a, answer.doc, NULL);
	else
		s = STATUS_REFUSED;
	store_vault_call_free(&answer);
	return s == STATUS_OK && a->expires_us > now_boot(v->now);
}

/* A token that cannot be renewed just now may live for a while; when nothing
 * better is to be had it serves until it ends, and is not tried each time. */
static enum status renew_or_obtain(struct store_vault *v,
				   struct store_vault_auth *a,
				   struct reason *why)
{
	enum status s;
	int64_t now;

	if (renew_token(v, a))
		return STATUS_OK;
	s = a->method == TOKEN ? STATUS_REFUSED : obtain_token(v, a, why);
	now = now_boot(v->now);
	if (s == STATUS_OK || now >= a->expires_us)
		return s;
	a->renew_us = now + (a->expires_us - now) / 2;
	reason_clear(why);
	return STATUS_OK;
}

/*
 * A token for one request.  old: the one that was refused, or NULL.  One
 * thread logs in, the others wait for it.  *ret_fresh: it was obtained now, so
 * another one would fare no better.
 */
static enum status token_for(struct store_vault *v, const struct secret *old,
			     struct secret **ret_token, bool *ret_fresh,
			     struct reason *why)
{
	struct store_vault_auth *a = v->auth;
	enum status s = STATUS_OK;
	int64_t now, obtained;

	pthread_mutex_lock(&a->lock);
	now = now_boot(v->now);
	obtained = a->token ? a->obtained_us : -1;
	if (!a->token || (old && secret_equal(old, a->token)))
		s = obtain_token(v, a, why);
	else if (now >= a->expires_us)
		s = obtain_token(v, a, why);
	else if (now >= a->renew_us)
		s = renew_or_obtain(v, a, why);
	if (s == STATUS_OK)
		s = secret_copy(a->token, ret_token);
	*ret_fresh = a->obtained_us != obtained;
	pthread_mutex_unlock(&a->lock);
	return s;
}

/* Has Vault taken this token for anything?  A token that it does not know and a
 * policy that lacks are one answer; a token that may not look itself up, and is
 * refused whatever it asks for, is none. */
static enum status check_known(struct store_vault *v, int code,
			       struct reason *why)
{
	struct store_vault_auth *a = v->auth;
	bool doubted;

	pthread_mutex_lock(&a->lock);
	if (code != 403)
		a->doubted = false;
	doubted = a->doubted;
	pthread_mutex_unlock(&a->lock);
	if (!doubted)
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "store %s: Vault does not know this token (%s): it "
			  "is wrong, has expired or was revoked, or may not be "
			  "used from this host; one whose policies grant "
			  "nothing looks the same",
			  v->name, a->from);
}

enum status store_vault_auth_call(struct store_vault *v,
				  const struct store_vault_request *r,
				  struct store_vault_answer *ret_answer,
				  struct reason *why)
{
	struct store_vault_request with = *r;
	struct secret *token = NULL, *newer = NULL;
	bool fresh = false;
	enum status s = token_for(v, NULL, &token, &fresh, why);

	if (s != STATUS_OK)
		return s;
	with.token = token;
	s = store_vault_call(v, &with, ret_answer, why);
	if (s != STATUS_OK || ret_answer->code != 403 || fresh ||
	    (r->looks && store_vault_call_no_token(ret_answer)))
		goto out;
	/* An expired token and a missing policy look the same. */
	store_vault_call_free(ret_answer);
	s = token_for(v, token, &newer, &fresh, why);
	if (s != STATUS_OK)
		goto out;
	with.token = newer;
	s = store_vault_call(v, &with, ret_answer, why);
out:
	if (s == STATUS_OK &&
	    !(r->looks && store_vault_call_no_token(ret_answer)))
		s = check_known(v, ret_answer->code, why);
	if (s != STATUS_OK)
		store_vault_call_free(ret_answer);
	secret_free(token);
	secret_free(newer);
	harden_scrub_stack(); /* what the parser and TLS left below us */
	return s;
}

void store_vault_auth_revoke(struct store_vault *v)
{
	struct store_vault_auth *a = v->auth;
	struct store_vault_answer answer = { 0 };

	if (!a || !a->token || a->method == TOKEN ||
	    now_boot(v->now) >= a->expires_us)
		return;
	post_login(v, "auth/token/revoke-self", a->token, NULL, &answer, NULL);
	store_vault_call_free(&answer);
}
