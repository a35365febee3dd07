# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libjson.a
libjson_a_SOURCES = \
	src/json/json_doc.c src/json/json_doc.h \
	src/json/json_out.c src/json/json_out.h
