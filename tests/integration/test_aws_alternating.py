# SPDX-License-Identifier: PostgreSQL
"""Two login roles in turn whose secret is in Secrets Manager, which compares the
label that is moved and no revision: before a member is retired CURRENT becomes
another version of its password, so that no earlier request is good any more."""

import json

import pytest

from rig.pair import NOT_PERMITTED, REFUSED, new_pair
from test_alternating_killed import (  # noqa: F401
    test_killed_at_any_step_a_pair_goes_on)
from test_aws import (_double, amazon, double, new_aws_site)  # noqa: F401

ALWAYS = 1000
MOVES = "UpdateSecretVersionStage"


@pytest.fixture
def pair(new_aws_site):  # noqa: F811
    with new_pair(new_aws_site(keyturn="control_interval = 0s")) as made:
        yield made


@pytest.fixture
def rotated(pair):
    """Both members have a password."""
    pair.run("rotate", "sap")
    pair.run("rotate", "sap")
    return pair


def stored(pair):
    """User and password of AWSCURRENT."""
    value = pair.site.value()
    pair.site.remember(value["password"], "AWSCURRENT")
    return value["username"], value["password"]


def in_order(pair):
    """Consumers, file, marker and Secrets Manager say the same."""
    assert stored(pair) == pair.told()
    assert pair.works(pair.told())
    assert pair.site.marker()["live_version"] == pair.site.current().id
    return pair.told()


def previous(pair):
    return pair.site.labelled("previous")


def test_two_roles_take_turns(pair):
    pair.run("rotate", "sap")
    first = in_order(pair)
    assert first[0] == "sap_a"
    pair.run("rotate", "sap")
    second = in_order(pair)
    assert second[0] == "sap_b" and pair.works(first)
    was = pair.site.current().id
    pair.run("retire", "sap")
    # The same password under an id that no earlier request knows.
    assert in_order(pair) == second
    assert pair.site.current().id != was
    assert previous(pair) is None
    pair.refused(first, NOT_PERMITTED)
    pair.run("rotate", "sap")
    third = in_order(pair)
    assert third[0] == "sap_a" and pair.works(second)
    pair.run("rollback", "sap", "--reason", "T-1")
    assert in_order(pair) == second
    pair.run("retire", "sap")
    assert in_order(pair) == second
    pair.run("rollback", "sap", "--reason", "T-2")
    assert in_order(pair) == third
    pair.run("retire", "sap")
    done = pair.run("retire", "sap", "--now")
    assert "refused" in done.out
    assert pair.role("sap_b") == (False, False)
    pair.refused(second, REFUSED)
    assert in_order(pair) == third


def test_a_retirement_is_told_as_one(rotated):
    """Not as a rotation: the password is as old as it was."""
    site = rotated.site

    def tags():
        return {t["Key"]: t["Value"] for t in site.describe()["Tags"]}

    def rotated_at():
        said = json.loads(rotated.run("status", "--json").out)
        return said[0]["rotated_at"]

    before, at = tags(), rotated_at()
    kinds = len(site.kinds())
    rotated.run("retire", "sap")
    after = tags()
    assert after["keyturn:last-rotated"] == before["keyturn:last-rotated"]
    assert after["keyturn:version"] == site.current().id
    assert after["keyturn:version"] != before["keyturn:version"]
    assert rotated_at() == at
    told = site.kinds()[kinds:]
    # It is not withdrawn at once: that is told as a conflict.
    assert [kind for kind in told if kind in (
        "withdraw", "renew", "adopt", "promote", "tombstone")] == [
            "withdraw", "renew", "adopt", "promote", "withdraw", "tombstone"]
    assert "rotated" not in told and told.count("retired") == 1


def test_the_story_of_a_hand_off_goes_on_with_another_version(rotated):
    """It is the same password that the partner has typed in."""
    with open(rotated.site.configuration) as f:
        text = f.read()
    with open(rotated.site.configuration, "w") as f:
        f.write(text.replace("strategy = alternating",
                             "strategy = alternating\nhandoff = manual"))
    rotated.run("retire", "sap", expect=19)
    was = rotated.site.current().id
    rotated.run("handoff", "confirm", "sap", "--reason", "called")
    before = json.loads(rotated.run("handoff", "sap", "--json").out)["states"]
    rotated.run("retire", "sap")
    for _ in range(2):
        found = json.loads(rotated.run("handoff", "sap", "--json").out)
        assert found["version"] == rotated.site.current().id != was
        assert found["over"] and found["states"].pop("retired")["source"] == \
            "retire"
        assert found["states"] == {k: v for k, v in before.items()
                                   if k != "retired"}
        rotated.run("rotate", "--due", "--quiet", expect=3)
    assert [e["state"] for e in rotated.site.audit()
            if e.get("kind") == "handoff"] == ["prepared", "confirmed",
                                               "retired"]
    rotated.run("retire", "sap", "--now")


@pytest.mark.parametrize("lands", ["before it is retired", "after that"])
def test_a_late_request_moves_nothing_back(pair, double, lands):  # noqa: F811
    """It was sent by the rotation to a member that is retired since."""
    pair.run("rotate", "sap")
    first = pair.told()
    double.fault(MOVES, "late")
    pair.run("rotate", "sap")
    second = in_order(pair)
    assert second != first and double.late
    pair.run("rollback", "sap", "--reason", "T-1")
    if lands == "before it is retired":
        double.land()
        assert stored(pair) == second
        pair.run("recover", "sap")
    assert in_order(pair) == first
    pair.run("retire", "sap")
    double.land()
    assert in_order(pair) == first
    assert previous(pair) is None
    pair.refused(second, NOT_PERMITTED)
    pair.run("rotate", "sap")
    in_order(pair)


@pytest.mark.parametrize("operation,skip", [
    ("PutSecretValue", 0), ("GetSecretValue", 0), ("GetSecretValue", 2),
    ("DescribeSecret", 1), (MOVES, 0), (MOVES, 1)])
@pytest.mark.parametrize("kind", ["before", "after", "late", "500-after",
                                  "wrong", "AccessDeniedException"])
def test_nobody_is_locked_out_by_what_goes_wrong_at_aws(
        rotated, double, operation, skip, kind):  # noqa: F811
    now = rotated.told()
    double.fault(operation, kind, ALWAYS, skip=skip)
    rotated.site.run("retire", "sap")
    double.faults.clear()
    assert stored(rotated) == now and rotated.works(now)
    double.land()
    assert stored(rotated) == now and rotated.works(now)
    rotated.run("recover", "sap")
    rotated.run("retire", "sap")
    assert in_order(rotated) == now
    assert rotated.role("sap_a") == (False, True)


def test_a_restored_database_cannot_be_moved_by_what_was_sent_before(
        pair, double):  # noqa: F811
    """A rotation's request is on its way when the database is restored to before
    that rotation; then the other member ends."""
    site = pair.site
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    second = pair.told()
    pair.run("retire", "sap")
    with site.server.connect(site.database) as c:
        row = c.execute("select to_jsonb(m) from keyturn.marker m "
                        "where live_version is not null").fetchone()[0]
        hashed = c.execute("select rolpassword from pg_authid where rolname = "
                           "'sap_a'").fetchone()[0]
    double.fault(MOVES, "late", ALWAYS)
    assert site.run("rotate", "sap").exit != 0
    double.faults.clear()
    assert double.late
    with site.server.connect(site.database) as c:
        c.execute("update keyturn.marker m set live_version = x.live_version, "
                  "active_oid = x.active_oid, previous_oid = x.previous_oid, "
                  "previous_version = x.previous_version, claim = x.claim, "
                  "epoch = x.epoch, retired_at = null, "
                  "fingerprint = x.fingerprint from "
                  "jsonb_populate_record(null::keyturn.marker, %s) x "
                  "where m.role_oid = x.role_oid", [json.dumps(row)])
        c.execute("set password_encryption = 'scram-sha-256'")
        c.execute(f"alter role sap_a login password '{hashed}'")
    done = pair.run("recover", "sap", expect=19)
    assert "sap_a may still log in" in done.out
    assert in_order(pair) == second and pair.works(first)
    pair.run("retire", "sap")
    double.land()
    assert in_order(pair) == second
    pair.refused(first, NOT_PERMITTED)


def test_a_password_that_got_out_is_ended(rotated):
    first, site = rotated.told(), rotated.site
    done = rotated.run("rotate", "sap", "--compromised", "--reason", "INC-7")
    assert "old password refused" in done.out
    now = in_order(rotated)
    assert now[1] != first[1] and previous(rotated) is None
    rotated.refused(first, REFUSED)
    assert sum(rotated.role(m)[0] for m in ("sap_a", "sap_b", "sap")) == 1
    assert site.kinds().count("compromised") == 1


def test_a_password_that_got_out_is_known_under_any_version(
        rotated, double):  # noqa: F811
    """A run that was to end it has died, and who ended the other one gave it
    another id: it is no other password."""
    out = rotated.told()
    double.fault("PutSecretValue", "AccessDeniedException", ALWAYS)
    rotated.site.run("rotate", "sap", "--compromised", "--reason", "INC-7")
    double.faults.clear()
    rotated.run("retire", "sap")
    assert in_order(rotated) == out
    rotated.run("recover", "sap")
    now = in_order(rotated)
    assert now[1] != out[1]
    rotated.refused(out, REFUSED)


def test_an_owner_that_logged_in_before_is_ended_first(
        new_aws_site):  # noqa: F811
    """It is no member that gets another password, when one got out."""
    from rig.installation import FIRST_PASSWORD
    from rig.pair import PAIR, Pair
    site = new_aws_site()
    site.run("rotate", "sap", expect=0)
    owner = ("sap", site.current().password)
    pair = Pair(site)
    site.configure(role_settings=PAIR.format(sinks=site.sinks))
    pair.run("role", "pair", "sap")
    pair.run("rotate", "sap")
    member = in_order(pair)
    assert member[0] == "sap_a"
    pair.login(owner).close()
    pair.run("rotate", "sap", "--compromised", "--reason", "INC-7")
    in_order(pair)
    for who in (owner, member, ("sap", FIRST_PASSWORD)):
        pair.refused(who, REFUSED)
    for name in ("sap_a", "sap_b"):
        site.server.sql(f"drop role if exists {name}")
