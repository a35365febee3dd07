# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	src/store/store.c \
	src/store/store.h \
	src/store/store_entry.c \
	src/store/store_entry.h \
	src/store/store_local.c \
	src/store/store_local.h
libstore_a_SOURCES += src/store/store_key.c src/store/store_key.h
