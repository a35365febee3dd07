/* SPDX-License-Identifier: PostgreSQL */
/*
 * Looks who uses the roles of each cluster, by open sessions and by logins that
 * an event trigger noted, and remembers it in the ledger.  It changes nothing in
 * a cluster, and no rotation waits for it.
 */
#ifndef KEYTURN_ADOPTION_H
#define KEYTURN_ADOPTION_H

#include "open/engine/engine.h"

struct adoption;

/* The engine must have a ledger, and outlive it. */
enum status adoption_new(struct open_engine *w, struct adoption **ret,
			 struct reason *why);
void adoption_free(struct adoption *a);

/* Are the sessions of this [cluster NAME] looked at?  By its setting `sample`. */
bool adoption_wanted(const struct config_group *cluster);

/* Looks further apart than this leave a gap: what was in between is not known. */
int64_t adoption_gap_us(const struct config *c);

/* So often who looks all the time notes that, when nothing else is to be noted. */
int64_t adoption_noted_us(const struct config *c);

/* For who looks all the time: what he sees of pairs is kept in the engine, and noted
 * in the ledger when it changed.  At the end adoption_note() notes the rest. */
void adoption_stay(struct adoption *a);
void adoption_note(struct adoption *a);

/* The clusters that are looked at, from 0; one without roles is not. */
size_t adoption_count(const struct adoption *a);
const char *adoption_cluster(const struct adoption *a, size_t i);

/* What a look found besides what it remembered. */
struct adoption_look {
	size_t seen;	      /* consumers of our roles */
	int64_t hidden;	      /* sessions of which the administrator may not see
				where they come from */
	struct reason logins; /* why noted logins could not be read, or "" */
	struct reason
		unheard; /* of gateways: those whose agents did not answer,
				  so that who logs in there is not known; or "" */
};

/*
 * Look at one of them now.  One query for all its roles; whether an event trigger
 * notes logins is asked once an hour in each database that consumers are told.
 * The statuses are those of the cluster and of the ledger.  Not for two threads
 * at once.
 */
enum status adoption_look(struct adoption *a, size_t i,
			  struct adoption_look *ret, struct reason *why);

#endif
