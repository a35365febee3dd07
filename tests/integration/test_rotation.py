# SPDX-License-Identifier: PostgreSQL
"""One rotation, seen from outside: by the server's log, by logins of another
client, and by what is in the files."""

import json
import os
import re

import psycopg

from rig.installation import FIRST_PASSWORD


def test_the_first_rotation_takes_the_role_over(site):
    site.must_log_in(FIRST_PASSWORD)
    assert site.versions() == []
    site.run("rotate", "sap", expect=0)
    site.must_not_log_in(FIRST_PASSWORD)
    assert site.settled().password != FIRST_PASSWORD


def test_a_rotation_replaces_the_password_and_keeps_the_old_one_known(
        taken_over):
    old = taken_over.current()
    taken_over.run("rotate", "sap", expect=0)
    new = taken_over.settled()
    taken_over.must_not_log_in(old.password)
    assert taken_over.labelled("previous") == \
        type(old)("previous", old.id, old.password)
    assert taken_over.marker()["live_version"] == new.id


def test_a_rotation_in_the_steady_state_costs_one_login_and_no_failure(
        taken_over):
    mark = taken_over.server.mark()
    taken_over.run("rotate", "sap", expect=0)
    assert taken_over.server.logins(mark, "sap") == (1, 0)


def test_sessions_have_the_name_that_conninfo_gives_them(taken_over):
    site = taken_over
    site.configure(conninfo=site.conninfo(application_name="rotator-7"))
    mark = site.server.mark()
    site.run("rotate", "sap", expect=0)
    names = set(re.findall(r"connection authorized: user=(\S+) .*?"
                           r"application_name=(\S+)",
                           site.server.log_since(mark)))
    assert {name for _, name in names} == {"rotator-7"}
    site.settled()


def test_the_wrong_password_control_is_made_when_it_is_not_remembered(
        new_site):
    site = new_site(keyturn="control_interval = 0s")
    # A role that is new has no password that could be tried before.
    for right in (1, 2):
        mark = site.server.mark()
        site.run("rotate", "sap", expect=0)
        assert site.server.logins(mark, "sap") == (right, 1)


def test_the_server_sees_verifiers_and_never_a_password(taken_over):
    mark = taken_over.server.mark()
    taken_over.run("rotate", "sap", expect=0)
    changes = re.findall(r"ALTER ROLE \S+ PASSWORD\s+E?'([^']*)'",
                         taken_over.server.log_since(mark))
    assert len(changes) == 1
    assert re.fullmatch(r"SCRAM-SHA-256\$\d+:[\w+/=]+\$[\w+/=]+:[\w+/=]+",
                        changes[0])


def test_open_sessions_outlive_a_rotation(taken_over):
    server = taken_over.server
    with psycopg.connect(host="127.0.0.1", port=server.port, user="sap",
                         dbname=taken_over.database, sslmode="require",
                         password=taken_over.current().password) as session:
        taken_over.run("rotate", "sap", expect=0)
        assert session.execute("select current_user").fetchone() == ("sap",)


def test_get_prints_what_logs_in_and_is_in_the_audit_first(taken_over):
    events = len(taken_over.audit())
    printed = taken_over.get()
    assert printed == taken_over.current().password
    assert [e["kind"] for e in taken_over.audit()[events:]
            if e.get("role") == "sap"] == ["handout"]
    taken_over.run("rotate", "sap", expect=0)
    assert taken_over.get(label="previous") == printed


def test_json_has_one_line_a_role_and_says_what_happened(new_site):
    site = new_site(roles=("sap", "erp", "crm"))
    done = site.run("rotate", "sap", "erp", "crm", "--json", expect=0)
    assert sorted(line["role"] for line in done.lines) == \
        ["crm", "erp", "sap"]
    for line in done.lines:
        assert (line["status"], line["exit"]) == ("OK", 0)
        assert line["version"] == site.settled(line["role"]).id
        assert line["finished_earlier"] is False


def test_the_history_says_who_why_and_how_long(taken_over):
    taken_over.run("rotate", "sap", "--reason", "ticket 4711", expect=0)
    done = taken_over.run("history", "sap", "--json", expect=0)
    newest = json.loads(done.out)[0]
    assert newest["reason"] == "ticket 4711"
    assert newest["status"] == "OK" and newest["mode"] == "rotate"
    assert newest["version"] == taken_over.current().id
    for step in ("claim", "stage", "apply", "prove", "promote"):
        assert newest["steps"][step] > 0


def test_a_rotation_shows_nothing_to_a_user_who_reads_proc(taken_over):
    """The search after each test looks at the samples; here, that there are
    any."""
    run = taken_over.start("rotate", "sap")
    run.finish()
    with open(run.base + ".proc", "rb") as f:
        sample = f.read()
    assert b"rotate" in sample
    # Who is not root may not even read the environment of such a process.
    assert b"PATH=" in sample or os.geteuid() != 0
