# SPDX-License-Identifier: PostgreSQL
# Each fuzz_NAME.c with fuzz_main.c and the seeds in tests/fuzz/NAME.
check_PROGRAMS += tests/fuzz/fuzz_wire
tests_fuzz_fuzz_wire_SOURCES = tests/fuzz/fuzz_wire.c tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_wire_LDADD = libwire.a libbase.a

TESTS += tests/fuzz/fuzz
dist_check_SCRIPTS += tests/fuzz/fuzz
