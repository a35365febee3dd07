# SPDX-License-Identifier: PostgreSQL
"""An ALTER ROLE whose sender is dead, asleep or given up can still land; it
must never land on a newer password (rotation-safety.md finding 1 and section
7).

A rotator ends the session of the claim that it takes over.  Each test runs
where that works, where keyturn's administrator is not allowed to, and where the
server promises it and it does not come to pass; there the compare-and-swap in
the marker is all that is left between the zombie and the newer password."""

import contextlib
import os
import signal
import time

import pytest

from rig.server import wait_for

LATER = (8, 9, 13)  # cluster unavailable, unknown, busy: try again later
BUSY = 13
STORE_AWAY = 7
BEHIND = 18
GONE_BY_ITSELF = 90  # seconds after which the server ends what is left over


def let_terminating(site, what):
    """what: "works"; "forbidden", as on hardened servers; "promised", the
    server says yes and the session lives on."""
    if what == "forbidden":
        site.server.sql("revoke execute on function "
                        "pg_terminate_backend(integer, bigint) from public",
                        dbname=site.database)
    if what == "promised":
        with site.server.connect(site.database) as c:
            c.execute("set allow_system_table_mods = on")
            c.execute("create or replace function pg_catalog."
                      "pg_terminate_backend(pid integer, "
                      "timeout bigint default 0) returns boolean "
                      "language sql as 'select true'")


terminating = pytest.mark.parametrize(
    "terminating", ["works", "forbidden", "promised"])
sender = pytest.mark.parametrize("sender", ["killed", "asleep"])


def gone(site, backend):
    return lambda: not site.server.keyturn_backends(f"pid = {backend}")


def let_run(running):
    """A run in steps, from where it is stopped to its end: its Result."""
    running.go_on()
    while running.wait_stopped():
        running.go_on()
    return running.finish()


def apply_of(site):
    """True for the effect that sends the ALTER ROLE: the first bytes to the
    server once PENDING is in the store."""
    return lambda e: e.sends and site.labelled("pending") is not None


# ---- By a lock ------------------------------------------------------------------

@contextlib.contextmanager
def lock_on_role(site, role="sap"):
    """Somebody else's transaction that has changed the role and not ended."""
    with site.server.connect() as holder:
        holder.autocommit = False
        holder.execute(f'alter role "{role}" connection limit 5')
        yield
        holder.rollback()


def zombie_by_lock(site, sender):
    """A rotator that died or fell asleep while its ALTER waited for a lock:
    (its Running, the backend's pid)."""
    site.configure(cluster="lock_timeout = 60s\nstatement_timeout = 60s")
    zombie = site.start("rotate", "sap")
    (backend,) = wait_for(
        lambda: site.server.keyturn_backends("wait_event_type = 'Lock'"),
        "the ALTER ROLE to wait for the lock")
    if sender == "killed":
        assert zombie.kill().exit == -signal.SIGKILL
    else:
        os.kill(zombie.pid, signal.SIGSTOP)
    # From here on nobody is patient.
    site.configure(cluster="lock_timeout = 1s\nstatement_timeout = 5s")
    return zombie, backend


@terminating
@sender
def test_an_alter_that_waits_for_a_lock_cannot_overwrite_a_newer_password(
        taken_over, sender, terminating):
    site = taken_over
    let_terminating(site, terminating)
    before = site.current()
    with lock_on_role(site):
        zombie, backend = zombie_by_lock(site, sender)
        stale = site.labelled("pending")
        during = site.run("recover", "sap")
        # A server that polls its clients ends a dead one's backend by itself.
        assert during.exit in (0, *LATER), during.text
        if terminating == "works":
            assert during.exit == 0, during.text
            assert gone(site, backend)(), "the zombie was not ended"
        elif sender == "asleep":
            assert during.exit in LATER, during.text
        assert site.live().id == before.id
    if sender == "asleep":
        zombie.go_on()
        late = zombie.finish()
        assert late.exit in (0, *LATER), late.text
    wait_for(gone(site, backend), "the zombie to end", GONE_BY_ITSELF)
    assert site.live().id in (before.id, stale.id)
    site.run("recover", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    assert site.settled().id not in (before.id, stale.id)


def test_an_alter_that_lands_after_its_sender_died_is_finished(taken_over):
    """The lock is released before the server looks for its client."""
    site = taken_over
    before = site.current()
    with lock_on_role(site):
        _, backend = zombie_by_lock(site, "killed")
        stale = site.labelled("pending")
    wait_for(gone(site, backend), "the zombie to end", GONE_BY_ITSELF)
    live = site.live()
    assert live.id in (before.id, stale.id)
    site.run("recover", "sap", expect=0)
    assert site.settled().id == live.id


# ---- By a paused backend ----------------------------------------------------------

@contextlib.contextmanager
def paused(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@terminating
@sender
def test_an_alter_in_a_paused_backend_cannot_overwrite_a_newer_password(
        taken_over, sender, terminating):
    site = taken_over
    let_terminating(site, terminating)
    before = site.current()
    zombie = site.stop_before(apply_of(site), "rotate", "sap")
    (backend,) = site.server.keyturn_backends()
    stale = site.labelled("pending")
    with paused(backend):
        zombie.go_on()
        time.sleep(0.3)  # its bytes are in the backend's socket now
        os.kill(zombie.pid, signal.SIGSTOP)
        if sender == "killed":
            assert zombie.kill().exit == -signal.SIGKILL
        newest = overtake(site, terminating, before)
    if sender == "asleep":
        assert zombie.wait_stopped()
        late = let_run(zombie)
        assert late.exit in (0, *LATER), late.text
    wait_for(gone(site, backend), "the paused backend to end")
    check_nothing_old_is_live(site, newest, stale, terminating)


def overtake(site, terminating, before):
    """A second rotator comes while the first one's claim stands."""
    recovered = site.run("recover", "sap")
    if terminating == "forbidden":
        assert recovered.exit == BUSY, recovered.text
        assert site.live().id == before.id
        return before
    assert recovered.exit == 0, recovered.text
    site.run("rotate", "sap", expect=0)
    newest = site.settled()
    assert newest.id != before.id
    return newest


def check_nothing_old_is_live(site, newest, stale, terminating):
    """stale: what the overtaken rotator had staged, or None."""
    live = site.live()
    if terminating != "forbidden":
        assert live.id == newest.id, "an older password overwrote the newer"
        assert site.current().id == newest.id
        if stale:
            site.must_not_log_in(stale.password)
    site.run("recover", "sap", expect=0)
    assert site.settled().id == live.id
    site.run("rotate", "sap", expect=0)
    site.settled()


# ---- By a missing synchronous standby -----------------------------------------------

def zombie_by_standby(site):
    """A rotator killed while its COMMIT waits for a standby that is not there:
    the backend's pid."""
    site.server.configure(synchronous_standby_names="nosuch")
    zombie = site.start("rotate", "sap")
    (backend,) = wait_for(
        lambda: site.server.keyturn_backends("wait_event = 'SyncRep'"),
        "the commit to wait for the standby")
    assert zombie.kill().exit == -signal.SIGKILL
    return backend


def test_an_alter_that_waited_for_a_standby_is_found_by_the_marker(taken_over):
    site = taken_over
    before = site.current()
    backend = zombie_by_standby(site)
    staged = site.labelled("pending")
    assert site.live().id == before.id, "not acknowledged, so not live"
    site.server.sql("select pg_terminate_backend(%s)", [backend])
    wait_for(gone(site, backend), "the waiting commit to end")
    assert site.live().id == staged.id, "PostgreSQL makes it live then"
    site.server.unconfigure()
    site.run("recover", "sap", expect=0)
    assert site.settled().id == staged.id


@terminating
def test_a_recovery_during_the_wait_for_a_standby_decides_by_the_marker(
        taken_over, terminating):
    site = taken_over
    let_terminating(site, terminating)
    zombie_by_standby(site)
    known = {v.id for v in site.versions()}
    site.configure(cluster="statement_timeout = 3s\nlock_timeout = 1s")
    done = site.run("recover", "sap")
    assert done.exit in (0, *LATER), done.text
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
    assert done.exit in (0, *LATER), done.text
    assert len({v.id for v in site.versions()} - known) == 1
    live = site.live()
    site.server.unconfigure()
    site.run("recover", "sap", expect=0)
    now = site.settled()
    assert now.id == live.id


# ---- A rotator that is stopped ---------------------------------------------------------

def before_connecting(site):
    return lambda e: e.call == "connect"


def staging(site):
    """In the middle of writing PENDING: the store is locked."""
    claim = site.marker()["claim"]
    return lambda e: "/store.db" in e.target and \
        site.marker()["claim"] != claim


def after_apply(site):
    live = site.marker()["live_version"]
    return lambda e: e.kind == "socket" and \
        site.marker()["live_version"] != live


def in_the_proof(site):
    applied = after_apply(site)
    return lambda e: e.sends and applied(e)


def at_the_sink(site):
    """Not at its trial, which comes before anything is applied."""
    live = site.marker()["live_version"]
    return lambda e: e.kind == "file" and e.target.startswith(site.sinks) \
        and site.marker()["live_version"] != live


@pytest.mark.parametrize("stop, terminating", [
    (before_connecting, "works"), (staging, "works"), (apply_of, "works"),
    (after_apply, "works"), (in_the_proof, "works"), (at_the_sink, "works"),
    (apply_of, "forbidden"), (after_apply, "forbidden"),
    (apply_of, "promised"), (after_apply, "promised"),
])
def test_a_rotator_stopped_while_another_completes_does_no_harm(
        taken_over, stop, terminating):
    site = taken_over
    let_terminating(site, terminating)
    before = site.current()
    sleeper = site.stop_before(stop(site), "rotate", "sap")
    known = {v.id for v in site.versions()}
    recovered = site.run("recover", "sap")
    newest = None
    if terminating == "forbidden":
        assert recovered.exit == BUSY, recovered.text
    elif stop == staging:
        assert recovered.exit in (0, STORE_AWAY, *LATER), recovered.text
    elif stop == at_the_sink:
        # It holds the file's lock, and nothing else.
        assert recovered.exit == BEHIND, recovered.text
    else:
        assert recovered.exit == 0, recovered.text
    if recovered.exit in (0, BEHIND):
        site.run("rotate", "sap", expect=recovered.exit)
        newest = site.current()
        assert newest.id not in known
        site.must_log_in(newest.password)
    late = let_run(sleeper)
    assert late.exit in (0, STORE_AWAY, *LATER), late.text
    now = site.current()
    if newest and now.id != newest.id:
        assert now.id not in known, "CURRENT went back to an older version"
        assert stop in (before_connecting, staging), \
            "a rotator that was overtaken rotated once more"
    assert newest or now.id == before.id or late.exit == 0
    site.must_log_in(now.password)
    site.run("recover", "sap", expect=0)
    assert site.settled().id == now.id
    site.run("rotate", "sap", expect=0)
    site.settled()
