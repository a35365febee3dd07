/* SPDX-License-Identifier: PostgreSQL */
/* What libpq is given for a connection. */
#ifndef KEYTURN_PG_OPTIONS_H
#define KEYTURN_PG_OPTIONS_H

#include "base/text.h"
#include "pg/pg_internal.h"

/*
 * Spell out every keyword that libpq would otherwise take from a PG* variable
 * or a service file, also the empty ones: only a connection string can say
 * "empty", an array's "" means "use the default".  A PGSERVICE can then add
 * nothing, since a service never overrides what is given.
 */
enum status pg_options_spell_out(const struct pg_login *l, struct text *t);

/* After a start that failed before there was a socket: was it for a value that
 * libpq refuses? */
enum status pg_options_check(const char *conninfo, struct reason *why);

#endif
