# SPDX-License-Identifier: PostgreSQL
"""A partner whom a person reconfigures, played: what was done for it, what it did
itself, and that its old password is kept until then."""

import contextlib
import json
import os
import re
import time

import pytest

from rig.daemon import QUICK, Daemon
from rig.installation import FIRST_PASSWORD
from rig.receiver import Program
from rig.server import wait_for
from test_alternating import (NOT_PERMITTED, PAIR, pair)  # noqa: F401
from test_retire import may_login, runs, see, session

MANUAL = "handoff = manual\nconsumers = app:etl\n"
STATES = ["prepared", "offered", "fetched", "seen", "confirmed", "retired"]


@pytest.fixture
def hook(tmp_path):
    return Program(str(tmp_path))


@pytest.fixture
def manual(pair, hook):  # noqa: F811
    """A pair whose partner has the first password, and not yet the second."""
    def make(more="", rotations=2):
        site = pair.site
        site.configure(role_settings=PAIR.format(sinks=site.sinks) + MANUAL
                       + more, keyturn=QUICK,
                       more=f"[hook h]\ncommand = {hook.path}\n"
                            "events = handoff alarm retired\n")
        see(pair)
        for n in range(rotations):
            pair.run("rotate", "sap")
            if n == 0:
                pair.first = pair.told()
                pair.run("handoff", "confirm", "sap", "--quiet")
        return pair
    return make


@contextlib.contextmanager
def keyturnd(made):
    daemon = Daemon(made.site).ready()
    yield daemon
    daemon.stop()


def told(made, role="sap"):
    return json.loads(made.run("handoff", role, "--json").out)


def reached(made):
    return [s for s in STATES if told(made)["states"][s]]


def trail(made, version):
    return [(e["state"], e["source"]) for e in made.site.audit()
            if e.get("kind") == "handoff" and e["version"] == version]


# ---- how far it has come ---------------------------------------------------------


def test_each_state_has_its_time_its_actor_and_its_source(manual, hook):
    made = manual()
    version, second = made.site.current().id, made.told()
    now = told(made)
    assert (now["state"], now["version"], now["over"], now["late"]) == \
        ("prepared", version, False, False)
    assert now["states"]["prepared"]["source"] == "rotate"
    assert now["states"]["prepared"]["actor"].startswith("uid ")
    assert "0 of 1 consumers were seen" in now["waits"]
    assert "hand-off prepared; 0 of 1 consumers" in made.run("status").out
    with session(made, second, "etl"):
        made.run("adoption", "--look")
    seen = told(made)["states"]["seen"]
    assert (seen["source"], seen["actor"]) == \
        ("session", "host:127.0.0.1,app:etl")
    assert seen["at"] > now["states"]["prepared"]["at"]
    made.run("handoff", "confirm", "sap", "--reason", "called")
    made.run("retire", "sap")
    assert not may_login(made, "sap_a")
    assert reached(made) == ["prepared", "seen", "confirmed", "retired"]
    # An event has the time of its state, and says who found it out.
    event = next(e for e in made.site.audit() if e.get("state") == "seen")
    assert event["at"] == seen["at"] and "found out by uid" in event["detail"]
    assert made.site.status()["handoff"] == "retired"
    assert trail(made, version) == [
        ("prepared", "rotate"), ("seen", "session"),
        ("confirmed", "command"), ("retired", "retire")]
    confirmed = [e for e in made.site.audit() if e.get("state") == "confirmed"]
    assert confirmed[-1]["detail"] == "called"
    assert confirmed[-1]["actor"].startswith("uid ")
    assert [(e["state"], e["source"]) for e in hook.events()
            if e["event"] == "handoff" and e["version"] == version] == \
        trail(made, version)
    text = made.run("handoff", "sap").out
    assert text.startswith(f"sap: retired, version {version}\n")
    assert re.search(r"^    seen       \S+Z  session, by "
                     "host:127.0.0.1,app:etl$", text, re.M)
    assert re.search("^    offered    -$", text, re.M)
    made.run("audit", "verify")


def test_nothing_is_recorded_twice_and_looking_records_nothing(manual):
    made = manual()
    version = made.site.current().id
    for _ in range(2):
        made.run("rotate", "--due", "--quiet", expect=3)
        made.run("handoff", "sap")
        made.run("status")
    assert trail(made, version) == [("prepared", "rotate")]
    with session(made, made.told(), "etl"):
        for _ in range(2):
            made.run("adoption", "--look")
    assert trail(made, version) == [("prepared", "rotate"),
                                    ("seen", "session")]


def test_a_login_of_somebody_else_is_not_the_partner(manual):
    made = manual()
    with session(made, made.told(), "psql"):
        made.run("adoption", "--look")
    assert reached(made) == ["prepared"]
    assert made.run("retire", "sap", expect=19)
    # Nor is one with the old password.
    with session(made, made.first, "etl"):
        made.run("adoption", "--look")
    assert reached(made) == ["prepared"]


def test_a_rollback_and_a_rotation_begin_another_hand_off(manual):
    made = manual()
    made.run("handoff", "confirm", "sap")
    assert reached(made) == ["prepared", "confirmed"]
    made.run("rollback", "sap", "--reason", "T-1")
    back = told(made)
    assert [s for s in STATES if back["states"][s]] == ["prepared"]
    assert back["states"]["prepared"]["source"] == "rollback"
    made.run("retire", "sap", expect=19)


def test_an_imported_password_is_with_the_partner_already(site):
    site.configure(role_settings=MANUAL)
    fd = os.memfd_create("password")
    os.write(fd, FIRST_PASSWORD.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    site.run("import", "sap", "--password-fd", str(fd), fds=(fd,), expect=0)
    found = json.loads(site.run("handoff", "sap", "--json", expect=0).out)
    assert found["over"] and found["states"]["confirmed"]["source"] == \
        "import"
    assert found["states"]["retired"] is None


# ---- nothing is taken from who is not there yet ------------------------------------


def test_retire_waits_for_the_partner_or_a_person(manual):
    made = manual()
    second = made.told()
    done = made.run("retire", "sap", expect=19)
    assert "0 of 1 consumers were seen with the new password" in done.err
    assert "keyturn handoff confirm sap" in done.err
    assert done.err.count("\n") == 1
    assert made.works(made.first) and made.works(second)
    assert not runs(made, "retire")
    made.run("retire", "sap", "--reason", "the partner is gone")
    made.refused(made.first, NOT_PERMITTED)
    assert reached(made) == ["prepared", "retired"]
    assert told(made)["over"]
    # What follows is free.
    made.run("retire", "sap", "--now")


def test_seen_is_enough(manual):
    made = manual()
    with session(made, made.told(), "etl"):
        made.run("adoption", "--look")
    made.run("retire", "sap")
    made.refused(made.first, NOT_PERMITTED)


def test_all_consumers_have_to_be_seen(manual):
    made = manual()
    made.site.configure(role_settings=PAIR.format(sinks=made.site.sinks)
                        + "handoff = manual\n"
                        "consumers = app:etl app:billing\n", keyturn=QUICK)
    with session(made, made.told(), "etl"):
        made.run("adoption", "--look")
    assert reached(made) == ["prepared", "seen"]
    assert "1 of 2 consumers" in made.run("retire", "sap", expect=19).err
    with session(made, made.told(), "billing"):
        made.run("adoption", "--look")
    made.run("retire", "sap")


AUTO = "retire = auto\nquiet = 2s\ntombstone = 1h\n"


def test_a_partner_that_never_comes_is_alarmed_and_loses_nothing(
        manual, hook):
    made = manual(AUTO + "handoff_deadline = 8s\n")
    prom = os.path.join(made.site.folder, "keyturn.prom")
    with open(made.site.configuration) as f:
        text = f.read().replace("[keyturn]", f"[keyturn]\nmetrics = {prom}")
    with open(made.site.configuration, "w") as f:
        f.write(text)
    daemon = Daemon(made.site).ready()
    wait_for(lambda: [e for e in hook.events() if e["event"] == "alarm"],
             "the alarm", 40)
    time.sleep(6)
    alarm, = [e for e in hook.events() if e["event"] == "alarm"]
    assert (alarm["role"], alarm["source"]) == ("sap", "deadline")
    assert alarm["version"] == made.site.current().id
    assert "0 of 1 consumers were seen" in alarm["detail"]
    assert "the old one stays as it is" in alarm["detail"]
    with open(prom) as f:
        numbers = f.read()
    for name in ("open", "late"):
        assert f'keyturn_role_handoff_{name}{{role="sap",cluster="main"}} 1\n'\
            in numbers
    daemon.stop()
    assert made.works(made.first) and made.works(made.told())
    assert not runs(made, "retire")
    status = made.site.status()
    assert status["handoff_late"] and status["handoff"] == "prepared"
    assert "late since" in made.run("status").out
    assert told(made)["late"]
    # Once, over restarts and by whatever finds it.
    made.run("rotate", "--due", "--quiet", expect=3)
    assert [e.get("kind") for e in made.site.audit()].count("alarm") == 1
    # It comes after all.
    made.run("handoff", "confirm", "sap")
    assert not made.site.status()["handoff_late"]


def test_a_deadline_retires_only_when_told_to(manual, hook):
    made = manual(AUTO + "handoff_deadline = 6s\ndeadline_action = retire\n")
    with keyturnd(made) as daemon:
        daemon.wait_log("sap: the old member may not log in any more")
    reason, = [r["reason"] for r in runs(made, "retire")]
    assert "handoff_deadline is over, and deadline_action = retire" in reason
    made.refused(made.first, NOT_PERMITTED)
    wait_for(lambda: "retired" in reached(made), "the record", 10)


def test_a_person_s_word_stands_for_consumers_that_were_not_seen(manual):
    made = manual(AUTO)
    with keyturnd(made) as daemon:
        wait_for(lambda: made.site.status()["retire_waits"]
                 == "0 of 1 consumers were seen with the new password",
                 "quiet", 40)
        made.run("handoff", "confirm", "sap", "--of-version",
                 made.site.current().id)
        daemon.wait_log("sap: the old member may not log in any more")
    reason, = [r["reason"] for r in runs(made, "retire")]
    assert "the hand-off was confirmed by a person" in reason


def test_one_role_is_not_rotated_from_under_its_partner(site):
    """The password that is being typed in would be dead."""
    site.configure(role_settings=MANUAL + "handoff_deadline = 1d\n",
                   keyturn=QUICK)
    text = open(site.configuration).read()
    site.run("rotate", "sap", expect=0)
    first = site.current()
    with open(site.configuration, "w") as f:
        f.write(text.replace("every = 30d", "every = 1s"))
    time.sleep(1.5)
    done = site.run("rotate", "--due", expect=3)
    assert "its partner does not have the present password yet" in done.err
    assert site.current() == first
    found = json.loads(site.run("handoff", "sap", "--json").out)
    assert found["state"] == "prepared" and found["states"]["retired"]
    assert "ends the old one" not in found["waits"]
    # By name a person has decided; and after the word of one it goes on.
    site.run("rotate", "sap", expect=0)
    time.sleep(1.5)
    site.run("rotate", "--due", "--quiet", expect=3)
    site.run("handoff", "confirm", "sap", expect=0)
    site.run("rotate", "--due", "--quiet", expect=0)


# ---- bad input ------------------------------------------------------------------------


def test_confirming_twice_or_an_older_version_is_one_clear_sentence(manual):
    made = manual(rotations=1)
    first = made.site.current().id
    made.run("rotate", "sap")
    second = made.site.current().id
    done = made.run("handoff", "confirm", "sap", "--of-version", first,
                    expect=6)
    assert f"version {first} is not the current one, which is {second}; " \
        "nothing was confirmed" in done.err
    assert reached(made) == ["prepared"]
    made.run("handoff", "confirm", "sap", "--of-version", second)
    done = made.run("handoff", "confirm", "sap", expect=6)
    assert re.search(f"version {second} was confirmed already, at \\S+ by uid",
                     done.err) and done.err.count("\n") == 1
    assert trail(made, second).count(("confirmed", "command")) == 1


def test_check_says_what_a_hand_off_lacks(site):
    site.configure(role_settings="handoff = manual\n")
    said = site.run("check", "sap").out
    assert "its partner is locked out until it has typed" in said
    assert "handoff = manual without consumers" in said
    site.configure(role_settings=MANUAL)
    assert "without consumers" not in site.run("check", "sap").out


def test_what_is_not_handed_off_by_a_person_is_not_confirmed(site):
    site.configure()
    site.run("rotate", "sap", expect=0)
    assert "that takes handoff = manual" in \
        site.run("handoff", "confirm", "sap", expect=6).err
    assert "handoff = auto" in site.run("handoff", "sap", expect=0).out
    site.configure(role_settings="handoff = manual\n",
                   roles=("sap", "other"))
    assert "has no password yet" in \
        site.run("handoff", "confirm", "other", expect=6).err


@pytest.mark.parametrize("argv, says", [
    (["sap", "--lang", "de"], "handoff does not take --lang"),
    (["confirm", "sap", "--format", "json"],
     "handoff confirm does not take --format"),
    (["sheet", "sap", "--reason", "x"],
     "handoff sheet does not take --reason"),
    (["confirm", "sap", "--reason", "x" * 512], "--reason is longer than"),
    (["confirm", "nonsuch"], "nonsuch"),
])
def test_bad_input_changes_nothing(site, argv, says):
    site.configure(role_settings=MANUAL)
    done = site.run("handoff", *argv, expect=2)
    assert says in done.err and done.err.count("\n") == 1
    assert done.out == "" and "handoff" not in site.kinds()
