# SPDX-License-Identifier: PostgreSQL
# Each fuzz_NAME.c with fuzz_main.c and the seeds in tests/fuzz/NAME.
check_PROGRAMS += tests/fuzz/fuzz_wire
tests_fuzz_fuzz_wire_SOURCES = tests/fuzz/fuzz_wire.c tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_wire_LDADD = libwire.a libbase.a

check_PROGRAMS += tests/fuzz/fuzz_credential
tests_fuzz_fuzz_credential_SOURCES = tests/fuzz/fuzz_credential.c \
	tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_credential_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_fuzz_fuzz_credential_LDADD = $(CREDENTIAL_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_aws_profile tests/fuzz/fuzz_aws_sts
tests_fuzz_fuzz_aws_profile_SOURCES = tests/fuzz/fuzz_aws_profile.c \
	tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_aws_profile_LDADD = libaws.a libbase.a
tests_fuzz_fuzz_aws_sts_SOURCES = tests/fuzz/fuzz_aws_sts.c \
	tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_aws_sts_LDADD = libaws.a libhttp.a libjson.a libxml.a \
	libcrypto.a libbase.a $(CURL_LIBS) $(JANSSON_LIBS) $(EXPAT_LIBS) \
	$(OPENSSL_LIBS) -lm

check_PROGRAMS += tests/fuzz/fuzz_creds
tests_fuzz_fuzz_creds_SOURCES = tests/fuzz/fuzz_creds.c \
	tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_creds_LDADD = $(AGENT_LIBS) $(AGENT_OUTSIDE)

TESTS += tests/fuzz/fuzz
dist_check_SCRIPTS += tests/fuzz/fuzz

check_PROGRAMS += tests/fuzz/fuzz_wire_client
tests_fuzz_fuzz_wire_client_SOURCES = tests/fuzz/fuzz_wire_client.c \
	tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_wire_client_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=connect
tests_fuzz_fuzz_wire_client_LDADD = libwire.a libbase.a

check_PROGRAMS += tests/fuzz/fuzz_databrickscfg
tests_fuzz_fuzz_databrickscfg_SOURCES = tests/fuzz/fuzz_databrickscfg.c \
	tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_databrickscfg_LDADD = libtoken.a libbase.a

check_PROGRAMS += tests/fuzz/fuzz_ics
tests_fuzz_fuzz_ics_SOURCES = tests/fuzz/fuzz_ics.c tests/fuzz/fuzz_main.c
tests_fuzz_fuzz_ics_LDADD = libschedule.a libbase.a
