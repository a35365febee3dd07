# SPDX-License-Identifier: PostgreSQL
"""An ALTER ROLE whose sender is dead, stopped or given up can still land; it
must never land on a newer password (rotation-safety.md finding 1 and section
7)."""

import contextlib
import os
import signal
import time

import pytest

from rig.server import wait_for

BUSY = (8, 9, 13)  # cluster unavailable, unknown, busy: try again later


@contextlib.contextmanager
def lock_on_role(site, role="sap"):
    """Somebody else's transaction that has changed the role and not ended."""
    with site.server.connect() as holder:
        holder.autocommit = False
        holder.execute(f'alter role "{role}" connection limit 5')
        yield holder
        holder.rollback()


def forbid_terminating(site):
    """As hardened servers do: nobody but a superuser ends sessions."""
    site.server.sql("revoke execute on function "
                    "pg_terminate_backend(integer, bigint) from public",
                    dbname=site.database)


def apply_of(site):
    """True for the effect that sends the ALTER ROLE: the first bytes to the
    server once PENDING is in the store."""
    def wanted(effect):
        return effect.sends and site.labelled("pending") is not None
    return wanted


def waiting_for_the_lock(site):
    backends = site.server.keyturn_backends("wait_event_type = 'Lock'")
    assert len(backends) <= 1
    return backends


def let_run(running):
    """A run in steps, from now on to its end: its Result."""
    running.go_on()
    while running.wait_stopped():
        running.go_on()
    return running.finish()


@pytest.fixture
def patient(new_site):
    """A site whose ALTER waits long for a lock."""
    site = new_site(cluster="lock_timeout = 60s\nstatement_timeout = 60s\n"
                            "claim_timeout = 10s")
    site.run("rotate", "sap", expect=0)
    return site


def zombie_by_lock(site):
    """Kill a rotator whose ALTER waits for a lock: the backend's pid."""
    zombie = site.start("rotate", "sap")
    (backend,) = wait_for(lambda: waiting_for_the_lock(site),
                          "the ALTER ROLE to wait for the lock")
    assert zombie.kill().exit == -signal.SIGKILL
    # From here on nobody is patient.
    site.configure(cluster="lock_timeout = 1s\nclaim_timeout = 10s")
    return backend


def gone(site, backend):
    return lambda: not site.server.keyturn_backends(f"pid = {backend}")


# ---- By a lock ----------------------------------------------------------------

def test_an_alter_that_waited_for_a_lock_lands_and_is_finished(patient):
    before = patient.current()
    with lock_on_role(patient):
        backend = zombie_by_lock(patient)
        assert patient.live() == before
        staged = patient.labelled("pending")
    wait_for(gone(patient, backend), "the late ALTER ROLE to end", 90)
    # Whether the server noticed the dead client or not, the store has it.
    live = patient.live()
    assert live.id in (before.id, staged.id)
    patient.run("recover", "sap", expect=0)
    assert patient.settled().id == live.id
    patient.run("rotate", "sap", expect=0)
    assert patient.settled().id not in (before.id, staged.id)


@pytest.mark.parametrize("terminating", ["allowed", "forbidden"])
def test_an_alter_that_waits_for_a_lock_cannot_overwrite_a_newer_password(
        patient, terminating):
    if terminating == "forbidden":
        forbid_terminating(patient)
    with lock_on_role(patient):
        backend = zombie_by_lock(patient)
        during = patient.run("recover", "sap")
        assert during.exit in (0, *BUSY), during.text
        if terminating == "allowed":
            assert during.exit == 0, during.text
            assert gone(patient, backend)(), "the zombie was not ended"
    patient.run("recover", "sap", expect=0)
    patient.run("rotate", "sap", expect=0)
    newest = patient.settled()
    wait_for(gone(patient, backend), "the zombie to end", 90)
    assert patient.settled().id == newest.id


# ---- By a paused backend --------------------------------------------------------

@contextlib.contextmanager
def paused(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("terminating", ["allowed", "forbidden"])
@pytest.mark.parametrize("sender", ["killed", "alive"])
def test_an_alter_in_a_paused_backend_cannot_overwrite_a_newer_password(
        taken_over, sender, terminating):
    site = taken_over
    if terminating == "forbidden":
        forbid_terminating(site)
    zombie = site.stop_before(apply_of(site), "rotate", "sap")
    (backend,) = site.server.keyturn_backends()
    stale = site.labelled("pending")
    with paused(backend):
        zombie.go_on()
        time.sleep(0.5)  # its bytes are in the backend's socket now
        if sender == "killed":
            assert zombie.kill().exit == -signal.SIGKILL
        recovered = site.run("recover", "sap", timeout=120)
        assert recovered.exit == 0, recovered.text
        site.run("rotate", "sap", expect=0)
        newest = site.settled()
        assert newest.id != stale.id
    if sender == "alive":
        late = let_run_from_wherever(zombie)
        assert late.exit in (0, *BUSY), late.text
        if late.exit == 0:  # it began anew and rotated once more
            newest = site.current()
    wait_for(gone(site, backend), "the paused backend to end")
    assert site.current().id == newest.id
    site.must_log_in(newest.password)
    site.must_not_log_in(stale.password)
    site.run("recover", "sap", expect=0)
    assert site.settled().id == newest.id


def let_run_from_wherever(running):
    """As let_run, when the process may be stopped or not."""
    while running.wait_stopped():
        running.go_on()
    return running.finish()


# ---- By a missing synchronous standby ---------------------------------------------

def test_an_alter_that_waits_for_a_standby_is_found_by_the_marker(taken_over):
    site = taken_over
    before = site.current()
    site.server.configure(synchronous_standby_names="nosuch")
    zombie = site.start("rotate", "sap")
    (backend,) = wait_for(
        lambda: site.server.keyturn_backends("wait_event = 'SyncRep'"),
        "the commit to wait for the standby")
    zombie.kill()
    assert site.live() == before, "not acknowledged, so not live"
    staged = site.labelled("pending")
    site.server.sql("select pg_terminate_backend(%s)", [backend])
    wait_for(gone(site, backend), "the waiting commit to end")
    assert site.live() == staged, "PostgreSQL makes it live then"
    site.server.unconfigure()
    site.run("recover", "sap", expect=0)
    assert site.settled().id == staged.id


def test_a_recovery_during_the_wait_for_a_standby_decides_by_the_marker(
        taken_over):
    site = taken_over
    site.server.configure(synchronous_standby_names="nosuch")
    zombie = site.start("rotate", "sap")
    wait_for(lambda: site.server.keyturn_backends("wait_event = 'SyncRep'"),
             "the commit to wait for the standby")
    zombie.kill()
    known = {v.id for v in site.versions()}
    site.configure(cluster="statement_timeout = 3s\nlock_timeout = 2s")
    done = site.run("recover", "sap")
    assert done.exit in (0, *BUSY), done.text
    assert {v.id for v in site.versions()} == known, \
        "a third password while the outcome was open"
    site.live()
    site.server.unconfigure()
    site.run("recover", "sap", expect=0)
    site.settled()
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_rotator_that_gives_up_waiting_for_a_standby_guesses_nothing(
        taken_over):
    site = taken_over
    known = {v.id for v in site.versions()}
    site.server.configure(synchronous_standby_names="nosuch")
    site.configure(cluster="statement_timeout = 2s\nlock_timeout = 1s")
    done = site.run("rotate", "sap")
    assert done.exit in (0, *BUSY), done.text
    assert len({v.id for v in site.versions()} - known) == 1
    live = site.live()
    site.server.unconfigure()
    site.run("recover", "sap", expect=0)
    now = site.settled()
    assert now.id == live.id or done.exit != 0


# ---- A rotator that is stopped -------------------------------------------------------

def after_claim(site):
    claim = (site.marker() or {}).get("claim")
    return lambda e: e.sends and site.marker()["claim"] != claim


def after_apply(site):
    live = site.marker()["live_version"]
    return lambda e: site.marker()["live_version"] != live


def in_the_proof(site):
    applied = after_apply(site)
    return lambda e: e.sends and applied(e)


def before_connecting(site):
    return lambda e: e.call == "connect"


def at_the_sink(site):
    return lambda e: e.kind == "file" and e.target.startswith(site.sinks)


STOPS = [before_connecting, after_claim, apply_of, after_apply, in_the_proof,
         at_the_sink]


@pytest.mark.parametrize("terminating", ["allowed", "forbidden"])
@pytest.mark.parametrize("stop", STOPS, ids=lambda s: s.__name__)
def test_a_rotator_stopped_while_another_completes_does_no_harm(
        taken_over, stop, terminating):
    site = taken_over
    if terminating == "forbidden":
        forbid_terminating(site)
    sleeper = site.stop_before(stop(site), "rotate", "sap")
    known = {v.id for v in site.versions()}
    first = site.run("recover", "sap", timeout=120)
    assert first.exit == 0, first.text
    site.run("rotate", "sap", expect=0)
    newest = site.current()
    assert newest.id not in known
    site.must_log_in(newest.password)
    late = let_run(sleeper)
    assert late.exit in (0, *BUSY), late.text
    newer = {v.id for v in site.versions()} - known - {newest.id}
    now = site.current()
    assert now.id == newest.id or now.id in newer, \
        "CURRENT went back to an older version"
    site.must_log_in(now.password)
    site.run("recover", "sap", expect=0)
    assert site.settled().id == now.id
    site.run("rotate", "sap", expect=0)
    site.settled()
