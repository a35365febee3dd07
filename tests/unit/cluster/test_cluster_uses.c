/* SPDX-License-Identifier: PostgreSQL */
/* cluster_gateway_uses: what agents say is told entry by entry, and one that says
 * nothing, or nonsense, is never one where nobody logs in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cluster/gateway/uses.h"
#include "tests/unit/wire/fake_agent.h"
#include "wire/wire.h"

#define V1 "11111111-2222-4333-8444-555555555555"
#define V2 "22222222-2222-4333-8444-555555555555"

/* What the agent answers, a page after the other. */
struct script {
	enum wire_result result;
	bool no_since, endless, backwards, no_version, no_count, future;
	unsigned pages;
	int64_t since;
};

static void put_use(struct wire_out *o, const struct script *s, int64_t entry,
		    const char *rhost, const char *version, int64_t previous)
{
	wire_put_text(o, WIRE_TAG_ROLE, "sap");
	wire_put_number(o, WIRE_TAG_ENTRY, s->backwards ? 1 : entry);
	wire_put_text(o, WIRE_TAG_USER, "sap");
	wire_put_text(o, WIRE_TAG_VERSION, s->no_version ? "" : version);
	wire_put_text(o, WIRE_TAG_RHOST, rhost);
	wire_put_text(o, WIRE_TAG_SERVICE, rhost ? "pgbouncer" : NULL);
	wire_put_number(o, WIRE_TAG_COUNT, s->no_count ? 0 : 7);
	wire_put_number(o, WIRE_TAG_PREVIOUS, previous);
	wire_put_number(o, WIRE_TAG_FIRST_AGO, 900);
	wire_put_number(o, WIRE_TAG_LAST_AGO, s->future ? 901 : 100);
	if (!rhost)
		wire_put_number(o, WIRE_TAG_FURTHER, 1);
}

static size_t answer(void *arg, const unsigned char *request, size_t n,
		     unsigned char *reply, size_t size)
{
	const struct script *s = arg;
	struct wire_message m;
	struct wire_out o;
	int64_t after;
	size_t len = 0;

	if (wire_parse(request, n, false, &m, NULL) != STATUS_OK)
		abort();
	after = wire_number(&m, WIRE_TAG_ENTRY, 0);
	wire_begin(&o, reply, size, m.operation | WIRE_REPLY);
	wire_put_number(&o, WIRE_TAG_RESULT, s->result);
	if (s->result == WIRE_RESULT_OK && !s->no_since)
		wire_put_number(&o, WIRE_TAG_SINCE_AGO, s->since);
	if (s->result == WIRE_RESULT_OK) {
		wire_put_number(&o, WIRE_TAG_MORE,
				s->endless || after + 2 < 2 * s->pages);
		if (!s->endless && s->pages > 0) {
			put_use(&o, s, after + 1, "192.0.2.7", V2, 0);
			put_use(&o, s, after + 2, NULL, V1, 3);
		}
	}
	if (wire_end(&o, &len) != STATUS_OK)
		abort();
	return len;
}

struct told {
	unsigned seen, heard, answered;
	int64_t since_us;
	enum status refuse; /* what fn returns */
	char first[128], why[REASON_MAX];
};

static enum status take_seen(void *arg, const struct cluster_seen *s)
{
	struct told *t = arg;

	if (t->refuse != STATUS_OK)
		return t->refuse;
	if (t->seen++ == 0)
		text_copy(t->first, sizeof(t->first), s->gateway);
	assert_string_equal(s->role, "sap");
	assert_string_equal(s->login, "sap");
	assert_int_equal(s->count, 7);
	assert_int_equal(s->first_ago_us, 900);
	assert_int_equal(s->last_ago_us, 100);
	assert_string_equal(s->version, s->beside ? V1 : V2);
	assert_string_equal(s->address,
			    s->beside ? CLUSTER_FURTHER_HOSTS : "192.0.2.7");
	assert_string_equal(s->application, s->beside ? "" : "pgbouncer");
	return STATUS_OK;
}

static enum status take_heard(void *arg, const struct cluster_heard *h)
{
	struct told *t = arg;

	t->heard++;
	t->answered += h->answered;
	t->since_us = h->since_ago_us;
	assert_int_equal(h->answered, h->why[0] == '\0');
	if (!h->answered)
		text_copy(t->why, sizeof(t->why), h->why);
	return STATUS_OK;
}

static enum status ask(const struct cluster_gateway_uses_agent *agents,
		       size_t n, struct told *t, struct reason *why)
{
	enum status refuse = t->refuse;

	*t = (struct told){ .refuse = refuse };
	reason_clear(why);
	return cluster_gateway_uses(agents, n, take_seen, take_heard, t, why);
}

static struct fake_agent *start(struct script *s)
{
	return fake_agent_start(&(struct fake_agent_options){
		.act = FAKE_AGENT_ANSWER, .answer = answer, .arg = s });
}

static void all_pages_are_told(void **state)
{
	struct script s = { .pages = 3, .since = 5000 };
	struct fake_agent *a = start(&s);
	const struct cluster_gateway_uses_agent agents[] = {
		{ "gw1", fake_agent_path(a) },
		{ "gw2", fake_agent_path(a) }, /* the same agent */
	};
	struct told t = { .refuse = STATUS_OK };
	struct reason why;

	(void)state;
	assert_int_equal(ask(agents, 2, &t, &why), STATUS_OK);
	assert_int_equal(t.seen, 6);
	assert_int_equal(t.heard, 1);
	assert_int_equal(t.answered, 1);
	assert_int_equal(t.since_us, 5000);
	assert_string_equal(t.first, "gw1");
	assert_int_equal(fake_agent_requests(a), 3);
	fake_agent_stop(a);
}

static void nonsense_is_no_answer(void **state)
{
	static const struct {
		struct script script;
		const char *says;
	} cases[] = {
		{ { .result = WIRE_RESULT_DENIED }, ": not permitted" },
		{ { .no_since = true }, "does not say since when it counts" },
		{ { .endless = true }, "promises more and sends nothing" },
		{ { .pages = 1, .backwards = true },
		  "entry is not as it must" },
		{ { .pages = 1, .no_version = true },
		  "entry is not as it must" },
		{ { .pages = 1, .no_count = true }, "entry is not as it must" },
		{ { .pages = 1, .future = true }, "entry is not as it must" },
		{ { .since = -5 }, "does not say since when it counts" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct script s = cases[i].script;
		struct fake_agent *a = start(&s);
		const struct cluster_gateway_uses_agent agents[] = {
			{ "gw1", fake_agent_path(a) },
		};
		struct told t = { .refuse = STATUS_OK };
		struct reason why;

		assert_int_equal(ask(agents, 1, &t, &why),
				 STATUS_CLUSTER_UNAVAILABLE);
		assert_int_equal(t.heard, 1);
		assert_int_equal(t.answered, 0);
		assert_non_null(strstr(t.why, "gateway gw1: its agent ("));
		if (!strstr(t.why, cases[i].says))
			fail_msg("%zu: %s", i, t.why);
		assert_string_equal(why.text, t.why);
		fake_agent_stop(a);
	}
}

static void one_that_answers_is_heard_beside_one_that_does_not(void **state)
{
	struct script s = { .pages = 1, .since = 1 };
	struct fake_agent *a = start(&s);
	const struct cluster_gateway_uses_agent agents[] = {
		{ "gw0", "" },
		{ "gw1", "/nonexistent/admin.sock" },
		{ "gw2", fake_agent_path(a) },
	};
	struct told t = { .refuse = STATUS_OK };
	struct reason why;

	(void)state;
	assert_int_equal(ask(agents, 3, &t, &why), STATUS_OK);
	assert_int_equal(t.heard, 3);
	assert_int_equal(t.answered, 1);
	assert_int_equal(t.seen, 2);
	assert_string_equal(t.first, "gw2");
	assert_int_equal(ask(agents, 2, &t, &why), STATUS_CLUSTER_UNAVAILABLE);
	assert_int_equal(t.heard, 2);
	fake_agent_stop(a);
}

static void a_failure_of_ours_ends_it(void **state)
{
	struct script s = { .pages = 1, .since = 1 };
	struct fake_agent *a = start(&s);
	const struct cluster_gateway_uses_agent agents[] = {
		{ "gw1", fake_agent_path(a) },
	};
	struct told t = { .refuse = STATUS_LEDGER_UNAVAILABLE };
	struct reason why;

	(void)state;
	assert_int_equal(ask(agents, 1, &t, &why), STATUS_LEDGER_UNAVAILABLE);
	assert_int_equal(t.heard, 0);
	fake_agent_stop(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_pages_are_told),
		cmocka_unit_test(nonsense_is_no_answer),
		cmocka_unit_test(
			one_that_answers_is_heard_beside_one_that_does_not),
		cmocka_unit_test(a_failure_of_ours_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
