/* SPDX-License-Identifier: PostgreSQL */
/* Asks the agents of gateways; must never let one that does not answer pass for one
 * where nobody logs in, nor believe a reply further than its bounds. */
#include "cluster/gateway/uses.h"

#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "wire/wire_client.h"

#define TIMEOUT_MS 2000
#define OWN_MS	   1000
#define WAY_US	   (NOW_SECOND / 20) /* until the agent has heard of a login */
#define BUDGET_US  (10 * NOW_SECOND) /* for all replies of an agent */

struct asking {
	const struct cluster_gateway_uses_agent *agent;
	cluster_seen_fn *fn;
	void *arg;
	unsigned char *reply; /* WIRE_REPLY_MAX */
	int64_t entry;	      /* behind which the next reply begins */
	int64_t since_ago_us;
	bool more;
	enum status told; /* of fn */
};

static enum status refuse(const struct asking *k, enum status s,
			  const char *what, struct reason *why)
{
	return reason_set(why, s,
			  "gateway %s: its agent (%s) does not say who logs in "
			  "there: %s",
			  k->agent->gateway, k->agent->socket, what);
}

static enum status read_entry(struct asking *k, const struct wire_message *e,
			      struct reason *why)
{
	char role[128], login[256], version[RANDOM_UUID_SIZE];
	char rhost[256], service[64];
	struct cluster_seen s = {
		.login = login,
		.beside = wire_number(e, WIRE_TAG_PREVIOUS, 0) > 0,
		.version = version,
		.address = rhost,
		.application = service,
		.first_ago_us = wire_number(e, WIRE_TAG_FIRST_AGO, -1),
		.last_ago_us = wire_number(e, WIRE_TAG_LAST_AGO, -1),
		.count = wire_number(e, WIRE_TAG_COUNT, 0),
		.gateway = k->agent->gateway,
		.role = role,
	};
	int64_t entry = wire_number(e, WIRE_TAG_ENTRY, 0);

	wire_text(e, WIRE_TAG_RHOST, rhost, sizeof(rhost));
	wire_text(e, WIRE_TAG_SERVICE, service, sizeof(service));
	if (!wire_text(e, WIRE_TAG_ROLE, role, sizeof(role)) ||
	    !wire_text(e, WIRE_TAG_USER, login, sizeof(login)) ||
	    !wire_text(e, WIRE_TAG_VERSION, version, sizeof(version)) ||
	    entry <= k->entry || s.count <= 0 || s.last_ago_us < 0 ||
	    s.first_ago_us < s.last_ago_us)
		return refuse(k, STATUS_CORRUPT,
			      "an entry is not as it must be", why);
	k->entry = entry;
	if (wire_number(e, WIRE_TAG_FURTHER, 0) != 0)
		s.address = CLUSTER_FURTHER_HOSTS;
	k->told = k->fn(k->arg, &s);
	return k->told;
}

static enum status read_reply(struct asking *k, const struct wire_message *m,
			      struct reason *why)
{
	int64_t result =
		wire_number(m, WIRE_TAG_RESULT, WIRE_RESULT_UNAVAILABLE);
	int64_t since = wire_number(m, WIRE_TAG_SINCE_AGO, -1);
	struct wire_message entry;
	enum status s = STATUS_OK;
	int64_t before = k->entry;
	size_t at = 0;

	if (result != WIRE_RESULT_OK)
		return refuse(k, STATUS_REFUSED,
			      wire_result_sentence((unsigned)result), why);
	if (since < 0)
		return refuse(k, STATUS_CORRUPT,
			      "its reply does not say since when it counts",
			      why);
	k->since_ago_us = since;
	k->more = wire_number(m, WIRE_TAG_MORE, 0) != 0;
	while (s == STATUS_OK && wire_entry(m, &at, &entry))
		s = read_entry(k, &entry, why);
	if (s == STATUS_OK && k->more && k->entry == before)
		return refuse(k, STATUS_CORRUPT,
			      "it promises more and sends nothing", why);
	return s;
}

static enum status ask_once(struct asking *k, struct reason *why)
{
	unsigned char request[WIRE_REQUEST_MAX];
	struct wire_client_request r = { .socket = k->agent->socket,
					 .frame = request,
					 .timeout_ms = TIMEOUT_MS };
	struct wire_message m;
	struct reason what;
	struct wire_out o;
	enum status s;

	reason_clear(&what);
	wire_begin(&o, request, sizeof(request), WIRE_USES);
	if (k->entry > 0)
		wire_put_number(&o, WIRE_TAG_ENTRY, k->entry);
	s = wire_end(&o, &r.len);
	if (s == STATUS_OK)
		s = wire_client_call(&r, k->reply, WIRE_REPLY_MAX, &m, &what);
	if (s != STATUS_OK)
		return refuse(k, s, what.text, why);
	return read_reply(k, &m, why);
}

static enum status ask_all(struct asking *k, struct reason *why)
{
	int64_t until = now_boot(now_system()) + BUDGET_US;
	enum status s;

	if (!k->agent->socket[0])
		return reason_set(
			why, STATUS_REFUSED,
			"gateway %s: who logs in there is not known: "
			"no agent is named for it (agent in [cluster])",
			k->agent->gateway);
	do {
		s = ask_once(k, why);
		if (s == STATUS_OK && k->more &&
		    now_boot(now_system()) >= until)
			return refuse(k, STATUS_TIMEOUT,
				      "it has more to say than there is time "
				      "for",
				      why);
	} while (s == STATUS_OK && k->more);
	return s;
}

static bool is_asked_before(const struct cluster_gateway_uses_agent *agents,
			    size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (agents[i].socket[0] &&
		    strcmp(agents[k].socket, agents[i].socket) == 0)
			return true;
	return false;
}

/* STATUS_OK also when it did not answer: heard was told. */
static enum status ask_agent(struct asking *k, cluster_heard_fn *heard,
			     bool *ret_answered, struct reason *why)
{
	struct cluster_heard h = { .gateway = k->agent->gateway, .why = "" };
	struct reason what;
	enum status s;

	reason_clear(&what);
	s = ask_all(k, &what);
	if (k->told != STATUS_OK)
		return k->told;
	h.answered = s == STATUS_OK;
	h.since_ago_us = k->since_ago_us;
	if (h.answered) {
		*ret_answered = true;
	} else {
		h.why = what.text;
		*why = what;
	}
	return heard(k->arg, &h);
}

enum status cluster_gateway_uses(
	const struct cluster_gateway_uses_agent *agents, size_t n,
	cluster_seen_fn *fn, cluster_heard_fn *heard, void *arg,
	struct reason *why)
{
	unsigned char *reply = malloc(WIRE_REPLY_MAX);
	enum status s = reply ? STATUS_OK : reason_no_memory(why);
	bool answered = false;
	struct reason last;

	reason_clear(&last);
	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		struct asking k = { .agent = &agents[i],
				    .fn = fn,
				    .arg = arg,
				    .reply = reply,
				    .told = STATUS_OK };

		if (!is_asked_before(agents, i))
			s = ask_agent(&k, heard, &answered, &last);
	}
	free(reply);
	if (s != STATUS_OK || answered)
		return s;
	return reason_set(why, STATUS_CLUSTER_UNAVAILABLE, "%s", last.text);
}

void cluster_gateway_uses_own(const char *socket, const char *user,
			      int64_t since_us)
{
	unsigned char request[WIRE_REQUEST_MAX], reply[256];
	struct wire_client_request r = { .socket = socket,
					 .frame = request,
					 .timeout_ms = OWN_MS };
	struct wire_message m;
	struct wire_out o;

	wire_begin(&o, request, sizeof(request), WIRE_OWN);
	wire_put_text(&o, WIRE_TAG_USER, user);
	wire_put_number(&o, WIRE_TAG_LAST_AGO, since_us + WAY_US);
	if (wire_end(&o, &r.len) == STATUS_OK)
		(void)wire_client_call(&r, reply, sizeof(reply), &m, NULL);
}
