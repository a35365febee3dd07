# SPDX-License-Identifier: PostgreSQL
# libpq is here as the reader of the pgpass files.
check_PROGRAMS += tests/unit/sink/test_sink
TESTS += tests/unit/sink/test_sink tests/unit/sink/run-sink-as-root
dist_check_SCRIPTS += tests/unit/sink/run-sink-as-root
tests_unit_sink_test_sink_SOURCES = tests/unit/sink/test_sink.c
tests_unit_sink_test_sink_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_sink_test_sink_LDADD = libsink.a libformat.a libbase.a \
	$(CMOCKA_LIBS) $(LIBPQ_LIBS)
