/* SPDX-License-Identifier: PostgreSQL */
/* sink: whole files, foreign bytes untouched, the right owner and mode, and a
 * hostile folder that gains nothing.  libpq reads what was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "sink/sink.h"
#include "sink/sink_file.h"
#include "sink/sink_signal.h"

#define PASSWORD "P4ssword-of_the.partner"

/* The folder of one test. */
struct place {
	char folder[64];
	struct sink sink;
	struct secret *password;
};

static int place_make(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -1;
	snprintf(p->folder, sizeof(p->folder), "/tmp/test_sink.XXXXXX");
	if (mkdtemp(p->folder) == NULL ||
	    secret_new(64, &p->password) != STATUS_OK ||
	    secret_set(p->password, PASSWORD, strlen(PASSWORD)) != STATUS_OK)
		return -1;
	p->sink = (struct sink){ .kind = SINK_PGPASS,
				 .uid = (uid_t)-1,
				 .gid = (gid_t)-1,
				 .mode = 0600 };
	snprintf(p->sink.path, sizeof(p->sink.path), "%s/.pgpass", p->folder);
	*state = p;
	return 0;
}

/* One level of folders is all that the tests make. */
static void empty_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) == 0)
			continue;
		char inner[512];

		snprintf(inner, sizeof(inner), "%s/%.200s", path, e->d_name);
		empty_folder(inner);
		rmdir(inner);
	}
	if (dir != NULL)
		closedir(dir);
}

static int place_drop(void **state)
{
	struct place *p = *state;

	empty_folder(p->folder);
	rmdir(p->folder);
	secret_free(p->password);
	free(p);
	return 0;
}

static struct format_credential credential(const struct place *p)
{
	return (struct format_credential){ .host = "db.example.com",
					   .port = "5432",
					   .dbname = "shop",
					   .username = "sap",
					   .version = "v1",
					   .sslmode = "",
					   .password = p->password };
}

/* A secret does not survive a fork; a child makes its own. */
static void remember_password(struct place *p)
{
	p->password = NULL;
	if (secret_new(64, &p->password) != STATUS_OK ||
	    secret_set(p->password, PASSWORD, strlen(PASSWORD)) != STATUS_OK)
		_exit(124);
}

static enum status deliver(const struct place *p, const char *role,
			   const char *version, int64_t epoch,
			   bool *ret_changed, struct reason *why)
{
	struct format_credential c = credential(p);
	struct sink_delivery d = { role, version, epoch, &c, false, NULL };

	return sink_deliver(&p->sink, &d, ret_changed, why);
}

static void assert_delivered(const struct place *p, const char *role,
			     const char *version, int64_t epoch)
{
	struct reason why = { "" };
	bool changed = false;

	if (deliver(p, role, version, epoch, &changed, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	assert_true(changed);
}

static void put_file(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	close(fd);
}

static void put(const struct place *p, const char *content)
{
	put_file(p->sink.path, content, strlen(content));
}

/* The content, in a buffer that the next call reuses. */
static const char *content_of(const char *path)
{
	static char buffer[100000];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, buffer, sizeof(buffer) - 1);
	assert_true(n >= 0);
	buffer[n] = '\0';
	close(fd);
	return buffer;
}

static void assert_content(const struct place *p, const char *want)
{
	assert_string_equal(content_of(p->sink.path), want);
}

static unsigned entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2;
}

#define PAIR(epoch)                                               \
	"# keyturn role=sap version=v" epoch " epoch=" epoch "\n" \
	"db.example.com:5432:shop:sap:" PASSWORD "\n"

#define BLOCK(epoch)                                                  \
	"# keyturn role=sap version=v" epoch " epoch=" epoch "\n"     \
	"PGHOST='db.example.com'\nPGPORT='5432'\nPGDATABASE='shop'\n" \
	"PGUSER='sap'\nPGPASSWORD='" PASSWORD "'\n# keyturn end role=sap\n"

#define SECTION(epoch)                                                   \
	"# keyturn role=sap version=v" epoch " epoch=" epoch "\n[sap]\n" \
	"host=db.example.com\nport=5432\ndbname=shop\nuser=sap\n"        \
	"# keyturn end role=sap\n"

static void a_new_file_is_private_and_complete(void **state)
{
	struct place *p = *state;
	struct stat st;

	umask(0);
	assert_delivered(p, "sap", "v1", 1);
	assert_content(p, PAIR("1"));
	assert_int_equal(stat(p->sink.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, geteuid());
	/* The file and its lock; no temporary file is left. */
	assert_int_equal(entries(p->folder), 2);
	umask(022);
}

static void the_same_again_writes_nothing(void **state)
{
	struct place *p = *state;
	struct stat before, after;
	bool changed = true;

	assert_delivered(p, "sap", "v1", 1);
	assert_int_equal(stat(p->sink.path, &before), 0);
	assert_int_equal(deliver(p, "sap", "v1", 1, &changed, NULL), STATUS_OK);
	assert_false(changed);
	assert_int_equal(stat(p->sink.path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

static void a_mode_that_was_opened_is_closed_again(void **state)
{
	struct place *p = *state;
	struct stat st;

	assert_delivered(p, "sap", "v1", 1);
	assert_int_equal(chmod(p->sink.path, 0644), 0);
	assert_delivered(p, "sap", "v1", 1);
	assert_int_equal(stat(p->sink.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static enum status try_it(const struct place *p, const char *host,
			  struct reason *why)
{
	struct format_credential c = credential(p);
	struct sink_delivery d = { "sap", "v9", 0, &c, false, NULL };

	c.host = host;
	return sink_try(&p->sink, &d, why);
}

static void a_mode_that_nobody_set_is_the_present_file_s(void **state)
{
	static const struct {
		enum sink_kind kind;
		mode_t has, gets;
	} cases[] = {
		{ SINK_ENV, 0640, 0640 },     { SINK_ENV, 0400, 0400 },
		{ SINK_ENV, 0644, 0600 },     { SINK_ENV, 0750, 0600 },
		{ SINK_PGPASS, 0640, 0600 },  { SINK_PGPASS, 0400, 0400 },
		{ SINK_SERVICE, 0644, 0644 }, { SINK_SERVICE, 0664, 0600 },
		{ SINK_SERVICE, 0666, 0600 }, { SINK_SERVICE, 0755, 0600 },
	};
	struct place *p = *state;
	struct stat st;

	p->sink.mode = SINK_MODE_KEEP;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p->sink.kind = cases[i].kind;
		put(p, "# mine\n");
		assert_int_equal(chmod(p->sink.path, cases[i].has), 0);
		assert_delivered(p, "sap", "v1", 1);
		assert_int_equal(stat(p->sink.path, &st), 0);
		assert_int_equal(st.st_mode & 07777, cases[i].gets);
		assert_int_equal(unlink(p->sink.path), 0);
	}
	assert_delivered(p, "sap", "v1", 1);
	assert_int_equal(stat(p->sink.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* A reader that ends with 0 at its SIGHUP. */
static pid_t start_reader(const struct place *p, char *pidfile, size_t size)
{
	char text[16];
	sigset_t hup;
	pid_t pid;
	int got;

	snprintf(pidfile, size, "%s/reader.pid", p->folder);
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	assert_int_equal(sigprocmask(SIG_BLOCK, &hup, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(sigwait(&hup, &got) == 0 && got == SIGHUP ? 0 : 1);
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	put_file(pidfile, text, strlen(text));
	return pid;
}

/* Its number was another's when the file was written: it goes on. */
static void who_would_end_of_it_gets_no_signal(void **state)
{
	struct place *p = *state;
	struct reason why = { "" };
	char pidfile[128], text[16];
	sigset_t none;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGHUP, SIG_DFL);
		alarm(20);
		pause();
		_exit(1);
	}
	snprintf(pidfile, sizeof(pidfile), "%s/reader.pid", p->folder);
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	put_file(pidfile, text, strlen(text));
	/* Until it sleeps, it does not show. */
	for (int i = 0; i < 500 && sink_signal_try(pidfile, &why) == STATUS_OK;
	     i++)
		usleep(10000);
	assert_int_equal(sink_signal_try(pidfile, &why), STATUS_REFUSED);
	assert_int_equal(sink_signal_send(pidfile, &why), STATUS_REFUSED);
	assert_non_null(strstr(why.text, "does not handle SIGHUP"));
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void a_reader_is_told_of_each_delivery(void **state)
{
	struct place *p = *state;
	struct reason why = { "" };
	bool changed = false;
	int status;
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		pid = start_reader(p, p->sink.pidfile, sizeof(p->sink.pidfile));
		assert_int_equal(try_it(p, "h", &why), STATUS_OK);
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		/* The second one changes nothing; was the first one heard? */
		assert_int_equal(deliver(p, "sap", "v1", 1, &changed, &why),
				 STATUS_OK);
		assert_int_equal(changed, i == 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	/* It is gone: the file has the password, and that is said. */
	assert_int_equal(deliver(p, "sap", "v2", 2, &changed, &why),
			 STATUS_NOT_FOUND);
	assert_true(changed);
	assert_content(p, PAIR("2"));
	assert_non_null(strstr(why.text, "its reader was not told"));
	assert_int_equal(try_it(p, "h", &why), STATUS_NOT_FOUND);
}

static void a_pair_is_replaced_where_it_is(void **state)
{
	struct place *p = *state;

	put(p, "# mine\nother:5432:shop:sap:x\n" PAIR("1") "*:*:*:sap:old\n");
	assert_delivered(p, "sap", "v2", 2);
	assert_content(p, "# mine\nother:5432:shop:sap:x\n" PAIR(
				  "2") "*:*:*:sap:old\n");
}

static void foreign_lines_keep_every_byte(void **state)
{
	static const char *const foreign[] = {
		"",
		"a:1:b:c:d\n",
		"a:1:b:c:d",
		"a:1:b:c:d\r\n\r\n# x\r\n",
		"\n\n\n",
		"# keyturn\n#keyturn role=sap\n # keyturn role=sap\n",
		"# keyturn role=sapx version=1 epoch=9\nx:1:x:x:x\n",
		"\xEF\xBB\xBF# bom\n\xFF\xFE\n\t\v\n",
		"a\\:b:1:*:c\\\\:d:comment\n \n",
		"[x]\nhost=a\n [y] \n#\nldap://h/b?c\nservice=x\n",
	};
	static const enum sink_kind kinds[] = { SINK_PGPASS, SINK_ENV,
						SINK_SERVICE };
	struct place *p = *state;

	for (int k = 0; k < 3; k++)
		for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]);
		     i++) {
			struct text want = text_make(4096);
			size_t n = strlen(foreign[i]);
			enum sink_kind kind = kinds[k];
			bool changed = false;

			/* An env file is one role's. */
			if (kind == SINK_ENV &&
			    strstr(foreign[i], "role=sapx") != NULL)
				continue;
			p->sink.kind = kind;
			put(p, foreign[i]);
			assert_delivered(p, "sap", "v1", 1);
			if (kind == SINK_PGPASS)
				text_add(&want, PAIR("1"));
			text_add(&want, foreign[i]);
			if (kind != SINK_PGPASS && n > 0 &&
			    foreign[i][n - 1] != '\n')
				text_add(&want, "\n");
			if (kind != SINK_PGPASS)
				text_add(&want, kind == SINK_ENV ?
							BLOCK("1") :
							SECTION("1"));
			assert_content(p, text_str(&want));
			assert_int_equal(sink_withdraw(&p->sink, "sap",
						       &changed, NULL),
					 STATUS_OK);
			assert_true(changed);
			/* These blocks needed a line of their own. */
			if (kind == SINK_PGPASS || n == 0 ||
			    foreign[i][n - 1] == '\n')
				assert_content(p, foreign[i]);
			text_free(&want);
		}
}

static uint64_t seed = 4711;

static unsigned draw(unsigned bound)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(seed >> 33) % bound;
}

/* Random files, three roles (one in an env file) that come, change and go: what is foreign stays,
 * and each role has one block with its last version. */
static void any_foreign_content_survives_any_sequence(void **state)
{
	static const char *const pieces[] = {
		"a:1:b:c:d\n",	 "# note\n",	   "\n",   "\r\n",
		"*:*:*:sap:x\n", "PGUSER=me\r\n",  "#\n",  " lead\n",
		"# keyturn \n",	 "x\\:y:*:z:sap:", "\t\n",
	};
	static const char *const roles[] = { "sap", "sap_a", "s p%" };
	struct place *p = *state;

	for (int round = 0; round < 150; round++) {
		struct text foreign = text_make(8192);
		bool there[3] = { false };
		bool changed;

		p->sink.kind = draw(2) ? SINK_PGPASS : SINK_ENV;
		for (unsigned i = draw(12); i > 0; i--)
			text_add(&foreign, pieces[draw(11)]);
		if (p->sink.kind == SINK_ENV || draw(2))
			text_add(&foreign, "end\n");
		put_file(p->sink.path, text_str(&foreign), foreign.len);
		for (int64_t epoch = 1; epoch < 12; epoch++) {
			unsigned k = p->sink.kind == SINK_ENV ? 0 : draw(3);

			if (draw(4) > 0) {
				assert_delivered(p, roles[k], "v", epoch);
				there[k] = true;
				continue;
			}
			changed = !there[k];
			assert_int_equal(sink_withdraw(&p->sink, roles[k],
						       &changed, NULL),
					 STATUS_OK);
			assert_int_equal(changed, there[k]);
			there[k] = false;
		}
		for (int k = 0; k < 3; k++)
			assert_int_equal(sink_withdraw(&p->sink, roles[k],
						       &changed, NULL),
					 STATUS_OK);
		assert_content(p, text_str(&foreign));
		text_free(&foreign);
	}
}

/* The password that libpq takes from the file. */
static void assert_libpq(const struct place *p, const char *dbname,
			 const char *want)
{
	const char *const keys[] = { "host", "hostaddr", "port", "dbname",
				     "user", "passfile", NULL };
	const char *const values[] = {
		"db.example.com", "127.0.0.1", "5432", dbname, "sap",
		p->sink.path,	  NULL
	};
	PGconn *conn = PQconnectStartParams(keys, values, 0);

	assert_string_equal(PQpass(conn), want);
	PQfinish(conn);
}

static void libpq_takes_our_line_before_a_foreign_one(void **state)
{
	static const char *const first[] = {
		"db.example.com:5432:shop:sap:stale\n",
		"*:*:*:*:stale\n",
		"db.example.com:5432:*:sap:stale\r\n",
		"d\\b.example.com:*:shop:s\\ap:stale\n",
		"db.example.com:5432:shop:sap:", /* even when it is empty */
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		struct text t = text_make(4096);

		put(p, first[i]);
		assert_delivered(p, "sap", "v1", 1);
		assert_libpq(p, "shop", PASSWORD);
		/* And when somebody puts his line in front of ours. */
		text_printf(&t, "%s\n%s", first[i], content_of(p->sink.path));
		put(p, text_str(&t));
		assert_delivered(p, "sap", "v2", 2);
		assert_libpq(p, "shop", PASSWORD);
		text_free(&t);
	}
}

static void a_line_that_does_not_match_leaves_ours_in_place(void **state)
{
	static const char *const other[] = {
		"db.example.com:5433:shop:sap:x\n",
		"db.example.com:5432:shop:sapx:x\n",
		"db.example.com:5432:sho:sap:x\n",
		"DB.example.com:5432:shop:sap:x\n",
		"db.example.com:5432:shop:sap\n",
		"#db.example.com:5432:shop:sap:x\n",
		"**:5432:shop:sap:x\n",
		"# keyturn role=o version=1 epoch=1 user=%2A\n*:*:*:*:x\n",
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		struct text t = text_make(4096);

		text_printf(&t, "%s" PAIR("1"), other[i]);
		put(p, text_str(&t));
		assert_delivered(p, "sap", "v2", 2);
		text_reset(&t);
		text_printf(&t, "%s" PAIR("2"), other[i]);
		assert_content(p, text_str(&t));
		text_free(&t);
	}
}

static void a_higher_epoch_stays_unless_it_is_overruled(void **state)
{
	struct place *p = *state;
	struct format_credential c = credential(p);
	struct sink_delivery d = { "sap", "v2", 3, &c, false, NULL };
	bool changed = false;

	assert_delivered(p, "sap", "v1", 7);
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL),
			 STATUS_CONFLICT);
	assert_false(changed);
	d.overrule = true;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_true(changed);
	d.overrule = false;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_false(changed);
}

static void a_password_for_any_database_is_not_shadowed_for_one(void **state)
{
	struct place *p = *state;
	struct format_credential c = credential(p);
	struct sink_delivery d = { "sap", "v1", 1, &c, false, NULL };
	bool changed = false;

	c.dbname = "";
	put(p, "db.example.com:5432:shop:sap:stale\n");
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_libpq(p, "shop", PASSWORD);
	assert_libpq(p, "else", PASSWORD);
}

static void a_shell_reads_the_env_block(void **state)
{
	struct place *p = *state;
	char got[64] = "";
	int fds[2], status;
	pid_t pid;

	p->sink.kind = SINK_ENV;
	put(p, "PGPASSWORD=stale\nexport PGPASSWORD");
	assert_delivered(p, "sap", "v1", 1);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], 1);
		execl("/bin/sh", "sh", "-c",
		      ". \"$1\"; printf %s \"$PGPASSWORD\"", "sh", p->sink.path,
		      (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], got, sizeof(got) - 1), strlen(PASSWORD));
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(got, PASSWORD);
}

static void assert_untouched(struct place *p, const char *content,
			     int64_t epoch, enum status want, const char *says)
{
	struct reason why = { "" };
	bool changed = true;

	put(p, content);
	assert_int_equal(deliver(p, "sap", "v", epoch, &changed, &why), want);
	if (strstr(why.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, says);
	assert_true(changed); /* as it was */
	assert_content(p, content);
	assert_null(strstr(why.text, PASSWORD));
	assert_int_equal(entries(p->folder), 2);
}

static void an_older_epoch_never_replaces_a_newer_one(void **state)
{
	struct place *p = *state;

	assert_untouched(p, PAIR("7"), 6, STATUS_CONFLICT, "newer");
	assert_untouched(p, PAIR("7") "x:1:x:x:x\n" PAIR("3"), 6,
			 STATUS_CONFLICT, "epoch 7");
	put(p, PAIR("7"));
	assert_delivered(p, "sap", "v8", 7);
	assert_delivered(p, "sap", "v8", 8);
	assert_content(p, PAIR("8"));
}

static void a_block_that_was_copied_is_replaced_by_one(void **state)
{
	struct place *p = *state;

	put(p, "a\n" PAIR("1") "b\n" PAIR("2") "c");
	assert_delivered(p, "sap", "v3", 3);
	assert_content(p, "a\n" PAIR("3") "b\nc");
}

#define USERLIST(n)                                                          \
	"; keyturn role=sap version=v" n " epoch=" n "\n\"sap\" \"" PASSWORD \
	"\"\n"

/* ---- What is ours behind a marker ---- */

static void only_lines_of_the_role_are_taken_for_its_own(void **state)
{
	static const char mark[] = "# keyturn role=sap version=v1 epoch=1";
	static const struct {
		const char *attributes;
		const char *behind; /* the marker */
		const char *stays;
	} cases[] = {
		{ "", "h:1:d:sap:old\nother:1:d:sap:mine\n",
		  "other:1:d:sap:mine\n" },
		{ "", "h:1:d:somebody:mine\n", "h:1:d:somebody:mine\n" },
		{ "", "h:1:d:*:mine\n", "h:1:d:*:mine\n" },
		{ " lines=3", "h:1:d:sap:old\nh:1:d:me:mine\nh:1:d:sap:x\n",
		  "h:1:d:me:mine\nh:1:d:sap:x\n" },
		{ " lines=2", "h:1:d:sap:old\ng:1:d:sap:old\ni:1:d:sap:x\n",
		  "i:1:d:sap:x\n" },
		/* The role's user was another one then. */
		{ " user=sap_old", "h:1:d:sap_old:old\nh:1:d:z:x\n",
		  "h:1:d:z:x\n" },
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text t = text_make(4096);

		text_printf(&t, "%s%s\n%s", mark, cases[i].attributes,
			    cases[i].behind);
		put(p, text_str(&t));
		assert_delivered(p, "sap", "v2", 2);
		text_reset(&t);
		text_printf(&t, PAIR("2") "%s", cases[i].stays);
		assert_content(p, text_str(&t));
		text_free(&t);
	}
}

static void every_line_of_a_list_of_hosts_is_replaced(void **state)
{
	struct place *p = *state;
	struct format_credential c = credential(p);
	struct sink_delivery d = { "partner", "v1", 1, &c, false, NULL };
	bool changed = false;

	put(p, "b:5432:shop:sap:stale\n");
	c.host = "a,b,/run/pg";
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_content(p, "# keyturn role=partner version=v1 epoch=1 lines=4 "
			  "user=sap\n"
			  "a:5432:shop:sap:" PASSWORD "\n"
			  "b:5432:shop:sap:" PASSWORD "\n"
			  "/run/pg:5432:shop:sap:" PASSWORD "\n"
			  "localhost:5432:shop:sap:" PASSWORD "\n"
			  "b:5432:shop:sap:stale\n");
	d.version = "v2", d.epoch = 2, c.host = "a";
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_content(p, "# keyturn role=partner version=v2 epoch=2 user=sap\n"
			  "a:5432:shop:sap:" PASSWORD "\n"
			  "b:5432:shop:sap:stale\n");
	assert_int_equal(sink_withdraw(&p->sink, "partner", &changed, NULL),
			 STATUS_OK);
	assert_content(p, "b:5432:shop:sap:stale\n");
}

static void the_line_of_another_user_stays_while_it_is_valid(void **state)
{
	struct place *p = *state;
	struct format_credential c = credential(p), before = credential(p);
	struct sink_delivery d = { "sap", "v2", 2, &c, false, &before };
	bool changed = false;

	c.username = "sap_b";
	before.username = "sap_a";
	put(p, "# keyturn role=sap version=v1 epoch=1 user=sap_a\n"
	       "db.example.com:5432:shop:sap_a:" PASSWORD "\n"
	       "db.example.com:5432:shop:sap_b:mine\n");
	/* Of two lines of ours and one of somebody's the first counts. */
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_content(p, "# keyturn role=sap version=v2 epoch=2 lines=2 "
			  "user=sap_b before=sap_a\n"
			  "db.example.com:5432:shop:sap_b:" PASSWORD "\n"
			  "db.example.com:5432:shop:sap_a:" PASSWORD "\n"
			  "db.example.com:5432:shop:sap_b:mine\n");
	changed = false;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_false(changed);
	put(p, "db.example.com:5432:shop:sap_a:stale\n"
	       "# keyturn role=sap version=v2 epoch=2 lines=2 "
	       "user=sap_b before=sap_a\n"
	       "db.example.com:5432:shop:sap_b:" PASSWORD "\n"
	       "db.example.com:5432:shop:sap_a:" PASSWORD "\n");
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_content(p, "# keyturn role=sap version=v2 epoch=2 lines=2 "
			  "user=sap_b before=sap_a\n"
			  "db.example.com:5432:shop:sap_b:" PASSWORD "\n"
			  "db.example.com:5432:shop:sap_a:" PASSWORD "\n"
			  "db.example.com:5432:shop:sap_a:stale\n");
	/* Retired. */
	d.before = NULL;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_content(p, "# keyturn role=sap version=v2 epoch=2 user=sap_b\n"
			  "db.example.com:5432:shop:sap_b:" PASSWORD "\n"
			  "db.example.com:5432:shop:sap_a:stale\n");
}

static void an_auth_file_has_a_line_of_each_user(void **state)
{
	struct place *p = *state;
	struct format_credential c = credential(p), before = credential(p);
	struct sink_delivery d = { "sap", "v2", 2, &c, false, &before };
	struct reason why = { "" };
	bool changed = false;

	p->sink.kind = SINK_PGBOUNCER;
	c.username = "sap_b";
	before.username = "sap_a";
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	put(p, "; keyturn role=sap version=v2 epoch=2 lines=2 user=sap_b "
	       "before=sap_a\n"
	       "\"sap_b\" \"" PASSWORD "\"\n"
	       "\"sap_a\" \"" PASSWORD "\"\n"
	       "\"sap_a\" \"stale\"\n");
	/* There the last one counts. */
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_content(p, "\"sap_a\" \"stale\"\n"
			  "; keyturn role=sap version=v2 epoch=2 lines=2 "
			  "user=sap_b before=sap_a\n"
			  "\"sap_b\" \"" PASSWORD "\"\n"
			  "\"sap_a\" \"" PASSWORD "\"\n");
	/* Neither is another role's. */
	d.role = "other";
	c.username = "sap_a";
	d.before = NULL;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why),
			 STATUS_REFUSED);
	c.username = "sap_c";
	d.before = &before;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why),
			 STATUS_REFUSED);
	/* A form with one user has the present one. */
	p->sink.kind = SINK_ENV;
	unlink(p->sink.path);
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_null(strstr(content_of(p->sink.path), "sap_a"));
}

/* ---- The line of a database in a pgbouncer.ini ---- */

#define INI_MARK "; keyturn role=sap version=v2 epoch=2\n"

static void set_ini(struct place *p, struct format_credential *c)
{
	p->sink.kind = SINK_PGBOUNCER_INI;
	p->sink.mode = SINK_MODE_KEEP;
	snprintf(p->sink.service, sizeof(p->sink.service), "shop");
	*c = credential(p);
}

static void a_line_of_pgbouncer_gets_user_and_password(void **state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		/* What is missing comes at the end. */
		{ "shop = host=h port=5432",
		  "shop = host=h port=5432 "
		  "user='sap' password='" PASSWORD "'" },
		{ "shop=", "shop= user='sap' password='" PASSWORD "'" },
		{ "shop = password=x host=h\t\r",
		  "shop = password='" PASSWORD "' host=h user='sap'\t\r" },
		/* What is there is replaced in its place, quoted or not. */
		{ " \"shop\"=user=a password='it''s = x' pool_size=3 ",
		  " \"shop\"=user='sap' password='" PASSWORD "' pool_size=3 " },
		{ "'shop'\t= password  = b auth_user=me host = h  user  ='a'",
		  "'shop'\t= password  = '" PASSWORD
		  "' auth_user=me host = h  user  ='sap'" },
		{ "shop = connect_query='select '' user=x password=y' user=a",
		  "shop = connect_query='select '' user=x password=y' "
		  "user='sap' password='" PASSWORD "'" },
	};
	struct place *p = *state;
	struct format_credential c;
	struct sink_delivery d = { "sap", "v2", 2, &c, false, NULL };
	struct reason why = { "" };
	bool changed = false;

	set_ini(p, &c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static const char head[] =
			"%%include x\n[users]\nshop = pool_mode=session\n"
			";shop = user=no\n [databases]\r\n#shop = user=no\n"
			"shop2 = user=other password=x\n\n",
				  tail[] =
					  "\n* = host=h user=all\n[pgbouncer]\n"
					  "shop = none\nuser = postgres";
		struct text before = text_make(4096), after = text_make(4096);

		text_printf(&before, "%s%s%s", head, cases[i].before, tail);
		text_printf(&after, "%s" INI_MARK "%s%s", head, cases[i].after,
			    tail);
		put(p, text_str(&before));
		if (sink_deliver(&p->sink, &d, &changed, &why) != STATUS_OK)
			fail_msg("%zu: %s", i, why.text);
		assert_content(p, text_str(&after));
		changed = false;
		assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL),
				 STATUS_OK);
		assert_false(changed);
		text_free(&before);
		text_free(&after);
	}
}

static void quotes_are_doubled_for_pgbouncer(void **state)
{
	static const char old[] = "[databases]\nx = host=h\n"
				  "; keyturn role=sap version=v1 epoch=1\n"
				  "shop = user=a\n";
	struct place *p = *state;
	struct format_credential c;
	struct sink_delivery d = { "sap", "v2", 2, &c, false, NULL };
	struct sink_held held;
	bool changed = false;

	set_ini(p, &c);
	c.username = "o'sap";
	assert_int_equal(secret_set(p->password, "'a''\\\" b'", 9), STATUS_OK);
	put(p, old);
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_content(p, "[databases]\nx = host=h\n" INI_MARK
			  "shop = user='o''sap' "
			  "password='''a''''\\\" b'''\n");
	assert_int_equal(sink_look(&p->sink, "sap", &held, NULL), STATUS_OK);
	assert_true(held.found && held.epoch == 2);
	d.epoch = 1;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL),
			 STATUS_CONFLICT);
	/* To another database: the mark goes along. */
	d.epoch = 2;
	c.username = "sap";
	assert_int_equal(secret_set(p->password, "x", 1), STATUS_OK);
	snprintf(p->sink.service, sizeof(p->sink.service), "x");
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_content(p, "[databases]\n" INI_MARK
			  "x = host=h user='sap' password='x'\n"
			  "shop = user='o''sap' "
			  "password='''a''''\\\" b'''\n");
	assert_int_equal(sink_withdraw(&p->sink, "sap", &changed, NULL),
			 STATUS_OK);
	assert_content(p, "[databases]\nx = host=h user='sap' password='x'\n"
			  "shop = user='o''sap' "
			  "password='''a''''\\\" b'''\n");
}

static void what_pgbouncer_reads_otherwise_is_not_edited(void **state)
{
	static const struct {
		const char *content, *why;
	} cases[] = {
		{ "", "it has no line of database shop in [databases]" },
		{ "[pgbouncer]\nshop = host=h\n", "it has no line" },
		{ "[databases]\nshop2 = host=h\nsho = h=x\nshop\n",
		  "it has no line" },
		{ "[databases]\nshop = host=h\n[x]\n[databases]\n"
		  "\"shop\" = host=h\n",
		  "line 5, database shop: this is a second line" },
		{ "[databases] shop = host=h\n", "something stands behind" },
		{ "[databases]\nshop = host=h user=a user=b\n", "user= twice" },
		{ "[databases]\nshop = password=a password='b'\n",
		  "password= twice" },
		{ "[databases]\nshop = host\n", "not settings" },
		{ "[databases]\nshop = host=\n", "not settings" },
		{ "[databases]\nshop = password='' host=h\n", "not settings" },
		{ "[databases]\nshop = password='a host=h\n", "not settings" },
		{ "[databases]\nshop = password='a'host=h\n", "not settings" },
		{ "[databases]\nshop = =h\n", "not settings" },
		{ "[databases]\n; keyturn role=other version=v epoch=1\n"
		  "shop = host=h\n",
		  "line 2: the line of database shop is another role's" },
	};
	struct place *p = *state;
	struct format_credential c;
	struct sink_delivery d = { "sap", "v2", 2, &c, false, NULL };
	struct reason why = { "" };
	bool changed = false;

	set_ini(p, &c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(p, cases[i].content);
		assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why),
				 STATUS_REFUSED);
		if (strstr(why.text, cases[i].why) == NULL)
			fail_msg("%zu: %s", i, why.text);
		assert_null(strstr(why.text, PASSWORD));
		assert_content(p, cases[i].content);
	}
	put(p, "[databases]\nshop = host=h\n");
	chmod(p->sink.path, 0644);
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "its mode 0644 lets others read"));
	p->sink.mode = 0640;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
}

/* ---- [databases] as a file of its own ---- */

#define OWN(version, user, password)                                         \
	"; keyturn role=sap version=v" version " epoch=" version "\n"        \
	"shop = host='db.example.com' port='5432' dbname='shop' user='" user \
	"' password='" password "'"

static void set_own(struct place *p, struct format_credential *c)
{
	set_ini(p, c);
	p->sink.kind = SINK_PGBOUNCER_DATABASES;
}

static void a_file_of_databases_is_made(void **state)
{
	struct place *p = *state;
	struct format_credential c;
	struct sink_delivery d = { "sap", "v1", 1, &c, false, NULL };
	struct sink_held held;
	bool changed = false;

	set_own(p, &c);
	assert_int_equal(sink_try(&p->sink, &d, NULL), STATUS_OK);
	assert_int_equal(access(p->sink.path, F_OK), -1);
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_content(p, "[databases]\n" OWN("1", "sap", PASSWORD) "\n");
	/* A password may have anything but what ends a line. */
	assert_int_equal(secret_set(p->password, "'; a\\=\"#", 8), STATUS_OK);
	d.version = "v2";
	d.epoch = 2;
	c.port = c.dbname = "";
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_content(p, "[databases]\n" OWN("2", "sap", "''; a\\=\"#") "\n");
	assert_int_equal(sink_look(&p->sink, "sap", &held, NULL), STATUS_OK);
	assert_true(held.found && held.epoch == 2);
	assert_string_equal(held.version, "v2");
	/* An older one never comes after it. */
	d.epoch = 1;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL),
			 STATUS_CONFLICT);
	/* The password goes with its role. */
	assert_int_equal(sink_withdraw(&p->sink, "sap", &changed, NULL),
			 STATUS_OK);
	assert_content(p, "[databases]\n");
}

static void what_stands_in_a_file_of_databases_stays(void **state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		/* Settings of the line that are not ours. */
		{ "[databases]\nshop = pool_size=3 host=x port=1\ncrm = host=h\n",
		  "[databases]\n" INI_MARK
		  "shop = pool_size=3 host='db.example.com' port='5432' "
		  "dbname='shop' user='sap' password='" PASSWORD
		  "'\ncrm = host=h\n" },
		/* It may be included by [databases]. */
		{ "shop = host=h connect_query='select 1'",
		  INI_MARK "shop = host='db.example.com' "
			   "connect_query='select 1' port='5432' "
			   "dbname='shop' user='sap' password='" PASSWORD "'" },
		{ "[databases]\ncrm = host=h",
		  "[databases]\ncrm = host=h\n" OWN("2", "sap",
						    PASSWORD) "\n" },
		{ "crm = host=h\n[users]\nshop = pool_mode=session\n",
		  "crm = host=h\n[users]\nshop = pool_mode=session\n"
		  "[databases]\n" OWN("2", "sap", PASSWORD) "\n" },
	};
	struct place *p = *state;
	struct format_credential c;
	struct sink_delivery d = { "sap", "v2", 2, &c, false, NULL };
	struct reason why = { "" };
	bool changed = false;

	set_own(p, &c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(p, cases[i].before);
		if (sink_deliver(&p->sink, &d, &changed, &why) != STATUS_OK)
			fail_msg("%zu: %s", i, why.text);
		assert_content(p, cases[i].after);
		changed = false;
		assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL),
				 STATUS_OK);
		assert_false(changed);
	}
}

static void assert_not_delivered(struct place *p, const struct sink_delivery *d,
				 const char *words)
{
	struct reason why = { "" };
	bool changed = false;

	assert_int_equal(sink_try(&p->sink, d, &why), STATUS_REFUSED);
	assert_int_equal(sink_deliver(&p->sink, d, &changed, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, words));
	assert_false(changed);
	assert_content(p, "[databases]\nshop = host=old\n");
}

static void what_pgbouncer_has_no_room_for_is_refused(void **state)
{
	struct place *p = *state;
	struct format_credential c;
	struct sink_delivery d = { "sap", "v2", 2, &c, false, NULL };
	struct secret *longest = NULL;
	char user[129], token[FORMAT_USERLIST_MAX + 1];
	bool changed = false;

	set_own(p, &c);
	assert_int_equal(secret_new(sizeof(token), &longest), STATUS_OK);
	c.password = longest;
	put(p, "[databases]\nshop = host=old\n");
	memset(token, 'x', sizeof(token));
	assert_int_equal(secret_set(longest, token, sizeof(token)), STATUS_OK);
	assert_not_delivered(p, &d, "has 2048 bytes; PgBouncer takes 2047");
	assert_int_equal(secret_set(longest, token, sizeof(token) - 1),
			 STATUS_OK);
	memset(user, 'u', sizeof(user));
	user[128] = '\0';
	c.username = user;
	assert_not_delivered(p, &d, "more than 127 bytes");
	c.username = "sap";
	c.host = "";
	assert_not_delivered(p, &d, "is not known; set host=");
	c.host = "a,b";
	assert_not_delivered(p, &d, "several hosts in turn");
	c.host = "a\nb";
	assert_not_delivered(p, &d, "");
	c.host = "h";
	user[127] = '\0';
	c.username = user;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_true(changed);
	secret_free(longest);
}

static void what_would_count_instead_of_ours_is_passed(void **state)
{
	static const char *const later[] = {
		"PGPASSWORD=stale\n",
		"  export\tPGPASSWORD=stale\n",
		"\tPGUSER='x'\r\n",
	};
	static const char *const users[] = {
		"  \"sap\" \"stale\"\n",
		"\t\"sap\" \"\"\n",
	};
	struct place *p = *state;
	struct text t = text_make(4096);

	p->sink.kind = SINK_ENV;
	for (size_t i = 0; i < 3; i++) {
		text_reset(&t);
		text_printf(&t, "A=1\n" BLOCK("1") "%s", later[i]);
		put(p, text_str(&t));
		assert_delivered(p, "sap", "v2", 2);
		text_reset(&t);
		text_printf(&t, "A=1\n%s" BLOCK("2"), later[i]);
		assert_content(p, text_str(&t));
	}
	p->sink.kind = SINK_PGBOUNCER;
	for (size_t i = 0; i < 2; i++) {
		text_reset(&t);
		text_printf(&t, USERLIST("1") "%s", users[i]);
		put(p, text_str(&t));
		assert_delivered(p, "sap", "v2", 2);
		text_reset(&t);
		text_printf(&t, "%s" USERLIST("2"), users[i]);
		assert_content(p, text_str(&t));
	}
	text_free(&t);
}

static void a_file_of_one_password_serves_no_second_role(void **state)
{
	struct place *p = *state;
	struct format_credential c = credential(p);
	struct sink_delivery d = { "other", "v1", 1, &c, false, NULL };
	struct reason why = { "" };
	bool changed = false;

	p->sink.kind = SINK_ENV;
	assert_delivered(p, "sap", "v1", 1);
	c.username = "else";
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "a file of its own"));
	assert_int_equal(sink_try(&p->sink, &d, &why), STATUS_REFUSED);
	/* An auth_file has one password for each user. */
	assert_int_equal(unlink(p->sink.path), 0);
	p->sink.kind = SINK_PGBOUNCER;
	assert_delivered(p, "sap", "v1", 1);
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why), STATUS_OK);
	d.role = "third", c.username = "sap";
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why),
			 STATUS_REFUSED);
}

static void a_damaged_block_is_refused_and_named_by_its_line(void **state)
{
	static const char *const markers[] = {
		"# keyturn role=sap\nx:1:x:x:x\n",
		"# keyturn role=sap version=1\n",
		"# keyturn role=sap version=1 epoch=\n",
		"# keyturn role=sap version=1 epoch=1x\n",
		"# keyturn role=sap version=1 epoch=-1\n",
		"# keyturn role=sap version=1 epoch=99999999999999999999\n",
		"# keyturn role=sap epoch=1 version=1\n",
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
		struct text t = text_make(1000);

		text_printf(&t, "a\nb\n%s", markers[i]);
		assert_untouched(p, text_str(&t), 1, STATUS_CORRUPT, "line 3");
		text_free(&t);
	}
	p->sink.kind = SINK_ENV;
	assert_untouched(p, "A=1\n# keyturn role=sap version=1 epoch=1\nB=2\n",
			 1, STATUS_CORRUPT, "line 2");
	assert_untouched(p,
			 "# keyturn role=sap version=1 epoch=1\nB=2\n"
			 "# keyturn role=x version=1 epoch=1\n"
			 "# keyturn end role=x\n# keyturn end role=sap\n",
			 1, STATUS_CORRUPT, "no end");
	assert_untouched(p,
			 "# keyturn role=sap version=1 epoch=1\nPGUSER='sap'\n"
			 "B=2\n# keyturn end role=sap\n",
			 1, STATUS_CORRUPT, "line 3");
	/* Behind a good block, the line is still counted right. */
	assert_untouched(p, "A=1\n" BLOCK("1") "\n# keyturn role=sap x\n", 1,
			 STATUS_CORRUPT, "line 10");
}

/* PgBouncer takes the last line of a user, and ";" begins a comment. */
static void an_auth_file_has_the_managed_line_behind_the_user_s_others(
	void **state)
{
	struct place *p = *state;

	p->sink.kind = SINK_PGBOUNCER;
	put(p, "\"stats\" \"md5\"\n;\"sap\" \"x\"\n\"sap\" \"old\"");
	assert_delivered(p, "sap", "v1", 1);
	assert_content(p, "\"stats\" \"md5\"\n;\"sap\" \"x\"\n\"sap\" "
			  "\"old\"\n" USERLIST("1"));
	/* It stays where it is, unless somebody puts a line behind it. */
	put(p, USERLIST("1") "\"stats\" \"md5\"\n");
	assert_delivered(p, "sap", "v2", 2);
	assert_content(p, USERLIST("2") "\"stats\" \"md5\"\n");
	put(p, USERLIST("2") "\"sap\" \"mine\"\n");
	assert_delivered(p, "sap", "v3", 3);
	assert_content(p, "\"sap\" \"mine\"\n" USERLIST("3"));
	assert_untouched(p, USERLIST("5"), 4, STATUS_CONFLICT, "newer");
}

/* ---- pg_service.conf ----------------------------------------------------------- */

/* What libpq makes of a keyword when it is only given the service. */
static void assert_service(const struct place *p, const char *service,
			   const char *keyword, const char *want)
{
	const char *const keys[] = { "service", "hostaddr", "passfile", NULL };
	const char *const values[] = { service, "127.0.0.1", "/nowhere", NULL };
	const char *got = NULL;
	PQconninfoOption *all;
	PGconn *conn;

	assert_int_equal(setenv("PGSERVICEFILE", p->sink.path, 1), 0);
	conn = PQconnectStartParams(keys, values, 0);
	all = PQconninfo(conn);
	for (PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0)
			got = o->val;
	if (got == NULL)
		fail_msg("[%s] %s: %s", service, keyword, PQerrorMessage(conn));
	assert_string_equal(got, want);
	PQconninfoFree(all);
	PQfinish(conn);
}

static void libpq_reads_the_section_of_a_service_file(void **state)
{
	struct place *p = *state;
	struct format_credential c = credential(p);
	struct sink_delivery d = { "sap", "v1", 1, &c, false, NULL };
	bool changed = false;

	p->sink.kind = SINK_SERVICE;
	put(p, "# mine\nhost=of-no-section\n[other]\nuser=me\n\tport=7");
	assert_delivered(p, "sap", "v1", 1);
	assert_content(p, "# mine\nhost=of-no-section\n[other]\nuser=me\n"
			  "\tport=7\n" SECTION("1"));
	assert_service(p, "sap", "host", "db.example.com");
	assert_service(p, "sap", "port", "5432");
	assert_service(p, "sap", "dbname", "shop");
	assert_service(p, "sap", "user", "sap");
	assert_service(p, "other", "user", "me");
	assert_service(p, "other", "port", "7");
	assert_null(strstr(content_of(p->sink.path), PASSWORD));
	/* Values as they are: there are no quotes and no escapes. */
	c.username = "s p'\\=#[x]";
	c.sslmode = "verify-full";
	c.sslrootcert = "/etc/ssl/d b.pem";
	snprintf(p->sink.service, sizeof(p->sink.service), "shop;[x");
	d.epoch = 2;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, NULL), STATUS_OK);
	assert_service(p, "shop;[x", "user", c.username);
	assert_service(p, "shop;[x", "sslmode", c.sslmode);
	assert_service(p, "shop;[x", "sslrootcert", c.sslrootcert);
	assert_service(p, "other", "port", "7");
	assert_null(strstr(content_of(p->sink.path), "[sap]"));
}

/* The first section of a name counts. */
static void a_section_stands_before_a_foreign_one_of_its_name(void **state)
{
	static const char *const heads[] = { "[sap]\n", "  [sap]  \r\n",
					     "[sap] # old\n" };
	struct place *p = *state;
	struct text t = text_make(4096);

	p->sink.kind = SINK_SERVICE;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		text_reset(&t);
		text_printf(&t, "[a]\nuser=a\n%suser=old\n", heads[i]);
		put(p, text_str(&t));
		assert_delivered(p, "sap", "v1", 1);
		text_reset(&t);
		text_printf(&t, "[a]\nuser=a\n" SECTION("1") "%suser=old\n",
			    heads[i]);
		assert_content(p, text_str(&t));
		assert_service(p, "sap", "user", "sap");
		/* And when somebody puts his in front of ours. */
		text_reset(&t);
		text_printf(&t,
			    "# x\n%suser=old\n\n" SECTION("1") "[b]\nuser=b\n",
			    heads[i]);
		put(p, text_str(&t));
		assert_delivered(p, "sap", "v2", 2);
		text_reset(&t);
		text_printf(&t,
			    "# x\n" SECTION("2") "%suser=old\n\n[b]\nuser=b\n",
			    heads[i]);
		assert_content(p, text_str(&t));
		assert_service(p, "sap", "user", "sap");
		assert_service(p, "b", "user", "b");
	}
	/* These are other names, and what stands behind ours does no harm. */
	put(p, "[sapx]\n[sa]\n[ sap]\n# [sap]\n" SECTION("1") "[sap]\n");
	assert_delivered(p, "sap", "v2", 2);
	assert_content(
		p, "[sapx]\n[sa]\n[ sap]\n# [sap]\n" SECTION("2") "[sap]\n");
	text_free(&t);
}

/* As libpq reads a file, they are of the section too. */
static void settings_behind_a_section_are_never_given_to_another(void **state)
{
	struct place *p = *state;
	struct reason why = { "" };
	bool changed = true;

	p->sink.kind = SINK_SERVICE;
	put(p, "[a]\nuser=a\n" SECTION("1") "\n# more\nconnect_timeout=7\n");
	assert_delivered(p, "sap", "v2", 2);
	assert_content(p, "[a]\nuser=a\n" SECTION(
				  "2") "\n# more\nconnect_timeout=7\n");
	assert_service(p, "sap", "connect_timeout", "7");
	assert_int_equal(sink_withdraw(&p->sink, "sap", &changed, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "line 12: this is a setting of the "
					 "section of role sap"));
	/* Neither when it would have to move, or a copy of it be taken out. */
	assert_untouched(p, "[sap]\nuser=old\n" SECTION("1") "service=x\n", 2,
			 STATUS_REFUSED, "line 10");
	assert_untouched(p, SECTION("1") SECTION("1") "a=b\n[c]\n", 2,
			 STATUS_REFUSED, "line 15");
	put(p, "[a]\n" SECTION("1") "\n# more\n[b]\nuser=b\n");
	assert_int_equal(sink_withdraw(&p->sink, "sap", &changed, &why),
			 STATUS_OK);
	assert_content(p, "[a]\n\n# more\n[b]\nuser=b\n");
}

static void two_roles_have_two_sections(void **state)
{
	struct place *p = *state;
	struct format_credential c = credential(p);
	struct sink_delivery d = { "other", "v1", 1, &c, false, NULL };
	struct reason why = { "" };
	bool changed = false;

	p->sink.kind = SINK_SERVICE;
	assert_delivered(p, "sap", "v1", 1);
	c.username = "else";
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why), STATUS_OK);
	assert_service(p, "sap", "user", "sap");
	assert_service(p, "other", "user", "else");
	snprintf(p->sink.service, sizeof(p->sink.service), "sap");
	assert_int_equal(sink_try(&p->sink, &d, &why), STATUS_REFUSED);
	assert_non_null(strstr(why.text, "line 2: another role has the section "
					 "[sap]"));
	/* The name of the section is no part of what a block is known by. */
	snprintf(p->sink.service, sizeof(p->sink.service), "third");
	d.epoch = 2;
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why), STATUS_OK);
	assert_null(strstr(content_of(p->sink.path), "[other]"));
	assert_service(p, "third", "user", "else");
}

static void a_service_file_that_libpq_gives_up_is_refused(void **state)
{
	struct place *p = *state;
	struct text t = text_make(4096);

	p->sink.kind = SINK_SERVICE;
	for (size_t i = 0; i < FORMAT_SERVICE_LINE_MAX; i++)
		text_add(&t, "#");
	text_add(&t, "\n");
	put(p, text_str(&t));
	assert_delivered(p, "sap", "v1", 1);
	assert_service(p, "sap", "user", "sap");
	text_reset(&t);
	for (size_t i = 0; i < FORMAT_SERVICE_LINE_MAX; i++)
		text_add(&t, "#");
	text_printf(&t, "\r\n[sap]\n");
	assert_untouched(p, text_str(&t), 1, STATUS_REFUSED, "line 1: it has");
	/* Behind the section it does nothing. */
	text_reset(&t);
	text_add(&t, SECTION("1") "[x]\n");
	for (size_t i = 0; i <= FORMAT_SERVICE_LINE_MAX; i++)
		text_add(&t, "#");
	put(p, text_str(&t));
	assert_delivered(p, "sap", "v2", 2);
	assert_service(p, "sap", "user", "sap");
	/* But up to the next one, that one's head included, it does. */
	text_reset(&t);
	text_add(&t, SECTION("2"));
	for (size_t i = 0; i <= FORMAT_SERVICE_LINE_MAX; i++)
		text_add(&t, "#");
	text_add(&t, "\n[x]\n");
	assert_untouched(p, text_str(&t), 3, STATUS_REFUSED, "it has");
	text_free(&t);
	/* A line of somebody's in the block. */
	assert_untouched(p,
			 "# keyturn role=sap version=1 epoch=1\n[sap]\n"
			 "user=sap\npassword=x\n# keyturn end role=sap\n",
			 2, STATUS_CORRUPT, "line 4");
	assert_untouched(p,
			 "# keyturn role=sap version=1 epoch=1\n[sap]\n"
			 "[x]\n# keyturn end role=sap\n",
			 2, STATUS_CORRUPT, "line 3");
	assert_untouched(p, "# keyturn role=sap version=1 epoch=1\n[sap]\n", 2,
			 STATUS_CORRUPT, "no end");
	assert_untouched(p, SECTION("7"), 6, STATUS_CONFLICT, "newer");
}

static void what_a_file_holds_can_be_looked_at(void **state)
{
	struct place *p = *state;
	struct sink_held held = { .found = true };
	struct reason why;

	assert_int_equal(sink_look(&p->sink, "sap", &held, &why), STATUS_OK);
	assert_false(held.found);
	put(p, "");
	assert_int_equal(sink_look(&p->sink, "sap", &held, &why), STATUS_OK);
	assert_false(held.found);
	put(p, "a:1:b:c:d\n" PAIR("7"));
	assert_int_equal(sink_look(&p->sink, "sap", &held, &why), STATUS_OK);
	assert_true(held.found);
	assert_int_equal(held.epoch, 7);
	assert_string_equal(held.version, "v7");
	assert_int_equal(sink_look(&p->sink, "other", &held, &why), STATUS_OK);
	assert_false(held.found);
	put(p, "# keyturn role=sap epoch=1\n");
	assert_int_equal(sink_look(&p->sink, "sap", &held, &why),
			 STATUS_CORRUPT);
	assert_int_equal(unlink(p->sink.path), 0);
	assert_int_equal(symlink("/etc/passwd", p->sink.path), 0);
	assert_int_equal(sink_look(&p->sink, "sap", &held, &why),
			 STATUS_REFUSED);
}

static void a_marker_that_lost_its_line_takes_no_foreign_one(void **state)
{
	struct place *p = *state;

	put(p, "# keyturn role=sap version=v1 epoch=1\n# my note\nx:1:x:x:x\n");
	assert_delivered(p, "sap", "v2", 2);
	assert_content(p, PAIR("2") "# my note\nx:1:x:x:x\n");
}

static void a_withdrawal_without_a_block_changes_nothing(void **state)
{
	struct place *p = *state;
	bool changed = true;

	assert_int_equal(sink_withdraw(&p->sink, "sap", &changed, NULL),
			 STATUS_OK);
	assert_false(changed);
	assert_int_equal(access(p->sink.path, F_OK), -1);
	put(p, "a\n");
	assert_int_equal(chmod(p->sink.path, 0640), 0);
	changed = true;
	assert_int_equal(sink_withdraw(&p->sink, "sap", &changed, NULL),
			 STATUS_OK);
	assert_false(changed);
}

static void what_is_no_regular_file_is_refused(void **state)
{
	struct place *p = *state;
	struct reason why = { "" };
	bool changed = true;
	char other[128];

	snprintf(other, sizeof(other), "%s/victim", p->folder);
	put_file(other, "mine", 4);
	assert_int_equal(symlink(other, p->sink.path), 0);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "symbolic link"));
	assert_string_equal(content_of(other), "mine");
	assert_int_equal(unlink(p->sink.path), 0);
	assert_int_equal(mkfifo(p->sink.path, 0600), 0);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_REFUSED);
	assert_int_equal(unlink(p->sink.path), 0);
	assert_int_equal(mkdir(p->sink.path, 0700), 0);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_REFUSED);
	assert_true(changed);
}

static void a_link_in_the_way_to_the_folder_is_refused(void **state)
{
	struct place *p = *state;
	struct reason why = { "" };
	char real[128], link[128];
	bool changed = true;

	snprintf(real, sizeof(real), "%s/real", p->folder);
	snprintf(link, sizeof(link), "%s/link", p->folder);
	assert_int_equal(mkdir(real, 0700), 0);
	assert_int_equal(symlink(real, link), 0);
	snprintf(p->sink.path, sizeof(p->sink.path), "%s/.pgpass", link);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "symbolic link"));
	assert_int_equal(entries(real), 0);
	snprintf(p->sink.path, sizeof(p->sink.path), "%s/none/.pgpass",
		 p->folder);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_NOT_FOUND);
	assert_non_null(strstr(why.text, "\"none\""));
}

static void a_lock_that_is_a_link_is_refused(void **state)
{
	struct place *p = *state;
	bool changed = true;
	char lock[128];

	snprintf(lock, sizeof(lock), "%s/..pgpass.keyturn-lock", p->folder);
	assert_int_equal(symlink("/tmp/test_sink_planted", lock), 0);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, NULL),
			 STATUS_REFUSED);
	assert_int_equal(access("/tmp/test_sink_planted", F_OK), -1);
	assert_int_equal(access(p->sink.path, F_OK), -1);
}

static void a_file_larger_than_a_secret_is_a_limit(void **state)
{
	struct place *p = *state;
	struct reason why = { "" };
	char *big = malloc(SECRET_CAP_MAX + 1);
	bool changed = true;

	assert_non_null(big);
	for (size_t i = 0; i <= SECRET_CAP_MAX; i++)
		big[i] = i % 64 == 63 ? '\n' : 'x';
	put_file(p->sink.path, big, SECRET_CAP_MAX + 1);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_LIMIT);
	assert_non_null(strstr(why.text, "65537 bytes"));
	/* It fits, but not with the block. */
	put_file(p->sink.path, big, SECRET_CAP_MAX - 10);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_LIMIT);
	assert_non_null(strstr(why.text, "65536"));
	put_file(p->sink.path, big, SECRET_CAP_MAX - 200);
	assert_delivered(p, "sap", "v", 1);
	free(big);
}

static void what_the_format_refuses_is_not_written(void **state)
{
	struct place *p = *state;
	struct format_credential c = credential(p);
	struct sink_delivery d = { "sap", "v1", 1, &c, false, NULL };
	struct reason why = { "" };
	bool changed = true;

	c.username = "a\nb";
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why),
			 STATUS_REFUSED);
	assert_int_equal(access(p->sink.path, F_OK), -1);
	c.username = "sap";
	d.version = "";
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why),
			 STATUS_REFUSED);
	d.version = "v1";
	d.role = "";
	assert_int_equal(sink_deliver(&p->sink, &d, &changed, &why),
			 STATUS_REFUSED);
	assert_int_equal(access(p->sink.path, F_OK), -1);
}

static void a_mode_that_libpq_ignores_is_refused(void **state)
{
	struct place *p = *state;
	bool changed = true;

	p->sink.mode = 0640;
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, NULL),
			 STATUS_CONFIG);
	p->sink.kind = SINK_ENV;
	assert_delivered(p, "sap", "v", 1);
}

/* Run in a child as an ordinary user, when the test runs as root. */
static enum status as_nobody(struct place *p, struct reason *why)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		bool changed;

		/* sudo leaves us root's group as one of several. */
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) != 0 || setgid(65534) != 0 ||
		     setuid(65534) != 0))
			_exit(125);
		remember_password(p);
		_exit((int)deliver(p, "sap", "v", 1, &changed, why));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return (enum status)WEXITSTATUS(status);
}

static void who_may_not_give_a_file_away_is_told_so(void **state)
{
	struct place *p = *state;

	if (geteuid() == 0)
		assert_int_equal(chown(p->folder, 65534, 65534), 0);
	p->sink.uid = 0;
	assert_int_equal(as_nobody(p, NULL), STATUS_REFUSED);
	p->sink.uid = (uid_t)-1;
	p->sink.gid = 0;
	assert_int_equal(as_nobody(p, NULL), STATUS_REFUSED);
	assert_int_equal(access(p->sink.path, F_OK), -1);
	p->sink.gid = (gid_t)-1;
	assert_int_equal(as_nobody(p, NULL), STATUS_OK);
	assert_content(p, "# keyturn role=sap version=v epoch=1\n"
			  "db.example.com:5432:shop:sap:" PASSWORD "\n");
}

/* In the folder, with . and .. */
static int count_names(const struct place *p)
{
	DIR *dir = opendir(p->folder);
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void a_trial_changes_nothing_and_leaves_nothing(void **state)
{
	struct place *p = *state;
	struct stat before, after;

	assert_int_equal(try_it(p, "h", NULL), STATUS_OK);
	assert_int_equal(access(p->sink.path, F_OK), -1);
	/* A higher epoch is nothing against the next version. */
	assert_delivered(p, "sap", "v1", 7);
	assert_int_equal(stat(p->sink.path, &before), 0);
	assert_int_equal(try_it(p, "h", NULL), STATUS_OK);
	assert_int_equal(stat(p->sink.path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
	assert_int_equal(count_names(p), 4); /* the file and its lock */
}

static void a_trial_refuses_what_a_delivery_would(void **state)
{
	struct place *p = *state;
	struct reason why;

	assert_int_equal(try_it(p, "*", &why), STATUS_REFUSED);
	assert_non_null(strstr(why.text, "would match any"));
	put(p, "# keyturn role=sap version=v1\n");
	assert_int_equal(try_it(p, "h", &why), STATUS_CORRUPT);
	put(p, "");
	assert_int_equal(try_it(p, "h", &why), STATUS_OK);
	assert_int_equal(chmod(p->folder, 0770), 0);
	assert_int_equal(try_it(p, "h", &why), STATUS_REFUSED);
	assert_non_null(strstr(why.text, "can be written by others"));
}

/* In a child with mounts of its own. */
static void with_mounts(struct place *p, void (*test)(struct place *p))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) != 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
			_exit(125);
		remember_password(p);
		test(p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The file that a container was given. */
static void try_a_mount_point(struct place *p)
{
	struct reason why;

	if (mount(p->sink.path, p->sink.path, NULL, MS_BIND, NULL) != 0)
		_exit(125);
	if (try_it(p, "h", &why) != STATUS_REFUSED ||
	    strstr(why.text, "mount the folder") == NULL)
		_exit(1);
}

static void try_a_full_disk(struct place *p)
{
	static const char filler[4096] = "x";
	struct reason why;
	char name[96];
	int fd;

	if (mount("none", p->folder, "tmpfs", 0, "size=16k,mode=0700") != 0)
		_exit(125);
	if (try_it(p, "h", &why) != STATUS_OK)
		_exit(1);
	snprintf(name, sizeof(name), "%s/filler", p->folder);
	fd = open(name, O_WRONLY | O_CREAT, 0600);
	while (fd >= 0 && write(fd, filler, sizeof(filler)) > 0)
		;
	if (fd < 0 || errno != ENOSPC)
		_exit(125);
	if (try_it(p, "h", &why) != STATUS_ERROR ||
	    strstr(why.text, strerror(ENOSPC)) == NULL || count_names(p) != 4 ||
	    access(p->sink.path, F_OK) == 0)
		_exit(2);
}

static void a_trial_sees_a_mount_point_and_a_full_disk(void **state)
{
	struct place *p = *state;

	put(p, "# mine\n");
	with_mounts(p, try_a_mount_point);
	with_mounts(p, try_a_full_disk);
	assert_content(p, "# mine\n");
}

static void assert_owner(const struct place *p, uid_t uid, gid_t gid)
{
	struct stat st;

	assert_int_equal(stat(p->sink.path, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

static void root_gives_the_file_to_whom_it_belongs(void **state)
{
	struct place *p = *state;

	assert_int_equal(chown(p->folder, 65534, 65533), 0);
	assert_delivered(p, "sap", "v", 1);
	assert_owner(p, 65534, 65533);
	/* The present file's owner is kept. */
	assert_int_equal(chown(p->sink.path, 65534, 12), 0);
	assert_delivered(p, "sap", "v", 2);
	assert_owner(p, 65534, 12);
	/* Both sides can take the lock afterwards. */
	assert_int_equal(as_nobody(p, NULL), STATUS_CONFLICT);
	assert_int_equal(unlink(p->sink.path), 0);
	p->sink.uid = 12345;
	p->sink.gid = 54321;
	assert_delivered(p, "sap", "v", 3);
	assert_owner(p, 12345, 54321);
}

/* A user links or moves a file of root into his folder, and waits for us to
 * give him its lines. */
static void a_planted_file_of_another_owner_is_refused(void **state)
{
	struct place *p = *state;
	struct reason why = { "" };
	bool changed = true;
	char spare[128];

	snprintf(spare, sizeof(spare), "%s/spare", p->folder);
	assert_int_equal(chown(p->folder, 65534, 65534), 0);
	put(p, "root's own line\n");
	p->sink.uid = 65534;
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "belongs to user 0"));
	p->sink.uid = (uid_t)-1;
	assert_int_equal(chown(p->sink.path, 4242, 4242), 0);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_REFUSED);
	assert_int_equal(chown(p->sink.path, 65534, 65534), 0);
	assert_int_equal(link(p->sink.path, spare), 0);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "hard links"));
	assert_content(p, "root's own line\n");
	/* In a folder that only root can write nobody could have planted it. */
	assert_int_equal(chown(p->folder, 0, 0), 0);
	p->sink.uid = 12345;
	assert_delivered(p, "sap", "v", 1);
	assert_owner(p, 12345, 65534);
}

static void a_folder_that_others_can_write_is_refused(void **state)
{
	struct place *p = *state;
	bool changed = true;

	assert_int_equal(chmod(p->folder, 0777), 0);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, NULL),
			 STATUS_REFUSED);
	assert_int_equal(access(p->sink.path, F_OK), -1);
	assert_int_equal(chmod(p->folder, 01777), 0);
	assert_delivered(p, "sap", "v", 1);
}

static void writers_wait_for_each_other(void **state)
{
	enum { WRITERS = 4, DELIVERIES = 15 };
	struct place *p = *state;
	int failed = 0, status;

	put(p, "a:1:b:c:d\n");
	for (int w = 0; w < WRITERS; w++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid != 0)
			continue;
		remember_password(p);
		for (int i = 1; i <= DELIVERIES; i++) {
			char role[16];
			bool changed;

			snprintf(role, sizeof(role), "w%d", w);
			if (deliver(p, role, "v", i, &changed, NULL) !=
			    STATUS_OK)
				_exit(1);
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		assert_true(wait(&status) > 0);
		failed += status != 0;
	}
	assert_int_equal(failed, 0);
	for (int w = 0; w < WRITERS; w++) {
		char marker[64];

		snprintf(marker, sizeof(marker),
			 "# keyturn role=w%d version=v epoch=%d user=sap\n", w,
			 DELIVERIES);
		assert_non_null(strstr(content_of(p->sink.path), marker));
	}
	assert_non_null(strstr(content_of(p->sink.path), "a:1:b:c:d\n"));
	assert_int_equal(entries(p->folder), 2);
}

struct errand {
	const struct place *p;
	enum status status;
};

static void *deliver_apart(void *arg)
{
	struct errand *e = arg;
	bool changed;

	e->status = deliver(e->p, "sap", "v1", 1, &changed, NULL);
	return NULL;
}

/* How many descriptors of this process are of the file. */
static int count_open(const char *path)
{
	DIR *dir = opendir("/proc/self/fd");
	char is[256];
	struct dirent *e;
	int n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		ssize_t got =
			readlinkat(dirfd(dir), e->d_name, is, sizeof(is) - 1);

		n += got > 0 && (is[got] = '\0', strcmp(is, path) == 0);
	}
	closedir(dir);
	return n;
}

/* What was looked at is what is written to, whoever moves it meanwhile. */
static void a_folder_is_looked_up_once(void **state)
{
	struct place *p = *state;
	struct errand e = { p, STATUS_ERROR };
	char lock[128], away[128], file[160];
	pthread_t thread;
	int fd;

	snprintf(lock, sizeof(lock), "%s/..pgpass.keyturn-lock", p->folder);
	snprintf(away, sizeof(away), "%s.away", p->folder);
	snprintf(file, sizeof(file), "%s/.pgpass", away);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(pthread_create(&thread, NULL, deliver_apart, &e), 0);
	while (count_open(lock) < 2)
		usleep(1000);
	assert_int_equal(rename(p->folder, away), 0);
	assert_int_equal(mkdir(p->folder, 0700), 0);
	close(fd);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(e.status, STATUS_OK);
	/* There is nothing in the new one. */
	assert_int_equal(rmdir(p->folder), 0);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(rename(away, p->folder), 0);
	assert_content(p, PAIR("1"));
}

static void a_lock_that_is_never_given_back_is_a_timeout(void **state)
{
	struct place *p = *state;
	struct reason why = { "" };
	struct timespec from, to;
	bool changed = true;
	char lock[128];
	int fd;

	snprintf(lock, sizeof(lock), "%s/..pgpass.keyturn-lock", p->folder);
	fd = open(lock, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(deliver(p, "sap", "v", 1, &changed, &why),
			 STATUS_TIMEOUT);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_in_range(to.tv_sec - from.tv_sec, 4, 8);
	assert_non_null(strstr(why.text, "5 seconds"));
	close(fd);
	assert_delivered(p, "sap", "v", 1);
}

static void an_edit_by_somebody_else_is_seen_before_the_write(void **state)
{
	struct place *p = *state;
	struct secret *content = NULL;
	struct sink_file f;
	char other[128];

	put(p, "one\n");
	assert_int_equal(sink_file_open(&f, &p->sink, NULL), STATUS_OK);
	assert_int_equal(sink_file_read(&f, &content, NULL), STATUS_OK);
	assert_true(sink_file_unchanged(&f));
	put(p, "one\ntwo\n");
	assert_false(sink_file_unchanged(&f));
	secret_free(content);
	content = NULL;
	assert_int_equal(sink_file_read(&f, &content, NULL), STATUS_OK);
	assert_int_equal(secret_len(content), 8);
	snprintf(other, sizeof(other), "%s/other", p->folder);
	put_file(other, "one\ntwo\n", 8);
	assert_int_equal(rename(other, p->sink.path), 0);
	assert_false(sink_file_unchanged(&f));
	assert_int_equal(unlink(p->sink.path), 0);
	assert_false(sink_file_unchanged(&f));
	secret_free(content);
	content = NULL;
	assert_int_equal(sink_file_read(&f, &content, NULL), STATUS_OK);
	assert_int_equal(secret_len(content), 0);
	assert_true(sink_file_unchanged(&f));
	put(p, "back");
	assert_false(sink_file_unchanged(&f));
	secret_free(content);
	sink_file_close(&f);
}

struct race {
	char sub[128], decoy[128];
	atomic_bool stop;
	unsigned long swaps;
};

/* What a hostile owner of the folder above can do all day. */
static void *swap_folder_and_link(void *arg)
{
	struct race *r = arg;

	while (!r->stop) {
		if (renameat2(AT_FDCWD, r->sub, AT_FDCWD, r->decoy,
			      RENAME_EXCHANGE) == 0)
			r->swaps++;
	}
	return NULL;
}

static void a_folder_swapped_for_a_link_never_redirects_a_write(void **state)
{
	struct place *p = *state;
	struct race r = { .stop = false };
	char victim[128], file[256];
	unsigned delivered = 0, refused = 0;
	struct timespec from, now;
	pthread_t thread;

	snprintf(victim, sizeof(victim), "%s/victim", p->folder);
	snprintf(r.sub, sizeof(r.sub), "%s/sub", p->folder);
	snprintf(r.decoy, sizeof(r.decoy), "%s/decoy", p->folder);
	assert_int_equal(mkdir(victim, 0700), 0);
	assert_int_equal(mkdir(r.sub, 0700), 0);
	assert_int_equal(symlink(victim, r.decoy), 0);
	snprintf(file, sizeof(file), "%s/.pgpass", victim);
	put_file(file, "victim's\n", 9);
	snprintf(p->sink.path, sizeof(p->sink.path), "%s/.pgpass", r.sub);
	assert_int_equal(
		pthread_create(&thread, NULL, swap_folder_and_link, &r), 0);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int64_t epoch = 1;; epoch++) {
		bool changed;

		if (deliver(p, "sap", "v", epoch, &changed, NULL) == STATUS_OK)
			delivered++;
		else
			refused++;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - from.tv_sec) * 1000 +
			    (now.tv_nsec - from.tv_nsec) / 1000000 >=
		    1000)
			break;
	}
	r.stop = true;
	pthread_join(thread, NULL);
	print_message("%lu swaps, %u delivered, %u refused\n", r.swaps,
		      delivered, refused);
	assert_true(r.swaps > 100);
	assert_true(refused > 0);
	assert_string_equal(content_of(file), "victim's\n");
	assert_int_equal(entries(victim), 1);
}

static void a_sink_setting_is_read(void **state)
{
	struct sink s = { .kind = SINK_ENV };
	struct reason why = { "" };

	(void)state;
	assert_int_equal(sink_parse("pgpass /home/sapjob/.pgpass", &s, &why),
			 STATUS_OK);
	assert_int_equal(s.kind, SINK_PGPASS);
	assert_string_equal(s.path, "/home/sapjob/.pgpass");
	assert_int_equal(s.mode, SINK_MODE_KEEP);
	assert_string_equal(s.pidfile, "");
	assert_true(s.uid == (uid_t)-1 && s.gid == (gid_t)-1);
	assert_int_equal(
		sink_parse("  env\t/etc/x.env mode=640 owner=root group=0 ", &s,
			   &why),
		STATUS_OK);
	assert_int_equal(s.kind, SINK_ENV);
	assert_int_equal(s.mode, 0640);
	assert_int_equal(s.uid, 0);
	assert_int_equal(s.gid, 0);
	assert_int_equal(sink_parse("service /x mode=0644 name=a.b[c", &s,
				    &why),
			 STATUS_OK);
	assert_int_equal(s.kind, SINK_SERVICE);
	assert_int_equal(s.mode, 0644);
	assert_string_equal(s.service, "a.b[c");
	assert_int_equal(sink_parse("env /x owner=12345 mode=0400", &s, &why),
			 STATUS_OK);
	assert_string_equal(s.service, "");
	assert_int_equal(s.uid, 12345);
	assert_int_equal(s.mode, 0400);
}

static void a_bad_sink_setting_is_refused_by_a_sentence(void **state)
{
	static const struct {
		const char *value, *says;
	} cases[] = {
		{ "", "not a kind" },
		{ "json /x", "\"json\" is not a kind" },
		{ "pgpass", "path of the file is missing" },
		{ "pgpass .pgpass", "absolute path" },
		{ "pgpass /home/x/", "absolute path" },
		{ "pgpass /home/../etc/x", "absolute path" },
		{ "pgpass /home/..", "absolute path" },
		{ "pgpass /home/\x01", "absolute path" },
		{ "pgpass /a b/.pgpass", "\"b/.pgpass\" is not known" },
		{ "pgpass /x Owner=root", "not known" },
		{ "pgpass /x owner=", "no user \"\"" },
		{ "pgpass /x owner=no-such-user", "no user \"no-such-user\"" },
		{ "pgpass /x owner=4294967295", "no user" },
		{ "pgpass /x group=no-such-group", "no group" },
		{ "pgpass /x mode=0640", "too open" },
		{ "pgpass /x mode=rw", "not octal" },
		{ "pgpass /x mode=06000", "not octal" },
		{ "env /x mode=0644", "0600, 0640 or 0660" },
		{ "env /x mode=4600", "0600, 0640 or 0660" },
		{ "service /x mode=0666", "0600, 0640 or 0644" },
		{ "service /x mode=0755", "says where passwords" },
		{ "service /x name=a]b",
		  "\"a]b\" cannot be the name of a section" },
		{ "service /x name=", "\"\" cannot be the name of a section" },
		{ "service /x name=\x7f", "cannot be the name of a section" },
		{ "service /x name=0123456789012345678901234567890123456789"
		  "012345678901234567890123",
		  "more than 63" },
		{ "pgpass /x name=a", "this is not a service file" },
		{ "pgbouncer /x database=a", "this is another kind" },
		{ "pgbouncer_ini /x", "needs database=NAME" },
		{ "pgbouncer_databases /x", "needs database=NAME" },
		{ "pgbouncer_databases /x database=a/b",
		  "takes letters, digits and _.-" },
		{ "pgbouncer_databases /x database=*", "takes letters" },
		{ "pgbouncer_databases /x mode=0644", "0600, 0640 or 0660" },
		{ "pgbouncer_ini /x database=*", "cannot be the name" },
		{ "pgbouncer_ini /x database=a'b", "cannot be the name" },
		{ "pgbouncer_ini /x database=pgbouncer", "cannot be the name" },
		{ "env /x mode=0000", "0600, 0640 or 0660" },
	};
	struct sink s = { .kind = SINK_ENV, .path = "as it was" };
	char *longer = malloc(9000);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reason why = { "" };

		if (sink_parse(cases[i].value, &s, &why) != STATUS_CONFIG)
			fail_msg("\"%s\" is taken", cases[i].value);
		if (strstr(why.text, cases[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", why.text,
				 cases[i].says);
	}
	assert_non_null(longer);
	for (size_t n = 250; n < 9000; n += 4000) {
		snprintf(longer, 9000, "env /%0*d", (int)n, 0);
		assert_int_equal(sink_parse(longer, &s, NULL), STATUS_CONFIG);
	}
	assert_string_equal(s.path, "as it was");
	free(longer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_drop)

/* "root": the tests that only root can do; else all the others. */
int main(int argc, char **argv)
{
	const struct CMUnitTest of_root[] = {
		TEST(root_gives_the_file_to_whom_it_belongs),
		TEST(a_planted_file_of_another_owner_is_refused),
		TEST(a_trial_sees_a_mount_point_and_a_full_disk),
	};
	const struct CMUnitTest tests[] = {
		TEST(a_new_file_is_private_and_complete),
		TEST(the_same_again_writes_nothing),
		TEST(a_mode_that_was_opened_is_closed_again),
		TEST(a_mode_that_nobody_set_is_the_present_file_s),
		TEST(a_reader_is_told_of_each_delivery),
		TEST(who_would_end_of_it_gets_no_signal),
		TEST(a_pair_is_replaced_where_it_is),
		TEST(foreign_lines_keep_every_byte),
		TEST(any_foreign_content_survives_any_sequence),
		TEST(libpq_takes_our_line_before_a_foreign_one),
		TEST(a_line_that_does_not_match_leaves_ours_in_place),
		TEST(a_higher_epoch_stays_unless_it_is_overruled),
		TEST(a_password_for_any_database_is_not_shadowed_for_one),
		TEST(a_shell_reads_the_env_block),
		TEST(an_older_epoch_never_replaces_a_newer_one),
		TEST(a_block_that_was_copied_is_replaced_by_one),
		TEST(only_lines_of_the_role_are_taken_for_its_own),
		TEST(every_line_of_a_list_of_hosts_is_replaced),
		TEST(the_line_of_another_user_stays_while_it_is_valid),
		TEST(an_auth_file_has_a_line_of_each_user),
		TEST(a_line_of_pgbouncer_gets_user_and_password),
		TEST(quotes_are_doubled_for_pgbouncer),
		TEST(what_pgbouncer_reads_otherwise_is_not_edited),
		TEST(a_file_of_databases_is_made),
		TEST(what_stands_in_a_file_of_databases_stays),
		TEST(what_pgbouncer_has_no_room_for_is_refused),
		TEST(what_would_count_instead_of_ours_is_passed),
		TEST(a_file_of_one_password_serves_no_second_role),
		TEST(a_damaged_block_is_refused_and_named_by_its_line),
		TEST(an_auth_file_has_the_managed_line_behind_the_user_s_others),
		TEST(libpq_reads_the_section_of_a_service_file),
		TEST(a_section_stands_before_a_foreign_one_of_its_name),
		TEST(settings_behind_a_section_are_never_given_to_another),
		TEST(two_roles_have_two_sections),
		TEST(a_service_file_that_libpq_gives_up_is_refused),
		TEST(what_a_file_holds_can_be_looked_at),
		TEST(a_marker_that_lost_its_line_takes_no_foreign_one),
		TEST(a_withdrawal_without_a_block_changes_nothing),
		TEST(what_is_no_regular_file_is_refused),
		TEST(a_link_in_the_way_to_the_folder_is_refused),
		TEST(a_lock_that_is_a_link_is_refused),
		TEST(a_file_larger_than_a_secret_is_a_limit),
		TEST(what_the_format_refuses_is_not_written),
		TEST(a_mode_that_libpq_ignores_is_refused),
		TEST(who_may_not_give_a_file_away_is_told_so),
		TEST(a_trial_changes_nothing_and_leaves_nothing),
		TEST(a_trial_refuses_what_a_delivery_would),
		TEST(a_folder_that_others_can_write_is_refused),
		TEST(writers_wait_for_each_other),
		TEST(a_folder_is_looked_up_once),
		TEST(a_lock_that_is_never_given_back_is_a_timeout),
		TEST(an_edit_by_somebody_else_is_seen_before_the_write),
		TEST(a_folder_swapped_for_a_link_never_redirects_a_write),
		cmocka_unit_test(a_sink_setting_is_read),
		cmocka_unit_test(a_bad_sink_setting_is_refused_by_a_sentence),
	};

	if (argc == 2 && strcmp(argv[1], "root") == 0)
		return cmocka_run_group_tests(of_root, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
