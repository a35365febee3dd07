# SPDX-License-Identifier: PostgreSQL
EXTRA_DIST += tests/unit/base/child.h tests/unit/base/deny.h \
	tests/unit/base/sanitized.h

check_PROGRAMS += tests/unit/base/test_status
TESTS += tests/unit/base/test_status
tests_unit_base_test_status_SOURCES = tests/unit/base/test_status.c
tests_unit_base_test_status_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_status_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_text
TESTS += tests/unit/base/test_text
tests_unit_base_test_text_SOURCES = tests/unit/base/test_text.c
tests_unit_base_test_text_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_text_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_secret_out
TESTS += tests/unit/base/test_secret_out
tests_unit_base_test_secret_out_SOURCES = tests/unit/base/test_secret_out.c
tests_unit_base_test_secret_out_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_secret_out_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_map
TESTS += tests/unit/base/test_map
tests_unit_base_test_map_SOURCES = tests/unit/base/test_map.c
tests_unit_base_test_map_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_map_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_encode
TESTS += tests/unit/base/test_encode
tests_unit_base_test_encode_SOURCES = tests/unit/base/test_encode.c
tests_unit_base_test_encode_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_encode_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_names
TESTS += tests/unit/base/test_names
tests_unit_base_test_names_SOURCES = tests/unit/base/test_names.c
tests_unit_base_test_names_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_names_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_now
TESTS += tests/unit/base/test_now
tests_unit_base_test_now_SOURCES = tests/unit/base/test_now.c
tests_unit_base_test_now_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_now_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_secret
TESTS += tests/unit/base/test_secret
tests_unit_base_test_secret_SOURCES = tests/unit/base/test_secret.c
tests_unit_base_test_secret_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_base_test_secret_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_secret_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_file
TESTS += tests/unit/base/test_file
tests_unit_base_test_file_SOURCES = tests/unit/base/test_file.c
tests_unit_base_test_file_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_base_test_file_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_file_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=statx
tests_unit_base_test_file_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_ini
TESTS += tests/unit/base/test_ini
tests_unit_base_test_ini_SOURCES = tests/unit/base/test_ini.c
tests_unit_base_test_ini_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_ini_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_log
TESTS += tests/unit/base/test_log
tests_unit_base_test_log_SOURCES = tests/unit/base/test_log.c
tests_unit_base_test_log_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_log_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_harden
TESTS += tests/unit/base/test_harden
tests_unit_base_test_harden_SOURCES = tests/unit/base/test_harden.c
tests_unit_base_test_harden_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_base_test_harden_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_harden_LDADD = libbase.a $(CMOCKA_LIBS)

# The sanitizers have an allocator of their own, so there libwipe.a is empty.
if !SANITIZERS
check_PROGRAMS += tests/unit/base/test_wipe_malloc
TESTS += tests/unit/base/test_wipe_malloc
endif
tests_unit_base_test_wipe_malloc_SOURCES = tests/unit/base/test_wipe_malloc.c
tests_unit_base_test_wipe_malloc_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_base_test_wipe_malloc_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_wipe_malloc_LDADD = libwipe.a $(CMOCKA_LIBS) -ldl

check_PROGRAMS += tests/unit/base/test_duration
TESTS += tests/unit/base/test_duration
tests_unit_base_test_duration_SOURCES = tests/unit/base/test_duration.c
tests_unit_base_test_duration_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_duration_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_notify
TESTS += tests/unit/base/test_notify
tests_unit_base_test_notify_SOURCES = tests/unit/base/test_notify.c
tests_unit_base_test_notify_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_notify_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_thread
TESTS += tests/unit/base/test_thread
tests_unit_base_test_thread_SOURCES = tests/unit/base/test_thread.c
tests_unit_base_test_thread_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_thread_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_backoff
TESTS += tests/unit/base/test_backoff
tests_unit_base_test_backoff_SOURCES = tests/unit/base/test_backoff.c
tests_unit_base_test_backoff_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_backoff_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_secret_source
TESTS += tests/unit/base/test_secret_source
tests_unit_base_test_secret_source_SOURCES = \
	tests/unit/base/test_secret_source.c
tests_unit_base_test_secret_source_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_secret_source_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_thread_pool
TESTS += tests/unit/base/test_thread_pool
tests_unit_base_test_thread_pool_SOURCES = tests/unit/base/test_thread_pool.c
tests_unit_base_test_thread_pool_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_thread_pool_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_words
TESTS += tests/unit/base/test_words
tests_unit_base_test_words_SOURCES = tests/unit/base/test_words.c
tests_unit_base_test_words_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_words_LDADD = libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/base/test_consumer
TESTS += tests/unit/base/test_consumer
tests_unit_base_test_consumer_SOURCES = tests/unit/base/test_consumer.c
tests_unit_base_test_consumer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_base_test_consumer_LDADD = libbase.a $(CMOCKA_LIBS)
