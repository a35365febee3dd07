/* SPDX-License-Identifier: PostgreSQL */
/* The embedded ledger: what is particular to its file, and that nobody can rewrite
 * it.  What every ledger does is in test_ledger_contract.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../lite/scratch.h"
#include "base/status.h"
#include "crypto/entropy.h"
#include "crypto/sign.h"
#include "ledger/sqlite/sqlite.h"
#include "rig.h"

#define ROLES	10000
#define THREADS 16

static enum status open_with(const char *folder, const char *key,
			     const char *public_key, bool read_only,
			     struct ledger **ret, struct reason *why)
{
	struct ledger_sqlite_options o = {
		.path = scratch_path(folder, "ledger.db"),
		.sign_key_path = key ? scratch_path(folder, key) : NULL,
		.sign_public_path =
			public_key ? scratch_path(folder, public_key) : NULL,
		.create = !read_only,
		.read_only = read_only,
		.now = now_system(),
	};

	return ledger_sqlite_open(&o, ret, why);
}

static struct ledger *must_open(const char *folder)
{
	struct reason why = { "" };
	struct ledger *l = NULL;

	if (open_with(folder, "sign", NULL, false, &l, &why) != STATUS_OK) {
		fprintf(stderr, "open: %s\n", why.text);
		abort();
	}
	return l;
}

static int make_folder(void **state)
{
	struct reason why = { "" };

	*state = scratch_make();
	return sign_key_create(scratch_path(*state, "sign"), &why) != STATUS_OK;
}

static int remove_folder(void **state)
{
	scratch_remove(*state);
	return 0;
}

/* --- the file --------------------------------------------------------------- */

static void a_ledger_of_an_older_keyturn_is_taken_on(void **state)
{
	struct ledger *l = must_open(*state);
	struct ledger_role r;
	struct reason why = { "" };

	assert_int_equal(begin(l, 1, "sap", &why), STATUS_OK);
	assert_int_equal(finish(l, 1, "sap", "OK", false, &why), STATUS_OK);
	l->ops->close(l);
	scratch_sql(scratch_path(*state, "ledger.db"),
		    "ALTER TABLE role DROP COLUMN undelivered_us;"
		    "ALTER TABLE role DROP COLUMN delivered;"
		    "DROP TABLE sighting;"
		    "PRAGMA user_version = 2");
	l = must_open(*state);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_string_equal(r.version, "v");
	assert_int_equal(r.undelivered_us, 0);
	assert_string_equal(r.delivered, "");
	assert_false(r.learnt);
	assert_int_equal(begin(l, 2, "sap", &why), STATUS_OK);
	assert_int_equal(finish(l, 2, "sap", "OK", false, &why), STATUS_OK);
	l->ops->close(l);
}

static enum status count_role(void *arg, const struct ledger_role *role)
{
	unsigned *n = arg;
	char want[32];

	snprintf(want, sizeof want, "role%05u", *n);
	return strcmp(role->role, want) == 0 ? (++*n, STATUS_OK) : STATUS_ERROR;
}

static void ten_thousand_roles_are_read_at_once(void **state)
{
	struct ledger *l = must_open(*state);
	struct timespec a, b;
	struct reason why = { "" };
	unsigned n = 0;
	double ms;

	scratch_sql(scratch_path(*state, "ledger.db"),
		    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 "
		    "FROM n WHERE i < 9999) INSERT INTO role(role) "
		    "SELECT printf('role%05d', i) FROM n");
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(l->ops->roles->each(l, count_role, &n, &why),
			 STATUS_OK);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_int_equal(n, ROLES);
	ms = (double)(b.tv_sec - a.tv_sec) * 1e3 +
	     (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	print_message("%d roles in %.1f ms\n", ROLES, ms);
	assert_true(ms < 1000); /* 100 on a quiet machine without sanitizers */
	l->ops->close(l);
}

/* --- events ----------------------------------------------------------------- */

static int run_python(const char *script, const char *file, bool quiet)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (quiet)
			close(STDERR_FILENO);
		execlp("python3", "python3", "-c", script, file, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Knows nothing of our code: the bytes, SHA-256 and a JSON parser. */
static const char rederive[] =
	"import sys, json, hashlib\n"
	"prev, n = bytes(32), 0\n"
	"for line in open(sys.argv[1], 'rb').read().splitlines():\n"
	"    doc = json.loads(line)\n"
	"    if 'checkpoint' in doc:\n"
	"        assert doc['hash'] == prev.hex() and doc['checkpoint'] == n\n"
	"        continue\n"
	"    body = line[:line.rindex(b',\"seq\":')] + b'}'\n"
	"    own = {k: v for k, v in doc.items()\n"
	"           if k not in ('seq', 'prev', 'hash')}\n"
	"    assert body == json.dumps(own, sort_keys=True, ensure_ascii=False,\n"
	"                              separators=(',', ':')).encode()\n"
	"    assert doc['prev'] == prev.hex()\n"
	"    prev, n = hashlib.sha256(b'\\x01' + prev + body).digest(), n + 1\n"
	"    assert doc['hash'] == prev.hex() and doc['seq'] == n\n"
	"assert n == 14, n\n";

static void another_implementation_re_derives_the_export(void **state)
{
	const char *file = scratch_path(*state, "export");
	struct ledger *l = must_open(*state);
	struct lines x = { .f = NULL };
	struct reason why = { "" };
	unsigned i;

	for (i = 1; i <= 4; i++) {
		assert_int_equal(begin(l, i, "r\xc3\xb6le \"q\\", &why),
				 STATUS_OK);
		assert_int_equal(finish(l, i, "sap", "OK", false, &why),
				 STATUS_OK);
		if (i % 2 == 0)
			assert_int_equal(l->ops->trail->checkpoint(l, &why),
					 STATUS_OK);
	}
	assert_int_equal(l->ops->roles->freeze(l, "sap", "x", "y\n\t\x01z",
					       &why),
			 STATUS_OK);
	assert_int_equal(l->ops->roles->thaw(l, "sap", "x", &why), STATUS_OK);
	x.f = fopen(file, "w");
	assert_int_equal(lines_of(l, &x), 14 + 2);
	fclose(x.f);
	assert_int_equal(run_python(rederive, file, false), 0);
	/* And it would notice. */
	scratch_flip_byte(file, 20);
	assert_int_not_equal(run_python(rederive, file, true), 0);
	l->ops->close(l);
}

/* --- checkpoints and tampering ----------------------------------------------- */

/* Ten events, with checkpoints at 3 and 6. */
static void make_trail(const char *folder)
{
	struct ledger *l = must_open(folder);
	struct reason why = { "" };
	struct id a = id_of(1);
	char detail[16];
	unsigned i;

	for (i = 1; i <= 10; i++) {
		struct audit_event e = step(AUDIT_CLAIM, &a);

		snprintf(detail, sizeof detail, "event %u", i);
		e.detail = detail;
		assert_int_equal(l->ops->trail->note(l, &e, 1, true, &why),
				 STATUS_OK);
		if (i == 3 || i == 6)
			assert_int_equal(l->ops->trail->checkpoint(l, &why),
					 STATUS_OK);
	}
	l->ops->close(l);
}

static void a_whole_trail_verifies_with_the_public_key_alone(void **state)
{
	struct audit_verdict v;
	struct reason why = { "" };
	struct ledger *l = NULL;

	make_trail(*state);
	assert_int_equal(open_with(*state, NULL, "sign.pub", true, &l, &why),
			 STATUS_OK);
	v = verdict(l, STATUS_OK);
	assert_int_equal(v.events, 10);
	assert_int_equal(v.checkpoints, 2);
	assert_int_equal(v.unsigned_tail, 4);
	assert_int_equal(v.bad_event, 0);
	assert_int_equal(strlen(v.head), 64);
	assert_int_equal(l->ops->trail->checkpoint(l, &why), STATUS_REFUSED);
	assert_int_equal(begin(l, 2, "sap", &why), STATUS_LEDGER_UNAVAILABLE);
	l->ops->close(l);
}

static void events_and_checkpoints_are_append_only(void **state)
{
	static const char *const statements[] = {
		"UPDATE event SET body = 'x' WHERE seq = 4",
		"DELETE FROM event WHERE seq = 10",
		"REPLACE INTO event SELECT seq, 'x', hash FROM event "
		"WHERE seq = 4",
		"INSERT INTO event VALUES(12, 'x', x'00')",
		"UPDATE checkpoint SET at_us = 0",
		"DELETE FROM checkpoint",
		"REPLACE INTO checkpoint SELECT seq, 0, hash, signature "
		"FROM checkpoint WHERE seq = 3",
	};
	const char *path = scratch_path(*state, "ledger.db");
	size_t i;

	make_trail(*state);
	for (i = 0; i < sizeof statements / sizeof statements[0]; i++)
		assert_false(scratch_sql_works(path, statements[i]));
}

struct tampering {
	const char *sql;
	int64_t bad;		 /* as verify() names it */
	bool begin_refuses;	 /* seen by the cheap check */
	bool checkpoint_refuses; /* seen from the last checkpoint on */
};

#define NO_TRIGGERS                                               \
	"DROP TRIGGER event_grows; DROP TRIGGER event_stays;"     \
	"DROP TRIGGER event_kept; DROP TRIGGER checkpoint_grows;" \
	"DROP TRIGGER checkpoint_stays; DROP TRIGGER checkpoint_kept;"

static const struct tampering tamperings[] = {
	{ "UPDATE event SET body = replace(body, 'event 2', 'event X') "
	  "WHERE seq = 2",
	  2, false, false },
	{ "UPDATE event SET body = replace(body, 'event 8', 'event X') "
	  "WHERE seq = 8",
	  8, false, true },
	{ "UPDATE event SET body = replace(body, 'event 10', 'event X') "
	  "WHERE seq = 10",
	  10, true, true },
	{ "UPDATE event SET body = CAST(CAST(body AS BLOB) || x'00ff' AS TEXT) "
	  "WHERE seq = 7",
	  7, false, true },
	{ "UPDATE event SET hash = x'00' WHERE seq = 5", 5, false, false },
	{ "DELETE FROM event WHERE seq = 4", 4, false, false },
	{ "DELETE FROM event WHERE seq = 1", 1, false, false },
	{ "DELETE FROM event WHERE seq = 9", 9, true, true },
	/* A gap that no hash tells of. */
	{ "UPDATE event SET seq = seq + 100 WHERE seq > 7", 8, false, true },
	/* Two rows change places. */
	{ "UPDATE event SET seq = -8 WHERE seq = 8;"
	  "UPDATE event SET seq = 8 WHERE seq = 9;"
	  "UPDATE event SET seq = 9 WHERE seq = -8",
	  8, true, true },
	/* The tail is cut below a checkpoint. */
	{ "DELETE FROM event WHERE seq > 4", 5, true, true },
	{ "DELETE FROM event", 1, true, true },
	/* Checkpoints: another time, another signature, another event. */
	{ "UPDATE checkpoint SET at_us = at_us + 1 WHERE seq = 6", 6, true,
	  true },
	{ "UPDATE checkpoint SET signature = zeroblob(64) WHERE seq = 3", 3,
	  false, false },
	{ "UPDATE checkpoint SET signature = x'00' WHERE seq = 6", 6, true,
	  true },
	{ "INSERT INTO checkpoint SELECT 9, at_us, "
	  "(SELECT hash FROM event WHERE seq = 9), signature "
	  "FROM checkpoint WHERE seq = 6",
	  9, true, true },
};

static void tamper_once(const struct tampering *t)
{
	char *folder = NULL;
	struct ledger *l;
	struct reason why = { "" };
	struct audit_verdict v;
	char sentence[64];

	assert_int_equal(make_folder((void **)&folder), 0);
	make_trail(folder);
	scratch_sql(scratch_path(folder, "ledger.db"), NO_TRIGGERS);
	scratch_sql(scratch_path(folder, "ledger.db"), t->sql);
	l = must_open(folder);
	v.bad_event = 0;
	print_message("  %.60s\n", t->sql);
	assert_int_equal(l->ops->trail->verify(l, &v, &why),
			 STATUS_AUDIT_BROKEN);
	assert_int_equal(v.bad_event, t->bad);
	snprintf(sentence, sizeof sentence, "event %" PRId64 ":", t->bad);
	assert_non_null(strstr(why.text, sentence));
	assert_int_equal(begin(l, 99, "sap", &why),
			 t->begin_refuses ? STATUS_AUDIT_BROKEN : STATUS_OK);
	assert_int_equal(l->ops->trail->checkpoint(l, &why),
			 t->checkpoint_refuses ? STATUS_AUDIT_BROKEN :
						 STATUS_OK);
	l->ops->close(l);
	scratch_remove(folder);
}

static void every_kind_of_tampering_is_named_by_its_event(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof tamperings / sizeof tamperings[0]; i++)
		tamper_once(&tamperings[i]);
}

static void a_trail_rewritten_with_good_hashes_fails_its_checkpoint(
	void **state)
{
	const char *a = scratch_path(*state, "ledger.db");
	char *other = NULL;
	struct ledger *l;
	struct audit_verdict v;
	char sql[1024];

	/* Another ledger has a chain that fits in itself; the first one's
	 * checkpoints are kept. */
	make_trail(*state);
	assert_int_equal(make_folder((void **)&other), 0);
	make_trail(other);
	snprintf(sql, sizeof sql,
		 NO_TRIGGERS "ATTACH '%s' AS o; DELETE FROM event;"
			     "INSERT INTO event SELECT * FROM o.event",
		 scratch_path(other, "ledger.db"));
	scratch_sql(a, sql);
	l = must_open(*state);
	v = verdict(l, STATUS_AUDIT_BROKEN);
	assert_int_equal(v.bad_event, 1);
	l->ops->close(l);
	scratch_remove(other);
}

static void checkpoints_of_another_key_are_forged(void **state)
{
	struct reason why = { "" };
	struct ledger *l = NULL;

	make_trail(*state);
	assert_int_equal(sign_key_create(scratch_path(*state, "sign2"), &why),
			 STATUS_OK);
	assert_int_equal(open_with(*state, "sign2", NULL, false, &l, &why),
			 STATUS_OK);
	assert_int_equal(verdict(l, STATUS_AUDIT_BROKEN).bad_event, 3);
	assert_int_equal(l->ops->trail->checkpoint(l, &why),
			 STATUS_AUDIT_BROKEN);
	l->ops->close(l);
}

/* --- bad worlds --------------------------------------------------------------- */

static int full_before(const char *folder, void *arg)
{
	struct reason why = { "" };
	struct ledger *l;

	(void)arg;
	SCRATCH_CHECK(sign_key_create(scratch_path(folder, "sign"), &why) ==
		      STATUS_OK);
	l = must_open(folder);
	scratch_fill(folder);
	SCRATCH_CHECK(begin(l, 1, "sap", &why) == STATUS_LEDGER_UNAVAILABLE);
	SCRATCH_CHECK(strstr(why.text, "no room") != NULL);
	SCRATCH_CHECK(strstr(why.text, "nothing was rotated") != NULL);
	scratch_unfill(folder);
	SCRATCH_CHECK(begin(l, 1, "sap", &why) == STATUS_OK);
	l->ops->close(l);
	return 0;
}

static void a_full_disk_refuses_a_run(void **state)
{
	(void)state;
	assert_int_equal(scratch_on_small_disk(2 << 20, full_before, NULL), 0);
}

static int full_after(const char *folder, void *arg)
{
	struct audit_verdict v;
	struct reason why = { "" };
	struct ledger_role r;
	struct ledger *l;
	struct id a;
	unsigned i;

	(void)arg;
	SCRATCH_CHECK(sign_key_create(scratch_path(folder, "sign"), &why) ==
		      STATUS_OK);
	l = must_open(folder);
	for (i = 1; i <= THREADS; i++)
		SCRATCH_CHECK(begin(l, i, "sap", &why) == STATUS_OK);
	scratch_fill(folder);
	for (i = 1; i <= THREADS; i++) {
		struct audit_event e = step(AUDIT_VERIFY, &a);

		a = id_of(i);
		/* What must be durable before CURRENT moves, and the end. */
		SCRATCH_CHECK(l->ops->trail->note(l, &e, 1, true, &why) ==
			      STATUS_OK);
		SCRATCH_CHECK(finish(l, i, "sap", "OK", false, &why) ==
			      STATUS_OK);
	}
	SCRATCH_CHECK(begin(l, 99, "sap", &why) == STATUS_LEDGER_UNAVAILABLE);
	SCRATCH_CHECK(l->ops->roles->freeze(l, "sap", "uid 0", "full", &why) ==
		      STATUS_OK);
	l->ops->close(l);
	l = must_open(folder);
	SCRATCH_CHECK(l->ops->roles->get(l, "sap", &r, &why) == STATUS_OK);
	SCRATCH_CHECK(r.open_run[0] == '\0' && r.frozen);
	SCRATCH_CHECK(l->ops->trail->verify(l, &v, &why) == STATUS_OK);
	SCRATCH_CHECK(v.events == THREADS * 4 + 1);
	l->ops->close(l);
	return 0;
}

static void a_full_disk_strands_no_run_that_began(void **state)
{
	(void)state;
	assert_int_equal(scratch_on_small_disk(3 << 20, full_after, NULL), 0);
}

static void a_deleted_ledger_is_noticed(void **state)
{
	struct ledger *l = must_open(*state);
	struct reason why = { "" };

	assert_int_equal(begin(l, 1, "sap", &why), STATUS_OK);
	assert_int_equal(unlink(scratch_path(*state, "ledger.db")), 0);
	assert_int_equal(finish(l, 1, "sap", "OK", false, &why),
			 STATUS_LEDGER_UNAVAILABLE);
	assert_non_null(strstr(why.text, "the ledger"));
	assert_non_null(strstr(why.text, "deleted or replaced"));
	assert_int_equal(begin(l, 2, "sap", &why), STATUS_LEDGER_UNAVAILABLE);
	l->ops->close(l);
}

static void a_garbled_ledger_is_said_to_be_damaged(void **state)
{
	const char *path = scratch_path(*state, "ledger.db");
	struct reason why = { "" };
	struct ledger *l = NULL;
	long i;

	make_trail(*state);
	for (i = 0; i < 16; i++)
		scratch_flip_byte(path, i);
	assert_int_equal(open_with(*state, "sign", NULL, false, &l, &why),
			 STATUS_AUDIT_BROKEN);
	assert_non_null(strstr(why.text, "not a database"));
	/* What lies beside it would undo a restore. */
	assert_non_null(strstr(why.text, "remove the -wal and -shm files"));
	assert_null(l);
}

/* --- many at once, and kill -9 -------------------------------------------------- */

struct worker {
	struct ledger *l;
	unsigned id;
	int failed;
};

static void *run_some(void *arg)
{
	struct worker *w = arg;
	struct reason why = { "" };
	char role[16];
	unsigned i;

	snprintf(role, sizeof role, "role%u", w->id);
	for (i = 0; i < 10; i++) {
		unsigned n = w->id * 100 + i;
		struct id id = id_of(n);
		struct audit_event e = step(AUDIT_CLAIM, &id);

		w->failed |= begin(w->l, n, role, &why) != STATUS_OK;
		w->failed |= w->l->ops->trail->note(w->l, &e, 1, i % 2 == 0,
						    &why) != STATUS_OK;
		w->failed |= finish(w->l, n, role, "OK", false, &why) !=
			     STATUS_OK;
	}
	return NULL;
}

static void many_threads_and_two_ledgers_make_one_chain(void **state)
{
	struct ledger *a = must_open(*state), *b = must_open(*state);
	struct worker w[THREADS] = { 0 };
	pthread_t t[THREADS];
	unsigned i;

	for (i = 0; i < THREADS; i++) {
		w[i].l = i % 2 ? a : b;
		w[i].id = i + 1;
		pthread_create(&t[i], NULL, run_some, &w[i]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(w[i].failed, 0);
	}
	assert_int_equal(verdict(a, STATUS_OK).events, THREADS * 10 * 4);
	a->ops->close(a);
	b->ops->close(b);
}

static int rotate_until_killed(const char *folder, void *arg)
{
	struct ledger *l = must_open(folder);
	struct reason why = { "" };
	unsigned n;

	for (n = *(unsigned *)arg;; n++) {
		SCRATCH_CHECK(begin(l, n, "sap", &why) == STATUS_OK);
		SCRATCH_CHECK(finish(l, n, "sap", "OK", false, &why) ==
			      STATUS_OK);
		if (n % 5 == 0)
			SCRATCH_CHECK(l->ops->trail->checkpoint(l, &why) ==
				      STATUS_OK);
	}
}

static enum status count_open(void *arg, const struct ledger_run *run)
{
	*(unsigned *)arg += run->ended_us == 0;
	return STATUS_OK;
}

static void a_killed_writer_leaves_a_valid_chain(void **state)
{
	struct audit_verdict v = { .events = 0 };
	struct reason why = { "" };
	unsigned i, n, open;
	struct ledger_role r;
	struct ledger *l;

	srandom(20261121);
	for (i = 1; i <= 30; i++) {
		n = i * 100000;
		scratch_kill_after(rotate_until_killed, *state, &n,
				   2000 + (unsigned)(random() % 40000));
		l = must_open(*state);
		v = verdict(l, STATUS_OK);
		/* Three events a run that ended, one of a run that did not. */
		open = 0;
		assert_int_equal(l->ops->runs->history(l, NULL, 0, count_open,
						       &open, &why),
				 STATUS_OK);
		assert_int_equal((v.events - open) % 3, 0);
		assert_true(open <= i);
		if (v.events > 0) {
			assert_int_equal(l->ops->roles->get(l, "sap", &r, &why),
					 STATUS_OK);
			assert_int_equal(l->ops->trail->checkpoint(l, &why),
					 STATUS_OK);
		}
		l->ops->close(l);
	}
	assert_true(v.events > 0 && v.checkpoints > 0);
}

#define WITH_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(a_ledger_of_an_older_keyturn_is_taken_on),
		WITH_FOLDER(ten_thousand_roles_are_read_at_once),
		WITH_FOLDER(another_implementation_re_derives_the_export),
		WITH_FOLDER(a_whole_trail_verifies_with_the_public_key_alone),
		WITH_FOLDER(events_and_checkpoints_are_append_only),
		cmocka_unit_test(every_kind_of_tampering_is_named_by_its_event),
		WITH_FOLDER(
			a_trail_rewritten_with_good_hashes_fails_its_checkpoint),
		WITH_FOLDER(checkpoints_of_another_key_are_forged),
		cmocka_unit_test(a_full_disk_refuses_a_run),
		cmocka_unit_test(a_full_disk_strands_no_run_that_began),
		WITH_FOLDER(a_deleted_ledger_is_noticed),
		WITH_FOLDER(a_garbled_ledger_is_said_to_be_damaged),
		WITH_FOLDER(many_threads_and_two_ledgers_make_one_chain),
		WITH_FOLDER(a_killed_writer_leaves_a_valid_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
