/* SPDX-License-Identifier: PostgreSQL */
/*
 * Questions to the agent; must never believe an answer to something else, nor
 * keep a secret outside of locked memory.
 */
#include "helpers/credential_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "wire/wire_client.h"

/* A reply of LIST has no secret and may be large; any other is one secret and
 * a few short fields. */
#define REPLY_MAX (36 * 1024)

enum credential_exit credential_ask_open(struct credential_agent *a,
					 const struct credential_options *o,
					 struct reason *why)
{
	a->socket = o->socket;
	a->timeout_ms = o->timeout_ms;
	if (secret_new(REPLY_MAX, &a->reply) != STATUS_OK)
		return CREDENTIAL_FAIL(
			ERROR, why, STATUS_NO_MEMORY,
			"cannot lock 36 KiB of memory for a secret");
	return CREDENTIAL_OK;
}

void credential_ask_close(struct credential_agent *a)
{
	secret_free(a->reply);
	a->reply = NULL;
}

void credential_ask_forget(struct credential_answer *a)
{
	secret_free(a->password);
	*a = (struct credential_answer){ 0 };
}

/* ---- The call --------------------------------------------------------------- */

static enum credential_exit exit_of(enum status s)
{
	switch (s) {
	case STATUS_OK:
		return CREDENTIAL_OK;
	case STATUS_NOT_FOUND:
		return CREDENTIAL_UNAVAILABLE;
	case STATUS_DENIED:
		return CREDENTIAL_DENIED;
	case STATUS_TIMEOUT:
		return CREDENTIAL_TIMEOUT;
	default:
		return CREDENTIAL_ERROR;
	}
}

/* What the agent answered, for a person. */
static enum credential_exit exit_of_refusal(const struct wire_message *m,
					    const struct credential_key *key,
					    struct reason *why)
{
	int64_t result = wire_number(m, WIRE_TAG_RESULT, -1);
	char name[640], sentence[512];

	if (result == WIRE_RESULT_OK || result == WIRE_RESULT_OK_PREVIOUS)
		return CREDENTIAL_OK;
	if (result < 0 || result >= WIRE_RESULT_END)
		return CREDENTIAL_FAIL(
			ERROR, why, STATUS_CORRUPT,
			"the agent answered with an unknown result");
	if (!wire_text(m, WIRE_TAG_SENTENCE, sentence, sizeof(sentence)))
		snprintf(sentence, sizeof(sentence), "%s",
			 wire_result_sentence((unsigned)result));
	if (key != NULL) {
		credential_key_name(key, name, sizeof(name));
		reason_set(why, STATUS_ERROR, "%s: %s", name, sentence);
	} else
		reason_set(why, STATUS_ERROR, "%s", sentence);
	return (enum credential_exit)wire_result_exit((unsigned)result);
}

static enum credential_exit call_agent(struct credential_agent *a,
				       struct wire_out *o, void *reply,
				       size_t size, unsigned wait_ms,
				       struct wire_message *ret,
				       struct reason *why)
{
	struct wire_client_request r = { .socket = a->socket,
					 .frame = o->bytes,
					 .timeout_ms =
						 a->timeout_ms + wait_ms };

	if (wire_end(o, &r.len) != STATUS_OK)
		return CREDENTIAL_FAIL(ERROR, why, STATUS_ERROR,
				       "the request does not fit the wire");
	return exit_of(wire_client_call(&r, reply, size, ret, why));
}

static void put_key(struct wire_out *o, const struct credential_key *k)
{
	wire_put_text(o, WIRE_TAG_ROLE, k->role);
	wire_put_text(o, WIRE_TAG_REALM, k->realm);
	/* With a role, the rest says where to connect to, not which role. */
	if (*k->role)
		return;
	wire_put_text(o, WIRE_TAG_USER, k->user);
	wire_put_text(o, WIRE_TAG_HOST, k->host);
	wire_put_text(o, WIRE_TAG_PORT, k->port);
	wire_put_text(o, WIRE_TAG_DBNAME, k->dbname);
}

static void build_request(const struct credential_question *q,
			  struct wire_out *o, void *frame)
{
	wire_begin(o, frame, WIRE_REQUEST_MAX, q->operation);
	if (q->key != NULL)
		put_key(o, q->key);
	wire_put_text(o, WIRE_TAG_VERSION, q->version);
	wire_put_text(o, WIRE_TAG_NOT_VERSION, q->not_version);
	if (q->wait_ms > 0)
		wire_put_number(o, WIRE_TAG_WAIT_MS, q->wait_ms);
	if (q->min_life_ms > 0)
		wire_put_number(o, WIRE_TAG_MIN_LIFE_MS, q->min_life_ms);
}

/* ---- The answer ------------------------------------------------------------- */

static enum credential_exit refuse_lie(struct reason *why, const char *fault)
{
	return CREDENTIAL_FAIL(ERROR, why, STATUS_CORRUPT,
			       "the agent's answer is not to be believed: %s",
			       fault);
}

static enum credential_exit read_fields(const struct wire_message *m,
					struct credential_answer *ret,
					struct reason *why)
{
	const struct {
		enum wire_tag tag;
		char *to;
		size_t size;
	} texts[] = {
		{ WIRE_TAG_ROLE, ret->key.role, sizeof(ret->key.role) },
		{ WIRE_TAG_REALM, ret->key.realm, sizeof(ret->key.realm) },
		{ WIRE_TAG_USER, ret->key.user, sizeof(ret->key.user) },
		{ WIRE_TAG_HOST, ret->key.host, sizeof(ret->key.host) },
		{ WIRE_TAG_PORT, ret->key.port, sizeof(ret->key.port) },
		{ WIRE_TAG_DBNAME, ret->key.dbname, sizeof(ret->key.dbname) },
		{ WIRE_TAG_SSLMODE, ret->sslmode, sizeof(ret->sslmode) },
		{ WIRE_TAG_VERSION, ret->version, sizeof(ret->version) },
		{ WIRE_TAG_SERVER, ret->server, sizeof(ret->server) },
	};
	size_t n;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!wire_text(m, texts[i].tag, texts[i].to, texts[i].size) &&
		    wire_find(m, texts[i].tag, &n) != NULL && n > 0)
			return refuse_lie(why, "a field is too long");
	ret->rotated_at = wire_number(m, WIRE_TAG_ROTATED_AT, 0);
	ret->expires_at = wire_number(m, WIRE_TAG_EXPIRES_AT, 0);
	ret->stale = wire_find(m, WIRE_TAG_STALE, &n) != NULL;
	ret->stale_seconds = wire_number(m, WIRE_TAG_STALE, 0);
	if (ret->rotated_at < 0 || ret->expires_at < 0 ||
	    ret->stale_seconds < 0)
		return refuse_lie(why, "a time is negative");
	return CREDENTIAL_OK;
}

static bool is_other(const char *asked, const char *answered)
{
	return *asked && *answered && strcmp(asked, answered) != 0;
}

static enum credential_exit check_answer(const struct credential_question *q,
					 const struct credential_answer *a,
					 struct reason *why)
{
	if (q->key != NULL && (is_other(q->key->role, a->key.role) ||
			       is_other(q->key->realm, a->key.realm)))
		return refuse_lie(why, "it is about another role");
	if (q->key != NULL && !*q->key->role &&
	    is_other(q->key->user, a->key.user))
		return refuse_lie(why, "it is about another user");
	if (q->not_version != NULL && *q->not_version &&
	    strcmp(q->not_version, a->version) == 0)
		return refuse_lie(why, "it is the version that was not wanted");
	return CREDENTIAL_OK;
}

static enum credential_exit take_password(const struct wire_message *m,
					  struct credential_answer *ret,
					  struct reason *why)
{
	const char *bytes;
	size_t n = 0;

	bytes = wire_find(m, WIRE_TAG_PASSWORD, &n);
	if (bytes == NULL || n == 0)
		return refuse_lie(why, "it has no password");
	if (secret_from(bytes, n, &ret->password) != STATUS_OK)
		return CREDENTIAL_FAIL(ERROR, why, STATUS_NO_MEMORY,
				       "cannot lock memory for a secret");
	return CREDENTIAL_OK;
}

enum credential_exit credential_ask(struct credential_agent *a,
				    const struct credential_question *q,
				    struct credential_answer *ret,
				    struct reason *why)
{
	unsigned char frame[WIRE_REQUEST_MAX];
	struct wire_message m;
	enum credential_exit e;
	struct wire_out o;

	*ret = (struct credential_answer){ 0 };
	build_request(q, &o, frame);
	e = call_agent(a, &o, secret_buffer(a->reply), REPLY_MAX, q->wait_ms,
		       &m, why);
	if (e == CREDENTIAL_OK)
		e = exit_of_refusal(&m, q->key, why);
	if (e == CREDENTIAL_OK)
		e = read_fields(&m, ret, why);
	if (e == CREDENTIAL_OK)
		e = check_answer(q, ret, why);
	if (e == CREDENTIAL_OK && q->operation == WIRE_GET)
		e = take_password(&m, ret, why);
	secret_clear(a->reply);
	return e;
}

/* Beside a role, host and the like say where to connect to: a pooler in front
 * of the cluster, say. */
static void override_key(struct credential_key *k,
			 const struct credential_key *by)
{
	if (!*by->role)
		return;
	if (*by->host)
		memcpy(k->host, by->host, sizeof(k->host));
	if (*by->port)
		memcpy(k->port, by->port, sizeof(k->port));
	if (*by->dbname)
		memcpy(k->dbname, by->dbname, sizeof(k->dbname));
}

enum credential_exit credential_ask_secret(struct credential_agent *a,
					   const struct credential_options *o,
					   const struct credential_key *key,
					   struct credential_answer *ret,
					   struct reason *why)
{
	struct credential_question feedback = {
		.operation = WIRE_FEEDBACK,
		.key = key,
		.version = o->not_version,
	};
	struct credential_question get = {
		.operation = WIRE_GET,
		.key = key,
		.not_version = o->not_version,
		.wait_ms = o->command == CREDENTIAL_GET ? o->wait_ms : 0,
		.min_life_ms = o->min_life_ms,
	};
	enum credential_exit e = CREDENTIAL_OK;

	*ret = (struct credential_answer){ 0 };
	if (o->refresh)
		e = credential_ask(a, &feedback, ret, why);
	if (e != CREDENTIAL_OK) {
		reason_wrap(why, STATUS_ERROR, "--refresh");
		return e;
	}
	e = credential_ask(a, &get, ret, why);
	if (e == CREDENTIAL_OK)
		override_key(&ret->key, key);
	return e;
}

/* ---- Names ------------------------------------------------------------------ */

/* Append the entries' names; *last is the last one.  The agent's order is that
 * of the names, so one that does not grow would have us ask for ever. */
static enum credential_exit take_names(const struct wire_message *m,
				       struct text *ret, char *last,
				       size_t size, struct reason *why)
{
	struct wire_message entry;
	char name[128];
	size_t at = 0;

	while (wire_entry(m, &at, &entry)) {
		if (!wire_text(&entry, WIRE_TAG_ROLE, name, sizeof(name)) ||
		    size < sizeof(name) || strcmp(name, last) <= 0)
			return refuse_lie(why, "its list is not in order");
		memcpy(last, name, sizeof(name));
		text_add(ret, name);
		text_add(ret, "\n");
	}
	return CREDENTIAL_OK;
}

enum credential_exit credential_ask_roles(struct credential_agent *a,
					  struct text *ret, struct reason *why)
{
	unsigned char frame[WIRE_REQUEST_MAX], *reply;
	char last[128] = "", before[128];
	enum credential_exit e;
	struct wire_message m;
	struct wire_out o;
	bool more;

	reply = malloc(WIRE_REPLY_MAX);
	if (reply == NULL)
		return CREDENTIAL_FAIL(ERROR, why, STATUS_NO_MEMORY,
				       "no memory for the list");
	do {
		memcpy(before, last, sizeof(before));
		wire_begin(&o, frame, sizeof(frame), WIRE_LIST);
		wire_put_text(&o, WIRE_TAG_AFTER, last);
		e = call_agent(a, &o, reply, WIRE_REPLY_MAX, 0, &m, why);
		if (e == CREDENTIAL_OK)
			e = exit_of_refusal(&m, NULL, why);
		if (e == CREDENTIAL_OK)
			e = take_names(&m, ret, last, sizeof(last), why);
		more = e == CREDENTIAL_OK &&
		       wire_number(&m, WIRE_TAG_MORE, 0) == 1;
		if (more && strcmp(before, last) == 0)
			e = refuse_lie(why, "its list has no end");
	} while (more && e == CREDENTIAL_OK);
	if (e == CREDENTIAL_OK && text_status(ret) != STATUS_OK) {
		reason_set(why, STATUS_LIMIT, "the list is too long");
		e = CREDENTIAL_ERROR;
	}
	free(reply);
	return e;
}
