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

check_PROGRAMS += tests/unit/schedule/test_schedule_course \
	tests/unit/schedule/test_schedule_ics \
	tests/unit/schedule/test_schedule_notice
TESTS += tests/unit/schedule/test_schedule_course \
	tests/unit/schedule/test_schedule_ics \
	tests/unit/schedule/test_schedule_notice
tests_unit_schedule_test_schedule_course_SOURCES = \
	tests/unit/schedule/test_schedule_course.c
tests_unit_schedule_test_schedule_course_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_schedule_test_schedule_course_LDADD = libschedule.a libbase.a \
	$(CMOCKA_LIBS)
tests_unit_schedule_test_schedule_ics_SOURCES = \
	tests/unit/schedule/test_schedule_ics.c
tests_unit_schedule_test_schedule_ics_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_schedule_test_schedule_ics_LDADD = libschedule.a libbase.a \
	$(CMOCKA_LIBS)
tests_unit_schedule_test_schedule_notice_SOURCES = \
	tests/unit/schedule/test_schedule_notice.c
tests_unit_schedule_test_schedule_notice_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_schedule_test_schedule_notice_LDADD = libschedule.a libbase.a \
	$(CMOCKA_LIBS)
