# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/hook/test_hook
TESTS += tests/unit/hook/test_hook
tests_unit_hook_test_hook_SOURCES = tests/unit/hook/test_hook.c
tests_unit_hook_test_hook_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_hook_test_hook_LDADD = libhook.a libprogram.a libhttp.a libjson.a libcrypto.a \
	libbase.a $(CURL_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS) -lm
