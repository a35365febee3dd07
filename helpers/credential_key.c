/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which role somebody means, from options, URIs and protocols; must never let
 * through what the wire does not carry, nor a password.
 */

#include "helpers/credential_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"

struct part {
	char *bytes;
	size_t size;
	const char *name;
};

static struct part part_of(struct credential_key *k, enum wire_tag tag)
{
	const struct {
		enum wire_tag tag;
		struct part part;
	} parts[] = {
		{ WIRE_TAG_ROLE, { k->role, sizeof(k->role), "role" } },
		{ WIRE_TAG_REALM, { k->realm, sizeof(k->realm), "realm" } },
		{ WIRE_TAG_USER, { k->user, sizeof(k->user), "user" } },
		{ WIRE_TAG_HOST, { k->host, sizeof(k->host), "host" } },
		{ WIRE_TAG_PORT, { k->port, sizeof(k->port), "port" } },
		{ WIRE_TAG_DBNAME,
		  { k->dbname, sizeof(k->dbname), "database" } },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].tag == tag)
			return parts[i].part;
	abort();
}

static bool is_port(const char *s, size_t n)
{
	unsigned long value = 0;

	if (n == 0 || n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		value = value * 10 + (unsigned long)(s[i] - '0');
	}
	return value >= 1 && value <= 65535;
}

enum credential_exit credential_key_set(struct credential_key *k,
					enum wire_tag tag, const char *value,
					size_t n, struct reason *why)
{
	struct part p = part_of(k, tag);

	if (n >= p.size)
		return CREDENTIAL_FAIL(
			USAGE, why, STATUS_USAGE,
			"the %s has %zu bytes; at most %zu are possible",
			p.name, n, p.size - 1);
	if (text_has_control(value, n) || !text_is_utf8(value, n))
		return CREDENTIAL_FAIL(
			USAGE, why, STATUS_USAGE,
			"the %s holds a control character or is not UTF-8",
			p.name);
	if (tag == WIRE_TAG_PORT && n > 0 && !is_port(value, n))
		return CREDENTIAL_FAIL(
			USAGE, why, STATUS_USAGE,
			"the port must be a number from 1 to 65535");
	memset(p.bytes, 0, p.size); /* not secret */
	memcpy(p.bytes, value, n);
	return CREDENTIAL_OK;
}

enum credential_exit credential_key_address(struct credential_key *k,
					    const char *value, size_t n,
					    struct reason *why)
{
	const char *end = value + n, *host_end = end, *port = NULL;
	enum credential_exit e;

	if (n > 0 && value[0] == '[') {
		host_end = memchr(value, ']', n);
		if (host_end == NULL ||
		    (host_end + 1 < end && host_end[1] != ':'))
			return CREDENTIAL_FAIL(
				USAGE, why, STATUS_USAGE,
				"the address has a \"[\" without its \"]\"");
		if (host_end + 1 < end)
			port = host_end + 2;
		value++;
	} else {
		const char *colon = memchr(value, ':', n);

		if (colon != NULL) {
			host_end = colon;
			port = colon + 1;
		}
	}
	e = credential_key_set(k, WIRE_TAG_HOST, value,
			       (size_t)(host_end - value), why);
	if (e == CREDENTIAL_OK && port != NULL)
		e = credential_key_set(k, WIRE_TAG_PORT, port,
				       (size_t)(end - port), why);
	return e;
}

bool credential_key_is_empty(const struct credential_key *k)
{
	return !*k->role && !*k->realm && !*k->user && !*k->host && !*k->port &&
	       !*k->dbname;
}

bool credential_key_names_a_role(const struct credential_key *k)
{
	return *k->role || *k->user;
}

void credential_key_name(const struct credential_key *k, char *ret, size_t n)
{
	if (*k->role)
		snprintf(ret, n, "role \"%s\"", k->role);
	else
		snprintf(ret, n, "user \"%s\"%s%s%s%s", k->user,
			 *k->host ? " on " : "", k->host, *k->port ? ":" : "",
			 k->port);
}

/* ---- URIs ------------------------------------------------------------------ */

static enum credential_exit bad_uri(struct reason *why, const char *fault)
{
	return CREDENTIAL_FAIL(USAGE, why, STATUS_USAGE,
			       "the URI %s; wanted is "
			       "postgresql://user@host:port/dbname",
			       fault);
}

/* Percent-decode n bytes of s into `ret`, which has room for n. */
static bool decode_percent(const char *s, size_t n, char *ret, size_t *ret_n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] != '%') {
			ret[at++] = s[i];
			continue;
		}
		if (n - i < 3 ||
		    encode_unhex(s + i + 1, &ret[at++], 1) != STATUS_OK)
			return false;
		i += 2;
	}
	*ret_n = at;
	return true;
}

static enum credential_exit set_decoded(struct credential_key *k,
					enum wire_tag tag, const char *s,
					size_t n, struct reason *why)
{
	char bytes[CREDENTIAL_URI_SIZE];
	size_t len;

	if (!decode_percent(s, n, bytes, &len))
		return bad_uri(why, "has a \"%\" without two hex digits");
	return credential_key_set(k, tag, bytes, len, why);
}

/* host[:port], each percent-encoded (a socket folder is %2Frun%2F...). */
static enum credential_exit set_address(struct credential_key *k, const char *s,
					size_t n, struct reason *why)
{
	const char *colon = NULL;
	enum credential_exit e;

	if (memchr(s, ',', n) != NULL)
		return bad_uri(why, "names several hosts");
	if (n > 0 && s[0] == '[')
		return credential_key_address(k, s, n, why);
	colon = memchr(s, ':', n);
	e = set_decoded(k, WIRE_TAG_HOST, s,
			colon != NULL ? (size_t)(colon - s) : n, why);
	if (e == CREDENTIAL_OK && colon != NULL)
		e = set_decoded(k, WIRE_TAG_PORT, colon + 1,
				n - (size_t)(colon + 1 - s), why);
	return e;
}

void credential_key_to_uri(const struct credential_key *k,
			   char ret[CREDENTIAL_URI_SIZE])
{
	char user[3 * sizeof(k->user) + 1], host[3 * sizeof(k->host) + 1];
	char dbname[3 * sizeof(k->dbname) + 1];
	bool ipv6 = k->host[0] != '/' && strchr(k->host, ':') != NULL;

	encode_percent(k->user, strlen(k->user), user);
	encode_percent(k->dbname, strlen(k->dbname), dbname);
	if (ipv6)
		snprintf(host, sizeof(host), "[%s]", k->host);
	else
		encode_percent(k->host, strlen(k->host), host);
	snprintf(ret, CREDENTIAL_URI_SIZE, "postgresql://%s%s%s%s%s%s%s", user,
		 *user ? "@" : "", host, *k->port ? ":" : "", k->port,
		 *dbname ? "/" : "", dbname);
}

/* The bytes behind the scheme, or NULL. */
static const char *behind_scheme(const char *uri, size_t n)
{
	static const char *const schemes[] = { "postgresql://", "postgres://" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i]);

		if (n >= len && memcmp(uri, schemes[i], len) == 0)
			return uri + len;
	}
	return NULL;
}

static const char *first_of(const char *s, const char *end, const char *any)
{
	while (s < end && strchr(any, *s) == NULL)
		s++;
	return s;
}

enum credential_exit credential_key_uri(struct credential_key *k,
					const char *uri, size_t n,
					struct reason *why)
{
	const char *end = uri + n, *s = behind_scheme(uri, n), *stop, *at;
	enum credential_exit e = CREDENTIAL_OK;

	if (s == NULL)
		return CREDENTIAL_FAIL(
			NOT_FOUND, why, STATUS_NOT_FOUND,
			"the URI does not begin with postgresql://");
	if (n > CREDENTIAL_URI_SIZE)
		return bad_uri(why, "is too long");
	if (text_has_control(uri, n))
		return bad_uri(why, "holds a control character");
	stop = first_of(s, end, "/?#");
	at = memchr(s, '@', (size_t)(stop - s));
	if (at != NULL) {
		if (memchr(s, ':', (size_t)(at - s)) != NULL)
			return bad_uri(why, "holds a password");
		e = set_decoded(k, WIRE_TAG_USER, s, (size_t)(at - s), why);
		s = at + 1;
	}
	if (e == CREDENTIAL_OK)
		e = set_address(k, s, (size_t)(stop - s), why);
	if (e == CREDENTIAL_OK && stop < end && *stop == '/') {
		s = stop + 1;
		stop = first_of(s, end, "?#");
		e = set_decoded(k, WIRE_TAG_DBNAME, s, (size_t)(stop - s), why);
	}
	if (e == CREDENTIAL_OK && !*k->user)
		return bad_uri(why, "names no user");
	return e;
}
