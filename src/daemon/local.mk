# SPDX-License-Identifier: PostgreSQL
bin_PROGRAMS += keyturnd
keyturnd_SOURCES = \
	src/daemon/plan.c src/daemon/plan.h \
	src/daemon/daemon.c src/daemon/daemon.h \
	src/daemon/daemon_tasks.c src/daemon/daemon_tasks.h \
	src/daemon/daemon_internal.h \
	src/daemon/daemon_worker.c src/daemon/daemon_worker.h \
	src/daemon/task.c src/daemon/task.h \
	src/daemon/refresher.c src/daemon/refresher.h \
	src/daemon/follower.c src/daemon/follower.h \
	src/daemon/sampler.c src/daemon/sampler.h \
	src/daemon/metrics.c src/daemon/metrics.h \
	src/daemon/keyturnd.c \
	src/daemon/agent_notify.c src/daemon/agent_notify.h \
	src/daemon/generation.c src/daemon/generation.h
keyturnd_LDADD = $(KEYTURN_LIBS) libwipe.a $(KEYTURN_OUTSIDE)
