# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libledger.a
libledger_a_SOURCES = \
	src/ledger/ledger.h \
	src/ledger/sqlite/audit.c \
	src/ledger/sqlite/begin.c \
	src/ledger/sqlite/close.c \
	src/ledger/sqlite/history.c \
	src/ledger/sqlite/memory.c \
	src/ledger/sqlite/notes.c \
	src/ledger/sqlite/record.c \
	src/ledger/sqlite/role.c \
	src/ledger/sqlite/sqlite.c \
	src/ledger/sqlite/sqlite.h \
	src/ledger/sqlite/sqlite_internal.h \
	src/ledger/sqlite/trail.c \
	src/ledger/sqlite/trail.h
