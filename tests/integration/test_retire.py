# SPDX-License-Identifier: PostgreSQL
"""Who of a pair's consumers has moved to the new member, and the end of the old
one's password that keyturn begins by itself (retire = auto)."""

import json
import re

import psycopg

from rig.installation import ADMIN
from test_alternating import pair  # noqa: F401  (a fixture)


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
        made.site.server.sql(f"grant {name} to {ADMIN}")


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
