# SPDX-License-Identifier: PostgreSQL
# All but the entry, so that unit tests link it.
noinst_LIBRARIES += libagent.a
libagent_a_SOURCES = \
	src/agent/agent.c src/agent/agent.h src/agent/agent_internal.h \
	src/agent/agent_authorise.c \
	src/agent/agent_brake.c src/agent/agent_brake.h \
	src/agent/agent_cache.c src/agent/agent_cache.h \
	src/agent/agent_cache_answer.c src/agent/agent_cache_internal.h \
	src/agent/agent_client.c \
	src/agent/agent_config.c \
	src/agent/agent_couriers.c src/agent/agent_couriers.h \
	src/agent/agent_creds.c src/agent/agent_creds.h \
	src/agent/agent_errand.c src/agent/agent_errand.h \
	src/agent/agent_keep.c \
	src/agent/agent_listen.c \
	src/agent/agent_request.c \
	src/agent/agent_roster.c src/agent/agent_roster.h \
	src/agent/agent_rules.c src/agent/agent_rules.h \
	src/agent/agent_sandbox.c src/agent/agent_sandbox.h \
	src/agent/agent_scribe.c src/agent/agent_scribe.h \
	src/agent/agent_trail.c src/agent/agent_trail.h \
	src/agent/agent_verify.c

# The readers' half: no driver of a cluster, and so no libpq.
AGENT_LIBS = libagent.a libreaders.a libtoken.a libstore.a libaws.a libledger.a \
	libformat.a libschedule.a libconfig.a liblite.a libhttp.a libjson.a \
	libxml.a libcrypto.a libwire.a libbase.a
AGENT_OUTSIDE = $(SQLITE_LIBS) $(INIH_LIBS) $(CURL_LIBS) $(JANSSON_LIBS) \
	$(EXPAT_LIBS) $(OPENSSL_LIBS) $(SECCOMP_LIBS) -lm

bin_PROGRAMS += keyturn-agent
keyturn_agent_SOURCES = src/agent/agent_main.c
keyturn_agent_LDADD = $(AGENT_LIBS) libwipe.a $(AGENT_OUTSIDE)
