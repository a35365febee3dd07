# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += libcluster.a
libcluster_a_SOURCES = src/cluster/cluster.h src/cluster/cluster_login.c \
	src/cluster/cluster_tools.h \
	src/cluster/gateway/common.c src/cluster/gateway/common.h \
	src/cluster/gateway/console.c src/cluster/gateway/console.h \
	src/cluster/gateway/gateway.c src/cluster/gateway/gateway.h \
	src/cluster/gateway/login.c src/cluster/gateway/login.h \
	src/cluster/gateway/preflight.c src/cluster/gateway/preflight.h \
	src/cluster/gateway/tools.c src/cluster/gateway/tools.h \
	src/cluster/gateway/uses.c src/cluster/gateway/uses.h \
	src/cluster/postgres/activity.c src/cluster/postgres/activity.h \
	src/cluster/postgres/apply.c src/cluster/postgres/apply.h \
	src/cluster/postgres/apply_change.c src/cluster/postgres/apply_change.h \
	src/cluster/postgres/apply_explain.c src/cluster/postgres/apply_explain.h \
	src/cluster/postgres/certificates.c src/cluster/postgres/certificates.h \
	src/cluster/postgres/common.c src/cluster/postgres/common.h \
	src/cluster/postgres/connect.c src/cluster/postgres/connect.h \
	src/cluster/postgres/findings.c src/cluster/postgres/findings.h \
	src/cluster/postgres/marker.c src/cluster/postgres/marker.h \
	src/cluster/postgres/marker_none.c src/cluster/postgres/marker_prepare.c \
	src/cluster/postgres/marker_fence.c src/cluster/postgres/marker_fence.h \
	src/cluster/postgres/marker_prepare.h src/cluster/postgres/marker_row.c \
	src/cluster/postgres/marker_row.h src/cluster/postgres/marker_table.c \
	src/cluster/postgres/pair_make.c src/cluster/postgres/pair_make.h \
	src/cluster/postgres/peek.c src/cluster/postgres/peek.h \
	src/cluster/postgres/plain.c src/cluster/postgres/plain.h \
	src/cluster/postgres/postgres.c src/cluster/postgres/postgres.h \
	src/cluster/postgres/preflight.c src/cluster/postgres/preflight.h \
	src/cluster/postgres/preflight_pair.c src/cluster/postgres/preflight_pair.h \
	src/cluster/postgres/preflight_twins.c src/cluster/postgres/preflight_twins.h \
	src/cluster/postgres/preflight_role.c src/cluster/postgres/preflight_role.h \
	src/cluster/postgres/prove.c src/cluster/postgres/prove.h \
	src/cluster/postgres/role.c src/cluster/postgres/role.h \
	src/cluster/postgres/session.c src/cluster/postgres/session.h \
	src/cluster/postgres/setup.c src/cluster/postgres/setup.h \
	src/cluster/postgres/told.c src/cluster/postgres/told.h
