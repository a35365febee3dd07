/* SPDX-License-Identifier: PostgreSQL */
/*
 * libFuzzer harness of the configuration loader: any bytes either load, and
 * then everything can be printed, or are refused with a sentence.  Not part of
 * `make check`:
 *
 *   clang -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
 *     -Isrc tests/fuzz/fuzz_config.c src/config/config*.c src/base/text.c \
 *     src/base/reason.c src/base/status.c src/base/duration.c src/base/words.c -linih \
 *     -o fuzz_config && ./fuzz_config -max_total_time=60
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text t = text_make((size_t)64 * 1024 * 1024);
	struct config *c = NULL;
	struct reason why = { { 0 } };
	char path[64];
	int fd;

	fd = memfd_create("keyturn.conf", MFD_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0600) != 0 ||
	    write(fd, data, size) != (ssize_t)size)
		abort();
	/* "conf.d" is looked for in /proc/self/fd, where it is not. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(path, &c, &why) == STATUS_OK) {
		config_show(c, false, &t);
		config_show(c, true, &t);
		if (text_status(&t) != STATUS_OK)
			abort();
	} else if (c || !why.text[0]) {
		abort();
	}
	text_free(&t);
	config_free(c);
	close(fd);
	return 0;
}
