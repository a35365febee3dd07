# SPDX-License-Identifier: PostgreSQL
"""Who of a pair's consumers has moved to the new member, and the end of the old
one's password that keyturn begins by itself (retire = auto)."""

import contextlib
import json
import re
import sqlite3
import time

import psycopg
import pytest

from rig.daemon import QUICK, Daemon, overdue
from rig.installation import ADMIN
from rig.server import wait_for
from test_alternating import (NOT_PERMITTED, PAIR, REFUSED,
                              pair)  # noqa: F401  (a fixture)


def session(made, who, application):
    """An open session of a consumer's."""
    site = made.site
    return psycopg.connect(
        site.conninfo(user=who[0], dbname=site.database), password=who[1],
        application_name=application, autocommit=True)


def adoption(made, *argv):
    return json.loads(made.run("adoption", "sap", "--json", *argv).out)[0]


def see(made):
    """The administrator may."""
    for name in ("sap_a", "sap_b", "sap"):
        made.site.server.grant(name, to=ADMIN)


# ---- who has moved ------------------------------------------------------------


def test_the_member_tells_who_has_the_new_password(pair):  # noqa: F811
    pair.configure("consumers = app:etl app:billing\n")
    see(pair)
    pair.run("rotate", "sap")
    first = pair.told()
    with session(pair, first, "etl") as etl, session(pair, first, "billing"):
        found = adoption(pair, "--look")
        assert (found["expected"], found["adopted"]) == (2, 2)
        pair.run("rotate", "sap")
        second = pair.told()
        assert "adopting 0 of 2 consumers" in pair.run("status").out
        etl.close()
        with session(pair, second, "etl"):
            found = adoption(pair, "--look")
        assert (found["expected"], found["adopted"]) == (2, 1)
    assert {(s["consumer"].split(":")[-1], s["login"], s["password"])
            for s in found["sightings"] if s["last_seen"] > "2"} == {
        ("etl", "sap_a", "old"), ("billing", "sap_a", "old"),
        ("etl", "sap_b", "new")}
    versions = {s["login"]: s["version"] for s in found["sightings"]}
    assert versions["sap_b"] == pair.site.current().id
    assert versions["sap_a"] not in (None, versions["sap_b"])
    text = pair.run("adoption", "sap").out
    assert re.match("sap: adopting 1 of 2 consumers, changed ", text)
    assert re.search("^    new  host:127.0.0.1,app:etl .*, as sap_b$", text,
                     re.M)
    assert "    not seen  app:billing  with the new password\n" in text
    assert "shorter ones may be missed" in text and "not used" not in text
    assert "adopting 1 of 2 consumers" in pair.run("status").out


def test_after_a_rollback_who_was_seen_before_has_not_moved(pair):  # noqa: F811
    pair.configure("consumers = app:etl\n")
    see(pair)
    pair.run("rotate", "sap")
    first = pair.told()
    with session(pair, first, "etl"):
        assert adoption(pair, "--look")["adopted"] == 1
    pair.run("rotate", "sap")
    pair.run("rollback", "sap", "--reason", "T-1")
    assert pair.told() == first
    assert adoption(pair, "--look")["adopted"] == 0
    with session(pair, first, "etl"):
        assert adoption(pair, "--look")["adopted"] == 1


def test_check_says_whose_sessions_are_not_shown(pair):  # noqa: F811
    pair.configure("consumers = app:etl\n")
    pair.run("rotate", "sap")
    assert f'GRANT "sap_a" TO "{ADMIN}"' in pair.run("check", "sap").out
    see(pair)
    assert "sessions of its consumers are seen" in pair.run("check", "sap").out


# ---- by itself ------------------------------------------------------------------

AUTO = """retire = auto
quiet = 4s
tombstone = 3s
consumers = app:etl
"""


@pytest.fixture
def auto(pair):  # noqa: F811
    """A pair that was rotated twice, whose old member nobody uses."""
    def make(settings=AUTO, rights=True):
        pair.configure(settings)
        if rights:
            see(pair)
        pair.run("rotate", "sap")
        pair.first = pair.told()
        pair.run("rotate", "sap")
        return pair
    site = pair.site
    plain = pair.configure
    pair.configure = lambda more="": site.configure(
        role_settings=PAIR.format(sinks=site.sinks) + more, keyturn=QUICK)
    yield make
    pair.configure = plain


def waits(made):
    return made.site.status()["retire_waits"]


def may_login(made, name):
    return made.role(name)[0]


def runs(made, mode):
    return [r for r in json.loads(made.run("history", "sap", "--json").out)
            if r["mode"] == mode]


def test_the_old_password_ends_when_it_was_quiet_and_all_have_moved(auto):
    made = auto()
    first, second = made.first, made.told()
    daemon = Daemon(made.site).ready()
    # Quiet alone is not enough.
    wait_for(lambda: waits(made)
             == "0 of 1 consumers were seen with the new password",
             "quiet", 40)
    assert made.works(first) and not runs(made, "retire")
    assert "deferred" not in made.site.status()["state"]
    with session(made, second, "etl"):
        daemon.wait_log("sap: the old member may not log in any more")
    made.refused(first, NOT_PERMITTED)
    assert made.works(second)
    # After tombstone the password goes, too.
    daemon.wait_log("sap: the old password is gone, and is refused")
    assert made.role("sap_a") == (False, False)
    made.refused(first, REFUSED)
    assert made.works(second)
    time.sleep(3)
    daemon.stop()
    retired, cleared = sorted(runs(made, "retire"),
                              key=lambda r: r["begun_at"])
    assert re.search(r"quiet for \d+s, and 1 of 1 consumers",
                     retired["reason"])
    assert "without LOGIN for" in cleared["reason"]
    assert waits(made) is None
    assert made.site.kinds().count("retired") == 2
    made.run("audit", "verify")
    # And the next rotation is free.
    made.run("rotate", "sap")
    assert made.told()[0] == "sap_a" and made.works(made.told())


def test_a_session_that_comes_back_in_time_puts_it_off(auto):
    made = auto()
    second = made.told()
    with session(made, second, "etl"):
        daemon = Daemon(made.site).ready()
        wait_for(lambda: "was quiet for" in (waits(made) or ""), "quiet", 20)
        with session(made, made.first, "late"):
            wait_for(lambda: waits(made) == "the old member is in use "
                     "(sessions: 1)", "the session to be seen", 20)
            time.sleep(5)
            assert may_login(made, "sap_a") and not runs(made, "retire")
        left = time.monotonic()
        daemon.wait_log("sap: the old member may not log in any more")
        assert time.monotonic() - left > 3
    daemon.stop()


def test_no_old_password_ends_by_itself_in_a_blackout(auto):
    settings = AUTO.replace("quiet = 4s", "quiet = 1s")
    made = auto(settings)
    with session(made, made.told(), "etl"):
        for _ in range(4):
            made.run("adoption", "--look")
            time.sleep(0.5)
    made.configure(settings + "blackout = 2026-01-01..2099-01-01\n")
    made.site.run("rotate", "--due", expect=3)
    assert may_login(made, "sap_a") and not runs(made, "retire")
    made.configure(settings)
    assert "rid of its old password" in \
        made.site.run("rotate", "--due", "--dry-run", expect=0).out


def test_a_session_that_no_look_has_seen_defers_and_is_no_failure(auto):
    """Its last look at the server was before it: what the run itself sees counts."""
    made = auto(AUTO.replace("quiet = 4s", "quiet = 1s"))
    second, site = made.told(), made.site
    with session(made, second, "etl"):
        for _ in range(4):
            made.run("adoption", "--look")
            time.sleep(0.5)
    assert "rid of its old password" in \
        site.run("rotate", "--due", "--dry-run", expect=0).out
    with session(made, made.first, "late"):
        done = site.run("rotate", "--due", expect=19)
        assert "sap_a has sessions again" in done.out, done.text
    status = site.status()
    assert (status["state"], status["failures"]) == ("deferred", 0)
    assert "sap_a has sessions again" in status["last_error"]
    assert may_login(made, "sap_a")
    # Quiet begins anew.
    made.run("adoption", "--look")
    assert "was quiet for 0s of 1s" in waits(made)
    site.run("rotate", "--due", expect=3)


def test_without_the_right_nobody_is_called_quiet(auto):
    made = auto(rights=False)
    daemon = Daemon(made.site).ready()
    wait_for(lambda: waits(made), "a look", 20)
    time.sleep(6)
    daemon.stop()
    assert f'GRANT pg_read_all_stats TO "{ADMIN}"' in waits(made)
    assert may_login(made, "sap_a") and not runs(made, "retire")
    assert f'GRANT pg_read_all_stats TO "{ADMIN}"' in \
        made.run("check", "sap").out


def test_by_hand_means_by_hand(auto):
    made = auto(AUTO.replace("retire = auto", "retire = manual"))
    with session(made, made.told(), "etl"):
        daemon = Daemon(made.site).ready()
        daemon.manager.wait_line("STATUS=1 roles")
        time.sleep(9)
        daemon.stop()
    assert may_login(made, "sap_a") and not runs(made, "retire")
    assert made.site.status()["retire"] == "manual"


def test_a_start_of_keyturnd_begins_quiet_anew(auto):
    made = auto()
    with session(made, made.told(), "etl"):
        daemon = Daemon(made.site).ready()
        wait_for(lambda: "was quiet for" in (waits(made) or ""),
                 "its beginning", 20)
        time.sleep(2)  # half of it
        daemon.stop()
        time.sleep(4)  # more than three polls
        assert made.site.run("rotate", "--due").exit == 3
        again = time.monotonic()
        daemon = Daemon(made.site).ready()
        daemon.wait_log("sap: the old member may not log in any more")
        assert time.monotonic() - again > 3.5
        daemon.stop()


def looked(made):
    """What the ledger has of the looks: when it was noted, and all of it."""
    with contextlib.closing(sqlite3.connect(
            f"file:{made.site.state}/ledger.db?mode=ro", uri=True)) as db:
        rows = db.execute("select value from memory where key = "
                          "'looked.sap'").fetchall()
    return rows[0][0] if rows else None


def test_looks_are_noted_when_something_changed(auto):
    made = auto(AUTO.replace("quiet = 4s", "quiet = 1h"))
    daemon = Daemon(made.site).ready()
    wait_for(lambda: "was quiet for" in (waits(made) or ""), "quiet", 20)
    noted = looked(made)
    assert noted
    time.sleep(5)
    assert looked(made) == noted
    with session(made, made.first, "late"):
        wait_for(lambda: "in use" in (waits(made) or ""), "its session", 20)
        used = looked(made)
        time.sleep(4)
        assert looked(made) == used != noted
    # What was not noted is, at the end, so that a new start goes on.
    wait_for(lambda: "was quiet for" in (waits(made) or ""), "quiet", 20)
    noted = looked(made)
    time.sleep(3)
    daemon.stop()
    assert looked(made) != noted
    began = looked(made).split()[1]
    daemon = Daemon(made.site).ready()
    time.sleep(2)
    daemon.stop()
    assert looked(made).split()[1] == began


def test_a_rotation_that_is_due_waits_for_the_retirement(auto):
    made = auto()
    overdue(made.site)
    with session(made, made.first, "late"):
        made.run("adoption", "--look")
        made.run("rotate", "--due", expect=3)
        status = made.site.status()
        assert status["state"] == "overdue"
        assert "in use (sessions: 1)" in status["retire_waits"]
    # By hand it is tried, and is late without having failed.
    made.configure(AUTO.replace("auto", "manual"))
    done = made.run("rotate", "--due", expect=19)
    assert "sap_a may still log in" in done.out
    status = made.site.status()
    assert (status["state"], status["failures"]) == ("overdue", 0)
    assert status["last_status"] == "DEFERRED"


def test_check_says_what_can_never_happen(auto):
    made = auto()
    done = made.run("check", "sap").out
    assert re.search("warn  sap: retire: never seen yet.* app:etl", done)
    assert re.search("warn  sap: retire: who uses the old member was never "
                     "looked at", done)
    made.site.configure(
        role_settings=PAIR.format(sinks=made.site.sinks) + AUTO,
        keyturn=QUICK, cluster="sample = no")
    assert "retire = auto will never end an old password" in \
        made.run("check", "sap").out
