# SPDX-License-Identifier: PostgreSQL
"""Trails that were begun before events had members: they verify, and are
reported and exported as they were; what is written to them now verifies too.

tests/integration/old_trail/ has the ledgers of a rotator and of an agent as SQL,
with what the programs of then said of them, and the keys that signed them, made
for this and for nothing else."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
OLD = os.path.join(HERE, "old_trail")
SCRIPT = os.path.join(HERE, "..", "..", "docs", "verify_audit.py")
TABLE = os.path.join(HERE, "..", "..", "src", "audit", "events.def")
ADDED = {"at", "kind", "seq", "prev", "hash"}


def said(name):
    with open(os.path.join(OLD, name)) as f:
        return f.read()


def put(name, ledger, key):
    """The old ledger and its keys instead of those that are there."""
    for path in (ledger, ledger + "-wal", ledger + "-shm", key, key + ".pub"):
        if os.path.exists(path):
            os.unlink(path)
    db = sqlite3.connect(ledger)
    db.executescript(said(f"{name}.sql"))
    db.close()
    os.chmod(ledger, 0o600)
    for end in ("", ".pub"):
        shutil.copy(os.path.join(OLD, f"{name}.key{end}"), key + end)
    os.chmod(key, 0o600)


@pytest.fixture
def rotator(taken_over):
    put("rotator", os.path.join(taken_over.state, "ledger.db"),
        os.path.join(taken_over.keys, "audit.key"))
    return taken_over


@pytest.fixture
def agent(taken_over, new_agent):
    made = new_agent(taken_over, start=False)
    put("agent", os.path.join(made.folder, "ledger.db"),
        os.path.join(made.folder, "audit.key"))
    return made


def of_agent(agent, *argv):
    return agent.site.run("--config", agent.configuration, *argv,
                          configured=False, expect=0).out


def check_outside(site, lines, key):
    path = site.next_file("trail")
    with open(path, "w") as f:
        f.write(lines)
    done = subprocess.run([sys.executable, SCRIPT, key + ".pub", path],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def check_members(lines):
    """Each kind is in the table, and has no member that is not."""
    with open(TABLE) as f:
        text = f.read()
    (step,) = re.findall(r'#define AUDIT_STEP "([^"]*)"', text)
    rows = re.findall(r'^EVENT\(\w+, "([^"]+)", \w+, (?:"([^"]*)"|AUDIT_STEP)',
                      text, flags=re.M)
    members = {kind: set((own or step).split()) for kind, own in rows}
    for line in lines.splitlines():
        event = json.loads(line)
        if "kind" in event:
            assert set(event) <= members[event["kind"]] | ADDED, line


def test_a_rotators_trail_is_read_as_it_was(rotator):
    rotator.run("check")  # who may write brings an older file up to date
    assert rotator.run("audit", "verify", "--json",
                       expect=0).out == said("rotator.verify")
    assert rotator.run("audit", "export",
                       expect=0).out == said("rotator.export")
    assert rotator.run("history", "--json",
                       expect=0).out == said("rotator.history")


def test_an_agents_trail_is_read_as_it_was(agent):
    agent.start()
    agent.stop()
    assert of_agent(agent, "audit", "verify", "--json") == said("agent.verify")
    assert of_agent(agent, "audit", "export") == said("agent.export")
    assert of_agent(agent, "report", "--json") == said("agent.report")


def test_a_rotators_trail_goes_on(rotator):
    rotator.run("freeze", "sap", "--reason", "quiet", expect=0)
    rotator.run("thaw", "sap", expect=0)
    rotator.run("recover", "sap")
    rotator.run("rotate", "sap", expect=0)
    rotator.run("get", "sap", expect=0)
    trail = rotator.run("audit", "export", expect=0).out
    assert trail.startswith(said("rotator.export"))
    rotator.run("audit", "verify", expect=0)
    check_outside(rotator, trail, os.path.join(rotator.keys, "audit.key"))
    check_members(trail)


def test_an_agents_trail_goes_on(agent):
    before = json.loads(said("agent.report"))
    password = agent.site.current().password
    agent.start()
    for _ in range(3):
        agent.get()
        assert agent.verify(password, rhost="10.0.0.9") == "OK"
    agent.stop()
    trail = of_agent(agent, "audit", "export")
    assert trail.startswith(said("agent.export"))
    of_agent(agent, "audit", "verify")
    check_outside(agent.site, trail, os.path.join(agent.folder, "audit.key"))
    check_members(trail)

    # Old and new events are read alike, and of one user added up; who runs
    # this may be another than who made the old trail.
    def times(report):
        return sum(use["times"] for use in report
                   if use["whom"] == "from 10.0.0.9")
    now = json.loads(of_agent(agent, "report", "--json"))
    assert {use["whom"] for use in now} == {use["whom"] for use in before}
    assert times(now) > times(before)
    if os.geteuid() == 0:
        assert len(now) == len(before)
