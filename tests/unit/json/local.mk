# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/json/test_json_doc
TESTS += tests/unit/json/test_json_doc
tests_unit_json_test_json_doc_SOURCES = tests/unit/json/test_json_doc.c
tests_unit_json_test_json_doc_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_json_test_json_doc_LDADD = libjson.a libbase.a $(JANSSON_LIBS) \
	$(CMOCKA_LIBS) -lm

check_PROGRAMS += tests/unit/json/test_json_out
TESTS += tests/unit/json/test_json_out
tests_unit_json_test_json_out_SOURCES = tests/unit/json/test_json_out.c
tests_unit_json_test_json_out_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_json_test_json_out_LDADD = libjson.a libbase.a $(JANSSON_LIBS) \
	$(CMOCKA_LIBS) -lm
