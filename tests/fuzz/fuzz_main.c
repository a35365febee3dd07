/* SPDX-License-Identifier: PostgreSQL */
/*
 * Feeds the files of a corpus to a fuzz target, for compilers without
 * libFuzzer: what was once found stays found.  Each input is also given cut
 * short and with single bits turned, from a fixed sequence.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 131072
#define TURNS	  400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The target gets a block of exactly n bytes, so that a sanitizer sees a read
 * behind it. */
static void give(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = malloc(n > 0 ? n : 1);

	if (!exact)
		abort();
	if (n > 0)
		memcpy(exact, bytes, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static void give_variants(uint8_t *bytes, size_t n)
{
	uint32_t x = 2463534242u;

	give(bytes, n);
	for (size_t cut = 0; cut < n && cut < 512; cut++)
		give(bytes, cut);
	for (int i = 0; n > 0 && i < TURNS; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		bytes[(x >> 3) % n] ^= (uint8_t)(1u << (x & 7));
		give(bytes, n);
		/* Most of the turns stand alone, some add up. */
		if (i % 8 != 0)
			bytes[(x >> 3) % n] ^= (uint8_t)(1u << (x & 7));
	}
}

static int refresher_file(const char *path)
{
	static uint8_t bytes[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		perror(path);
		return -1;
	}
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	give_variants(bytes, n);
	return 0;
}

int main(int argc, char **argv)
{
	int files = 0;
	struct dirent *e;
	char path[4096];
	DIR *d;

	if (argc != 2 || !(d = opendir(argv[1]))) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
		if (refresher_file(path) != 0)
			return 1;
		files++;
	}
	closedir(d);
	if (files == 0) {
		fprintf(stderr, "%s: the corpus is empty\n", argv[1]);
		return 1;
	}
	printf("%d inputs and their variants\n", files);
	return 0;
}
