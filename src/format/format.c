/* SPDX-License-Identifier: PostgreSQL */
/*
 * One credential to the bytes of a known form.  It must never write something
 * that a parser of that form would read as another value.
 */
#include "format/format.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/format_out.h"

#define FORMAT_DEFAULT_PORT "5432"

/* Room for keywords and punctuation of any kind. */
#define FORMAT_OVERHEAD 512

/* The worst expansion of one byte: %XX. */
#define FORMAT_EXPANSION 3

static const char *const names[FORMAT_COUNT] = {
	[FORMAT_RAW] = "raw",		[FORMAT_JSON] = "json",
	[FORMAT_PGPASS] = "pgpass",	[FORMAT_ENV] = "env",
	[FORMAT_URI] = "uri",		[FORMAT_CONNINFO] = "conninfo",
	[FORMAT_USERLIST] = "userlist", [FORMAT_AWS] = "aws",
	[FORMAT_SERVICE] = "service",
};

static const char *const sslmodes[] = {
	"disable", "allow", "prefer", "require", "verify-ca", "verify-full",
};

static struct lookup_part password_of(const struct format_credential *c)
{
	return format_out_secret(c->password);
}

static const char *port_of(const struct format_credential *c)
{
	return c->port[0] != '\0' ? c->port : FORMAT_DEFAULT_PORT;
}

/* ---- Hosts ------------------------------------------------------------------- */

static size_t count_lookups(const char *hosts)
{
	struct lookup_part unused;
	size_t n = 0;

	while (lookup_name(hosts, n, &unused))
		n++;
	return n;
}

/* ---- Forms ------------------------------------------------------------------- */

/* RFC 3986, byte by byte so that no copy of a password is left behind. */
static void put_percent(struct format_out *o, struct lookup_part v)
{
	static const char hex[] = "0123456789ABCDEF";
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.s[i];

		if (strchr(plain, c) != NULL) {
			format_out_bytes(o, &v.s[i], 1);
			continue;
		}
		format_out_text(o, "%");
		format_out_bytes(o, &hex[c >> 4], 1);
		format_out_bytes(o, &hex[c & 15], 1);
	}
}

static void put_json(struct format_out *o, const char *key,
		     struct lookup_part v)
{
	if (v.n > 0)
		format_out_member(o, key, v);
}

/* Its own escapes, because it may be cut inside a character. */
static void put_extra(struct format_out *o, const struct format_member *m)
{
	struct text t = text_make(SECRET_CAP_MAX);

	if (m->value == NULL)
		return;
	if (m->bare)
		text_add(&t, m->value);
	else
		text_add_json(&t, m->value);
	format_out_key(o, m->key);
	format_out_bytes(o, text_str(&t), t.len);
	if (o->failed == STATUS_OK)
		o->failed = text_status(&t);
	text_free(&t);
}

/* The keys of facts/aws-secrets-manager.md, all strings; "version" is ours,
 * and readers of that form ignore keys they do not know. */
static void render_json(struct format_out *o, const struct format_credential *c)
{
	put_json(o, "engine", format_out_part("postgres"));
	put_json(o, "host", format_out_part(c->host));
	put_json(o, "port", format_out_part(port_of(c)));
	put_json(o, "dbname", format_out_part(c->dbname));
	put_json(o, "username", format_out_part(c->username));
	put_json(o, "password", password_of(c));
	put_json(o, "version", format_out_part(c->version));
	for (size_t i = 0; i < c->n_extra; i++)
		put_extra(o, &c->extra[i]);
	format_out_text(o, "}");
}

/* "credential_process": version 1, with the end that makes a client ask again
 * (AWS CLI user guide, sourcing credentials with an external process). */
static void render_aws(struct format_out *o, const struct format_credential *c)
{
	format_out_key(o, "Version");
	format_out_text(o, "1");
	format_out_member(o, "AccessKeyId", format_out_part(c->username));
	format_out_member(o, "SecretAccessKey", password_of(c));
	format_out_member(o, "Expiration", format_out_part(c->expires));
	format_out_text(o, "}");
}

static void put_pgpass(struct format_out *o, struct lookup_part v)
{
	if (v.n == 0)
		format_out_text(o, "*");
	else
		format_out_escaped(o, v, ":\\");
}

static void put_pgpass_line(struct format_out *o,
			    const struct format_credential *c,
			    struct lookup_part host)
{
	put_pgpass(o, host);
	format_out_text(o, ":");
	put_pgpass(o, format_out_part(port_of(c)));
	format_out_text(o, ":");
	put_pgpass(o, format_out_part(c->dbname));
	format_out_text(o, ":");
	put_pgpass(o, format_out_part(c->username));
	format_out_text(o, ":");
	put_pgpass(o, password_of(c));
	format_out_text(o, "\n");
}

static void render_pgpass(struct format_out *o,
			  const struct format_credential *c)
{
	struct lookup_part host;

	for (size_t i = 0; lookup_name(c->host, i, &host); i++)
		put_pgpass_line(o, c, host);
}

/*
 * sh and systemd agree on a single-quoted value without a single quote, and on
 * a double-quoted one with these four escaped.  They disagree on '\'' : after
 * it systemd keeps the next quote as a character.
 */
static void put_env(struct format_out *o, const char *key, struct lookup_part v)
{
	bool has_quote = memchr(v.s, '\'', v.n) != NULL;

	if (v.n == 0)
		return;
	format_out_text(o, key);
	format_out_text(o, has_quote ? "=\"" : "='");
	format_out_escaped(o, v, has_quote ? "\"\\$`" : "");
	format_out_text(o, has_quote ? "\"\n" : "'\n");
}

static void render_env(struct format_out *o, const struct format_credential *c)
{
	put_env(o, "PGHOST", format_out_part(c->host));
	put_env(o, "PGPORT", format_out_part(port_of(c)));
	put_env(o, "PGDATABASE", format_out_part(c->dbname));
	put_env(o, "PGUSER", format_out_part(c->username));
	put_env(o, "PGPASSWORD", password_of(c));
	put_env(o, "PGSSLMODE", format_out_part(c->sslmode));
}

static void put_uri_host(struct format_out *o, struct lookup_part host)
{
	bool ipv6 = host.n > 0 && host.s[0] != '/' &&
		    memchr(host.s, ':', host.n) != NULL;

	if (!ipv6) {
		put_percent(o, host);
		return;
	}
	format_out_text(o, "[");
	for (size_t i = 0; i < host.n; i++) {
		if (host.s[i] == ':')
			format_out_text(o, ":");
		else
			put_percent(o, (struct lookup_part){ &host.s[i], 1 });
	}
	format_out_text(o, "]");
}

static void render_uri(struct format_out *o, const struct format_credential *c)
{
	format_out_text(o, "postgresql://");
	put_percent(o, format_out_part(c->username));
	format_out_text(o, ":");
	put_percent(o, password_of(c));
	format_out_text(o, "@");
	for (const char *list = c->host; list != NULL;) {
		put_uri_host(o, lookup_next_host(&list));
		format_out_text(o, ":");
		format_out_text(o, port_of(c));
		format_out_text(o, list != NULL ? "," : "/");
	}
	put_percent(o, format_out_part(c->dbname));
	if (c->sslmode[0] != '\0') {
		format_out_text(o, "?sslmode=");
		format_out_text(o, c->sslmode);
	}
}

static void put_conninfo(struct format_out *o, const char *key,
			 struct lookup_part v)
{
	if (v.n == 0)
		return;
	if (secret_len(o->bytes) > 0)
		format_out_text(o, " ");
	format_out_text(o, key);
	format_out_text(o, "='");
	format_out_escaped(o, v, "'\\");
	format_out_text(o, "'");
}

static void render_conninfo(struct format_out *o,
			    const struct format_credential *c)
{
	put_conninfo(o, "host", format_out_part(c->host));
	put_conninfo(o, "port", format_out_part(port_of(c)));
	put_conninfo(o, "dbname", format_out_part(c->dbname));
	put_conninfo(o, "user", format_out_part(c->username));
	put_conninfo(o, "password", password_of(c));
	put_conninfo(o, "sslmode", format_out_part(c->sslmode));
}

/* PgBouncer's loader.c: a quote is doubled, nothing else is special. */
static void put_doubled(struct format_out *o, struct lookup_part v)
{
	format_out_text(o, "\"");
	for (size_t i = 0; i < v.n; i++) {
		if (v.s[i] == '"')
			format_out_text(o, "\"");
		format_out_bytes(o, &v.s[i], 1);
	}
	format_out_text(o, "\"");
}

static void render_userlist(struct format_out *o,
			    const struct format_credential *c)
{
	put_doubled(o, format_out_part(c->username));
	format_out_text(o, " ");
	put_doubled(o, password_of(c));
	format_out_text(o, "\n");
}

/* ---- The connection service file ---------------------------------------------- */

static bool is_verified(const char *sslmode)
{
	return strncmp(sslmode, "verify-", 7) == 0;
}

/*
 * What a section holds, in order.  libpq takes everything behind "=" up to the
 * blanks at the line's end; there are no quotes and no escapes.  A root
 * certificate under another sslmode would make libpq verify where the operator
 * did not say so.
 */
#define SERVICE_PARTS 6

struct service_part {
	const char *key;
	const char *value; /* "": left out */
};

static void list_service(const struct format_credential *c,
			 struct service_part ret[SERVICE_PARTS])
{
	const char *ca = c->sslrootcert != NULL && is_verified(c->sslmode) ?
				 c->sslrootcert :
				 "";
	const struct service_part parts[SERVICE_PARTS] = {
		{ "host", c->host },	   { "port", port_of(c) },
		{ "dbname", c->dbname },   { "user", c->username },
		{ "sslmode", c->sslmode }, { "sslrootcert", ca },
	};

	memcpy(ret, parts, sizeof(parts));
}

static void render_service(struct format_out *o,
			   const struct format_credential *c)
{
	struct service_part parts[SERVICE_PARTS];

	list_service(c, parts);
	format_out_text(o, "[");
	format_out_text(o, c->service);
	format_out_text(o, "]\n");
	for (size_t i = 0; i < SERVICE_PARTS; i++) {
		if (parts[i].value[0] == '\0')
			continue;
		format_out_text(o, parts[i].key);
		format_out_text(o, "=");
		format_out_text(o, parts[i].value);
		format_out_text(o, "\n");
	}
}

static enum status check_service_line(const struct service_part *p,
				      struct reason *why)
{
	size_t n = strlen(p->value);

	if (text_has_control(p->value, n))
		return reason_set(why, STATUS_REFUSED,
				  "the %s holds a control character", p->key);
	if (n > 0 && p->value[n - 1] == ' ')
		return reason_set(why, STATUS_REFUSED,
				  "pg_service.conf cannot carry the %s \"%s\": "
				  "libpq cuts the blanks off at its end",
				  p->key, p->value);
	if (strlen(p->key) + 1 + n > FORMAT_SERVICE_LINE_MAX)
		return reason_set(why, STATUS_REFUSED,
				  "pg_service.conf cannot carry the %s, which "
				  "has %zu bytes: libpq reads no line of more "
				  "than %d",
				  p->key, n, FORMAT_SERVICE_LINE_MAX);
	return STATUS_OK;
}

static enum status check_service(const struct format_credential *c,
				 struct reason *why)
{
	const char *name = c->service != NULL ? c->service : "";
	struct service_part parts[SERVICE_PARTS];
	enum status st = STATUS_OK;

	if (name[0] == '\0' || strlen(name) + 2 > FORMAT_SERVICE_LINE_MAX ||
	    text_has_control(name, strlen(name)) || strchr(name, ']') != NULL)
		return reason_set(
			why, STATUS_REFUSED,
			"\"%.80s\" cannot be the name of a section of "
			"pg_service.conf: it ends at a ] and at the "
			"line's end",
			name);
	list_service(c, parts);
	for (size_t i = 0; i < SERVICE_PARTS && st == STATUS_OK; i++)
		st = check_service_line(&parts[i], why);
	return st;
}

/* A control character would end a line or a string in some reader of each
 * form.  In a pgpass field and a raw file libpq cannot read one at all. */
static enum status check_value(const char *what, struct lookup_part v,
			       bool utf8, struct reason *why)
{
	if (text_has_control(v.s, v.n))
		return reason_set(why, STATUS_REFUSED,
				  "the %s holds a control character", what);
	if (utf8 && !text_is_utf8(v.s, v.n))
		return reason_set(
			why, STATUS_REFUSED,
			"the %s is not UTF-8, which this format needs", what);
	return STATUS_OK;
}

static enum status check_values(enum format_kind kind,
				const struct format_credential *c,
				struct reason *why)
{
	/* systemd drops an assignment that is not UTF-8; JSON has no other. */
	bool utf8 = kind == FORMAT_JSON || kind == FORMAT_ENV ||
		    kind == FORMAT_AWS;
	const struct {
		const char *what;
		struct lookup_part value;
	} all[] = {
		{ "host", format_out_part(c->host) },
		{ "port", format_out_part(c->port) },
		{ "database name", format_out_part(c->dbname) },
		{ "user name", format_out_part(c->username) },
		{ "version", format_out_part(c->version) },
		{ "sslmode", format_out_part(c->sslmode) },
		{ "password",
		  c->password != NULL ? password_of(c) : format_out_part("") },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		enum status st =
			check_value(all[i].what, all[i].value, utf8, why);

		if (st != STATUS_OK)
			return st;
	}
	/* A source of tokens may not know its user. */
	if (c->username[0] == '\0' && kind != FORMAT_AWS)
		return reason_set(why, STATUS_REFUSED,
				  "the credential has no user name");
	if (kind != FORMAT_SERVICE && secret_len(c->password) == 0)
		return reason_set(why, STATUS_REFUSED,
				  "the credential of %s has no password",
				  c->username);
	return STATUS_OK;
}

static bool is_port(const char *s)
{
	unsigned n = 0;

	for (size_t i = 0; s[i] != '\0'; i++) {
		if (s[i] < '0' || s[i] > '9' || i >= 5)
			return false;
		n = n * 10 + (unsigned)(s[i] - '0');
	}
	return n >= 1 && n <= 65535;
}

static bool is_sslmode(const char *s)
{
	for (size_t i = 0; i < sizeof(sslmodes) / sizeof(sslmodes[0]); i++)
		if (strcmp(s, sslmodes[i]) == 0)
			return true;
	return false;
}

static enum status check_fields(const struct format_credential *c,
				struct reason *why)
{
	if (c->port[0] != '\0' && !is_port(c->port))
		return reason_set(
			why, STATUS_REFUSED,
			"the port \"%s\" is not a number from 1 to 65535",
			c->port);
	if (c->sslmode[0] != '\0' && !is_sslmode(c->sslmode))
		return reason_set(why, STATUS_REFUSED,
				  "\"%s\" is not an sslmode of libpq",
				  c->sslmode);
	return STATUS_OK;
}

/*
 * What is particular to pgpass (consumers.md section 3.1): "*" alone matches
 * anything, "#" in the first column is a comment, and pgx and DBeaver trim the
 * line.
 */
static enum status check_pgpass(const struct format_credential *c,
				struct reason *why)
{
	struct lookup_part password = password_of(c), host;

	if (c->host[0] == '\0')
		return reason_set(why, STATUS_REFUSED,
				  "the credential of %s has no host, and a "
				  "pgpass line for any host would give the "
				  "password to any server; say which host",
				  c->username);
	if (strcmp(c->dbname, "*") == 0 || strcmp(c->username, "*") == 0)
		return reason_set(why, STATUS_REFUSED,
				  "format pgpass cannot carry the name \"*\": "
				  "it would match any");
	for (size_t i = 0; lookup_name(c->host, i, &host); i++)
		if ((host.n == 1 && host.s[0] == '*') || host.s[0] == '#' ||
		    host.s[0] == ' ')
			return reason_set(
				why, STATUS_REFUSED,
				"format pgpass cannot carry the host "
				"\"%.*s\"%s",
				(int)host.n, host.s,
				host.s[0] == '*' ? ": it would match any" : "");
	if (password.s[password.n - 1] == ' ')
		return reason_set(why, STATUS_REFUSED,
				  "the password of %s ends with a space, which "
				  "some readers of pgpass cut off",
				  c->username);
	return STATUS_OK;
}

/*
 * PgBouncer 1.18, which Debian has, takes 2047 bytes; at a longer password it
 * gives the file up, and everybody behind that line is locked out.
 */
static enum status check_userlist(const struct format_credential *c,
				  struct reason *why)
{
	size_t n = secret_len(c->password);

	if (n <= FORMAT_USERLIST_MAX)
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "the password of %s has %zu bytes; PgBouncer's "
			  "auth_file takes %d, and one that is longer locks "
			  "others out",
			  c->username, n, FORMAT_USERLIST_MAX);
}

static enum status check_credential(enum format_kind kind,
				    const struct format_credential *c,
				    struct reason *why)
{
	enum status st = check_values(kind, c, why);

	if (st == STATUS_OK)
		st = check_fields(c, why);
	if (st == STATUS_OK && kind == FORMAT_PGPASS)
		st = check_pgpass(c, why);
	if (st == STATUS_OK && kind == FORMAT_USERLIST)
		st = check_userlist(c, why);
	if (st == STATUS_OK && kind == FORMAT_SERVICE)
		st = check_service(c, why);
	return st;
}

static void render_kind(enum format_kind kind,
			const struct format_credential *c, struct format_out *o)
{
	switch (kind) {
	case FORMAT_RAW:
		format_out_bytes(o, secret_bytes(c->password),
				 secret_len(c->password));
		break;
	case FORMAT_JSON:
		render_json(o, c);
		break;
	case FORMAT_PGPASS:
		render_pgpass(o, c);
		break;
	case FORMAT_ENV:
		render_env(o, c);
		break;
	case FORMAT_URI:
		render_uri(o, c);
		break;
	case FORMAT_CONNINFO:
		render_conninfo(o, c);
		break;
	case FORMAT_USERLIST:
		render_userlist(o, c);
		break;
	case FORMAT_AWS:
		render_aws(o, c);
		break;
	case FORMAT_SERVICE:
		render_service(o, c);
		break;
	case FORMAT_COUNT:
		o->failed = STATUS_ERROR;
		break;
	}
}

/* How many bytes go in, each of which may become FORMAT_EXPANSION. */
static size_t size_of(enum format_kind kind, const struct format_credential *c)
{
	size_t n = strlen(c->host) + strlen(port_of(c)) + strlen(c->dbname) +
		   strlen(c->username) + strlen(c->version) +
		   strlen(c->sslmode);

	if (c->password != NULL)
		n += secret_len(c->password);
	if (kind == FORMAT_SERVICE)
		n += strlen(c->service) +
		     (c->sslrootcert != NULL ? strlen(c->sslrootcert) : 0);
	/* A URI has the port behind each host, which may have one byte. */
	if (kind == FORMAT_URI)
		n += strlen(c->host) * (sizeof("65535") + 1);
	/* A byte of these may become six, as \u00NN. */
	for (size_t i = 0; kind == FORMAT_JSON && i < c->n_extra; i++)
		if (c->extra[i].value != NULL)
			n += strlen(c->extra[i].key) +
			     2 * strlen(c->extra[i].value) + 2;
	return n;
}

enum status format_render(enum format_kind kind,
			  const struct format_credential *c,
			  struct secret **ret_bytes, struct reason *why)
{
	struct format_out o = { NULL, STATUS_OK };
	size_t n, lines = 1;
	enum status st = check_credential(kind, c, why);

	if (st != STATUS_OK)
		return st;
	if (kind == FORMAT_PGPASS)
		lines = count_lookups(c->host);
	n = size_of(kind, c);
	if (n > (SECRET_CAP_MAX - FORMAT_OVERHEAD) / FORMAT_EXPANSION / lines)
		return reason_set(why, STATUS_LIMIT,
				  "the credential of %s is too large",
				  c->username);
	st = secret_new(n * FORMAT_EXPANSION * lines + FORMAT_OVERHEAD,
			&o.bytes);
	if (st != STATUS_OK)
		return reason_set(why, st,
				  "no locked memory for the credential of %s",
				  c->username);
	render_kind(kind, c, &o);
	if (o.failed != STATUS_OK) {
		secret_free(o.bytes);
		return reason_set(why, o.failed,
				  "cannot render the credential of %s",
				  c->username);
	}
	*ret_bytes = o.bytes;
	return STATUS_OK;
}

enum status format_parse(const char *name, bool ends,
			 enum format_kind *ret_kind, struct reason *why)
{
	for (int i = 0; i < FORMAT_COUNT; i++)
		if (strcmp(name, names[i]) == 0 && (ends || i != FORMAT_AWS) &&
		    i != FORMAT_SERVICE) {
			*ret_kind = (enum format_kind)i;
			return STATUS_OK;
		}
	return reason_set(why, STATUS_USAGE,
			  "there is no format \"%s\"; choose from raw, json, "
			  "pgpass, env, uri, conninfo, userlist%s",
			  name, ends ? ", aws" : "");
}

const char *format_name(enum format_kind kind)
{
	return (unsigned)kind < FORMAT_COUNT ? names[kind] : "?";
}
