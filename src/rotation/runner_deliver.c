/* SPDX-License-Identifier: PostgreSQL */
/* The runner brings sinks in step; a bad sink must never undo a rotation. */
#include "rotation/runner_deliver.h"

#include <string.h>

#include "base/text.h"
#include "rotation/runner_env.h"
#include "rotation/runner_ledger.h"
#include "rotation/runner_store.h"

/* How often the store may move on while we deliver, before that is enough. */
#define ROUNDS 3

/* A version id of the usual length. */
#define ANY_VERSION "00000000-0000-0000-0000-000000000000"

struct delivery {
	struct format_credential credential;
	struct format_credential before; /* without password: there is none */
	bool overrule;
	bool behind;	     /* a file claims to be newer than we are */
	bool bad;	     /* a file could not be written */
	struct reason first; /* why the first bad one could not */
};

static void deliver_one(struct runner *r, const struct sink *sink,
			struct delivery *d)
{
	const struct sink_delivery delivery = {
		.role = r->job->role,
		.version = r->current,
		.epoch = r->epoch,
		.overrule = d->overrule,
		.credential = &d->credential,
		.before = d->before.password ? &d->before : NULL,
	};
	struct reason why;
	bool changed = false;
	enum status s;

	s = sink_deliver(sink, &delivery, &changed, &why);
	if (s == STATUS_CONFLICT && !d->overrule) {
		d->behind = true;
		return;
	}
	if (s == STATUS_OK)
		return;
	runner_ledger_note(r, AUDIT_SINK, r->current, s, why.text, -1);
	if (!d->bad)
		d->first = why;
	d->bad = true;
}

/* What this run logged in with is what consumers get, or nothing: a store that
 * gives other bytes for that version is not believed. */
static bool is_other(const struct runner *r, const struct secret *fetched)
{
	return r->password && strcmp(r->version, r->current) == 0 &&
	       !secret_equal(fetched, r->password);
}

/*
 * Of a pair, the password before: its member may log in until it is retired,
 * which takes the label first.  One that the store has lost or damaged is no
 * reason to keep CURRENT from consumers, and one that got out is handed out no
 * more.
 */
static enum status fetch_before(const struct runner *r, const char *user,
				struct store_entry *entry, struct reason *why)
{
	const char *id = runner_store_id(r, STORE_LABEL_PREVIOUS);
	struct store *s = r->job->store;
	enum status st = STATUS_NOT_FOUND;

	if (r->job->pair && *id && !r->job->compromised)
		st = s->ops->fetch(s, r->job->role, id, entry, why);
	if (st == STATUS_OK && strcmp(entry->username, user) == 0) {
		secret_free(entry->password);
		entry->password = NULL;
	}
	if (st == STATUS_NOT_FOUND || st == STATUS_CORRUPT) {
		reason_clear(why);
		st = STATUS_OK;
	}
	return st;
}

/* CURRENT to every sink, and what is valid beside it; *d says how it went. */
static enum status deliver_all(struct runner *r, struct delivery *d,
			       struct reason *why)
{
	const struct cluster *t = r->job->cluster;
	struct store *s = r->job->store;
	struct store_entry entry = { .password = NULL };
	struct store_entry before = { .password = NULL };
	enum status st;

	st = s->ops->fetch(s, r->job->role, r->current, &entry, why);
	if (st != STATUS_OK)
		return st;
	if (is_other(r, entry.password)) {
		secret_free(entry.password);
		return reason_set(why, STATUS_CORRUPT,
				  "store %s, role %s: the password that it "
				  "gives for version %s is not the one that "
				  "logged in; nothing was delivered",
				  s->name, r->job->role, r->current);
	}
	st = fetch_before(r, entry.username, &before, why);
	if (st != STATUS_OK) {
		secret_free(entry.password);
		return st;
	}
	d->behind = d->bad = false;
	d->credential = (struct format_credential){
		.host = t->host,
		.port = t->port,
		.dbname = r->job->dbname ? r->job->dbname : t->dbname,
		.username = entry.username,
		.version = r->current,
		.sslmode = t->sslmode,
		.sslrootcert = t->sslrootcert,
		.password = entry.password,
	};
	d->before = d->credential;
	d->before.username = before.username;
	d->before.password = before.password;
	/* A service file, behind the others, names the user of a password that
	 * another file has: without that one it would lead nowhere. */
	for (size_t i = 0; i < r->job->n_sinks; i++)
		if (!d->bad || r->job->sinks[i].kind != SINK_SERVICE)
			deliver_one(r, &r->job->sinks[i], d);
	secret_free(entry.password);
	secret_free(before.password);
	return STATUS_OK;
}

/*
 * A file with a higher epoch than ours is either of a rotator that came after
 * us, or of a time before a restore that also took the ledger.  The store
 * decides: as long as its CURRENT is what we deliver, nothing is newer.  It is
 * asked again after overruling, since a rotator may have passed us meanwhile.
 */
enum engine_event runner_deliver_sinks(struct runner *r, struct reason *why)
{
	struct delivery d = { .overrule = false };
	char delivered[RANDOM_UUID_SIZE];

	if (r->job->n_sinks == 0 || !*r->current)
		return ENGINE_ON_OK;
	for (int round = 0; round < ROUNDS; round++) {
		if (deliver_all(r, &d, why) != STATUS_OK)
			return ENGINE_ON_FAILED;
		if (!d.behind && !d.overrule)
			break;
		text_copy(delivered, sizeof(delivered), r->current);
		if (runner_store_describe(r, why) != STATUS_OK)
			return ENGINE_ON_FAILED;
		if (d.overrule && strcmp(delivered, r->current) == 0)
			break;
		d.overrule = true;
	}
	if (!d.bad)
		return ENGINE_ON_OK;
	*why = d.first;
	return ENGINE_ON_FAILED;
}

/* With a stand-in, so that no password is on disk before it is in the store. */
enum status runner_deliver_could(const struct runner_job *job,
				 const struct sink *sink, struct reason *why)
{
	const struct cluster *t = job->cluster;
	struct secret *stand_in = NULL;
	struct format_credential credential = {
		.host = t->host,
		.port = t->port,
		.dbname = job->dbname ? job->dbname : t->dbname,
		.username = job->pair ? job->pair->members[0] : job->rolname,
		.version = ANY_VERSION,
		.sslmode = t->sslmode,
		.sslrootcert = t->sslrootcert,
	};
	struct format_credential before;
	const struct sink_delivery d = {
		.role = job->role,
		.version = ANY_VERSION,
		.credential = &credential,
		.before = job->pair ? &before : NULL,
	};
	enum status s = secret_new(job->policy->length, &stand_in);

	for (unsigned i = 0; i < job->policy->length && s == STATUS_OK; i++)
		s = secret_append(stand_in, "0", 1);
	credential.password = stand_in;
	before = credential;
	if (job->pair)
		before.username = job->pair->members[1];
	if (s != STATUS_OK)
		reason_set(why, s, "role %s: no locked memory for a trial",
			   job->role);
	else
		s = sink_try(sink, &d, why);
	secret_free(stand_in);
	return s;
}

/*
 * The last look before a password is made: a consumer whose file cannot be
 * written would be locked out by it.  A password that leaked goes all the same.
 */
enum status runner_deliver_try(const struct runner *r, struct reason *why)
{
	enum status s = STATUS_OK;

	if (r->job->emergency || r->job->compromised)
		return STATUS_OK;
	for (size_t i = 0; i < r->job->n_sinks && s == STATUS_OK; i++) {
		s = runner_deliver_could(r->job, &r->job->sinks[i], why);
		/* Another process writes it just now, and will finish. */
		if (s == STATUS_TIMEOUT)
			s = STATUS_OK;
	}
	return s;
}
