# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/crypto/test_digest
TESTS += tests/unit/crypto/test_digest
tests_unit_crypto_test_digest_SOURCES = tests/unit/crypto/test_digest.c
tests_unit_crypto_test_digest_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_crypto_test_digest_LDADD = libcrypto.a libbase.a $(OPENSSL_LIBS) \
	$(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/crypto/test_seal
TESTS += tests/unit/crypto/test_seal
tests_unit_crypto_test_seal_SOURCES = tests/unit/crypto/test_seal.c
tests_unit_crypto_test_seal_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_crypto_test_seal_LDADD = libcrypto.a libbase.a $(OPENSSL_LIBS) \
	$(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/crypto/test_sign
TESTS += tests/unit/crypto/test_sign
tests_unit_crypto_test_sign_SOURCES = tests/unit/crypto/test_sign.c
tests_unit_crypto_test_sign_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_crypto_test_sign_LDADD = libcrypto.a libbase.a $(OPENSSL_LIBS) \
	$(CMOCKA_LIBS)

# libpq: the verifier is compared with what PQencryptPasswordConn() makes.
check_PROGRAMS += tests/unit/crypto/test_scram
TESTS += tests/unit/crypto/test_scram
tests_unit_crypto_test_scram_SOURCES = tests/unit/crypto/test_scram.c
tests_unit_crypto_test_scram_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_crypto_test_scram_LDADD = libcrypto.a libbase.a $(LIBPQ_LIBS) \
	$(OPENSSL_LIBS) $(CMOCKA_LIBS)

# The vectors are those of awslabs/aws-c-auth.
check_PROGRAMS += tests/unit/crypto/test_sigv4
TESTS += tests/unit/crypto/test_sigv4
tests_unit_crypto_test_sigv4_SOURCES = tests/unit/crypto/test_sigv4.c \
	tests/unit/crypto/sigv4_vectors.inc
tests_unit_crypto_test_sigv4_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_crypto_test_sigv4_LDADD = libcrypto.a libbase.a $(OPENSSL_LIBS) \
	$(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/crypto/test_certs
TESTS += tests/unit/crypto/test_certs
tests_unit_crypto_test_certs_SOURCES = tests/unit/crypto/test_certs.c
tests_unit_crypto_test_certs_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_crypto_test_certs_LDADD = libcrypto.a libbase.a $(OPENSSL_LIBS) \
	$(CMOCKA_LIBS)
