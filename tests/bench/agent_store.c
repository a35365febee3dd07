/* SPDX-License-Identifier: PostgreSQL */
/*
 * Fills a local store for tests/bench/agent, without a server.
 *
 * usage: agent_store STORE KEY fill N      secrets role_00000 ...
 *        agent_store STORE KEY rotate NAME  one more version; prints its id
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/entropy.h"
#include "crypto/seal.h"
#include "store/local/local.h"

static void die(const struct reason *why)
{
	fprintf(stderr, "agent_store: %s\n", why->text);
	exit(1);
}

/* One version more, current at once. */
static void rotate(struct store *store, const char *name, bool print)
{
	struct store_entry entry = { .engine = "postgres",
				     .host = "db.example.com",
				     .port = "5432",
				     .dbname = "shop" };
	char id[RANDOM_UUID_SIZE], password[33];
	struct reason why = { "" };
	struct store_state state;
	enum status s;

	random_uuid(entropy_openssl(), id);
	snprintf(entry.username, sizeof(entry.username), "%s", name);
	snprintf(password, sizeof(password), "%.32s", id);
	s = secret_new(64, &entry.password);
	if (s == STATUS_OK)
		s = secret_set(entry.password, password, strlen(password));
	if (s == STATUS_OK)
		s = store->ops->describe(store, name, &state, &why);
	if (s == STATUS_OK)
		s = store->ops->stage(store, name, state.revision, id, &entry,
				      &state, &why);
	if (s == STATUS_OK)
		s = store->ops->promote(store, name, state.revision, id, NULL,
					&why);
	if (s != STATUS_OK)
		die(&why);
	secret_free(entry.password);
	if (print)
		puts(id);
}

int main(int argc, char **argv)
{
	struct reason why = { "" };
	struct store *store = NULL;
	char name[32];

	if (argc != 5) {
		fprintf(stderr, "usage: agent_store STORE KEY fill N | "
				"rotate NAME\n");
		return 2;
	}
	const struct store_local_options o = {
		.name = "local",
		.path = argv[1],
		.key_path = argv[2],
		.ring = 4,
		.create = true,
		.now = now_system(),
		.random = entropy_openssl(),
	};

	if (strcmp(argv[3], "fill") == 0)
		seal_key_create(argv[2], entropy_openssl(), NULL);
	if (store_local_open(&o, &store, &why) != STATUS_OK)
		die(&why);
	if (strcmp(argv[3], "rotate") == 0)
		rotate(store, argv[4], true);
	for (long i = 0;
	     strcmp(argv[3], "fill") == 0 && i < strtol(argv[4], NULL, 10);
	     i++) {
		snprintf(name, sizeof(name), "role_%05ld", i);
		rotate(store, name, false);
	}
	store->ops->close(store);
	return 0;
}
