/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads a conninfo from the configuration.  Must never repeat one in a reason:
 * people put passwords in them.
 */
#include "pg/pg_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

/* A CA bundle of the system, for libpq before 16, which has no
 * sslrootcert=system.  Debian, Red Hat, SUSE, Alpine. */
static const char *const system_bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

/* Keywords that would change who we are or what we see, with the way out. */
static const struct {
	const char *keyword;
	const char *instead;
} refused[] = {
	{ "password", "put it into the file named by admin_passfile" },
	{ "sslpassword", "use a client key without a passphrase, mode 0600" },
	{ "passfile", "use admin_passfile" },
	{ "service", "write host, port and dbname out" },
	{ "options", "session settings are keyturn's to make" },
	{ "replication", "leave it out" },
	{ "target_session_attrs", "keyturn always asks for a writable server" },
	{ "client_encoding", "it is always UTF8" },
	{ "connect_timeout", "use the setting connect_timeout" },
	{ "gssencmode", "Kerberos is not used; leave it out" },
	{ "gsslib", "Kerberos is not used; leave it out" },
	{ "krbsrvname", "Kerberos is not used; leave it out" },
	{ "require_auth", "keyturn sets it" },
	{ "scram_client_key", "use admin_passfile" },
	{ "scram_server_key", "use admin_passfile" },
	{ "sslkeylogfile", "it would write down the session keys" },
};

const char *pg_info_option(const PQconninfoOption *options, const char *keyword)
{
	const PQconninfoOption *o;

	for (o = options; o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val;
	return NULL;
}

/* Both words of "off by default": absent and empty. */
static const char *given_value(const PQconninfoOption *options,
			       const char *keyword)
{
	const char *value = pg_info_option(options, keyword);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool is_local(const char *host, size_t n)
{
	char name[64];
	struct in_addr v4;
	struct in6_addr v6;

	if (n == 0 || host[0] == '/' || host[0] == '@')
		return true;
	if (n >= sizeof(name))
		return false;
	memcpy(name, host, n);
	name[n] = '\0';
	/* "localhost" is what the resolver says it is; an address is sure. */
	if (strcmp(name, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, name, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, name, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return false;
}

/* Is every host of a comma-separated list a Unix socket or loopback?  Where
 * there is a hostaddr, that is where the bytes go; host is then only a name. */
static bool all_local(const PQconninfoOption *options)
{
	const char *p = given_value(options, "hostaddr");
	size_t n;

	if (p == NULL)
		p = given_value(options, "host");
	if (p == NULL)
		return true;
	for (;;) {
		n = strcspn(p, ",");
		if (!is_local(p, n))
			return false;
		if (p[n] == '\0')
			return true;
		p += n + 1;
	}
}

static enum status choose_rootcert(struct pg_info *info, struct reason *why)
{
	const char *path = given_value(info->options, "sslrootcert");
	size_t i;

	if (path != NULL) {
		if (text_copy(info->sslrootcert, sizeof(info->sslrootcert),
			      path) != STATUS_OK)
			return reason_set(why, STATUS_CONFIG,
					  "sslrootcert is longer than %zu "
					  "bytes; use a shorter path",
					  sizeof(info->sslrootcert) - 1);
		return STATUS_OK;
	}
	/* Never ~/.postgresql/root.crt: who we trust is configuration. */
	if (strncmp(info->sslmode, "verify-", 7) != 0)
		return text_copy(info->sslrootcert, sizeof(info->sslrootcert),
				 PG_NOWHERE);
	if (PQlibVersion() >= 160000)
		return text_copy(info->sslrootcert, sizeof(info->sslrootcert),
				 "system");
	for (i = 0; i < sizeof(system_bundles) / sizeof(*system_bundles); i++)
		if (access(system_bundles[i], R_OK) == 0)
			return text_copy(info->sslrootcert,
					 sizeof(info->sslrootcert),
					 system_bundles[i]);
	return reason_set(why, STATUS_CONFIG,
			  "sslmode=%s needs a CA and this system has no bundle "
			  "in a known place; add sslrootcert=FILE to conninfo",
			  info->sslmode);
}

static enum status choose_sslmode(struct pg_info *info, bool insecure,
				  struct reason *why)
{
	const char *mode = given_value(info->options, "sslmode");
	bool local = all_local(info->options);

	if (mode == NULL)
		mode = local || insecure ? "prefer" : "verify-full";
	if (!local && !insecure && strcmp(mode, "verify-full") != 0)
		return reason_set(
			why, STATUS_CONFIG,
			"sslmode=%s does not prove which server answers; use "
			"sslmode=verify-full, or allow it with insecure = yes",
			mode);
	if (text_copy(info->sslmode, sizeof(info->sslmode), mode) != STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "libpq does not know this sslmode; use "
				  "verify-full");
	return STATUS_OK;
}

static enum status check_options(const struct pg_info *info, struct reason *why)
{
	const PQconninfoOption *o;
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (given_value(info->options, refused[i].keyword) != NULL)
			return reason_set(why, STATUS_CONFIG,
					  "conninfo may not hold \"%s\": %s",
					  refused[i].keyword,
					  refused[i].instead);
	for (o = info->options; o->keyword != NULL; o++) {
		if (o->val == NULL)
			continue;
		if (text_has_control(o->val, strlen(o->val)) ||
		    !text_is_utf8(o->val, strlen(o->val)))
			return reason_set(why, STATUS_CONFIG,
					  "conninfo: %s holds a control "
					  "character or is not UTF-8",
					  o->keyword);
	}
	return STATUS_OK;
}

static size_t list_length(const char *list)
{
	size_t n = 1;

	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

/* libpq wants as many of each, but for one port of all hosts. */
static enum status check_lists(const struct pg_info *info, struct reason *why)
{
	const char *host = given_value(info->options, "host");
	const char *addr = given_value(info->options, "hostaddr");
	const char *port = given_value(info->options, "port");
	size_t n = addr != NULL ? list_length(addr) :
		   host != NULL ? list_length(host) :
				  1;

	if (addr != NULL && host != NULL &&
	    list_length(addr) != list_length(host))
		return reason_set(why, STATUS_CONFIG,
				  "conninfo: host lists %zu and hostaddr %zu; "
				  "write one address for each host",
				  list_length(host), list_length(addr));
	if (port != NULL && list_length(port) != 1 && list_length(port) != n)
		return reason_set(
			why, STATUS_CONFIG,
			"conninfo: port lists %zu and host %zu; write "
			"one port, or one for each host",
			list_length(port), n);
	return STATUS_OK;
}

enum status pg_info_parse(const char *conninfo, bool insecure,
			  struct pg_info **ret_info, struct reason *why)
{
	struct pg_info *info = calloc(1, sizeof(*info));
	const char *hosts;
	enum status st;

	if (info == NULL)
		return reason_no_memory(why);
	/* The parser's own message quotes the string, so it is not used. */
	info->options = PQconninfoParse(conninfo, NULL);
	if (info->options == NULL) {
		st = reason_set(why, STATUS_CONFIG,
				"conninfo is not a libpq connection string; "
				"write it as \"host=... port=... dbname=... "
				"user=...\" or postgresql://user@host/dbname");
		goto out;
	}
	st = check_options(info, why);
	if (st == STATUS_OK)
		st = check_lists(info, why);
	if (st == STATUS_OK)
		st = choose_sslmode(info, insecure, why);
	if (st == STATUS_OK)
		st = choose_rootcert(info, why);
	if (st != STATUS_OK)
		goto out;
	hosts = given_value(info->options, "hostaddr");
	if (hosts == NULL)
		hosts = given_value(info->options, "host");
	info->multiple_hosts = hosts != NULL && strchr(hosts, ',') != NULL;
	*ret_info = info;
	info = NULL;
out:
	pg_info_free(info);
	return st;
}

void pg_info_free(struct pg_info *info)
{
	PQconninfoOption *o;

	if (info == NULL)
		return;
	if (info->options != NULL)
		for (o = info->options; o->keyword != NULL; o++)
			if (o->val != NULL)
				secret_wipe(o->val, strlen(o->val));
	PQconninfoFree(info->options);
	free(info);
}

bool pg_info_lists_hosts(const struct pg_info *info)
{
	return info->multiple_hosts;
}

const char *pg_info_get(const struct pg_info *info, const char *keyword)
{
	const char *value;

	if (strcmp(keyword, "sslmode") == 0)
		return info->sslmode;
	value = pg_info_option(info->options, keyword);
	return value != NULL ? value : "";
}
