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
from test_memory import as_nobody, give, peek

__all__ = ["peek"]  # a fixture


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


def test_a_recovery_that_meets_a_dead_cluster_is_tried_again(managed):
    """The new password is live, CURRENT is the old one, and the first recovery
    fails: that must not be forgotten."""
    before = managed.current()
    run = managed.stop_before(
        lambda e: managed.labelled("pending") is not None
        and not managed.login(before.password), "rotate", "sap")
    run.kill()
    port = managed.server.port
    reconfigure(managed, f"port={port}", "port=1")
    assert managed.run("recover", "sap").exit == 8
    assert managed.status()["state"] == "open"
    reconfigure(managed, "port=1 ", f"port={port} ")
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


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def switches(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(),
                             re.M)[1])


def is_calm(daemon, seconds=2.0):
    """It waits without spinning, and without a flood of messages."""
    lines, cpu = len(daemon.log()), cpu_seconds(daemon.pid)
    woken = switches(daemon.pid)
    time.sleep(seconds)
    assert daemon.process.poll() is None, daemon.log()
    assert cpu_seconds(daemon.pid) - cpu < 0.2 * seconds
    assert switches(daemon.pid) - woken < 25 * seconds
    assert len(daemon.log()) - lines < 4000


def test_ledger_and_store_go_away_and_come_back(managed):
    """As when a file system is not mounted."""
    before = managed.current()
    daemon = Daemon(managed).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    os.rename(managed.state, managed.state + ".away")
    os.mkdir(managed.state, mode=0o700)
    daemon.wait_log("nothing is rotated, tried again in")
    daemon.manager.wait_line("STATUS=waiting for the ledger")
    is_calm(daemon)
    assert os.listdir(managed.state) == [], "something was made anew"
    os.rmdir(managed.state)
    os.rename(managed.state + ".away", managed.state)
    daemon.wait_log("the ledger is back")
    overdue(managed)
    rotated(managed, before)
    daemon.stop()
    managed.settled()


def test_it_starts_without_its_ledger_and_waits_for_it(managed):
    before = managed.current()
    overdue(managed)
    os.chmod(os.path.join(managed.state, "ledger.db"), 0o644)
    daemon = Daemon(managed).ready()
    daemon.wait_log("ledger.db.*nothing is rotated, tried again")
    is_calm(daemon, 1)
    os.chmod(os.path.join(managed.state, "ledger.db"), 0o600)
    rotated(managed, before)
    daemon.stop()
    managed.settled()


def test_a_new_configuration_may_name_the_right_ledger(managed):
    before = managed.current()
    overdue(managed)
    reconfigure(managed, "/ledger.db", "/nowhere/ledger.db")
    daemon = Daemon(managed).ready()
    daemon.wait_log("nowhere.*nothing is rotated, tried again")
    reconfigure(managed, "/nowhere/ledger.db", "/ledger.db")
    daemon.hang_up()
    rotated(managed, before)
    daemon.stop()
    managed.settled()


def test_a_ledger_that_is_locked_is_waited_for(managed):
    before = managed.current()
    daemon = Daemon(managed).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    overdue(managed)
    db = sqlite3.connect(os.path.join(managed.state, "ledger.db"),
                         isolation_level=None)
    # Ten seconds are waited for a lock, then it counts as away.
    db.execute("begin immediate")
    daemon.wait_log("sap: the ledger is unavailable")
    assert managed.current().id == before.id
    db.execute("rollback")
    db.close()
    rotated(managed, before)
    daemon.stop()
    managed.settled()


def test_a_lost_ledger_is_made_anew_at_a_start_and_its_roles_wait(managed):
    before = managed.current()
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(managed.state, name))
    daemon = Daemon(managed).ready()
    daemon.wait_log("the ledger file was missing; a new one was created")
    daemon.wait_log("sap: the store knows this role and the ledger does not")
    assert managed.status()["state"] == "new"
    # A person looks.
    managed.run("recover", "sap", expect=0)
    assert managed.current() == before
    overdue(managed)
    rotated(managed, before)
    daemon.stop()
    managed.settled()


def test_another_ledger_in_its_place_is_not_taken(new_managed):
    """The right one knows that sap is frozen."""
    managed = new_managed(roles=("sap", "erp"))
    managed.run("freeze", "sap", "--reason", "quiet", expect=0)
    sap, erp = managed.current("sap"), managed.current("erp")
    daemon = Daemon(managed).ready()
    daemon.manager.wait_line("STATUS=2 roles: 0 in work, 0 failing, 1 frozen")
    away = managed.state + ".away"
    os.mkdir(away)
    for name in os.listdir(managed.state):
        if name.startswith("ledger.db"):
            os.rename(os.path.join(managed.state, name),
                      os.path.join(away, name))
    daemon.wait_log("nothing is rotated, tried again in")
    # Somebody makes one, in which nothing is frozen, and both are due.
    managed.run("recover", expect=0)
    overdue(managed, "sap", "erp")
    daemon.wait_log("is not the ledger that was there")
    is_calm(daemon, 2)
    assert managed.current("sap") == sap and managed.current("erp") == erp
    for name in os.listdir(managed.state):
        if name.startswith("ledger.db"):
            os.unlink(os.path.join(managed.state, name))
    for name in os.listdir(away):
        os.rename(os.path.join(away, name),
                  os.path.join(managed.state, name))
    daemon.wait_log("the ledger is back")
    overdue(managed, "erp")
    rotated(managed, erp, "erp")
    daemon.stop()
    assert managed.current("sap") == sap


def test_a_store_that_is_away_is_waited_for(managed):
    before = managed.current()
    overdue(managed)
    store = os.path.join(managed.state, "store.db")
    os.rename(store, store + ".away")
    daemon = Daemon(managed).ready()
    daemon.wait_log("sap: the secret store is unavailable", 2)
    is_calm(daemon, 1)
    os.rename(store + ".away", store)
    rotated(managed, before)
    daemon.stop()
    managed.settled()


def test_a_store_that_hangs_does_not_stall_another(new_managed):
    """Eight new roles in a store that takes connections and never answers: it is
    not asked for one after the other."""
    site = new_managed()
    token = os.path.join(site.folder, "token")
    with open(token, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("s.none\n")
    with open(site.configuration) as f:
        text = f.read()
    role = text[text.index("[role sap]"):].split("\n[", 1)[0]
    with blackhole() as port:
        text += (f"\n[store hung]\ntype = vault\ntimeout = 1s\n"
                 f"address = https://127.0.0.1:{port}\n"
                 f"token_file = {token}\n")
        for i in range(8):
            # Looked at before sap.
            text += "\n" + re.sub(r"(?m)^sink.*\n?", "", role).replace(
                "[role sap]", f"[role new{i}]") + "\nstore = hung\n"
        with open(site.configuration, "w") as f:
            f.write(text)
        overdue(site)
        before = site.current()
        begun = time.monotonic()
        daemon = Daemon(site).ready()
        rotated(site, before)
        assert time.monotonic() - begun < 20, daemon.log()
        daemon.wait_log("new.: the secret store is unavailable")
        daemon.process.kill()
        daemon.finish()
    site.settled()


def test_failures_are_paused_for_and_shown(managed):
    before = managed.current()
    with blackhole() as port:
        right = f"port={managed.server.port}"
        reconfigure(managed, right, f"port={port}")
        reconfigure(managed, "[cluster main]",
                    "[cluster main]\nconnect_timeout = 1s")
        reconfigure(managed, "backoff = 1s", "backoff = 2s")
        reconfigure(managed, "backoff_max = 2s", "backoff_max = 1h")
        overdue(managed)
        daemon = Daemon(managed).ready()
        log = daemon.wait_log(r"tried again in \d+s", 3)
        pauses = [int(s) for s in re.findall(r"tried again in (\d+)s", log)]
        for pause, most in zip(pauses, (2, 4, 8)):
            assert most // 2 - 1 <= pause <= most, pauses
        daemon.manager.wait_line("STATUS=1 roles: 0 in work, 1 failing")
        assert managed.status()["failures"] >= 3
        # A new start goes on where this one was.
        daemon.stop()
        daemon = Daemon(managed).ready()
        daemon.manager.wait_line("STATUS=1 roles: 0 in work, 1 failing")
        assert "cluster is unavailable" not in daemon.log()
        # And a new configuration ends all pauses.
        reconfigure(managed, f"port={port}", right)
        daemon.hang_up()
        rotated(managed, before)
        daemon.stop()
    managed.settled()


# ---- signals and the service manager -----------------------------------------------

def test_a_new_configuration_comes_into_force(new_managed):
    site = new_managed(roles=("sap", "erp"))
    erp = site.current("erp")
    with open(site.configuration) as f:
        whole = f.read()
    at = whole.index("[role erp]")
    with open(site.configuration, "w") as f:
        f.write(whole[:at])
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    overdue(site, "erp")
    with open(site.configuration, "w") as f:
        f.write(whole)
    daemon.hang_up()
    rotated(site, erp, "erp")
    daemon.manager.wait_line("READY=1", 2)
    lines = daemon.manager.lines()
    reloading = next(m for m in daemon.manager.heard
                     if m.startswith("RELOADING=1"))
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", reloading)
    assert lines.index("RELOADING=1") > lines.index("READY=1")
    daemon.stop()
    site.settled("erp")


def test_a_broken_configuration_is_refused_and_the_old_one_stays(managed):
    before = managed.current()
    with open(managed.configuration) as f:
        good = f.read()
    daemon = Daemon(managed).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    with open(managed.configuration, "w") as f:
        f.write(good + "\nevery_day = yes\n")
    daemon.hang_up()
    daemon.wait_log("the new configuration is refused and the old one stays "
                    r"in force: .*keyturn.conf:\d+.*every_day")
    daemon.manager.wait_line("READY=1", 2)
    daemon.manager.wait_line("STATUS=.*the last reload was refused")
    overdue(managed)
    daemon.wait_log("sap: rotated")
    with open(managed.configuration, "w") as f:
        f.write(good)
    before = rotated(managed, before)
    daemon.hang_up()
    daemon.wait_log("the new configuration is in force")
    overdue(managed)
    rotated(managed, before)
    daemon.stop()
    managed.settled()


@pytest.mark.parametrize("old, new", [
    ("/store.key", "/nowhere/store.key"),
    ("admin_passfile = ", "admin_passfile = /nowhere"),
])
def test_what_cannot_be_opened_does_not_take_the_place_of_what_works(
        managed, old, new):
    before = managed.current()
    daemon = Daemon(managed).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    reconfigure(managed, old, new)
    daemon.hang_up()
    daemon.wait_log("the new configuration is refused .*nowhere")
    overdue(managed)
    rotated(managed, before)
    daemon.stop()
    reconfigure(managed, new, old)
    managed.settled()


def test_a_wrong_configuration_at_the_start_is_an_error(managed):
    reconfigure(managed, "every = 30d", "every = often")
    daemon = Daemon(managed)
    done = daemon.finish()
    assert done.exit == 2
    assert "keyturn.conf" in done.err and "every" in done.err
    assert daemon.manager.heard == []
    reconfigure(managed, "every = often", "every = 30d")


def begun(site, **options):
    """A keyturnd that is stopped in the middle of a rotation: before it sends
    what makes the new password live."""
    overdue(site)
    epoch = site.marker()["epoch"]
    daemon = Daemon(site, fault="step", **options)
    while daemon.wait_stopped():
        effect = daemon.effects()[-1]
        if effect.sends and site.marker()["epoch"] > epoch \
                and site.labelled("pending"):
            return daemon
        daemon.go_on()
    raise AssertionError("it ended before")


def let_go(daemon):
    """Let it run through all further stops to its end."""
    daemon.go_on()
    while daemon.wait_stopped():
        daemon.go_on()
    return daemon.finish()


def test_asked_to_end_it_finishes_what_it_has_begun(managed):
    before = managed.current()
    daemon = begun(managed)
    daemon.process.send_signal(signal.SIGTERM)
    done = let_go(daemon)
    assert done.exit == 0, done.text
    assert re.search("stopping: 1 roles", done.err)
    assert managed.settled().id != before.id
    assert any(re.match("STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000", m)
               for m in daemon.manager.heard), daemon.manager.heard


def test_what_does_not_finish_in_time_is_recovered_at_the_next_start(
        new_managed):
    site = new_managed()
    reconfigure(site, "stop_timeout = 20s", "stop_timeout = 1s")
    before = site.current()
    overdue(site)
    # Nothing gets past the lock on the marker.
    with site.server.connect(site.database) as c:
        c.execute("begin; lock table keyturn.marker")
        daemon = Daemon(site).ready()
        daemon.manager.wait_line("STATUS=1 roles: 1 in work")
        done = daemon.stop(expect=9)
        assert "sap: not finished within stop_timeout" in done.err
    site.live()
    daemon = Daemon(site).ready()
    rotated(site, before)
    daemon.stop()
    site.settled()


def test_the_watchdog_is_fed_and_only_by_a_living_loop(managed):
    daemon = Daemon(managed, environment={"WATCHDOG_USEC": "400000"}).ready()
    daemon.manager.wait_line("WATCHDOG=1", 5)
    os.kill(daemon.pid, signal.SIGSTOP)
    time.sleep(0.3)
    daemon.manager.listen()
    fed = daemon.manager.lines().count("WATCHDOG=1")
    time.sleep(0.6)
    assert daemon.manager.lines().count("WATCHDOG=1") == fed
    os.kill(daemon.pid, signal.SIGCONT)
    daemon.manager.wait_line("WATCHDOG=1", fed + 2)
    daemon.stop()


def test_a_new_configuration_does_not_disturb_a_rotation(managed):
    before = managed.current()
    overdue(managed)
    with managed.server.connect(managed.database) as c:
        c.execute("begin; lock table keyturn.marker")
        daemon = Daemon(managed).ready()
        daemon.manager.wait_line("STATUS=1 roles: 1 in work")
        with open(managed.configuration) as f:
            text = f.read()
        with open(managed.configuration, "w") as f:
            f.write(text[:text.index("[role sap]")])
        daemon.hang_up()
        daemon.wait_log("the new configuration is in force: 0 roles")
    daemon.wait_log("sap: rotated")
    daemon.stop()
    with open(managed.configuration, "w") as f:
        f.write(text)
    assert managed.settled().id != before.id


# ---- beside others -------------------------------------------------------------------

def test_two_of_one_configuration_rotate_once(managed):
    before = managed.current()
    first, second = Daemon(managed).ready(), Daemon(managed).ready()
    for daemon in (first, second):
        daemon.manager.wait_line("STATUS=1 roles: 0 in work")
    for _ in range(4):
        before = managed.current()
        overdue(managed)
        rotated(managed, before)
        wait_for(lambda: managed.status()["state"] == "ok", "rest")
        managed.must_not_log_in(before.password)
    time.sleep(2.5)
    rotations = ledger(managed, "select count(*) from run where status = 'OK' "
                       "and steps like '%apply=%'")[0][0]
    assert rotations == 1 + 4, first.log() + second.log()
    first.stop()
    second.stop()
    managed.settled()


def test_the_command_beside_it(managed):
    before = managed.current()
    daemon = Daemon(managed).ready()
    daemon.manager.wait_line("STATUS=1 roles: 0 in work")
    for _ in range(4):
        overdue(managed)
        done = managed.run("rotate", "--due")
        assert done.exit in (0, 3, 13), done.text
        before = rotated(managed, before)
    wait_for(lambda: managed.status()["state"] == "ok", "rest")
    daemon.stop()
    managed.run("recover", "sap", expect=0)
    managed.settled()


@pytest.fixture
def of_nobody(managed, folder):
    """A site whose keyturnd is run by an ordinary user who may write cores:
    (site, that program)."""
    copy = os.path.join(folder, "keyturnd-of-nobody")
    shutil.copy2(binary(managed), copy)
    os.chmod(copy, 0o755)
    with open(copy + ".sh", "w") as f:
        f.write("#!/bin/sh\nulimit -c unlimited 2>/dev/null\n"
                f"exec {' '.join(as_nobody())} {copy} \"$@\"\n")
    os.chmod(copy + ".sh", 0o755)
    os.chmod(os.path.dirname(managed.folder), 0o711)
    give(managed, 65534)
    yield managed, copy + ".sh"
    give(managed, os.geteuid())


def test_a_process_of_the_same_user_cannot_look_into_it(of_nobody, peek):
    site, program = of_nobody
    daemon = Daemon(site, binary_file=program)
    daemon.wait_log("started: 1 roles")
    with open(f"/proc/{daemon.pid}/status") as f:
        assert "Uid:\t0\t" not in f.read()
    ways = peek(daemon.pid)
    assert ways and set(ways.values()) == {False}, ways
    for name in ("maps", "mem", "environ", "fd"):
        assert os.stat(f"/proc/{daemon.pid}/{name}").st_uid == 0, name
    with open(f"/proc/{daemon.pid}/limits") as f:
        (line,) = [x for x in f if x.startswith("Max core file size")]
    assert line.split()[4] == "0"
    os.kill(daemon.pid, signal.SIGSEGV)
    _, status = os.waitpid(daemon.pid, 0)
    daemon.process.returncode = os.waitstatus_to_exitcode(status)
    assert os.WTERMSIG(status) == signal.SIGSEGV
    assert not os.WCOREDUMP(status)
    daemon.finish()


def test_it_listens_to_nobody(managed):
    before = managed.current()
    overdue(managed)
    calls = managed.next_file("calls")
    wrapper = os.path.join(managed.folder, "traced")
    with open(wrapper, "w") as f:
        f.write("#!/bin/sh\nexec strace -f -qq -e signal=none "
                f"-e trace=bind,listen,connect -o {calls} "
                f'{binary(managed)} "$@"\n')
    os.chmod(wrapper, 0o755)
    daemon = Daemon(managed, binary_file=wrapper)
    rotated(managed, before)
    with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children") as f:
        os.kill(int(f.read().split()[0]), signal.SIGTERM)
    assert daemon.finish().exit == 0
    with open(calls) as f:
        text = f.read()
    assert " connect(" in text
    assert " listen(" not in text and " bind(" not in text


@pytest.mark.parametrize("argv,exit", [(["--help"], 0), (["-h"], 0),
                                       (["extra"], 2), (["--nothing"], 2)])
def test_its_options(managed, argv, exit):
    done = Daemon(managed, *argv).finish()
    assert done.exit == exit
    assert bool(done.out.startswith("usage: keyturnd")) == (exit == 0)
