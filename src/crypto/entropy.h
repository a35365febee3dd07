/* SPDX-License-Identifier: PostgreSQL */
/* OpenSSL's random generator behind base/random.h. */
#ifndef KEYTURN_ENTROPY_H
#define KEYTURN_ENTROPY_H

#include "base/random.h"

/* RAND_priv_bytes(); never fails over to anything weaker.  Static. */
const struct random *entropy_openssl(void);

#endif
