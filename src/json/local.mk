# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libjson.a
libjson_a_SOURCES = src/json/doc.c src/json/doc.h
