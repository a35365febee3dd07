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
	src/ledger/sqlite/sqlite.c \
	src/ledger/sqlite/sqlite.h \
	src/ledger/sqlite/audit.c \
	src/ledger/sqlite/begin.c \
	src/ledger/sqlite/close.c \
	src/ledger/sqlite/history.c \
	src/ledger/sqlite/sqlite_internal.h \
	src/ledger/sqlite/memory.c \
	src/ledger/sqlite/notes.c \
	src/ledger/sqlite/record.c \
	src/ledger/sqlite/role.c
libledger_a_SOURCES += src/ledger/ledger_key.c src/ledger/ledger_key.h
