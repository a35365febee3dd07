/* SPDX-License-Identifier: PostgreSQL */
/* Offers a password; must never let one leave in clear but to a terminal, nor
 * before that is recorded. */
#include "handoff/handoff_offer.h"

#include <stdio.h>
#include <string.h>

#include "base/now.h"
#include "base/secret_out.h"
#include "crypto/cms.h"
#include "handoff/handoff_token.h"
#include "handout/handout.h"

/* Of a line: a mail's, and a raw terminal's. */
#define END		 "\r\n"
#define FINGERPRINT_SIZE (CERTS_FINGERPRINT_SIZE + 8)

static enum status check_offer(const struct handoff_offer *o,
			       struct reason *why)
{
	const struct handoff *h = o->handoff;
	struct ledger *l = o->ledger;
	struct ledger_role known;
	enum status s = handoff_under_way(h, why);

	if (s == STATUS_OK)
		s = l->ops->roles->get(l, h->role, &known, why);
	if (s != STATUS_OK)
		return s;
	if (known.open_run[0])
		return reason_set(why, STATUS_REFUSED,
				  "role %s: a run is not finished, so that its "
				  "password may be dead; keyturn recover %s",
				  h->role, h->role);
	return STATUS_OK;
}

/* ---- the credential ------------------------------------------------------------- */

static enum status add_line(struct secret_out *o, const char *key,
			    const char *value, struct reason *why)
{
	if (text_has_control(value, strlen(value)))
		return reason_set(why, STATUS_REFUSED,
				  "the %s has a control character, so that it "
				  "cannot be typed in",
				  key);
	if (!*value)
		return STATUS_OK;
	secret_out_text(o, key);
	secret_out_text(o, ": ");
	secret_out_text(o, value);
	secret_out_text(o, END);
	return STATUS_OK;
}

static enum status write_lines(struct secret_out *o, const struct handoff *h,
			       const struct store_entry *e, struct reason *why)
{
	const struct {
		const char *key, *value;
	} lines[] = {
		{ "host", e->host },	   { "port", e->port },
		{ "database", e->dbname }, { "user", e->username },
		{ "version", h->version },
	};
	enum status s = STATUS_OK;

	if (text_has_control(secret_bytes(e->password),
			     secret_len(e->password)))
		return reason_set(why, STATUS_REFUSED,
				  "the password has a control character, so "
				  "that it cannot be typed in");
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines) && s == STATUS_OK;
	     i++)
		s = add_line(o, lines[i].key, lines[i].value, why);
	secret_out_text(o, "password: ");
	secret_out_secret(o, e->password);
	secret_out_text(o, END);
	return s;
}

/* ret->password is the caller's, also after a failure. */
static enum status read_entry(const struct handoff_offer *by,
			      struct store_entry *ret, struct reason *why)
{
	const struct handoff *h = by->handoff;
	char version[RANDOM_UUID_SIZE];
	enum status s = handout_read(by->opened, by->role, "current", version,
				     ret, why);

	if (s == STATUS_OK && strcmp(version, h->version) != 0)
		s = reason_set(why, STATUS_REFUSED,
			       "role %s: the store's current version is "
			       "another one than the ledger's; keyturn recover "
			       "%s",
			       h->role, h->role);
	return s;
}

/* `head` is before it.  *ret is the caller's. */
static enum status read_credential(const struct handoff_offer *by,
				   const char *head, struct secret **ret,
				   struct reason *why)
{
	const struct handoff *h = by->handoff;
	struct store_entry entry = { .password = NULL };
	struct secret_out o = secret_out_make(CMS_PLAIN_MAX);
	enum status s = read_entry(by, &entry, why);

	if (s == STATUS_OK) {
		secret_out_text(&o, head);
		s = write_lines(&o, h, &entry, why);
	}
	if (s != STATUS_OK)
		o.status = s;
	if (secret_out_take(&o, ret) != STATUS_OK && s == STATUS_OK)
		s = reason_set(why, STATUS_LIMIT, "the credential is too long");
	secret_free(entry.password);
	return s;
}

/* ---- CMS ------------------------------------------------------------------------ */

struct recipients {
	struct cms_recipient *all[CMS_RECIPIENTS_MAX];
	size_t n;
};

/* All of them, or none. */
static enum status load_recipients(struct recipients *r, const char *const *to,
				   size_t n, struct reason *why)
{
	enum status s = STATUS_OK;

	if (n > CMS_RECIPIENTS_MAX)
		return reason_set(why, STATUS_USAGE,
				  "more than %d certificates",
				  CMS_RECIPIENTS_MAX);
	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		s = cms_recipient_load(to[i], now_wall(now_system()),
				       &r->all[i], why);
		r->n += s == STATUS_OK;
	}
	return s;
}

static enum status record_recipients(const struct handoff_offer *o,
				     const struct recipients *r,
				     struct reason *why)
{
	struct audit_event events[CMS_RECIPIENTS_MAX];
	char prints[CMS_RECIPIENTS_MAX][FINGERPRINT_SIZE];
	char details[CMS_RECIPIENTS_MAX][CERTS_NAME_SIZE + 32];
	const struct handoff_act act = { .state = HANDOFF_STATE_OFFERED,
					 .source = "cms",
					 .actor = o->actor,
					 .detail = "for the holders of the "
						   "certificates",
					 .more = events,
					 .n_more = r->n };

	for (size_t i = 0; i < r->n; i++) {
		snprintf(prints[i], sizeof(prints[i]), "sha256:%s",
			 cms_recipient_fingerprint(r->all[i]));
		snprintf(details[i], sizeof(details[i]), "format cms, for %s",
			 cms_recipient_subject(r->all[i]));
		events[i] = audit_event_make(AUDIT_HANDOUT, "", o->actor,
					     status_name(STATUS_OK),
					     details[i]);
		events[i].label = "current";
		events[i].recipient = prints[i];
	}
	return handoff_record_act(o->ledger, o->handoff, &act,
				  now_wall(now_system()), why);
}

enum status handoff_offer_cms(const struct handoff_offer *o,
			      const char *const *to, size_t n, struct text *ret,
			      struct reason *why)
{
	static const char head[] = "Content-Type: text/plain; charset=utf-8\r\n"
				   "Content-Transfer-Encoding: 8bit\r\n\r\n";
	struct recipients r = { .n = 0 };
	struct secret *plain = NULL;
	enum status s = load_recipients(&r, to, n, why);

	if (s == STATUS_OK)
		s = check_offer(o, why);
	if (s == STATUS_OK)
		s = read_credential(o, head, &plain, why);
	if (s == STATUS_OK) {
		text_printf(ret, "Subject: database credential of %s\n",
			    o->handoff->role);
		s = cms_seal(plain, r.all, r.n, ret, why);
	}
	if (s == STATUS_OK)
		s = record_recipients(o, &r, why);
	secret_free(plain);
	for (size_t i = 0; i < r.n; i++)
		cms_recipient_free(r.all[i]);
	return s;
}

/* ---- a terminal ------------------------------------------------------------------- */

enum status handoff_offer_shown(const struct handoff_offer *o,
				struct secret **ret, struct reason *why)
{
	struct audit_event ev = audit_event_make(AUDIT_HANDOUT, "", o->actor,
						 status_name(STATUS_OK),
						 "shown on a terminal");
	const struct handoff_act offered = { .state = HANDOFF_STATE_OFFERED,
					     .source = "terminal",
					     .actor = o->actor,
					     .detail = "",
					     .more = &ev,
					     .n_more = 1 };
	struct handoff_act fetched = offered;
	struct secret *lines = NULL;
	int64_t now_us = now_wall(now_system());
	enum status s = check_offer(o, why);

	ev.label = "current";
	fetched.state = HANDOFF_STATE_FETCHED;
	fetched.n_more = 0;
	if (s == STATUS_OK)
		s = read_credential(o, "", &lines, why);
	if (s == STATUS_OK)
		s = handoff_record_act(o->ledger, o->handoff, &offered, now_us,
				       why);
	if (s == STATUS_OK)
		s = handoff_record_act(o->ledger, o->handoff, &fetched, now_us,
				       why);
	if (s == STATUS_OK) {
		*ret = lines;
		lines = NULL;
	}
	secret_free(lines);
	return s;
}

/* ---- a token that opens it once ------------------------------------------------------ */

/* The token itself is in no word of it. */
static enum status record_wrapped(const struct handoff_offer *o,
				  const struct store_wrapped *w,
				  const struct handoff_token *t,
				  struct reason *why)
{
	char recipient[STORE_ACCESSOR_SIZE + 16];
	char detail[STORE_WRAP_PATH_SIZE + 64];
	struct audit_event ev = audit_event_make(
		AUDIT_HANDOUT, "", o->actor, status_name(STATUS_OK), detail);
	const struct handoff_act act = { .state = HANDOFF_STATE_OFFERED,
					 .source = HANDOFF_TOKEN_SOURCE,
					 .actor = o->actor,
					 .detail = "as a token that opens it "
						   "once",
					 .more = &ev,
					 .n_more = 1 };
	enum status s;

	snprintf(recipient, sizeof(recipient), "accessor:%s", w->accessor);
	snprintf(detail, sizeof(detail),
		 "format wrapping token, for %lld seconds, made by %s",
		 (long long)w->life_s, w->made_by);
	ev.label = "current";
	ev.recipient = recipient;
	s = handoff_record_act(o->ledger, o->handoff, &act, t->made_us, why);
	if (s == STATUS_OK)
		s = handoff_token_keep(o->ledger, o->handoff, t, why);
	return s;
}

enum status handoff_offer_wrapped(const struct handoff_offer *o, int64_t life_s,
				  struct secret **ret, int64_t *ret_ends_us,
				  struct reason *why)
{
	struct store_entry entry = { .password = NULL };
	struct store_wrapped w = { .token = NULL };
	struct handoff_token t = { .state = HANDOFF_TOKEN_OUT };
	struct store *store = NULL;
	enum status s = check_offer(o, why);

	if (s == STATUS_OK)
		s = handoff_token_room(o->handoff, why);
	if (s == STATUS_OK)
		s = open_store(o->opened,
			       config_string(o->role, CONFIG_role_store),
			       &store, why);
	if (s == STATUS_OK)
		s = store_wrap_able(store, why);
	if (s == STATUS_OK)
		s = read_entry(o, &entry, why);
	/* Before the store has made it, so that it lives no shorter. */
	t.made_us = t.known_us = now_wall(now_system());
	if (s == STATUS_OK)
		s = store_wrap(store, o->handoff->version, &entry, life_s, &w,
			       why);
	if (s == STATUS_OK) {
		t.ends_us = t.made_us + w.life_s * NOW_SECOND;
		text_copy(t.accessor, sizeof(t.accessor), w.accessor);
		s = record_wrapped(o, &w, &t, why);
	}
	if (s == STATUS_OK) {
		*ret_ends_us = t.ends_us;
		*ret = w.token;
		w.token = NULL;
	}
	secret_free(w.token);
	secret_free(entry.password);
	return s;
}
