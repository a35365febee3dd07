# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libreaders.a libassembly.a
# Stores and ledger: all that a program without admin credentials links.
libreaders_a_SOURCES = src/assembly/backends.c src/assembly/backends.h \
	src/assembly/backends_token.c src/assembly/backends_token.h \
	src/assembly/handout.c src/assembly/handout.h \
	src/assembly/handout_token.c src/assembly/handout_token.h \
	src/assembly/refresh.c src/assembly/refresh.h
libassembly_a_SOURCES = \
	src/assembly/courier.c src/assembly/courier.h \
	src/assembly/crew.c src/assembly/crew.h \
	src/assembly/due.c src/assembly/due.h \
	src/assembly/turn.c src/assembly/turn.h \
	src/assembly/workshop.c src/assembly/workshop.h
