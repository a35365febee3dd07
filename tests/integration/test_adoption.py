# SPDX-License-Identifier: PostgreSQL
"""Who was seen with which password: real sessions over rotations, what a clock
that is wrong makes of it, and what an administrator may see."""

import contextlib
import json
import os
import re
import sqlite3
import time

import psycopg
import pytest

from rig.daemon import QUICK, Daemon
from rig.installation import ADMIN
from rig.server import wait_for
from rig.verdict import sentence

USAGE = 2


def line_of(done, *words):
    """A line of check's with these words."""
    (line, *_) = [x for x in done.out.splitlines()
                  if all(w in x for w in words)] or [None]
    assert line, f"no line with {words}:\n{done.text}"
    return line


def session(site, application, role="sap", password=None, **more):
    """An open session of a consumer's."""
    return psycopg.connect(
        site.conninfo(user=role, **more), application_name=application,
        password=password or site.current(role).password, autocommit=True)


def adoption(site, *argv, role="sap"):
    return json.loads(site.run("adoption", role, "--json", *argv,
                               expect=0).out)[0]


def sightings(site, *argv, role="sap"):
    """{consumer: {"new", "old"}}"""
    found = {}
    for s in adoption(site, *argv, role=role)["sightings"]:
        found.setdefault(s["consumer"], set()).add(s["password"])
    return found


@pytest.fixture
def watched(new_site):
    """A role that was rotated, whose sessions the administrator may see."""
    def make(settings="", **more):
        site = new_site(role_settings=settings, **more)
        site.server.grant("sap", to=ADMIN)
        site.run("rotate", "sap", expect=0)
        return site
    return make


ETL = "host:127.0.0.1,app:etl"


def test_consumers_move_from_the_old_password_to_the_new(watched):
    site = watched("consumers = app:etl app:billing")
    with session(site, "etl") as etl, session(site, "billing"):
        assert sightings(site, "--look") == {
            ETL: {"new"}, "host:127.0.0.1,app:billing": {"new"}}
        assert site.status()["consumers_adopted"] == 2
        site.run("rotate", "sap", expect=0)
        # Their sessions go on, from before.
        found = adoption(site, "--look")
        assert (found["expected"], found["adopted"]) == (2, 0)
        assert "adopting 0 of 2 consumers" in site.run("status").out
        etl.close()
        with session(site, "etl"):
            found = adoption(site, "--look")
        assert found["adopted"] == 1
        assert [c["state"] for c in found["consumers"]] \
            == ["adopted", "not seen"]
        live = [s for s in found["sightings"] if s["password"] == "new"]
        assert [(s["consumer"], s["version"], s["login"], s["source"])
                for s in live] == [(ETL, site.current().id, "sap", "session")]
    text = site.run("adoption", "sap", expect=0).out
    assert re.match("sap: adopting 1 of 2 consumers, changed ", text)
    assert re.search("^    new  host:127.0.0.1,app:etl  seen 1 times", text,
                     re.M)
    assert re.search("^    old  host:127.0.0.1,app:billing  seen ", text, re.M)
    assert "    not seen  app:billing  with the new password\n" in text
    assert "shorter ones may be missed" in text and "not used" not in text


def test_keyturnd_looks_each_poll_and_asks_once_for_all_roles(new_site):
    roles = [f"r{i}" for i in range(8)]
    site = new_site(roles=roles, keyturn=QUICK)
    for role in roles:
        site.server.grant(role, to=ADMIN)
    site.run("rotate", *roles, expect=0)
    daemon = Daemon(site).ready()
    with contextlib.ExitStack() as stack:
        for role in roles[:4]:
            stack.enter_context(session(site, "etl", role))
        mark = site.server.mark()
        begun = time.monotonic()
        wait_for(lambda: all(adoption(site, role=r)["adopted"] == 1
                             for r in roles[:4]), "four adoptions", 40)
        time.sleep(2)
        polls = time.monotonic() - begun
    assert adoption(site, role=roles[4])["sightings"] == []
    asked = site.server.log_since(mark).count("pg_stat_activity a JOIN")
    assert 1 <= asked <= polls + 2, (asked, polls)
    daemon.stop()


def test_a_clock_that_is_wrong_changes_nothing(watched):
    """The server's own clock tells before from after; keyturn's is for people."""
    site = watched("consumers = app:etl")
    with session(site, "etl"):
        site.run("rotate", "sap", expect=0)
        # As if the host's clock had been a day ahead, and then behind.
        for shift in (86400, -86400):
            with contextlib.closing(sqlite3.connect(
                    os.path.join(site.state, "ledger.db"), timeout=20)) as db, \
                    db:
                db.execute("update role set rotated_us = rotated_us + ?",
                           [shift * 1000000])
            assert adoption(site, "--look")["adopted"] == 0
    with session(site, "etl"):
        assert adoption(site, "--look")["adopted"] == 1


def test_without_the_right_it_is_said_and_nothing_is_made_up(new_site):
    site = new_site(role_settings="consumers = app:etl")
    site.run("rotate", "sap", expect=0)
    done = site.run("check", "sap", expect=0)
    assert re.search(f'GRANT "sap" TO "{ADMIN}"', done.out)
    line_of(done, "warn", "adoption", "pg_read_all_stats", "since when")
    with session(site, "etl"):
        done = site.run("adoption", "sap", "--look", expect=0)
        assert "keyturn check says which right it lacks" in done.err
        assert adoption(site)["sightings"] == []
        # What check says is what helps.
        site.server.sql(re.search(
            'GRANT "sap" TO "[a-z_]*"( WITH INHERIT TRUE, SET FALSE)?',
            site.run("check", "sap").out)[0])
        assert "adoption" not in [
            json.loads(line)["topic"] for line in
            site.run("check", "sap", "--json").out.splitlines()
            if json.loads(line)["severity"] == "warn"]
        assert sightings(site, "--look") == {ETL: {"new"}}


def test_what_a_client_calls_itself_is_bounded_and_harmless(watched):
    site = watched()
    with session(site, "a\x1b[2Jb c,*\u00e9"), \
            session(site, "host=h password=hunter2"), \
            session(site, "x" * 63):
        names = set(sightings(site, "--look"))
    assert len(names) == 3
    assert "host:127.0.0.1,app:withheld" in names
    assert not any(re.search(r"[^!-~]", n) or len(n) > 400 for n in names)
    out = site.run("adoption", expect=0).out
    assert "hunter2" not in out and "\x1b" not in out
    # They all come from one place.
    assert "if that is a pooler, it is the address of every consumer" in out


def test_a_person_confirms_who_was_learnt(watched):
    site = watched()
    sentence(site.run("adoption", "sap", "--learn"), 11, "sap",
             "nothing to learn yet")
    with session(site, "PostgreSQL JDBC Driver"):
        site.run("adoption", "--look", expect=0)
    learnt = site.run("adoption", "sap", "--learn", expect=0)
    assert learnt.out == ("consumers = host:127.0.0.1,"
                          "app:PostgreSQL%20JDBC%20Driver\n")
    assert "It counts once it is in [role sap]" in learnt.err
    assert site.status()["consumers_expected"] is None
    site.configure(role_settings=learnt.out)
    assert (site.status()["consumers_expected"],
            site.status()["consumers_adopted"]) == (1, 1)


@pytest.mark.parametrize("argv, words", [
    (["--learn"], ["one role name"]),
    (["sap", "--since", "7d"], ["--learn only"]),
    (["sap", "--learn", "--since", "soon"], ["a duration (7d)"]),
    (["nobody"], ["nobody"]),
    (["sap", "--agent", "/nonexistent"], ["--agent /nonexistent"]),
    (["sap", "--agent", "/etc/hostname"], ["line 1 is not a line of"])])
def test_bad_input_is_one_sentence(taken_over, argv, words):
    done = taken_over.run("adoption", *argv)
    assert done.exit == USAGE, done.text
    assert len(done.err.splitlines()) == 1 and not done.out
    assert all(w in done.err for w in words), done.text


def test_an_agents_audit_is_taken_in_as_often_as_one_likes(taken_over,
                                                           new_agent):
    site = taken_over
    agent = new_agent(site)
    for _ in range(3):
        agent.get()
    agent.stop()
    export = site.run("--config", agent.configuration, "audit", "export",
                      configured=False)
    assert export.exit == 0, export.text
    trail = site.next_file("trail")
    with open(trail, "w") as f:
        f.write(export.out)
    for _ in range(2):
        found = adoption(site, "--agent", trail)
    assert (found["expected"], found["adopted"]) == (0, 0)
    (s,) = found["sightings"]
    assert s["consumer"] == f"user:{os.getuid()}" and s["count"] == 3
    assert s["source"] == "handout" and not s["uses"]
    assert s["version"] == site.current().id
    assert "was given it 3 times" in site.run("adoption", "sap").out


def test_a_cluster_that_is_away_is_said_once_and_rotations_go_on(watched):
    site = watched(keyturn=QUICK, cluster="connect_timeout = 2s")
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    site.server.stop()
    try:
        daemon.wait_log("cluster main: who uses its roles is not seen")
        time.sleep(3)
        assert daemon.log().count("is not seen") == 1
    finally:
        site.server.start()
    daemon.wait_log("cluster main: who uses its roles is seen again", 1, 40)
    daemon.stop()


@pytest.mark.parametrize("cluster", ["sample = no", "wake_timeout = 1s"])
def test_a_cluster_that_is_not_to_be_looked_at_is_left_alone(watched, cluster):
    site = watched("consumers = app:etl", keyturn=QUICK, cluster=cluster)
    mark = site.server.mark()
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    time.sleep(2)
    daemon.stop()
    assert "pg_stat_activity a JOIN" not in site.server.log_since(mark)
    assert "sessions are not looked at" in site.run("adoption", "sap").out
    line_of(site.run("check", "sap", expect=0), "note", "adoption",
            "sessions are not looked at here")
