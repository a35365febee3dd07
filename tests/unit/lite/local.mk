# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/lite/test_lite
TESTS += tests/unit/lite/test_lite
tests_unit_lite_test_lite_SOURCES = \
	tests/unit/lite/scratch.c \
	tests/unit/lite/scratch.h \
	tests/unit/lite/test_lite.c
tests_unit_lite_test_lite_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_lite_test_lite_LDADD = liblite.a libbase.a $(SQLITE_LIBS) \
	$(CMOCKA_LIBS)
