# SPDX-License-Identifier: PostgreSQL
# keyturn-credential links the C library and nothing else: what it does without
# standard input, output and the agent is a library, for the unit tests and the
# fuzzer.
noinst_LIBRARIES += libcredential.a
libcredential_a_SOURCES = \
	helpers/credential.def helpers/credential.h \
	helpers/credential_ask.c helpers/credential_ask.h \
	helpers/credential_exec.c helpers/credential_exec.h \
	helpers/credential_json.c helpers/credential_json.h \
	helpers/credential_key.c helpers/credential_key.h \
	helpers/credential_list.c helpers/credential_list.h \
	helpers/credential_options.c helpers/credential_options.h \
	helpers/credential_protocol.c helpers/credential_protocol.h \
	helpers/credential_request.c helpers/credential_request.h \
	helpers/credential_run.c helpers/credential_run.h \
	helpers/credential_show.c helpers/credential_show.h
libcredential_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

bin_PROGRAMS += keyturn-credential
keyturn_credential_SOURCES = helpers/credential.c
keyturn_credential_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
CREDENTIAL_LIBS = libcredential.a libwire.a libformat.a libbase.a
keyturn_credential_LDADD = $(CREDENTIAL_LIBS) libwipe.a

# A protocol's caller knows its helper by a name.
CREDENTIAL_NAMES = git-credential-keyturn docker-credential-keyturn \
	keyturn-summon keyturn-bazel
install-exec-hook:
	@cd '$(DESTDIR)$(bindir)' && for name in $(CREDENTIAL_NAMES); do \
		ln -sf keyturn-credential "$$name" || exit 1; \
	done
uninstall-hook:
	@cd '$(DESTDIR)$(bindir)' && rm -f $(CREDENTIAL_NAMES)
