# SPDX-License-Identifier: PostgreSQL
# tests/mutations/run has it in its full bounds.
TESTS += tests/model/pair
dist_check_SCRIPTS += tests/model/pair
EXTRA_DIST += tests/model/explore.py tests/model/pair_model.py
