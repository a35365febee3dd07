# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libjobs.a
libjobs_a_SOURCES = src/jobs/adoption.c src/jobs/adoption.h \
	src/jobs/check_settings.c src/jobs/check_settings.h \
	src/jobs/compromise.c src/jobs/compromise.h \
	src/jobs/due.c src/jobs/due.h \
	src/jobs/follow.c src/jobs/follow.h \
	src/jobs/follow_after.c src/jobs/follow_after.h \
	src/jobs/follow_delivery.c src/jobs/follow_delivery.h \
	src/jobs/follow_state.c src/jobs/follow_state.h \
	src/jobs/grace.c src/jobs/grace.h \
	src/jobs/heard.c src/jobs/heard.h \
	src/jobs/hold.c src/jobs/hold.h \
	src/jobs/handoff_watch.c src/jobs/handoff_watch.h \
	src/jobs/hook_dispatch.c src/jobs/hook_dispatch.h \
	src/jobs/hook_state.c src/jobs/hook_state.h \
	src/jobs/notice.c src/jobs/notice.h \
	src/jobs/role_lock.c src/jobs/role_lock.h \
	src/jobs/rotate.c src/jobs/rotate.h \
	src/jobs/sink_after.c src/jobs/sink_after.h \
	src/jobs/sink_refresh.c src/jobs/sink_refresh.h
