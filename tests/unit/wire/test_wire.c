/* SPDX-License-Identifier: PostgreSQL */
/* wire: what is built is read back, and anything else is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

#define ID "0f8fad5b-d9cb-469f-a165-70867728950e"

struct frame {
	unsigned char bytes[WIRE_REPLY_MAX + 16];
	size_t len;
};

static void begin(struct wire_out *o, struct frame *f, unsigned kind)
{
	wire_begin(o, f->bytes, sizeof(f->bytes), kind);
}

static void end(struct wire_out *o, struct frame *f)
{
	assert_int_equal(wire_end(o, &f->len), STATUS_OK);
}

/* A frame with a body of our own making, which wire_put() would refuse. */
static void raw(struct frame *f, unsigned kind, const void *body, size_t n)
{
	const unsigned char header[] = { 'K',
					 'T',
					 WIRE_PROTOCOL,
					 (unsigned char)kind,
					 (unsigned char)(n >> 24),
					 (unsigned char)(n >> 16),
					 (unsigned char)(n >> 8),
					 (unsigned char)n };

	memcpy(f->bytes, header, sizeof(header));
	if (n > 0)
		memcpy(f->bytes + sizeof(header), body, n);
	f->len = sizeof(header) + n;
}

static void assert_refused(const struct frame *f, bool reply, const char *says)
{
	struct wire_message m = { .operation = 99 };
	struct reason why = { "" };

	assert_int_equal(wire_parse(f->bytes, f->len, reply, &m, &why),
			 STATUS_REFUSED);
	assert_int_equal(m.operation, 99);
	if (strstr(why.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, says);
}

static void assert_parses(const struct frame *f, bool reply,
			  struct wire_message *ret)
{
	struct reason why = { "" };
	size_t len = 0;

	if (wire_parse(f->bytes, f->len, reply, ret, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	assert_int_equal(wire_frame_len(f->bytes, reply, &len), STATUS_OK);
	assert_int_equal(len, f->len);
}

/* A request of one field as its bytes stand, whatever they are. */
static void one_field(struct frame *f, unsigned operation, unsigned tag,
		      const void *value, size_t n)
{
	unsigned char body[70000];

	body[0] = (unsigned char)tag;
	body[1] = (unsigned char)(n >> 8);
	body[2] = (unsigned char)n;
	if (n > 0)
		memcpy(body + 3, value, n);
	raw(f, operation, body, n + 3);
}

static void what_is_put_is_read_back(void **state)
{
	struct wire_message m;
	struct wire_out o;
	struct frame f;
	char text[256];
	size_t n;

	(void)state;
	begin(&o, &f, WIRE_GET);
	wire_put_text(&o, WIRE_TAG_ROLE, "sap");
	wire_put_text(&o, WIRE_TAG_NOT_VERSION, ID);
	wire_put_number(&o, WIRE_TAG_WAIT_MS, 5000);
	end(&o, &f);
	assert_parses(&f, false, &m);
	assert_int_equal(m.operation, WIRE_GET);
	assert_false(m.reply);
	assert_true(wire_text(&m, WIRE_TAG_ROLE, text, sizeof(text)));
	assert_string_equal(text, "sap");
	assert_memory_equal(wire_find(&m, WIRE_TAG_NOT_VERSION, &n), ID, 36);
	assert_int_equal(n, 36);
	assert_int_equal(wire_number(&m, WIRE_TAG_WAIT_MS, -1), 5000);
	assert_int_equal(wire_number(&m, WIRE_TAG_PORT, -7), -7);
	assert_null(wire_find(&m, WIRE_TAG_USER, &n));
	assert_false(wire_text(&m, WIRE_TAG_USER, text, sizeof(text)));
	assert_string_equal(text, "");
}

static void a_frame_is_these_bytes(void **state)
{
	static const unsigned char want[] = { 'K', 'T', 1, 0x82, 0,   0,
					      0,   10,	1, 0,	 1,   '0',
					      2,   0,	3, 's',	 'a', 'p' };
	struct wire_out o;
	struct frame f;

	(void)state;
	begin(&o, &f, WIRE_GET | WIRE_REPLY);
	wire_put_number(&o, WIRE_TAG_RESULT, WIRE_RESULT_OK);
	wire_put_text(&o, WIRE_TAG_ROLE, "sap");
	end(&o, &f);
	assert_int_equal(f.len, sizeof(want));
	assert_memory_equal(f.bytes, want, sizeof(want));
}

static void an_empty_or_absent_text_is_left_out(void **state)
{
	struct wire_message m;
	struct wire_out o;
	struct frame f;

	(void)state;
	begin(&o, &f, WIRE_GET);
	wire_put_text(&o, WIRE_TAG_ROLE, NULL);
	wire_put_text(&o, WIRE_TAG_USER, "");
	end(&o, &f);
	assert_parses(&f, false, &m);
	assert_int_equal(m.len, 0);
}

static void numbers_have_one_spelling(void **state)
{
	static const char *const good[] = { "0",
					    "1",
					    "-1",
					    "600000",
					    "9223372036854775807",
					    "-9223372036854775808" };
	static const char *const bad[] = { "-",
					   "+1",
					   "01",
					   "-0",
					   "1 ",
					   " 1",
					   "1e3",
					   "0x10",
					   "1.0",
					   "00",
					   "--1",
					   "9223372036854775808",
					   "-9223372036854775809",
					   "99999999999999999999" };
	struct wire_message m;
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		one_field(&f, WIRE_GET, WIRE_TAG_WAIT_MS, good[i],
			  strlen(good[i]));
		assert_parses(&f, false, &m);
		assert_int_equal(wire_number(&m, WIRE_TAG_WAIT_MS, 77),
				 strtoll(good[i], NULL, 10));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		one_field(&f, WIRE_GET, WIRE_TAG_WAIT_MS, bad[i],
			  strlen(bad[i]));
		assert_refused(&f, false, "WAIT_MS is not a number");
	}
}

static void a_header_that_is_not_ours_is_refused(void **state)
{
	static const struct {
		int at;
		unsigned char byte;
		const char *says;
	} faults[] = {
		{ 0, 'k', "does not begin with KT" },
		{ 1, 't', "does not begin with KT" },
		{ 2, 2, "version is not ours" },
		{ 2, 0, "version is not ours" },
		{ 3, 0, "operation is unknown" },
		{ 3, 13, "operation is unknown" },
		{ 3, 0x7f, "operation is unknown" },
		{ 3, 0x82, "is a reply" },
		{ 4, 1, "is too long" },
		{ 5, 1, "is too long" },
		{ 6, 0x10, "is too long" },
		{ 7, 1, "length is not what its header says" },
	};
	struct frame f;
	size_t len = 5;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		raw(&f, WIRE_GET, "", 0);
		f.bytes[faults[i].at] = faults[i].byte;
		assert_refused(&f, false, faults[i].says);
		if (faults[i].at < 7)
			assert_int_equal(wire_frame_len(f.bytes, false, &len),
					 STATUS_REFUSED);
	}
	assert_int_equal(len, 5);
	raw(&f, WIRE_GET, "", 0);
	assert_refused(&f, true, "is a request");
}

static void the_longest_request_is_4096_bytes(void **state)
{
	unsigned char header[] = { 'K', 'T', 1, WIRE_GET, 0, 0, 0x0f, 0xf8 };
	size_t len = 0;

	(void)state;
	assert_int_equal(wire_frame_len(header, false, &len), STATUS_OK);
	assert_int_equal(len, WIRE_REQUEST_MAX);
	header[7]++;
	assert_int_equal(wire_frame_len(header, false, &len), STATUS_REFUSED);
	header[3] |= WIRE_REPLY;
	assert_int_equal(wire_frame_len(header, true, &len), STATUS_OK);
	header[6] = 0xff;
	header[7] = 0xf8;
	assert_int_equal(wire_frame_len(header, true, &len), STATUS_OK);
	assert_int_equal(len, WIRE_REPLY_MAX);
	header[7]++;
	assert_int_equal(wire_frame_len(header, true, &len), STATUS_REFUSED);
}

static void every_truncation_of_a_frame_is_refused(void **state)
{
	struct frame f, cut;
	struct wire_message m;
	struct wire_out o;

	(void)state;
	begin(&o, &f, WIRE_VERIFY);
	wire_put_text(&o, WIRE_TAG_ROLE, "sap");
	wire_put_text(&o, WIRE_TAG_PASSWORD, "s3cret");
	end(&o, &f);
	for (size_t n = 0; n < f.len; n++) {
		memcpy(cut.bytes, f.bytes, n);
		cut.len = n;
		assert_refused(&cut, false, "malformed");
		/* Even when the header has been made to agree. */
		if (n < WIRE_HEADER_SIZE)
			continue;
		cut.bytes[7] = (unsigned char)(n - WIRE_HEADER_SIZE);
		if (n == WIRE_HEADER_SIZE || n == WIRE_HEADER_SIZE + 6)
			assert_parses(&cut, false, &m);
		else
			assert_refused(&cut, false, "ends inside a field");
	}
	f.len++;
	assert_refused(&f, false, "length");
}

static void an_unknown_tag_is_refused(void **state)
{
	static const unsigned char tags[] = { 0, WIRE_TAG_END, 200, 255 };
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(tags); i++) {
		one_field(&f, WIRE_GET, tags[i], "x", 1);
		assert_refused(&f, false, "unknown field");
	}
}

static void a_tag_given_twice_is_refused(void **state)
{
	struct frame f;

	(void)state;
	raw(&f, WIRE_GET, "\2\0\1a\2\0\1b", 8);
	assert_refused(&f, false, "ROLE is there twice");
	raw(&f, WIRE_GET | WIRE_REPLY,
	    "\1\0\1"
	    "0\2\0\1a\2\0\1b",
	    12);
	assert_refused(&f, true, "ROLE is there twice");
	raw(&f, WIRE_LIST | WIRE_REPLY,
	    "\1\0\1"
	    "0\2\0\1a\3\0\1x\3\0\1y",
	    16);
	assert_refused(&f, true, "USER is there twice");
}

static void a_result_is_first_in_replies_and_nowhere_else(void **state)
{
	struct wire_message m;
	struct frame f;

	(void)state;
	raw(&f, WIRE_GET,
	    "\1\0\1"
	    "0",
	    4);
	assert_refused(&f, false, "RESULT is out of place");
	raw(&f, WIRE_GET | WIRE_REPLY, "", 0);
	assert_refused(&f, true, "it has no result");
	raw(&f, WIRE_GET | WIRE_REPLY,
	    "\2\0\1a\1\0\1"
	    "0",
	    8);
	assert_refused(&f, true, "ROLE is out of place");
	raw(&f, WIRE_GET | WIRE_REPLY,
	    "\1\0\1"
	    "0\1\0\1"
	    "0",
	    8);
	assert_refused(&f, true, "RESULT is out of place");
	raw(&f, WIRE_GET | WIRE_REPLY,
	    "\1\0\2"
	    "99",
	    5);
	assert_refused(&f, true, "RESULT is unknown");
	raw(&f, WIRE_GET | WIRE_REPLY,
	    "\1\0\2"
	    "-1",
	    5);
	assert_refused(&f, true, "RESULT is unknown");
	raw(&f, WIRE_GET | WIRE_REPLY,
	    "\1\0\1"
	    "3",
	    4);
	assert_parses(&f, true, &m);
	assert_int_equal(wire_number(&m, WIRE_TAG_RESULT, 0),
			 WIRE_RESULT_NOT_FOUND);
}

/* Both ways: refused when it comes, and refused when it is to be sent. */
static void assert_value_refused(unsigned operation, enum wire_tag tag,
				 const char *value, size_t n)
{
	unsigned char bytes[WIRE_REPLY_MAX];
	bool reply = (operation & WIRE_REPLY) != 0;
	struct wire_message m;
	struct wire_out o;
	struct frame f;
	size_t len = 1;

	one_field(&f, operation, tag, value, n);
	if (reply) { /* behind a result */
		memmove(f.bytes + 12, f.bytes + 8, f.len - 8);
		memcpy(f.bytes + 8,
		       "\1\0\1"
		       "0",
		       4);
		f.len += 4;
		f.bytes[6] = (unsigned char)((f.len - 8) >> 8);
		f.bytes[7] = (unsigned char)(f.len - 8);
	}
	assert_int_equal(wire_parse(f.bytes, f.len, reply, &m, NULL),
			 STATUS_REFUSED);

	wire_begin(&o, bytes, sizeof(bytes), operation);
	if (reply)
		wire_put_number(&o, WIRE_TAG_RESULT, 0);
	wire_put(&o, tag, value, n);
	assert_int_equal(wire_end(&o, &len), STATUS_REFUSED);
	assert_int_equal(len, 1);
}

static void control_characters_are_refused_in_every_field(void **state)
{
	static const char *const kinds[] = { "\n",	"\r",	    "\t",
					     "\x1b",	"\x7f",	    "\x01",
					     "\x1f",	"\xc2\x85", "\xc2\x9b",
					     "\xc2\x80" };

	(void)state;
	for (int tag = WIRE_TAG_ROLE; tag < WIRE_TAG_END; tag++) {
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
			size_t n = strlen(kinds[i]);

			assert_value_refused(WIRE_GET, (enum wire_tag)tag,
					     kinds[i], n);
			assert_value_refused(WIRE_GET | WIRE_REPLY,
					     (enum wire_tag)tag, kinds[i], n);
		}
		assert_value_refused(WIRE_GET, (enum wire_tag)tag, "a\0b", 3);
		assert_value_refused(WIRE_GET | WIRE_REPLY, (enum wire_tag)tag,
				     "\0", 1);
	}
}

static void invalid_utf8_is_refused_in_every_field(void **state)
{
	static const char *const kinds[] = { "\xff", "\xc0\xaf", "\xed\xa0\x80",
					     "a\xc3", "\xf4\x90\x80\x80" };

	(void)state;
	for (int tag = WIRE_TAG_ROLE; tag < WIRE_TAG_END; tag++)
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
			assert_value_refused(WIRE_GET, (enum wire_tag)tag,
					     kinds[i], strlen(kinds[i]));
}

static void text_of_any_language_is_carried(void **state)
{
	struct wire_message m;
	struct wire_out o;
	struct frame f;
	char text[256];

	(void)state;
	begin(&o, &f, WIRE_GET);
	wire_put_text(&o, WIRE_TAG_USER,
		      "Zo\xc3\xab \xe2\x82\xac \xc2\xa0 "
		      "\xf0\x9f\x94\x91 \"'\\%$`");
	end(&o, &f);
	assert_parses(&f, false, &m);
	assert_true(wire_text(&m, WIRE_TAG_USER, text, sizeof(text)));
	assert_string_equal(text, "Zo\xc3\xab \xe2\x82\xac \xc2\xa0 "
				  "\xf0\x9f\x94\x91 \"'\\%$`");
}

static void a_value_has_its_limit(void **state)
{
	static const struct {
		enum wire_tag tag;
		size_t most;
	} limits[] = {
#define WIRE_FIELD(name, number, kind, most, help) { WIRE_TAG_##name, most },
#include "wire/wire.def"
	};
	static char many[40000];
	struct wire_message m;
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = '7';
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		enum wire_tag tag = limits[i].tag;
		size_t most = limits[i].most;

		if (tag == WIRE_TAG_RESULT)
			continue;
		assert_value_refused(WIRE_GET | WIRE_REPLY, tag, many,
				     most + 1);
		if (most == 20 || most > WIRE_REQUEST_MAX)
			continue;
		one_field(&f, WIRE_GET, tag, many, most);
		assert_parses(&f, false, &m);
	}
}

static void the_password_of_a_verify_has_at_most_512_bytes(void **state)
{
	static char many[513];
	struct wire_message m;
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = 'p';
	one_field(&f, WIRE_VERIFY, WIRE_TAG_PASSWORD, many, 512);
	assert_parses(&f, false, &m);
	one_field(&f, WIRE_VERIFY, WIRE_TAG_PASSWORD, many, 513);
	assert_refused(&f, false, "PASSWORD is too long");
	assert_value_refused(WIRE_VERIFY, WIRE_TAG_PASSWORD, many, 513);
}

static void an_empty_value_is_refused(void **state)
{
	struct frame f;

	(void)state;
	one_field(&f, WIRE_GET, WIRE_TAG_ROLE, "", 0);
	assert_refused(&f, false, "ROLE is empty");
	one_field(&f, WIRE_GET, WIRE_TAG_WAIT_MS, "", 0);
	assert_refused(&f, false, "WAIT_MS is empty");
}

static void a_value_that_does_not_fit_counts_as_absent(void **state)
{
	struct wire_message m;
	struct frame f;
	char text[4] = "xyz";

	(void)state;
	one_field(&f, WIRE_GET, WIRE_TAG_ROLE, "long", 4);
	assert_parses(&f, false, &m);
	assert_false(wire_text(&m, WIRE_TAG_ROLE, text, sizeof(text)));
	assert_string_equal(text, "");
	one_field(&f, WIRE_GET, WIRE_TAG_ROLE, "fit", 3);
	assert_parses(&f, false, &m);
	assert_true(wire_text(&m, WIRE_TAG_ROLE, text, sizeof(text)));
}

static void a_buffer_too_small_is_said_and_wiped(void **state)
{
	unsigned char small[32];
	struct wire_out o;
	size_t len = 9;

	(void)state;
	wire_begin(&o, small, sizeof(small), WIRE_VERIFY);
	wire_put_text(&o, WIRE_TAG_PASSWORD, "s3cret");
	assert_int_equal(wire_room(&o), sizeof(small) - 17);
	wire_put_text(&o, WIRE_TAG_ROLE, "a-longer-name");
	wire_put_text(&o, WIRE_TAG_USER, "u"); /* would fit */
	assert_int_equal(wire_room(&o), 0);
	assert_int_equal(wire_end(&o, &len), STATUS_LIMIT);
	assert_int_equal(len, 9);
	for (size_t i = 0; i < 17; i++)
		assert_int_equal(small[i], 0);

	wire_begin(&o, small, WIRE_HEADER_SIZE - 1, WIRE_GET);
	assert_int_equal(wire_end(&o, &len), STATUS_LIMIT);
}

static void a_request_ends_at_its_limit_in_a_larger_buffer(void **state)
{
	static char many[3000];
	struct wire_out o;
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = 'p';
	begin(&o, &f, WIRE_GET);
	assert_int_equal(wire_room(&o), WIRE_REQUEST_MAX - WIRE_HEADER_SIZE);
	wire_put(&o, WIRE_TAG_PASSWORD, many, sizeof(many));
	wire_put(&o, WIRE_TAG_SENTENCE, many, 500);
	wire_put(&o, WIRE_TAG_RHOST, many, 255);
	wire_put(&o, WIRE_TAG_HOST, many, 255);
	wire_put(&o, WIRE_TAG_USER, many, 255);
	assert_int_equal(wire_end(&o, &f.len), STATUS_LIMIT);
}

static void a_frame_of_an_unknown_operation_is_not_built(void **state)
{
	struct wire_out o;
	struct frame f;

	(void)state;
	begin(&o, &f, 77);
	assert_int_equal(wire_end(&o, &f.len), STATUS_REFUSED);
	begin(&o, &f, WIRE_GET | WIRE_REPLY); /* and a reply has a result */
	assert_int_equal(wire_end(&o, &f.len), STATUS_REFUSED);
}

static void the_entries_of_a_list_are_read_one_by_one(void **state)
{
	static const char *const names[] = { "a", "b", "token:c" };
	struct wire_message m, entry;
	struct wire_out o;
	struct frame f;
	char text[128];
	size_t at = 0;

	(void)state;
	begin(&o, &f, WIRE_LIST | WIRE_REPLY);
	wire_put_number(&o, WIRE_TAG_RESULT, WIRE_RESULT_OK);
	wire_put_number(&o, WIRE_TAG_MORE, 1);
	for (size_t i = 0; i < 3; i++) {
		wire_put_text(&o, WIRE_TAG_ROLE, names[i]);
		wire_put_number(&o, WIRE_TAG_STALE, (int64_t)i);
		if (i == 1)
			wire_put_text(&o, WIRE_TAG_USER, "ub");
	}
	end(&o, &f);
	assert_parses(&f, true, &m);
	assert_int_equal(wire_number(&m, WIRE_TAG_MORE, 0), 1);
	for (int64_t i = 0; i < 3; i++) {
		assert_true(wire_entry(&m, &at, &entry));
		assert_true(
			wire_text(&entry, WIRE_TAG_ROLE, text, sizeof(text)));
		assert_string_equal(text, names[i]);
		assert_int_equal(wire_number(&entry, WIRE_TAG_STALE, -1), i);
		assert_int_equal(wire_text(&entry, WIRE_TAG_USER, text,
					   sizeof(text)),
				 i == 1);
		assert_int_equal(wire_number(&entry, WIRE_TAG_MORE, -1), -1);
	}
	assert_false(wire_entry(&m, &at, &entry));
	assert_false(wire_entry(&m, &at, &entry));
}

static void a_list_of_nobody_has_no_entry(void **state)
{
	struct wire_message m, entry;
	struct wire_out o;
	struct frame f;
	size_t at = 0;

	(void)state;
	begin(&o, &f, WIRE_LIST | WIRE_REPLY);
	wire_put_number(&o, WIRE_TAG_RESULT, WIRE_RESULT_OK);
	end(&o, &f);
	assert_parses(&f, true, &m);
	assert_false(wire_entry(&m, &at, &entry));
}

static void entries_of_uses_are_walked(void **state)
{
	struct wire_message m, entry;
	struct wire_out o;
	struct frame f;
	size_t at = 0;

	(void)state;
	begin(&o, &f, WIRE_USES | WIRE_REPLY);
	wire_put_number(&o, WIRE_TAG_RESULT, WIRE_RESULT_OK);
	wire_put_number(&o, WIRE_TAG_SINCE_AGO, 5);
	for (int64_t i = 1; i <= 2; i++) {
		wire_put_text(&o, WIRE_TAG_ROLE, "sap");
		wire_put_number(&o, WIRE_TAG_ENTRY, i);
		wire_put_number(&o, WIRE_TAG_COUNT, 10 * i);
	}
	end(&o, &f);
	assert_parses(&f, true, &m);
	assert_int_equal(wire_number(&m, WIRE_TAG_SINCE_AGO, 0), 5);
	for (int64_t i = 1; i <= 2; i++) {
		assert_true(wire_entry(&m, &at, &entry));
		assert_int_equal(wire_number(&entry, WIRE_TAG_ENTRY, 0), i);
		assert_int_equal(wire_number(&entry, WIRE_TAG_COUNT, 0),
				 10 * i);
	}
	assert_false(wire_entry(&m, &at, &entry));
}

/* A sentence that quoted a value would put a password into a log. */
static void a_sentence_never_shows_a_value(void **state)
{
	struct reason why = { "" };
	struct wire_message m;
	struct frame f;

	(void)state;
	one_field(&f, WIRE_VERIFY, WIRE_TAG_PASSWORD, "s3cret\n", 7);
	assert_int_equal(wire_parse(f.bytes, f.len, false, &m, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "PASSWORD holds a control"));
	assert_null(strstr(why.text, "s3cret"));
}

static void names_and_codes_come_from_the_table(void **state)
{
	(void)state;
	assert_string_equal(wire_operation_name(WIRE_GET), "GET");
	assert_string_equal(wire_operation_name(WIRE_TAKE), "TAKE");
	assert_string_equal(wire_operation_name(WIRE_USES), "USES");
	assert_null(wire_operation_name(0));
	assert_null(wire_operation_name(13));
	assert_null(wire_operation_name(WIRE_GET | WIRE_REPLY));
	assert_string_equal(wire_result_sentence(WIRE_RESULT_NOT_FOUND),
			    "no such role");
	assert_non_null(wire_result_sentence(12345));
	assert_int_equal(wire_result_exit(WIRE_RESULT_OK_PREVIOUS), 0);
	assert_int_equal(wire_result_exit(WIRE_RESULT_TIMEOUT), 6);
	assert_int_equal(wire_result_exit(12345), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_read_back),
		cmocka_unit_test(a_frame_is_these_bytes),
		cmocka_unit_test(an_empty_or_absent_text_is_left_out),
		cmocka_unit_test(numbers_have_one_spelling),
		cmocka_unit_test(a_header_that_is_not_ours_is_refused),
		cmocka_unit_test(the_longest_request_is_4096_bytes),
		cmocka_unit_test(every_truncation_of_a_frame_is_refused),
		cmocka_unit_test(an_unknown_tag_is_refused),
		cmocka_unit_test(a_tag_given_twice_is_refused),
		cmocka_unit_test(a_result_is_first_in_replies_and_nowhere_else),
		cmocka_unit_test(control_characters_are_refused_in_every_field),
		cmocka_unit_test(invalid_utf8_is_refused_in_every_field),
		cmocka_unit_test(text_of_any_language_is_carried),
		cmocka_unit_test(a_value_has_its_limit),
		cmocka_unit_test(
			the_password_of_a_verify_has_at_most_512_bytes),
		cmocka_unit_test(an_empty_value_is_refused),
		cmocka_unit_test(a_value_that_does_not_fit_counts_as_absent),
		cmocka_unit_test(a_buffer_too_small_is_said_and_wiped),
		cmocka_unit_test(
			a_request_ends_at_its_limit_in_a_larger_buffer),
		cmocka_unit_test(a_frame_of_an_unknown_operation_is_not_built),
		cmocka_unit_test(the_entries_of_a_list_are_read_one_by_one),
		cmocka_unit_test(a_list_of_nobody_has_no_entry),
		cmocka_unit_test(entries_of_uses_are_walked),
		cmocka_unit_test(a_sentence_never_shows_a_value),
		cmocka_unit_test(names_and_codes_come_from_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
