# SPDX-License-Identifier: PostgreSQL
# Stores, ledger and tokens: all that a program without an administrator's
# credentials links.
noinst_LIBRARIES += libopen.a
libopen_a_SOURCES = src/open/open.c src/open/open.h \
	src/open/open_blackout.c src/open/open_blackout.h \
	src/open/open_file.c src/open/open_file.h \
	src/open/open_init.c src/open/open_init.h \
	src/open/open_ledger.c src/open/open_ledger.h \
	src/open/open_list.c src/open/open_list.h \
	src/open/open_schedule.c src/open/open_schedule.h \
	src/open/open_store.c src/open/open_store.h \
	src/open/open_token.c src/open/open_token.h

# What a rotation needs as well.
noinst_LIBRARIES += libopenengine.a
libopenengine_a_SOURCES = src/open/engine/engine.c src/open/engine/engine.h \
	src/open/engine/calendar.c src/open/engine/calendar.h \
	src/open/engine/cluster.c src/open/engine/cluster.h \
	src/open/engine/looks.c src/open/engine/looks.h
