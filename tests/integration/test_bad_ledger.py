# SPDX-License-Identifier: PostgreSQL
"""A bad ledger: what cannot be recorded is not done, what was begun is ended,
and without any ledger no password is lost: marker and store suffice."""

import glob
import json
import os
import re
import shutil
import sqlite3
import time

import pytest

from rig.installation import ADMIN, FIRST_PASSWORD
from rig.verdict import (Before, books_apart, growing, mode,
                         nothing_changed, run_with_fault, sentence,
                         without_override)

FROZEN = 5
REFUSED = 6
UNDELIVERED = 18
AUDIT_BROKEN = 10
DENIED = 12
LEDGER_AWAY = 14

HAND = "Set-by.hand_while-nobody-looked1"


def path(site):
    return os.path.join(site.state, "ledger.db")


def delete(site):
    for file in glob.glob(path(site) + "*"):
        os.unlink(file)


def keep(site):
    for file in glob.glob(path(site) + "*"):
        shutil.copy2(file, file.replace("ledger.db", "kept.db"))


def put_back(site):
    delete(site)
    for file in glob.glob(os.path.join(site.state, "kept.db*")):
        os.rename(file, file.replace("kept.db", "ledger.db"))


NEEDS = [("rotate", "sap"), ("rotate", "--due"), ("recover", "sap"),
         ("get", "sap"), ("freeze", "sap", "--reason", "test"),
         ("thaw", "sap")]
READS = [("status",), ("history",), ("audit", "verify"), ("audit", "export")]
# What needs the ledger, and begins none.
BEGINS_NONE = READS + [("check",), ("get", "sap"), ("thaw", "sap"),
                       ("rotate", "--due", "--dry-run")]


# ---- Gone -------------------------------------------------------------------

def test_a_deleted_ledger_loses_no_password(taken_over):
    site = taken_over
    current = site.current()
    delete(site)
    done = site.run("rotate", "sap", expect=0)
    assert "the ledger file was missing" in done.err
    assert "passwords are not affected" in done.err
    assert len(done.err.splitlines()) == 1
    assert site.settled().id != current.id
    site.must_not_log_in(current.password)
    # From the second run on there is nothing to say.
    assert site.run("rotate", "sap", expect=0).err == ""


def test_after_a_lost_ledger_due_waits_until_a_person_has_looked(taken_over):
    """It was frozen, and only the ledger knew."""
    site = taken_over
    site.run("freeze", "sap", "--reason", "the partner begs for quiet",
             expect=0)
    site.configure(role_settings="rolname = sap")
    with open(site.configuration) as f:
        text = f.read()
    with open(site.configuration, "w") as f:
        f.write(text.replace("every = 30d", "every = 1s"))
    time.sleep(1.1)
    current = site.current()
    delete(site)
    done = site.run("rotate", "--due", "--quiet")
    assert done.exit == REFUSED, done.text
    assert "the ledger file was missing; a new one was created" in done.err
    assert "sap: the store knows this role and the ledger does not" in done.err
    assert site.run("rotate", "--due", "--quiet").exit == REFUSED
    assert site.current() == current
    assert site.status()["state"] == "new"
    assert site.status()["version"] == current.id
    assert re.search("(?m)^warn  sap: ledger: does not know this role",
                     site.run("check", expect=0).out)
    site.run("recover", "sap", expect=0)
    assert site.current() == current
    site.run("rotate", "--due", "--quiet", expect=0)
    assert site.settled().id != current.id


def test_reading_makes_no_new_ledger(taken_over, subtests):
    site = taken_over
    keep(site)
    delete(site)
    for command in BEGINS_NONE:
        with subtests.test(" ".join(command)):
            done = site.run(*command, "--quiet")
            assert not os.path.exists(path(site)), "a reader made a ledger"
            assert done.exit not in (0, 1), done.text
            sentence(done, done.exit, path(site))
    put_back(site)


def test_a_ledger_deleted_while_a_rotation_was_interrupted(taken_over):
    """Killed before the apply, after it, and after the proof."""
    site = taken_over
    marker = site.marker()["live_version"]

    def staged(effect):
        return effect.sends and site.labelled("pending") is not None

    def applied(effect):
        return site.marker()["live_version"] != marker

    for place, finished in ((staged, False), (applied, True)):
        marker = site.marker()["live_version"]
        before = site.current()
        site.stop_before(place, "rotate", "sap").kill()
        pending = site.labelled("pending")
        delete(site)
        site.run("recover", "sap", expect=0)
        now = site.settled()
        assert now.id == (pending.id if finished else before.id)


def test_a_ledger_deleted_while_the_role_was_frozen_for_cause(taken_over):
    """The cause is still there, so the role freezes again."""
    site = taken_over
    site.server.sql(f"alter role {ADMIN} superuser")
    site.run("rotate", "sap", expect=0)
    site.set_password("sap", HAND)
    site.run("rotate", "sap", expect=FROZEN)
    versions = site.versions()
    delete(site)
    for command in (("rotate", "sap"), ("rotate", "sap")):
        done = site.run(*command)
        assert done.exit == FROZEN, done.text
    assert site.status()["state"] == "frozen"
    site.must_log_in(HAND)
    assert site.versions() == versions


def test_a_ledger_deleted_while_an_operator_froze_the_role_is_loud(taken_over):
    """An operator's freeze is in the ledger only; its loss is said."""
    site = taken_over
    site.run("freeze", "sap", "--reason", "the partner moves house", expect=0)
    delete(site)
    done = site.run("rotate", "--due")
    assert "the ledger file was missing" in done.err, done.text
    assert "What was frozen is not known" in done.err
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_new_ledger_begins_a_chain_that_verifies(taken_over):
    site = taken_over
    delete(site)
    site.run("rotate", "sap", expect=0)
    site.run("audit", "verify", expect=0)
    assert site.audit()[0]["seq"] == 1


def test_store_and_ledger_gone_together_is_no_reason_to_guess(taken_over):
    site = taken_over
    current = site.current()
    delete(site)
    for file in site.store_files():
        os.rename(file, file + ".away")
    done = site.run("rotate", "sap")
    assert done.exit == 7, done.text
    site.must_log_in(current.password)
    for file in glob.glob(os.path.join(site.state, "store.db*.away")):
        os.rename(file, file[:-5])
    site.run("rotate", "sap", expect=0)
    site.settled()


# ---- Damaged ----------------------------------------------------------------

def damage(site, how):
    size = os.path.getsize(path(site))
    if how == "empty":
        os.truncate(path(site), 0)
    elif how == "half":
        os.truncate(path(site), size // 2)
    else:
        with open(path(site), "r+b") as f:
            f.seek({"header": 0, "first page": 100}[how])
            f.write(os.urandom(3000))


def test_a_corrupted_ledger_stops_what_must_be_recorded(taken_over, subtests):
    site = taken_over
    with nothing_changed(site):
        for how in ("empty", "half", "header", "first page"):
            keep(site)
            damage(site, how)
            for command in NEEDS + READS if how == "header" else NEEDS[:2]:
                with subtests.test(f"{how}: {' '.join(command)}"):
                    sentence(site.run(*command), AUDIT_BROKEN, path(site),
                             "backup", "move it away", "no password")
            put_back(site)
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_corrupted_ledger_can_be_moved_away(taken_over):
    """What its sentence says helps."""
    site = taken_over
    damage(site, "header")
    sentence(site.run("rotate", "sap"), AUDIT_BROKEN, path(site),
             "move it away")
    for file in glob.glob(path(site) + "*"):
        os.rename(file, file.replace("ledger.db", "damaged.db"))
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_garbage_in_the_middle_of_the_ledger_loses_no_password(taken_over):
    site = taken_over
    site.run("rotate", "sap", expect=0)
    size = os.path.getsize(path(site))
    for page in range(1, min(size // 4096, 24), 2):
        before = Before(site)
        keep(site)
        with open(path(site), "r+b") as f:
            f.seek(page * 4096 + 8)
            f.write(os.urandom(2000))
        done = site.run("rotate", "sap")
        assert site.live() is not None
        if done.exit in (AUDIT_BROKEN, LEDGER_AWAY):
            sentence(done, done.exit, path(site))
            put_back(site)
            before.holds()
            continue
        # What was not noticed was not used; what was noticed after the claim
        # did not keep the rotation from its end.
        assert done.exit == 0, done.text
        assert site.current().password == site.sink()
        site.must_log_in(site.current().password)
        delete(site)
        for file in glob.glob(os.path.join(site.state, "kept.db*")):
            os.unlink(file)
        site.run("rotate", "sap", expect=0)
        site.settled()


# ---- Locked, read-only, full ------------------------------------------------

def test_a_locked_ledger_is_waited_for_and_then_given_up(taken_over):
    site = taken_over
    with nothing_changed(site):
        base = sqlite3.connect(path(site), isolation_level=None)
        base.execute("begin immediate")
        rotating = site.start("rotate", "sap")
        printing = site.start("get", "sap")
        for run in (rotating, printing):
            done = run.finish()
            sentence(done, LEDGER_AWAY, path(site), "locked")
            assert done.out == "" or run is rotating
            assert done.seconds < 15
        # Reading is not in the way of a writer.
        assert site.status()["state"] == "ok"
        base.rollback()
        base.close()
    site.run("rotate", "sap", expect=0)
    site.settled()


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_ledger_that_may_not_be_written(taken_over, tmp_path, what):
    site = taken_over
    books, _ = books_apart(site)
    site.run("rotate", "sap", expect=0)
    # The last to close has removed the side files; new ones need the folder.
    assert "ledger.db-wal" not in os.listdir(books)
    without_override(site, tmp_path)
    place, bits = (books, 0o500) if what == "folder" else \
        (os.path.join(books, "ledger.db"), 0o400)
    with nothing_changed(site):
        with mode(place, bits):
            for command in (("rotate", "sap"), ("get", "sap")):
                done = site.run(*command)
                assert done.exit in (REFUSED, DENIED, LEDGER_AWAY), done.text
                sentence(done, done.exit, books)
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_full_disk_before_the_claim_refuses_the_rotation(taken_over):
    site = taken_over
    books, _ = books_apart(site)
    with nothing_changed(site):
        done = run_with_fault(site, books, "enospc-from:1", "rotate", "sap")
        sentence(done, LEDGER_AWAY, books, "no room left", "free some space")
        done = run_with_fault(site, books, "enospc-from:1", "get", "sap")
        sentence(done, LEDGER_AWAY, books, "no room left")
        assert done.out == ""


def test_a_full_disk_refuses_a_rotation_and_never_strands_one(taken_over):
    """From each write of the ledger on, no file of it grows any more."""
    site = taken_over
    books, _ = books_apart(site)
    done = run_with_fault(site, books, "count", "rotate", "sap")
    ends = []
    for n in growing(done.effects)[::3]:
        before = Before(site)
        done = run_with_fault(site, books, f"enospc-from:{n}", "rotate", "sap")
        if done.exit == 0:
            now = site.current()
            assert now.id != before.versions[0].id
            site.must_log_in(now.password)
            assert site.sink() == now.password
        else:
            sentence(done, LEDGER_AWAY, books, "no room left")
            before.holds(staged=True)
        ends.append(done.exit)
        site.run("recover", "sap", expect=0)
        site.settled()
    # Once begun, each was brought to its end.
    assert set(ends) == {0, LEDGER_AWAY}
    assert ends == sorted(ends, reverse=True), ends


def test_a_full_disk_for_all_files_at_once(taken_over):
    """Store, ledger and sink on one full disk: at most the sink is behind,
    and it is said."""
    site = taken_over
    count = site.run("rotate", "sap", fault="count", expect=0)
    numbers = growing(count.effects)
    for n in numbers[::5]:
        before = Before(site)
        done = site.run("rotate", "sap", fault=f"enospc-from:{n}")
        if done.exit in (0, UNDELIVERED):
            now = site.current()
            site.must_log_in(now.password)
            assert (site.sink() == now.password) == (done.exit == 0), \
                done.text
        else:
            assert done.exit in (REFUSED, LEDGER_AWAY), done.text
            assert "no room left" in done.text or \
                re.search("sink.*No space left on device", done.text), done.text
            before.holds(staged=True)
        site.run("recover", "sap", expect=0)
        site.settled()


def test_a_failing_disk_under_the_ledger_is_no_lost_password(taken_over):
    """EIO at effects on the ledger's files."""
    site = taken_over
    books, _ = books_apart(site)
    done = run_with_fault(site, books, "count", "rotate", "sap")
    for n in [e.number for e in done.effects if e.kind == "file"][::5]:
        done = run_with_fault(site, books, f"fail-at:{n}", "rotate", "sap")
        # Runs differ by some page writes: what was hit is what it says.
        hit = [e.kind for e in done.effects if e.number == n]
        if hit == ["file"]:
            assert done.exit in (0, 1, 9, LEDGER_AWAY, AUDIT_BROKEN), done.text
        assert site.live() is not None
        site.run("recover", "sap", expect=0)
        site.settled()


def test_the_first_password_survives_a_ledger_that_is_full(new_site):
    site = new_site()
    books, _ = books_apart(site)
    done = run_with_fault(site, books, "enospc-from:1", "rotate", "sap")
    sentence(done, LEDGER_AWAY, "no room left")
    assert site.versions() == [] and site.marker() is None
    site.must_log_in(FIRST_PASSWORD)
    assert json.loads(site.run("status", "--json", expect=0).out)[0][
        "state"] == "new"
