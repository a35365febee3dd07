# SPDX-License-Identifier: PostgreSQL
# All but the entry, so that unit tests link it.
noinst_LIBRARIES += libagent.a
libagent_a_SOURCES = \
	src/agent/agent.c src/agent/agent.h src/agent/agent_internal.h \
	src/agent/agent_config.c src/agent/agent_config.h \
	src/agent/agent_sandbox.c src/agent/agent_sandbox.h \
	src/agent/agent_wake.c src/agent/agent_wake.h \
	src/agent/access/groups.c src/agent/access/groups.h \
	src/agent/access/rules.c src/agent/access/rules.h \
	src/agent/cache/answer.c src/agent/cache/cache_internal.h \
	src/agent/cache/ask.c src/agent/cache/ask.h \
	src/agent/cache/cache.c src/agent/cache/cache.h \
	src/agent/cache/snapshot.c src/agent/cache/snapshot.h \
	src/agent/cache/workers.c src/agent/cache/workers.h \
	src/agent/serve/authorise.c src/agent/serve/authorise.h \
	src/agent/serve/call.c src/agent/serve/call.h \
	src/agent/serve/client.c src/agent/serve/client.h \
	src/agent/serve/creds.c src/agent/serve/creds.h \
	src/agent/serve/listen.c src/agent/serve/listen.h \
	src/agent/serve/request.c src/agent/serve/request.h \
	src/agent/serve/throttle.c src/agent/serve/throttle.h \
	src/agent/serve/verify.c src/agent/serve/verify.h \
	src/agent/trail/seen.c src/agent/trail/seen.h \
	src/agent/trail/trail.c src/agent/trail/trail.h \
	src/agent/trail/writer.c src/agent/trail/writer.h

# The readers' half: no driver of a cluster, and so no libpq.
AGENT_LIBS = libagent.a libhandout.a libopen.a libtoken.a libstore.a libaws.a libledger.a libaudit.a \
	libformat.a libschedule.a libconfig.a liblite.a libhttp.a libjson.a \
	libxml.a libcrypto.a libwire.a libbase.a
AGENT_OUTSIDE = $(SQLITE_LIBS) $(INIH_LIBS) $(CURL_LIBS) $(JANSSON_LIBS) \
	$(EXPAT_LIBS) $(OPENSSL_LIBS) $(SECCOMP_LIBS) -lm

bin_PROGRAMS += keyturn-agent
keyturn_agent_SOURCES = src/agent/agent_main.c
keyturn_agent_LDADD = $(AGENT_LIBS) libwipe.a $(AGENT_OUTSIDE)
