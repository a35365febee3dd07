/* SPDX-License-Identifier: PostgreSQL */
/* The durable file: grouped, private, and honest about every bad world. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lite/lite.h"
#include "scratch.h"

#define APP_ID	0x4b543031u
#define THREADS 16
#define WRITES	50
#define RESERVE (256 * 1024)

static const char *const schema[] = {
	"CREATE TABLE t(k INTEGER PRIMARY KEY, v TEXT NOT NULL)",
	"CREATE TABLE u(k INTEGER PRIMARY KEY) STRICT;"
	"CREATE INDEX t_v ON t(v)",
	NULL
};

static enum status open_at(const char *folder, bool create, struct lite **ret,
			   struct reason *why)
{
	struct lite_options o = {
		.path = scratch_path(folder, "x.db"),
		.schema = schema,
		.application_id = APP_ID,
		.create = create,
		.reserve_bytes = RESERVE,
	};

	return lite_open(&o, ret, why);
}

struct row {
	int64_t k;
	const char *v;
	enum status result; /* what the function returns after writing */
	unsigned runs;
};

static enum status insert(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct row *r = arg;
	struct lite_stmt *s = NULL;
	enum status st;

	r->runs++;
	st = lite_prepare(tx, "INSERT INTO t(k, v) VALUES(?1, ?2)", &s, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(s, 1, r->k);
	lite_bind_text(s, 2, r->v);
	st = lite_exec(s, NULL, why);
	return st == STATUS_OK ? r->result : st;
}

static enum status count(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct lite_stmt *s = NULL;
	enum status st;

	st = lite_prepare(tx, "SELECT count(*) FROM t", &s, why);
	if (st == STATUS_OK)
		st = lite_step(s, why);
	if (st == STATUS_OK) {
		*(int64_t *)arg = lite_int(s, 0);
		lite_done(s);
	}
	return st;
}

static int64_t rows(struct lite *db)
{
	struct reason why = { "" };
	int64_t n = -1;

	if (lite_read(db, count, &n, &why) != STATUS_OK)
		fprintf(stderr, "count: %s\n", why.text);
	return n;
}

static int make_folder(void **state)
{
	*state = scratch_make();
	return 0;
}

static int remove_folder(void **state)
{
	scratch_remove(*state);
	return 0;
}

static void what_was_written_is_there_after_reopening(void **state)
{
	struct row a = { .k = 1, .v = "a" }, b = { .k = 2, .v = "b" };
	struct reason why = { "" };
	struct lite *db = NULL;
	struct stat sb;

	assert_int_equal(open_at(*state, false, &db, &why), STATUS_NOT_FOUND);
	assert_int_equal(open_at(*state, true, &db, &why), STATUS_OK);
	assert_int_equal(lite_write(db, insert, &a, &why), STATUS_OK);
	assert_int_equal(lite_write(db, insert, &b, &why), STATUS_OK);
	lite_close(db);
	assert_int_equal(open_at(*state, false, &db, &why), STATUS_OK);
	assert_int_equal(rows(db), 2);
	lite_close(db);
	assert_int_equal(stat(scratch_path(*state, "x.db"), &sb), 0);
	assert_int_equal(sb.st_mode & 07777, 0600);
}

static void a_failed_job_leaves_nothing_and_its_status_comes_back(void **state)
{
	struct row bad = { .k = 1, .v = "a", .result = STATUS_CONFLICT };
	struct row null = { .k = 1, .v = NULL };
	struct reason why = { "" };
	struct lite *db = NULL;

	assert_int_equal(open_at(*state, true, &db, &why), STATUS_OK);
	assert_int_equal(lite_write(db, insert, &bad, &why), STATUS_CONFLICT);
	assert_int_equal(rows(db), 0);
	assert_int_equal(lite_write(db, insert, &null, &why), STATUS_ERROR);
	assert_non_null(strstr(why.text, "NOT NULL"));
	assert_int_equal(rows(db), 0);
	lite_close(db);
}

static enum status scribble(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct row r = { .k = 99, .v = "reader" };

	(void)arg;
	return insert(tx, &r, why);
}

static void a_reader_cannot_write(void **state)
{
	struct reason why = { "" };
	struct lite *db = NULL;

	assert_int_equal(open_at(*state, true, &db, &why), STATUS_OK);
	assert_int_equal(lite_read(db, scribble, NULL, &why), STATUS_DENIED);
	assert_int_equal(rows(db), 0);
	lite_close(db);
}

struct crowd {
	struct lite *db;
	pthread_barrier_t start;
};

struct member {
	struct crowd *crowd;
	int id;
	int failed;
};

/* The others come while it works, also where a commit takes no time because
 * the folder is in memory. */
static enum status insert_slowly(struct lite_tx *tx, void *arg,
				 struct reason *why)
{
	usleep(200);
	return insert(tx, arg, why);
}

/* Every fifth write fails on purpose: it must not take the others along. */
static void *write_many(void *arg)
{
	struct member *m = arg;
	struct reason why;
	enum status want;
	int i;

	pthread_barrier_wait(&m->crowd->start);
	for (i = 0; i < WRITES; i++) {
		struct row r = { .k = m->id * WRITES + i, .v = "x" };

		want = i % 5 == 4 ? STATUS_CONFLICT : STATUS_OK;
		r.result = want;
		if (lite_write(m->crowd->db, insert_slowly, &r, &why) != want)
			m->failed++;
	}
	return NULL;
}

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

/* Commits in the log: frames that carry the size of the database, see
 * https://www.sqlite.org/fileformat2.html#walformat */
static unsigned commits_in_log(const char *wal, uint32_t *ret_restarts)
{
	unsigned char head[32], frame[24];
	FILE *f = fopen(wal, "rb");
	unsigned n = 0;
	uint32_t page;

	assert_non_null(f);
	assert_int_equal(fread(head, sizeof head, 1, f), 1);
	page = be32(head + 8);
	*ret_restarts = be32(head + 12);
	while (fread(frame, sizeof frame, 1, f) == 1 &&
	       memcmp(frame + 8, head + 16, 8) == 0) {
		n += be32(frame + 4) != 0;
		fseek(f, page, SEEK_CUR);
	}
	fclose(f);
	return n;
}

static void writes_of_many_threads_share_commits(void **state)
{
	const char *wal = scratch_path(*state, "x.db-wal");
	struct member members[THREADS] = { 0 };
	pthread_t threads[THREADS];
	struct row first = { .k = -1, .v = "x" };
	struct reason why = { "" };
	uint32_t restarts, again;
	struct crowd crowd;
	unsigned before, after;
	int i;

	assert_int_equal(open_at(*state, true, &crowd.db, &why), STATUS_OK);
	assert_int_equal(lite_write(crowd.db, insert, &first, &why), STATUS_OK);
	before = commits_in_log(wal, &restarts);
	pthread_barrier_init(&crowd.start, NULL, THREADS);
	for (i = 0; i < THREADS; i++) {
		members[i].crowd = &crowd;
		members[i].id = i;
		pthread_create(&threads[i], NULL, write_many, &members[i]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(members[i].failed, 0);
	}
	after = commits_in_log(wal, &again);
	assert_int_equal(again, restarts);
	assert_int_equal(rows(crowd.db), 1 + THREADS * WRITES * 4 / 5);
	print_message("%d writes, %u commits\n", THREADS * WRITES,
		      after - before);
	assert_in_range(after - before, 1, THREADS * WRITES / 3);
	pthread_barrier_destroy(&crowd.start);
	lite_close(crowd.db);
}

/* --- files that must not be trusted -------------------------------------- */

static enum status opens(const char *folder, struct reason *why)
{
	struct lite *db = NULL;
	enum status st = open_at(folder, true, &db, why);

	lite_close(st == STATUS_OK ? db : NULL);
	return st;
}

static void a_file_or_folder_open_to_others_is_refused(void **state)
{
	const char *path = scratch_path(*state, "x.db");
	struct reason why = { "" };

	assert_int_equal(opens(*state, &why), STATUS_OK);
	chmod(path, 0640);
	assert_int_equal(opens(*state, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "chmod 600"));
	chmod(path, 0600);
	chmod(*state, 0770);
	assert_int_equal(opens(*state, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "chmod go-w"));
	chmod(*state, 0700);
	assert_int_equal(opens(*state, &why), STATUS_OK);
}

static void a_symbolic_link_is_refused(void **state)
{
	char path[512], other[512];
	struct reason why = { "" };

	snprintf(path, sizeof path, "%s/x.db", (char *)*state);
	snprintf(other, sizeof other, "%s/y.db", (char *)*state);
	assert_int_equal(opens(*state, &why), STATUS_OK);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(opens(*state, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, path));
}

static void somebody_elses_database_is_refused(void **state)
{
	const char *path = scratch_path(*state, "x.db");
	struct reason why = { "" };

	assert_int_equal(opens(*state, &why), STATUS_OK);
	scratch_sql(path, "PRAGMA application_id=77");
	assert_int_equal(opens(*state, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "something else"));
	scratch_sql(path, "PRAGMA application_id=1263808561;"
			  "PRAGMA user_version=3");
	assert_int_equal(opens(*state, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "newer keyturn"));
}

static void an_older_schema_is_migrated_in_place(void **state)
{
	static const char *const old[] = {
		"CREATE TABLE t(k INTEGER PRIMARY KEY, v TEXT NOT NULL)", NULL
	};
	struct lite_options o = {
		.path = scratch_path(*state, "x.db"),
		.schema = old,
		.application_id = APP_ID,
		.create = true,
	};
	struct row a = { .k = 1, .v = "kept" };
	struct reason why = { "" };
	struct lite *db = NULL;

	assert_int_equal(lite_open(&o, &db, &why), STATUS_OK);
	assert_int_equal(lite_write(db, insert, &a, &why), STATUS_OK);
	lite_close(db);
	assert_int_equal(open_at(*state, false, &db, &why), STATUS_OK);
	assert_int_equal(rows(db), 1);
	lite_close(db);
	scratch_sql(o.path, "INSERT INTO u VALUES(1)");
}

static void fill_rows(const char *folder)
{
	struct reason why = { "" };
	struct lite *db = NULL;
	char value[2000];
	int i;

	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	assert_int_equal(open_at(folder, true, &db, &why), STATUS_OK);
	for (i = 0; i < 40; i++) {
		struct row r = { .k = i, .v = value };

		assert_int_equal(lite_write(db, insert, &r, &why), STATUS_OK);
	}
	lite_close(db);
}

static void a_truncated_or_garbled_file_is_corrupt(void **state)
{
	const char *path = scratch_path(*state, "x.db");
	struct reason why = { "" };
	int fd;

	fill_rows(*state);
	assert_int_equal(truncate(path, 16384), 0);
	assert_int_equal(opens(*state, &why), STATUS_CORRUPT);
	assert_non_null(strstr(why.text, path));
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(opens(*state, &why), STATUS_CORRUPT);
	assert_non_null(strstr(why.text, "truncated"));
	fd = open(path, O_WRONLY);
	assert_int_equal(write(fd, "this is not a database at all\n", 30), 30);
	close(fd);
	assert_int_equal(opens(*state, &why), STATUS_CORRUPT);
	assert_non_null(strstr(why.text, "not a database"));
}

static void damage_inside_is_found_when_opening(void **state)
{
	const char *path = scratch_path(*state, "x.db");
	struct reason why = { "" };
	long offset;

	fill_rows(*state);
	/* The head of every page after the first three. */
	for (offset = 3 * 4096; offset < 12 * 4096; offset += 4096)
		scratch_flip_byte(path, offset);
	assert_int_equal(opens(*state, &why), STATUS_CORRUPT);
	assert_non_null(strstr(why.text, "damaged"));
}

/* --- bad worlds ---------------------------------------------------------- */

static void a_deleted_or_replaced_file_is_noticed(void **state)
{
	static const char *const names[] = { "x.db", "x.db-wal" };
	struct row a = { .k = 1, .v = "a" };
	struct reason why = { "" };
	struct lite *db = NULL;
	char path[512], other[512];
	size_t i;

	snprintf(other, sizeof other, "%s/away", (char *)*state);
	assert_int_equal(open_at(*state, true, &db, &why), STATUS_OK);
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", (char *)*state, names[i]);
		assert_int_equal(rename(path, other), 0);
		assert_int_equal(lite_write(db, insert, &a, &why),
				 STATUS_ERROR);
		assert_non_null(strstr(why.text, "deleted or replaced"));
		assert_non_null(strstr(why.text, path));
		close(open(path, O_CREAT | O_WRONLY, 0600));
		assert_int_equal(lite_write_reserved(db, insert, &a, &why),
				 STATUS_ERROR);
		assert_int_equal(rename(other, path), 0);
	}
	assert_int_equal(a.runs, 0);
	assert_int_equal(lite_write(db, insert, &a, &why), STATUS_OK);
	lite_close(db);
}

static void another_process_with_the_lock_makes_it_busy(void **state)
{
	struct row a = { .k = 1, .v = "a" };
	struct scratch_lock lock;
	struct reason why = { "" };
	struct lite *db = NULL;
	time_t began;

	assert_int_equal(open_at(*state, true, &db, &why), STATUS_OK);
	lock = scratch_lock(scratch_path(*state, "x.db"), 0);
	began = time(NULL);
	assert_int_equal(rows(db), 0); /* readers do not wait */
	assert_int_equal(lite_write(db, insert, &a, &why), STATUS_BUSY);
	assert_in_range(time(NULL) - began, 9, 15);
	assert_non_null(strstr(why.text, "locked by another process"));
	scratch_unlock(lock);
	assert_int_equal(lite_write(db, insert, &a, &why), STATUS_OK);
	lite_close(db);
}

static int cannot_open(const char *folder, void *arg)
{
	struct reason why = { "" };
	struct lite *db = NULL;

	(void)arg;
	SCRATCH_CHECK(open_at(folder, true, &db, &why) == STATUS_DENIED);
	SCRATCH_CHECK(strstr(why.text, folder) != NULL);
	return 0;
}

static void a_read_only_folder_is_denied(void **state)
{
	chmod(*state, 0500);
	if (geteuid() == 0)
		assert_int_equal(chown(*state, 65534, 65534), 0);
	assert_int_equal(scratch_unprivileged(cannot_open, *state, NULL), 0);
}

static int full_disk(const char *folder, void *arg)
{
	struct row big = { .v = arg }, small = { .k = 1000, .v = "outcome" };
	struct reason why = { "" };
	struct lite *db = NULL;
	int64_t before;
	int i;

	SCRATCH_CHECK(open_at(folder, true, &db, &why) == STATUS_OK);
	SCRATCH_CHECK(lite_reserve(db, &why) == STATUS_OK);
	SCRATCH_CHECK(lite_reserve(db, &why) == STATUS_OK);
	scratch_fill(folder);
	for (i = 0; i < 50; i++) {
		big.k = i;
		if (lite_write(db, insert, &big, &why) != STATUS_OK)
			break;
	}
	/* Refused, in words, and nothing of it is there. */
	before = rows(db);
	SCRATCH_CHECK(before == i);
	SCRATCH_CHECK(lite_write(db, insert, &big, &why) == STATUS_LIMIT);
	SCRATCH_CHECK(strstr(why.text, "no room left on the disk") != NULL);
	/* The reserved record goes in all the same. */
	SCRATCH_CHECK(lite_write_reserved(db, insert, &small, &why) ==
		      STATUS_OK);
	SCRATCH_CHECK(rows(db) == before + 1);
	/* And nobody else takes the room that came free. */
	big.v = "tiny";
	SCRATCH_CHECK(lite_write(db, insert, &big, &why) == STATUS_LIMIT);
	SCRATCH_CHECK(lite_reserve(db, &why) == STATUS_LIMIT);
	lite_close(db);
	SCRATCH_CHECK(open_at(folder, true, &db, &why) == STATUS_OK);
	SCRATCH_CHECK(rows(db) == before + 1);
	scratch_unfill(folder);
	SCRATCH_CHECK(lite_reserve(db, &why) == STATUS_OK);
	SCRATCH_CHECK(lite_write(db, insert, &big, &why) == STATUS_OK);
	lite_close(db);
	return 0;
}

static void a_full_disk_refuses_work_but_not_the_reserved_record(void **state)
{
	char value[3000];

	(void)state;
	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	assert_int_equal(scratch_on_small_disk(2 << 20, full_disk, value), 0);
}

static int no_room_to_create(const char *folder, void *arg)
{
	struct reason why = { "" };
	struct lite *db = NULL;

	(void)arg;
	scratch_fill(folder);
	SCRATCH_CHECK(open_at(folder, true, &db, &why) == STATUS_LIMIT);
	scratch_unfill(folder);
	SCRATCH_CHECK(open_at(folder, true, &db, &why) == STATUS_OK);
	lite_close(db);
	return 0;
}

static void a_full_disk_leaves_no_half_made_database(void **state)
{
	(void)state;
	assert_int_equal(
		scratch_on_small_disk(1 << 20, no_room_to_create, NULL), 0);
}

/* --- kill -9 ------------------------------------------------------------- */

struct acks {
	int fd;
	int64_t from;
};

/* Writes two rows a transaction and says so only afterwards. */
static enum status insert_pair(struct lite_tx *tx, void *arg,
			       struct reason *why)
{
	int64_t k = *(int64_t *)arg;
	struct row a = { .k = 2 * k, .v = "a" };
	struct row b = { .k = 2 * k + 1, .v = "b" };
	enum status st = insert(tx, &a, why);

	return st == STATUS_OK ? insert(tx, &b, why) : st;
}

static int write_until_killed(const char *folder, void *arg)
{
	struct acks *acks = arg;
	struct reason why = { "" };
	struct lite *db = NULL;
	int64_t k;

	SCRATCH_CHECK(open_at(folder, true, &db, &why) == STATUS_OK);
	for (k = acks->from;; k++) {
		if (lite_write(db, insert_pair, &k, &why) != STATUS_OK)
			return 1;
		if (write(acks->fd, &k, sizeof k) != sizeof k)
			return 1;
	}
}

static void a_killed_writer_loses_nothing_it_said_was_done(void **state)
{
	struct acks acks = { .from = 0 };
	struct reason why = { "" };
	struct lite *db = NULL;
	int64_t k, acked = 0, n;
	int fds[2], i;

	srandom(20261121);
	for (i = 0; i < 30; i++) {
		assert_int_equal(pipe(fds), 0);
		acks.fd = fds[1];
		scratch_kill_after(write_until_killed, *state, &acks,
				   1000 + (unsigned)(random() % 30000));
		close(fds[1]);
		while (read(fds[0], &k, sizeof k) == sizeof k)
			acked = k + 1;
		close(fds[0]);
		assert_int_equal(open_at(*state, true, &db, &why), STATUS_OK);
		n = rows(db);
		lite_close(db);
		assert_int_equal(n % 2, 0);
		assert_true(n / 2 == acked || n / 2 == acked + 1);
		acks.from = acked = n / 2;
	}
	assert_true(acked > 0);
}

#define WITH_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(what_was_written_is_there_after_reopening),
		WITH_FOLDER(
			a_failed_job_leaves_nothing_and_its_status_comes_back),
		WITH_FOLDER(a_reader_cannot_write),
		WITH_FOLDER(writes_of_many_threads_share_commits),
		WITH_FOLDER(a_file_or_folder_open_to_others_is_refused),
		WITH_FOLDER(a_symbolic_link_is_refused),
		WITH_FOLDER(somebody_elses_database_is_refused),
		WITH_FOLDER(an_older_schema_is_migrated_in_place),
		WITH_FOLDER(a_truncated_or_garbled_file_is_corrupt),
		WITH_FOLDER(damage_inside_is_found_when_opening),
		WITH_FOLDER(a_deleted_or_replaced_file_is_noticed),
		WITH_FOLDER(another_process_with_the_lock_makes_it_busy),
		WITH_FOLDER(a_read_only_folder_is_denied),
		cmocka_unit_test(
			a_full_disk_refuses_work_but_not_the_reserved_record),
		cmocka_unit_test(a_full_disk_leaves_no_half_made_database),
		WITH_FOLDER(a_killed_writer_loses_nothing_it_said_was_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
