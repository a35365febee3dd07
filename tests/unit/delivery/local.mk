# SPDX-License-Identifier: PostgreSQL
check_PROGRAMS += tests/unit/delivery/test_delivery
TESTS += tests/unit/delivery/test_delivery
tests_unit_delivery_test_delivery_SOURCES = tests/unit/delivery/test_delivery.c
tests_unit_delivery_test_delivery_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_delivery_test_delivery_LDADD = libdelivery.a libprogram.a libformat.a \
	libbase.a $(CMOCKA_LIBS) -lm
