# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/token/test_token_cache \
	tests/unit/token/test_token_parse
TESTS += tests/unit/token/test_token_cache tests/unit/token/test_token_parse
tests_unit_token_test_token_cache_SOURCES = \
	tests/unit/token/test_token_cache.c
tests_unit_token_test_token_cache_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) \
	-pthread
tests_unit_token_test_token_cache_LDADD = libtoken.a libbase.a $(CMOCKA_LIBS)
tests_unit_token_test_token_parse_SOURCES = \
	tests/unit/token/test_token_parse.c
tests_unit_token_test_token_parse_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_token_test_token_parse_LDADD = libtoken.a libaws.a libhttp.a \
	libjson.a libxml.a libcrypto.a libbase.a $(CURL_LIBS) $(JANSSON_LIBS) \
	$(EXPAT_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS) -lm
