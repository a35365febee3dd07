/* SPDX-License-Identifier: PostgreSQL */
/* The password of a role on its way to a partner, in a form that is of use to the
 * partner alone, and recorded before a byte of it leaves. */
#ifndef KEYTURN_HANDOFF_OFFER_H
#define KEYTURN_HANDOFF_OFFER_H

#include "base/secret.h"
#include "base/text.h"
#include "handoff/handoff.h"
#include "open/open.h"

struct handoff_offer {
	struct opened *opened;
	struct ledger *ledger;
	const struct config_group *role;
	struct handoff *handoff; /* of the role, loaded */
	const char *actor;
};

/*
 * The message of cms.h for the holders of these certificates, with a subject, for
 * a file or a mail; the hand-out to each of them and the state are durable in the
 * trail when this returns STATUS_OK.  STATUS_REFUSED, and nothing was recorded: a
 * certificate is bad; the role is not handed off by a person, has no password, or
 * has a run that is not finished.
 */
enum status handoff_offer_cms(const struct handoff_offer *o,
			      const char *const *to, size_t n, struct text *ret,
			      struct reason *why);

/* For a terminal: the lines of the credential.  It is offered and fetched, and that
 * is durable when this returns STATUS_OK.  *ret is the caller's. */
enum status handoff_offer_shown(const struct handoff_offer *o,
				struct secret **ret, struct reason *why);

/*
 * As a token of the role's store that opens it once, for life_s seconds as
 * store_wrap() takes them; offered, and that is durable with the token's accessor
 * when this returns STATUS_OK.  *ret_ends_us: when it ends, by the wall clock.
 * STATUS_REFUSED as above, or the store has none, or may not; then, and for every
 * other failure, nothing was recorded, or what was recorded was given to nobody.
 * *ret is the caller's.
 */
enum status handoff_offer_wrapped(const struct handoff_offer *o, int64_t life_s,
				  struct secret **ret, int64_t *ret_ends_us,
				  struct reason *why);

#endif
