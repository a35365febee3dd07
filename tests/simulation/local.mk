# SPDX-License-Identifier: PostgreSQL
# --wrap lets the simulation see every row of the state table that is taken.
check_PROGRAMS += tests/simulation/simulate
TESTS += tests/simulation/simulate
tests_simulation_simulate_SOURCES = \
	tests/simulation/simulate.c \
	tests/simulation/world.c tests/simulation/world.h
tests_simulation_simulate_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_simulation_simulate_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=engine_step
tests_simulation_simulate_LDADD = librotation.a libschedule.a libpolicy.a \
	libbase.a $(CMOCKA_LIBS) -lm
