/* SPDX-License-Identifier: PostgreSQL */
/* The parts of the Vault store that need no Vault: settings, and what the two
 * documents of a secret mean together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../http/peer.h"
#include "crypto/entropy.h"
#include "store/vault/view.h"

#define A "11111111-1111-4111-8111-111111111111"
#define B "22222222-2222-4222-8222-222222222222"
#define C "33333333-3333-4333-8333-333333333333"

static struct store_vault_options good(void)
{
	return (struct store_vault_options){
		.name = "partners",
		.addresses = { "https://vault.example.com:8200" },
		.n_addresses = 1,
		.mount = "secret",
		.prefix = "",
		.namespace = "",
		.auth = "token",
		.token_from = "environment",
		.ring = STORE_RING_DEFAULT,
		.now = now_system(),
		.random = entropy_openssl(),
	};
}

static void opens(const struct store_vault_options *o)
{
	struct reason why = { "" };
	struct store *s = NULL;

	if (store_vault_open(o, &s, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	assert_string_equal(s->name, "partners");
	assert_string_equal(s->ops->type, "vault");
	s->ops->close(s);
}

static void refused(const struct store_vault_options *o, const char *words)
{
	struct reason why = { "" };
	struct store *s = NULL;

	assert_int_equal(store_vault_open(o, &s, &why), STATUS_CONFIG);
	assert_null(s);
	assert_ptr_equal(strstr(why.text, "store partners"), why.text);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, why.text);
}

static void an_address_is_https_or_loopback_and_nothing_else(void **state)
{
	static const struct {
		const char *address, *words;
	} bad[] = {
		{ "vault.example.com:8200", "https://" },
		{ "http://vault.example.com:8200", "in the clear" },
		{ "http://127.0.0.1.example.com", "in the clear" },
		{ "https://vault.example.com/v1", "behind the host" },
		{ "https://vault.example.com?a=b", "behind the host" },
		{ "ftp://vault.example.com", "https://" },
		{ "https://", "host" },
		{ "https://me:hush@vault.example.com", "user or a password" },
	};
	static const char *const fine[] = { "https://vault.example.com",
					    "https://vault.example.com:8200/",
					    "http://127.0.0.1:8200",
					    "http://[::1]:8200",
					    "http://localhost:8200" };
	struct store_vault_options o = good();
	struct reason why = { "" };
	struct store *s = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		o.addresses[0] = bad[i].address;
		refused(&o, bad[i].words);
		store_vault_open(&o, &s, &why);
		assert_null(strstr(why.text, "hush"));
	}
	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		o.addresses[0] = fine[i];
		opens(&o);
	}
	o.n_addresses = 0;
	refused(&o, "address is not set");
}

static void each_of_several_addresses_is_looked_at(void **state)
{
	struct store_vault_options o = good();

	(void)state;
	o.n_addresses = 2;
	o.addresses[1] = "https://standby.example.com:8200";
	opens(&o);
	o.addresses[1] = "http://standby.example.com:8200";
	refused(&o, "in the clear");
}

static void a_ring_a_mount_and_a_prefix_have_their_bounds(void **state)
{
	struct store_vault_options o = good();

	(void)state;
	o.ring = STORE_RING_MIN - 1;
	refused(&o, "ring");
	o.ring = STORE_RING_MAX + 1;
	refused(&o, "ring");
	o = good();
	o.mount = "";
	refused(&o, "mount");
	o.mount = "/secret";
	refused(&o, "mount");
	o.mount = "team/kv/";
	opens(&o);
	o.prefix = "/partners";
	refused(&o, "prefix");
	o.prefix = "../other/";
	refused(&o, "prefix");
	o.prefix = "a//b/";
	refused(&o, "prefix");
	o.prefix = "partners/";
	opens(&o);
}

static void a_method_says_what_it_needs(void **state)
{
	struct store_vault_options o = good();

	(void)state;
	o.token_from = "";
	refused(&o, "token_file");
	o.token_from = "relative/path";
	refused(&o, "absolute path");
	o = good();
	o.auth = "approle";
	o.secret_id_from = "/etc/secret-id";
	refused(&o, "role_id");
	o.role_id = "x";
	opens(&o);
	o.secret_id_wrapped = true;
	refused(&o, "auth_role");
	o.auth_role = "rotator";
	opens(&o);
	o = good();
	o.auth = "kubernetes";
	o.auth_role = "rotator";
	refused(&o, "jwt_file");
	o.jwt_from = "environment"; /* a token's only */
	refused(&o, "absolute path or credential:NAME");
	o = good();
	o.auth = "cert";
	refused(&o, "client_cert");
	o.auth = "ldap";
	refused(&o, "no auth = ldap");
}

/* ---- views ------------------------------------------------------------- */

/* B holds A, B and C, newest first; the secret names B, and before it A. */
static struct store_vault_view three(void)
{
	return (struct store_vault_view){
		.name = "sap",
		.a_version = 7,
		.b_version = 9,
		.current = B,
		.previous = A,
		.pending = C,
		.current_in_b = true,
		.n = 3,
		.order = { { .id = C, .created_us = 3 },
			   { .id = B, .created_us = 2 },
			   { .id = A, .created_us = 1 } },
	};
}

static void the_secret_names_current_and_previous_the_record_pending(
	void **state)
{
	struct store_vault_view w = three();
	struct store_state s;

	(void)state;
	store_vault_view_state(&w, &s);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.versions[0].id, C);
	assert_int_equal(s.versions[0].label, STORE_LABEL_PENDING);
	assert_int_equal(s.versions[0].created_us, 3);
	assert_int_equal(s.versions[1].label, STORE_LABEL_CURRENT);
	assert_int_equal(s.versions[2].label, STORE_LABEL_PREVIOUS);
	assert_string_equal(s.revision, "7.9");
	assert_string_equal(s.note, "");
	assert_false(s.remembered);
}

static void what_the_secret_names_is_not_pending_any_more(void **state)
{
	struct store_vault_view w = three();
	struct store_state s;

	(void)state;
	memcpy(w.current, C, sizeof(C));
	memcpy(w.previous, B, sizeof(B));
	assert_false(store_vault_view_pending(&w, C));
	store_vault_view_state(&w, &s);
	assert_int_equal(store_find_id(&s, C)->label, STORE_LABEL_CURRENT);
	assert_int_equal(store_find_id(&s, A)->label, STORE_LABEL_RING);
	/* Pointed back at A, as after a restore: still not pending. */
	memcpy(w.current, A, sizeof(A));
	memcpy(w.previous, C, sizeof(C));
	assert_false(store_vault_view_pending(&w, C));
}

static void a_current_that_the_record_lost_comes_first(void **state)
{
	struct store_vault_view w = three();
	struct store_state s;

	(void)state;
	w.n = 0;
	w.pending[0] = w.previous[0] = '\0';
	w.current_in_b = false;
	w.a_created_us = 5;
	store_vault_view_state(&w, &s);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.versions[0].id, B);
	assert_int_equal(s.versions[0].label, STORE_LABEL_CURRENT);
	assert_int_equal(s.versions[0].created_us, 5);
}

static void a_deleted_current_shows_nothing_until_a_command(void **state)
{
	struct store_vault_view w = three();
	struct store_state s;

	(void)state;
	w.a_deleted = true;
	w.current[0] = '\0';
	store_vault_view_state(&w, &s);
	assert_int_equal(s.n, 0);
	assert_non_null(strstr(s.note, "deleted (version 7)"));
	assert_string_equal(s.revision, "7d.9");
	/* An emergency staged: it may be written over, this version of it. */
	w.b_replaces = 7;
	store_vault_view_state(&w, &s);
	assert_int_equal(s.n, 3);
	assert_null(store_find_label(&s, STORE_LABEL_CURRENT));
	w.b_replaces = 6;
	assert_true(store_vault_view_halted(&w));
}

static void nothing_stored_has_no_revision(void **state)
{
	struct store_vault_view w = { .name = "sap" };
	struct store_state s;

	(void)state;
	store_vault_view_state(&w, &s);
	assert_int_equal(s.n, 0);
	assert_string_equal(s.revision, "");
	w.b_version = 1;
	w.b_deleted = true;
	store_vault_view_state(&w, &s);
	assert_string_equal(s.revision, "0.1d");
}

static void a_name_cannot_reach_into_the_records(void **state)
{
	static const char *const bad[] = {
		"", "a/b", ".keyturn", "a.", "a\nb", "a\x7f", "\xff", "../sap"
	};
	struct store_vault v = { .name = (char *)"partners" };
	char longest[STORE_NAME_SIZE + 1];
	struct reason why = { "" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(store_vault_view_check(&v, bad[i], NULL, &why),
				 STATUS_REFUSED);
	memset(longest, 'a', sizeof(longest)); /* not secret */
	longest[STORE_NAME_SIZE] = '\0';
	assert_int_equal(store_vault_view_check(&v, longest, NULL, &why),
			 STATUS_REFUSED);
	longest[STORE_NAME_SIZE - 1] = '\0';
	assert_int_equal(store_vault_view_check(&v, longest, A, &why),
			 STATUS_OK);
	assert_int_equal(store_vault_view_check(&v, "sap", "no-uuid", &why),
			 STATUS_REFUSED);
}

/* ---- what a process remembers ------------------------------------------ */

static struct store_entry entry(const char *password)
{
	struct store_entry e = { .username = "sap" };

	assert_int_equal(secret_new(64, &e.password), STATUS_OK);
	assert_int_equal(secret_set(e.password, password, strlen(password)),
			 STATUS_OK);
	return e;
}

static void what_is_held_is_for_its_own_version_until_released(void **state)
{
	struct store_vault_options o = good();
	struct store_entry in = entry("hold-me-for-a-moment"), out;
	struct store_vault_view w;
	struct store *s = NULL;
	struct store_vault *v;

	(void)state;
	assert_int_equal(store_vault_open(&o, &s, NULL), STATUS_OK);
	v = (struct store_vault *)s;
	store_vault_known_hold(v, "sap", A, &in, 9);
	assert_int_equal(store_vault_known_held(v, "sap", B, &out),
			 STATUS_NOT_FOUND);
	assert_int_equal(store_vault_known_held(v, "erp", A, &out),
			 STATUS_NOT_FOUND);
	assert_int_equal(store_vault_known_held(v, "sap", A, &out), STATUS_OK);
	assert_true(secret_equal(in.password, out.password));
	assert_ptr_not_equal(in.password, out.password);
	secret_free(out.password);
	store_vault_known_load(v, "sap", &w);
	assert_string_equal(w.staged, A);
	assert_int_equal(w.staged_version, 9);
	store_vault_known_release(v, "sap");
	assert_int_equal(store_vault_known_held(v, "sap", A, &out),
			 STATUS_NOT_FOUND);
	secret_free(in.password);
	s->ops->close(s);
}

static void after_a_write_of_unknown_outcome_nothing_is_known(void **state)
{
	struct store_vault_options o = good();
	struct store_vault_view w = three();
	struct store *s = NULL;
	struct store_vault *v;

	(void)state;
	assert_int_equal(store_vault_open(&o, &s, NULL), STATUS_OK);
	v = (struct store_vault *)s;
	store_vault_known_save(v, &w, 1000);
	store_vault_known_load(v, "sap", &w);
	assert_true(w.known);
	assert_string_equal(w.current, B);
	assert_int_equal(w.remember_until, 1000);
	store_vault_known_forget(v, "sap");
	store_vault_known_load(v, "sap", &w);
	assert_false(w.known);
	s->ops->close(s);
}

/* ---- the life of a token ------------------------------------------------ */

/* A clock that stands still until a test or a wait moves it. */
static int64_t clock_us;

static int64_t standing(void *self)
{
	(void)self;
	return 1000 * NOW_SECOND + clock_us;
}

static void pass_by(void *self, int64_t us)
{
	(void)self;
	clock_us += us;
}

static const struct now standing_clock = { .wall_us = standing,
					   .boot_us = standing,
					   .sleep_us = pass_by };

#define ANSWER(code, body)                                                  \
	{                                                                   \
		PEER_ANSWER, "HTTP/1.1 " code " X\r\nContent-Length: " body \
	}
#define LENGTH(n) n "\r\n\r\n"
#define TOKEN(name)                                                      \
	ANSWER("200", LENGTH("70") "{\"auth\":{\"client_token\":\"" name \
				   "\",\"lease_duration\":60,"           \
				   "\"renewable\":true}}  ")
#define MOUNT                                                                \
	ANSWER("200", LENGTH("50") "{\"data\":{\"type\":\"kv\",\"options\":" \
				   "{\"version\":\"2\"}}}  ")
#define NOTHING	 ANSWER("404", LENGTH("13") "{\"errors\":[]}")
#define DENIED	 ANSWER("403", LENGTH("13") "{\"errors\":[]}")
#define SEALED	 ANSWER("503", LENGTH("13") "{\"errors\":[]}")
#define DESCRIBE NOTHING, NOTHING /* secret and record */

/* What a request asked: "POST /v1/auth/approle/login", and with which token. */
static void asked(struct peer *p, unsigned i, const char *line,
		  const char *token)
{
	const char *request = peer_request(p, i);
	char header[64];

	if (strncmp(request, line, strlen(line)) != 0)
		fail_msg("request %u is %.60s, not %s", i, request, line);
	if (!token) {
		assert_null(strstr(request, "X-Vault-Token"));
		return;
	}
	snprintf(header, sizeof(header), "X-Vault-Token: %s\r\n", token);
	if (!strstr(request, header))
		fail_msg("request %u has another token than %s", i, token);
	assert_non_null(strstr(request, "X-Vault-Request: true\r\n"));
}

static void a_token_is_renewed_in_time_and_serves_until_it_ends(void **state)
{
	static const struct peer_step steps[] = {
		TOKEN("one"), MOUNT,	DESCRIBE, /* 0: a login */
		TOKEN("one"), DESCRIBE, /* 4: renewed after two thirds */
		DENIED,	      SEALED,	SEALED,	  SEALED, DESCRIBE, /* 7 */
		DESCRIBE,		/* 13: and not tried again at once */
		TOKEN("two"), DESCRIBE, /* 15: over; a login */
	};
	struct store_vault_options o = good();
	struct peer *p = peer_start(&(struct peer_options){
		.steps = steps, .n_steps = sizeof(steps) / sizeof(steps[0]) });
	char address[64], path[] = "/tmp/keyturn-secret-id-XXXXXX";
	struct store_state s;
	struct reason why = { "" };
	struct store *store = NULL;
	static const int64_t waits[] = { 0, 41, 41, 0, 20 };
	int fd = mkstemp(path);
	size_t i;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hush", 4), 4);
	close(fd);
	snprintf(address, sizeof(address), "http://127.0.0.1:%d", peer_port(p));
	o.addresses[0] = address;
	o.auth = "approle";
	o.role_id = "role";
	o.secret_id_from = path;
	o.now = &standing_clock;
	assert_int_equal(store_vault_open(&o, &store, &why), STATUS_OK);
	for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		clock_us += waits[i] * NOW_SECOND;
		if (store->ops->describe(store, "sap", &s, &why) != STATUS_OK)
			fail_msg("describe %zu: %s", i, why.text);
		assert_string_equal(why.text, "");
	}
	asked(p, 0, "POST /v1/auth/approle/login", NULL);
	asked(p, 1, "GET /v1/sys/internal/ui/mounts/secret", "one");
	asked(p, 2, "GET /v1/secret/data/sap", "one");
	asked(p, 4, "POST /v1/auth/token/renew-self", "one");
	asked(p, 7, "POST /v1/auth/token/renew-self", "one");
	asked(p, 8, "POST /v1/auth/approle/login", NULL);
	asked(p, 11, "GET /v1/secret/data/sap", "one");
	asked(p, 13, "GET /v1/secret/data/sap", "one");
	asked(p, 15, "POST /v1/auth/approle/login", NULL);
	asked(p, 16, "GET /v1/secret/data/sap", "two");
	peer_stop(p);
	store->ops->close(store);
	unlink(path);
}

/* ---- what opens once ---------------------------------------------------- */

#define BODY(length, code, text)                                              \
	{                                                                     \
		PEER_ANSWER, "HTTP/1.1 " code " X\r\nContent-Length: " length \
			     "\r\n\r\n" text                                  \
	}
#define WRAP_INFO(length, token, accessor, ttl, path)        \
	BODY(length, "200",                                  \
	     "{\"wrap_info\":{\"token\":\"" token            \
	     "\",\"accessor\":\"" accessor "\",\"ttl\":" ttl \
	     ",\"creation_path\":\"" path "\"}}")
#define NO_ACCESSOR BODY("31", "400", "{\"errors\":[\"invalid accessor\"]}")
#define BAD_TOKEN   BODY("24", "403", "{\"errors\":[\"bad token\"]}")
#define MAY_NOT	    BODY("32", "403", "{\"errors\":[\"permission denied\"]}")
#define LOOKED_UP   BODY("25", "200", "{\"data\":{\"num_uses\":1  }}")
#define SELF	    BODY("21", "200", "{\"data\":{\"ttl\":0   }}")

static struct store *open_at(struct peer *p)
{
	struct store_vault_options o = good();
	struct reason why = { "" };
	struct store *store = NULL;
	char address[64];

	snprintf(address, sizeof(address), "http://127.0.0.1:%d", peer_port(p));
	o.addresses[0] = address;
	setenv("VAULT_TOKEN", "mine", 1);
	if (store_vault_open(&o, &store, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return store;
}

static struct peer *serve(const struct peer_step *steps, size_t n)
{
	return peer_start(
		&(struct peer_options){ .steps = steps, .n_steps = n });
}

static void what_is_wrapped_is_asked_for_with_its_life(void **state)
{
	static const struct peer_step steps[] = {
		SELF, WRAP_INFO("102", "hvs.one-A_1", "acc.1", "600",
				"sys/wrapping/wrap")
	};
	struct peer *p = serve(steps, sizeof(steps) / sizeof(steps[0]));
	struct store *store = open_at(p);
	struct store_entry e = {
		.host = "db", .port = "5432", .dbname = "crm", .username = "sap"
	};
	struct store_wrapped w = { .token = NULL };
	struct reason why = { "" };

	(void)state;
	assert_int_equal(secret_from("pass\"word", 9, &e.password), STATUS_OK);
	if (store_wrap(store, A, &e, 600, &w, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	asked(p, 1, "POST /v1/sys/wrapping/wrap", "mine");
	assert_non_null(
		strstr(peer_request(p, 1), "X-Vault-Wrap-TTL: 600\r\n"));
	assert_non_null(
		strstr(peer_request(p, 1), "\"password\":\"pass\\\"word\""));
	assert_non_null(strstr(peer_request(p, 1), "\"version\":\"" A "\""));
	assert_null(strstr(peer_request(p, 0), "X-Vault-Wrap-TTL"));
	assert_string_equal(w.accessor, "acc.1");
	assert_string_equal(w.made_by, "sys/wrapping/wrap");
	assert_int_equal(w.life_s, 600);
	assert_int_equal(secret_len(w.token), 11);
	secret_free(w.token);
	secret_free(e.password);
	peer_stop(p);
	store->ops->close(store);
}

/* What could not be told to anybody safely is not taken. */
static void a_token_that_is_none_is_not_taken(void **state)
{
	static const struct peer_step steps[] = {
		SELF,
		WRAP_INFO("102", "hvs.one A\\n", "acc.1", "600",
			  "sys/wrapping/wrap"),
		WRAP_INFO("102", "hvs.one-A_1", "acc 1", "600",
			  "sys/wrapping/wrap"),
		WRAP_INFO("102", "hvs.one-A_1", "acc.1", "601",
			  "sys/wrapping/wrap"),
		WRAP_INFO("100", "hvs.one-A_1", "acc.1", "0",
			  "sys/wrapping/wrap"),
		WRAP_INFO("91", "", "acc.1", "600", "sys/wrapping/wrap"),
	};
	struct peer *p = serve(steps, sizeof(steps) / sizeof(steps[0]));
	struct store *store = open_at(p);
	struct store_entry e = { .username = "sap" };
	struct store_wrapped w = { .token = NULL };
	struct reason why = { "" };

	(void)state;
	assert_int_equal(secret_from("x", 1, &e.password), STATUS_OK);
	for (size_t i = 1; i < sizeof(steps) / sizeof(steps[0]); i++) {
		assert_int_equal(store_wrap(store, A, &e, 600, &w, &why),
				 STATUS_STORE_UNAVAILABLE);
		assert_non_null(strstr(why.text, "no wrapping token"));
		assert_null(w.token);
	}
	assert_int_equal(peer_requests(p), sizeof(steps) / sizeof(steps[0]));
	secret_free(e.password);
	peer_stop(p);
	store->ops->close(store);
}

static void only_vaults_word_makes_a_token_gone(void **state)
{
	static const struct peer_step steps[] = {
		SELF,
		LOOKED_UP,
		NO_ACCESSOR,
		BAD_TOKEN,
		MAY_NOT,
		SELF,
		MAY_NOT,
		NOTHING, /* 4 */
		BODY("29", "400", "{\"errors\":[\"missing access\"]}"),
	};
	static const struct {
		enum status s;
		bool there;
	} expected[] = {
		{ STATUS_OK, true },	  { STATUS_OK, false },
		{ STATUS_OK, false },	  { STATUS_REFUSED, true },
		{ STATUS_REFUSED, true }, { STATUS_REFUSED, true },
	};
	struct peer *p = serve(steps, sizeof(steps) / sizeof(steps[0]));
	struct store *store = open_at(p);
	struct reason why = { "" };

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		bool there = true;

		if (store_wrap_look(store, "acc.1", &there, &why) !=
		    expected[i].s)
			fail_msg("%zu: %s", i, why.text);
		assert_int_equal(there, expected[i].there);
	}
	asked(p, 1, "POST /v1/auth/token/lookup-accessor", "mine");
	assert_non_null(strstr(peer_request(p, 1), "{\"accessor\":\"acc.1\"}"));
	peer_stop(p);
	store->ops->close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_address_is_https_or_loopback_and_nothing_else),
		cmocka_unit_test(each_of_several_addresses_is_looked_at),
		cmocka_unit_test(a_ring_a_mount_and_a_prefix_have_their_bounds),
		cmocka_unit_test(a_method_says_what_it_needs),
		cmocka_unit_test(
			the_secret_names_current_and_previous_the_record_pending),
		cmocka_unit_test(what_the_secret_names_is_not_pending_any_more),
		cmocka_unit_test(a_current_that_the_record_lost_comes_first),
		cmocka_unit_test(
			a_deleted_current_shows_nothing_until_a_command),
		cmocka_unit_test(nothing_stored_has_no_revision),
		cmocka_unit_test(a_name_cannot_reach_into_the_records),
		cmocka_unit_test(
			what_is_held_is_for_its_own_version_until_released),
		cmocka_unit_test(
			after_a_write_of_unknown_outcome_nothing_is_known),
		cmocka_unit_test(
			a_token_is_renewed_in_time_and_serves_until_it_ends),
		cmocka_unit_test(what_is_wrapped_is_asked_for_with_its_life),
		cmocka_unit_test(a_token_that_is_none_is_not_taken),
		cmocka_unit_test(only_vaults_word_makes_a_token_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
