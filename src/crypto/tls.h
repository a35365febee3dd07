/* SPDX-License-Identifier: PostgreSQL */
/* What a TLS connection that is kept keeps of its records. */
#ifndef KEYTURN_TLS_H
#define KEYTURN_TLS_H

/*
 * Sessions of this context wipe a record when it was read, and give the buffers
 * of records back when they are empty.  `ssl_ctx` is OpenSSL's handle, as
 * libcurl gives it.
 */
void tls_keep_no_plaintext(void *ssl_ctx);

#endif
