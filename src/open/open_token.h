/* SPDX-License-Identifier: PostgreSQL */
/* Where [token NAME] sections become sources, each behind a cache. */
#ifndef KEYTURN_OPEN_TOKEN_H
#define KEYTURN_OPEN_TOKEN_H

#include "open/open_list.h"
#include "token/token.h"

/* What it opens is a struct token_cache; no argument. */
extern const struct open_list_kind open_token_kind;

#endif
