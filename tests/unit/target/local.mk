# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/target/test_target_postgres
TESTS += tests/unit/target/run-target-postgres
EXTRA_DIST += tests/unit/target/run-target-postgres \
	tests/unit/target/with-postgres
tests_unit_target_test_target_postgres_SOURCES = \
	tests/unit/target/test_target_postgres.c
tests_unit_target_test_target_postgres_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_target_test_target_postgres_LDADD = libtarget.a libpg.a libcrypto.a \
	libbase.a $(LIBPQ_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS)
