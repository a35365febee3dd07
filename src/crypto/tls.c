/* SPDX-License-Identifier: PostgreSQL */
/* Settings of TLS that libcurl has no option for; must never touch what decides
 * whether a peer is trusted. */
#include "crypto/tls.h"

#include <openssl/ssl.h>

void tls_keep_no_plaintext(void *ssl_ctx)
{
	SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ssl_ctx, SSL_OP_CLEANSE_PLAINTEXT);
}
