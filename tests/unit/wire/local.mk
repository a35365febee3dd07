# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/wire/test_wire
TESTS += tests/unit/wire/test_wire
tests_unit_wire_test_wire_SOURCES = tests/unit/wire/test_wire.c
tests_unit_wire_test_wire_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_wire_test_wire_LDADD = libwire.a libbase.a $(CMOCKA_LIBS)

EXTRA_DIST += tests/unit/wire/fake_agent.h

check_PROGRAMS += tests/unit/wire/test_wire_client
TESTS += tests/unit/wire/test_wire_client
tests_unit_wire_test_wire_client_SOURCES = \
	tests/unit/wire/test_wire_client.c tests/unit/wire/fake_agent.c
tests_unit_wire_test_wire_client_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_wire_test_wire_client_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_wire_test_wire_client_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=getsockopt -Wl,--wrap=connect
tests_unit_wire_test_wire_client_LDADD = libwire.a libbase.a $(CMOCKA_LIBS)
