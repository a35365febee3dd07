# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libledger.a
libledger_a_SOURCES = \
	src/ledger/audit_event.c \
	src/ledger/audit_event.h \
	src/ledger/audit_trail.c \
	src/ledger/audit_trail.h \
	src/ledger/audit_trail_checkpoint.c \
	src/ledger/audit_trail_export.c \
	src/ledger/audit_trail_internal.h \
	src/ledger/audit_trail_sign.c \
	src/ledger/audit_trail_verify.c \
	src/ledger/audit_trail_walk.c \
	src/ledger/ledger.h \
	src/ledger/ledger_sqlite.c \
	src/ledger/ledger_sqlite.h \
	src/ledger/ledger_sqlite_audit.c \
	src/ledger/ledger_sqlite_begin.c \
	src/ledger/ledger_sqlite_close.c \
	src/ledger/ledger_sqlite_history.c \
	src/ledger/ledger_sqlite_internal.h \
	src/ledger/ledger_sqlite_memory.c \
	src/ledger/ledger_sqlite_notes.c \
	src/ledger/ledger_sqlite_record.c \
	src/ledger/ledger_sqlite_role.c
libledger_a_SOURCES += src/ledger/ledger_key.c src/ledger/ledger_key.h
