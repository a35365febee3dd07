# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/program/test_program
TESTS += tests/unit/program/test_program
tests_unit_program_test_program_SOURCES = tests/unit/program/test_program.c
tests_unit_program_test_program_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_program_test_program_LDADD = libprogram.a libbase.a $(CMOCKA_LIBS) -lm
