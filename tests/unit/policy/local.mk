# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/policy/test_policy
TESTS += tests/unit/policy/test_policy
tests_unit_policy_test_policy_SOURCES = tests/unit/policy/test_policy.c
tests_unit_policy_test_policy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_policy_test_policy_LDADD = libpolicy.a libbase.a $(CMOCKA_LIBS) -lm
