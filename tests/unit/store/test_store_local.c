/* SPDX-License-Identifier: PostgreSQL */
/* The embedded store: nothing lost, nothing swapped, nothing in the clear.  What
 * it has in common with the others is in test_store_contract.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lite/scratch.h"
#include "crypto/entropy.h"
#include "crypto/seal.h"
#include "store/local/local.h"

#define RING	 5
#define PASSWORD "Sw0rdfish-is-not-in-the-file"

struct id {
	char s[RANDOM_UUID_SIZE];
};

/* Version n of secret 0 to 9: "0000000s-0000-4000-8000-00000000000n". */
static struct id id_of(unsigned secret, unsigned n)
{
	struct id id;

	snprintf(id.s, sizeof id.s, "%08x-0000-4000-8000-%012x", secret, n);
	return id;
}

static enum status open_ring(const char *folder, const char *key, unsigned ring,
			     struct store **ret, struct reason *why)
{
	struct store_local_options o = {
		.name = "local",
		.path = scratch_path(folder, "store.db"),
		.key_path = scratch_path(folder, key),
		.ring = ring,
		.create = true,
		.now = now_system(),
		.random = entropy_openssl(),
	};

	return store_local_open(&o, ret, why);
}

static enum status open_store(const char *folder, struct store **ret,
			      struct reason *why)
{
	return open_ring(folder, "key", RING, ret, why);
}

static struct store *must_open(const char *folder)
{
	struct reason why = { "" };
	struct store *s = NULL;

	if (open_store(folder, &s, &why) != STATUS_OK) {
		fprintf(stderr, "open: %s\n", why.text);
		abort();
	}
	return s;
}

static struct store_entry entry_of(const char *password)
{
	struct store_entry e = { .engine = "postgres",
				 .host = "db.example.com",
				 .port = "5432",
				 .dbname = "app",
				 .username = "sap" };

	if (secret_new(128, &e.password) != STATUS_OK ||
	    secret_set(e.password, password, strlen(password)) != STATUS_OK)
		abort();
	return e;
}

static enum status stage(struct store *s, const char *name,
			 struct store_state *state, struct id id,
			 const char *password, struct reason *why)
{
	struct store_entry e = entry_of(password);
	enum status st;

	st = s->ops->stage(s, name, state->revision, id.s, &e, state, why);
	secret_free(e.password);
	return st;
}

/* Is version id there with this password? */
static enum status holds(struct store *s, const char *name, struct id id,
			 const char *password, struct reason *why)
{
	struct store_entry e = { .password = NULL };
	enum status st = s->ops->fetch(s, name, id.s, &e, why);

	if (st == STATUS_OK &&
	    (strcmp(secret_bytes(e.password), password) != 0 ||
	     strcmp(e.host, "db.example.com") != 0 ||
	     strcmp(e.username, "sap") != 0 || strcmp(e.port, "5432") != 0 ||
	     strcmp(e.dbname, "app") != 0 || strcmp(e.engine, "postgres") != 0))
		st = STATUS_ERROR;
	secret_free(e.password);
	return st;
}

static enum store_label label_of(const struct store_state *state, struct id id)
{
	const struct store_version *v = store_find_id(state, id.s);

	return v ? v->label : (enum store_label)99;
}

static int make_folder(void **state)
{
	struct reason why = { "" };

	*state = scratch_make();
	return seal_key_create(scratch_path(*state, "key"), entropy_openssl(),
			       &why) != STATUS_OK;
}

static int remove_folder(void **state)
{
	scratch_remove(*state);
	return 0;
}

static void a_staged_version_comes_back_whole_after_reopening(void **state)
{
	struct store *s = must_open(*state);
	struct store_state st = { .n = 9 };
	struct reason why = { "" };
	struct id a = id_of(0, 1);

	assert_int_equal(s->ops->describe(s, "sap", &st, &why), STATUS_OK);
	assert_int_equal(st.n, 0);
	assert_string_equal(st.revision, "");
	assert_int_equal(stage(s, "sap", &st, a, PASSWORD, &why), STATUS_OK);
	assert_int_equal(st.n, 1);
	assert_int_equal(label_of(&st, a), STORE_LABEL_PENDING);
	assert_true(st.versions[0].created_us > 0);
	s->ops->close(s);
	s = must_open(*state);
	assert_int_equal(holds(s, "sap", a, PASSWORD, &why), STATUS_OK);
	assert_int_equal(holds(s, "sap", id_of(0, 2), PASSWORD, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(holds(s, "other", a, PASSWORD, &why),
			 STATUS_NOT_FOUND);
	s->ops->close(s);
}

/* A rotator that was fenced in the database still holds the old revision. */
static void a_pending_staged_again_moves_the_revision(void **state)
{
	struct store *s = must_open(*state);
	struct store_state st = { .n = 0 }, seen, other;
	struct reason why = { "" };

	assert_int_equal(stage(s, "sap", &st, id_of(0, 1), "p", &why),
			 STATUS_OK);
	seen = other = st;
	assert_int_equal(stage(s, "sap", &st, id_of(0, 1), "p", &why),
			 STATUS_OK);
	assert_string_not_equal(st.revision, seen.revision);
	assert_int_equal(st.n, 1);
	assert_int_equal(stage(s, "sap", &other, id_of(0, 2), "q", &why),
			 STATUS_CONFLICT);
	/* Under an old revision it is a repeat, and moves nothing. */
	assert_int_equal(stage(s, "sap", &seen, id_of(0, 1), "p", &why),
			 STATUS_OK);
	assert_string_equal(seen.revision, st.revision);
	s->ops->close(s);
}

static void an_id_is_never_used_for_another_content_or_secret(void **state)
{
	struct store *s = must_open(*state);
	struct store_state st = { .n = 0 }, other = { .n = 0 };
	struct reason why = { "" };
	struct id a = id_of(0, 1);

	assert_int_equal(stage(s, "sap", &st, a, "p", &why), STATUS_OK);
	assert_int_equal(stage(s, "sap", &st, a, "q", &why), STATUS_REFUSED);
	assert_int_equal(holds(s, "sap", a, "p", &why), STATUS_OK);
	assert_int_equal(stage(s, "erp", &other, a, "p", &why), STATUS_REFUSED);
	assert_int_equal(s->ops->describe(s, "erp", &other, &why), STATUS_OK);
	assert_int_equal(other.n, 0);
	s->ops->close(s);
}

static void the_ring_forgets_only_the_oldest_and_no_labelled_one(void **state)
{
	struct store *s = must_open(*state);
	struct store_state st = { .n = 0 };
	struct reason why = { "" };
	unsigned i;

	/* 1 stays CURRENT while 2 to 12 are staged and superseded. */
	assert_int_equal(stage(s, "sap", &st, id_of(0, 1), "p", &why),
			 STATUS_OK);
	assert_int_equal(s->ops->promote(s, "sap", st.revision, id_of(0, 1).s,
					 &st, &why),
			 STATUS_OK);
	for (i = 2; i <= 12; i++)
		assert_int_equal(stage(s, "sap", &st, id_of(0, i), "p", &why),
				 STATUS_OK);
	assert_int_equal(st.n, 1 + 1 + RING);
	assert_int_equal(label_of(&st, id_of(0, 1)), STORE_LABEL_CURRENT);
	assert_int_equal(label_of(&st, id_of(0, 12)), STORE_LABEL_PENDING);
	for (i = 2; i <= 6; i++)
		assert_null(store_find_id(&st, id_of(0, i).s));
	for (i = 7; i <= 11; i++)
		assert_int_equal(label_of(&st, id_of(0, i)), STORE_LABEL_RING);
	assert_string_equal(st.versions[0].id, id_of(0, 12).s);
	/* Live again and then replaced: it is young in the ring. */
	assert_int_equal(s->ops->promote(s, "sap", st.revision, id_of(0, 7).s,
					 &st, &why),
			 STATUS_OK);
	for (i = 13; i <= 15; i++) {
		assert_int_equal(stage(s, "sap", &st, id_of(0, i), "p", &why),
				 STATUS_OK);
		assert_int_equal(s->ops->promote(s, "sap", st.revision,
						 id_of(0, i).s, &st, &why),
				 STATUS_OK);
	}
	assert_int_equal(label_of(&st, id_of(0, 7)), STORE_LABEL_RING);
	assert_null(store_find_id(&st, id_of(0, 8).s));
	s->ops->close(s);
}

/* Failed runs stage versions that never were live: a restored database needs the
 * others. */
static void what_was_never_current_leaves_the_ring_first(void **state)
{
	struct store *s = must_open(*state);
	struct store_state st = { .n = 0 };
	struct reason why = { "" };
	unsigned i;

	for (i = 1; i <= RING + 2; i++) {
		assert_int_equal(stage(s, "sap", &st, id_of(0, i), "p", &why),
				 STATUS_OK);
		assert_int_equal(s->ops->promote(s, "sap", st.revision,
						 id_of(0, i).s, &st, &why),
				 STATUS_OK);
	}
	for (i = 1; i <= 24; i++)
		assert_int_equal(stage(s, "sap", &st, id_of(1, i), "p", &why),
				 STATUS_OK);
	assert_int_equal(st.n, 1 + 2 + RING);
	/* The one that was PENDING until now is kept, and the oldest went. */
	assert_int_equal(label_of(&st, id_of(1, 24)), STORE_LABEL_PENDING);
	assert_int_equal(label_of(&st, id_of(1, 23)), STORE_LABEL_RING);
	assert_null(store_find_id(&st, id_of(1, 22).s));
	assert_null(store_find_id(&st, id_of(0, 1).s));
	for (i = 2; i <= RING; i++)
		assert_int_equal(label_of(&st, id_of(0, i)), STORE_LABEL_RING);
	s->ops->close(s);
}

static void a_ring_out_of_bounds_is_a_configuration_error(void **state)
{
	struct reason why = { "" };
	struct store *s = NULL;

	assert_int_equal(open_ring(*state, "key", 3, &s, &why), STATUS_CONFIG);
	assert_int_equal(open_ring(*state, "key", 65, &s, &why), STATUS_CONFIG);
	assert_int_equal(open_ring(*state, "key", 64, &s, &why), STATUS_OK);
	s->ops->close(s);
}

static void a_full_ring_of_the_largest_size_is_described_whole(void **state)
{
	struct store_state st = { .n = 0 };
	struct reason why = { "" };
	struct store *s = NULL;
	unsigned i;

	assert_int_equal(open_ring(*state, "key", STORE_RING_MAX, &s, &why),
			 STATUS_OK);
	for (i = 1; i <= 2; i++) {
		assert_int_equal(stage(s, "sap", &st, id_of(0, i), "p", &why),
				 STATUS_OK);
		assert_int_equal(s->ops->promote(s, "sap", st.revision,
						 id_of(0, i).s, &st, &why),
				 STATUS_OK);
	}
	for (i = 3; i <= 80; i++)
		assert_int_equal(stage(s, "sap", &st, id_of(0, i), "p", &why),
				 STATUS_OK);
	assert_int_equal(st.n, STORE_VERSIONS_MAX);
	s->ops->close(s);
}

/* --- sealed ---------------------------------------------------------------- */

static int file_holds(const char *path, const char *needle)
{
	size_t n = 0, k = strlen(needle);
	FILE *f = fopen(path, "rb");
	char *all;
	int found;

	if (!f)
		return 0;
	all = calloc(1, 4 << 20);
	n = fread(all, 1, 4 << 20, f);
	fclose(f);
	found = memmem(all, n, needle, k) != NULL;
	free(all);
	return found;
}

static void no_secret_or_login_is_in_the_file(void **state)
{
	struct store *s = must_open(*state);
	struct store_state st = { .n = 0 };
	struct reason why = { "" };
	const char *db = scratch_path(*state, "store.db");
	const char *wal = scratch_path(*state, "store.db-wal");

	assert_int_equal(stage(s, "sap", &st, id_of(0, 1), PASSWORD, &why),
			 STATUS_OK);
	/* The search can find something at all. */
	assert_true(file_holds(wal, id_of(0, 1).s));
	assert_false(file_holds(wal, "Sw0rdfish"));
	assert_false(file_holds(wal, "db.example.com"));
	s->ops->close(s);
	assert_true(file_holds(db, id_of(0, 1).s));
	assert_false(file_holds(db, "Sw0rdfish"));
	assert_false(file_holds(db, "db.example.com"));
}

static void stage_two(const char *folder)
{
	struct store *s = must_open(folder);
	struct store_state st = { .n = 0 };
	struct store_state other = { .n = 0 };
	struct reason why = { "" };

	assert_int_equal(stage(s, "sap", &st, id_of(0, 1), "p", &why),
			 STATUS_OK);
	assert_int_equal(stage(s, "sap", &st, id_of(0, 2), "q", &why),
			 STATUS_OK);
	assert_int_equal(stage(s, "erp", &other, id_of(1, 1), "r", &why),
			 STATUS_OK);
	s->ops->close(s);
}

static void one_flipped_bit_of_a_row_is_corrupt(void **state)
{
	const char *path = scratch_path(*state, "store.db");
	struct reason why = { "" };
	struct store *s;

	stage_two(*state);
	scratch_flip_blob(path, "version", "sealed", "id LIKE '00000000-%1'");
	s = must_open(*state);
	assert_int_equal(holds(s, "sap", id_of(0, 1), "p", &why),
			 STATUS_CORRUPT);
	assert_non_null(strstr(why.text, id_of(0, 1).s));
	assert_int_equal(holds(s, "sap", id_of(0, 2), "q", &why), STATUS_OK);
	s->ops->close(s);
}

static void another_rows_blob_swapped_in_is_corrupt(void **state)
{
	const char *path = scratch_path(*state, "store.db");
	struct reason why = { "" };
	struct store *s;

	stage_two(*state);
	/* Within the secret, then the whole row moved to another secret. */
	scratch_sql(path, "UPDATE version SET sealed = (SELECT sealed FROM "
			  "version WHERE id LIKE '00000000-%2') "
			  "WHERE id LIKE '00000000-%1'");
	s = must_open(*state);
	assert_int_equal(holds(s, "sap", id_of(0, 1), "q", &why),
			 STATUS_CORRUPT);
	assert_int_equal(holds(s, "sap", id_of(0, 2), "q", &why), STATUS_OK);
	s->ops->close(s);
	scratch_sql(path, "UPDATE version SET name = 'sap', label = 0, seq = 9 "
			  "WHERE name = 'erp'");
	s = must_open(*state);
	assert_int_equal(holds(s, "sap", id_of(1, 1), "r", &why),
			 STATUS_CORRUPT);
	s->ops->close(s);
}

static void the_wrong_key_is_found_when_opening(void **state)
{
	struct reason why = { "" };
	struct store *s = NULL;

	stage_two(*state);
	assert_int_equal(seal_key_create(scratch_path(*state, "key2"),
					 entropy_openssl(), &why),
			 STATUS_OK);
	assert_int_equal(open_ring(*state, "key2", RING, &s, &why),
			 STATUS_CORRUPT);
	assert_non_null(strstr(why.text, "key2"));
	assert_null(s);
	/* Nor does it become the right one when the check is taken away. */
	scratch_sql(scratch_path(*state, "store.db"), "DELETE FROM seal_check");
	assert_int_equal(open_ring(*state, "key2", RING, &s, &why),
			 STATUS_CORRUPT);
	assert_non_null(strstr(why.text, "store.db"));
}

/* --- bad worlds ------------------------------------------------------------ */

static void a_truncated_store_is_corrupt_not_empty(void **state)
{
	const char *path = scratch_path(*state, "store.db");
	struct reason why = { "" };
	struct store *s = NULL;

	stage_two(*state);
	assert_int_equal(truncate(path, 8192), 0);
	assert_int_equal(open_store(*state, &s, &why), STATUS_CORRUPT);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(open_store(*state, &s, &why), STATUS_CORRUPT);
	assert_non_null(strstr(why.text, "truncated"));
}

static void a_locked_store_is_unavailable(void **state)
{
	struct scratch_lock lock;
	struct reason why = { "" };
	struct store *s = NULL;

	stage_two(*state);
	lock = scratch_lock(scratch_path(*state, "store.db"), 1);
	assert_int_equal(open_store(*state, &s, &why),
			 STATUS_STORE_UNAVAILABLE);
	assert_non_null(strstr(why.text, "locked by another process"));
	scratch_unlock(lock);
	assert_int_equal(open_store(*state, &s, &why), STATUS_OK);
	s->ops->close(s);
}

static void a_deleted_store_is_noticed(void **state)
{
	struct store *s = must_open(*state);
	struct store_state st = { .n = 0 };
	struct reason why = { "" };

	assert_int_equal(s->ops->canary(s, &why), STATUS_OK);
	assert_int_equal(unlink(scratch_path(*state, "store.db")), 0);
	assert_int_equal(s->ops->canary(s, &why), STATUS_STORE_UNAVAILABLE);
	assert_non_null(strstr(why.text, "deleted or replaced"));
	assert_int_equal(stage(s, "sap", &st, id_of(0, 1), "p", &why),
			 STATUS_STORE_UNAVAILABLE);
	s->ops->close(s);
}

static int read_only_open(const char *folder, void *arg)
{
	struct reason why = { "" };
	struct store *s = NULL;

	(void)arg;
	SCRATCH_CHECK(open_store(folder, &s, &why) == STATUS_REFUSED);
	SCRATCH_CHECK(strstr(why.text, "store local") != NULL);
	return 0;
}

static void a_read_only_folder_is_refused(void **state)
{
	stage_two(*state);
	chmod(*state, 0500);
	if (geteuid() == 0) {
		const char *names[] = { "store.db", "store.db.reserve", "key",
					"." };
		size_t i;

		for (i = 0; i < 4; i++)
			assert_int_equal(chown(scratch_path(*state, names[i]),
					       65534, 65534),
					 0);
	}
	assert_int_equal(scratch_unprivileged(read_only_open, *state, NULL), 0);
}

static int full_disk(const char *folder, void *arg)
{
	struct store_state st = { .n = 0 }, before;
	struct reason why = { "" };
	struct store *s = NULL;
	unsigned i;

	(void)arg;
	SCRATCH_CHECK(seal_key_create(scratch_path(folder, "key"),
				      entropy_openssl(), &why) == STATUS_OK);
	s = must_open(folder);
	SCRATCH_CHECK(s->ops->canary(s, &why) == STATUS_OK);
	SCRATCH_CHECK(stage(s, "sap", &st, id_of(0, 1), "p", &why) ==
		      STATUS_OK);
	scratch_fill(folder);
	before = st;
	/* The log may have room left: stage until there is none. */
	for (i = 2; i < 500; i++)
		if (stage(s, "sap", &st, id_of(0, i), "p", &why) != STATUS_OK)
			break;
	SCRATCH_CHECK(i < 500);
	SCRATCH_CHECK(stage(s, "sap", &st, id_of(0, i), "p", &why) ==
		      STATUS_REFUSED);
	SCRATCH_CHECK(strstr(why.text, "no room left") != NULL);
	before = st;
	/* What was staged can still be promoted. */
	SCRATCH_CHECK(s->ops->promote(s, "sap", before.revision,
				      before.versions[0].id, &st,
				      &why) == STATUS_OK);
	SCRATCH_CHECK(s->ops->canary(s, &why) == STATUS_REFUSED);
	s->ops->close(s);
	s = must_open(folder);
	SCRATCH_CHECK(s->ops->describe(s, "sap", &st, &why) == STATUS_OK);
	SCRATCH_CHECK(st.versions[0].label == STORE_LABEL_CURRENT);
	scratch_unfill(folder);
	SCRATCH_CHECK(s->ops->canary(s, &why) == STATUS_OK);
	s->ops->close(s);
	return 0;
}

static void a_full_disk_refuses_staging_but_not_promotion(void **state)
{
	(void)state;
	assert_int_equal(scratch_on_small_disk(2 << 20, full_disk, NULL), 0);
}

static void the_canary_leaves_nothing_behind(void **state)
{
	struct store *s = must_open(*state);
	struct reason why = { "" };

	assert_int_equal(s->ops->canary(s, &why), STATUS_OK);
	s->ops->close(s);
	/* A row would break this rule of the file. */
	scratch_sql(scratch_path(*state, "store.db"),
		    "CREATE TEMP TABLE none(n CHECK(n = 0));"
		    "INSERT INTO none SELECT count(*) FROM canary");
}

/* --- kill -9 --------------------------------------------------------------- */

static int rotate_until_killed(const char *folder, void *arg)
{
	struct store *s = must_open(folder);
	struct store_state st;
	struct reason why = { "" };
	struct id id;
	unsigned secret;

	(void)arg;
	for (secret = 0;; secret = (secret + 1) % 3) {
		char name[8] = { (char)('a' + secret), '\0' };

		SCRATCH_CHECK(s->ops->describe(s, name, &st, &why) ==
			      STATUS_OK);
		SCRATCH_CHECK(random_uuid(entropy_openssl(), id.s) ==
			      STATUS_OK);
		SCRATCH_CHECK(stage(s, name, &st, id, id.s, &why) == STATUS_OK);
		SCRATCH_CHECK(s->ops->promote(s, name, st.revision, id.s, &st,
					      &why) == STATUS_OK);
	}
}

/* Every version opens and holds what was staged under its id; the labels are
 * those of some moment between two writes. */
static void check_whole(struct store *s, const char *name)
{
	struct store_state st;
	struct reason why = { "" };
	unsigned count[4] = { 0 };
	struct id id;
	size_t i;

	assert_int_equal(s->ops->describe(s, name, &st, &why), STATUS_OK);
	for (i = 0; i < st.n; i++) {
		memcpy(id.s, st.versions[i].id, sizeof id.s);
		assert_int_equal(holds(s, name, id, id.s, &why), STATUS_OK);
		count[st.versions[i].label]++;
	}
	assert_true(count[STORE_LABEL_RING] <= RING);
	assert_true(count[STORE_LABEL_PENDING] <= 1);
	assert_true(count[STORE_LABEL_CURRENT] <= 1);
	assert_true(count[STORE_LABEL_PREVIOUS] <= count[STORE_LABEL_CURRENT]);
}

static void a_killed_writer_leaves_every_secret_whole(void **state)
{
	struct store_state st;
	struct reason why = { "" };
	struct store *s;
	int i;

	srandom(20261121);
	for (i = 0; i < 30; i++) {
		scratch_kill_after(rotate_until_killed, *state, NULL,
				   2000 + (unsigned)(random() % 40000));
		s = must_open(*state);
		check_whole(s, "a");
		check_whole(s, "b");
		check_whole(s, "c");
		s->ops->close(s);
	}
	s = must_open(*state);
	assert_int_equal(s->ops->describe(s, "a", &st, &why), STATUS_OK);
	assert_true(st.n > 2);
	s->ops->close(s);
}

#define WITH_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(a_staged_version_comes_back_whole_after_reopening),
		WITH_FOLDER(a_pending_staged_again_moves_the_revision),
		WITH_FOLDER(an_id_is_never_used_for_another_content_or_secret),
		WITH_FOLDER(
			the_ring_forgets_only_the_oldest_and_no_labelled_one),
		WITH_FOLDER(what_was_never_current_leaves_the_ring_first),
		WITH_FOLDER(a_ring_out_of_bounds_is_a_configuration_error),
		WITH_FOLDER(a_full_ring_of_the_largest_size_is_described_whole),
		WITH_FOLDER(no_secret_or_login_is_in_the_file),
		WITH_FOLDER(one_flipped_bit_of_a_row_is_corrupt),
		WITH_FOLDER(another_rows_blob_swapped_in_is_corrupt),
		WITH_FOLDER(the_wrong_key_is_found_when_opening),
		WITH_FOLDER(a_truncated_store_is_corrupt_not_empty),
		WITH_FOLDER(a_locked_store_is_unavailable),
		WITH_FOLDER(a_deleted_store_is_noticed),
		WITH_FOLDER(a_read_only_folder_is_refused),
		cmocka_unit_test(a_full_disk_refuses_staging_but_not_promotion),
		WITH_FOLDER(the_canary_leaves_nothing_behind),
		WITH_FOLDER(a_killed_writer_leaves_every_secret_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
