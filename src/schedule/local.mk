# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libschedule.a
libschedule_a_SOURCES = \
	src/schedule/schedule.c src/schedule/schedule.h \
	src/schedule/schedule_blackout.c src/schedule/schedule_blackout.h \
	src/schedule/schedule_course.c src/schedule/schedule_course.h \
	src/schedule/schedule_cron.c src/schedule/schedule_cron.h \
	src/schedule/schedule_ics.c src/schedule/schedule_ics.h \
	src/schedule/schedule_ics_line.c src/schedule/schedule_ics_line.h \
	src/schedule/schedule_life.c src/schedule/schedule_life.h \
	src/schedule/schedule_notice.c src/schedule/schedule_notice.h \
	src/schedule/schedule_retire.c src/schedule/schedule_retire.h \
	src/schedule/schedule_rule.c src/schedule/schedule_rule.h \
	src/schedule/schedule_time.c src/schedule/schedule_time.h \
	src/schedule/schedule_zone.c src/schedule/schedule_zone.h
