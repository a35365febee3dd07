/* SPDX-License-Identifier: PostgreSQL */
/* git, docker, Bazel and Summon. */
#ifndef KEYTURN_CREDENTIAL_PROTOCOL_H
#define KEYTURN_CREDENTIAL_PROTOCOL_H

#include "helpers/credential_ask.h"

/* get, store and erase whose request is on standard input. */
enum credential_exit credential_protocol(struct credential_agent *a,
					 const struct credential_options *o,
					 struct reason *why);

#endif
