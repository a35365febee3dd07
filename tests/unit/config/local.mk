# SPDX-License-Identifier: PostgreSQL
CONFIG_TESTS = \
	tests/unit/config/test_config_read \
	tests/unit/config/test_config_check \
	tests/unit/config/test_config_documents \
	tests/unit/config/test_config_words
check_PROGRAMS += $(CONFIG_TESTS)
TESTS += $(CONFIG_TESTS)

config_tree = tests/unit/config/config_tree.c tests/unit/config/config_tree.h
config_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
config_test_ldadd = libconfig.a libbase.a $(INIH_LIBS) $(CMOCKA_LIBS)

tests_unit_config_test_config_read_SOURCES = \
	tests/unit/config/test_config_read.c $(config_tree)
tests_unit_config_test_config_read_CFLAGS = $(config_test_cflags)
tests_unit_config_test_config_read_LDADD = $(config_test_ldadd)

tests_unit_config_test_config_check_SOURCES = \
	tests/unit/config/test_config_check.c $(config_tree)
tests_unit_config_test_config_check_CFLAGS = $(config_test_cflags)
tests_unit_config_test_config_check_LDADD = $(config_test_ldadd)

tests_unit_config_test_config_documents_SOURCES = \
	tests/unit/config/test_config_documents.c $(config_tree)
tests_unit_config_test_config_documents_CFLAGS = $(config_test_cflags)
tests_unit_config_test_config_documents_LDADD = $(config_test_ldadd)

tests_unit_config_test_config_words_SOURCES = \
	tests/unit/config/test_config_words.c $(config_tree)
tests_unit_config_test_config_words_CFLAGS = $(config_test_cflags)
tests_unit_config_test_config_words_LDADD = $(config_test_ldadd)

EXTRA_DIST += tests/fuzz/fuzz_config.c
