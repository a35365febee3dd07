# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/wire/test_wire
TESTS += tests/unit/wire/test_wire
tests_unit_wire_test_wire_SOURCES = tests/unit/wire/test_wire.c
tests_unit_wire_test_wire_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_wire_test_wire_LDADD = libwire.a libbase.a $(CMOCKA_LIBS)
