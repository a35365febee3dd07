# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libxml.a
libxml_a_SOURCES = src/xml/xml.c src/xml/xml.h
