# SPDX-License-Identifier: PostgreSQL
"""Kill -9 of the real binary at effects of everything that is done to a pair: at
every instant what the store calls current logs in, and the next run brings
everything in step."""

import json
import random
import signal

import pytest

from rig.pair import new_pair
from rig.server import wait_for

CYCLES = 10


@pytest.fixture
def pair(new_site):
    with new_pair(new_site(keyturn="control_interval = 0s")) as made:
        yield made


def current(pair):
    """User and password as the store has them."""
    got = json.loads(pair.run("get", "sap", "--format", "json").out)
    pair.site.remember(got["password"], "what get said")
    return got["username"], got["password"]


class Killer:
    """Kills each command at a random one of its effects, never twice at the
    same."""

    def __init__(self, pair):
        self.pair = pair
        self.chance = random.Random(20261130)
        self.effects = {}
        self.codes = []

    def count(self, *argv):
        done = self.pair.site.run(*argv, fault="count", expect=0)
        self.effects[argv] = list(range(1, len(done.effects) + 1))
        self.chance.shuffle(self.effects[argv])

    def __call__(self, *argv):
        number = self.effects[argv].pop()
        fault = f"kill-{self.chance.choice(['before', 'after'])}:{number}"
        try:
            done = self.pair.site.run(*argv, fault=fault)
            assert done.exit in (-signal.SIGKILL, 0), done.text
            self.codes.append(done.exit)
            assert self.pair.works(current(self.pair)), "locked out"
            wait_for(lambda: not self.pair.site.server.keyturn_backends(),
                     "the killed run's sessions to end")
            self.pair.run("recover", "sap")
            assert self.pair.told() == current(self.pair)
            assert self.pair.works(self.pair.told())
        except BaseException as e:
            e.add_note(f"{' '.join(argv)}, {fault}")
            raise


def ended(pair):
    """Of the two members one may log in, and of the other one nothing works."""
    user, _ = pair.told()
    (other,) = {"sap_a", "sap_b"} - {user}
    assert pair.role(user) == (True, True)
    assert pair.role(other) == (False, False)


@pytest.mark.slow
def test_killed_at_any_step_a_pair_goes_on(pair):
    rotate, retire, clear, back = kinds = (
        ("rotate", "sap"), ("retire", "sap"), ("retire", "sap", "--now"),
        ("rollback", "sap", "--reason", "T-1"))
    pair.run("rotate", "sap")
    kill = Killer(pair)
    for argv in (rotate, back, retire, clear):
        kill.count(*argv)
    ended(pair)
    for cycle in range(CYCLES):
        before = pair.told()
        kill(*rotate)
        if pair.told() == before:  # it had not been applied
            pair.run(*rotate)
        assert pair.told()[0] != before[0] and pair.works(before)
        if cycle % 2:
            after = pair.told()
            kill(*back)
            if pair.told() == after:
                pair.run(*back)
            assert pair.told() == before and pair.works(after)
        kill(*retire)
        pair.run(*retire)
        kill(*clear)
        pair.run(*clear)
        ended(pair)
    assert set(kill.effects) == set(kinds)
    assert kill.codes.count(-signal.SIGKILL) > len(kill.codes) / 2
    pair.run("audit", "verify")
