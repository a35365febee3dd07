/* SPDX-License-Identifier: PostgreSQL */
/* jansson's memory, which is wiped when it is given back. */
#ifndef KEYTURN_JSON_MEMORY_H
#define KEYTURN_JSON_MEMORY_H

/* Before anything else of jansson; may be called often. */
void json_memory_setup(void);

/* Wipes; takes NULL. */
void json_memory_free(void *p);

#endif
