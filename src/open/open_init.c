/* SPDX-License-Identifier: PostgreSQL */
/* Makes keys, store and ledger; must never overwrite one. */
#include "open/open_init.h"

#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "crypto/entropy.h"
#include "crypto/seal.h"
#include "crypto/sign.h"
#include "open/open_file.h"
#include "open/open_ledger.h"
#include "open/open_store.h"

#define PATH_SIZE 1100

static enum status refuse_existing(const char *path, struct reason *why)
{
	if (!open_file_exists(path))
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "%s exists already; keyturn init overwrites nothing",
			  path);
}

static enum status make_folder_of(const char *path, struct reason *why)
{
	char folder[PATH_SIZE];
	char *slash;

	if (text_copy(folder, sizeof(folder), path) != STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "%s: the path is too long", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return STATUS_OK;
	*slash = '\0';
	return file_make_folder(folder, 0700, why);
}

static enum status create_keys(const struct config_group *g,
			       const struct config_group *store,
			       struct reason *why)
{
	const char *audit = config_string(g, CONFIG_keyturn_audit_key);
	const char *key = config_string(store, CONFIG_store_key);
	enum status s;

	s = make_folder_of(audit, why);
	if (s == STATUS_OK)
		s = make_folder_of(key, why);
	if (s == STATUS_OK)
		s = sign_key_create(audit, why);
	if (s == STATUS_OK)
		s = seal_key_create(key, entropy_openssl(), why);
	return s;
}

enum status open_init(const struct config *config, struct reason *why)
{
	const struct config_group *g =
		config_find(config, CONFIG_SECTION_keyturn, "");
	const struct config_group *store =
		config_find(config, CONFIG_SECTION_store, "local");
	const char *paths[] = {
		config_string(g, CONFIG_keyturn_audit_key),
		config_string(g, CONFIG_keyturn_ledger),
		config_string(store, CONFIG_store_key),
		config_string(store, CONFIG_store_path),
	};
	struct ledger *ledger = NULL;
	struct store *made = NULL;
	enum status s = STATUS_OK;
	bool lost;

	for (size_t i = 0; i < 4 && s == STATUS_OK; i++)
		s = refuse_existing(paths[i], why);
	if (s == STATUS_OK)
		s = create_keys(g, store, why);
	if (s == STATUS_OK)
		s = make_folder_of(paths[1], why);
	if (s == STATUS_OK)
		s = make_folder_of(paths[3], why);
	if (s == STATUS_OK)
		s = open_ledger_open(config, OPEN_LEDGER_WRITE, NULL, &lost,
				     &ledger, why);
	if (s == STATUS_OK)
		s = open_store_local(store, true, &made, why);
	if (ledger)
		ledger->ops->close(ledger);
	if (made)
		made->ops->close(made);
	return s;
}
