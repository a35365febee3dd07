# SPDX-License-Identifier: PostgreSQL
"""Two login roles in turn on newer servers: all of test_alternating there, since
PostgreSQL 16 has other rules for who may grant what to whom."""

import pytest

from test_alternating import *  # noqa: F401,F403
from test_newer_servers import _newer_server, newer  # noqa: F401


@pytest.fixture
def new_site(newer, new_site):  # noqa: F811
    return lambda **settings: new_site(on=newer, **settings)
