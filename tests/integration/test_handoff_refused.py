# SPDX-License-Identifier: PostgreSQL
"""Wrong passwords while a hand-off goes on: who had them, and whether they were the
old one, as an agent, PAM and a log know it."""

import datetime
import json
import os
import re
import sqlite3
import subprocess

import psycopg
import pytest

from rig.agent import everything
from rig.server import wait_for
from rig.verdict import sentence
from test_handoff import STATES
from test_pam_overlap import overlap  # noqa: F401

MANUAL = "handoff = manual\nconsumers = host:203.0.113.0/24,app:etl\n"


def told(site, role="sap"):
    return json.loads(site.run("handoff", role, "--json", expect=0).out)


def counted(site):
    return [(r["address"], r["source"], r["password"], r["partner"],
             r["count"]) for r in told(site)["refused"]]


def refused(site, address, *more, role="sap"):
    done = site.run("handoff", "refused", role, "--address", address, *more,
                    expect=0)
    assert done.out == done.err == ""


def taken_in(site, agent):
    """Its trail, by the rotator."""
    trail = site.next_file("trail")
    with open(trail, "w") as f:
        f.write(agent.audit("export").out)
    site.run("adoption", "--agent", trail, expect=0)


@pytest.fixture
def manual(site):
    site.configure(role_settings=MANUAL)
    site.run("rotate", "sap", expect=0)
    return site


def stamp(**ago):
    at = datetime.datetime.now(datetime.timezone.utc) \
        - datetime.timedelta(**ago)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- a log -------------------------------------------------------------------------


def test_what_a_log_shows_is_counted_by_address(manual):
    site = manual
    events = len(site.audit())
    for _ in range(3):
        refused(site, "203.0.113.7")
    refused(site, "2001:DB8:0::7", "--count", "40")
    refused(site, "[local]")
    assert counted(site) == [
        ("203.0.113.7", "log", None, True, 3),
        ("2001:db8::7", "log", None, False, 40),
        ("local", "log", None, False, 1)]
    found = told(site)
    assert found["refused_since"] == found["states"]["prepared"]["at"]
    first = found["refused"][0]
    assert first["first"] < first["last"]
    text = site.run("handoff", "sap", expect=0).out
    assert "    refused    3 wrong passwords from 203.0.113.7 (the " \
        f"partner's), {first['first']} to {first['last']}, by log\n" in text
    assert "40 wrong passwords from 2001:db8::7 (not the partner's), " in text
    # The trail is not filled by who knocks: one for what begin_act records.
    assert len(site.audit()) <= events + 2
    assert "refused" not in [e.get("state") for e in site.audit()]


def test_the_page_finds_a_refusal_in_a_servers_log(manual):
    site, server = manual, manual.server
    page = os.path.join(os.path.dirname(__file__), "..", "..", "docs",
                        "handoff.md")
    with open(page) as f:
        text = f.read()
    prefix = re.search("`log_line_prefix = ('.*?')`", text)[1]
    script = re.search(r"^sed -un ('.*') \|$", text, re.M)[1]
    script = script.replace("sap_[ab]", "sap")
    try:
        server.sql(f"alter system set log_line_prefix = {prefix}")
        server.sql("select pg_reload_conf()")
        wait_for(lambda: server.sql("show log_line_prefix")[0][0]
                 == prefix.strip("'"), "the prefix")
        mark = server.mark()
        site.must_not_log_in("a-guess-of-this-test")
        site.must_log_in(site.current().password)
        log = server.log_since(mark)
    finally:
        server.sql("alter system reset log_line_prefix")
        server.sql("select pg_reload_conf()")
    found = subprocess.run(["sh", "-c", f"sed -un {script}"], input=log,
                           capture_output=True, text=True, check=True).stdout
    assert found.split() == ["127.0.0.1"], log
    refused(site, *found.split())
    assert counted(site) == [("127.0.0.1", "log", None, False, 1)]


def test_without_an_expected_host_it_is_not_said_whose_it_is(site):
    site.configure(role_settings="handoff = manual\nconsumers = app:etl\n")
    site.run("rotate", "sap", expect=0)
    refused(site, "203.0.113.7")
    assert counted(site) == [("203.0.113.7", "log", None, None, 1)]
    assert "1 wrong password from 203.0.113.7, " in site.run("handoff", "sap", expect=0).out


def test_only_what_came_since_the_offer_counts(manual, tmp_path):
    from test_handoff_offer import Partner
    site = manual
    refused(site, "203.0.113.7", "--count", "5")
    ito = Partner(str(tmp_path), "ito")
    site.run("handoff", "offer", "sap", "--to", ito.cert, "--out",
             str(tmp_path / "sap.eml"), expect=0)
    assert counted(site) == []
    refused(site, "203.0.113.7", "--at", stamp(minutes=5))
    assert counted(site) == []
    refused(site, "203.0.113.7")
    assert counted(site) == [("203.0.113.7", "log", None, True, 1)]
    assert told(site)["refused_since"] == told(site)["states"]["offered"]["at"]
    # A rotation begins anew.
    site.run("rotate", "sap", expect=0)
    assert counted(site) == []
    refused(site, "203.0.113.7")
    assert counted(site) == [("203.0.113.7", "log", None, True, 1)]


def test_whoever_knocks_fills_no_ledger_and_hides_no_partner(manual):
    site = manual
    for n in range(20):
        refused(site, f"198.51.100.{n}", "--count", "2")
    refused(site, "203.0.113.7")
    found = counted(site)
    assert ("203.0.113.7", "log", None, True, 1) in found
    assert ("further", "log", None, None, 26) in found
    assert len(found) == 9
    with sqlite3.connect(os.path.join(site.state, "ledger.db")) as ledger:
        (n,), = ledger.execute("select count(*) from memory where key like "
                               "'refused.%'")
    assert n <= 16


@pytest.mark.parametrize("argv, says", [
    ([], "handoff refused takes --address"),
    (["--address", "203.0.113.7:5432"], "--address: \"203.0.113.7:5432\" is not "
     "an address"),
    (["--address", "203.0.113.999"], "is not an address such as 203.0.113.7"),
    (["--address", "db.example.com"], "is not an address"),
    (["--address", "x\n1"], "is not an address"),
    (["--address", "203.0.113.7", "--at", "yesterday"], "--at takes a time"),
    (["--address", "203.0.113.7", "--at", stamp(days=-1)], "is in the future"),
    (["--address", "203.0.113.7", "--count", "0"], "--count takes a number"),
    (["--address", "203.0.113.7", "--count", "-1"], "--count takes a number"),
    (["--address", "203.0.113.7", "--count", "2x"], "--count takes a number"),
    (["--address", "203.0.113.7", "--count", "1000001"], "from 1 to 1000000"),
    (["--address", "203.0.113.7", "--reason", "x"], "does not take --reason"),
])
def test_bad_input_is_one_sentence_and_counts_nothing(manual, argv, says):
    sentence(manual.run("handoff", "refused", "sap", *argv), 2, says)
    assert counted(manual) == []


def test_a_role_that_is_not_handed_off_counts_none(site):
    site.configure()
    site.run("rotate", "sap", expect=0)
    sentence(site.run("handoff", "refused", "sap", "--address", "203.0.113.7"),
             6, "is not handed off by a person")


# ---- an agent ----------------------------------------------------------------------


def test_an_agent_tells_the_old_password_from_another(manual, new_agent):
    site = manual
    agent = new_agent(site, refresh="1h", roles={
        "sap": everything() + "\ngrace = 1s"})
    old = site.current()
    assert agent.verify(old.password, rhost="203.0.113.7") == "OK"
    site.run("rotate", "sap", expect=0)
    new = site.current()
    agent.push(version=new.id)
    agent.wait_version(new.id)
    wait_for(lambda: agent.verify(old.password, rhost="203.0.113.7")
             == "MISMATCH", "the end of the grace")
    for password, host in ((old.password, "203.0.113.7"),
                           ("a-guess-of-this-test", "198.51.100.9"),
                           ("another-guess-of-it", "no host; at all")):
        assert agent.verify(password, rhost=host) == "MISMATCH"
    site.run("adoption", "--look", expect=0)
    agent.stop()
    rejected = [e for e in agent.events("verify")
                if e["status"] == "REJECTED"]
    assert {(e["host"], e.get("label")) for e in rejected} == {
        ("203.0.113.7", "previous"), ("198.51.100.9", None),
        ("no host; at all", None)}
    # As often as one likes.
    for _ in range(2):
        taken_in(site, agent)
        assert counted(site) == [
            ("203.0.113.7", "verify", "previous", True, 2),
            ("198.51.100.9", "verify", None, False, 1),
            ("further", "verify", None, None, 1)]
    assert "by verify, the old one: a client that has not got the new one\n" \
        in site.run("handoff", "sap", expect=0).out
    # It was a refusal, and nobody was seen.
    assert told(site)["states"]["seen"] is None
    reached = [s for s in STATES if told(site)["states"][s]]
    assert reached == ["prepared", "fetched", "retired"]  # by GET


def test_postgresql_asks_by_pam_and_the_partner_is_told_apart(
        overlap):  # noqa: F811
    place = overlap("1s")
    site = place.site
    site.configure(role_settings="handoff = manual\n"
                   "consumers = host:127.0.0.0/8\n")
    old = site.current()
    place.login(old.password).close()
    new = place.rotate()

    def is_refused(password):
        try:
            place.login(password).close()
        except psycopg.OperationalError as e:
            assert "PAM authentication failed" in str(e)
            return True
        return False
    wait_for(lambda: is_refused(old.password), "the end of the grace")
    assert is_refused("a-guess-of-this-test")
    place.login(new.password).close()
    place.agent.stop()
    taken_in(site, place.agent)
    assert sorted(counted(site), key=str) == sorted([
        ("127.0.0.1", "verify", "previous", True, 1),
        ("127.0.0.1", "verify", None, True, 1)], key=str)
    assert told(site)["states"]["seen"]["source"] == "verify"
