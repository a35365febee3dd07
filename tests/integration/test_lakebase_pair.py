# SPDX-License-Identifier: PostgreSQL
"""Two login roles in turn on a PostgreSQL of Neon's kind (Lakebase): an old
password ends although the server refuses NOLOGIN or PASSWORD NULL, and in spite
of a control plane and a proxy that remember it."""

import json
import os
import random
import signal

import pytest

from rig.lakebase import Proxy
from rig.pair import NOT_PERMITTED, PAIR, REFUSED, Pair, new_pair
from rig.server import wait_for
from test_admins import minted  # noqa: F401  (a fixture)
from test_lakebase import (AUTO, HERE, PLAIN, control,  # noqa: F401
                           control_plane_module)
from test_retire import AUTO as BY_ITSELF

CONFIG, REFUSED_EXIT, AWAY, DEFERRED = 2, 6, 8, 19
SCRAM = "password_send = scram\n"
NOBODY = "replaced by one that no one has"


class Lake(Pair):
    """A pair whose cluster has settings of its own."""

    def __init__(self, site, plane):
        super().__init__(site)
        self.plane = plane
        self.cluster = AUTO
        self.more = ""

    def configure(self, more=None, cluster=None, **others):
        if more is not None:
            self.more = more
        if cluster is not None:
            self.cluster = cluster
        self.site.configure(
            role_settings=PAIR.format(sinks=self.site.sinks) + self.more,
            cluster=self.cluster, **others)

    def json(self, *argv, expect=0):
        return json.loads(self.run(*argv, "--json", expect=expect).out)

    def rotate_twice(self):
        """The old member's login and the active one's."""
        self.run("rotate", "sap")
        first = self.told()
        self.run("rotate", "sap")
        return first, self.told()

    def learn(self):
        """What the server was given is searched for afterwards."""
        for role, password in self.plane.given:
            if password.startswith("SCRAM-SHA-256$"):
                continue  # which a log may have
            self.site.remember(password, f"what {role} was given")

    def last(self, kind):
        return [e for e in self.site.audit() if e.get("kind") == kind][-1]


@pytest.fixture
def lake(new_site, control):  # noqa: F811
    site = new_site()
    with new_pair(site) as plain:
        made = Lake(plain.site, control)
        control.begin()
        made.configure()
        yield made
        made.learn()


# ---- a whole cycle ------------------------------------------------------------


@pytest.mark.parametrize("verifiers", [True, False], ids=["scram", "clear"])
def test_a_cycle_where_all_of_it_is_allowed(lake, verifiers):
    """NOLOGIN first, so that there is a way back; then a password of nobody's,
    which the control plane knows, too: it would bring back what it knew."""
    lake.plane.takes_verifiers = verifiers
    first, second = lake.rotate_twice()
    assert lake.works(first) and lake.works(second)
    done = lake.json("retire", "sap")
    assert done["ended_by"] == "nologin"
    lake.refused(first, NOT_PERMITTED)
    lake.run("rollback", "sap", "--reason", "T-1")
    assert lake.told() == first and lake.works(first) and lake.works(second)
    lake.run("retire", "sap")
    lake.plane.given.clear()
    done = lake.json("retire", "sap", "--now")
    assert done["ended_by"] == "replaced"
    lake.refused(second, REFUSED)
    assert lake.role("sap_b") == (False, True)
    # The same way as any other: a verifier, or what the server takes.
    # Of the owner it is not seen that it never had one.
    assert {r for r, _ in lake.plane.given} == {"sap", "sap_b"}
    assert lake.role("sap") == (False, True)
    assert lake.plane.given[-1][1].startswith("SCRAM-SHA-256$") == verifiers
    ended = lake.last("retired")
    assert ended["ended_by"] == "replaced"
    assert NOBODY in lake.last("clear")["detail"]
    assert lake.last("refute")["status"] == "OK"
    assert lake.site.status()["ended_by"] == "replaced"
    done = lake.run("rollback", "sap", "--reason", "T-2", expect=REFUSED_EXIT)
    assert "no password before" in done.out
    # It starts anew with what the control plane knows: not the old password.
    lake.plane.start_anew("sap_b")
    lake.refused(second, REFUSED)
    lake.run("rotate", "sap")
    third = lake.told()
    assert third[0] == "sap_b" and third[1] != second[1]
    assert lake.works(third) and lake.works(first)
    assert lake.site.status()["ended_by"] is None
    lake.run("audit", "verify")


@pytest.mark.parametrize("cluster, verifiers", [
    (AUTO, False), (PLAIN, False), (AUTO, True), (SCRAM, True)],
    ids=["auto-clear", "plain", "auto-scram", "scram"])
@pytest.mark.parametrize("null", [False, True], ids=["null", "no-null"])
def test_a_cycle_where_nologin_is_refused(lake, cluster, verifiers, null):
    """The old password ends at once, and for good; its member may log in, and
    nobody can."""
    lake.configure(cluster=cluster)
    lake.plane.takes_verifiers = verifiers
    lake.plane.refuse("nologin")
    if null:
        lake.plane.refuse("null")
    first, second = lake.rotate_twice()
    done = lake.run("rotate", "sap", expect=DEFERRED)
    assert "sap_a may still log in" in done.out
    # So far there is a way back, and forth.
    for back in (first, second):
        lake.run("rollback", "sap", "--reason", "T-1")
        assert lake.told() == back
    lake.plane.given.clear()
    done = lake.run("retire", "sap")
    assert NOBODY + ", and is refused; there is no way back" in done.out
    lake.refused(first, REFUSED)
    assert lake.works(second)
    assert lake.role("sap_a") == (True, True)
    sealed, = [p for r, p in lake.plane.given if r == "sap_a" and
               (verifiers or not p.startswith("SCRAM"))]
    assert sealed != first[1]
    if not verifiers:
        # Made as the others, and stored nowhere.
        assert len(sealed) == len(first[1])
        assert sealed not in [v.password for v in lake.site.versions()]
    ended = lake.last("retired")
    assert ended["ended_by"] == "replaced" and sealed not in str(ended)
    assert "NOLOGIN (SQLSTATE 0A000)" in lake.last("tombstone")["detail"]
    assert NOBODY in lake.last("tombstone")["detail"]
    assert lake.last("refute")["version"] == \
        lake.last("tombstone")["version"] != lake.site.current().id
    assert lake.site.status()["ended_by"] == "replaced"
    assert NOBODY in lake.run("status").out
    # Nothing is left to end, nor to go back to; it is in nobody's way.
    assert "ended_by" not in lake.json("retire", "sap", "--now")
    done = lake.run("rollback", "sap", "--reason", "T-2", expect=REFUSED_EXIT)
    assert "no password before" in done.out
    lake.run("check", "sap")
    lake.run("rotate", "sap")
    third = lake.told()
    assert third[0] == "sap_a" and lake.works(third) and lake.works(second)
    lake.run("rotate", "sap", expect=DEFERRED)
    done = lake.json("retire", "sap", "--now")
    assert done["ended_by"] == "replaced"
    lake.refused(second, REFUSED)
    assert lake.works(third)
    lake.run("audit", "verify")


def test_where_password_null_alone_is_refused_there_is_a_way_back_first(lake):
    lake.configure(cluster=SCRAM)
    lake.plane.takes_verifiers = True
    lake.plane.refuse("null", "P0001")
    first, second = lake.rotate_twice()
    assert lake.json("retire", "sap")["ended_by"] == "nologin"
    assert lake.site.status()["ended_by"] == "nologin"
    done = lake.run("retire", "sap", "--now")
    assert NOBODY in done.out
    lake.refused(first, REFUSED)
    assert lake.role("sap_a") == (False, True)
    assert "away (SQLSTATE P0001)" in lake.last("clear")["detail"]
    lake.run("rotate", "sap")
    assert lake.told()[0] == "sap_a" and lake.works(lake.told())


def test_where_nothing_is_refused_nothing_is_replaced(lake):
    lake.configure(cluster=SCRAM)
    lake.plane.takes_verifiers = True
    lake.rotate_twice()
    lake.run("retire", "sap")
    assert lake.json("retire", "sap", "--now")["ended_by"] == "removed"
    assert lake.role("sap_a") == (False, False)
    assert lake.site.status()["ended_by"] == "removed"


def test_what_could_not_be_ended_logs_in(lake):
    """Nor is it taken for ended."""
    lake.configure(cluster=SCRAM)
    lake.plane.takes_verifiers = True
    first, _ = lake.rotate_twice()
    lake.plane.refuse("nologin")
    lake.plane.fail(400, '{"error":"no"}', times=50)
    done = lake.run("retire", "sap", expect=9)
    assert "the marker will tell" in done.out
    assert lake.works(first)
    lake.plane.heal()
    lake.run("retire", "sap")
    lake.refused(first, REFUSED)


# ---- what remembers -----------------------------------------------------------


def test_the_evidence_waits_for_a_proxy_that_remembers(lake, authority):
    """Which lets the old password in for a while, as it refuses a new one."""
    site = lake.site
    site.server.hba("local all sap_a,sap_b,sap_a_remembered,keyturn_admin "
                    "scram-sha-256")
    proxy = Proxy(site.server, authority)
    try:
        lake.plane.refuse("nologin")
        lake.configure(cluster=AUTO + "refusal_wait = 20s\n"
                       "prove_deadline = 30s\n",
                       conninfo=site.conninfo(port=proxy.port))
        first, _ = lake.rotate_twice()
        proxy.remember("sap_a", logins=3)
        site.server.sql("grant sap to sap_a_remembered")
        site.server.sql("alter role sap_a_remembered set role = sap")
        proxy.logins.clear()
        done = lake.run("retire", "sap")
        assert "and is refused" in done.out
        tries = [s for r, s in proxy.logins if r == "sap_a"]
        assert tries == ["ok"] * 3 + ["28P01"]
        lake.refused(first, REFUSED)
    finally:
        proxy.stop()
        site.server.sql("drop role if exists sap_a_remembered")


def test_a_failed_commit_that_was_forwarded_is_ended_again(lake):
    """The control plane has the random password, the marker knows nothing of
    it: the next one takes its place."""
    lake.plane.refuse("nologin")
    first, second = lake.rotate_twice()
    lake.plane.fail(forward=True, times=2)
    done = lake.run("retire", "sap")
    assert NOBODY in done.out
    lake.plane.heal()
    lake.refused(first, REFUSED)
    assert lake.works(second)
    lake.run("rotate", "sap")
    assert lake.told()[0] == "sap_a" and lake.works(lake.told())


# ---- by command, and by itself ------------------------------------------------


def test_sessions_and_a_password_that_got_out_end_where_nologin_is_refused(
        lake):
    server = lake.site.server
    server.sql("grant pg_signal_backend to keyturn_admin")
    try:
        lake.plane.refuse("nologin")
        lake.plane.refuse("null")
        first, second = lake.rotate_twice()
        with lake.login(first):
            lake.run("retire", "sap", "--end-sessions")
            assert server.sql("select count(*) from pg_stat_activity where "
                              "usename = 'sap_a'") == [(0,)]
        done = lake.run("rotate", "sap", "--compromised", "--reason", "T-3",
                        "--end-sessions")
        assert "old password refused on 1 endpoint" in done.out
        lake.refused(first, REFUSED)
        lake.refused(second, REFUSED)
        assert lake.works(lake.told()) and lake.told()[0] == "sap_a"
        lake.run("rotate", "sap")
        assert lake.told()[0] == "sap_b"
    finally:
        server.sql("revoke pg_signal_backend from keyturn_admin")


def test_who_has_login_by_hand_is_ended_without_evidence(lake):
    """What that role had is none of ours, so there is nothing to try."""
    lake.plane.refuse("nologin")
    lake.run("rotate", "sap")
    first = lake.told()
    lake.site.set_password("sap_b", "by hand")
    lake.site.server.sql("alter role sap_b login")
    done = lake.run("retire", "sap")
    assert NOBODY + "; there is no way back" in done.out
    lake.refused(("sap_b", "by hand"), REFUSED)
    assert lake.works(first)
    lake.run("rotate", "sap")
    assert lake.told()[0] == "sap_b"


def test_an_owner_that_keeps_login_is_not_left_beside_its_members(new_site,
                                                                  control):  # noqa: F811
    """They may give it a password: rotation waits for a superuser."""
    site = new_site()
    lake = Lake(site, control)
    site.configure(role_settings=f"sink = env {site.sinks}/sap.env\n")
    site.run("rotate", "sap", expect=0)  # as one role first
    lake.configure(cluster=SCRAM)
    control.begin()
    control.takes_verifiers = True
    control.refuse("nologin")
    try:
        old = lake.told()
        lake.run("role", "pair", "sap")
        lake.run("rotate", "sap")
        done = lake.run("retire", "sap")
        assert NOBODY in done.out
        lake.refused(old, REFUSED)
        done = lake.run("rotate", "sap", expect=REFUSED_EXIT)
        assert "its members may change its password" in done.out
        assert 'ALTER ROLE "sap" NOLOGIN' in done.out
        site.server.sql("alter role sap nologin")
        lake.run("rotate", "sap")
        assert lake.works(lake.told())
    finally:
        for name in ("sap_a", "sap_b"):
            site.server.sql(f"drop role if exists {name}")


# ---- whose administrator it is ------------------------------------------------


def test_a_pair_needs_an_administrator(lake):
    lake.configure(cluster="admin = self\n",
                   conninfo=lake.site.conninfo(user=None))
    with open(lake.site.configuration) as f:
        text = f.read()
    with open(lake.site.configuration, "w") as f:
        f.write("".join(line for line in text.splitlines(True)
                        if not line.startswith("admin_passfile")))
    for argv in (["check"], ["rotate", "sap"], ["role", "pair", "sap"]):
        done = lake.run(*argv, expect=CONFIG)
        assert "alternating needs an administrator, who can change both " \
            "members; [cluster main] has admin = self" in done.err
    lake.configure()


def test_an_administrator_by_token_rotates_and_retires_a_pair(minted):  # noqa: F811
    site = minted
    site.server.sql("drop role sap")
    made = Pair(site)

    def configure(more=""):
        site.reconfigure(role_settings=PAIR.format(sinks=site.sinks) + more)
    made.configure = configure
    configure()
    try:
        made.run("role", "pair", "sap")
        made.run("rotate", "sap")
        first = made.told()
        made.run("rotate", "sap")
        made.run("retire", "sap")
        made.refused(first, NOT_PERMITTED)
        made.run("rollback", "sap", "--reason", "T-4")
        assert made.told() == first and made.works(first)
        made.run("retire", "sap")
        made.run("retire", "sap", "--now")
        made.run("rotate", "sap")
        assert made.works(made.told())
        assert len(site.workspace.asked) >= 7
        assert site.marker()["branch"] == "projects/p/branches/production"
    finally:
        for name in ("sap_a", "sap_b", "sap"):
            site.server.sql(f"drop role if exists {name}")


# ---- kill -9 ------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("null", [False, True], ids=["null", "no-null"])
def test_killed_while_the_old_password_is_replaced(lake, null):
    """The way back is open, or the old password is refused: never neither, and
    the next run brings it to its end."""
    site, chance, killed = lake.site, random.Random(20261201), 0
    lake.plane.refuse("nologin")
    if null:
        lake.plane.refuse("null")
    lake.rotate_twice()
    effects = len(site.run("retire", "sap", fault="count", expect=0).effects)
    for number in chance.sample(range(1, effects + 1), 8):
        first = lake.told()
        lake.run("rotate", "sap")
        second = lake.told()
        when = chance.choice(["before", "after"])
        done = site.run("retire", "sap", fault=f"kill-{when}:{number}")
        assert done.exit in (-signal.SIGKILL, 0), done.text
        killed += done.exit != 0
        wait_for(lambda: not site.server.keyturn_backends(),
                 "the killed run's sessions to end")
        assert lake.works(second), f"kill-{when}:{number}"
        lake.run("retire", "sap")
        lake.refused(first, REFUSED)
        assert lake.told() == second and lake.works(second)
        assert site.status()["ended_by"] == "replaced"
    assert killed > 4
    lake.run("audit", "verify")
