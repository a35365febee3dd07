# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/program/test_program
TESTS += tests/unit/program/test_program tests/unit/program/run-program-as-root
dist_check_SCRIPTS += tests/unit/program/run-program-as-root \
	tests/unit/run-as-root
tests_unit_program_test_program_SOURCES = tests/unit/program/test_program.c
tests_unit_program_test_program_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_program_test_program_LDADD = libprogram.a libbase.a $(CMOCKA_LIBS) -lm
