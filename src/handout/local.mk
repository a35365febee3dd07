# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libhandout.a
libhandout_a_SOURCES = src/handout/handout.c src/handout/handout.h \
	src/handout/handout_token.c src/handout/handout_token.h
