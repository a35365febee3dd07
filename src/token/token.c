/* SPDX-License-Identifier: PostgreSQL */
/* What a token is made of; must never leave its bytes behind. */
#include "token/token.h"

void token_free(struct token *t)
{
	if (!t)
		return;
	secret_free(t->secret);
	secret_wipe(t, sizeof(*t));
}
