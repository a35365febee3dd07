# SPDX-License-Identifier: PostgreSQL
"""USES: what the agent tells the rotator of who logs in with which password."""

import time

import pytest

from rig.agent import everything
from rig.server import wait_for


@pytest.fixture
def overlap(taken_over, new_agent):
    """(agent, previous version, current version), within the grace."""
    agent = new_agent(taken_over, roles={"sap": everything() + "\ngrace = 1h"})
    old = taken_over.current()
    agent.wait_version(old.id)
    assert agent.verify(old.password, user="sap", rhost="192.0.2.7",
                        service="pgbouncer") == "OK"
    taken_over.run("rotate", "sap", expect=0)
    new = taken_over.current()
    assert agent.push().result == "OK"
    agent.wait_version(new.id)
    return agent, old, new


def uses(agent, **fields):
    """What was there three seconds ago is told; wait for that."""
    if "entry" not in fields:
        time.sleep(3.1)
    reply = agent.call("USES", "admin", **fields)
    assert reply.result == "OK"
    return reply


def test_uses_are_told_by_login_host_service_and_version(overlap):
    agent, old, new = overlap
    for _ in range(3):
        assert agent.verify(old.password, user="sap", rhost="192.0.2.7",
                            service="pgbouncer") == "OK_PREVIOUS"
    assert agent.verify(new.password, user="sap", rhost="192.0.2.8",
                        service="keyturn") == "OK"
    assert agent.verify("wrong", user="sap", rhost="192.0.2.9") == "MISMATCH"
    reply = uses(agent)
    assert reply["MORE"] == "0"
    first, second = reply.entries
    assert first["ROLE"] == second["ROLE"] == "sap"
    assert first["USER"] == second["USER"] == "sap"
    assert (first["VERSION"], first["RHOST"], first["SERVICE"]) \
        == (old.id, "192.0.2.7", "pgbouncer")
    assert (second["VERSION"], second["RHOST"], second["SERVICE"]) \
        == (new.id, "192.0.2.8", "keyturn")
    # Once while it was the current one.
    assert (first["COUNT"], first["PREVIOUS"]) == ("4", "3")
    assert (second["COUNT"], second["PREVIOUS"]) == ("1", "0")
    for e in reply.entries:
        assert 0 <= int(e["LAST_AGO"]) <= int(e["FIRST_AGO"]) \
            <= int(reply["SINCE_AGO"])
        assert "PASSWORD" not in e and "FURTHER" not in e


def test_the_rotators_own_login_is_left_out(overlap):
    agent, old, new = overlap
    before = [(e["RHOST"], e["COUNT"]) for e in uses(agent).entries]

    def own(since):
        return agent.call("OWN", "admin", user="sap", last_ago=since).result

    assert own(10**6) == "AMBIGUOUS"  # there was none
    for version, result in ((old, "OK_PREVIOUS"), (new, "OK")):
        assert agent.verify(version.password, user="sap",
                            rhost="192.0.2.1") == result
        assert own(10**6) == "OK"
    assert [(e["RHOST"], e["COUNT"]) for e in uses(agent).entries] == before
    # Which of two it was is not known, and both are shown.
    for host in ("192.0.2.1", "192.0.2.2"):
        assert agent.verify(new.password, user="sap", rhost=host) == "OK"
    assert own(10**6) == "AMBIGUOUS"
    assert [e["RHOST"] for e in uses(agent).entries] \
        == ["192.0.2.7", "192.0.2.1", "192.0.2.2"]
    assert agent.call("OWN", "admin", user="sap").result == "BAD_REQUEST"
    assert agent.call("OWN", "admin", last_ago="5").result == "BAD_REQUEST"
    assert agent.call("OWN", user="sap", last_ago="5").result == "DENIED"


def test_uses_of_one_role_and_of_one_that_is_not_there(overlap):
    agent, old, _ = overlap
    assert [e["VERSION"] for e in uses(agent, role="sap").entries] == [old.id]
    assert agent.call("USES", "admin", role="nobody").result == "NOT_FOUND"
    assert agent.call("USES", "admin", entry="-1").result == "BAD_REQUEST"
    assert agent.call("USES", role="sap").result == "DENIED"


def test_many_uses_come_in_parts_and_many_hosts_share_one(overlap):
    agent, old, new = overlap
    # The longest that there are, so that one reply cannot hold them.
    hosts = [f"{i:04}." + "h" * 250 for i in range(140)]
    for host in hosts:
        for version, result in ((new, "OK"), (old, "OK_PREVIOUS")):
            assert agent.verify(version.password, user="sap", rhost=host,
                                service="s" * 63) == result
    time.sleep(3.1)
    found, after, parts = [], None, 0
    while True:
        reply = uses(agent, entry=after)
        found += reply.entries
        parts += 1
        if reply["MORE"] == "0":
            break
        after = reply.entries[-1]["ENTRY"]
    assert parts > 1
    numbers = [int(e["ENTRY"]) for e in found]
    assert numbers == sorted(set(numbers))
    for version, first in ((old, ["192.0.2.7"]), (new, [])):
        own = [e for e in found if e["VERSION"] == version.id]
        assert [e["RHOST"] for e in own[:128]] == (first + hosts)[:128]
        assert len(own) == 129 and own[128]["FURTHER"] == "1"
        assert own[128]["COUNT"] == str(len(first) + 12)
        assert "RHOST" not in own[128]
    assert uses(agent, entry=numbers[-1]).entries == []


def test_an_agent_that_was_restarted_says_since_when_it_counts(overlap):
    agent, old, _ = overlap
    assert int(uses(agent)["SINCE_AGO"]) > 0
    agent.stop()
    agent.start()
    reply = uses(agent)
    assert reply.entries == []
    assert int(reply["SINCE_AGO"]) < 20 * 10**6
    wait_for(lambda: agent.verify(old.password, user="sap",
                                  rhost="192.0.2.7") == "OK_PREVIOUS",
             "the old password within its grace")
    assert [e["PREVIOUS"] for e in uses(agent).entries] == ["1"]


def test_a_role_that_is_not_configured_any_more_is_not_told(overlap):
    agent, _, _ = overlap
    assert len(uses(agent).entries) == 1
    agent.configure(roles={"crm": everything()})
    agent.reload()
    wait_for(lambda: uses(agent, entry=0).entries == [],
             "the new configuration")
