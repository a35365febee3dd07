# SPDX-License-Identifier: PostgreSQL
"""A gateway whose agent reads a store of the network, and that hangs."""

import time

import pytest

pytest.importorskip("hvac")

from rig.gateway import verifiers  # noqa: E402
from test_vault import _vault, new_vault_site, vault  # noqa: E402,F401

TICK, WAIT, SLACK = 1 / 3, 0.5, 0.5  # PgBouncer's, the agent's, the machine's

SECTION = """[store vault]
type = vault
address = {gate.url}
mount = {mount}
prefix = {prefix}
timeout = 5s
auth = token
token_file = {token_file}
"""


@pytest.fixture
def gateway(new_vault_site, new_agent, new_gateway):  # noqa: F811
    site = new_vault_site(roles=("sap",))
    for _ in range(2):
        site.run("rotate", "sap", expect=0)
    agent = new_agent(site, refresh="1h", roles={
        "sap": verifiers("1h", "store = vault\n")},
        more=SECTION.format(**vars(site)))
    return new_gateway(site, agent=agent)


def timed(gateway, password):
    begun = time.monotonic()
    let_in = gateway.lets_in(password)
    return let_in, time.monotonic() - begun


def test_a_store_that_hangs_costs_half_a_second_and_nobody_a_login(gateway):
    site = gateway.site
    current = site.current().password
    previous = site.labelled("previous").password
    assert gateway.lets_in(current) and gateway.lets_in(previous)
    time.sleep(1.1)  # what was confirmed within a second is not asked again
    site.gate.fault("*", ".*", "hang-before", times=1000)
    try:
        for password, most, wanted in ((current, 0, True),
                                       (previous, WAIT, True),
                                       (current, 0, True),
                                       ("wrong", WAIT, False)):
            let_in, seconds = timed(gateway, password)
            assert let_in == wanted, password
            assert seconds < TICK + most + SLACK, seconds
    finally:
        site.gate.clear()
    assert gateway.lets_in(current) and gateway.lets_in(previous)
