# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/xml/test_xml
TESTS += tests/unit/xml/test_xml
tests_unit_xml_test_xml_SOURCES = tests/unit/xml/test_xml.c
tests_unit_xml_test_xml_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_xml_test_xml_LDADD = libxml.a libbase.a $(EXPAT_LIBS) $(CMOCKA_LIBS)
