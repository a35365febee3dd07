# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/helpers/test_credential
TESTS += tests/unit/helpers/test_credential
tests_unit_helpers_test_credential_SOURCES = \
	tests/unit/helpers/test_credential.c
tests_unit_helpers_test_credential_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_helpers_test_credential_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_helpers_test_credential_LDADD = $(CREDENTIAL_LIBS) $(CMOCKA_LIBS)
