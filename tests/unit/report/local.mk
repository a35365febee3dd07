# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/report/test_report
TESTS += tests/unit/report/test_report
tests_unit_report_test_report_SOURCES = tests/unit/report/test_report.c
tests_unit_report_test_report_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_report_test_report_LDADD = libreport.a libschedule.a libbase.a \
	$(JANSSON_LIBS) $(CMOCKA_LIBS)
