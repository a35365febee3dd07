# SPDX-License-Identifier: PostgreSQL
noinst_LIBRARIES += librotation.a
librotation_a_SOURCES = \
	src/rotation/states.def \
	src/rotation/engine.c src/rotation/engine.h \
	src/rotation/resolve.c src/rotation/resolve.def \
	src/rotation/resolve.h \
	src/rotation/runner.c src/rotation/runner.h \
	src/rotation/runner_cluster.c src/rotation/runner_cluster.h \
	src/rotation/runner_deliver.c src/rotation/runner_deliver.h \
	src/rotation/runner_end.c src/rotation/runner_end.h \
	src/rotation/runner_ended.c \
	src/rotation/runner_env.c src/rotation/runner_env.h \
	src/rotation/runner_fact.c src/rotation/runner_fact.h \
	src/rotation/runner_gateway.c src/rotation/runner_gateway.h \
	src/rotation/runner_ledger.c src/rotation/runner_ledger.h \
	src/rotation/runner_login.c src/rotation/runner_login.h \
	src/rotation/runner_member.c src/rotation/runner_member.h \
	src/rotation/runner_pair.c src/rotation/runner_pair.h \
	src/rotation/runner_session.c src/rotation/runner_session.h \
	src/rotation/runner_store.c src/rotation/runner_store.h \
	src/rotation/runner_try.c src/rotation/runner_try.h \
	src/rotation/runner_way.c src/rotation/runner_way.h
