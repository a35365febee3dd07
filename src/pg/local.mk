# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libpg.a
libpg_a_SOURCES = src/pg/pg.h src/pg/pg_internal.h src/pg/pg.c \
	src/pg/pg_connect.c src/pg/pg_hint.c src/pg/pg_info.c \
	src/pg/pg_options.c src/pg/pg_options.h src/pg/pg_prepare.c \
	src/pg/pg_prepare.h src/pg/pg_run.c src/pg/pg_wait.c src/pg/pg_wait.h
