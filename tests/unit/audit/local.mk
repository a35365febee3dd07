# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/audit/test_audit_event
TESTS += tests/unit/audit/test_audit_event
tests_unit_audit_test_audit_event_SOURCES = tests/unit/audit/test_audit_event.c
tests_unit_audit_test_audit_event_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_audit_test_audit_event_LDADD = libaudit.a libjson.a libcrypto.a \
	libbase.a $(JANSSON_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS) -lm
