/* SPDX-License-Identifier: PostgreSQL */
/* What a certificate in a PEM text is known by. */
#ifndef KEYTURN_CERTS_PEM_H
#define KEYTURN_CERTS_PEM_H

#include "crypto/certs.h"

/* The fingerprint of the first certificate; STATUS_CONFIG when there is none. */
enum status certs_pem_fingerprint(const char *pem, size_t n,
				  char ret[CERTS_FINGERPRINT_SIZE],
				  struct reason *why);

#endif
