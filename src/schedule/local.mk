# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libschedule.a
libschedule_a_SOURCES = \
	src/schedule/schedule.c src/schedule/schedule.h \
	src/schedule/schedule_cron.c src/schedule/schedule_cron.h \
	src/schedule/schedule_life.c src/schedule/schedule_life.h \
	src/schedule/schedule_retire.c src/schedule/schedule_retire.h \
	src/schedule/schedule_rule.c src/schedule/schedule_rule.h \
	src/schedule/schedule_zone.c src/schedule/schedule_zone.h
