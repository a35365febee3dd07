# SPDX-License-Identifier: PostgreSQL
"""keyturnd keeps the files of tokens fresh, says so to Prometheus, and raises an
alarm once when one runs out."""

import os
import time

import pytest

from rig.daemon import QUICK, Daemon
from rig.receiver import Program
from rig.server import wait_for
from test_keyturnd_agent import metrics
from test_refresh import (MINT, Refusal, certificate, double, files, password,
                          place, site)

__all__ = ["certificate", "double", "place", "site"]  # fixtures


@pytest.fixture
def watched(site, tmp_path):
    """The site with metrics and a hook: (site, file, program)."""
    program = Program(str(tmp_path))
    file = os.path.join(site.folder, "keyturn.prom")

    def make(*settings):
        site.write_passfile("*")  # a reload looks at all that is named
        path = files(site, *settings)
        site.configure((), keyturn=QUICK + f"metrics = {file}\n",
                       more=site.more
                       + f"[hook page]\ncommand = {program.path}\n")
        return path
    return make, file, program


def of(file, name):
    found = metrics(file) or {}
    return found.get((f"keyturn_token_file_{name}",
                      (("sink", "app"), ("token", "lake"))))


def test_a_file_is_made_at_the_start_and_again_in_time(site, double, watched):
    make, file, program = watched
    double.life = 8  # half of it is used
    path = make("min_life = 1s")
    daemon = Daemon(site).ready()
    wait_for(lambda: os.path.exists(path), "the file")
    first = password(path)
    wait_for(lambda: password(path) != first, "the next token")
    double.life = 3600
    wait_for(lambda: (of(file, "expires_timestamp_seconds") or 0)
             > time.time() + 3000, "the metric of a long one")
    assert of(file, "alarm") == 0 and of(file, "failures") == 0
    minted = len(double.minted)
    assert password(path) == double.minted[-1][0]
    daemon.stop()
    # A start is a new file, whatever life the old one has.
    daemon = Daemon(site).ready()
    wait_for(lambda: len(double.minted) == minted + 1, "a token at the start")
    wait_for(lambda: password(path) == double.minted[-1][0], "its file")
    daemon.stop()
    assert program.events() == []
    assert [e["actor"] for e in site.audit()
            if e.get("kind") in ("handout", "mint", "deliver", "sink")]


def test_an_alarm_is_raised_once_and_ends(site, double, watched):
    make, file, program = watched
    path = make()
    double.fail("POST", MINT,
                *[Refusal(403, "PERMISSION_DENIED", "no")] * 2)
    daemon = Daemon(site).ready()
    wait_for(lambda: program.events(), "the alarm")
    (alarm,) = program.events()
    assert alarm["event"] == "alarm" and path in alarm["detail"]
    assert "403" in alarm["detail"]
    wait_for(lambda: of(file, "alarm") == 1, "the metric")
    assert of(file, "failures") == 1
    # A new configuration tries at once; it is the same alarm.
    daemon.hang_up()
    wait_for(lambda: not double.faults, "the second attempt")
    daemon.wait_log("the new configuration is in force")
    daemon.hang_up()
    daemon.wait_log("sink app: the alarm is over")
    wait_for(lambda: of(file, "alarm") == 0, "the metric of the end")
    daemon.stop()
    assert len(program.events()) == 1
    assert len([e for e in site.audit() if e.get("kind") == "alarm"]) == 1
    assert password(path) == double.minted[-1][0]
