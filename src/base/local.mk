# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	src/base/backoff.c src/base/backoff.h \
	src/base/civil.c src/base/civil.h \
	src/base/consumer.c src/base/consumer.h \
	src/base/duration.c src/base/duration.h \
	src/base/encode.c src/base/encode.h \
	src/base/file.c src/base/file.h \
	src/base/file_error.c \
	src/base/file_folder.c src/base/file_internal.h \
	src/base/file_like.c \
	src/base/file_make_folder.c \
	src/base/file_read.c \
	src/base/file_temp.c \
	src/base/file_try.c \
	src/base/file_write.c \
	src/base/harden.c src/base/harden.h \
	src/base/ini.c src/base/ini.h \
	src/base/log.c src/base/log.h \
	src/base/names.c src/base/names.h \
	src/base/lookup.c src/base/lookup.h \
	src/base/notify.c src/base/notify.h \
	src/base/now.c src/base/now.h \
	src/base/random.c src/base/random.h \
	src/base/reason.c src/base/reason.h \
	src/base/secret.c src/base/secret.h \
	src/base/secret_arena.c src/base/secret_internal.h \
	src/base/secret_out.c src/base/secret_out.h \
	src/base/secret_source.c src/base/secret_source.h \
	src/base/secret_wipe.c src/base/secret_wipe.h \
	src/base/status.c src/base/status.def src/base/status.h \
	src/base/map.c src/base/map.h \
	src/base/text.c src/base/text.h \
	src/base/thread.c src/base/thread.h \
	src/base/thread_loop.c src/base/thread_loop.h \
	src/base/thread_pool.c src/base/thread_pool.h \
	src/base/words.c src/base/words.h

# Its own library: only executables may link it, before the C library.
noinst_LIBRARIES += libwipe.a
libwipe_a_SOURCES = src/base/wipe_malloc.c
