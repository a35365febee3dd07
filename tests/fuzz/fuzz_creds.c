/* SPDX-License-Identifier: PostgreSQL */
/*
 * Any name of a peer is refused, or is exactly what systemd would have bound:
 * put together again it is the same.  `make check` feeds the corpus through
 * fuzz_main.c; fuzz_wire.c says how to search.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/serve/creds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent_serve_creds_wanted w;
	char again[512];
	char *name = malloc(size + 1);
	size_t digits;

	if (!name)
		abort();
	memcpy(name, data, size);
	name[size] = '\0';
	if (agent_serve_creds_read(name, &w)) {
		digits = strspn(name, "0123456789abcdef");
		snprintf(again, sizeof(again), "%.*s/unit/%s/%s", (int)digits,
			 name, w.unit, w.id);
		if (digits > 16 || strcmp(again, name) != 0)
			abort();
	}
	free(name);
	return 0;
}
