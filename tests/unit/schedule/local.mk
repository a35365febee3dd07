# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/schedule/test_schedule \
	tests/unit/schedule/test_schedule_retire \
	tests/unit/schedule/test_schedule_zone
TESTS += tests/unit/schedule/test_schedule \
	tests/unit/schedule/test_schedule_retire \
	tests/unit/schedule/test_schedule_zone
tests_unit_schedule_test_schedule_SOURCES = tests/unit/schedule/test_schedule.c
tests_unit_schedule_test_schedule_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_schedule_test_schedule_LDADD = libschedule.a libbase.a \
	$(CMOCKA_LIBS)
tests_unit_schedule_test_schedule_retire_SOURCES = \
	tests/unit/schedule/test_schedule_retire.c
tests_unit_schedule_test_schedule_retire_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_schedule_test_schedule_retire_LDADD = libschedule.a libbase.a \
	$(CMOCKA_LIBS)
tests_unit_schedule_test_schedule_zone_SOURCES = \
	tests/unit/schedule/test_schedule_zone.c
tests_unit_schedule_test_schedule_zone_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_schedule_test_schedule_zone_LDADD = libschedule.a libbase.a \
	$(CMOCKA_LIBS)
