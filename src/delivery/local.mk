# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libdelivery.a
libdelivery_a_SOURCES = \
	src/delivery/delivery.c src/delivery/delivery.h
