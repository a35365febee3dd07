# SPDX-License-Identifier: PostgreSQL
EXTRA_DIST += docs/architecture.md
