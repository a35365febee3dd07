/* SPDX-License-Identifier: PostgreSQL */
/* Where [store NAME] sections become stores; each is the caller's to close. */
#ifndef KEYTURN_OPEN_STORE_H
#define KEYTURN_OPEN_STORE_H

#include "config/config.h"
#include "store/store.h"

/* The store of the section g of c. */
enum status open_store_open(const struct config *c,
			    const struct config_group *g, struct store **ret,
			    struct reason *why);

/* A local one; create: its file must not be there. */
enum status open_store_local(const struct config_group *g, bool create,
			     struct store **ret, struct reason *why);

#endif
