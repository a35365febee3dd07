# SPDX-License-Identifier: PostgreSQL
# Run by `./dev demo`: tests/demo/run BUILD; with --gateway, tests/demo/gateway BUILD.
EXTRA_DIST += tests/demo/common tests/demo/gateway tests/demo/run
