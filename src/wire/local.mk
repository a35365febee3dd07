# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libwire.a
libwire_a_SOURCES = src/wire/wire.c src/wire/wire.def src/wire/wire.h \
	src/wire/wire_client.c src/wire/wire_client.h
