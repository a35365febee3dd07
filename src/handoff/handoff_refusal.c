/* SPDX-License-Identifier: PostgreSQL */
/* Counts refused passwords by address.  Must never keep more of them because more
 * come, nor let those of others crowd out the partner's. */
#include "handoff/handoff_refusal.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/now.h"
#include "base/words.h"

/* The first places are the partner's, or anybody's where no host is expected; then
 * come the others', and one for all that have none. */
#define PARTNERS	(HANDOFF_REFUSALS / 2)
#define FURTHER		(HANDOFF_REFUSALS - 1)
#define FURTHER_ADDRESS "further"
#define NO_PASSWORD	"-"

int64_t handoff_refusal_since(const struct handoff *h)
{
	static const enum handoff_state from[] = { HANDOFF_STATE_FETCHED,
						   HANDOFF_STATE_OFFERED,
						   HANDOFF_STATE_PREPARED };

	for (size_t i = 0; i < sizeof(from) / sizeof(*from); i++)
		if (h->marks[from[i]].at_us > 0)
			return h->marks[from[i]].at_us;
	return INT64_MAX;
}

enum status handoff_refusal_address(const char *address,
				    char ret[HANDOFF_REFUSAL_ADDRESS_SIZE],
				    struct reason *why)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;

	if (strcmp(address, "local") == 0 || strcmp(address, "[local]") == 0)
		return text_copy(ret, HANDOFF_REFUSAL_ADDRESS_SIZE, "local");
	if (inet_pton(family, address, bytes) == 1 &&
	    inet_ntop(family, bytes, ret, HANDOFF_REFUSAL_ADDRESS_SIZE))
		return STATUS_OK;
	return reason_set(why, STATUS_USAGE,
			  "\"%.64s\" is not an address such as 203.0.113.7 or "
			  "2001:db8::7, without a port, nor local",
			  address);
}

/* What a client says of itself, which may be a name, or anything. */
static void tame_address(const char *said,
			 char ret[HANDOFF_REFUSAL_ADDRESS_SIZE])
{
	size_t n = strlen(said);

	if (handoff_refusal_address(said, ret, NULL) == STATUS_OK)
		return;
	if (n == 0 || n >= HANDOFF_REFUSAL_ADDRESS_SIZE ||
	    strspn(said, "abcdefghijklmnopqrstuvwxyz0123456789.-"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != n)
		said = FURTHER_ADDRESS;
	text_copy(ret, HANDOFF_REFUSAL_ADDRESS_SIZE, said);
}

/* ---- whose it is ----------------------------------------------------------------- */

/* The host of an expected consumer; NULL when it may come from anywhere. */
static const char *find_host(const char *word, size_t n, size_t *ret_n)
{
	const char *end = word + n, *p, *comma;

	for (p = word; p < end; p = comma + 1) {
		comma = memchr(p, ',', (size_t)(end - p));
		if (!comma)
			comma = end;
		*ret_n = (size_t)(comma - p);
		if (*ret_n > 5 && strncmp(p, "host:", 5) == 0)
			return p;
	}
	return NULL;
}

static enum handoff_partner_host whose(const struct handoff *h,
				       const char *address)
{
	const char *at = h->consumers, *w, *host;
	enum handoff_partner_host found = HANDOFF_HOST_UNKNOWN;
	char name[CONSUMER_SIZE];
	size_t n;

	consumer_name(address, "", "", name);
	while ((w = words_next(&at, &n)) != NULL) {
		host = find_host(w, n, &n);
		if (!host)
			continue;
		if (consumer_matches(host, n, name))
			return HANDOFF_HOST_PARTNER;
		found = HANDOFF_HOST_OTHER;
	}
	return strcmp(address, FURTHER_ADDRESS) == 0 ? HANDOFF_HOST_UNKNOWN :
						       found;
}

/* ---- facts ----------------------------------------------------------------------- */

static void name_fact(const struct handoff *h, size_t i,
		      char ret[HANDOFF_FACT_SIZE])
{
	snprintf(ret, HANDOFF_FACT_SIZE, "%s %zu", h->role, i);
}

static bool read_fact(const char *line, const struct handoff *h,
		      struct handoff_refusal *ret)
{
	struct handoff_refusal r = { .count = 0 };
	char version[RANDOM_UUID_SIZE] = "";

	if (sscanf(line,
		   "%36s %" SCNd64 " %23s %15s %" SCNd64 " %" SCNd64 " %" SCNd64
		   " %63s",
		   version, &r.since_us, r.source, r.password, &r.count,
		   &r.first_us, &r.last_us, r.address) != 8 ||
	    strcmp(version, h->version) != 0 ||
	    r.last_us < handoff_refusal_since(h))
		return false;
	if (strcmp(r.password, NO_PASSWORD) == 0)
		r.password[0] = '\0';
	r.host = whose(h, r.address);
	*ret = r;
	return true;
}

enum status handoff_refusal_load(struct ledger *l, struct handoff *h,
				 int64_t now_us, struct reason *why)
{
	char line[LEDGER_TEXT_SIZE], name[HANDOFF_FACT_SIZE];
	enum status s = STATUS_OK;

	for (size_t i = 0; i < HANDOFF_REFUSALS && s == STATUS_OK; i++) {
		name_fact(h, i, name);
		s = ledger_fact_recall(l, LEDGER_FACT_REFUSED, name, now_us,
				       line, why);
		if (s == STATUS_OK)
			read_fact(line, h, &h->refusals[i]);
		else if (s == STATUS_NOT_FOUND)
			s = STATUS_OK;
	}
	return s;
}

static enum status keep_at(struct ledger *l, const struct handoff *h, size_t i,
			   struct reason *why)
{
	const struct handoff_refusal *r = &h->refusals[i];
	char line[LEDGER_TEXT_SIZE], name[HANDOFF_FACT_SIZE];

	name_fact(h, i, name);
	snprintf(line, sizeof(line),
		 "%s %" PRId64 " %s %s %" PRId64 " %" PRId64 " %" PRId64 " %s",
		 h->version, r->since_us, r->source,
		 *r->password ? r->password : NO_PASSWORD, r->count,
		 r->first_us, r->last_us, r->address);
	return ledger_fact_remember(l, LEDGER_FACT_REFUSED, name, line,
				    now_wall(now_system()), why);
}

/* ---- counting -------------------------------------------------------------------- */

static bool is_same(const struct handoff_refusal *a,
		    const struct handoff_refusal *b)
{
	return strcmp(a->address, b->address) == 0 &&
	       strcmp(a->source, b->source) == 0 &&
	       strcmp(a->password, b->password) == 0;
}

/* Its place, or the first free one of its kind, or that of all others. */
static size_t find_place(const struct handoff *h,
			 const struct handoff_refusal *r)
{
	size_t i = r->host == HANDOFF_HOST_OTHER ? PARTNERS : 0;
	size_t end = r->host == HANDOFF_HOST_PARTNER ? PARTNERS : FURTHER;
	size_t found = FURTHER;

	if (strcmp(r->address, FURTHER_ADDRESS) == 0)
		return FURTHER;
	for (; i < end; i++) {
		if (is_same(&h->refusals[i], r))
			return i;
		if (!h->refusals[i].address[0] && found == FURTHER)
			found = i;
	}
	return found;
}

static void merge(struct handoff_refusal *known,
		  const struct handoff_refusal *r, bool total)
{
	if (!known->address[0] || known->since_us != r->since_us) {
		*known = *r;
		return;
	}
	if (!total)
		known->count += r->count;
	else if (known->count < r->count)
		known->count = r->count;
	if (r->first_us < known->first_us)
		known->first_us = r->first_us;
	if (r->last_us > known->last_us)
		known->last_us = r->last_us;
}

enum status handoff_refusal_add(struct ledger *l, struct handoff *h,
				const struct handoff_refusal *r, bool total,
				struct reason *why)
{
	struct handoff_refusal add = *r;
	size_t i;

	add.since_us = handoff_refusal_since(h);
	if (r->last_us < add.since_us)
		return STATUS_OK;
	if (total)
		tame_address(r->address, add.address);
	add.host = whose(h, add.address);
	i = find_place(h, &add);
	if (i == FURTHER) {
		text_copy(add.address, sizeof(add.address), FURTHER_ADDRESS);
		add.host = HANDOFF_HOST_UNKNOWN;
		add.password[0] = '\0';
	}
	merge(&h->refusals[i], &add, total);
	return keep_at(l, h, i, why);
}
