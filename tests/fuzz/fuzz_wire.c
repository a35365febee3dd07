/* SPDX-License-Identifier: PostgreSQL */
/*
 * Any bytes are a frame that can be read and built again to the same bytes, or
 * are refused with a sentence.  The first byte chooses request or reply, the
 * rest is the frame.  `make check` feeds the corpus through fuzz_main.c; to
 * search:
 *
 *   clang -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
 *     -Isrc tests/fuzz/fuzz_wire.c src/wire/wire.c src/base/text.c \
 *     src/base/reason.c src/base/status.c -o fuzz_wire && \
 *     ./fuzz_wire -max_total_time=60 -max_len=70000 NEW tests/fuzz/wire
 */
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
	if (!fine)
		abort();
}

/* Each field, found by walking the entries or the whole, put into a new frame
 * in the order of the old one. */
static void build_again(const struct wire_message *m, const uint8_t *frame,
			size_t len)
{
	static unsigned char again[WIRE_REPLY_MAX];
	const unsigned char *at = m->body, *end = m->body + m->len;
	struct wire_out o;
	size_t n = 0;

	wire_begin(&o, again, sizeof(again),
		   m->operation | (m->reply ? WIRE_REPLY : 0));
	while (at < end) {
		size_t value = (size_t)at[1] << 8 | at[2];

		wire_put(&o, (enum wire_tag)at[0], at + 3, value);
		at += 3 + value;
	}
	check(at == end);
	check(wire_end(&o, &n) == STATUS_OK);
	check(n == len && memcmp(again, frame, n) == 0);
}

static void read_all(const struct wire_message *m)
{
	struct wire_message entry;
	char text[600];
	size_t n, at = 0, before = 0;

	for (int tag = 0; tag < 256; tag++) {
		const char *value = wire_find(m, (enum wire_tag)tag, &n);

		if (value)
			check((const unsigned char *)value >= m->body &&
			      (const unsigned char *)value + n <=
				      m->body + m->len);
		if (wire_text(m, (enum wire_tag)tag, text, sizeof(text)))
			check(value && strlen(text) == n);
		wire_number(m, (enum wire_tag)tag, 0);
	}
	while (wire_entry(m, &at, &entry)) {
		check(at > before && at <= m->len);
		check(wire_find(&entry, WIRE_TAG_ROLE, &n) ==
		      (const char *)entry.body + 3);
		before = at;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reason why = { "" };
	struct wire_message m;
	const uint8_t *frame;
	size_t len = 0;
	bool reply;

	if (size == 0)
		return 0;
	reply = (data[0] & 1) != 0;
	frame = data + 1;
	size--;
	if (wire_parse(frame, size, reply, &m, &why) != STATUS_OK) {
		check(why.text[0] != '\0');
		return 0;
	}
	check(wire_frame_len(frame, reply, &len) == STATUS_OK && len == size);
	check(wire_operation_name(m.operation) != NULL);
	read_all(&m);
	build_again(&m, frame, size);
	return 0;
}
