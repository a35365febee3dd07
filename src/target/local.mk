# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libtarget.a
libtarget_a_SOURCES = src/target/target.h src/target/target_postgres.h \
	src/target/target_postgres_internal.h src/target/target_postgres.c \
	src/target/target_preflight.c src/target/target_session.c \
	src/target/target_chain.c src/target/target_none.c src/target/target_role.c src/target/target_marker.c \
	src/target/target_marker_claim.c src/target/target_marker_internal.h \
	src/target/target_marker_prepare.c src/target/target_marker_row.c \
	src/target/target_apply.c src/target/target_plain.c \
	src/target/target_prove.c src/target/target_told.c
