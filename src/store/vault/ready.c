/* SPDX-License-Identifier: PostgreSQL */
/*
 * Whether a secret can be rotated: what the policy grants, and whether the clock
 * would delete what is written.  Must never refuse for what Vault does not tell.
 */
#include "store/vault/view.h"

#include <string.h>

#include "base/text.h"
#include "store/vault/call.h"
#include "store/vault/path.h"

/* So long an answer counts for other rotations of this process. */
#define READY_US (300 * NOW_SECOND)

/* ---- capabilities ------------------------------------------------------ */

static enum status judge_capabilities(struct store_vault *v,
				      const struct json_doc *answer,
				      const char *const paths[2],
				      const char *name, struct reason *why)
{
	static const char *const needed[] = { "create", "update", "read",
					      "patch" };
	const struct json_doc *list;
	size_t i, k;

	for (k = 0; k < 2; k++) {
		list = json_doc_get(json_doc_get(answer, "data"), paths[k]);
		if (!list)
			list = json_doc_get(answer, paths[k]);
		for (i = 0; list && i < sizeof(needed) / sizeof(needed[0]); i++)
			if (!json_doc_lists(list, needed[i]) &&
			    !json_doc_lists(list, "root"))
				return store_vault_path_denied(
					v, needed[i], "data",
					(enum store_vault_kind)k, name, why);
	}
	return STATUS_OK;
}

/* May we write both documents? */
static enum status check_grants(struct store_vault *v, const char *name,
				struct reason *why)
{
	char current[STORE_VAULT_PATH_SIZE], record[STORE_VAULT_PATH_SIZE];
	const char *const paths[2] = { current, record };
	struct json_out body = json_out_object(), list = json_out_array();
	const struct store_vault_request r = { .method = "POST",
					       .path = "sys/capabilities-self",
					       .body = &body };
	struct store_vault_answer answer = { 0 };
	enum status s;

	s = store_vault_path_make(v, "data", STORE_VAULT_CURRENT, name, false,
				  current, why);
	if (s == STATUS_OK)
		s = store_vault_path_make(v, "data", STORE_VAULT_RECORD, name,
					  false, record, why);
	if (s == STATUS_OK) {
		json_out_text(&list, NULL, current);
		json_out_text(&list, NULL, record);
		json_out_put(&body, "paths", &list);
		s = store_vault_auth_call(v, &r, &answer, why);
	}
	/* Not allowed to ask: the writes will tell. */
	if (s == STATUS_OK && answer.code == 200)
		s = judge_capabilities(v, answer.doc, paths, name, why);
	store_vault_call_free(&answer);
	json_out_free(&list);
	json_out_free(&body);
	return s;
}

/* ---- delete_version_after ---------------------------------------------- */

/* "0s" is unset, and what is below it is switched off. */
static bool is_deleting(const struct json_doc *setting)
{
	const char *text = json_doc_text(setting);

	return text && text[0] && text[0] != '-' && strcmp(text, "0s") != 0 &&
	       strcmp(text, "0") != 0;
}

/* What would become of a new version?  That of the mount shows in the canary,
 * that of a secret in its metadata, which not every policy shows; then the
 * version that is there tells what it was when that was written. */
static enum status check_lasting(struct store_vault *v,
				 const struct store_vault_view *w,
				 enum store_vault_kind kind, struct reason *why)
{
	const bool current = kind == STORE_VAULT_CURRENT;
	char path[STORE_VAULT_PATH_SIZE];
	struct store_vault_request r = { .method = "GET", .path = path };
	struct store_vault_answer answer = { 0 };
	enum status s = store_vault_path_make(v, "metadata", kind, w->name,
					      true, path, why);
	bool told;

	if (s == STATUS_OK)
		s = store_vault_auth_call(v, &r, &answer, why);
	if (s != STATUS_OK)
		return s;
	told = answer.code == 200;
	if (told    ? is_deleting(json_doc_path(answer.doc,
						"data.delete_version_after")) :
	    current ? w->a_passing :
		      w->b_passing)
		s = store_vault_path_passing(v, kind, w->name,
					     told    ? 0 :
					     current ? w->a_version :
						       w->b_version,
					     why);
	store_vault_call_free(&answer);
	return s;
}

/* ---- both -------------------------------------------------------------- */

enum status store_vault_ready_check(struct store_vault *v,
				    struct store_vault_view *w,
				    struct reason *why)
{
	int64_t now = now_boot(v->now);
	enum status s = STATUS_OK;

	if (!w->capable)
		s = check_grants(v, w->name, why);
	w->capable = s == STATUS_OK;
	if (now < w->lasting_until)
		return s;
	if (s == STATUS_OK)
		s = check_lasting(v, w, STORE_VAULT_CURRENT, why);
	if (s == STATUS_OK)
		s = check_lasting(v, w, STORE_VAULT_RECORD, why);
	if (s == STATUS_OK)
		w->lasting_until = now + READY_US;
	return s;
}

enum status store_vault_ready(struct store *store, const char *name,
			      struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	enum status s = store_vault_view_check(v, name, NULL, why);

	if (s != STATUS_OK)
		return s;
	store_vault_known_load(v, name, &w);
	if (!w.known)
		s = store_vault_view_read(v, name, &w, why);
	if (s == STATUS_OK)
		s = store_vault_ready_check(v, &w, why);
	if (s == STATUS_OK)
		store_vault_known_ready(v, &w);
	return s;
}
