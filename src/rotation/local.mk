# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += librotation.a
librotation_a_SOURCES = \
	src/rotation/states.def \
	src/rotation/engine.c src/rotation/engine.h \
	src/rotation/runner.c src/rotation/runner.h \
	src/rotation/runner_internal.h \
	src/rotation/runner_cluster.c \
	src/rotation/runner_deliver.c \
	src/rotation/runner_ledger.c \
	src/rotation/runner_login.c \
	src/rotation/runner_self.c src/rotation/runner_store.c \
	src/rotation/runner_try.c
