# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libcluster.a
libcluster_a_SOURCES = src/cluster/cluster.h src/cluster/postgres/postgres.h \
	src/cluster/postgres/postgres_internal.h src/cluster/postgres/postgres.c \
	src/cluster/postgres/preflight.c src/cluster/postgres/session.c \
	src/cluster/postgres/certificates.c src/cluster/postgres/marker_none.c src/cluster/postgres/role.c src/cluster/postgres/marker.c \
	src/cluster/postgres/marker_claim.c src/cluster/postgres/marker_internal.h \
	src/cluster/postgres/marker_prepare.c src/cluster/postgres/marker_row.c \
	src/cluster/postgres/apply.c src/cluster/postgres/plain.c \
	src/cluster/postgres/prove.c src/cluster/postgres/told.c
