/* SPDX-License-Identifier: PostgreSQL */
/*
 * What store.h promises, of every store: the same cases, against the interface
 * only.  Vault and AWS are the doubles of tests/doubles, which need Python with
 * the packages of tests/integration/requirements.txt; without it their cases are
 * skipped.  KEYTURN_TEST_PYTHON names another Python.
 *
 * A new driver is a row of `drivers`.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../simulation/world.h"
#include "../lite/scratch.h"
#include "crypto/entropy.h"
#include "crypto/seal.h"
#include "store/aws/aws.h"
#include "store/local/local.h"
#include "store/vault/vault.h"

#define RING 5

struct driver {
	const char *type;
	struct store *(*start)(void); /* NULL: it cannot be tried here */
	void (*stop)(void);
	bool model;    /* one secret, and of an entry the password only */
	bool compares; /* stage() is compared with the revision, too */
};

static const struct driver *driver; /* whose turn it is */
static struct store *store;	    /* NULL: its cases are skipped */

/* ---- the drivers ------------------------------------------------------- */

static char *folder;

static struct store *start_local(void)
{
	struct store_local_options o = {
		.name = "partners",
		.ring = RING,
		.create = true,
		.now = now_system(),
		.random = entropy_openssl(),
	};
	struct store *s = NULL;

	folder = scratch_make();
	o.path = scratch_path(folder, "store.db");
	o.key_path = scratch_path(folder, "key");
	assert_int_equal(seal_key_create(o.key_path, entropy_openssl(), NULL),
			 STATUS_OK);
	assert_int_equal(store_local_open(&o, &s, NULL), STATUS_OK);
	return s;
}

static void stop_local(void)
{
	scratch_remove(folder);
}

static pid_t child;

static const char *find_python(void)
{
	static const char venv[] = "../venv/bin/python"; /* of ./dev */
	const char *set = getenv("KEYTURN_TEST_PYTHON");

	return set ? set : access(venv, X_OK) == 0 ? venv : "python3";
}

/* The first line that a double prints; false when it does not live. */
static bool start_double(const char *name, char line[512])
{
	const char *top = getenv("srcdir");
	char path[4096];
	FILE *out;
	int fds[2];
	bool said;

	snprintf(path, sizeof(path), "%s/tests/doubles/%s.py", top ? top : ".",
		 name);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		/* By its name Python finds its virtual environment. */
		execlp(find_python(), find_python(), path, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	out = fdopen(fds[0], "r");
	assert_non_null(out);
	said = fgets(line, 512, out) != NULL;
	fclose(out);
	return said;
}

static void stop_double(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static struct store *start_vault(void)
{
	char line[512], address[256], token[256];
	struct store_vault_options o = {
		.name = "partners",
		.addresses = { address },
		.n_addresses = 1,
		.mount = "secret",
		.prefix = "",
		.namespace = "",
		.auth = "token",
		.token_from = "environment",
		.ring = RING,
		.now = now_system(),
		.random = entropy_openssl(),
	};
	struct store *s = NULL;

	if (!start_double("vault", line))
		return NULL;
	assert_int_equal(sscanf(line, "%255s %255s", address, token), 2);
	setenv("VAULT_TOKEN", token, 1);
	assert_int_equal(store_vault_open(&o, &s, NULL), STATUS_OK);
	return s;
}

static struct store *start_aws(void)
{
	char line[512], address[256], id[64], key[256];
	struct store_aws_options o = {
		.name = "partners",
		.region = "eu-central-1",
		.endpoint = address,
		.create = true,
		.announce = true,
		.now = now_system(),
		.random = entropy_openssl(),
	};
	struct store *s = NULL;

	if (!start_double("aws", line))
		return NULL;
	assert_int_equal(sscanf(line, "%255s %63s %255s", address, id, key), 3);
	setenv("AWS_ACCESS_KEY_ID", id, 1);
	setenv("AWS_SECRET_ACCESS_KEY", key, 1);
	assert_int_equal(store_aws_open(&o, &s, NULL), STATUS_OK);
	return s;
}

static struct world world;

static struct store *start_world(void)
{
	world_make(&world, 1);
	return &world.store_if;
}

static struct store *start_labels(void)
{
	struct store *s = start_world();

	world_labels(
		(struct world *)((char *)s - offsetof(struct world, store_if)));
	return s;
}

static void stop_world(void)
{
	world_free(&world);
}

static const struct driver drivers[] = {
	{ "local", start_local, stop_local, false, true },
	{ "vault", start_vault, stop_double, false, true },
	/* PutSecretValue compares nothing: store/aws/aws.h. */
	{ "aws", start_aws, stop_double, false, false },
	{ "simulated", start_world, stop_world, true, true },
	{ "simulated by labels", start_labels, stop_world, true, false },
};

/* ---- what the cases have in common --------------------------------------- */

struct id {
	char s[RANDOM_UUID_SIZE];
};

static struct id new_id(void)
{
	struct id id;

	assert_int_equal(random_uuid(entropy_openssl(), id.s), STATUS_OK);
	return id;
}

/* The secret of a case; the model has one for all. */
struct secret_of {
	char name[64];
	struct store_state state;
};

static void describe(struct secret_of *s)
{
	struct reason why = { "" };
	unsigned i;

	/* Once more when it was from memory, or left something out. */
	for (i = 0; i < 2; i++)
		if (store->ops->describe(store, s->name, &s->state, &why) !=
		    STATUS_OK)
			fail_msg("%s: describe: %s", driver->type, why.text);
	assert_false(s->state.remembered);
}

static struct secret_of begin_case(void)
{
	static unsigned n;
	struct secret_of s;

	if (!store)
		skip();
	snprintf(s.name, sizeof(s.name), "case-%u", ++n);
	describe(&s);
	if (!driver->model) {
		assert_int_equal(s.state.n, 0);
		assert_string_equal(s.state.revision, "");
	}
	return s;
}

static struct store_entry make_entry(const char *password)
{
	struct store_entry e = { .engine = "postgres",
				 .host = "db1.example.com,db2.example.com",
				 .port = "5432",
				 .dbname = "a \"b\" c",
				 .username = "s\xc3\xa4p\\" };

	assert_int_equal(secret_new(128, &e.password), STATUS_OK);
	assert_int_equal(secret_set(e.password, password, strlen(password)),
			 STATUS_OK);
	return e;
}

static enum status stage_at(struct secret_of *s, const char *revision,
			    const struct id *id, const char *password,
			    struct reason *why)
{
	struct store_entry e = make_entry(password);
	enum status st = store->ops->stage(store, s->name, revision, id->s, &e,
					   &s->state, why);

	secret_free(e.password);
	return st;
}

static void stage(struct secret_of *s, const struct id *id,
		  const char *password)
{
	struct reason why = { "" };

	if (stage_at(s, s->state.revision, id, password, &why) != STATUS_OK)
		fail_msg("%s: stage: %s", driver->type, why.text);
}

static void promote(struct secret_of *s, const struct id *id)
{
	struct reason why = { "" };

	if (store->ops->promote(store, s->name, s->state.revision, id->s,
				&s->state, &why) != STATUS_OK)
		fail_msg("%s: promote: %s", driver->type, why.text);
}

static struct id rotate(struct secret_of *s, const char *password)
{
	struct id id = new_id();

	stage(s, &id, password);
	promote(s, &id);
	return id;
}

static void expect_label(struct secret_of *s, const struct id *id,
			 enum store_label label)
{
	const struct store_version *v = store_find_id(&s->state, id->s);

	assert_non_null(v);
	assert_string_equal(store_label_name(v->label),
			    store_label_name(label));
}

/* What is stored under an id is what was staged, byte for byte. */
static void expect_entry(const struct secret_of *s, const struct id *id,
			 const char *password)
{
	struct store_entry e = make_entry(password), is = { .password = NULL };
	struct reason why = { "" };

	if (store->ops->fetch(store, s->name, id->s, &is, &why) != STATUS_OK)
		fail_msg("%s: fetch: %s", driver->type, why.text);
	assert_true(secret_equal(is.password, e.password));
	if (!driver->model) {
		assert_string_equal(is.engine, e.engine);
		assert_string_equal(is.host, e.host);
		assert_string_equal(is.port, e.port);
		assert_string_equal(is.dbname, e.dbname);
		assert_string_equal(is.username, e.username);
	}
	secret_free(is.password);
	secret_free(e.password);
}

/* The model has no sentences. */
static void expect_words(const struct reason *why, const char *words)
{
	if (!driver->model && !strstr(why->text, words))
		fail_msg("%s: \"%s\" is not in \"%s\"", driver->type, words,
			 why->text);
}

/* ---- the cases ----------------------------------------------------------- */

static void a_version_reads_back_as_it_was_staged(void **state)
{
	static const char *const passwords[] = { "p",
						 " two words ",
						 "\"quoted\\\"",
						 "\xc3\xa9\xe2\x82\xac",
						 "{\"password\":\"x\"}",
						 "tab\tand\nline" };
	struct secret_of s = begin_case();
	struct id id;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(passwords) / sizeof(passwords[0]); i++) {
		id = new_id();
		stage(&s, &id, passwords[i]);
		expect_entry(&s, &id, passwords[i]);
		promote(&s, &id);
		expect_entry(&s, &id, passwords[i]);
	}
}

static void labels_move_as_a_rotation_moves_them(void **state)
{
	struct secret_of s = begin_case();
	struct id one = new_id(), two = new_id(), three = new_id();

	(void)state;
	stage(&s, &one, "1");
	expect_label(&s, &one, STORE_LABEL_PENDING);
	promote(&s, &one);
	expect_label(&s, &one, STORE_LABEL_CURRENT);
	assert_null(store_find_label(&s.state, STORE_LABEL_PENDING));
	stage(&s, &two, "2");
	expect_label(&s, &one, STORE_LABEL_CURRENT);
	promote(&s, &two);
	expect_label(&s, &one, STORE_LABEL_PREVIOUS);
	stage(&s, &three, "3");
	promote(&s, &three);
	describe(&s);
	expect_label(&s, &three, STORE_LABEL_CURRENT);
	expect_label(&s, &two, STORE_LABEL_PREVIOUS);
	expect_label(&s, &one, STORE_LABEL_RING);
	expect_entry(&s, &one, "1");
}

static void what_the_writes_tell_is_what_describe_tells(void **state)
{
	struct secret_of s = begin_case();
	struct store_state told;
	const struct store_version *v;
	enum store_label l;

	(void)state;
	rotate(&s, "1");
	rotate(&s, "2");
	told = s.state;
	describe(&s);
	assert_string_equal(told.revision, s.state.revision);
	for (l = STORE_LABEL_PENDING; l <= STORE_LABEL_PREVIOUS; l++) {
		v = store_find_label(&told, l);
		if (!v) {
			assert_null(store_find_label(&s.state, l));
			continue;
		}
		assert_non_null(store_find_label(&s.state, l));
		assert_string_equal(store_find_label(&s.state, l)->id, v->id);
	}
}

static void an_old_revision_is_a_conflict_and_writes_nothing(void **state)
{
	struct secret_of s = begin_case(), before;
	struct id one = rotate(&s, "1"), two = new_id(), three = new_id();
	char old[STORE_REVISION_SIZE];
	struct reason why = { "" };

	(void)state;
	memcpy(old, s.state.revision, sizeof(old));
	rotate(&s, "2");
	stage(&s, &two, "3");
	before = s;
	assert_int_equal(store->ops->promote(store, s.name, old, two.s,
					     &s.state, &why),
			 STATUS_CONFLICT);
	expect_words(&why, "by somebody else");
	if (driver->compares && !driver->model)
		assert_int_equal(store->ops->retire(store, s.name, old, two.s,
						    &s.state, &why),
				 STATUS_CONFLICT);
	if (driver->compares)
		assert_int_equal(stage_at(&s, old, &three, "4", &why),
				 STATUS_CONFLICT);
	describe(&s);
	assert_string_equal(s.state.revision, before.state.revision);
	assert_null(store_find_id(&s.state, three.s));
	expect_label(&s, &two, STORE_LABEL_PENDING);
	expect_entry(&s, &one, "1");
}

static void a_repeat_of_what_happened_is_ok(void **state)
{
	struct secret_of s = begin_case();
	struct id one = new_id(), two = new_id();
	char old[STORE_REVISION_SIZE];
	struct reason why = { "" };

	(void)state;
	stage(&s, &one, "1");
	stage(&s, &one, "1");
	expect_label(&s, &one, STORE_LABEL_PENDING);
	memcpy(old, s.state.revision, sizeof(old));
	promote(&s, &one);
	promote(&s, &one);
	/* Whoever lost the answer still has the revision from before. */
	assert_int_equal(store->ops->promote(store, s.name, old, one.s,
					     &s.state, &why),
			 STATUS_OK);
	expect_label(&s, &one, STORE_LABEL_CURRENT);
	stage(&s, &two, "2");
	assert_int_equal(store->ops->retire(store, s.name, s.state.revision,
					    two.s, &s.state, &why),
			 STATUS_OK);
	assert_int_equal(store->ops->retire(store, s.name, s.state.revision,
					    two.s, &s.state, &why),
			 STATUS_OK);
	assert_null(store_find_label(&s.state, STORE_LABEL_PENDING));
	expect_label(&s, &one, STORE_LABEL_CURRENT);
}

static void an_id_is_never_used_for_another_content(void **state)
{
	struct secret_of s = begin_case();
	struct reason why = { "" };
	struct id one;

	(void)state;
	one = rotate(&s, "1");
	assert_int_equal(stage_at(&s, s.state.revision, &one, "2", &why),
			 STATUS_REFUSED);
	expect_words(&why, "exists with another content: make a new version");
	expect_entry(&s, &one, "1");
}

static void an_unknown_version_is_refused(void **state)
{
	struct secret_of s = begin_case();
	struct store_entry e = { .password = NULL };
	struct id one = rotate(&s, "1"), none = new_id();
	struct reason why = { "" };

	(void)state;
	assert_int_equal(store->ops->fetch(store, s.name, none.s, &e, &why),
			 STATUS_NOT_FOUND);
	assert_null(e.password);
	expect_words(&why, "store partners has no version");
	expect_words(&why, none.s);
	describe(&s);
	assert_int_equal(store->ops->promote(store, s.name, s.state.revision,
					     none.s, &s.state, &why),
			 STATUS_REFUSED);
	expect_words(&why, "store partners has no version");
	describe(&s);
	expect_label(&s, &one, STORE_LABEL_CURRENT);
}

static void a_pending_that_is_superseded_is_kept(void **state)
{
	struct secret_of s = begin_case();
	struct id one = rotate(&s, "1"), two = new_id(), three = new_id();

	(void)state;
	stage(&s, &two, "2");
	stage(&s, &three, "3");
	expect_label(&s, &three, STORE_LABEL_PENDING);
	expect_entry(&s, &two, "2");
	/* It was live after all: a restore brought it back. */
	describe(&s);
	expect_label(&s, &one, STORE_LABEL_CURRENT);
	promote(&s, &two);
	expect_label(&s, &two, STORE_LABEL_CURRENT);
	expect_label(&s, &one, STORE_LABEL_PREVIOUS);
}

static void refuse_retire(struct secret_of *s, const struct id *id,
			  const char *words)
{
	struct secret_of before = *s;
	struct reason why = { "" };

	assert_int_equal(store->ops->retire(store, s->name, s->state.revision,
					    id->s, &s->state, &why),
			 STATUS_REFUSED);
	expect_words(&why, words);
	describe(s);
	assert_string_equal(s->state.revision, before.state.revision);
}

/* AWS leaves AWSPENDING with what was promoted, where it says nothing. */
static void only_what_is_pending_is_retired(void **state)
{
	struct secret_of s = begin_case();
	struct id one = rotate(&s, "1"), two = rotate(&s, "2");

	(void)state;
	refuse_retire(&s, &two, "is current and cannot be retired");
	refuse_retire(&s, &one, "is previous and cannot be retired");
	expect_label(&s, &two, STORE_LABEL_CURRENT);
	expect_label(&s, &one, STORE_LABEL_PREVIOUS);
	promote(&s, &one);
	refuse_retire(&s, &two, "is previous and cannot be retired");
	expect_label(&s, &one, STORE_LABEL_CURRENT);
	expect_label(&s, &two, STORE_LABEL_PREVIOUS);
	expect_entry(&s, &one, "1");
	expect_entry(&s, &two, "2");
}

static void current_goes_back_to_the_previous_one(void **state)
{
	struct secret_of s = begin_case();
	struct id one = rotate(&s, "1"), two = rotate(&s, "2");

	(void)state;
	promote(&s, &one);
	describe(&s);
	expect_label(&s, &one, STORE_LABEL_CURRENT);
	expect_label(&s, &two, STORE_LABEL_PREVIOUS);
	expect_entry(&s, &one, "1");
}

static void withdraw(struct secret_of *s)
{
	struct reason why = { "" };

	if (store->ops->withdraw(store, s->name, s->state.revision, &s->state,
				 &why) != STATUS_OK)
		fail_msg("%s: withdraw: %s", driver->type, why.text);
	describe(s);
}

/* One that has seen CURRENT where it still is, too; in a store that compares labels
 * once CURRENT is a version that it has not seen. */
static void what_was_sent_before_does_not_outlive_a_withdrawal(void **state)
{
	struct secret_of s = begin_case();
	struct id one = rotate(&s, "1"), two = rotate(&s, "2"), again;
	struct reason why = { "" };
	struct store_state before;
	enum status st;

	(void)state;
	describe(&s);
	before = s.state;
	expect_label(&s, &one, STORE_LABEL_PREVIOUS);
	if (store->ops->by_label) {
		again = rotate(&s, "2");
		describe(&s);
		expect_label(&s, &two, STORE_LABEL_PREVIOUS);
	}
	withdraw(&s);
	assert_null(store_find_label(&s.state, STORE_LABEL_PREVIOUS));
	expect_label(&s, &one, STORE_LABEL_RING);
	st = store->ops->promote(store, s.name, before.revision, one.s, NULL,
				 &why);
	assert_int_equal(st, STATUS_CONFLICT);
	describe(&s);
	expect_label(&s, store->ops->by_label ? &again : &two,
		     STORE_LABEL_CURRENT);
	assert_null(store_find_label(&s.state, STORE_LABEL_PREVIOUS));
	/* An older one of a withdrawal is refused, too, and with nothing to
	 * withdraw there is nothing wrong. */
	assert_int_equal(store->ops->withdraw(store, s.name, before.revision,
					      NULL, &why),
			 STATUS_CONFLICT);
	withdraw(&s);
	expect_label(&s, store->ops->by_label ? &again : &two,
		     STORE_LABEL_CURRENT);
}

static void the_ring_keeps_what_a_restore_may_need(void **state)
{
	struct secret_of s = begin_case();
	struct id ids[12];
	char password[8];
	unsigned i;

	(void)state;
	for (i = 0; i < 12; i++) {
		snprintf(password, sizeof(password), "p%u", i);
		ids[i] = rotate(&s, password);
	}
	/* CURRENT, PREVIOUS and the smallest ring. */
	for (i = 12 - (2 + STORE_RING_MIN); i < 12; i++) {
		snprintf(password, sizeof(password), "p%u", i);
		expect_entry(&s, &ids[i], password);
	}
	describe(&s);
	assert_true(s.state.n >= 2 + STORE_RING_MIN);
	assert_true(s.state.n <= STORE_VERSIONS_MAX);
}

static void what_cannot_be_a_name_or_an_id_is_refused(void **state)
{
	struct secret_of s = begin_case(), bad = s;
	struct store_entry e = { .password = NULL };
	char longest[STORE_NAME_SIZE + 1];
	struct id id = new_id(), none = { "not-a-uuid" };
	struct reason why = { "" };

	(void)state;
	bad.name[0] = '\0';
	assert_int_equal(stage_at(&bad, "", &id, "p", &why), STATUS_REFUSED);
	assert_int_equal(store->ops->ready(store, "", &why), STATUS_REFUSED);
	memset(longest, 'a', sizeof(longest)); /* not secret */
	longest[STORE_NAME_SIZE] = '\0';
	assert_int_equal(store->ops->ready(store, longest, &why),
			 STATUS_REFUSED);
	assert_int_equal(stage_at(&s, "", &none, "p", &why), STATUS_REFUSED);
	expect_words(&why, "a version id must be a lower-case UUID");
	assert_int_equal(store->ops->fetch(store, s.name, none.s, &e, &why),
			 STATUS_REFUSED);
	expect_words(&why, "a version id must be a lower-case UUID");
	assert_int_equal(stage_at(&s, "", &id, "", &why), STATUS_REFUSED);
}

static void one_secret_does_not_show_in_another(void **state)
{
	struct secret_of s = begin_case(), other = begin_case();
	struct store_entry e = { .password = NULL };
	struct reason why = { "" };
	struct id id;

	(void)state;
	id = rotate(&s, "1");
	rotate(&other, "2");
	assert_int_equal(store->ops->fetch(store, other.name, id.s, &e, &why),
			 STATUS_NOT_FOUND);
	describe(&other);
	assert_null(store_find_id(&other.state, id.s));
}

static void a_store_is_ready_before_and_after_the_first_rotation(void **state)
{
	struct secret_of s = begin_case();
	struct reason why = { "" };

	(void)state;
	assert_string_equal(store->ops->type, driver->type);
	if (store->ops->canary(store, &why) != STATUS_OK ||
	    store->ops->ready(store, s.name, &why) != STATUS_OK)
		fail_msg("%s: %s", driver->type, why.text);
	rotate(&s, "1");
	if (store->ops->canary(store, &why) != STATUS_OK ||
	    store->ops->ready(store, s.name, &why) != STATUS_OK)
		fail_msg("%s: %s", driver->type, why.text);
}

/* ---- each case for each driver ------------------------------------------- */

static int start(void **state)
{
	(void)state;
	store = driver->start();
	if (!store)
		print_message("%s: its double does not start\n", driver->type);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (store && store->ops->close)
		store->ops->close(store);
	store = NULL;
	driver->stop();
	return 0;
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(a_version_reads_back_as_it_was_staged),
		cmocka_unit_test(labels_move_as_a_rotation_moves_them),
		cmocka_unit_test(what_the_writes_tell_is_what_describe_tells),
		cmocka_unit_test(
			an_old_revision_is_a_conflict_and_writes_nothing),
		cmocka_unit_test(a_repeat_of_what_happened_is_ok),
		cmocka_unit_test(an_unknown_version_is_refused),
		cmocka_unit_test(a_pending_that_is_superseded_is_kept),
		cmocka_unit_test(only_what_is_pending_is_retired),
		cmocka_unit_test(current_goes_back_to_the_previous_one),
		cmocka_unit_test(
			what_was_sent_before_does_not_outlive_a_withdrawal),
		cmocka_unit_test(the_ring_keeps_what_a_restore_may_need),
		cmocka_unit_test(
			a_store_is_ready_before_and_after_the_first_rotation),
	};
	/* The model has one secret, and no names or ids to refuse. */
	const struct CMUnitTest not_of_the_model[] = {
		cmocka_unit_test(an_id_is_never_used_for_another_content),
		cmocka_unit_test(what_cannot_be_a_name_or_an_id_is_refused),
		cmocka_unit_test(one_secret_does_not_show_in_another),
	};
	int failed = 0;

	for (driver = drivers;
	     driver < drivers + sizeof(drivers) / sizeof(drivers[0]);
	     driver++) {
		failed += cmocka_run_group_tests_name(driver->type, all, start,
						      stop);
		if (!driver->model)
			failed += cmocka_run_group_tests_name(
				driver->type, not_of_the_model, start, stop);
	}
	return failed != 0;
}
