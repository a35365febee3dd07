/* SPDX-License-Identifier: PostgreSQL */
/* Sessions against servers that lie, stall and shout: no real one needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/now.h"
#include "base/text.h"
#include "pg/pg_internal.h"

#define CANCEL_CODE 80877102u
#define SSL_CODE    80877103u

/* ---- a server of our own ---- */

enum manner {
	SHOUTS,	       /* control characters in an ErrorResponse */
	SHOUTS_OLD,    /* an error in the form of protocol 2 */
	SILENT,	       /* accepts, never answers */
	STUFFS,	       /* 'S', a plain ReadyForQuery, no TLS */
	LETS_IN_DEAF,  /* no password asked, then answers nothing */
	LETS_IN_DROPS, /* no password asked, then closes at the first query */
	LETS_IN_HALF   /* answers the first statement of a batch, then closes */
};

struct fake {
	enum manner manner;
	int listener;
	int port;
	pthread_t thread;
	volatile int cancels;
};

static void put(int fd, const void *p, size_t n)
{
	/* The client may have gone; that is part of the play. */
	(void)!send(fd, p, n, MSG_NOSIGNAL);
}

static void put_message(int fd, char type, const void *body, size_t n)
{
	unsigned char head[5];
	uint32_t len = htonl((uint32_t)n + 4);

	head[0] = (unsigned char)type;
	memcpy(head + 1, &len, 4);
	put(fd, head, 5);
	put(fd, body, n);
}

static void shout(int fd, bool old)
{
	static char text[9000];
	struct text t = text_make(12000);

	memset(text, '\x1b', sizeof(text) - 1);
	memcpy(text, "forged\nline\r\033[2J", 15);
	if (old) {
		put(fd, "Eold\033[2Jfashioned\nroot: all is well\n", 37);
		return;
	}
	text_add(&t, "SFATAL\n2026 root: forged");
	text_add_char(&t, '\0');
	text_add(&t, "C28P01");
	text_add_char(&t, '\0');
	text_add_char(&t, 'M');
	text_add(&t, text);
	text_add_char(&t, '\0');
	text_add_char(&t, '\0');
	put_message(fd, 'E', t.bytes, t.len);
	text_free(&t);
}

static void let_in(int fd)
{
	static const char pid[8] = { 0, 0, 0, 42, 0, 0, 0, 7 };

	put_message(fd, 'R', "\0\0\0\0", 4);
	put_message(fd, 'S',
		    "server_version\0"
		    "15.3",
		    20);
	put_message(fd, 'S',
		    "in_hot_standby\0"
		    "off",
		    19);
	put_message(fd, 'S',
		    "standard_conforming_strings\0"
		    "on",
		    31);
	put_message(fd, 'S',
		    "client_encoding\0"
		    "UTF8",
		    21);
	put_message(fd, 'K', pid, 8);
	put_message(fd, 'Z', "I", 1);
}

static void drain(int fd)
{
	char buf[4096];

	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
}

/* Read one untyped packet; its code (protocol, SSL or cancel request). */
static uint32_t first_packet(int fd)
{
	char buf[4096];
	uint32_t len, code;

	if (recv(fd, &len, 4, MSG_WAITALL) != 4)
		return 0;
	len = ntohl(len);
	if (len < 8 || len > sizeof(buf) ||
	    recv(fd, buf, len - 4, MSG_WAITALL) != (ssize_t)len - 4)
		return 0;
	memcpy(&code, buf, 4);
	return ntohl(code);
}

static void play(struct fake *f, int fd)
{
	char buf[4096];
	uint32_t code;

	if (f->manner == SILENT) {
		drain(fd);
		return;
	}
	code = first_packet(fd);
	if (code == CANCEL_CODE) {
		f->cancels++;
		return;
	}
	if (code == SSL_CODE) {
		if (f->manner == STUFFS) {
			put(fd, "SZ\0\0\0\5I", 7);
			return;
		}
		put(fd, "N", 1);
		code = first_packet(fd);
	}
	if (code == 0)
		return;
	if (f->manner == SHOUTS || f->manner == SHOUTS_OLD) {
		shout(fd, f->manner == SHOUTS_OLD);
		return;
	}
	let_in(fd);
	if (f->manner == LETS_IN_DEAF) {
		/* Answer the cancel request of the same client meanwhile. */
		int other = accept(f->listener, NULL, NULL);

		if (other >= 0) {
			if (first_packet(other) == CANCEL_CODE)
				f->cancels++;
			close(other);
		}
		drain(fd);
		return;
	}
	if (recv(fd, buf, sizeof(buf), 0) > 0 && f->manner == LETS_IN_HALF) {
		put_message(fd, '1', "", 0);
		put_message(fd, '2', "", 0);
		put_message(fd, 'n', "", 0);
		put_message(fd, 'C', "BEGIN", 6);
	}
}

static void *fake_thread(void *arg)
{
	struct fake *f = arg;
	int fd;

	while ((fd = accept(f->listener, NULL, NULL)) >= 0) {
		play(f, fd);
		shutdown(fd, SHUT_RDWR);
		close(fd);
	}
	return NULL;
}

static void fake_start(struct fake *f, enum manner manner)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);

	memset(f, 0, sizeof(*f));
	f->manner = manner;
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(f->listener >= 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&a, sizeof(a)),
			 0);
	assert_int_equal(listen(f->listener, 8), 0);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&a, &n),
			 0);
	f->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
}

static void fake_stop(struct fake *f)
{
	shutdown(f->listener, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->listener);
}

static enum status connect_to(struct fake *f, const char *sslmode,
			      struct pg **ret_pg,
			      struct pg_login_report *report,
			      struct reason *why)
{
	char conninfo[256];
	struct secret *password = NULL;
	struct pg_info *info = NULL;
	struct pg_login login = { .timeout_us = NOW_SECOND,
				  .application_name = "test" };
	enum status st;

	snprintf(conninfo, sizeof(conninfo),
		 "host=127.0.0.1 port=%d user=u dbname=d sslmode=%s", f->port,
		 sslmode);
	assert_int_equal(pg_info_parse(conninfo, false, &info, why), STATUS_OK);
	assert_int_equal(secret_new(32, &password), STATUS_OK);
	assert_int_equal(secret_set(password, "a-password", 10), STATUS_OK);
	login.info = info;
	login.password = password;
	st = pg_connect(&login, ret_pg, report, why);
	secret_free(password);
	pg_info_free(info);
	return st;
}

static enum status run(struct pg *pg, const char *sql, int64_t timeout_us,
		       char ret_sqlstate[PG_SQLSTATE_SIZE], struct reason *why)
{
	struct pg_query q = { .sql = sql, .timeout_us = timeout_us };
	enum status st = pg_run(pg, &q, why);

	memcpy(ret_sqlstate, q.sqlstate, sizeof(q.sqlstate));
	pg_result_free(q.result);
	return st;
}

static void assert_clean(const struct reason *why)
{
	assert_true(why->text[0] != '\0');
	assert_false(text_has_control(why->text, strlen(why->text)));
	assert_null(strstr(why->text, "forged"));
	assert_null(strstr(why->text, "all is well"));
}

static void control_characters_of_a_server_reach_nobody(void **state)
{
	struct pg_login_report report;
	struct reason why = { "" };
	struct pg *pg = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, SHOUTS);
	assert_int_equal(connect_to(&f, "prefer", &pg, &report, &why),
			 STATUS_REFUSED);
	fake_stop(&f);
	assert_null(pg);
	assert_string_equal(report.sqlstate, "28P01");
	assert_false(report.used_password);
	assert_true(report.reached);
	assert_clean(&why);
}

static void an_error_without_a_sqlstate_is_no_verdict(void **state)
{
	struct pg_login_report report;
	struct reason why = { "" };
	struct pg *pg = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, SHOUTS_OLD);
	assert_int_equal(connect_to(&f, "disable", &pg, &report, &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	fake_stop(&f);
	assert_null(pg);
	assert_string_equal(report.sqlstate, "");
	assert_int_equal(report.class, PG_CLASS_LOST);
	assert_clean(&why);
}

static void a_silent_server_costs_no_more_than_the_deadline(void **state)
{
	struct pg_login_report report;
	struct reason why = { "" };
	int64_t began = now_boot(now_system());
	struct pg *pg = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, SILENT);
	assert_int_equal(connect_to(&f, "prefer", &pg, &report, &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	assert_true(now_boot(now_system()) - began < 2 * NOW_SECOND);
	fake_stop(&f);
	assert_false(report.reached);
	assert_int_equal(report.class, PG_CLASS_LOST);
	assert_non_null(strstr(why.text, "did not answer in time"));
}

static void a_tls_handshake_that_breaks_off_is_no_verdict(void **state)
{
	struct pg_login_report report;
	struct reason why = { "" };
	struct pg *pg = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, STUFFS);
	assert_int_equal(connect_to(&f, "require", &pg, &report, &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	fake_stop(&f);
	assert_null(pg);
	assert_true(report.tls_failed);
	assert_clean(&why);
}

static void a_server_without_tls_is_told_from_a_wrong_password(void **state)
{
	struct pg_login_report report;
	struct reason why = { "" };
	struct pg *pg = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, LETS_IN_DROPS);
	assert_int_equal(connect_to(&f, "require", &pg, &report, &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	fake_stop(&f);
	assert_true(report.tls_failed);
	assert_non_null(strstr(why.text, "offers no TLS"));
}

static void a_refused_connection_is_no_verdict(void **state)
{
	struct pg_login_report report;
	struct reason why = { "" };
	struct pg *pg = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, SILENT);
	fake_stop(&f); /* nobody listens there now */
	assert_int_equal(connect_to(&f, "prefer", &pg, &report, &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	assert_false(report.reached);
	assert_false(report.tls_failed);
	assert_int_equal(report.class, PG_CLASS_LOST);
}

static void a_server_that_does_not_ask_is_reported_as_such(void **state)
{
	struct pg_login_report report;
	struct reason why = { "" };
	struct pg *pg = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, LETS_IN_DROPS);
	assert_int_equal(connect_to(&f, "prefer", &pg, &report, &why),
			 STATUS_OK);
	assert_false(report.used_password);
	assert_int_equal(report.class, PG_CLASS_OK);
	assert_int_equal(pg_server_version(pg), 150003);
	assert_int_equal(pg_backend_pid(pg), 42);
	assert_false(pg_is_tls(pg));
	assert_string_equal(pg_parameter(pg, "in_hot_standby"), "off");
	assert_string_equal(pg_parameter(pg, "nothing"), "");
	pg_close(pg);
	fake_stop(&f);
}

static void a_missing_answer_is_unknown_and_ends_the_session(void **state)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_login_report report;
	struct reason why = { "" };
	struct pg *pg = NULL;
	int64_t began;
	struct fake f;

	(void)state;
	fake_start(&f, LETS_IN_DEAF);
	assert_int_equal(connect_to(&f, "prefer", &pg, &report, &why),
			 STATUS_OK);
	began = now_boot(now_system());
	assert_int_equal(run(pg, "SELECT 1", NOW_SECOND / 4, sqlstate, &why),
			 STATUS_UNKNOWN);
	assert_true(now_boot(now_system()) - began < 2 * NOW_SECOND);
	assert_string_equal(sqlstate, "");
	assert_false(pg_alive(pg));
	/* Nothing more is sent: the next answer would be the old one. */
	assert_int_equal(run(pg, "SELECT 2", NOW_SECOND, sqlstate, &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	pg_close(pg);
	fake_stop(&f);
	assert_int_equal(f.cancels, 1);
}

static void a_closed_connection_is_unknown(void **state)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_login_report report;
	struct reason why = { "" };
	struct pg *pg = NULL;
	struct fake f;

	(void)state;
	fake_start(&f, LETS_IN_DROPS);
	assert_int_equal(connect_to(&f, "prefer", &pg, &report, &why),
			 STATUS_OK);
	assert_int_equal(run(pg, "SELECT 1", 2 * NOW_SECOND, sqlstate, &why),
			 STATUS_UNKNOWN);
	assert_false(pg_alive(pg));
	pg_close(pg);
	fake_stop(&f);
}

static void a_batch_cut_in_the_middle_is_unknown(void **state)
{
	struct pg_statement many[] = { { "BEGIN", 0, NULL, NULL },
				       { "COMMIT", 0, NULL, NULL } };
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_login_report report;
	struct reason why = { "" };
	struct pg *pg = NULL;
	size_t done = 99;
	struct fake f;

	(void)state;
	fake_start(&f, LETS_IN_HALF);
	assert_int_equal(connect_to(&f, "prefer", &pg, &report, &why),
			 STATUS_OK);
	assert_int_equal(pg_run_many(pg, many, 2, 2 * NOW_SECOND, &done,
				     sqlstate, &why),
			 STATUS_UNKNOWN);
	assert_int_equal(done, 1);
	assert_null(many[0].result);
	assert_null(many[1].result);
	pg_close(pg);
	fake_stop(&f);
}

static void an_empty_password_is_never_offered(void **state)
{
	struct secret *empty = NULL;
	struct pg_info *info = NULL;
	struct pg_login login = { .timeout_us = NOW_SECOND };
	struct pg_login_report report;
	struct reason why = { "" };

	(void)state;
	assert_int_equal(pg_info_parse("host=127.0.0.1 port=1", false, &info,
				       &why),
			 STATUS_OK);
	assert_int_equal(secret_new(8, &empty), STATUS_OK);
	login.info = info;
	login.password = empty;
	assert_int_equal(pg_connect(&login, NULL, &report, &why),
			 STATUS_REFUSED);
	assert_int_equal(secret_set(empty, "a\0b", 3), STATUS_OK);
	assert_int_equal(pg_connect(&login, NULL, &report, &why),
			 STATUS_REFUSED);
	secret_free(empty);
	pg_info_free(info);
}

/* ---- conninfo ---- */

static void a_conninfo_that_would_change_who_we_are_is_refused(void **state)
{
	static const char *const bad[] = {
		"host=/tmp password=hunter2",
		"postgresql://u:hunter2@localhost/d",
		"host=/tmp passfile=/etc/passwd",
		"host=/tmp service=x",
		"host=/tmp options='-c search_path=hunter2'",
		"host=/tmp replication=database",
		"host=/tmp target_session_attrs=any",
		"host=/tmp client_encoding=SJIS",
		"host=/tmp connect_timeout=3",
		"host=/tmp gssencmode=require",
		"host=/tmp sslpassword=hunter2",
		"host=/tmp nonsense=hunter2",
		"host = 'hunter2",
		"hunter2",
		"host=/tmp application_name='a\nb'",
		"host=/tmp application_name='\xff'",
	};
	struct pg_info *info = NULL;
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		reason_clear(&why);
		assert_int_equal(pg_info_parse(bad[i], true, &info, &why),
				 STATUS_CONFIG);
		assert_null(info);
		/* Whatever was written there, it is not repeated. */
		assert_null(strstr(why.text, "hunter2"));
		assert_true(strlen(why.text) > 10);
	}
}

static void sslmode_is_verify_full_unless_the_host_is_local(void **state)
{
	static const struct {
		const char *conninfo;
		bool insecure;
		const char *sslmode; /* NULL: refused */
	} rows[] = {
		{ "host=db.example.com sslrootcert=/x", false, "verify-full" },
		{ "host=db.example.com sslmode=verify-full sslrootcert=/x",
		  false, "verify-full" },
		{ "host=db.example.com sslmode=require", false, NULL },
		{ "host=db.example.com sslmode=verify-ca", false, NULL },
		{ "host=db.example.com sslmode=disable", false, NULL },
		{ "host=db.example.com sslmode=require", true, "require" },
		{ "host=db.example.com", true, "prefer" },
		{ "postgresql://db.example.com/d?sslmode=prefer", false, NULL },
		{ "host=/run/postgresql", false, "prefer" },
		{ "", false, "prefer" },
		{ "host=localhost sslmode=disable", false, "disable" },
		{ "host=127.3.2.1", false, "prefer" },
		{ "host=::1", false, "prefer" },
		{ "host=127.0.0.1,db.example.com sslmode=prefer", false, NULL },
		{ "host=127.0.0.1.example.com sslmode=prefer", false, NULL },
		{ "host=localhost hostaddr=192.0.2.1 sslmode=prefer", false,
		  NULL },
		{ "host=db.example.com hostaddr=127.0.0.1 sslmode=prefer",
		  false, "prefer" },
		{ "host=/tmp sslmode=sometimes-or-other", false, NULL },
	};
	struct pg_info *info;
	struct reason why;
	enum status st;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		info = NULL;
		st = pg_info_parse(rows[i].conninfo, rows[i].insecure, &info,
				   &why);
		if (rows[i].sslmode == NULL) {
			assert_int_equal(st, STATUS_CONFIG);
			assert_null(info);
			continue;
		}
		assert_int_equal(st, STATUS_OK);
		assert_string_equal(pg_info_get(info, "sslmode"),
				    rows[i].sslmode);
		pg_info_free(info);
	}
}

static void values_are_read_and_absent_ones_are_empty(void **state)
{
	struct pg_info *info = NULL;
	struct reason why;

	(void)state;
	setenv("PGUSER", "ambient", 1);
	assert_int_equal(pg_info_parse("host=localhost port=6543 dbname='a b' "
				       "channel_binding=require",
				       false, &info, &why),
			 STATUS_OK);
	unsetenv("PGUSER");
	assert_string_equal(pg_info_get(info, "host"), "localhost");
	assert_string_equal(pg_info_get(info, "port"), "6543");
	assert_string_equal(pg_info_get(info, "dbname"), "a b");
	assert_string_equal(pg_info_get(info, "channel_binding"), "require");
	assert_string_equal(pg_info_get(info, "user"), "");
	assert_string_equal(pg_info_get(info, "no such keyword"), "");
	pg_info_free(info);
	pg_info_free(NULL);
}

static enum status fails_to_connect(const char *conninfo, struct reason *why)
{
	struct pg_info *info = NULL;
	enum status st;
	struct pg_login login = { .timeout_us = 5000000, .user = "sap" };

	assert_int_equal(pg_info_parse(conninfo, false, &info, why), STATUS_OK);
	login.info = info;
	login.application_name = "test";
	st = pg_connect(&login, NULL, NULL, why);
	pg_info_free(info);
	return st;
}

/* What stands where nothing was given: also in a libpq that is newer than we
 * are, and with a password, a passfile and neither. */
static void libpq_takes_each_value_that_we_spell_out(void **state)
{
	struct reason why;

	(void)state;
	/* A folder without a socket. */
	assert_int_equal(fails_to_connect("host=/dev/null dbname=d", &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	setenv("PGREQUIREAUTH", "!none", 1);
	setenv("PGSSLCERTMODE", "require", 1);
	assert_int_equal(fails_to_connect("host=/dev/null dbname=d", &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	unsetenv("PGREQUIREAUTH");
	unsetenv("PGSSLCERTMODE");
}

static void a_value_that_libpq_refuses_is_named(void **state)
{
	static const char *const keywords[] = { "channel_binding",
						"ssl_min_protocol_version",
						"port" };
	struct text t = text_make(256);
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
		text_reset(&t);
		text_printf(&t, "host=/dev/null dbname=d %s=perhaps",
			    keywords[i]);
		assert_int_equal(fails_to_connect(text_str(&t), &why),
				 STATUS_CONFIG);
		assert_non_null(strstr(why.text, keywords[i]));
		assert_null(strstr(why.text, "perhaps"));
	}
	text_free(&t);
}

static void hosts_and_ports_that_do_not_match_are_refused(void **state)
{
	static const char *const rows[] = {
		"host=127.0.0.1,::1 port=1,2,3",
		"host=127.0.0.1 port=1,2",
		"port=1,2",
		"host=a,b hostaddr=127.0.0.1",
	};
	struct pg_info *info = NULL;
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(pg_info_parse(rows[i], false, &info, &why),
				 STATUS_CONFIG);
		assert_non_null(strstr(why.text, "lists"));
	}
	assert_int_equal(pg_info_parse("host=127.0.0.1,::1 port=1", false,
				       &info, &why),
			 STATUS_OK);
	pg_info_free(info);
}

/* ---- classes and quoting ---- */

static void every_sqlstate_has_its_class(void **state)
{
	static const struct {
		const char *sqlstate;
		enum pg_class class;
	} rows[] = {
		{ "", PG_CLASS_LOST },
		{ "00000", PG_CLASS_OK },
		{ "40001", PG_CLASS_TRANSIENT },
		{ "40P01", PG_CLASS_TRANSIENT },
		{ "55P03", PG_CLASS_TRANSIENT },
		{ "57014", PG_CLASS_TRANSIENT },
		{ "XX000", PG_CLASS_TRANSIENT },
		{ "53300", PG_CLASS_TRANSIENT },
		{ "53100", PG_CLASS_TRANSIENT },
		{ "57P01", PG_CLASS_TRANSIENT },
		{ "57P03", PG_CLASS_TRANSIENT },
		{ "08006", PG_CLASS_TRANSIENT },
		{ "08P01", PG_CLASS_REFUSED },
		{ "28P01", PG_CLASS_REFUSED },
		{ "28000", PG_CLASS_REFUSED },
		{ "42501", PG_CLASS_REFUSED },
		{ "42704", PG_CLASS_REFUSED },
		{ "22023", PG_CLASS_REFUSED },
		{ "25006", PG_CLASS_REFUSED },
		{ "3D000", PG_CLASS_REFUSED },
		{ "P0001", PG_CLASS_REFUSED },
		{ "XX001", PG_CLASS_REFUSED },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(pg_classify(rows[i].sqlstate), rows[i].class);
}

/* libpq has nothing but a text for a connection that failed. */
static void a_refused_login_is_read_from_libpqs_text(void **state)
{
#define AT(n) "connection to server at \"h\" (::1), port " #n " failed: "
	static const struct {
		const char *text;
		const char *sqlstate, *origin;
	} rows[] = {
		{ AT(1) "FATAL:  28P01: password authentication failed for "
			"user \"x\"\nLOCATION:  auth_failed, auth.c:330\n",
		  "28P01", "auth_failed" },
		{ AT(1) "FATAL:  28P01: no\nLOCATION:  auth_failed, auth.c:3\n"
			"password retrieved from file \"/a: b\"\n",
		  "28P01", "auth_failed" },
		{ AT(1) "FATAL :  28000: le rôle « x »\nEMPLACEMENT :  "
			"InitializeSessionUserId, miscinit.c:773\n",
		  "28000", "InitializeSessionUserId" },
		{ "FATAL:  28000: no\nDETAIL:  more\nLOCATION:  f, g.c:1\n",
		  "28000", "f" },
		{ AT(1) "FATAL:  XX000: a proxy\n", "XX000", "" },
		/* The last address counts, whatever it says. */
		{ AT(1) "FATAL:  57P03: starting\nLOCATION:  f, g.c:1\n" AT(
			  2) "FATAL:  28P01: no\n",
		  "28P01", "" },
		{ AT(1) "timeout expired\n", "", "" },
		{ "", "", "" },
		/* A name cannot pass for a code that comes before it. */
		{ AT(1) "FATAL:  28P01: user \":  28000: y\"\nLOCATION:  "
			"auth_failed, auth.c:330\n",
		  "28P01", "auth_failed" },
		/* A location that is none is no origin. */
		{ AT(1) "FATAL:  28000: no\nLOCATION:  f(), g.c:1\n", "28000",
		  "" },
	};
	struct pg_login_report r = { .sqlstate = "" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		pg_hint_read(rows[i].text, &r);
		assert_string_equal(r.sqlstate, rows[i].sqlstate);
		assert_string_equal(r.origin, rows[i].origin);
	}
}

static void a_refused_connection_tells_its_sqlstate_and_what_its_text_means(
	void **state)
{
	static const struct {
		const char *message, *sqlstate;
		enum pg_hint hint;
	} rows[] = {
		{ "connection to server at \"h\" (::1), port 1 failed: "
		  "FATAL:  28P01: password authentication failed\nLOCATION:  "
		  "auth_failed, auth.c:331\n",
		  "28P01", PG_HINT_NONE },
		{ "connection to server at \"h\", port 1 failed: FATAL:  XX000: "
		  "password authentication failed for user 'sap'\n",
		  "XX000", PG_HINT_WRONG_PASSWORD },
		/* Of two hosts the second one's answer counts. */
		{ "connection to server at \"a\", port 1 failed: FATAL:  28P01: "
		  "password authentication failed\nconnection to server at "
		  "\"b\", port 1 failed: FATAL:  57P03: starting up\n",
		  "57P03", PG_HINT_WAKING },
		/* A proxy that quotes another's refusal has not refused. */
		{ "connection to server at \"h\", port 1 failed: FATAL:  XX000: "
		  "Couldn't connect to compute node: FATAL:  28P01: password "
		  "authentication\n",
		  "XX000", PG_HINT_WAKING },
		{ "connection to server at \"h\", port 1 failed: FEHLER:  XX000: "
		  "Control plane request failed: endpoint is disabled\n",
		  "XX000", PG_HINT_DISABLED },
		{ "connection to server at \"h\", port 1 failed: FATAL:  08P01: "
		  "unsupported startup parameter: options\n",
		  "08P01", PG_HINT_NONE },
		{ "connection to server at \"h\", port 1 failed: FATAL:  28P01: "
		  "no\npassword retrieved from file \"/x\"\n",
		  "28P01", PG_HINT_NONE },
		{ "connection to server at \"h\", port 1 failed: Connection "
		  "refused\n\tIs the server running on that host?\n",
		  "", PG_HINT_NONE },
		{ "FATAL:  password authentication failed\n", "",
		  PG_HINT_NONE },
		{ "", "", PG_HINT_NONE },
	};
	struct pg_login_report r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		pg_hint_read(rows[i].message, &r);
		assert_string_equal(r.sqlstate, rows[i].sqlstate);
		assert_int_equal(r.hint, rows[i].hint);
	}
}

/* Refused before libpq sees them (CVE-2025-1094), so no session is needed. */
static void names_that_cannot_be_quoted_safely_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"\xc3",
		"a\xc0\x27; DROP ROLE x",
		"\xed\xa0\x80",
		("abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwx"
		 "yz_x"),
	};
	struct secret *quoted = NULL, *value = NULL;
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(pg_quote_identifier(NULL, bad[i], &quoted,
						     &why),
				 STATUS_REFUSED);
	assert_int_equal(secret_new(32, &value), STATUS_OK);
	assert_int_equal(secret_set(value, "a\xc0'b", 4), STATUS_OK);
	assert_int_equal(pg_quote_literal(NULL, value, &quoted, &why),
			 STATUS_REFUSED);
	assert_int_equal(secret_set(value, "a\0b", 3), STATUS_OK);
	assert_int_equal(pg_quote_literal(NULL, value, &quoted, &why),
			 STATUS_REFUSED);
	assert_null(quoted);
	secret_free(value);
}

/* PgBouncer with auth_query, credcheck, and what is neither. */
static void a_refusal_is_known_by_its_words_where_its_code_says_nothing(
	void **state)
{
	(void)state;
	assert_int_equal(pg_hint_of("08P01", "SASL authentication failed"),
			 PG_HINT_WRONG_PASSWORD);
	assert_int_equal(pg_hint_of("XX000", "rejecting connection, user 'sap' "
					     "has been banned"),
			 PG_HINT_BANNED);
	assert_int_equal(pg_hint_of("08P01", "PAM authentication failed"),
			 PG_HINT_PAM);
	assert_int_equal(pg_hint_of("08P01", "PAM authentication failed for "
					     "user \"app\""),
			 PG_HINT_BEHIND);
	assert_int_equal(pg_hint_of("08P01", "server login has been failing, "
					     "try again later"),
			 PG_HINT_BEHIND);
	assert_int_equal(pg_hint_of("08P01", "client_login_timeout "
					     "(server down)"),
			 PG_HINT_BEHIND);
	assert_int_equal(pg_hint_of("08P01", "unsupported startup parameter"),
			 PG_HINT_NONE);
	assert_int_equal(pg_hint_of("08006", "connection failure"),
			 PG_HINT_WAKING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_characters_of_a_server_reach_nobody),
		cmocka_unit_test(an_error_without_a_sqlstate_is_no_verdict),
		cmocka_unit_test(
			a_silent_server_costs_no_more_than_the_deadline),
		cmocka_unit_test(a_tls_handshake_that_breaks_off_is_no_verdict),
		cmocka_unit_test(
			a_server_without_tls_is_told_from_a_wrong_password),
		cmocka_unit_test(a_refused_connection_is_no_verdict),
		cmocka_unit_test(
			a_server_that_does_not_ask_is_reported_as_such),
		cmocka_unit_test(
			a_missing_answer_is_unknown_and_ends_the_session),
		cmocka_unit_test(a_closed_connection_is_unknown),
		cmocka_unit_test(a_batch_cut_in_the_middle_is_unknown),
		cmocka_unit_test(an_empty_password_is_never_offered),
		cmocka_unit_test(
			a_conninfo_that_would_change_who_we_are_is_refused),
		cmocka_unit_test(
			sslmode_is_verify_full_unless_the_host_is_local),
		cmocka_unit_test(values_are_read_and_absent_ones_are_empty),
		cmocka_unit_test(libpq_takes_each_value_that_we_spell_out),
		cmocka_unit_test(a_value_that_libpq_refuses_is_named),
		cmocka_unit_test(hosts_and_ports_that_do_not_match_are_refused),
		cmocka_unit_test(every_sqlstate_has_its_class),
		cmocka_unit_test(a_refused_login_is_read_from_libpqs_text),
		cmocka_unit_test(
			a_refused_connection_tells_its_sqlstate_and_what_its_text_means),
		cmocka_unit_test(
			a_refusal_is_known_by_its_words_where_its_code_says_nothing),
		cmocka_unit_test(
			names_that_cannot_be_quoted_safely_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
