# SPDX-License-Identifier: PostgreSQL
EXTRA_DIST += tests/bench/bench.py tests/bench/floor.c \
	tests/bench/floor_http.c tests/bench/credential tests/bench/pam tests/bench/rotate \
	tests/bench/store
