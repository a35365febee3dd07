# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libformat.a
libformat_a_SOURCES = src/format/format.c src/format/format.h \
	src/format/format_out.c src/format/format_out.h
