# SPDX-License-Identifier: PostgreSQL
"""Who still uses the old password of a gateway: adoption and hand-off by what its
agents have counted, and notice before the grace ends."""

import contextlib
import json
import os
import sqlite3
import time

import pytest

from rig.daemon import QUICK, Daemon
from rig.receiver import Program
from rig.server import wait_for

HOUR = 3600 * 10**6


@pytest.fixture
def program(tmp_path):
    return Program(str(tmp_path))


class Place:
    """Two gateways with an agent each, and the rotator of their one login."""

    def __init__(self, site, gateways, program):
        self.site = site
        self.gateways = gateways
        self.program = program
        self.configure()

    def configure(self, role="", agents=None, more=""):
        agents = agents or [g.admin_socket for g in self.gateways]
        lines = [f"endpoint = {g.endpoint}" for g in self.gateways]
        lines += [f"agent = {path}" for path in agents]
        self.site.configure((), keyturn=QUICK, more=(
            "[cluster gw]\ntype = gateway\n" + "\n".join(lines) + "\n"
            f"[hook prog]\ncommand = {self.program.path}\nevents = grace "
            "handoff\n"
            f"[role sap]\ncluster = gw\nevery = 30d\ngrace = 1h\n{role}\n"
            f"{more}"))

    def name(self, i):
        return f"127.0.0.1:{self.gateways[i].port}"

    def rotate(self):
        self.site.run("rotate", "sap", expect=0)
        return self.site.current()

    def look(self, expect=0):
        """adoption --look --json of the role."""
        done = self.site.run("adoption", "sap", "--look", "--json",
                             expect=expect)
        return json.loads(done.out)[0], done.err

    def consumers(self, password):
        return {(s["consumer"], s["count"]) for s in self.look()[0]["sightings"]
                if s["password"] == password}

    def rotated_ago(self, us):
        """As if the last rotation had been so long ago."""
        path = os.path.join(self.site.state, "ledger.db")
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as db, db:
            db.execute("update role set rotated_us = ?",
                       [int(time.time() * 1e6) - us])


@pytest.fixture
def place(new_site, new_gateway, program):
    site = new_site()
    gateways = [new_gateway(site), new_gateway(site)]
    return Place(site, gateways, program)


@pytest.fixture
def overlap(place):
    """(place, previous version, current version)."""
    place.rotate()
    old = place.site.current()
    place.rotate()
    return place, old, place.site.current()


def partner(place, i):
    return f"host:127.0.0.1,app:pgbouncer,via:{place.name(i)}"


def seen(place, password):
    """{(consumer, count)} with that password, when the agents tell of them: in
    three seconds."""
    time.sleep(3.1)
    return place.consumers(password)


# -- adoption ---------------------------------------------------------------------

def test_adoption_shows_address_password_and_gateway(overlap):
    place, old, new = overlap
    assert seen(place, "new") == seen(place, "old") == set()  # keyturn's own
    for _ in range(3):
        place.gateways[1].login(old.password).close()
    place.gateways[0].login(new.password).close()
    assert seen(place, "new") == {(partner(place, 0), 1)}
    found, said = place.look()
    assert said == ""
    assert {(s["consumer"], s["count"], s["login"], s["version"])
            for s in found["sightings"] if s["password"] == "old"} \
        == {(partner(place, 1), 3, "sap", old.id)}
    assert all(s["source"] == "verify" for s in found["sightings"])
    assert [(g["gateway"], g["complete"]) for g in found["gateways"]] \
        == [(place.name(0), True), (place.name(1), True)]
    assert found["grace_until"] > found["rotated_at"]
    text = place.site.run("adoption", "sap", expect=0).out
    assert f"new  {partner(place, 0)}  was checked 1 times" in text
    assert f"old  {partner(place, 1)}  was checked 3 times" in text
    assert "the old password is accepted for 59m" in text
    assert f"gateway {place.name(1)}: all logins since the change" in text
    status = json.loads(place.site.run("status", "sap", "--json").out)[0]
    assert status["grace_until"] == found["grace_until"]
    # The same look again counts nothing twice.
    assert seen(place, "old") == {(partner(place, 1), 3)}


def test_one_partner_behind_two_gateways_is_one_consumer(overlap):
    place, old, new = overlap
    for gateway in place.gateways:
        gateway.login(new.password).close()
    assert len(seen(place, "new")) == 2
    learnt = place.site.run("adoption", "sap", "--learn", expect=0).out
    assert learnt == "consumers = host:127.0.0.1,app:pgbouncer\n"
    found, _ = place.look()
    assert (found["adopted"], found["expected"]) == (1, 1)
    place.configure(role=learnt)
    found, _ = place.look()
    assert (found["adopted"], found["expected"]) == (1, 1)
    place.configure(role=f"consumers = via:{place.name(0)} via:elsewhere")
    found, _ = place.look()
    assert [c["state"] for c in found["consumers"]] == ["adopted", "not seen"]


def test_an_agent_that_does_not_answer_is_named_and_never_quiet(overlap):
    place, old, new = overlap
    place.gateways[0].login(old.password).close()
    place.gateways[1].login(old.password).close()
    place.gateways[1].agent.stop()
    time.sleep(3.1)
    found, said = place.look(expect=8)
    assert f"gateway {place.name(1)}: its agent (" in said
    assert place.name(0) not in said
    # What the other one says is taken all the same.
    assert [s["consumer"] for s in found["sightings"]] == [partner(place, 0)]
    assert [g["complete"] for g in found["gateways"]] == [True, False]
    text = place.site.run("adoption", "sap", expect=0).out
    assert f"gateway {place.name(1)}: its agent has never answered; who logs " \
        "in there is not known" in text
    # Back again, it knows nothing of what was before, and that is said.
    place.gateways[1].agent.start()
    found, said = place.look()
    assert [g["complete"] for g in found["gateways"]] == [True, False]
    assert "who logged in there before" \
        in place.site.run("adoption", "sap", expect=0).out
    for gateway in place.gateways:
        gateway.agent.stop()
    _, said = place.look(expect=8)
    assert "does not say who logs in there" in said


def test_a_hung_agent_costs_a_look_a_bounded_time(overlap):
    place, _, _ = overlap
    place.gateways[0].hang_agent()
    try:
        begun = time.monotonic()
        _, said = place.look(expect=8)
        assert time.monotonic() - begun < 6
    finally:
        place.gateways[0].agent_goes_on()
    assert f"gateway {place.name(0)}: its agent (" in said


def test_an_agent_of_one_gateway_only_is_asked(overlap):
    place, _, new = overlap
    place.configure(agents=[place.gateways[0].admin_socket])
    place.gateways[1].login(new.password).close()
    time.sleep(3.1)
    found, said = place.look(expect=8)
    assert f"gateway {place.name(1)}: who logs in there is not known: no " \
        "agent is named for it" in said
    assert found["sightings"] == []
    assert [g["complete"] for g in found["gateways"]] == [True, False]


def test_keyturnd_looks_by_itself_and_records_the_hand_off(place):
    place.configure(role="handoff = manual\n"
                         "consumers = host:127.0.0.0/8\n")
    place.rotate()
    new = place.rotate()
    daemon = Daemon(place.site).ready()
    try:
        time.sleep(5)
        assert "seen" not in [e.get("state") for e in place.program.events()]
        place.gateways[0].login(new.password).close()
        wait_for(lambda: "seen" in [e.get("state")
                                    for e in place.program.events()],
                 "the hand-off to be seen")
    finally:
        daemon.stop()
    seen = [e for e in place.program.events() if e.get("state") == "seen"]
    assert len(seen) == 1
    assert (seen[0]["source"], seen[0]["actor"]) \
        == ("verify", partner(place, 0))
    assert seen[0]["version"] == new.id


# -- before the grace ends ------------------------------------------------------------

def notices(place):
    return [e for e in place.program.events() if e["event"] == "grace"]


def run_until_looked(place):
    """keyturnd, until a login of before and all agents were looked at."""
    daemon = Daemon(place.site).ready()
    time.sleep(6)
    daemon.stop()


def test_who_goes_on_with_the_old_one_is_told_of_once(overlap):
    place, old, new = overlap
    place.rotated_ago(HOUR // 2)  # a quarter is left later
    place.gateways[1].login(old.password).close()
    run_until_looked(place)
    assert notices(place) == []
    place.rotated_ago(HOUR * 50 // 60)
    place.gateways[1].login(old.password).close()
    run_until_looked(place)
    run_until_looked(place)
    assert len(notices(place)) == 1
    event = notices(place)[0]
    assert event["role"] == "sap" and event["step"] == "15m"
    assert event["consumers"] == partner(place, 1)
    assert event["planned"] > event["last"]
    assert f"still used by {partner(place, 1)} (last " in event["detail"]
    assert "the old password of sap is accepted until " in event["detail"]
    assert place.site.run("audit", "verify", expect=0)


def test_nothing_is_told_when_nobody_uses_the_old_one(overlap):
    place, old, new = overlap
    place.gateways[0].login(new.password).close()
    time.sleep(3.1)
    place.look()
    place.rotated_ago(HOUR * 50 // 60)
    # As if they had been heard all the time.
    path = os.path.join(place.site.state, "ledger.db")
    with contextlib.closing(sqlite3.connect(path, timeout=20)) as db, db:
        for key, value in db.execute(
                "select key, value from memory where key like 'heard:%'"):
            first, last, name = value.split(" ", 2)
            db.execute("update memory set value = ? where key = ?",
                       [f"{int(first) - HOUR} {last} {name}", key])
    run_until_looked(place)
    assert notices(place) == []
    # A use of before the rotation is none of after it.
    sightings = place.site.run("adoption", "sap", "--json").out
    assert old.id not in sightings


def test_an_agent_that_is_away_at_the_end_is_told_of(overlap):
    place, old, new = overlap
    place.gateways[1].agent.stop()
    place.rotated_ago(HOUR * 50 // 60)
    run_until_looked(place)
    event, = notices(place)
    assert "consumers" not in event and "last" not in event
    assert "not wholly known at gateway" in event["detail"]
    assert place.name(1) in event["detail"]


def test_the_steps_of_notice_within_the_grace_are_told(overlap):
    place, old, new = overlap
    place.configure(role="notice = 7d 30m 5m\n")
    for ago, told in ((20, 0), (40, 1), (56, 2)):
        place.rotated_ago(HOUR * ago // 60)
        place.gateways[0].login(old.password).close()
        run_until_looked(place)
        assert len([e for e in notices(place) if e.get("consumers")]) == told
    assert [e["step"] for e in notices(place)] == ["30m", "5m"]


def test_a_grace_that_was_cut_is_not_told_of(overlap):
    place, old, new = overlap
    place.gateways[0].login(old.password).close()
    place.rotated_ago(HOUR * 50 // 60)
    place.site.run("rotate", "sap", "--compromised", "--reason", "it got out",
                   expect=0)
    assert not place.gateways[0].lets_in(old.password)
    found, _ = place.look()
    assert found["grace_until"] is None
    status = json.loads(place.site.run("status", "sap", "--json").out)[0]
    assert status["grace_until"] is None
    run_until_looked(place)
    assert notices(place) == []
