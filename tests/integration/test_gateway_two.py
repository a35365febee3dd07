# SPDX-License-Identifier: PostgreSQL
"""Two gateways for one login: a rotation is proved at both, or goes back and says
which one did not take it."""

import re

import pytest

from rig.gateway import verifiers

GATE = """[cluster gate]
type = gateway
endpoint = {first.endpoint}
endpoint = {second.endpoint}
agent = {first.admin_socket}
agent = {second.admin_socket}
prove_deadline = 3s

[role partner]
cluster = gate
every = 30d
grace = 2d
"""
AT_AGENT = """[cluster gate]
type = gateway
endpoint = {endpoint}
"""


@pytest.fixture
def pair(new_site, new_gateway):
    """(site, first, second), with the login "partner" at both."""
    site = new_site()
    gateways = [new_gateway(site, start=False, roles=()) for _ in range(2)]
    site.configure(roles=(), more=GATE.format(first=gateways[0],
                                              second=gateways[1]))
    for gateway in gateways:
        gateway.agent.configure(
            refresh="1h", more=AT_AGENT.format(endpoint=gateway.endpoint),
            roles={"partner": verifiers("2d", "cluster = gate\n")})
        gateway.agent.start()
        gateway.start()
    site.run("rotate", "partner", expect=0)
    return site, *gateways


def passwords(site):
    return [v.password for v in site.versions("partner")
            if v.label in ("current", "previous")]


def test_both_passwords_are_good_at_both(pair):
    site, *gateways = pair
    site.run("rotate", "partner", expect=0)
    assert len(passwords(site)) == 2
    for gateway in gateways:
        for password in passwords(site):
            assert gateway.lets_in(password, "partner")
    old = site.labelled("previous", "partner").password
    site.run("retire", "partner", expect=0)
    for gateway in gateways:
        assert gateway.lets_in(site.current("partner").password, "partner")
        assert not gateway.lets_in(old, "partner")


@pytest.mark.parametrize("what", ["PgBouncer", "its agent", "a hung agent"])
def test_one_that_is_away_stops_a_rotation_and_is_named(pair, what):
    site, first, second = pair
    before = site.current("partner")
    if what == "PgBouncer":
        second.kill()
    elif what == "its agent":
        second.agent.kill()
    else:
        second.hang_agent()
    done = site.run("rotate", "partner")
    assert done.exit != 0
    assert re.search(rf"port {second.port}\b", done.text), done.text
    assert str(first.port) not in done.text
    assert site.current("partner") == before
    assert first.lets_in(before.password, "partner")
    if what == "PgBouncer":
        second.start()
    elif what == "its agent":
        second.agent.start()
    else:
        second.agent_goes_on()
    assert second.lets_in(before.password, "partner")
    site.run("rotate", "partner", expect=0)
    assert site.current("partner") != before
    for gateway in (first, second):
        for password in passwords(site):
            assert gateway.lets_in(password, "partner")
