# SPDX-License-Identifier: PostgreSQL
# The manual and the reference are made from the .def tables by docs/generate
# and committed; tests/lint/generated fails when they have drifted.
noinst_PROGRAMS += docs/generate
docs_generate_SOURCES = docs/generate.c src/cli/commands.def \
	src/audit/events.def src/rotation/resolve.def \
	src/rotation/states.def src/wire/wire.def
docs_generate_LDADD = libconfig.a libbase.a $(INIH_LIBS)

dist_man_MANS += docs/keyturn.1 docs/keyturn-credential.1 docs/keyturn.conf.5 \
	docs/keyturn-agent.8 docs/keyturnd.8
dist_doc_DATA += docs/settings.md docs/commands.md docs/protocol.md \
	docs/wire.md docs/keyturn.conf.sample

# Written by hand.
dist_doc_DATA += README.md docs/agent.md docs/alternating.md docs/architecture.md docs/auditors.md \
	docs/aws.md docs/changes.md docs/clients.md docs/development.md \
	docs/deliveries/sap-integration-suite \
	docs/handoff.md \
	docs/lakebase.md \
	docs/gateway.md \
	docs/operators.md \
	docs/pam.md docs/partners.md docs/performance.md \
	docs/security.md docs/tokens.md docs/vault.md docs/verify_audit.py

docs-regenerate: docs/generate$(EXEEXT)
	$(srcdir)/tests/lint/generated --write $(srcdir)

.PHONY: docs-regenerate
