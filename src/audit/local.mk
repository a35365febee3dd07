# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libaudit.a
libaudit_a_SOURCES = \
	src/audit/audit.h \
	src/audit/audit_chain.c \
	src/audit/audit_chain.h \
	src/audit/audit_checkpoint.c \
	src/audit/audit_checkpoint.h \
	src/audit/audit_entry.c \
	src/audit/audit_entry.h \
	src/audit/audit_event.c \
	src/audit/audit_event.h \
	src/audit/audit_export.c \
	src/audit/audit_intact.c \
	src/audit/audit_sign.c \
	src/audit/audit_verify.c \
	src/audit/audit_walk.h \
	src/audit/audit_words.c \
	src/audit/audit_words.h \
	src/audit/events.def
