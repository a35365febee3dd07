/* SPDX-License-Identifier: PostgreSQL */
/* The requests of the protocols; must never take a part of a malformed one, nor
 * repeat in a message what may be a password. */
#include "helpers/credential_request.h"

#include <string.h>

#include "base/text.h"
#include "helpers/credential_json.h"

static enum credential_exit refuse_request(struct reason *why,
					   const char *fault)
{
	return CREDENTIAL_FAIL(USAGE, why, STATUS_USAGE, "the request %s",
			       fault);
}

static enum credential_exit not_ours(struct reason *why)
{
	return CREDENTIAL_FAIL(
		NOT_FOUND, why, STATUS_NOT_FOUND,
		"the request is not for PostgreSQL, so not for keyturn");
}

/* A caller that names no host must be able to send what it gets anywhere. */
static enum credential_exit needs_host(const struct credential_key *k,
				       struct reason *why)
{
	if (*k->host)
		return CREDENTIAL_OK;
	return CREDENTIAL_FAIL(
		NOT_FOUND, why, STATUS_NOT_FOUND,
		"the request has no host, and a password for none is not "
		"given");
}

/* ---- git -------------------------------------------------------------------- */

struct piece {
	const char *s;
	size_t n;
};

static bool is_word(struct piece p, const char *word)
{
	return p.n == strlen(word) && memcmp(p.s, word, p.n) == 0;
}

static enum credential_exit git_attribute(struct credential_key *k,
					  struct piece name, struct piece value,
					  struct reason *why)
{
	if (is_word(name, "host"))
		return credential_key_address(k, value.s, value.n, why);
	if (is_word(name, "username"))
		return credential_key_set(k, WIRE_TAG_USER, value.s, value.n,
					  why);
	if (is_word(name, "path"))
		return credential_key_set(k, WIRE_TAG_DBNAME, value.s, value.n,
					  why);
	/* git(1): what a helper does not know it ignores. */
	return CREDENTIAL_OK;
}

/* The protocol is looked for first: an attribute of another one may look like
 * nothing that we know. */
static bool git_is_ours(const char *bytes, size_t n)
{
	static const char *const lines[] = { "protocol=postgresql",
					     "protocol=postgres" };
	const char *end = bytes + n, *stop;

	for (; bytes < end && *bytes != '\n'; bytes = stop + 1) {
		stop = memchr(bytes, '\n', (size_t)(end - bytes));
		if (stop == NULL)
			stop = end;
		for (size_t i = 0; i < 2; i++)
			if (is_word((struct piece){ bytes,
						    (size_t)(stop - bytes) },
				    lines[i]))
				return true;
	}
	return false;
}

enum credential_exit credential_request_git(const char *bytes, size_t n,
					    struct credential_key *ret,
					    struct reason *why)
{
	const char *end = bytes + n, *stop, *equal;
	struct credential_key k = { 0 };
	enum credential_exit e = CREDENTIAL_OK;

	if (memchr(bytes, '\0', n) != NULL)
		return refuse_request(why, "holds a NUL");
	if (!git_is_ours(bytes, n))
		return not_ours(why);
	for (; bytes < end && *bytes != '\n'; bytes = stop + 1) {
		struct piece name, value;

		stop = memchr(bytes, '\n', (size_t)(end - bytes));
		if (stop == NULL)
			stop = end;
		equal = memchr(bytes, '=', (size_t)(stop - bytes));
		if (equal == NULL)
			return refuse_request(why, "has a line without \"=\"");
		name = (struct piece){ bytes, (size_t)(equal - bytes) };
		value = (struct piece){ equal + 1, (size_t)(stop - equal - 1) };
		e = git_attribute(&k, name, value, why);
		if (e != CREDENTIAL_OK)
			return e;
	}
	/* With the host alone no role can be found; git goes on without us. */
	if (!credential_key_names_a_role(&k))
		return CREDENTIAL_FAIL(NOT_FOUND, why, STATUS_NOT_FOUND,
				       "the request has no username");
	e = needs_host(&k, why);
	if (e == CREDENTIAL_OK)
		*ret = k;
	return e;
}

bool credential_request_git_is_whole(const char *bytes, size_t n)
{
	return (n > 0 && bytes[0] == '\n') || memmem(bytes, n, "\n\n", 2);
}

/* ---- docker ------------------------------------------------------------------ */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

enum credential_exit credential_request_docker(
	const char *bytes, size_t n, struct credential_key *ret,
	char ret_url[CREDENTIAL_URI_SIZE], struct reason *why)
{
	struct credential_key k = { 0 };
	enum credential_exit e;

	for (; n > 0 && is_space(*bytes); n--)
		bytes++;
	while (n > 0 && is_space(bytes[n - 1]))
		n--;
	if (n == 0)
		return CREDENTIAL_FAIL(USAGE, why, STATUS_USAGE,
				       CREDENTIAL_REQUEST_NO_URL);
	if (n >= CREDENTIAL_URI_SIZE)
		return refuse_request(why, "has a URL that is too long");
	if (!text_is_utf8(bytes, n))
		return refuse_request(why, "has a URL that is not UTF-8");
	e = credential_key_uri(&k, bytes, n, why);
	if (e == CREDENTIAL_OK)
		e = needs_host(&k, why);
	if (e != CREDENTIAL_OK)
		return e;
	memcpy(ret_url, bytes, n);
	ret_url[n] = '\0';
	*ret = k;
	return CREDENTIAL_OK;
}

enum credential_exit credential_request_docker_store(const char *bytes,
						     size_t n,
						     struct reason *why)
{
	char url[CREDENTIAL_URI_SIZE], user[CREDENTIAL_URI_SIZE];
	const struct credential_json wanted[] = {
		{ "ServerURL", url, sizeof(url) },
		{ "Username", user, sizeof(user) },
	};
	const char *fault = credential_json_read(bytes, n, wanted, 2);
	struct credential_key k = { 0 };

	if (fault != NULL)
		return refuse_request(why, fault);
	if (*url && *user) {
		/* "Stored" would have docker forget where it really is. */
		if (credential_key_uri(&k, url, strlen(url), why) ==
		    CREDENTIAL_OK)
			return CREDENTIAL_OK;
		return CREDENTIAL_FAIL(
			ERROR, why, STATUS_REFUSED,
			"keyturn keeps passwords of PostgreSQL's roles "
			"only; name another helper for this server in "
			"credHelpers");
	}
	return CREDENTIAL_FAIL(USAGE, why, STATUS_USAGE, "%s",
			       *url ? CREDENTIAL_REQUEST_NO_USER :
				      CREDENTIAL_REQUEST_NO_URL);
}

/* ---- Bazel ------------------------------------------------------------------- */

enum credential_exit credential_request_bazel(const char *bytes, size_t n,
					      struct credential_key *ret,
					      struct reason *why)
{
	char uri[CREDENTIAL_URI_SIZE];
	const struct credential_json wanted = { "uri", uri, sizeof(uri) };
	const char *fault = credential_json_read(bytes, n, &wanted, 1);
	struct credential_key k = { 0 };
	enum credential_exit e;

	if (fault != NULL)
		return refuse_request(why, fault);
	if (!*uri)
		return refuse_request(why, "has no \"uri\"");
	e = credential_key_uri(&k, uri, strlen(uri), why);
	if (e == CREDENTIAL_OK)
		e = needs_host(&k, why);
	if (e == CREDENTIAL_OK)
		*ret = k;
	return e;
}

/* ---- summon ------------------------------------------------------------------ */

static bool field_of(struct piece p, enum credential_field *ret)
{
	static const char *const names[CREDENTIAL_FIELD_COUNT] = {
		[CREDENTIAL_FIELD_PASSWORD] = "password",
		[CREDENTIAL_FIELD_USERNAME] = "username",
		[CREDENTIAL_FIELD_HOST] = "host",
		[CREDENTIAL_FIELD_PORT] = "port",
		[CREDENTIAL_FIELD_DBNAME] = "dbname",
		[CREDENTIAL_FIELD_VERSION] = "version",
		[CREDENTIAL_FIELD_URI] = "uri",
		[CREDENTIAL_FIELD_CONNINFO] = "conninfo",
	};

	for (int i = 0; i < CREDENTIAL_FIELD_COUNT; i++)
		if (is_word(p, names[i])) {
			*ret = (enum credential_field)i;
			return true;
		}
	return false;
}

/* The parts between slashes; 0 when one is empty or there are more than 3. */
static size_t split_url(const char *path, size_t n, struct piece parts[3])
{
	const char *end = path + n, *slash;
	size_t count = 0;

	do {
		slash = memchr(path, '/', (size_t)(end - path));
		if (count == 3 || path == (slash != NULL ? slash : end))
			return 0;
		parts[count++] = (struct piece){
			path, (size_t)((slash != NULL ? slash : end) - path)
		};
		path = slash != NULL ? slash + 1 : end;
	} while (slash != NULL);
	return count;
}

enum credential_exit credential_request_summon(const char *path, size_t n,
					       struct credential_key *ret,
					       enum credential_field *ret_field,
					       struct reason *why)
{
	enum credential_field field = CREDENTIAL_FIELD_PASSWORD;
	struct piece parts[3] = { { NULL, 0 } }, realm = { "", 0 };
	struct credential_key k = { 0 };
	enum credential_exit e;
	size_t count = split_url(path, n, parts), role = 0;

	if (count == 0)
		return refuse_request(why, "is not [CLUSTER/]ROLE[/FIELD]");
	if (count > 1 && field_of(parts[count - 1], &field))
		count--;
	else if (count == 3)
		return refuse_request(
			why, "has an unknown field; there are password, "
			     "username, host, port, dbname, version, uri "
			     "and conninfo");
	if (count == 2) {
		realm = parts[0];
		role = 1;
	}
	e = credential_key_set(&k, WIRE_TAG_ROLE, parts[role].s, parts[role].n,
			       why);
	if (e == CREDENTIAL_OK)
		e = credential_key_set(&k, WIRE_TAG_REALM, realm.s, realm.n,
				       why);
	if (e != CREDENTIAL_OK)
		return e;
	*ret = k;
	*ret_field = field;
	return CREDENTIAL_OK;
}
