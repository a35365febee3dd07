# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/pg/test_pg
TESTS += tests/unit/pg/test_pg
tests_unit_pg_test_pg_SOURCES = tests/unit/pg/test_pg.c
tests_unit_pg_test_pg_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_pg_test_pg_LDADD = libpg.a libbase.a $(LIBPQ_LIBS) $(CMOCKA_LIBS)
