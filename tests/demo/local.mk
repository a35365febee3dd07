# SPDX-License-Identifier: PostgreSQL
# Run by `./dev demo`: tests/demo/run BUILD.
EXTRA_DIST += tests/demo/run
