# SPDX-License-Identifier: PostgreSQL
"""A sink that could not be written is said, and written, until it is in
step."""

import os
import re

import pytest

from rig.daemon import QUICK, Daemon
from rig.receiver import Program
from rig.server import wait_for

UNDELIVERED = 18


@pytest.fixture
def program(folder, new_site, tmp_path):
    return Program(str(tmp_path))


@pytest.fixture
def behind(taken_over, program):
    """A site whose last rotation met a folder in its sink's place after it had
    moved CURRENT; the folder is still there."""
    site = taken_over
    site.configure(keyturn=QUICK, more=(
        f"[hook prog]\ncommand = {program.path}\n"))
    before = site.current()
    run = site.stop_before(
        lambda e: site.current() and site.current().id != before.id,
        "rotate", "sap")
    path = os.path.join(site.sinks, "sap.pgpass")
    os.unlink(path)
    os.mkdir(path)
    run.go_on()
    while run.wait_stopped():
        run.go_on()
    site.done = run.finish()
    return site


def mend(site):
    os.rmdir(os.path.join(site.sinks, "sap.pgpass"))


def test_a_sink_left_behind_is_said_by_code_state_check_and_hook(behind,
                                                                 program):
    assert behind.done.exit == UNDELIVERED, behind.done.text
    assert "sap.pgpass" in behind.done.text
    behind.must_log_in(behind.current().password)
    status = behind.status()
    assert status["state"] == "failed" and status["failures"] == 1
    assert status["last_status"] == "UNDELIVERED"
    assert status["version"] == behind.current().id
    assert "sap.pgpass" in status["last_error"]
    assert re.search(r"warn  sap: sinks: .*keyturn recover",
                     behind.run("check", "sap").out)
    assert program.kinds() == ["rotated", "failed"]
    assert program.events()[1]["status"] == "UNDELIVERED"


def test_due_delivers_when_the_pause_is_over_and_not_before(behind, program):
    behind.configure(keyturn=QUICK.replace("backoff = 1s", "backoff = 1h")
                     .replace("backoff_max = 2s", "backoff_max = 1h"),
                     more=f"[hook prog]\ncommand = {program.path}\n")
    password = behind.current().password
    runs = behind.kinds().count("intent")
    done = behind.run("rotate", "--due", expect=UNDELIVERED)
    assert "keyturn recover" in done.err
    assert behind.kinds().count("intent") == runs
    behind.configure(keyturn="backoff = 1s\nbackoff_max = 1s\n",
                     more=f"[hook prog]\ncommand = {program.path}\n")
    # The sink is still a folder: it is tried, and fails again.
    wait_for(lambda: behind.run("rotate", "--due").exit != 3 and
             behind.kinds().count("intent") > runs, "another attempt")
    assert behind.status()["state"] == "failed"
    mend(behind)
    wait_for(lambda: behind.run("rotate", "--due").exit == 0,
             "the delivery by --due")
    assert behind.settled().password == password
    behind.run("rotate", "--due", expect=3)
    assert program.kinds()[-1] == "recovered"


def test_recover_delivers_at_once_and_says_so(behind):
    mend(behind)
    done = behind.run("recover", "sap", expect=0)
    assert "a sink that was behind is in step again" in done.out
    behind.settled()


def test_keyturnd_delivers_and_shows_it_until_then(behind):
    metrics = os.path.join(behind.evidence, "keyturn.prom")
    behind.configure(keyturn=QUICK + f"metrics = {metrics}\n")
    password = behind.current().password

    def shows(value):
        if not os.path.exists(metrics):
            return False
        with open(metrics) as f:
            text = f.read()
        return all(re.search(
            rf'(?m)^keyturn_role_{name}\{{role="sap",.*\}} {number}$', text)
            for name, number in (("undelivered", value),
                                 ("failures", "[1-9]" if value else "0")))

    daemon = Daemon(behind).ready()
    wait_for(lambda: shows(1), "the metrics to show it")
    mend(behind)
    daemon.wait_log("sap: a sink that was behind is in step again")
    wait_for(lambda: shows(0), "the metrics to show its end")
    daemon.stop()
    assert behind.settled().password == password


def sink_file(site):
    with open(os.path.join(site.sinks, "sap.pgpass")) as f:
        return [line for line in f.read().splitlines()
                if not line.startswith("#")]


def test_what_consumers_are_told_is_delivered_without_a_rotation(taken_over):
    site = taken_over
    before = site.current()
    site.run("rotate", "--due", expect=3)
    site.configure(cluster="host = db.partner.example\nport = 6432",
                   role_settings="dbname = orders")
    assert site.run("get", "sap", "--format", "pgpass", expect=0).out.strip() \
        == f"db.partner.example:6432:orders:sap:{before.password}"
    done = site.run("rotate", "--due", expect=0)
    assert "a sink that was behind is in step again" in done.out, done.text
    assert sink_file(site) == [
        f"db.partner.example:6432:orders:sap:{before.password}"]
    assert site.current() == before
    site.run("rotate", "--due", expect=3)


def test_a_reload_delivers_what_consumers_are_told(taken_over):
    site = taken_over
    site.configure(keyturn=QUICK)
    before = site.current()
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    site.configure(keyturn=QUICK, cluster="host = db.partner.example")
    daemon.hang_up()
    wait_for(lambda: sink_file(site)[0].startswith("db.partner.example:"),
             "the sink to be told")
    daemon.wait_log("sap: a sink that was behind is in step again")
    daemon.stop()
    assert site.current() == before
    assert site.kinds().count("rotated") == 1
