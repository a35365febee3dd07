/* SPDX-License-Identifier: PostgreSQL */
/* format: what is written is read back by the parsers that will read it:
 * libpq, a shell, systemd's rules, a JSON library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/format.h"

/* Every printable character, so that no escape is left out. */
#define NASTY "a !\"#$%&'()*+,-./0:;<=>?@A[\\]^_`z{|}~'\"\\:\\\\$HOME`id`'' x"

static struct secret *secret_of(const char *s, size_t n)
{
	struct secret *made = NULL;

	assert_int_equal(secret_new(n > 0 ? n : 1, &made), STATUS_OK);
	assert_int_equal(secret_set(made, s, n), STATUS_OK);
	return made;
}

/* "host port dbname user sslmode" with the given password. */
static struct format_credential plain(const struct secret *password)
{
	return (struct format_credential){
		.host = "db.example.com",
		.port = "5433",
		.dbname = "shop",
		.username = "sap",
		.version = "0a",
		.sslmode = "verify-full",
		.password = password,
		.expires = "2026-11-21T03:00:00Z",
		.service = "sap",
		.sslrootcert = "/etc/ssl/db.pem",
	};
}

static struct format_credential sparse(const char *hosts, const char *username,
				       const struct secret *password)
{
	return (struct format_credential){
		.host = hosts,
		.port = "",
		.dbname = "",
		.username = username,
		.version = "",
		.sslmode = "",
		.password = password,
		.expires = "2026-11-21T03:00:00Z",
		.service = "sap",
	};
}

static char *rendered(enum format_kind kind, const struct format_credential *c)
{
	struct secret *bytes = NULL;
	struct reason why = { "" };
	enum status st = format_render(kind, c, &bytes, &why);
	char *copy;

	if (st != STATUS_OK)
		fail_msg("%s: %s", format_name(kind), why.text);
	copy = strdup(secret_bytes(bytes));
	assert_non_null(copy);
	assert_int_equal(strlen(copy), secret_len(bytes));
	secret_free(bytes);
	return copy;
}

static void assert_refused(enum format_kind kind,
			   const struct format_credential *c, const char *says)
{
	struct secret *bytes = NULL;
	struct reason why = { "" };

	assert_int_equal(format_render(kind, c, &bytes, &why), STATUS_REFUSED);
	assert_null(bytes);
	if (strstr(why.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, says);
}

static void each_format_has_its_known_shape(void **state)
{
	static const char *const want[FORMAT_COUNT] = {
		[FORMAT_RAW] = "s3cret",
		[FORMAT_JSON] =
			"{\"engine\":\"postgres\",\"host\":\"db.example.com\","
			"\"port\":\"5433\",\"dbname\":\"shop\","
			"\"username\":\"sap\",\"password\":\"s3cret\","
			"\"version\":\"0a\"}",
		[FORMAT_PGPASS] = "db.example.com:5433:shop:sap:s3cret\n",
		[FORMAT_ENV] = "PGHOST='db.example.com'\nPGPORT='5433'\n"
			       "PGDATABASE='shop'\nPGUSER='sap'\n"
			       "PGPASSWORD='s3cret'\n"
			       "PGSSLMODE='verify-full'\n",
		[FORMAT_URI] = "postgresql://sap:s3cret@db.example.com:5433/"
			       "shop?sslmode=verify-full",
		[FORMAT_CONNINFO] =
			"host='db.example.com' port='5433' dbname='shop' "
			"user='sap' password='s3cret' sslmode='verify-full'",
		[FORMAT_USERLIST] = "\"sap\" \"s3cret\"\n",
		[FORMAT_AWS] = "{\"Version\":1,\"AccessKeyId\":\"sap\","
			       "\"SecretAccessKey\":\"s3cret\","
			       "\"Expiration\":\"2026-11-21T03:00:00Z\"}",
		[FORMAT_SERVICE] =
			"[sap]\nhost=db.example.com\nport=5433\ndbname=shop\n"
			"user=sap\nsslmode=verify-full\n"
			"sslrootcert=/etc/ssl/db.pem\n",
	};
	struct secret *password = secret_of("s3cret", 6);
	struct format_credential c = plain(password);

	(void)state;
	for (int i = 0; i < FORMAT_COUNT; i++) {
		char *got = rendered((enum format_kind)i, &c);

		assert_string_equal(got, want[i]);
		free(got);
	}
	secret_free(password);
}

static void what_is_not_known_is_left_out(void **state)
{
	static const char *const want[FORMAT_COUNT] = {
		[FORMAT_RAW] = "x",
		[FORMAT_JSON] = "{\"engine\":\"postgres\",\"port\":\"5432\","
				"\"username\":\"sap\",\"password\":\"x\"}",
		[FORMAT_PGPASS] = NULL, /* would be for any server */
		[FORMAT_ENV] = "PGPORT='5432'\nPGUSER='sap'\n"
			       "PGPASSWORD='x'\n",
		[FORMAT_URI] = "postgresql://sap:x@:5432/",
		[FORMAT_CONNINFO] = "port='5432' user='sap' password='x'",
		[FORMAT_USERLIST] = "\"sap\" \"x\"\n",
		[FORMAT_AWS] = "{\"Version\":1,\"AccessKeyId\":\"sap\","
			       "\"SecretAccessKey\":\"x\","
			       "\"Expiration\":\"2026-11-21T03:00:00Z\"}",
		[FORMAT_SERVICE] = "[sap]\nport=5432\nuser=sap\n",
	};
	struct secret *password = secret_of("x", 1);
	struct format_credential c = sparse("", "sap", password);

	(void)state;
	for (int i = 0; i < FORMAT_COUNT; i++) {
		char *got;

		if (want[i] == NULL) {
			assert_refused((enum format_kind)i, &c, "has no host");
			continue;
		}
		got = rendered((enum format_kind)i, &c);
		assert_string_equal(got, want[i]);
		free(got);
	}
	secret_free(password);
}

static void json_has_the_extra_members_behind_the_others(void **state)
{
	const struct format_member extra[] = {
		{ .key = "scope", .value = "a \"b\"\x01" },
		{ .key = "role", .value = NULL },
		{ .key = "realm", .value = "" },
		{ .key = "stale", .value = "false", .bare = true },
	};
	struct secret *password = secret_of("x", 1);
	struct format_credential c = sparse("", "sap", password);
	char *got;

	(void)state;
	c.extra = extra;
	c.n_extra = 4;
	got = rendered(FORMAT_JSON, &c);
	assert_string_equal(got, "{\"engine\":\"postgres\",\"port\":\"5432\","
				 "\"username\":\"sap\",\"password\":\"x\","
				 "\"scope\":\"a \\\"b\\\"\\u0001\","
				 "\"realm\":\"\",\"stale\":false}");
	free(got);
	secret_free(password);
}

/* Every byte of them may become six. */
static void long_extra_members_have_room(void **state)
{
	static char value[2001];
	const struct format_member extra[] = { { .key = "scope",
						 .value = value } };
	struct secret *password = secret_of("x", 1);
	struct format_credential c = sparse("", "sap", password);
	char *got;

	(void)state;
	memset(value, '\x01', sizeof(value) - 1);
	c.extra = extra;
	c.n_extra = 1;
	got = rendered(FORMAT_JSON, &c);
	assert_true(strlen(got) > 6 * (sizeof(value) - 1));
	free(got);
	secret_free(password);
}

static void aws_is_for_what_expires(void **state)
{
	enum format_kind kind = FORMAT_RAW;
	struct reason why;

	(void)state;
	assert_int_equal(format_parse("aws", false, &kind, &why), STATUS_USAGE);
	assert_null(strstr(why.text, ", aws"));
	assert_int_equal(format_parse("aws", true, &kind, &why), STATUS_OK);
	assert_int_equal(kind, FORMAT_AWS);
	assert_int_equal(format_parse("xml", true, &kind, &why), STATUS_USAGE);
	assert_non_null(strstr(why.text, ", aws"));
}

/* No quotes and no escapes: what libpq would read as another value, or at
 * which it would give the file up. */
static void a_service_file_has_no_way_to_say_some_things(void **state)
{
	char longest[FORMAT_SERVICE_LINE_MAX + 1];
	struct format_credential c = plain(NULL);
	char *got;

	(void)state;
	/* No password is needed, and none is in it. */
	c.username = "s p[=#]";
	c.sslmode = "require"; /* with a CA libpq would verify */
	got = rendered(FORMAT_SERVICE, &c);
	assert_string_equal(got, "[sap]\nhost=db.example.com\nport=5433\n"
				 "dbname=shop\nuser=s p[=#]\n"
				 "sslmode=require\n");
	free(got);
	c = plain(NULL), c.username = "sap ";
	assert_refused(FORMAT_SERVICE, &c, "user \"sap \": libpq cuts");
	c = plain(NULL), c.sslrootcert = "/a\nb";
	assert_refused(FORMAT_SERVICE, &c, "control character");
	c = plain(NULL), c.service = "a]b";
	assert_refused(FORMAT_SERVICE, &c,
		       "\"a]b\" cannot be the name of a section");
	c = plain(NULL), c.service = "a\nb";
	assert_refused(FORMAT_SERVICE, &c, "cannot be the name of a section");
	c = plain(NULL), c.service = "";
	assert_refused(FORMAT_SERVICE, &c, "cannot be the name of a section");
	c = plain(NULL), c.service = NULL;
	assert_refused(FORMAT_SERVICE, &c, "cannot be the name of a section");
	memset(longest, 'h', sizeof(longest));
	longest[FORMAT_SERVICE_LINE_MAX - strlen("host=")] = '\0';
	c = plain(NULL), c.host = longest;
	got = rendered(FORMAT_SERVICE, &c);
	free(got);
	longest[FORMAT_SERVICE_LINE_MAX - strlen("host=")] = 'h';
	longest[FORMAT_SERVICE_LINE_MAX - strlen("host=") + 1] = '\0';
	assert_refused(FORMAT_SERVICE, &c, "no line of more than 1021");
}

/* A source of tokens may not know its user. */
static void aws_needs_no_user_name(void **state)
{
	struct secret *password = secret_of("a\"b", 3);
	struct format_credential c = sparse("", "", password);
	char *got = rendered(FORMAT_AWS, &c);

	(void)state;
	assert_string_equal(got, "{\"Version\":1,\"AccessKeyId\":\"\","
				 "\"SecretAccessKey\":\"a\\\"b\","
				 "\"Expiration\":\"2026-11-21T03:00:00Z\"}");
	free(got);
	secret_free(password);
}

static void a_quote_in_a_userlist_is_doubled(void **state)
{
	struct secret *password = secret_of("a\"b\\c'", 6);
	struct format_credential c = sparse("", "sap", password);
	char *got;

	(void)state;
	c.username = "o\"k";
	got = rendered(FORMAT_USERLIST, &c);
	assert_string_equal(got, "\"o\"\"k\" \"a\"\"b\\c'\"\n");
	free(got);
	secret_free(password);
}

static void a_password_that_breaks_an_auth_file_is_refused(void **state)
{
	static char longest[FORMAT_USERLIST_MAX + 2];
	struct secret *password;
	struct format_credential c;
	char *got;

	(void)state;
	for (size_t i = 0; i < sizeof(longest) - 1; i++)
		longest[i] = 'x';
	password = secret_of(longest, FORMAT_USERLIST_MAX);
	c = plain(password);
	got = rendered(FORMAT_USERLIST, &c);
	free(got);
	secret_free(password);
	password = secret_of(longest, FORMAT_USERLIST_MAX + 1);
	c = plain(password);
	assert_refused(FORMAT_USERLIST, &c, "locks others out");
	secret_free(password);
}

/* What libpq reads from a URI or a conninfo string under a keyword. */
static char *libpq_value(const char *conninfo, const char *keyword)
{
	char *error = NULL, *found = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &error);

	if (options == NULL)
		fail_msg("%s: %s", conninfo, error);
	for (PQconninfoOption *o = options; o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0 && o->val != NULL)
			found = strdup(o->val);
	PQconninfoFree(options);
	return found;
}

static void assert_libpq(const char *conninfo, const char *keyword,
			 const char *want)
{
	char *got = libpq_value(conninfo, keyword);

	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
}

static void libpq_reads_back_uri_and_conninfo(void **state)
{
	static const char *const hosts[] = {
		"db.example.com",      "10.0.0.1",
		"2001:db8::1",	       "fe80::1%eth0",
		"/var/run/postgresql", "a,2001:db8::2,/run/pg"
	};
	static const char *const ports[] = { "5433", "5433,5433,5433" };
	static const enum format_kind kinds[] = { FORMAT_URI, FORMAT_CONNINFO };
	struct secret *password = secret_of(NASTY, strlen(NASTY));
	struct format_credential c = plain(password);

	(void)state;
	c.username = "us'er \"x\"; -- @:/\\ \xC3\xA4%41";
	c.dbname = "d b/?#&='\\\xC3\xB6";
	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 2; k++) {
			char *got;

			c.host = hosts[i];
			got = rendered(kinds[k], &c);
			assert_libpq(got, "host", c.host);
			assert_libpq(got, "port",
				     ports[i == 5 && kinds[k] == FORMAT_URI]);
			assert_libpq(got, "dbname", c.dbname);
			assert_libpq(got, "user", c.username);
			assert_libpq(got, "password", NASTY);
			assert_libpq(got, "sslmode", "verify-full");
			free(got);
		}
	secret_free(password);
}

/* The password that libpq takes from a pgpass file of this content. */
static char *libpq_pgpass(const char *content, const char *host,
			  const char *port, const char *dbname,
			  const char *user)
{
	char path[] = "/tmp/test_format.XXXXXX";
	const char *const keys[] = { "host", "hostaddr", "port", "dbname",
				     "user", "passfile", NULL };
	const char *const values[] = { host, "127.0.0.1", port, dbname,
				       user, path,	  NULL };
	int fd = mkstemp(path);
	PGconn *conn;
	char *got;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)),
			 (ssize_t)strlen(content));
	close(fd);
	/* Only starts: the file is read, no answer is waited for. */
	conn = PQconnectStartParams(keys, values, 0);
	got = strdup(PQpass(conn));
	PQfinish(conn);
	unlink(path);
	return got;
}

static void libpq_finds_the_password_in_a_pgpass_line(void **state)
{
	static const char nasty[] = NASTY;
	struct secret *password = secret_of(nasty, sizeof(nasty) - 1);
	struct format_credential c = plain(password);
	char *line, *got;

	(void)state;
	c.host = "we:ird\\host";
	c.username = "us:er\\ \"x\" # \xC3\xA4";
	c.dbname = "d:b\\*";
	line = rendered(FORMAT_PGPASS, &c);
	got = libpq_pgpass(line, c.host, "5433", c.dbname, c.username);
	assert_string_equal(got, nasty);
	free(got);
	got = libpq_pgpass(line, c.host, "5432", c.dbname, c.username);
	assert_string_equal(got, "");
	free(got);
	free(line);
	c.host = "db";
	c.dbname = c.port = "";
	line = rendered(FORMAT_PGPASS, &c);
	got = libpq_pgpass(line, "db", "5432", "any", c.username);
	assert_string_equal(got, nasty);
	free(got);
	free(line);
	secret_free(password);
}

/* The names that libpq looks up for hosts, as lines of a pgpass file. */
static void assert_lines(const char *hosts, const char *want)
{
	struct secret *password = secret_of("x", 1);
	struct format_credential c = sparse(hosts, "u", password);
	char *got = rendered(FORMAT_PGPASS, &c);

	assert_string_equal(got, want);
	free(got);
	secret_free(password);
}

static void a_pgpass_form_has_a_line_for_all_that_may_be_looked_up(void **state)
{
	(void)state;
	assert_lines("db", "db:5432:*:u:x\n");
	assert_lines("a,b,a", "a:5432:*:u:x\nb:5432:*:u:x\n");
	assert_lines("/run/pg", "/run/pg:5432:*:u:x\nlocalhost:5432:*:u:x\n");
	assert_lines("@pg", "@pg:5432:*:u:x\nlocalhost:5432:*:u:x\n");
	assert_lines("localhost,/tmp,/var/run/postgresql",
		     "localhost:5432:*:u:x\n/tmp:5432:*:u:x\n"
		     "/var/run/postgresql:5432:*:u:x\n");
	/* An empty one is libpq's default folder, which is "localhost". */
	assert_lines("a,", "a:5432:*:u:x\nlocalhost:5432:*:u:x\n");
	assert_lines("2001:db8::1", "2001\\:db8\\:\\:1:5432:*:u:x\n");
}

/* What this libpq finds for a connection string in what we write for it. */
static void a_libpq_finds_its_line_for_any_kind_of_host(void **state)
{
	static const struct {
		const char *hosts;
		const char *conninfo;
	} cases[] = {
		{ "/var/run/postgresql", "host=/var/run/postgresql" },
		{ "/var/run/postgresql", "" }, /* Debian's default */
		{ "/run/postgresql", "host=/run/postgresql" },
		{ "/tmp", "host=/tmp" },
		{ "/tmp", "host=''" },
		{ "/tmp/a:b", "host='/tmp/a:b'" },
		{ "@abstract", "host=@abstract" },
		{ "127.0.0.1", "hostaddr=127.0.0.1" },
		{ "::1", "hostaddr=::1" },
		{ "db", "host=db hostaddr=127.0.0.1" },
		{ "nowhere.invalid,/tmp", "host=nowhere.invalid,/tmp" },
	};
	struct secret *password = secret_of("found", 5);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct format_credential c =
			sparse(cases[i].hosts, "sap", password);
		char path[] = "/tmp/test_format.XXXXXX";
		char *lines = rendered(FORMAT_PGPASS, &c), conninfo[256];
		int fd = mkstemp(path);
		PGconn *conn;

		assert_int_equal(write(fd, lines, strlen(lines)),
				 (ssize_t)strlen(lines));
		close(fd);
		snprintf(conninfo, sizeof(conninfo),
			 "user=sap dbname=d port=5432 passfile=%s %s", path,
			 cases[i].conninfo);
		conn = PQconnectStart(conninfo);
		if (strcmp(PQpass(conn), "found") != 0)
			fail_msg("%s: nothing in %s", conninfo, lines);
		PQfinish(conn);
		unlink(path);
		free(lines);
	}
	secret_free(password);
}

/* What a shell has in the variable after reading the file at path. */
static void shell_value(const char *path, const char *variable, char *ret,
			size_t size)
{
	char script[128];
	int fds[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	snprintf(script, sizeof(script), ". \"$1\"; printf %%s \"$%s\"",
		 variable);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], 1);
		close(fds[0]);
		execl("/bin/sh", "sh", "-c", script, "sh", path, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	while ((got = read(fds[0], ret + n, size - 1 - n)) > 0)
		n += (size_t)got;
	ret[n] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/*
 * systemd's EnvironmentFile= (systemd.exec(5), src/basic/env-file.c): outside
 * quotes a backslash takes the next character; a quote is only one where a
 * value or a part of it begins; in double quotes a backslash escapes the four.
 */
static void systemd_value(const char *text, const char *variable, char *ret)
{
	enum { PRE, VALUE, SINGLE, DOUBLE } in = PRE;
	const char *p = strstr(text, variable);

	assert_non_null(p);
	for (p += strlen(variable) + 1;
	     in == SINGLE || in == DOUBLE || (*p != '\n' && *p != '\0'); p++) {
		assert_int_not_equal(*p, '\0');
		if (in == SINGLE || in == DOUBLE) {
			if (*p == (in == SINGLE ? '\'' : '"')) {
				in = PRE;
				continue;
			}
			if (in == DOUBLE && *p == '\\' &&
			    strchr("\"\\`$", p[1]) != NULL)
				p++;
		} else if (in == PRE && (*p == '\'' || *p == '"')) {
			in = *p == '"' ? DOUBLE : SINGLE;
			continue;
		} else {
			in = VALUE;
			if (*p == '\\')
				p++;
		}
		*ret++ = *p;
	}
	*ret = '\0';
}

static void assert_env(const char *path, const char *text, const char *variable,
		       const char *want)
{
	char got[512];

	shell_value(path, variable, got, sizeof(got));
	assert_string_equal(got, want);
	systemd_value(text, variable, got);
	assert_string_equal(got, want);
}

static void a_shell_and_systemd_read_env_alike(void **state)
{
	static const char *const passwords[] = { NASTY,	  "plain-_.", "it's",
						 "\\",	  "'",	      "a\\'b",
						 "$x`y`", "\"q\" \\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(passwords) / sizeof(passwords[0]); i++) {
		char path[] = "/tmp/test_format.XXXXXX";
		struct secret *password =
			secret_of(passwords[i], strlen(passwords[i]));
		struct format_credential c = plain(password);
		int fd = mkstemp(path);
		char *text;

		c.username = "us'er; `id` $HOME \xC3\xA4";
		text = rendered(FORMAT_ENV, &c);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, text, strlen(text)),
				 (ssize_t)strlen(text));
		close(fd);
		assert_env(path, text, "PGPASSWORD", passwords[i]);
		assert_env(path, text, "PGUSER", c.username);
		assert_env(path, text, "PGHOST", "db.example.com");
		unlink(path);
		free(text);
		secret_free(password);
	}
}

static void a_json_library_reads_back_every_key(void **state)
{
	struct secret *password = secret_of(NASTY, strlen(NASTY));
	struct format_credential c = plain(password);
	json_error_t error;
	json_t *root;
	char *text;

	(void)state;
	c.username = "us\"er\\ \xC3\xA4/";
	text = rendered(FORMAT_JSON, &c);
	root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(root);
	assert_int_equal(json_object_size(root), 7);
	assert_string_equal(
		json_string_value(json_object_get(root, "username")),
		c.username);
	assert_string_equal(
		json_string_value(json_object_get(root, "password")), NASTY);
	assert_string_equal(json_string_value(json_object_get(root, "engine")),
			    "postgres");
	json_decref(root);
	free(text);
	secret_free(password);
}

static void a_control_character_in_any_value_is_refused(void **state)
{
	static const char *const bad[] = { "a\nb", "a\rb", "\x01", "a\x7f",
					   "tab\t" };
	struct secret *good = secret_of("good", 4);

	(void)state;
	for (size_t i = 0; i < 5; i++)
		for (int k = 0; k < FORMAT_COUNT; k++) {
			enum format_kind kind = (enum format_kind)k;
			struct secret *s = secret_of(bad[i], strlen(bad[i]));
			struct format_credential c = plain(s);

			assert_refused(kind, &c, "password holds a control");
			c = plain(good);
			c.host = bad[i];
			assert_refused(kind, &c, "host holds a control");
			c = plain(good);
			c.dbname = bad[i];
			assert_refused(kind, &c, "database name holds");
			c = plain(good);
			c.username = bad[i];
			assert_refused(kind, &c, "user name holds a control");
			secret_free(s);
		}
	secret_free(good);
}

static void a_nul_in_the_password_is_refused(void **state)
{
	struct secret *s = secret_of("a\0b", 3);
	struct format_credential c = plain(s);

	(void)state;
	for (int k = 0; k < FORMAT_COUNT; k++)
		assert_refused((enum format_kind)k, &c, "control character");
	secret_free(s);
}

static void what_would_be_read_differently_is_refused(void **state)
{
	struct secret *good = secret_of("good", 4);
	struct secret *spaced = secret_of("good ", 5);
	struct secret *empty = secret_of("", 0);
	struct format_credential c;

	(void)state;
	c = plain(good), c.username = "";
	assert_refused(FORMAT_URI, &c, "no user name");
	c = plain(empty);
	assert_refused(FORMAT_RAW, &c, "no password");
	c = plain(good), c.port = "54a";
	assert_refused(FORMAT_ENV, &c, "port");
	c = plain(good), c.port = "65536";
	assert_refused(FORMAT_ENV, &c, "port");
	c = plain(good), c.port = "0";
	assert_refused(FORMAT_ENV, &c, "port");
	c = plain(good), c.sslmode = "none&x=1";
	assert_refused(FORMAT_URI, &c, "sslmode");
	c = plain(good), c.host = "a,*";
	assert_refused(FORMAT_PGPASS, &c, "match any");
	c = plain(good), c.host = "a, b";
	assert_refused(FORMAT_PGPASS, &c, "\" b\"");
	c = plain(good), c.dbname = "*";
	assert_refused(FORMAT_PGPASS, &c, "match any");
	c = plain(good), c.host = "#x";
	assert_refused(FORMAT_PGPASS, &c, "#x");
	c = plain(spaced);
	assert_refused(FORMAT_PGPASS, &c, "ends with a space");
	c = plain(good), c.dbname = "\xFF\xFE";
	assert_refused(FORMAT_JSON, &c, "UTF-8");
	assert_refused(FORMAT_ENV, &c, "UTF-8");
	secret_free(good);
	secret_free(spaced);
	secret_free(empty);
}

static void a_credential_beyond_the_cap_is_a_limit(void **state)
{
	struct secret *good = secret_of("good", 4);
	struct secret *bytes = NULL;
	struct format_credential c = plain(good);
	char *host = malloc(30000);

	(void)state;
	assert_non_null(host);
	memset(host, 'h', 29999);
	host[29999] = '\0';
	c.host = host;
	assert_int_equal(format_render(FORMAT_URI, &c, &bytes, NULL),
			 STATUS_LIMIT);
	assert_null(bytes);
	free(host);
	secret_free(good);
}

static void names_and_kinds_are_each_others_inverse(void **state)
{
	enum format_kind kind = FORMAT_URI;
	struct reason why = { "" };

	(void)state;
	for (int i = 0; i < FORMAT_COUNT; i++) {
		const char *name = format_name((enum format_kind)i);

		/* Of no use to who asks for a password. */
		if (i == FORMAT_SERVICE) {
			assert_int_equal(format_parse(name, true, &kind, &why),
					 STATUS_USAGE);
			continue;
		}
		assert_int_equal(format_parse(name, true, &kind, &why),
				 STATUS_OK);
		assert_int_equal(kind, i);
	}
	assert_int_equal(format_parse("RAW", true, &kind, &why), STATUS_USAGE);
	assert_int_equal(kind, FORMAT_AWS);
	for (int i = 0; i < FORMAT_SERVICE; i++)
		assert_non_null(
			strstr(why.text, format_name((enum format_kind)i)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_format_has_its_known_shape),
		cmocka_unit_test(what_is_not_known_is_left_out),
		cmocka_unit_test(json_has_the_extra_members_behind_the_others),
		cmocka_unit_test(long_extra_members_have_room),
		cmocka_unit_test(aws_is_for_what_expires),
		cmocka_unit_test(a_service_file_has_no_way_to_say_some_things),
		cmocka_unit_test(aws_needs_no_user_name),
		cmocka_unit_test(a_quote_in_a_userlist_is_doubled),
		cmocka_unit_test(
			a_password_that_breaks_an_auth_file_is_refused),
		cmocka_unit_test(libpq_reads_back_uri_and_conninfo),
		cmocka_unit_test(libpq_finds_the_password_in_a_pgpass_line),
		cmocka_unit_test(
			a_pgpass_form_has_a_line_for_all_that_may_be_looked_up),
		cmocka_unit_test(a_libpq_finds_its_line_for_any_kind_of_host),
		cmocka_unit_test(a_shell_and_systemd_read_env_alike),
		cmocka_unit_test(a_json_library_reads_back_every_key),
		cmocka_unit_test(a_control_character_in_any_value_is_refused),
		cmocka_unit_test(a_nul_in_the_password_is_refused),
		cmocka_unit_test(what_would_be_read_differently_is_refused),
		cmocka_unit_test(a_credential_beyond_the_cap_is_a_limit),
		cmocka_unit_test(names_and_kinds_are_each_others_inverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
