/* SPDX-License-Identifier: PostgreSQL */
/*
 * Secrets in Vault or OpenBao, KV version 2.  Must never let one operation
 * depend on two writes, nor show a version while CURRENT is deleted.
 *
 * Layout, for a role R:
 *   A  <mount>/data/<prefix>R            what consumers read: the flat object,
 *      with keyturn_version (the id of CURRENT) and keyturn_previous
 *   B  <mount>/data/<prefix>.keyturn/R   every version with its secret, their
 *      order, and the id of the one that is pending
 * Only the newest version of a document counts, so that max_versions cannot
 * prune what matters.  delete_version_after can, and is refused.
 *
 * Two documents cannot be written at once.  They need not be:
 *   - stage and retire write B only, promote writes A only, each with `cas`, so
 *     each happens whole or not at all, wherever we die.
 *   - A names CURRENT and PREVIOUS, and nothing else does.  B says what is
 *     pending; an id that A names is not pending any more, whatever B says.
 *     So there is no moment between "promoted" and "not pending".
 *   - A password is in B before it can be in A, and stays there after, until
 *     the ring forgets it; stage keeps what A names.  So the old CURRENT is in
 *     B when A is overwritten, and is copied into it first when it is not.
 *   - The one trap: B still calls X pending after A took X; if A is then
 *     pointed elsewhere (a restored database), X would be pending again.  So
 *     promote of another id first clears a pending that A names.  Dying
 *     between the two leaves labels as they were.
 * A repeat finds its effect by the version id: in B for stage, in A for
 * promote.  A write of unknown outcome, or refused with 400 (what Vault says
 * for a cas that does not fit), is decided by reading again.
 *
 * A is changed with PATCH: keys that others put there stay, and Vault answers
 * 404 when CURRENT was deleted, which its cas does not tell.  Whoever deletes
 * CURRENT wants something; until a command replaces it (rotate --emergency, for
 * which B notes which deleted version may be written over) describe() shows no
 * version at all, so that the engine finds the live one unknown and freezes.
 * What A holds under another password than B has for its id was written by
 * hand: it counts as no version, and the live one is pointed at again.
 *
 * Requests: describe 2, stage 1, read-back 1, promote 1.  After a promotion the
 * state is remembered for a while, and the next describe costs nothing; what
 * was remembered wrongly fails its cas, or is asked for again by the caller.
 */
#include "store/vault/vault.h"

#include <stdlib.h>
#include <string.h>

#include "http/http.h"
#include "store/store_memory.h"
#include "store/store_refuse.h"
#include "store/vault/call.h"
#include "store/vault/kv.h"
#include "store/vault/view.h"

static enum status describe_secret(struct store *store, const char *name,
				   struct store_state *ret_state,
				   struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w, *kept;
	enum status s = store_vault_view_check(v, name, NULL, why);
	bool remembered = false;

	if (s != STATUS_OK)
		return s;
	store_vault_known_load(v, name, &w);
	if (w.known && w.remember_until > now_boot(v->now)) {
		/* Only once: a caller that doubts it asks again. */
		remembered = true;
		kept = store_memory_lock(v->memory, name);
		kept->remember_until = 0;
		store_memory_unlock(v->memory);
	} else {
		s = store_vault_view_read(v, name, &w, why);
	}
	if (s != STATUS_OK)
		return s;
	store_vault_view_state(&w, ret_state);
	ret_state->remembered = remembered;
	return STATUS_OK;
}

static enum status fetch_version(struct store *store, const char *name,
				 const char *id, struct store_entry *ret_entry,
				 struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	int64_t version = 0;
	enum status s = store_vault_view_check(v, name, id, why);

	if (s != STATUS_OK)
		return s;
	store_vault_known_load(v, name, &w);
	/* What was staged is asked for by its version: a node that has not got
	 * it yet says so, and does not give an older one. */
	if (strcmp(w.staged, id) == 0 && strcmp(w.pending, id) == 0)
		version = w.staged_version;
	s = store_vault_view_fetch_record(v, name, id, version, ret_entry, why);
	if (s == STATUS_NOT_FOUND && version == 0)
		s = store_vault_view_fetch_current(v, name, id, ret_entry, why);
	if (s == STATUS_OK && w.known && store_vault_view_pending(&w, id))
		store_vault_known_hold(v, name, id, ret_entry, version);
	return s;
}

/* ---- opening and closing ----------------------------------------------- */

static enum status check_canary(struct store *store, struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;

	/* What waited since rotations that came in quick succession. */
	store_vault_label_tell(v, false);
	return store_vault_kv_canary(v, why);
}

static void close_store(struct store *store)
{
	struct store_vault *v = (struct store_vault *)store;
	size_t i;

	if (!v)
		return;
	if (v->http) {
		store_vault_label_tell(v, true);
		store_vault_auth_revoke(v);
	}
	store_memory_free(v->memory);
	store_vault_auth_free(v->auth);
	http_close(v->http);
	pthread_mutex_destroy(&v->lock);
	for (i = 0; i < v->n_addresses; i++)
		free(v->addresses[i]);
	free(v->mount);
	free(v->prefix);
	free(v->namespace);
	free(v->auth_namespace);
	free(v->name);
	free(v);
}

static const struct store_ops ops = {
	.type = "vault",
	.canary = check_canary,
	.ready = store_vault_ready,
	.describe = describe_secret,
	.fetch = fetch_version,
	.stage = store_vault_stage,
	.promote = store_vault_label_promote,
	.retire = store_vault_label_retire,
	.withdraw = store_vault_label_withdraw,
	.wrap = store_vault_wrap,
	.wrap_look = store_vault_wrap_look,
	.close = close_store,
};

static enum status check_address(const char *name, const char *address,
				 struct reason *why)
{
	struct http_url u;
	enum status s = http_url_parse(address, &u, why);

	if (s != STATUS_OK)
		return reason_wrap(why, s, "store %s: address %s", name,
				   strstr(address, "@") ? "" : address);
	if (!u.tls && !http_url_is_loopback(&u))
		return reason_set(why, STATUS_CONFIG,
				  "store %s: address %s would send tokens and "
				  "passwords in the clear: use https",
				  name, address);
	if (strcmp(u.path, "/") != 0)
		return reason_set(why, STATUS_CONFIG,
				  "store %s: address %s must end behind the "
				  "host and port",
				  name, address);
	return STATUS_OK;
}

static enum status check_options(const struct store_vault_options *o,
				 struct reason *why)
{
	enum status s = STATUS_OK;
	size_t i;

	if (o->n_addresses == 0)
		return reason_set(why, STATUS_CONFIG,
				  "store %s: address is not set", o->name);
	for (i = 0; i < o->n_addresses && s == STATUS_OK; i++)
		s = check_address(o->name, o->addresses[i], why);
	if (s == STATUS_OK)
		s = store_refuse_ring(o->name, o->ring, why);
	if (s == STATUS_OK &&
	    (!o->mount[0] || o->mount[0] == '/' || strstr(o->mount, "//")))
		s = reason_set(why, STATUS_CONFIG,
			       "store %s: mount must be a path like secret or "
			       "team/kv",
			       o->name);
	if (s == STATUS_OK && (o->prefix[0] == '/' || strstr(o->prefix, "//") ||
			       strstr(o->prefix, "..")))
		s = reason_set(why, STATUS_CONFIG,
			       "store %s: prefix must be a path like partners/",
			       o->name);
	return s;
}

static bool keep_strings(struct store_vault *v,
			 const struct store_vault_options *o)
{
	const char *auth = o->auth_namespace;
	size_t i;

	if (!auth || !auth[0])
		auth = o->namespace;
	for (i = 0; i < o->n_addresses; i++) {
		v->addresses[i] = store_vault_path_trim(o->addresses[i]);
		if (!v->addresses[i])
			return false;
		v->n_addresses++;
	}
	v->name = strdup(o->name);
	v->prefix = strdup(o->prefix);
	v->mount = store_vault_path_trim(o->mount);
	v->namespace = store_vault_path_trim(o->namespace);
	v->auth_namespace = store_vault_path_trim(auth);
	return v->name && v->prefix && v->mount && v->namespace &&
	       v->auth_namespace;
}

static enum status open_parts(struct store_vault *v,
			      const struct store_vault_options *o,
			      struct reason *why)
{
	const struct http_options ho = {
		.ca_file = o->ca_file,
		.ca_dir = o->ca_dir,
		.client_cert = o->client_cert,
		.client_key = o->client_key,
		.proxy = o->proxy,
		.now = o->now,
		.random = o->random,
	};
	enum status s = store_vault_auth_new(o, &v->auth, why);

	if (s != STATUS_OK)
		return s;
	s = http_open(&ho, &v->http, why);
	return s == STATUS_OK ? s : reason_wrap(why, s, "store %s", o->name);
}

enum status store_vault_open(const struct store_vault_options *o,
			     struct store **ret_store, struct reason *why)
{
	enum status s = check_options(o, why);
	struct store_vault *v;

	if (s != STATUS_OK)
		return s;
	v = calloc(1, sizeof(*v));
	if (!v)
		return reason_no_memory(why);
	pthread_mutex_init(&v->lock, NULL);
	v->store.ops = &ops;
	v->ring = o->ring;
	v->now = o->now;
	v->random = o->random;
	v->next_due = o->next_due;
	v->next_due_arg = o->next_due_arg;
	v->timeout_us = o->timeout_us > 0 ? o->timeout_us : 15 * NOW_SECOND;
	s = store_memory_new(sizeof(struct store_vault_view), &v->memory);
	if (s == STATUS_OK && !keep_strings(v, o))
		s = STATUS_NO_MEMORY;
	s = s == STATUS_OK ? open_parts(v, o, why) : reason_no_memory(why);
	if (s != STATUS_OK) {
		close_store(&v->store);
		return s;
	}
	v->store.name = v->name;
	*ret_store = &v->store;
	return STATUS_OK;
}
