/* SPDX-License-Identifier: PostgreSQL */
/*
 * How far the hand-off of a role's current password has come (handoff = manual):
 * what was recorded of it in the ledger, and what follows from sightings and runs
 * and is not recorded yet.  Holds no secret.  Who is to be waited for are the
 * role's consumers; a login of anybody else says nothing of the partner.
 */
#ifndef KEYTURN_HANDOFF_H
#define KEYTURN_HANDOFF_H

#include <stdbool.h>

#include "base/text.h"
#include "config/config.h"
#include "ledger/ledger.h"
#include "store/store.h"

enum handoff_state {
#define HANDOFF_STATE(name, word, meaning) HANDOFF_STATE_##name,
#include "handoff/handoff_states.def"
#undef HANDOFF_STATE
	HANDOFF_STATES
};

#define HANDOFF_SOURCE_SIZE 24
#define HANDOFF_ACTOR_SIZE  128

struct handoff_mark {
	int64_t at_us;			  /* wall clock; 0: not come to */
	char source[HANDOFF_SOURCE_SIZE]; /* where it is known from: "rotate",
					     "session", "command", ... */
	char actor[HANDOFF_ACTOR_SIZE];	  /* who; of "seen" the consumer */
	bool recorded;			  /* it is in the trail */
};

enum handoff_token_state {
	HANDOFF_TOKEN_OUT,    /* it was not opened when it was last looked at */
	HANDOFF_TOKEN_OPENED, /* it was gone before its end */
	HANDOFF_TOKEN_ENDED   /* it is gone since its end */
};

/* A token of the store that opens the password once: handoff_token.h. */
struct handoff_token {
	char accessor[STORE_ACCESSOR_SIZE]; /* "" for none */
	enum handoff_token_state state;
	int64_t made_us, ends_us; /* wall clock, as the one below */
	int64_t known_us; /* when it was found opened; else last seen there */
	bool found;	  /* the state is of a look, and not recorded yet */
};

#define HANDOFF_TOKENS 4 /* given out of one version */

enum handoff_partner_host {
	HANDOFF_HOST_UNKNOWN, /* `consumers` names no host */
	HANDOFF_HOST_PARTNER,
	HANDOFF_HOST_OTHER
};

#define HANDOFF_REFUSALS	     16
#define HANDOFF_REFUSAL_ADDRESS_SIZE 64

/* Wrong passwords that were refused to an address: handoff_refusal.h. */
struct handoff_refusal {
	char address
		[HANDOFF_REFUSAL_ADDRESS_SIZE]; /* "" for none; "further" for
						       several others */
	char source[HANDOFF_SOURCE_SIZE];	/* "log", "verify" */
	char password[16];			/* "previous": the old one;
						       "current": the right one,
						       under another user name;
						       "": not known, or another */
	int64_t since_us, count, first_us, last_us; /* wall clock */
	enum handoff_partner_host host;
};

struct handoff {
	const char *role; /* the [role NAME] */
	bool manual;	  /* a person types it in; else nothing is known */
	bool pair;
	bool overlaps; /* the one before is good beside it: of a pair, or of a
			  gateway, whose grace ends it */
	char version[RANDOM_UUID_SIZE]; /* current, "" when there is none */
	struct handoff_mark marks[HANDOFF_STATES];
	size_t expected, adopted; /* consumers; seen with the version */
	int64_t deadline_us;	  /* wall clock; 0: none */
	bool late;		  /* it is past, and the partner not there */
	bool retires;		  /* then nothing is kept for it any more */
	bool alarmed;		  /* that was told */
	struct handoff_token tokens[HANDOFF_TOKENS];
	const char *consumers; /* the setting */
	struct handoff_refusal refusals[HANDOFF_REFUSALS];
	char not_told[LEDGER_TEXT_SIZE]; /* why the last look at them failed */
};

/* "prepared"; static. */
const char *handoff_state_word(enum handoff_state s);

#define HANDOFF_FACT_SIZE (CONFIG_NAME_MAX + 32)

/* What the fact of a state is about; of the alarm for HANDOFF_STATES. */
const char *handoff_fact(const struct handoff *h, enum handoff_state s,
			 char ret[HANDOFF_FACT_SIZE]);

/* Reads only.  The role's group must outlive it.  Statuses of the ledger. */
enum status handoff_load(struct ledger *l, const struct config_group *role,
			 int64_t now_us, struct handoff *ret,
			 struct reason *why);

/* Put what is not recorded yet into the trail, with the alarm of a deadline that
 * has passed.  actor is who found it out.  One at a time for a role. */
enum status handoff_record(struct ledger *l, struct handoff *h,
			   const char *actor, int64_t now_us,
			   struct reason *why);

/* A state that something was done for; `more` are events that go with it into the
 * trail, and their version and role are filled in.  Durable. */
struct handoff_act {
	enum handoff_state state;
	const char *source, *actor, *detail;
	struct audit_event *more;
	size_t n_more;
};
enum status handoff_record_act(struct ledger *l, struct handoff *h,
			       const struct handoff_act *a, int64_t now_us,
			       struct reason *why);

/* STATUS_REFUSED: the role is not handed off by a person, or has no password. */
enum status handoff_under_way(const struct handoff *h, struct reason *why);

/*
 * May `version` ("" for the current one) be confirmed?  STATUS_REFUSED: the role
 * is not handed off by a person, has no password, has another version, or was
 * confirmed.
 */
enum status handoff_confirmable(const struct handoff *h, const char *version,
				struct reason *why);

/* The partner is there: all its consumers were seen, or a person said so; or the
 * old password was ended. */
bool handoff_is_over(const struct handoff *h);

/* Why the partner is not waited for any more, for a run's reason; NULL: consumers
 * decide.  Static. */
const char *handoff_decided(const struct handoff *h);

/* Is the password before kept for the partner (or, of one login role, the present
 * one)?  Then STATUS_DEFERRED with who is waited for; else STATUS_OK. */
enum status handoff_held(const struct handoff *h, struct reason *why);

/* The last state that it has come to; HANDOFF_STATES for none. */
enum handoff_state handoff_reached(const struct handoff *h);

/* "hand-off offered; 0 of 1 consumers ..." for people; "" when it is over, or of
 * no concern. */
void handoff_sentence(const struct handoff *h, struct text *t);

#endif
