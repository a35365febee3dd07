# SPDX-License-Identifier: PostgreSQL
bin_PROGRAMS += keyturnd
keyturnd_SOURCES = \
	src/daemon/agenda.c src/daemon/agenda.h \
	src/daemon/daemon.c src/daemon/daemon.h \
	src/daemon/daemon_errands.c src/daemon/daemon_internal.h \
	src/daemon/errand.c src/daemon/errand.h \
	src/daemon/feed.c src/daemon/feed.h \
	src/daemon/gauge.c src/daemon/gauge.h \
	src/daemon/keyturnd.c \
	src/daemon/push.c src/daemon/push.h \
	src/daemon/shop.c src/daemon/shop.h
keyturnd_LDADD = libwire.a $(KEYTURN_LIBS) libwipe.a $(KEYTURN_OUTSIDE)
