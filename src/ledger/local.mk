# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libledger.a
libledger_a_SOURCES = \
	src/ledger/audit_trail.c \
	src/ledger/audit_trail.h \
	src/ledger/ledger.h \
	src/ledger/ledger_sqlite.c \
	src/ledger/ledger_sqlite.h
libledger_a_SOURCES += src/ledger/ledger_key.c src/ledger/ledger_key.h
