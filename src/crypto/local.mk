# SPDX-License-Identifier: PostgreSQL
# Named like its folder; OpenSSL's library is only ever linked as -lcrypto, and
# ours only by its path.
noinst_LIBRARIES += libcrypto.a
libcrypto_a_SOURCES = \
	src/crypto/certs.c src/crypto/certs.h \
	src/crypto/certs_show.c src/crypto/certs_show.h \
	src/crypto/certs_pem.c src/crypto/certs_pem.h \
	src/crypto/cms.c src/crypto/cms.h \
	src/crypto/digest.c src/crypto/digest.h \
	src/crypto/entropy.c src/crypto/entropy.h \
	src/crypto/rs256.c src/crypto/rs256.h \
	src/crypto/scram.c src/crypto/scram.h \
	src/crypto/seal.c src/crypto/seal.h \
	src/crypto/no_passphrase.h \
	src/crypto/sign.c src/crypto/sign.h \
	src/crypto/sigv4.c src/crypto/sigv4.h \
	src/crypto/tls.c src/crypto/tls.h
