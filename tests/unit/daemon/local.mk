# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/daemon/test_plan
TESTS += tests/unit/daemon/test_plan
tests_unit_daemon_test_plan_SOURCES = tests/unit/daemon/test_plan.c \
	src/daemon/plan.c src/daemon/plan.h
tests_unit_daemon_test_plan_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_plan_LDADD = libbase.a $(CMOCKA_LIBS)
