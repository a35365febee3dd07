# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/store/test_store
TESTS += tests/unit/store/test_store
tests_unit_store_test_store_SOURCES = tests/unit/store/test_store.c
tests_unit_store_test_store_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_store_test_store_LDADD = libstore.a libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/store/test_store_versions
TESTS += tests/unit/store/test_store_versions
tests_unit_store_test_store_versions_SOURCES = tests/unit/store/test_store_versions.c
tests_unit_store_test_store_versions_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_store_test_store_versions_LDADD = libstore.a libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/store/test_store_memory
TESTS += tests/unit/store/test_store_memory
tests_unit_store_test_store_memory_SOURCES = tests/unit/store/test_store_memory.c
tests_unit_store_test_store_memory_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_store_test_store_memory_LDADD = libstore.a libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/store/test_store_refuse
TESTS += tests/unit/store/test_store_refuse
tests_unit_store_test_store_refuse_SOURCES = tests/unit/store/test_store_refuse.c
tests_unit_store_test_store_refuse_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_store_test_store_refuse_LDADD = libstore.a libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/store/test_store_local
TESTS += tests/unit/store/test_store_local
tests_unit_store_test_store_local_SOURCES = \
	tests/unit/lite/scratch.c \
	tests/unit/lite/scratch.h \
	tests/unit/store/test_store_local.c
tests_unit_store_test_store_local_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_store_test_store_local_LDADD = libstore.a liblite.a libcrypto.a \
	libbase.a $(SQLITE_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/store/test_store_aws
TESTS += tests/unit/store/test_store_aws
tests_unit_store_test_store_aws_SOURCES = tests/unit/store/test_store_aws.c
tests_unit_store_test_store_aws_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_store_test_store_aws_LDADD = libstore.a libaws.a libhttp.a libjson.a \
	libxml.a libcrypto.a libbase.a $(CURL_LIBS) $(JANSSON_LIBS) \
	$(EXPAT_LIBS) $(OPENSSL_LIBS) -lm $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/store/test_store_vault
TESTS += tests/unit/store/test_store_vault
tests_unit_store_test_store_vault_SOURCES = \
	tests/unit/http/peer.c \
	tests/unit/http/peer.h \
	tests/unit/store/test_store_vault.c
tests_unit_store_test_store_vault_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_store_test_store_vault_LDADD = libstore.a libhttp.a libjson.a \
	libcrypto.a libbase.a $(CURL_LIBS) $(JANSSON_LIBS) -lssl \
	$(OPENSSL_LIBS) -lm $(CMOCKA_LIBS)

# The simulated store has the world around it: tests/simulation/local.mk.
check_PROGRAMS += tests/unit/store/test_store_contract
TESTS += tests/unit/store/test_store_contract
tests_unit_store_test_store_contract_SOURCES = \
	tests/simulation/world.c tests/simulation/world.h \
	tests/simulation/world_internal.h \
	tests/simulation/world_cluster.c tests/simulation/world_pair.c \
	tests/simulation/world_gateway.c \
	tests/simulation/world_ledger.c \
	tests/simulation/world_store.c \
	tests/unit/lite/scratch.c \
	tests/unit/lite/scratch.h \
	tests/unit/store/test_store_contract.c
tests_unit_store_test_store_contract_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_store_test_store_contract_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=sink_deliver -Wl,--wrap=sink_try
tests_unit_store_test_store_contract_LDADD = librotation.a libpolicy.a \
	libledger.a libaudit.a libstore.a libaws.a liblite.a libhttp.a libjson.a libxml.a \
	libcrypto.a \
	libbase.a $(SQLITE_LIBS) $(CURL_LIBS) $(JANSSON_LIBS) $(EXPAT_LIBS) \
	-lssl $(OPENSSL_LIBS) -lm $(CMOCKA_LIBS)
