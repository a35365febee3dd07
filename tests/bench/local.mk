# SPDX-License-Identifier: PostgreSQL
EXTRA_DIST += tests/bench/bench.py tests/bench/floor.c \
	tests/bench/floor_http.c tests/bench/adoption tests/bench/credential tests/bench/gateway \
	tests/bench/logins.c tests/bench/pair \
	tests/bench/pam tests/bench/rotate tests/bench/store

# Built by make check, so that they do not rot.
check_PROGRAMS += tests/bench/agent_load tests/bench/agent_store
tests_bench_agent_load_SOURCES = tests/bench/agent_load.c
tests_bench_agent_load_LDADD = libwire.a libbase.a
tests_bench_agent_store_SOURCES = tests/bench/agent_store.c
tests_bench_agent_store_LDADD = libstore.a libaws.a liblite.a libhttp.a \
	libjson.a libxml.a libcrypto.a libbase.a $(SQLITE_LIBS) \
	$(OPENSSL_LIBS)
