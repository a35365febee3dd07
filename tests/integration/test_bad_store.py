# SPDX-License-Identifier: PostgreSQL
"""A bad local store: nothing is rotated that could not be remembered, and no
version that is in the store is lost."""

import glob
import os
import shutil
import sqlite3
import stat
import time

import pytest

from rig.verdict import (Before, books_apart, finding, growing, mode,
                         nothing_changed, run_with_fault, sentence,
                         without_override)

CONFIGURATION = 2
REFUSED = 6
STORE_AWAY = 7
DENIED = 12
CORRUPT = 17


def path(site):
    return os.path.join(site.state, "store.db")


class Kept:
    """The store's file as it was, to be put back."""

    def __init__(self, site):
        self.site = site
        self.copies = []
        for file in glob.glob(path(site) + "*"):
            shutil.copy2(file, file.replace("store.db", "kept.db"))
            self.copies.append(file)

    def put_back(self):
        for file in glob.glob(path(self.site) + "*"):
            os.unlink(file)
        for file in self.copies:
            shutil.copy2(file.replace("store.db", "kept.db"), file)


@pytest.fixture
def kept(taken_over):
    taken_over.run("rotate", "sap", expect=0)
    return Kept(taken_over)


def all_commands_refuse(site, code, *words):
    """Whatever needs the store ends so, and `get` prints nothing."""
    for command in (("rotate", "sap"), ("recover", "sap"), ("get", "sap")):
        done = site.run(*command)
        sentence(done, code, *words)
        if "get" in command:
            assert done.out == ""
    finding(site.run("check"), *words)


# ---- The key ----------------------------------------------------------------

def test_a_wrong_key(taken_over):
    site = taken_over
    key = os.path.join(site.keys, "store.key")
    with nothing_changed(site):
        shutil.copy2(key, key + ".right")
        with open(key, "w") as f:
            f.write("0123456789abcdef" * 4 + "\n")
        all_commands_refuse(site, CORRUPT, path(site), key,
                            "put the right key there")
        os.rename(key + ".right", key)
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_the_store_of_another_installation(kept):
    site = kept.site
    other = os.path.join(site.folder, "other")
    done = site.run("init", other, "--state", other, configured=False)
    assert done.exit == 0, done.text
    with nothing_changed(site):
        for file in glob.glob(path(site) + "*"):
            os.unlink(file)
        shutil.copy2(os.path.join(other, "store.db"), path(site))
        sentence(site.run("rotate", "sap"), CORRUPT, path(site),
                 "was not sealed with the key")
        kept.put_back()


# ---- The file ---------------------------------------------------------------

def test_a_truncated_file(kept):
    site = kept.site
    size = os.path.getsize(path(site))
    with nothing_changed(site):
        for left in (0, 100, 4096, size // 2, size - 4096):
            os.truncate(path(site), left)
            sentence(site.run("rotate", "sap"), CORRUPT, path(site), "backup")
            kept.put_back()
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_file_that_is_no_database(kept):
    site = kept.site
    with nothing_changed(site):
        with open(path(site), "r+b") as f:
            f.write(b"What is this?" * 10)
        sentence(site.run("rotate", "sap"), CORRUPT, path(site))
        kept.put_back()


def test_garbage_anywhere_in_the_file(kept):
    """What is not noticed was not used; what is used and noticed stops the
    run before anything is changed."""
    site = kept.site
    size = os.path.getsize(path(site))
    pages = size // 4096
    stopped = 0
    for page in range(pages) if pages < 16 else \
            [*range(12), *range(12, pages, pages // 4)]:
        before = Before(site)
        with open(path(site), "r+b") as f:
            f.seek(page * 4096 + 8)
            f.write(os.urandom(2000))
        done = site.run("rotate", "sap")
        if done.exit != 0:
            stopped += 1
            sentence(done, CORRUPT, "store")
            kept.put_back()
            before.holds()
        else:
            site.settled()
            kept = Kept(site)
    assert stopped >= 3


def change(site, statement, *values):
    with sqlite3.connect(path(site)) as base:
        assert base.execute(statement, values).rowcount > 0
    base.close()


def test_a_version_put_in_the_place_of_another(kept):
    """The seal covers role and version id."""
    site = kept.site
    current, previous = site.current(), site.labelled("previous")
    with nothing_changed(site):
        change(site, "update version set sealed = (select sealed from version "
               "where id = ?) where id = ?", previous.id, current.id)
        done = site.run("get", "sap")
        sentence(done, CORRUPT, current.id, "sap", "damaged or swapped",
                 "backup")
        finding(site.run("check"), current.id, "backup")
        kept.put_back()


def test_one_bit_of_a_sealed_version(kept):
    site = kept.site
    current = site.current()
    with nothing_changed(site):
        with sqlite3.connect(path(site)) as base:
            (sealed,) = base.execute("select sealed from version where id = ?",
                                     [current.id]).fetchone()
            bad = bytearray(sealed)
            bad[len(bad) // 2] ^= 4
            base.execute("update version set sealed = ? where id = ?",
                         [bytes(bad), current.id])
        base.close()
        sentence(site.run("get", "sap"), CORRUPT, current.id, "sap")
        kept.put_back()


def test_a_store_that_is_gone_is_not_replaced_by_an_empty_one(kept):
    site = kept.site
    with nothing_changed(site):
        for file in glob.glob(path(site) + "*"):
            os.unlink(file)
        all_commands_refuse(site, STORE_AWAY, path(site), "does not exist",
                            "bring it back from a backup")
        assert not os.path.exists(path(site))
        kept.put_back()


def test_a_store_rolled_back_by_one_version_freezes_the_role(kept):
    """The live password is in no store any more: only a person may decide to
    replace it."""
    site = kept.site
    site.run("rotate", "sap", expect=0)
    live = site.current()
    kept.put_back()
    line = sentence(site.run("rotate", "sap"), 5, live.id, "sap",
                    "not in the store")
    assert "keyturn thaw" in line and "--emergency" in line
    site.must_log_in(live.password)
    site.run("thaw", "sap", expect=0)
    site.run("rotate", "sap", "--emergency", expect=0)
    site.settled()


def test_a_file_that_others_may_read(taken_over):
    site = taken_over
    with nothing_changed(site):
        with mode(path(site), 0o644):
            sentence(site.run("rotate", "sap"), CONFIGURATION, path(site),
                     "chmod")


def test_a_link_in_the_place_of_the_file(kept):
    site = kept.site
    with nothing_changed(site):
        elsewhere = path(site).replace("store.db", "elsewhere.db")
        os.rename(path(site), elsewhere)
        os.symlink(elsewhere, path(site))
        done = site.run("rotate", "sap")
        assert done.exit in (CONFIGURATION, REFUSED, STORE_AWAY), done.text
        sentence(done, done.exit, path(site), "link")
        os.rename(elsewhere, path(site))


# ---- Locked, read-only, full ------------------------------------------------

def test_a_locked_store_is_waited_for_and_then_given_up(taken_over):
    site = taken_over
    with nothing_changed(site):
        base = sqlite3.connect(path(site), isolation_level=None)
        base.execute("begin immediate")
        done = site.run("rotate", "sap")
        base.rollback()
        base.close()
        sentence(done, STORE_AWAY, path(site), "locked")
        assert done.seconds < 15


def test_a_store_that_is_locked_for_a_moment_is_waited_for(taken_over):
    site = taken_over
    base = sqlite3.connect(path(site), isolation_level=None)
    base.execute("begin immediate")
    run = site.start("rotate", "sap")
    with pytest.raises(AssertionError):
        run_ended_within(run, 0.5)
    base.rollback()
    base.close()
    assert run.finish().exit == 0
    site.settled()


def run_ended_within(run, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if run.process.poll() is not None:
            return
        time.sleep(0.02)
    raise AssertionError("still running")


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_store_that_may_not_be_written(taken_over, tmp_path, what):
    site = taken_over
    books_apart(site)
    without_override(site, tmp_path)
    place, bits = (site.state, 0o500) if what == "folder" else \
        (path(site), 0o400)
    with nothing_changed(site):
        with mode(place, bits):
            done = site.run("rotate", "sap")
        assert done.exit in (REFUSED, STORE_AWAY, DENIED), done.text
        sentence(done, done.exit, path(site))
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_full_disk_refuses_a_rotation_and_never_strands_one(taken_over):
    """From each write of the store on, no file of it grows any more."""
    site = taken_over
    _, disk = books_apart(site)
    done = run_with_fault(site, disk, "count", "rotate", "sap")
    assert done.exit == 0, done.text
    numbers = growing(done.effects)
    assert len(numbers) > 10
    ends = set()
    for n in numbers[::3]:
        before = Before(site)
        done = run_with_fault(site, disk, f"enospc-from:{n}", "rotate", "sap")
        ends.add(done.exit)
        if done.exit == 0:
            assert site.settled().id != before.versions[0].id
            continue
        # Refused, and never after the new password was live.
        sentence(done, REFUSED, "store", "no room left", "free some space")
        before.holds(staged=True)
        site.run("recover", "sap", expect=0)
        site.settled()
    assert ends == {0, REFUSED}
    assert stat.S_IMODE(os.stat(path(site)).st_mode) == 0o600


def test_a_failing_disk_is_no_lost_password(taken_over):
    """EIO at each effect on the store's files."""
    site = taken_over
    _, disk = books_apart(site)
    done = run_with_fault(site, disk, "count", "rotate", "sap")
    for n in [e.number for e in done.effects if e.kind == "file"][::5]:
        done = run_with_fault(site, disk, f"fail-at:{n}", "rotate", "sap")
        assert done.exit in (0, 1, REFUSED, STORE_AWAY, 9,
                             CORRUPT), done.text
        assert site.live() is not None
        site.run("recover", "sap", expect=0)
        site.settled()
