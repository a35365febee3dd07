# SPDX-License-Identifier: PostgreSQL
# Run by `./dev test`, not by `make check`: they boot a machine, as root.
EXTRA_DIST += \
	tests/systemd/conftest.py \
	tests/systemd/documents.py \
	tests/systemd/machine.py \
	tests/systemd/test_after_booted.py \
	tests/systemd/test_agent_booted.py \
	tests/systemd/test_gateway_booted.py \
	tests/systemd/test_keyturnd_booted.py
