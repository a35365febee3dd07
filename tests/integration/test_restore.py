# SPDX-License-Identifier: PostgreSQL
"""The past comes back: a restored data directory, a standby that had not heard
of an acknowledged ALTER ROLE, a store file put back from a backup."""

import glob
import os
import shutil

import psycopg
import pytest

from rig.agent import everything
from rig.pair import new_pair
from rig.server import wait_for

FROZEN = 5


def rotate(site, times=1):
    for _ in range(times):
        site.run("rotate", "sap", expect=0)
    return site.current()


def thaw_and_replace(site, live):
    """What an operator does who has been told: a thaw alone does not help, the
    live password is as unknown as before."""
    site.run("rotate", "sap", "--emergency", expect=FROZEN)
    site.run("thaw", "sap", expect=0)
    site.run("rotate", "sap", expect=FROZEN)
    site.must_log_in(live.password)
    site.run("thaw", "sap", expect=0)
    known = {v.id for v in site.versions()}
    site.run("rotate", "sap", "--emergency", "--reason", "backup put back",
             expect=0)
    now = site.settled()
    assert now.id not in known and now.id != live.id
    site.must_not_log_in(live.password)


def restore_was_seen(site, events_before):
    """The alarm of the audit trail (rotation-safety.md INV5)."""
    kinds = [e.get("kind") for e in site.audit()[events_before:]
             if e.get("role") == "sap"]
    assert "restore" in kinds, kinds
    assert "repoint" in kinds, kinds
    return True


@pytest.fixture
def own_server(new_server):
    return new_server()


@pytest.mark.parametrize("rotations", [1, 2, 5])
@pytest.mark.parametrize("command", ["recover", "rotate"])
def test_a_restored_data_directory_is_seen_and_rotated(
        own_server, new_site, rotations, command):
    site = new_site(on=own_server)
    old = rotate(site, 2)
    copy = own_server.keep_data("backup")
    newest = rotate(site, rotations)
    own_server.put_back_data(copy)
    events = len(site.audit())
    assert site.live().id == old.id, "the restored password is in the store"
    done = site.run(command, "sap", expect=0)
    assert restore_was_seen(site, events), done.text
    now = site.settled()
    assert now.id not in (old.id, newest.id)
    site.must_not_log_in(old.password)
    rotate(site)
    site.settled()


def test_a_restore_in_the_middle_of_a_rotation_voids_its_claim(
        own_server, new_site):
    site = new_site(on=own_server)
    rotate(site, 2)
    copy = own_server.keep_data("backup")
    rotate(site)
    claim = site.marker()["claim"]
    sleeper = site.stop_before(
        lambda e: e.sends and site.labelled("pending") is not None
        and site.marker()["claim"] != claim, "rotate", "sap")
    own_server.put_back_data(copy)
    sleeper.go_on()
    while sleeper.wait_stopped():
        sleeper.go_on()
    late = sleeper.finish()
    assert late.exit >= 0, late.text
    site.live()
    site.run("recover", "sap", expect=0)
    site.settled()


def test_a_restore_from_before_the_ring_freezes_until_an_emergency(
        own_server, new_site):
    site = new_site(on=own_server, store="ring = 4")
    old = rotate(site, 2)
    copy = own_server.keep_data("backup")
    rotate(site, 9)
    assert old.id not in {v.id for v in site.versions()}
    own_server.put_back_data(copy)
    known = {v.id for v in site.versions()}
    site.run("rotate", "sap", expect=FROZEN)
    assert site.status()["state"] == "frozen"
    site.must_log_in(old.password)
    assert {v.id for v in site.versions()} == known
    thaw_and_replace(site, old)


def test_a_failover_that_loses_an_acknowledged_alter_is_seen(
        new_server, new_site):
    primary = new_server()
    standby = new_server(standby_of=primary)
    site = new_site(on=primary)
    site.configure(
        conninfo=site.conninfo(
            host="127.0.0.1,127.0.0.1",
            port=f"{primary.port},{standby.port}"),
        cluster=f"host = 127.0.0.1\nport = {primary.port}")
    site.marks[standby] = standby.mark()
    old = rotate(site)
    wait_for(lambda: standby.sql(
        "select count(*) from pg_authid a where rolname = 'sap' and "
        "rolpassword = %s", primary.sql(
            "select rolpassword from pg_authid where rolname = 'sap'")[0])
        == [(1,)], "the standby to have the old password")
    # From here on the standby hears nothing.
    standby.configure(primary_conninfo="")
    lost = rotate(site)
    primary.stop("immediate")
    standby.sql("select pg_promote()")
    site.server = standby
    events = len(site.audit())
    assert site.live().id == old.id, "the lost ALTER ROLE"
    site.run("recover", "sap", expect=0)
    restore_was_seen(site, events)
    now = site.settled()
    assert now.id not in (old.id, lost.id)


def test_a_server_that_crashes_during_a_rotation_loses_nothing(
        own_server, new_site):
    """The claim is committed without waiting for the disk, the password is
    not."""
    own_server.configure(fsync="on")
    site = new_site(on=own_server)
    rotate(site, 2)
    trace = site.run("rotate", "sap", fault="count", expect=0).effects
    sends = [e.number for e in trace if e.kind == "socket"]
    for number in sends[4::4]:
        rotator = site.start("rotate", "sap", fault=f"stop-before:{number}")
        assert rotator.wait_stopped()
        known = {v.id for v in site.versions()}
        own_server.restart("immediate")
        live = site.live()
        rotator.go_on()
        late = rotator.finish()
        assert late.exit >= 0, late.text
        if late.exit == 0:
            live = site.current()
        assert site.live().id == live.id
        assert len({v.id for v in site.versions()} - known) <= 1
        site.run("recover", "sap", expect=0)
        site.settled()


def store_files(site):
    return glob.glob(os.path.join(site.state, "store.db*"))


def snapshot(site, name):
    folder = os.path.join(site.evidence, name)
    os.makedirs(folder)
    for file in store_files(site):
        shutil.copy2(file, folder)
    return folder


def put_back(site, folder):
    for file in store_files(site):
        os.unlink(file)
    for name in os.listdir(folder):
        shutil.copy2(os.path.join(folder, name), site.state)


@pytest.mark.parametrize("command", ["rotate", "recover"])
def test_a_store_put_back_from_a_backup_freezes_until_an_emergency(
        taken_over, command):
    site = taken_over
    backup = snapshot(site, "backup")
    live = rotate(site, 2)
    put_back(site, backup)
    assert live.id not in {v.id for v in site.versions()}
    done = site.run(command, "sap", "--json", expect=FROZEN)
    (line,) = done.lines
    assert line["status"] == "FROZEN" and line["exit"] == FROZEN
    status = site.status()
    assert status["state"] == "frozen" and status["frozen_reason"]
    site.must_log_in(live.password)  # nothing was changed
    assert "freeze" in site.kinds()
    thaw_and_replace(site, live)


def test_an_emergency_heals_at_once_when_it_is_asked_for_at_once(taken_over):
    site = taken_over
    backup = snapshot(site, "backup")
    live = rotate(site, 2)
    put_back(site, backup)
    site.run("rotate", "sap", "--emergency", expect=0)
    site.settled()
    site.must_not_log_in(live.password)


def test_a_store_put_back_by_one_rotation_is_noticed_before_anything_changes(
        taken_over):
    """CURRENT of the old store was live until the last rotation: a guess would
    take it for the live one."""
    site = taken_over
    backup = snapshot(site, "backup")
    live = rotate(site)
    put_back(site, backup)
    mark = site.server.mark()
    site.run("rotate", "sap", expect=FROZEN)
    assert "ALTER ROLE" not in site.server.log_since(mark).upper()
    site.must_log_in(live.password)


@pytest.mark.parametrize("command", ["recover", "rotate"])
def test_what_a_restore_forgot_is_handed_out_no_more(own_server, new_site,
                                                     new_agent, command):
    """CURRENT is the restored version; the newer one, which does not log in, is
    neither in a file nor accepted by an agent."""
    site = new_site(on=own_server)
    with new_pair(site) as pair:
        pair.run("rotate", "sap")
        pair.run("rotate", "sap")
        second = pair.told()
        copy = own_server.keep_data("rotated")
        pair.run("retire", "sap")
        pair.run("rotate", "sap")
        third = pair.told()
        own_server.put_back_data(copy)
        done = pair.run(command, "sap", expect=19)
        assert "epoch went back" in done.out
        assert "sap_a may still log in" in done.out
        assert "not the database's any more" in done.out
        assert pair.told() == second and pair.works(second)
        assert site.labelled("previous") is None
        agent = new_agent(site, refresh="1h", roles={
            "sap": everything() + "\ngrace = 1h\nstrategy = alternating\n"
                   "members = sap_a sap_b"})

        def verify(who):
            return agent.call("VERIFY", user=who[0], password=who[1]).result
        wait_for(lambda: verify(second) == "OK", "the agent to have it")
        assert not verify(third).startswith("OK")
        withdrawn = [e for e in site.audit() if e.get("kind") == "withdraw"][-1]
        assert "not the database's" in withdrawn["detail"]
        pair.run("retire", "sap", "--now")
        assert pair.role("sap_a") == (False, False)
        pair.run("audit", "verify")


def test_recover_says_who_may_log_in_again(own_server, new_site):
    site = new_site(on=own_server)
    with new_pair(site) as pair:
        pair.run("rotate", "sap")
        first = pair.told()
        pair.run("rotate", "sap")
        second = pair.told()
        copy = own_server.keep_data("rotated")
        pair.run("retire", "sap", "--now")
        own_server.put_back_data(copy)
        assert pair.works(first)
        done = pair.run("recover", "sap", expect=19)
        assert "epoch went back" in done.out
        assert "sap_a may still log in" in done.out
        assert "keyturn retire" in done.out
        assert pair.told() == second and pair.works(second)
        pair.run("retire", "sap", "--now")
        with pytest.raises(psycopg.OperationalError):
            pair.login(first)
        pair.run("recover", "sap")


MOMENTS = ("rotated", "retired", "cleared")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_pair_restored_to_a_moment_of_its_cycle(own_server, new_site, moment):
    """Whatever comes back to life is said and can be ended, and the member that
    the store calls current always logs in once keyturn was there."""
    site = new_site(on=own_server)
    with new_pair(site) as pair:
        pair.run("rotate", "sap")
        first = pair.told()
        pair.run("rotate", "sap")
        second = pair.told()
        copies = {"rotated": own_server.keep_data("rotated")}
        pair.run("retire", "sap")
        copies["retired"] = own_server.keep_data("retired")
        pair.run("retire", "sap", "--now")
        copies["cleared"] = own_server.keep_data("cleared")
        pair.run("rotate", "sap")
        third = pair.told()
        pair.run("retire", "sap", "--now")
        pair.run("retire", "sap", "--now")
        pair.refused(second, "password authentication failed")
        own_server.put_back_data(copies[moment])
        events = len(site.audit())
        assert pair.works(second)
        # Of an older version it makes a new one, as soon as a member is free.
        done = pair.run("recover", "sap",
                        expect=19 if moment == "rotated" else 0)
        assert "the marker's epoch went back" in done.out
        assert "restore" in [e.get("kind") for e in site.audit()[events:]]
        assert pair.works(pair.told())
        done = pair.run("recover", "sap", expect=None)
        assert "went back" not in done.out
        # What lives again is ended by the same commands as before.
        pair.run("retire", "sap", expect=None)
        pair.run("retire", "sap", "--now", expect=None)
        now = pair.told()
        assert pair.works(now)
        for old in {first, second, third} - {now}:
            with pytest.raises(psycopg.OperationalError):
                pair.login(old)
        pair.run("rotate", "sap")
        pair.run("rotate", "sap", expect=19)
        assert pair.works(pair.told()) and pair.works(now)
        pair.run("audit", "verify")
