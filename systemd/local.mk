# SPDX-License-Identifier: PostgreSQL
# Units for systemd, with the paths of this installation.
UNITS = systemd/keyturnd.service systemd/keyturn-agent.service \
	systemd/keyturn-rotate.service
UNITS_AS_THEY_ARE = systemd/keyturn-agent.socket systemd/keyturn-creds.socket \
	systemd/keyturn-admin.socket systemd/keyturn-rotate.timer
EXTRA_DIST += $(UNITS:=.in) $(UNITS_AS_THEY_ARE) systemd/sysusers.d/keyturn.conf \
	systemd/tmpfiles.d/keyturn.conf
CLEANFILES += $(UNITS)

systemd/keyturnd.service: systemd/keyturnd.service.in
systemd/keyturn-agent.service: systemd/keyturn-agent.service.in
systemd/keyturn-rotate.service: systemd/keyturn-rotate.service.in
$(UNITS): Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	sed 's,@bindir[@],$(bindir),g' $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@

if SYSTEMD_UNITS
unitdir = $(systemdsystemunitdir)
nodist_unit_DATA = $(UNITS)
dist_unit_DATA = $(UNITS_AS_THEY_ARE)
sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = systemd/sysusers.d/keyturn.conf
tmpfilesdir = $(prefix)/lib/tmpfiles.d
dist_tmpfiles_DATA = systemd/tmpfiles.d/keyturn.conf
else
noinst_DATA = $(UNITS)
endif
