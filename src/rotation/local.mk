# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += librotation.a
librotation_a_SOURCES = \
	src/rotation/states.def \
	src/rotation/engine.c src/rotation/engine.h \
	src/rotation/runner.c src/rotation/runner.h
