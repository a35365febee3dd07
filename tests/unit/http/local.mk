# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/http/test_http
TESTS += tests/unit/http/test_http
tests_unit_http_test_http_SOURCES = \
	tests/unit/http/authority.c tests/unit/http/authority.h \
	tests/unit/http/peer.c tests/unit/http/peer.h \
	tests/unit/http/test_http.c
tests_unit_http_test_http_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_http_test_http_LDADD = libhttp.a libcrypto.a libbase.a \
	$(CURL_LIBS) -lssl $(OPENSSL_LIBS) $(CMOCKA_LIBS)
