# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/ledger/test_ledger_sqlite
TESTS += tests/unit/ledger/test_ledger_sqlite
tests_unit_ledger_test_ledger_sqlite_SOURCES = \
	tests/unit/ledger/rig.c \
	tests/unit/ledger/rig.h \
	tests/unit/ledger/test_ledger_sqlite.c \
	tests/unit/lite/scratch.c \
	tests/unit/lite/scratch.h
tests_unit_ledger_test_ledger_sqlite_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_ledger_test_ledger_sqlite_LDADD = libledger.a libaudit.a \
	liblite.a libcrypto.a libjson.a libbase.a $(SQLITE_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/ledger/test_ledger_merge
TESTS += tests/unit/ledger/test_ledger_merge
tests_unit_ledger_test_ledger_merge_SOURCES = \
	tests/unit/ledger/test_ledger_merge.c
tests_unit_ledger_test_ledger_merge_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_ledger_test_ledger_merge_LDADD = libledger.a libbase.a \
	$(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/ledger/test_ledger_fact
TESTS += tests/unit/ledger/test_ledger_fact
tests_unit_ledger_test_ledger_fact_SOURCES = tests/unit/ledger/test_ledger_fact.c
tests_unit_ledger_test_ledger_fact_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_ledger_test_ledger_fact_LDADD = libjobs.a libledger.a libbase.a \
	$(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/ledger/test_ledger_contract
TESTS += tests/unit/ledger/test_ledger_contract
tests_unit_ledger_test_ledger_contract_SOURCES = \
	tests/unit/ledger/rig.c \
	tests/unit/ledger/rig.h \
	tests/unit/ledger/test_ledger_contract.c \
	tests/unit/lite/scratch.c \
	tests/unit/lite/scratch.h
tests_unit_ledger_test_ledger_contract_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_ledger_test_ledger_contract_LDADD = libledger.a libaudit.a \
	liblite.a libcrypto.a libjson.a libbase.a $(SQLITE_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS)
