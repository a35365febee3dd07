# SPDX-License-Identifier: PostgreSQL
# libpq and jansson are here as the parsers that must read what was written.
check_PROGRAMS += tests/unit/format/test_format
TESTS += tests/unit/format/test_format
tests_unit_format_test_format_SOURCES = tests/unit/format/test_format.c
tests_unit_format_test_format_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_format_test_format_LDADD = libformat.a libbase.a \
	$(CMOCKA_LIBS) $(LIBPQ_LIBS) $(JANSSON_LIBS)
