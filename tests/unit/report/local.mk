# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/report/test_report
TESTS += tests/unit/report/test_report
tests_unit_report_test_report_SOURCES = tests/unit/report/test_report.c
tests_unit_report_test_report_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_report_test_report_LDADD = libreport.a libledger.a libschedule.a libbase.a \
	$(JANSSON_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/report/test_report_uses
TESTS += tests/unit/report/test_report_uses
tests_unit_report_test_report_uses_SOURCES = \
	tests/unit/report/test_report_uses.c
tests_unit_report_test_report_uses_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_report_test_report_uses_LDADD = libreport.a libaudit.a libjson.a \
	liblite.a libcrypto.a libbase.a $(SQLITE_LIBS) $(JANSSON_LIBS) \
	$(OPENSSL_LIBS) $(CMOCKA_LIBS) -lm

check_PROGRAMS += tests/unit/report/test_report_adoption
TESTS += tests/unit/report/test_report_adoption
tests_unit_report_test_report_adoption_SOURCES = \
	tests/unit/report/test_report_adoption.c
tests_unit_report_test_report_adoption_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_report_test_report_adoption_LDADD = libreport.a libledger.a \
	libaudit.a libjson.a liblite.a libcrypto.a libbase.a $(SQLITE_LIBS) \
	$(JANSSON_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS) -lm

check_PROGRAMS += tests/unit/report/test_report_notice
TESTS += tests/unit/report/test_report_notice
tests_unit_report_test_report_notice_SOURCES = \
	tests/unit/report/test_report_notice.c
tests_unit_report_test_report_notice_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_report_test_report_notice_LDADD = libreport.a libschedule.a \
	libbase.a $(CMOCKA_LIBS)
