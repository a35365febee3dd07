# SPDX-License-Identifier: PostgreSQL
AGENT_TESTS = \
	tests/unit/agent/test_agent_cache \
	tests/unit/agent/test_agent_client \
	tests/unit/agent/test_agent_rules \
	tests/unit/agent/test_agent_sandbox \
	tests/unit/agent/test_agent_seen \
	tests/unit/agent/test_agent_trail
check_PROGRAMS += $(AGENT_TESTS)
TESTS += $(AGENT_TESTS)

tests_unit_agent_test_agent_cache_SOURCES = \
	tests/unit/agent/test_agent_cache.c
tests_unit_agent_test_agent_cache_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_agent_test_agent_cache_LDADD = $(AGENT_LIBS) $(CMOCKA_LIBS) \
	$(AGENT_OUTSIDE)

tests_unit_agent_test_agent_rules_SOURCES = \
	tests/unit/agent/test_agent_rules.c
tests_unit_agent_test_agent_rules_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_agent_test_agent_rules_LDADD = $(AGENT_LIBS) $(CMOCKA_LIBS) \
	$(AGENT_OUTSIDE)

tests_unit_agent_test_agent_trail_SOURCES = \
	tests/unit/agent/test_agent_trail.c
tests_unit_agent_test_agent_trail_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_agent_test_agent_trail_LDADD = $(AGENT_LIBS) $(CMOCKA_LIBS) \
	$(AGENT_OUTSIDE)

tests_unit_agent_test_agent_sandbox_SOURCES = \
	tests/unit/agent/test_agent_sandbox.c
tests_unit_agent_test_agent_sandbox_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_agent_test_agent_sandbox_LDADD = $(AGENT_LIBS) $(CMOCKA_LIBS) \
	$(AGENT_OUTSIDE)

tests_unit_agent_test_agent_client_SOURCES = \
	tests/unit/agent/test_agent_client.c
tests_unit_agent_test_agent_client_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_agent_test_agent_client_LDADD = $(AGENT_LIBS) $(CMOCKA_LIBS) \
	$(AGENT_OUTSIDE)

tests_unit_agent_test_agent_seen_SOURCES = \
	tests/unit/agent/test_agent_seen.c
tests_unit_agent_test_agent_seen_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_agent_test_agent_seen_LDADD = $(AGENT_LIBS) $(CMOCKA_LIBS) \
	$(AGENT_OUTSIDE)
