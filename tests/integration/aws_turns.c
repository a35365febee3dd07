/* SPDX-License-Identifier: PostgreSQL */
/*
 * For tests: turns of one secret in an AWS store within one process, as a
 * rotation makes them: describe, stage, read back, compare, promote.
 * Credentials come from AWS's standard chain.  Prints the id of each version.
 *
 * usage: aws_turns ENDPOINT REGION PREFIX NAME TURNS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/entropy.h"
#include "store/aws/aws.h"

static void need(enum status s, const char *what, const struct reason *why)
{
	if (s == STATUS_OK)
		return;
	fprintf(stderr, "%s: %s: %s\n", what, status_name(s), why->text);
	exit(1);
}

static void turn(struct store *s, const char *name)
{
	struct store_entry entry = { .engine = "postgres",
				     .host = "h",
				     .port = "5432",
				     .dbname = "d",
				     .username = "u" };
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
	need(s->ops->stage(s, name, state.revision, id, &entry, &state, &why),
	     "stage", &why);
	need(s->ops->fetch(s, name, id, &back, &why), "fetch", &why);
	if (!secret_equal(back.password, entry.password))
		exit(2);
	need(s->ops->promote(s, name, state.revision, id, &state, &why),
	     "promote", &why);
	if (strcmp(store_find_label(&state, STORE_LABEL_CURRENT)->id, id) != 0)
		exit(3);
	printf("%s\n", id);
	secret_free(entry.password);
	secret_free(back.password);
}

int main(int argc, char **argv)
{
	struct store_aws_options o = {
		.name = "amazon",
		.create = true,
		.now = now_system(),
		.random = entropy_openssl(),
	};
	struct reason why = { "" };
	struct store *s = NULL;

	if (argc != 6)
		return 64;
	o.endpoint = argv[1];
	o.region = argv[2];
	o.prefix = argv[3];
	need(store_aws_open(&o, &s, &why), "open", &why);
	for (int i = 0; i < (int)strtol(argv[5], NULL, 10); i++)
		turn(s, argv[4]);
	s->ops->close(s);
	return 0;
}
