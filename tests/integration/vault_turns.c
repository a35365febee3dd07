/* SPDX-License-Identifier: PostgreSQL */
/*
 * For tests: turns of one secret in a Vault store within one process, as a
 * rotation makes them: describe, stage, read back, compare, promote.  Says after
 * each what describe() remembered, and after all the version that is current.
 *
 * usage: vault_turns ADDRESS TOKEN-FILE MOUNT PREFIX NAME TURNS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/entropy.h"
#include "store/vault/vault.h"

static void need(enum status s, const char *what, const struct reason *why)
{
	if (s == STATUS_OK)
		return;
	fprintf(stderr, "%s: %s: %s\n", what, status_name(s), why->text);
	exit(1);
}

static void turn(struct store *s, const char *name)
{
	struct store_entry entry = { .engine = "postgres", .username = "u" };
	struct store_entry back = { .password = NULL };
	struct store_state state;
	char id[RANDOM_UUID_SIZE], password[RANDOM_UUID_SIZE];
	struct reason why = { "" };

	need(random_uuid(entropy_openssl(), id), "id", &why);
	need(random_uuid(entropy_openssl(), password), "password", &why);
	need(secret_new(64, &entry.password), "secret", &why);
	need(secret_set(entry.password, password, strlen(password)), "secret",
	     &why);
	need(s->ops->describe(s, name, &state, &why), "describe", &why);
	printf("%s\n", state.remembered ? "remembered" : "asked");
	need(s->ops->stage(s, name, state.revision, id, &entry, &state, &why),
	     "stage", &why);
	need(s->ops->fetch(s, name, id, &back, &why), "fetch", &why);
	if (!secret_equal(back.password, entry.password))
		exit(2);
	need(s->ops->promote(s, name, state.revision, id, &state, &why),
	     "promote", &why);
	if (strcmp(store_find_label(&state, STORE_LABEL_CURRENT)->id, id) != 0)
		exit(3);
	secret_free(entry.password);
	secret_free(back.password);
}

int main(int argc, char **argv)
{
	struct store_vault_options o = {
		.name = "vault",
		.n_addresses = 1,
		.namespace = "",
		.auth = "token",
		.ring = STORE_RING_DEFAULT,
		.now = now_system(),
		.random = entropy_openssl(),
	};
	struct store_state state;
	struct reason why = { "" };
	struct store *s = NULL;
	int i;

	if (argc != 7)
		return 64;
	o.addresses[0] = argv[1];
	o.token_from = argv[2];
	o.mount = argv[3];
	o.prefix = argv[4];
	need(store_vault_open(&o, &s, &why), "open", &why);
	for (i = 0; i < (int)strtol(argv[6], NULL, 10); i++)
		turn(s, argv[5]);
	need(s->ops->describe(s, argv[5], &state, &why), "describe", &why);
	need(s->ops->describe(s, argv[5], &state, &why), "describe", &why);
	if (state.remembered)
		return 4;
	printf("%s\n", store_find_label(&state, STORE_LABEL_CURRENT)->id);
	s->ops->close(s);
	return 0;
}
