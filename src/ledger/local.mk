# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libledger.a
libledger_a_SOURCES = \
	src/ledger/facts.def \
	src/ledger/ledger.h \
	src/ledger/ledger_fact.c \
	src/ledger/ledger_merge.c src/ledger/ledger_merge.h \
	src/ledger/ledger_source.c \
	src/ledger/ledger_steps.c \
	src/ledger/sources.def \
	src/ledger/sqlite/adoption.c src/ledger/sqlite/adoption.h \
	src/ledger/sqlite/audit.c src/ledger/sqlite/audit.h \
	src/ledger/sqlite/begin.c src/ledger/sqlite/begin.h \
	src/ledger/sqlite/close.c src/ledger/sqlite/close.h \
	src/ledger/sqlite/common.c src/ledger/sqlite/common.h \
	src/ledger/sqlite/history.c src/ledger/sqlite/history.h \
	src/ledger/sqlite/memory.c src/ledger/sqlite/memory.h \
	src/ledger/sqlite/notes.c src/ledger/sqlite/notes.h \
	src/ledger/sqlite/record.c src/ledger/sqlite/record.h \
	src/ledger/sqlite/role.c src/ledger/sqlite/role.h \
	src/ledger/sqlite/sqlite.c src/ledger/sqlite/sqlite.h \
	src/ledger/sqlite/trail.c src/ledger/sqlite/trail.h
