# SPDX-License-Identifier: PostgreSQL
# --wrap lets the simulation see every row of the state table that is taken, and
# stand in for the sinks.
check_PROGRAMS += tests/simulation/simulate
TESTS += tests/simulation/simulate
tests_simulation_simulate_SOURCES = \
	tests/simulation/simulate.c tests/simulation/simulate.h \
	tests/simulation/simulate_gateway.c \
	tests/simulation/simulate_leak.c \
	tests/simulation/simulate_live.c \
	tests/simulation/simulate_login.c \
	tests/simulation/simulate_others.c \
	tests/simulation/simulate_outcome.c \
	tests/simulation/simulate_pair.c \
	tests/simulation/simulate_pair_sweep.c \
	tests/simulation/simulate_plan.c \
	tests/simulation/simulate_rows.c \
	tests/simulation/simulate_run.c \
	tests/simulation/simulate_scene.c \
	tests/simulation/simulate_storm.c \
	tests/simulation/simulate_sweep.c \
	tests/simulation/world.c tests/simulation/world.h \
	tests/simulation/world_internal.h \
	tests/simulation/world_gateway.c \
	tests/simulation/world_ledger.c \
	tests/simulation/world_pair.c \
	tests/simulation/world_store.c \
	tests/simulation/world_cluster.c
tests_simulation_simulate_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_simulation_simulate_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=engine_step \
	-Wl,--wrap=sink_deliver -Wl,--wrap=sink_try
tests_simulation_simulate_LDADD = librotation.a libpolicy.a libstore.a \
	libledger.a libaudit.a libbase.a $(CMOCKA_LIBS) -lm
