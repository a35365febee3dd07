# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libafter.a
libafter_a_SOURCES = \
	src/after/after.c src/after/after.h \
	src/after/after_internal.h \
	src/after/after_parse.c \
	src/after/after_pgbouncer.c \
	src/after/after_systemd.c
