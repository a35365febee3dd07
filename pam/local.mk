# SPDX-License-Identifier: PostgreSQL
# A program to automake, a loadable module to the linker: libtool is not needed
# for one object file format.  Base and wire are compiled into it, as
# position-independent code, and what it does not use of them is left out.
KEYTURN_PAM_FILES = \
	pam/pam_agent.c pam/pam_agent.h \
	pam/pam_child.c pam/pam_child.h \
	pam/pam_options.c pam/pam_options.def pam/pam_options.h \
	pam/pam_passfile.c pam/pam_passfile.h \
	pam/pam_place.c pam/pam_place.h \
	pam/pam_rotate.c pam/pam_rotate.h \
	pam/pam_session.c pam/pam_session.h \
	pam/pam_verify.c pam/pam_verify.h \
	src/base/file_write.c src/base/lookup.c src/base/reason.c \
	src/base/secret_wipe.c src/base/status.c \
	src/base/text.c \
	src/wire/wire.c src/wire/wire_client.c
KEYTURN_PAM_COMPILE = $(AM_CFLAGS) -fPIC -ffunction-sections \
	-fdata-sections
KEYTURN_PAM_LINK = $(HARDEN_LDFLAGS) -shared -Wl,--gc-sections \
	-Wl,--version-script=$(top_srcdir)/pam/pam_keyturn.map

if PAM
pam_PROGRAMS = pam/pam_keyturn.so
endif
pam_pam_keyturn_so_SOURCES = pam/pam_sm.c $(KEYTURN_PAM_FILES)
pam_pam_keyturn_so_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
pam_pam_keyturn_so_CFLAGS = $(KEYTURN_PAM_COMPILE)
pam_pam_keyturn_so_LDFLAGS = $(KEYTURN_PAM_LINK)
pam_pam_keyturn_so_LDADD = $(PAM_LIBS)
pam_pam_keyturn_so_DEPENDENCIES = $(top_srcdir)/pam/pam_keyturn.map

dist_man_MANS += pam/pam_keyturn.8
EXTRA_DIST += pam/pam_keyturn.map
