# SPDX-License-Identifier: PostgreSQL
# Each fuzz_NAME.c with fuzz_main.c and the seeds in tests/fuzz/NAME.
check_PROGRAMS += tests/fuzz/fuzz_wire
tests_fuzz_fuzz_wire_SOURCES = tests/fuzz/fuzz_wire.c tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_wire_LDADD = libwire.a libbase.a

check_PROGRAMS += tests/fuzz/fuzz_credential
tests_fuzz_fuzz_credential_SOURCES = tests/fuzz/fuzz_credential.c \
	tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_credential_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_fuzz_fuzz_credential_LDADD = $(CREDENTIAL_LIBS)

TESTS += tests/fuzz/fuzz
dist_check_SCRIPTS += tests/fuzz/fuzz
