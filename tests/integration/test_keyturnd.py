# SPDX-License-Identifier: PostgreSQL
"""keyturnd, the scheduler: what is due is rotated, whatever is away is waited
for, and nothing that interrupts it costs a password."""

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import time

import pytest

from rig.daemon import QUICK, Daemon, binary, overdue
from rig.server import wait_for

FAILED_RUNS = "select count(*) from run where status <> 'OK' and role = ?"


@pytest.fixture
def new_managed(new_site):
    """Sites whose roles were taken over; nothing is due."""
    def make(roles=("sap",), keyturn="", **settings):
        site = new_site(roles=roles, keyturn=QUICK + keyturn, **settings)
        site.run("rotate", *roles, expect=0)
        return site
    return make


@pytest.fixture
def managed(new_managed):
    return new_managed()


def rotated(site, before, role="sap"):
    """Wait until the role has another version, and rests: it."""
    def another():
        now = site.current(role)
        return now if now and now.id != before.id \
            and site.sink(role) == now.password else None
    version = wait_for(another, f"a rotation of {role}", 40)
    wait_for(lambda: site.status(role)["open_run"] is None,
             f"the end of the rotation of {role}")
    return version


def reconfigure(site, old, new):
    with open(site.configuration) as f:
        text = f.read()
    assert old in text
    with open(site.configuration, "w") as f:
        f.write(text.replace(old, new))


def ledger(site, query, *arguments):
    with contextlib.closing(sqlite3.connect(
            os.path.join(site.state, "ledger.db"), timeout=20)) as db, db:
        return db.execute(query, arguments).fetchall()


@contextlib.contextmanager
def blackhole():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def cluster(name, conninfo, settings=""):
    return f"[cluster {name}]\nconninfo = {conninfo}\n{settings}\n"


# ---- what is due -----------------------------------------------------------------

def test_what_is_due_is_rotated_and_nothing_else(new_managed):
    site = new_managed(roles=("sap", "erp"))
    sap, erp = site.current("sap"), site.current("erp")
    overdue(site, "sap")
    daemon = Daemon(site).ready()
    now = rotated(site, sap)
    site.must_not_log_in(sap.password)
    daemon.wait_log(f"sap: rotated, version {now.id}")
    daemon.manager.wait_line("STATUS=2 roles: 0 in work, 0 failing, 0 frozen")
    done = daemon.stop()
    assert site.settled().id == now.id
    assert site.settled("erp").id == erp.id
    assert "erp" not in done.err
    # The end signs what was done.
    assert "checkpoint" in site.audit()[-1]
    actors = {e["actor"] for e in site.audit()
              if e.get("kind") == "intent" and e["role"] == "sap"}
    assert f"keyturnd (uid {os.getuid()})" in actors


def test_a_role_becomes_due_while_it_runs(managed):
    before = managed.current()
    daemon = Daemon(managed).ready()
    daemon.manager.wait_line("STATUS=1 roles: 0 in work")
    overdue(managed)
    rotated(managed, before)
    daemon.stop()
    managed.settled()


def test_a_role_that_was_never_taken_over_is_left_alone(new_site):
    site = new_site(keyturn=QUICK)
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles: 0 in work")
    site.run("rotate", "sap", expect=0)
    first = site.current()
    overdue(site)
    rotated(site, first)
    daemon.stop()
    site.settled()


def test_a_frozen_role_is_rotated_when_it_is_thawed(managed):
    before = managed.current()
    managed.run("freeze", "sap", "--reason", "quiet please", expect=0)
    overdue(managed)
    daemon = Daemon(managed).ready()
    daemon.manager.wait_line("STATUS=1 roles: 0 in work, 0 failing, 1 frozen")
    assert managed.current().id == before.id
    managed.run("thaw", "sap", expect=0)
    rotated(managed, before)
    daemon.stop()
    managed.settled()


def test_what_was_interrupted_is_recovered_at_the_start(managed):
    before = managed.current()
    epoch = managed.marker()["epoch"]
    run = managed.stop_before(
        lambda e: e.sends and managed.marker()["epoch"] > epoch
        and managed.labelled("pending") is not None, "rotate", "sap")
    run.kill()
    assert managed.status()["state"] == "open"
    daemon = Daemon(managed).ready()
    wait_for(lambda: managed.status()["state"] == "ok", "the recovery", 40)
    daemon.stop()
    assert managed.settled()
    assert before.id in [v.id for v in managed.versions()]


def test_killed_in_the_middle_it_goes_on_at_the_next_start(managed):
    """SIGKILL at every tenth effect of a rotation by keyturnd."""
    for step in range(3, 44, 10):
        before = managed.current()
        overdue(managed)
        daemon = Daemon(managed, fault=f"kill-after:{step}")
        with contextlib.suppress(AssertionError):
            daemon.process.wait(30)
        assert daemon.finish().exit == -9
        managed.live()
        daemon = Daemon(managed).ready()
        rotated(managed, before)
        daemon.stop()
        managed.settled()


# ---- what is away ----------------------------------------------------------------

def test_a_cluster_that_is_away_does_not_stall_another(new_managed):
    """Five roles on a cluster that never answers, and two jobs."""
    dead = [f"dead{i}" for i in range(5)]
    site = new_managed(roles=("sap", *dead), keyturn="jobs = 2\n")
    with blackhole() as port:
        reconfigure(site, "[cluster main]", cluster(
            "gone", site.conninfo(port=port), "admin_passfile = "
            f"{site.passfile}\nconnect_timeout = 5s") + "[cluster main]")
        with open(site.configuration) as f:
            text = f.read()
        for role in dead:
            text = text.replace(f"[role {role}]\ncluster = main",
                                f"[role {role}]\ncluster = gone")
        with open(site.configuration, "w") as f:
            f.write(text)
        overdue(site, "sap", *dead)
        before = site.current()
        daemon = Daemon(site).ready()
        for _ in range(3):
            begun = time.monotonic()
            before = rotated(site, before)
            assert time.monotonic() - begun < 4, "it waited for the other"
            overdue(site, "sap")
        daemon.wait_log(r"dead\d: the cluster is unavailable: .*; tried again "
                        r"in \ds", 2)
        tried = len(re.findall(r"dead\d: the cluster", daemon.log()))
        assert tried <= 5, daemon.log()
        daemon.stop()


def test_due_in_a_command_is_not_stalled_either(new_managed):
    dead = [f"dead{i}" for i in range(4)]
    site = new_managed(roles=(*dead, "sap"))
    with blackhole() as port:
        with open(site.configuration) as f:
            text = f.read()
        for role in dead:
            text = text.replace(f"[role {role}]\ncluster = main",
                                f"[role {role}]\ncluster = gone")
        text += cluster("gone", site.conninfo(port=port),
                        f"admin_passfile = {site.passfile}\n"
                        "connect_timeout = 2s")
        with open(site.configuration, "w") as f:
            f.write(text)
        overdue(site, *dead, "sap")
        run = site.start("rotate", "--due", "--jobs", "2")
        # The first of the dead ones takes 2 s, four of them 8.
        before = time.monotonic()
        wait_for(lambda: "sap: rotated" in run._text(".out"),
                 "the living one", 4)
        assert time.monotonic() - before < 4
        assert run.finish().exit == 4
