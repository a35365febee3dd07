# SPDX-License-Identifier: PostgreSQL
EXTRA_DIST += tests/unit/pam/pam_rig.h
dist_check_SCRIPTS += tests/unit/pam/manual tests/unit/pam/module-links
TESTS += tests/unit/pam/manual

if PAM
check_PROGRAMS += tests/unit/pam/test_pam_keyturn \
	tests/unit/pam/test_pam_session tests/unit/pam/session_module.so
TESTS += tests/unit/pam/test_pam_keyturn tests/unit/pam/test_pam_session
if !SANITIZERS
TESTS += tests/unit/pam/module-links
endif
endif
tests_unit_pam_test_pam_keyturn_SOURCES = \
	tests/unit/pam/test_pam_keyturn.c tests/unit/pam/pam_rig.c \
	tests/unit/wire/fake_agent.c
tests_unit_pam_test_pam_keyturn_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) \
	-DMODULE='"$(abs_top_builddir)/pam/pam_keyturn.so"'
tests_unit_pam_test_pam_keyturn_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
# libpam finds syslog() in the test, not in the C library.
tests_unit_pam_test_pam_keyturn_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic
tests_unit_pam_test_pam_keyturn_LDADD = libwire.a libbase.a $(PAM_LIBS) \
	$(CMOCKA_LIBS)

# The module with its folder here and not in /run.
KEYTURN_PAM_SESSION = $(AM_CPPFLAGS) -I$(top_srcdir) \
	-DPAM_SESSION_FOLDER='"$(abs_top_builddir)/tests/unit/pam/run"'
tests_unit_pam_session_module_so_SOURCES = pam/pam_sm.c $(KEYTURN_PAM_FILES)
tests_unit_pam_session_module_so_CPPFLAGS = $(KEYTURN_PAM_SESSION)
tests_unit_pam_session_module_so_CFLAGS = $(KEYTURN_PAM_COMPILE)
tests_unit_pam_session_module_so_LDFLAGS = $(KEYTURN_PAM_LINK)
tests_unit_pam_session_module_so_LDADD = $(PAM_LIBS)

tests_unit_pam_test_pam_session_SOURCES = \
	tests/unit/pam/test_pam_session.c tests/unit/pam/pam_rig.c \
	tests/unit/wire/fake_agent.c
tests_unit_pam_test_pam_session_CPPFLAGS = $(KEYTURN_PAM_SESSION) \
	-DMODULE='"$(abs_top_builddir)/tests/unit/pam/session_module.so"'
tests_unit_pam_test_pam_session_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_pam_test_pam_session_LDFLAGS = $(AM_LDFLAGS) -Wl,--export-dynamic
tests_unit_pam_test_pam_session_LDADD = libwire.a libbase.a $(PAM_LIBS) \
	$(CMOCKA_LIBS)
