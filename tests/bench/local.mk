# SPDX-License-Identifier: PostgreSQL
EXTRA_DIST += tests/bench/floor.c tests/bench/rotate
