# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/after/test_after_parse
TESTS += tests/unit/after/test_after_parse
tests_unit_after_test_after_parse_SOURCES = tests/unit/after/test_after_parse.c
tests_unit_after_test_after_parse_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_after_test_after_parse_LDADD = libafter.a libsink.a libformat.a \
	libprogram.a libpg.a libbase.a $(CMOCKA_LIBS) $(LIBPQ_LIBS) -lm
