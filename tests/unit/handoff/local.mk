# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/handoff/test_handoff_sheet
TESTS += tests/unit/handoff/test_handoff_sheet
tests_unit_handoff_test_handoff_sheet_SOURCES = \
	tests/unit/handoff/test_handoff_sheet.c
tests_unit_handoff_test_handoff_sheet_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_handoff_test_handoff_sheet_LDADD = libhandoff.a libschedule.a \
	libconfig.a libbase.a $(CMOCKA_LIBS) $(JANSSON_LIBS) $(INIH_LIBS)
check_PROGRAMS += tests/unit/handoff/test_handoff_refusal
TESTS += tests/unit/handoff/test_handoff_refusal
tests_unit_handoff_test_handoff_refusal_SOURCES = \
	tests/unit/handoff/test_handoff_refusal.c
tests_unit_handoff_test_handoff_refusal_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_handoff_test_handoff_refusal_LDADD = libhandoff.a libledger.a \
	libbase.a $(CMOCKA_LIBS)
