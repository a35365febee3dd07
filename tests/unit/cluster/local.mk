# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/cluster/test_cluster_postgres
TESTS += tests/unit/cluster/run-cluster-postgres tests/unit/cluster/run-cluster-newer
EXTRA_DIST += tests/unit/cluster/run-cluster-newer \
	tests/unit/cluster/run-cluster-postgres \
	tests/unit/cluster/with-postgres
tests_unit_cluster_test_cluster_postgres_SOURCES = \
	tests/unit/cluster/test_cluster.h \
	tests/unit/cluster/test_cluster_activity.c \
	tests/unit/cluster/test_cluster_change.c \
	tests/unit/cluster/test_cluster_claim.c \
	tests/unit/cluster/test_cluster_help.c \
	tests/unit/cluster/test_cluster_hostile.c \
	tests/unit/cluster/test_cluster_login.c \
	tests/unit/cluster/test_cluster_pair.c \
	tests/unit/cluster/test_cluster_pair_check.c \
	tests/unit/cluster/test_cluster_postgres.c \
	tests/unit/cluster/test_cluster_preflight.c
tests_unit_cluster_test_cluster_postgres_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_cluster_test_cluster_postgres_LDADD = libcluster.a libpg.a libcrypto.a \
	libbase.a $(LIBPQ_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/cluster/test_cluster_uses
TESTS += tests/unit/cluster/test_cluster_uses
tests_unit_cluster_test_cluster_uses_SOURCES = \
	tests/unit/cluster/test_cluster_uses.c tests/unit/wire/fake_agent.c
tests_unit_cluster_test_cluster_uses_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) \
	-I$(top_srcdir)/tests/unit/wire
tests_unit_cluster_test_cluster_uses_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_cluster_test_cluster_uses_LDADD = libcluster.a libwire.a libpg.a \
	libcrypto.a libbase.a $(LIBPQ_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/cluster/test_gateway_judge
TESTS += tests/unit/cluster/test_gateway_judge
tests_unit_cluster_test_gateway_judge_SOURCES = \
	tests/unit/cluster/test_gateway_judge.c
tests_unit_cluster_test_gateway_judge_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_cluster_test_gateway_judge_LDADD = libcluster.a libpg.a libcrypto.a \
	libwire.a libbase.a $(LIBPQ_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS)
