# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/open/test_open
TESTS += tests/unit/open/test_open
tests_unit_open_test_open_SOURCES = tests/unit/open/test_open.c
tests_unit_open_test_open_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_open_test_open_LDADD = $(KEYTURN_LIBS) $(KEYTURN_OUTSIDE) \
	$(CMOCKA_LIBS)
