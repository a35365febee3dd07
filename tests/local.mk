# SPDX-License-Identifier: PostgreSQL
# The lints are tests like any other, so that `make check` is all there is.
dist_check_SCRIPTS =
LINTS = \
	tests/lint/layers \
	tests/lint/circles \
	tests/lint/format \
	tests/lint/banned \
	tests/lint/generated \
	tests/lint/sizes \
	tests/lint/spdx \
	tests/lint/words \
	tests/lint/selftest
TESTS += $(LINTS)
dist_check_SCRIPTS += $(LINTS)
EXTRA_DIST += tests/lint/exceptions.list tests/lint/generated.list \
	tests/lint/requirements.txt tests/tally.py

# A Debian of its own in a folder, for the stages that need another machine.
EXTRA_DIST += tests/root/make tests/root/enter

# The longest, on one processor: first.
include tests/simulation/local.mk
include tests/unit/audit/local.mk
include tests/unit/base/local.mk
include tests/unit/crypto/local.mk
include tests/unit/json/local.mk
include tests/unit/http/local.mk
include tests/unit/xml/local.mk
include tests/unit/lite/local.mk
include tests/unit/pg/local.mk
include tests/unit/config/local.mk
include tests/unit/policy/local.mk
include tests/unit/schedule/local.mk
include tests/unit/format/local.mk
include tests/unit/wire/local.mk
include tests/unit/ledger/local.mk
include tests/unit/cluster/local.mk
include tests/unit/store/local.mk
include tests/unit/token/local.mk
include tests/unit/program/local.mk
include tests/unit/delivery/local.mk
include tests/unit/hook/local.mk
include tests/unit/sink/local.mk
include tests/unit/after/local.mk
include tests/unit/rotation/local.mk
include tests/unit/report/local.mk
include tests/unit/open/local.mk
include tests/unit/handoff/local.mk
include tests/unit/agent/local.mk
include tests/unit/cli/local.mk
include tests/unit/daemon/local.mk
include tests/unit/pam/local.mk
include tests/unit/helpers/local.mk
include tests/fuzz/local.mk
include tests/model/local.mk
include tests/integration/local.mk
include tests/systemd/local.mk
include tests/mutations/local.mk
include tests/demo/local.mk
include tests/bench/local.mk
