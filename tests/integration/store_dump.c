/* SPDX-License-Identifier: PostgreSQL */
/*
 * Prints every version that a local store has of one secret, for the
 * integration tests: "LABEL ID HEX-OF-PASSWORD" a line, newest first.  The one
 * place that shows the ring, which no command of keyturn prints.  It must
 * never be installed, and is given a copy of the store, so that reading cannot
 * repair what a killed run has left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "base/reason.h"
#include "base/secret.h"
#include "crypto/entropy.h"
#include "store/local/local.h"

static enum status print_version(struct store *s, const char *name,
				 const struct store_version *v,
				 struct reason *why)
{
	struct store_entry entry = { 0 };
	enum status st;
	size_t i;

	st = s->ops->fetch(s, name, v->id, &entry, why);
	if (st != STATUS_OK)
		return st;
	printf("%s %s ", store_label_name(v->label), v->id);
	for (i = 0; i < secret_len(entry.password); i++)
		printf("%02x", (unsigned char)secret_bytes(entry.password)[i]);
	putchar('\n');
	secret_free(entry.password);
	return STATUS_OK;
}

static enum status print_secret(struct store *s, const char *name,
				struct reason *why)
{
	static struct store_state state;
	enum status st;
	size_t i;

	st = s->ops->describe(s, name, &state, why);
	for (i = 0; st == STATUS_OK && i < state.n; i++)
		st = print_version(s, name, &state.versions[i], why);
	return st;
}

int main(int argc, char **argv)
{
	struct store_local_options options = { .name = "copy",
					       .ring = STORE_RING_MAX,
					       .now = now_system(),
					       .random = entropy_openssl() };
	struct store *store = NULL;
	struct reason why = { { 0 } };
	enum status st;

	if (argc != 4) {
		fprintf(stderr, "usage: store_dump FILE KEY-FILE NAME\n");
		return 2;
	}
	options.path = argv[1];
	options.key_path = argv[2];
	st = store_local_open(&options, &store, &why);
	if (st == STATUS_OK) {
		st = print_secret(store, argv[3], &why);
		store->ops->close(store);
	}
	if (st != STATUS_OK)
		fprintf(stderr, "store_dump: %s\n", why.text);
	return st == STATUS_OK ? 0 : 1;
}
