# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/daemon/test_agenda
TESTS += tests/unit/daemon/test_agenda
tests_unit_daemon_test_agenda_SOURCES = tests/unit/daemon/test_agenda.c \
	src/daemon/agenda.c src/daemon/agenda.h
tests_unit_daemon_test_agenda_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_agenda_LDADD = libbase.a $(CMOCKA_LIBS)
