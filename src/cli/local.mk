# SPDX-License-Identifier: PostgreSQL
bin_PROGRAMS += keyturn
keyturn_SOURCES = \
	src/cli/cli.c src/cli/cli.h \
	src/cli/cli_adoption.c \
	src/cli/cli_audit.c \
	src/cli/cli_check.c \
	src/cli/cli_cluster.c \
	src/cli/cli_config.c \
	src/cli/cli_forecast.c \
	src/cli/cli_freeze.c \
	src/cli/cli_get.c \
	src/cli/cli_handoff.c \
	src/cli/cli_history.c \
	src/cli/cli_init.c \
	src/cli/cli_notice.c \
	src/cli/cli_postpone.c \
	src/cli/cli_refresh.c \
	src/cli/cli_report.c \
	src/cli/cli_follow.c src/cli/cli_follow.h \
	src/cli/cli_role.c \
	src/cli/cli_rotate.c \
	src/cli/cli_status.c \
	src/cli/cli_token.c \
	src/cli/commands.def \
	src/cli/main.c \
	src/cli/cli_batch.c src/cli/cli_batch.h
# Upper layers first; the wiping allocator goes into executables only.
KEYTURN_LIBS = \
	libjobs.a libhandoff.a libopenengine.a libhandout.a libopen.a libhook.a libdelivery.a libafter.a libprogram.a libreport.a librotation.a libsink.a \
	libcluster.a libwire.a libtoken.a libstore.a libaws.a libledger.a libaudit.a libformat.a libschedule.a \
	libpolicy.a libconfig.a liblite.a libpg.a libhttp.a libjson.a \
	libxml.a libcrypto.a libbase.a
KEYTURN_OUTSIDE = $(LIBPQ_LIBS) $(SQLITE_LIBS) $(INIH_LIBS) $(CURL_LIBS) \
	$(JANSSON_LIBS) $(EXPAT_LIBS) $(OPENSSL_LIBS) -lm
keyturn_LDADD = $(KEYTURN_LIBS) libwipe.a $(KEYTURN_OUTSIDE)
