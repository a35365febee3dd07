# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/assembly/test_backends
TESTS += tests/unit/assembly/test_backends
tests_unit_assembly_test_backends_SOURCES = tests/unit/assembly/test_backends.c
tests_unit_assembly_test_backends_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_assembly_test_backends_LDADD = $(KEYTURN_LIBS) $(KEYTURN_OUTSIDE) \
	$(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/assembly/test_crew
TESTS += tests/unit/assembly/test_crew
tests_unit_assembly_test_crew_SOURCES = tests/unit/assembly/test_crew.c
tests_unit_assembly_test_crew_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_assembly_test_crew_LDADD = libassembly.a libbase.a $(CMOCKA_LIBS)
