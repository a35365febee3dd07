# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/cli/test_cli
TESTS += tests/unit/cli/test_cli
tests_unit_cli_test_cli_SOURCES = tests/unit/cli/test_cli.c src/cli/cli.c \
	src/cli/cli.h
tests_unit_cli_test_cli_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_cli_test_cli_LDADD = $(KEYTURN_LIBS) $(KEYTURN_OUTSIDE) \
	$(CMOCKA_LIBS)
