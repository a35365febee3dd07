# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/rotation/test_engine
TESTS += tests/unit/rotation/test_engine
tests_unit_rotation_test_engine_SOURCES = tests/unit/rotation/test_engine.c
tests_unit_rotation_test_engine_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_rotation_test_engine_LDADD = librotation.a libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/rotation/test_resolve
TESTS += tests/unit/rotation/test_resolve
tests_unit_rotation_test_resolve_SOURCES = tests/unit/rotation/test_resolve.c
tests_unit_rotation_test_resolve_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_rotation_test_resolve_LDADD = librotation.a libstore.a \
	libbase.a $(CMOCKA_LIBS)
