/* SPDX-License-Identifier: PostgreSQL */
/* Known roots, by the certificate that Debian ships: a server of our own shows
 * a certificate that names it as its issuer (and is not signed by it). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "crypto/certs.h"

#define ROOT "/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt"

static X509 *read_root(void)
{
	FILE *f = fopen(ROOT, "r");
	X509 *x;

	if (f == NULL)
		fail_msg("%s is missing (Debian: ca-certificates)", ROOT);
	x = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	assert_non_null(x);
	return x;
}

/* A server's certificate with the root's name on it; the root's kind of key
 * (RSA) is what OpenSSL looks at before it takes it for the issuer. */
static X509 *make_leaf(const X509 *root, EVP_PKEY *key)
{
	X509 *x = X509_new();

	assert_non_null(x);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)"localhost", -1, -1,
				   0);
	X509_set_issuer_name(x, X509_get_subject_name(root));
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

/* Both ends in this process. */
static void shake_hands(SSL *client, SSL *server)
{
	BIO *a = NULL, *b = NULL;
	int ours = 0, theirs = 0;

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 20 && (ours != 1 || theirs != 1); i++) {
		ours = SSL_do_handshake(client);
		theirs = SSL_do_handshake(server);
	}
	assert_int_equal(ours, 1);
	assert_int_equal(theirs, 1);
}

static void lets_encrypts_root_is_known_by_its_fingerprint(void **state)
{
	SSL_CTX *ours = SSL_CTX_new(TLS_client_method());
	SSL_CTX *theirs = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *root = read_root(), *leaf = make_leaf(root, key);
	struct certs chain;
	struct reason why = { "" };
	SSL *client, *server;

	(void)state;
	assert_int_equal(SSL_CTX_use_certificate(theirs, leaf), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(theirs, key), 1);
	client = SSL_new(ours);
	server = SSL_new(theirs);
	shake_hands(client, server);
	assert_int_equal(certs_read(client, ROOT, &chain, &why), STATUS_OK);
	assert_int_equal(chain.n, 2);
	assert_non_null(strstr(chain.certificates[1].subject, "ISRG Root X1"));
	assert_true(chain.certificates[1].self_signed);
	assert_false(chain.certificates[1].sent);
	assert_non_null(chain.known);
	assert_non_null(strstr(chain.known, "ISRG Root X1"));
	assert_false(chain.pretends);
	assert_non_null(strstr(chain.pem, "BEGIN CERTIFICATE"));
	/* To be known is not to have signed. */
	assert_false(chain.whole);
	assert_string_not_equal(chain.problem, "");
	/* Without the file nothing says that it is this root. */
	assert_int_equal(certs_read(client, "/nonexistent", &chain, &why),
			 STATUS_OK);
	assert_int_equal(chain.n, 1);
	assert_null(chain.known);
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(ours);
	SSL_CTX_free(theirs);
	X509_free(leaf);
	X509_free(root);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			lets_encrypts_root_is_known_by_its_fingerprint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
