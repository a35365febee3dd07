# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libprogram.a
libprogram_a_SOURCES = \
	src/program/program.c src/program/program.h \
	src/program/program_check.c \
	src/program/program_child.c \
	src/program/program_internal.h \
	src/program/program_kin.c \
	src/program/program_said.c
