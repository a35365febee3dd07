# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += liblite.a
liblite_a_SOURCES = \
	src/lite/lite.c \
	src/lite/lite.h \
	src/lite/lite_alive.c \
	src/lite/lite_alive.h \
	src/lite/lite_ballast.c \
	src/lite/lite_ballast.h \
	src/lite/lite_conn.c \
	src/lite/lite_conn.h \
	src/lite/lite_file.c \
	src/lite/lite_file.h \
	src/lite/lite_group.c \
	src/lite/lite_internal.h \
	src/lite/lite_open.c \
	src/lite/lite_schema.c
