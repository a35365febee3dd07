/* SPDX-License-Identifier: PostgreSQL */
/* What sections of one kind were opened to, each at its first use. */
#ifndef KEYTURN_OPEN_LIST_H
#define KEYTURN_OPEN_LIST_H

#include "config/config.h"

struct open_list;

struct open_list_kind {
	enum config_section section;
	const char *word; /* "store", for sentences */
	/* Open what the section g says. */
	enum status (*open)(void *arg, const struct config_group *g, void **ret,
			    struct reason *why);
	void (*close)(void *thing);
};

/* config, kind and arg must outlive it.  NULL: out of memory. */
struct open_list *open_list_new(const struct config *config,
				const struct open_list_kind *kind, void *arg);
void open_list_free(struct open_list *l); /* closes all; takes NULL */

/* What section `name` was opened to, by this call if by none before; it is the
 * list's.  STATUS_CONFIG: there is no such section.  Thread-safe. */
enum status open_list_get(struct open_list *l, const char *name, void **ret,
			  struct reason *why);

#endif
