/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which version of a password is live, and whose it is: the verdict from which a
 * run goes on, as a pure function over what was read from marker and store.  The
 * rows are in resolve.def.
 */
#ifndef KEYTURN_RESOLVE_H
#define KEYTURN_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "rotation/engine.h"
#include "store/store.h"

/* What a login with CURRENT showed.  It is made only when an older version seems
 * to be live and a proxy may remember passwords. */
enum resolve_login {
	RESOLVE_LOGIN_NONE, /* none was made: the marker is believed */
	RESOLVE_LOGIN_TAKEN,
	RESOLVE_LOGIN_REFUSED,
	RESOLVE_LOGIN_UNCLEAR /* refused, which a proxy may do for a while, or
				 it proved nothing */
};

struct resolve_facts {
	/* Ids of versions, "" for none. */
	const char *live;     /* the one that the marker calls live */
	const char *own;      /* the one that this run made */
	const char *pending;  /* the store's PENDING */
	const char *current;  /* the store's CURRENT */
	const char *recalled; /* the one that this run went back to */
	const char *previous; /* of a pair: what the marker calls the one
				 before the live one */
	const char *labelled; /* the store's PREVIOUS */

	bool held;		/* the store has the live version ... */
	enum store_label label; /* ... under this label */
	bool pair;		/* two login roles take turns ... */
	bool retired;	 /* ... and who has the one before has no LOGIN by us */
	bool claim_lost; /* the claim in the marker is not ours */
	bool login_old;	 /* a login tells what is live, and the store changed
			   between it and our claim */
	bool ours_open;	 /* our version is staged, and whether it was applied is
			   open */
	bool branched;	 /* the marker was written on another branch */
	bool renamed;	 /* the marker's role now has another name or oid */
	bool foreign;	 /* the catalog's password is not the marker's */
	bool doubts; /* a commit that failed may have changed the password */
	enum resolve_login login;
};

struct resolve_row {
	enum engine_event event;
	const char *sentence;
};

/* The first row that holds; static, never NULL. */
const struct resolve_row *resolve(const struct resolve_facts *f);

/* The table, for tests. */
const struct resolve_row *resolve_rows(size_t *ret_n);

#endif
