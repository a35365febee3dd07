# SPDX-License-Identifier: PostgreSQL
"""keyturnd and the agent on its host: new passwords are pushed, what owners ask
for is rotated.  And its metrics, read with Prometheus's own parser."""

import contextlib
import os
import re
import socket
import sqlite3
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rig import wire
from rig.daemon import QUICK, Daemon, overdue
from rig.server import wait_for


def with_agent(site, agent, more=""):
    site.configure(site.roles(), keyturn=QUICK
                   + f"agent_socket = {agent.path('admin')}\n" + more)


def test_a_new_password_is_pushed_to_the_agent(taken_over, new_agent):
    """Long before the agent would have asked."""
    agent = new_agent(taken_over, refresh="1h")
    first = agent.get()["VERSION"]
    with_agent(taken_over, agent)
    daemon = Daemon(taken_over).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    overdue(taken_over)
    second = wait_for(lambda: agent.get()["VERSION"] != first
                      and agent.get(), "the push")
    assert second["VERSION"] == taken_over.current().id
    taken_over.must_log_in(second["PASSWORD"])
    daemon.stop()


def test_an_agent_that_is_away_is_told_when_it_is_back(taken_over, new_agent):
    agent = new_agent(taken_over, refresh="1h")
    before = taken_over.current()
    agent.get()
    with_agent(taken_over, agent)
    # It is there, and does not answer.
    os.kill(agent.process.pid, 19)
    daemon = Daemon(taken_over).ready()
    overdue(taken_over)
    daemon.wait_log("sap: rotated")
    daemon.wait_log("the agent does not answer")
    os.kill(agent.process.pid, 18)
    daemon.wait_log("the agent answers again")
    wait_for(lambda: agent.get()["VERSION"] != before.id, "the push", 40)
    daemon.stop()


def test_what_an_owner_asks_for_is_rotated(taken_over, new_agent):
    site = taken_over
    agent = new_agent(site, refresh="1h")
    before = site.current()
    with_agent(site, agent, "request_interval = 1h\n")
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    assert agent.call("ROTATE", role="sap").result == "OK"
    wait_for(lambda: site.current().id != before.id, "the rotation")
    daemon.wait_log("sap: rotated .asked for by the role's owner.")
    (request,) = [e for e in site.audit() if e.get("kind") == "request"]
    assert request["role"] == "sap"
    (intent,) = [e for e in site.audit() if e.get("kind") == "intent"
                 and "keyturnd" in e["actor"]]
    assert "asked for by the role's owner" in intent["detail"]
    current = site.current()
    daemon.stop()
    assert site.settled().id == current.id


class Script:
    """A peer at admin.sock that hands out requests and notes what it is
    told."""

    def __init__(self, path):
        self.path = path
        self.take = []
        self.refreshed = []
        self.garbage = False
        self.taken = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        os.chmod(path, 0o600)
        self._listener.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                header = wire.receive(sock, wire.HEADER)
                body = wire.receive(sock, int.from_bytes(header[4:], "big"))
                sock.sendall(self._answer(header[3], body))

    def _answer(self, operation, body):
        if self.garbage:
            return b"KT\x01\xff\x00\x00\x00\x04oops"
        fields = [wire.field("RESULT", 0)]
        if operation == wire.OPERATIONS["TAKE"]:
            fields += [wire.field("ROLE", role) for role in self.take]
            self.take = []
        elif operation == wire.OPERATIONS["TAKEN"]:
            self.taken.append(body[3:].decode())
        else:
            self.refreshed.append(body)
        return wire.frame(operation | wire.REPLY, *fields)

    def close(self):
        self._listener.close()


@pytest.fixture
def script(taken_over):
    folder = os.path.join(taken_over.folder, "run")
    os.mkdir(folder, mode=0o755)
    made = Script(os.path.join(folder, "admin.sock"))
    yield made
    made.close()


def scripted(site, script, more=""):
    site.configure(site.roles(), keyturn=QUICK
                   + f"agent_socket = {script.path}\n" + more)


def test_requests_are_spaced_and_only_for_what_is_managed(taken_over, script):
    site = taken_over
    scripted(site, script, "request_interval = 4s\n")
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    before = site.current()
    script.take = ["nobody", "sap", "sap"]
    daemon.wait_log("nobody: its owner asked for a rotation, but it is not "
                    "configured")
    wait_for(lambda: site.current().id != before.id, "the first")
    begun = time.monotonic()
    before = site.current()
    script.take = ["sap"]
    wait_for(lambda: site.current().id != before.id, "the second", 30)
    assert time.monotonic() - begun > 2
    site.run("freeze", "sap", "--reason", "quiet", expect=0)
    daemon.manager.wait_line("STATUS=1 roles: 0 in work, 0 failing, 1 frozen")
    script.take = ["sap"]
    daemon.wait_log("sap: its owner asked for a rotation, but it is frozen")
    daemon.stop()
    assert len(script.refreshed) >= 2
    # The agent may forget all of them.
    assert set(script.taken) == {"nobody", "sap"}
    # The first two are one unless the first was recorded before the second came.
    assert script.taken.count("sap") in (3, 4)
    site.run("thaw", "sap", expect=0)
    site.settled()


def wish(site):
    """Is a request remembered?"""
    with contextlib.closing(sqlite3.connect(
            os.path.join(site.state, "ledger.db"), timeout=20)) as db:
        return db.execute(
            "select count(*) from memory where key = 'asked.sap' and "
            "until_us > ?", (time.time_ns() // 1000,)).fetchone()[0] == 1


def test_what_was_asked_for_outlives_a_restart(taken_over, script):
    site = taken_over
    scripted(site, script)
    with open(site.configuration) as f:
        good = f.read()
    before = site.current()
    with open(site.configuration, "w") as f:
        f.write(good.replace(f"port={site.server.port}", "port=1"))
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    script.take = ["sap"]
    daemon.wait_log("sap: the cluster is unavailable")
    wait_for(lambda: wish(site), "the ledger's memory")
    daemon.stop()
    assert site.current().id == before.id
    with open(site.configuration, "w") as f:
        f.write(good)
    daemon = Daemon(site).ready()
    daemon.wait_log("sap: rotated .asked for by the role's owner.")
    assert site.current().id != before.id
    # And is done once.
    wait_for(lambda: not wish(site), "the end of the memory")
    daemon.stop()
    site.settled()


def test_an_agent_that_hangs_does_not_hold_up_the_end(taken_over, new_agent):
    """Each telling would be waited for two seconds."""
    site = taken_over
    agent = new_agent(site, refresh="1h")
    with_agent(site, agent)
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    os.kill(agent.process.pid, 19)
    try:
        overdue(site)
        daemon.wait_log("sap: rotated")
        daemon.wait_log("the agent does not answer")
        begun = time.monotonic()
        daemon.stop()
        assert time.monotonic() - begun < 12
    finally:
        os.kill(agent.process.pid, 18)


def test_more_requests_than_can_wait_are_said(taken_over, script):
    site = taken_over
    scripted(site, script)
    before = site.current()
    with sqlite3.connect(os.path.join(site.state, "ledger.db"),
                         isolation_level=None) as db:
        daemon = Daemon(site).ready()
        daemon.manager.wait_line("STATUS=1 roles: 0 in work")
        # The first is being recorded, and the rest wait.
        db.execute("begin immediate")
        script.take = ["sap", *(f"r{i}" for i in range(300))]
        daemon.wait_log("r299: its owner asked for a rotation, but 256 "
                        "requests wait already")
        db.execute("rollback")
    db.close()
    wait_for(lambda: site.current().id != before.id, "the rotation", 40)
    daemon.stop(timeout=60)


def test_an_agent_that_lies_costs_nothing_but_a_line(taken_over, script):
    site = taken_over
    script.garbage = True
    scripted(site, script)
    before = site.current()
    daemon = Daemon(site).ready()
    overdue(site)
    daemon.wait_log("the agent does not answer")
    wait_for(lambda: site.current().id != before.id, "the rotation")
    done = daemon.stop()
    assert done.err.count("the agent does not answer") == 1
    site.settled()


# ---- metrics --------------------------------------------------------------------------

def metrics(file):
    """{(name, labels): value}, by the official parser."""
    try:
        with open(file) as f:
            text = f.read()
    except FileNotFoundError:
        return None
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type != "unknown", family
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, key
            assert sample.name.startswith("keyturn_")
            found[key] = sample.value
    return found


def test_metrics_say_how_it_is(new_site):
    site = new_site(roles=("sap", "erp", "new"))
    file = os.path.join(site.folder, "keyturn.prom")
    site.configure(("sap", "erp", "new"),
                   keyturn=QUICK + f"metrics = {file}\n",
                   more="[hook bad]\ncommand = /bin/false\n")
    site.run("rotate", "sap", "erp", expect=0)
    before = site.current()
    site.run("freeze", "erp", "--reason", "quiet", expect=0)
    overdue(site, "sap")
    daemon = Daemon(site).ready()

    def of(name, role="sap"):
        return metrics(file).get((f"keyturn_role_{name}", (
            ("cluster", "main"), ("role", role))))

    def one(name, /, **labels):
        return metrics(file).get((f"keyturn_{name}",
                                  tuple(sorted(labels.items()))))
    wait_for(lambda: metrics(file) and one("runs_total", outcome="ok") == 1
             and of("running") == 0, "the metrics after a rotation")
    assert site.current().id != before.id
    at = of("last_success_timestamp_seconds")
    assert abs(at - time.time()) < 60
    due = of("next_due_timestamp_seconds")
    assert abs(due - at - 30 * 86400) < 1
    assert of("failures") == 0 and of("frozen") == 0
    assert of("untaken") == 0 and of("untaken", "new") == 1
    assert of("frozen", "erp") == 1
    assert one("ledger_up") == 1 and one("configuration_reload_ok") == 1
    assert one("site_failures", kind="cluster", name="main") == 0
    wait_for(lambda: one("hook_attempts", hook="bad") > 0, "the bad hook")
    assert os.stat(file).st_mode & 0o777 == 0o644
    # A cluster that goes away, and a reload that is refused.
    site.server.stop("immediate")
    overdue(site, "sap")
    wait_for(lambda: of("failures") >= 1
             and one("site_failures", kind="cluster", name="main") >= 1,
             "the failures")
    wait_for(lambda: of("backoff_seconds") > 0, "a pause")
    assert one("runs_total", outcome="failed") >= 1
    site.server.start()
    wait_for(lambda: of("failures") == 0
             and one("runs_total", outcome="ok") == 2, "the recovery", 40)
    with open(site.configuration) as f:
        good = f.read()
    with open(site.configuration, "w") as f:
        f.write(good + "nonsense\n")
    daemon.hang_up()
    wait_for(lambda: one("configuration_reload_ok") == 0, "the refusal")
    with open(site.configuration, "w") as f:
        f.write(good)
    # It is the file of a living one: its time moves on.
    then = one("written_timestamp_seconds")
    wait_for(lambda: one("written_timestamp_seconds") > then, "the next")
    daemon.stop()
    site.settled("sap")


def test_a_password_that_ends_before_the_next_rotation_is_logged_and_measured(
        taken_over):
    site = taken_over
    file = os.path.join(site.folder, "keyturn.prom")
    site.configure(keyturn=QUICK + f"metrics = {file}\n")
    warning = r"warning: sap: the password is valid until .*" \
        r"""ALTER ROLE "sap" VALID UNTIL 'infinity'"""
    daemon = Daemon(site).ready()

    def ends_early(value):
        return (metrics(file) or {}).get(("keyturn_role_ends_early", (
            ("cluster", "main"), ("role", "sap")))) == value
    wait_for(lambda: ends_early(0), "the first metrics")
    for runs, (date, value) in enumerate([("tomorrow", 1), ("tomorrow", 1),
                                          ("infinity", 0)], 1):
        site.server.sql(f"alter role sap valid until '{date}'")
        overdue(site)
        daemon.wait_log("sap: rotated,", runs)
        wait_for(lambda: ends_early(value), f"the metric to be {value}")
    done = daemon.stop()
    # Once a run, and not in the last one.
    assert len(re.findall(warning, done.err)) == 2, done.err
    assert re.findall("rotated,|VALID UNTIL", done.err) == \
        ["rotated,", "VALID UNTIL"] * 2 + ["rotated,"]
    site.settled()


def test_metrics_are_whole_whenever_they_are_read(taken_over):
    site = taken_over
    file = os.path.join(site.folder, "keyturn.prom")
    site.configure(keyturn=QUICK + f"metrics = {file}\n")
    daemon = Daemon(site).ready()
    wait_for(lambda: metrics(file), "the first metrics")
    end = time.monotonic() + 60
    seen = set()
    while len(seen) < 3:
        assert time.monotonic() < end, seen
        found = metrics(file)
        assert ("keyturn_agent_push_failures_total", ()) in found
        assert ("keyturn_role_backoff_seconds", (
            ("cluster", "main"), ("role", "sap"))) in found
        seen.add(found["keyturn_written_timestamp_seconds", ()])
    daemon.stop()


def test_metrics_that_cannot_be_written_are_said_once(taken_over):
    site = taken_over
    site.configure(keyturn=QUICK + f"metrics = {site.folder}/no/where.prom\n")
    before = site.current()
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles: 0 in work")
    overdue(site)
    wait_for(lambda: site.current().id != before.id, "the rotation")
    time.sleep(2.5)
    done = daemon.stop()
    assert done.err.count("the metrics cannot be written") == 1
