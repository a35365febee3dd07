# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libpolicy.a
libpolicy_a_SOURCES = \
	src/policy/draw.c src/policy/draw.h \
	src/policy/policy.c src/policy/policy.h
