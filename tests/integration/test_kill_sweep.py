# SPDX-License-Identifier: PostgreSQL
"""Kill -9 of the real binary at every effect of a rotation: the password that
logs in is in the store at every instant, and the next run brings everything in
step (rotation-safety.md section 3.2)."""

import contextlib
import glob
import os
import random
import signal
import time
from collections import Counter

import pytest

from rig.installation import FIRST_PASSWORD
from rig.server import wait_for

# What can be seen of a rotation from outside, in the order of the protocol.
# A fact without the one before it is a protocol that went out of step.
STEPS = ["intent", "claimed", "controlled", "tried", "staged", "applied",
         "proved", "promoted", "delivered", "closed"]


REFUSED = 6
CLUSTER_AWAY = 8


class World:
    """What the outside knew before a run, and what it can see after it."""

    def __init__(self, site, role="sap"):
        self.site = site
        self.role = role
        self.events = len(site.audit())
        self.marker = site.marker(role) or {}
        self.ids = {v.id for v in site.versions(role)}
        self.current = site.current(role)
        self.mark = site.server.mark()
        self.logins = Counter(site.logins)

    def new(self):
        """The version that the run staged, or None."""
        new = [v for v in self.site.versions(self.role)
               if v.id not in self.ids]
        assert len(new) <= 1, new
        return new[0] if new else None

    def facts(self):
        """The steps that have visibly happened."""
        site, new = self.site, self.new()
        events = [e for e in site.audit()[self.events:]
                  if e.get("role") == self.role]
        marker = site.marker(self.role) or {}
        right, wrong = site.server.logins(self.mark, self.role)
        own = site.logins - self.logins
        seen = {
            "intent": bool(events),
            "claimed": marker.get("claim") != self.marker.get("claim"),
            "staged": new is not None,
            "applied": bool(new) and marker.get("live_version") == new.id,
            "controlled": wrong > own[self.role, False],
            # The first login is CURRENT's, before anything is changed.
            "tried": right > own[self.role, True],
            "proved": right > own[self.role, True] + 1,
            "promoted": bool(new) and new.label == "current",
            "delivered": bool(new) and site.sink(self.role) == new.password,
            "closed": any(e["kind"] == "close" for e in events),
        }
        return [step for step in STEPS if seen[step]]

    def position(self):
        """The last step that happened; all those before it must have."""
        facts = self.facts()
        assert facts == STEPS[:len(facts)], f"out of step: {facts}"
        return facts[-1] if facts else "nothing"


@contextlib.contextmanager
def at(what):
    """Say with a failure where the kill was."""
    try:
        yield
    except BaseException as e:
        e.add_note(f"killed by {what}")
        raise


def no_keyturn_backend(site):
    """The dead run's session has ended: what it had sent has been decided."""
    wait_for(lambda: not site.server.keyturn_backends(),
             "the killed run's sessions to end")


def killed(site, fault, *argv):
    done = site.run(*argv, fault=fault)
    assert done.exit in (-signal.SIGKILL, 0), done.text
    return done


def effects_of(site, *argv):
    done = site.run(*argv, fault="count", expect=0)
    assert done.effects, "the shim saw nothing"
    return done.effects


def kill_and_recover(site, fault, heal):
    """One kill, the invariants, one recovery, the invariants: the position the
    kill was at."""
    world = World(site)
    done = killed(site, fault, "rotate", "sap")
    live = site.live()
    no_keyturn_backend(site)
    position = world.position()
    applied = position in STEPS[STEPS.index("applied"):]
    assert applied or live.id == world.current.id
    site.run(heal, "sap", expect=0)
    now = site.settled()
    new = world.new() if heal == "recover" else None
    if done.exit == 0 or (applied and heal == "recover"):
        assert now.id == new.id, "an applied rotation was not finished"
    elif heal == "recover":
        assert now.id == world.current.id, "what was never applied is CURRENT"
    else:
        assert now.id not in world.ids, "rotate did not make a fresh version"
    return position


def sweep(site, faults, spare, heal):
    """Kill at each of the faults.  Runs differ by some page writes, so that a
    number does not always mean the same effect: while a step was not met,
    spare ones are taken, too."""
    positions = set()
    wanted = {"nothing", *STEPS}
    for number, what in enumerate([*faults, *spare]):
        if number >= len(faults) and positions == wanted:
            break
        with at(what):
            positions.add(kill_and_recover(site, what, heal))
    assert positions == wanted, f"not killed in: {wanted - positions}"


@pytest.fixture
def steady(new_site):
    """A site after its first rotations, that tries the present password and a
    wrong one each time."""
    site = new_site(keyturn="control_interval = 0s")
    site.run("rotate", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    return site


@pytest.mark.slow
def test_killed_before_an_effect_the_next_recover_settles_it(steady):
    effects = effects_of(steady, "rotate", "sap")
    # Of the many pages that SQLite writes one after another, every third.
    pages = [e for e in effects if e.call.startswith("pwrite")]
    chosen = [e for e in effects if e not in pages or e.number % 3 == 0]
    sweep(steady, [f"kill-before:{e.number}" for e in chosen],
          [f"kill-before:{e.number}" for e in pages if e.number % 3],
          "recover")
    steady.run("rotate", "sap", expect=0)
    steady.settled()


@pytest.mark.slow
def test_killed_within_or_after_an_effect_the_next_rotate_settles_it(steady):
    effects = effects_of(steady, "rotate", "sap")
    # After effect N is before effect N + 1, but for what another process sees
    # of N: bytes that were sent, or sent by half, and files written by half.
    within = [f"kill-within:{e.number}" for e in effects
              if e.sends or "write" in e.call]
    after = [f"kill-after:{e.number}" for e in effects
             if e.sends or e.call.startswith(("rename", "unlink", "ftru"))]
    sweep(steady, within[::4] + after, within[1::4] + within[2::4], "rotate")


def test_a_recovery_that_is_killed_too_loses_nothing(steady):
    effects = effects_of(steady, "rotate", "sap")
    chance = random.Random(20261121)
    for effect in effects[3::9]:
        second = f"kill-before:{chance.randrange(1, len(effects))}"
        with at(f"kill-before:{effect.number}, then {second}"):
            world = World(steady)
            killed(steady, f"kill-before:{effect.number}", "rotate", "sap")
            steady.live()
            killed(steady, second, "recover", "sap")
            live = steady.live()
            assert len({v.id for v in steady.versions()} - world.ids) <= 1, \
                "a third password was made"
            steady.run("recover", "sap", expect=0)
            assert steady.settled().id == live.id
    steady.run("rotate", "sap", expect=0)


def test_the_first_rotation_can_be_killed_anywhere(new_site):
    site = new_site()
    effects = effects_of(site, "rotate", "sap")
    names = [f"new{i}" for i in range(16)]
    for name in names:
        site.create_role(name)
    site.configure(["sap", *names])
    for i, name in enumerate(names):
        number = 1 + i * len(effects) // len(names)
        with at(f"kill-before:{number}"):
            if i % 4 == 0:  # the marker's table is made by the run, too
                site.server.sql("drop schema if exists keyturn cascade",
                                dbname=site.database)
            killed(site, f"kill-before:{number}", "rotate", name)
            site.live(name, also=[FIRST_PASSWORD])
            no_keyturn_backend(site)
            site.run("rotate", name, expect=0)
            site.settled(name)


def test_an_import_can_be_killed_anywhere(new_site):
    site = new_site()
    password = "The-password.of-a-partner-2026.x"
    names = [f"old{i}" for i in range(12)]
    for name in ["sap", *names]:
        if name == "sap":
            site.set_password(name, password)
        else:
            site.create_role(name, password)
    site.configure(["sap", *names])

    def imported(name, fault=None):
        reader, writer = os.pipe()
        os.write(writer, password.encode())
        os.close(writer)
        try:
            return site.run("import", name, "--password-fd", str(reader),
                            fds=(reader,), fault=fault)
        finally:
            os.close(reader)
    done = imported("sap", "count")
    assert done.exit == 0, done.text
    assert site.settled("sap").password == password
    for i, name in enumerate(names):
        number = 2 + i * len(done.effects) // len(names)
        with at(f"kill-before:{number}"):
            imported(name, f"kill-before:{number}")
            site.must_log_in(password, name)
            no_keyturn_backend(site)
            again = imported(name)
            assert again.exit == 0, again.text
            assert site.settled(name).password == password


def test_a_lost_ledger_loses_no_password(steady):
    effects = effects_of(steady, "rotate", "sap")
    for effect in effects[5::25]:
        with at(f"kill-before:{effect.number}, then the ledger lost"):
            killed(steady, f"kill-before:{effect.number}", "rotate", "sap")
            live = steady.live()
            for file in glob.glob(os.path.join(steady.state, "ledger.db*")):
                os.unlink(file)
            steady.run("recover", "sap", expect=0)
            assert steady.settled().id == live.id


@pytest.mark.slow
def test_a_disk_that_fills_at_any_effect_strands_nothing(steady):
    """It may refuse a rotation, or leave a sink behind; it never leaves a
    password live that is not CURRENT."""
    effects = effects_of(steady, "rotate", "sap")
    codes = set()
    for effect in effects[::4]:
        what = f"enospc-from:{effect.number}"
        with at(what):
            world = World(steady)
            done = steady.run("rotate", "sap", fault=what)
            codes.add(done.exit)
            assert done.exit >= 0, done.text
            live = steady.live()
            assert live.label == "current", "stranded: " + done.text
            assert done.exit != 0 or live.id != world.current.id
            steady.run("recover", "sap", expect=0)
            assert steady.settled().id == live.id
    assert codes - {0}, "the full disk was never noticed"
    steady.run("rotate", "sap", expect=0)


@pytest.mark.slow
def test_any_one_effect_may_fail(steady):
    """A bad disk, or a connection that is gone at that moment."""
    effects = effects_of(steady, "rotate", "sap")
    for effect in effects[1::4]:
        what = f"fail-at:{effect.number}"
        with at(what):
            world = World(steady)
            done = steady.run("rotate", "sap", fault=what)
            assert done.exit >= 0, done.text
            hit = next((e for e in done.effects if e.number == effect.number),
                       None)
            if hit and hit.kind == "socket":
                # Before the claim: try again later.  While a password is
                # tried: refused.  After it: found out.
                assert done.exit in (0, CLUSTER_AWAY, REFUSED), done.text
                if done.exit == REFUSED:
                    assert "nothing was changed" in done.out, done.text
            live = steady.live()
            no_keyturn_backend(steady)
            if done.exit == 0:
                assert live.label == "current"
                assert live.id != world.current.id
            assert len({v.id for v in steady.versions()} - world.ids) <= 1, \
                "a third password was made"
            steady.run("recover", "sap", expect=0)
            steady.settled()
    steady.run("rotate", "sap", expect=0)


@pytest.mark.slow
def test_many_rotations_at_once_can_be_killed_at_any_time(new_site):
    roles = [f"r{i}" for i in range(8)]
    site = new_site(roles=roles)
    first = site.run("rotate", "--all", "--jobs", "8", expect=0)
    chance = random.Random(1121)
    for _ in range(6):
        run = site.start("rotate", "--all", "--jobs", "8")
        time.sleep(chance.uniform(0.02, 0.8 * first.seconds))
        assert run.kill().exit in (0, -signal.SIGKILL)
        for role in roles:
            site.live(role)
        site.run("recover", "--jobs", "4", expect=0)
        for role in roles:
            site.settled(role)
    site.run("rotate", "--all", expect=0)
