# SPDX-License-Identifier: PostgreSQL
"""Told before: notices of rotations to come, each once; postponements and
blackouts, which hold a rotation and hide nothing; and the calendar of it all,
read by a parser that is not ours."""

import contextlib
import datetime
import json
import os
import re
import sqlite3

import icalendar
import pytest

from rig.daemon import QUICK, Daemon
from rig.receiver import Program
from rig.server import wait_for

DAY = datetime.timedelta(days=1)
UTC = datetime.timezone.utc


def now():
    return datetime.datetime.now(UTC)


def stamp(at):
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def at(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.fixture
def program(folder, tmp_path):
    return Program(str(tmp_path))


def hook(program, events=""):
    more = f"events = {events}\n" if events else ""
    return f"[hook prog]\ncommand = {program.path}\n{more}"


@pytest.fixture
def managed(new_site, program):
    """A function: a site whose role was rotated, with these settings."""
    def make(role="", keyturn="", events="upcoming postponed rotated"):
        site = new_site(keyturn=QUICK)
        site.run("rotate", "sap", expect=0)
        configure(site, program, role, keyturn, events)
        return site
    return make


def configure(site, program, role="", keyturn="",
              events="upcoming postponed rotated"):
    site.configure(("sap",), keyturn=QUICK + keyturn,
                   more=hook(program, events))
    with open(site.configuration, "a") as f:
        f.write(role)


def rotated_ago(site, **ago):
    """As if the last rotation had been so long ago; every = 30d."""
    us = round((now() - datetime.timedelta(**ago)).timestamp() * 1e6)
    with contextlib.closing(sqlite3.connect(
            os.path.join(site.state, "ledger.db"), timeout=20)) as db, db:
        assert db.execute("update role set rotated_us = ?, last_run_us = ?",
                          [us, us]).rowcount == 1


def refused(site, *argv, exit=6):
    """One sentence, and nothing changed."""
    before = site.current(), site.audit()
    done = site.run(*argv, expect=exit)
    assert len(done.err.splitlines()) == 1 and not done.out, done.text
    assert (site.current(), site.audit()) == before
    return done.err


# ---- notice ----------------------------------------------------------------------

def test_each_step_is_told_once_also_over_restarts(managed, program):
    site = managed("notice = 14d 3d 1h\nnotice_timezone = Europe/Berlin\n")
    rotated_ago(site, days=10)
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles: 0 in work")
    daemon.stop()
    assert program.kinds() == []
    rotated_ago(site, days=20)
    daemon = Daemon(site).ready()
    wait_for(program.events, "the first notice")
    daemon.stop()
    for _ in range(2):
        daemon = Daemon(site).ready()
        daemon.manager.wait_line("STATUS=1 roles: 0 in work")
        site.run("rotate", "--due", expect=3)
        daemon.stop()
    [event] = program.events()
    assert event["event"] == "upcoming" and event["step"] == "14d"
    planned = at(event["planned"])
    assert abs(planned - now() - 10 * DAY) < datetime.timedelta(minutes=2)
    assert event["due"] == event["planned"]
    assert event["zone"] == "Europe/Berlin"
    # The same instant, by the clocks of the partner.
    local = at(event["local"])
    assert abs(local - planned) < datetime.timedelta(seconds=1)
    import zoneinfo
    berlin = planned.astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
    assert local.utcoffset() == berlin.utcoffset()
    assert re.fullmatch(
        r"the password of sap changes in (9d 23h|10d), on \w+ "
        + berlin.strftime(r"%Y-%m-%d %H:%M")
        + r" \(UTC\+0[12]:00\), time zone Europe/Berlin", event["detail"])
    # What hooks heard is in the trail.
    assert [e["step"] for e in site.audit() if e.get("kind") == "upcoming"] \
        == ["14d"]
    assert "rotated" not in program.kinds()


def test_of_steps_that_were_missed_the_latest_is_told(managed, program):
    site = managed("notice = 14d 3d 1h\n")
    rotated_ago(site, days=28)
    site.run("rotate", "--due", expect=3)
    [event] = program.events()
    assert event["step"] == "3d"
    # What is left, not what the step says.
    assert re.search(r" in (1d 23h|2d), on ", event["detail"]), event
    rotated_ago(site, days=29, hours=23, minutes=30)
    site.run("rotate", "--due", expect=3)
    assert [e["step"] for e in program.events()] == ["3d", "1h"]
    # It is rotated, and of what is over nothing is said.
    rotated_ago(site, days=31)
    site.run("rotate", "--due", expect=0)
    assert program.kinds() == ["upcoming", "upcoming", "rotated"]


def test_a_notice_is_given_by_one_of_several_processes(managed, program):
    site = managed("notice = 14d\n")
    rotated_ago(site, days=20)
    daemons = [Daemon(site).ready() for _ in range(2)]
    runs = [site.start("rotate", "--due") for _ in range(6)]
    assert {run.finish().exit for run in runs} == {3}
    wait_for(program.events, "the notice")
    for daemon in daemons:
        daemon.stop()
    assert program.kinds() == ["upcoming"]


def test_the_default_is_for_roles_without_a_notice_of_their_own(managed,
                                                                program):
    site = managed("notice = none\n", keyturn="notice = 14d\n")
    rotated_ago(site, days=20)
    site.run("rotate", "--due", expect=3)
    assert program.kinds() == []
    configure(site, program, keyturn="notice = 14d\n")
    site.run("rotate", "--due", expect=3)
    assert program.kinds() == ["upcoming"]


def test_no_notice_is_given_of_what_will_not_be(managed, program):
    site = managed("notice = 14d\n")
    rotated_ago(site, days=20)
    site.run("freeze", "sap", "--reason", "quiet", expect=0)
    site.run("rotate", "--due", expect=3)
    assert program.kinds() == []


@pytest.mark.parametrize("role, sentence", [
    ("notice = 40d\n", r"\[role sap\] notice: 40d is longer than the 30d "
     r"between two rotations of \[role sap\]"),
    ("notice = 3d 3d\n", r"\[role sap\] notice: has 3d twice"),
    ("notice = soon\n", r"\[role sap\] notice: \"soon\" is not a duration;.*"),
    ("notice_timezone = Mars/Base\n", r"\[role sap\] notice_timezone: time "
     r"zone \"Mars/Base\" is not known here.*"),
    ("blackout = christmas\n", r"\[role sap\] blackout: \"christmas\" is not "
     r"FROM\.\.TO.*"),
    ("blackout = 2027-01-06..2026-12-20\n", r"\[role sap\] blackout: .* ends "
     r"before it begins"),
    ("blackout = /nowhere.ics\n", r"\[role sap\] blackout: cannot open /nowhere\.ics: .*"),
])
def test_a_wrong_setting_is_one_sentence(managed, program, role, sentence):
    site = managed(role)
    for argv in (("rotate", "--due"), ("status",), ("notice", "sap")):
        done = site.run(*argv, expect=2)
        assert re.fullmatch(rf"keyturn: .*keyturn\.conf:\d+: {sentence}\n",
                            done.err), done.text


def test_a_default_notice_that_is_too_long_names_the_role(managed):
    site = managed(keyturn="notice = 40d\n")
    done = site.run("rotate", "--due", expect=2)
    assert re.fullmatch(
        r"keyturn: .*:\d+: \[keyturn\] notice: 40d is longer than the 30d "
        r"between two rotations of \[role sap\]; give that role a notice of "
        r"its own \(none, or shorter\)\n", done.err), done.text


# ---- the text and the calendar ------------------------------------------------------

def feed(site):
    done = site.run("notice", "sap", "--format", "ics", expect=0)
    with open(site.next_file("ics"), "w+b") as f:
        f.write(done.out.encode())
    return done.out


def events(text):
    return [e for e in icalendar.Calendar.from_ical(text).walk("VEVENT")]


def test_the_calendar_is_read_by_others(managed):
    site = managed("notice = 14d 1h\nnotice_timezone = Europe/Berlin\n")
    rotated_ago(site, days=10)
    raw = site.run("notice", "sap", "--format", "ics", expect=0).out
    calendar = icalendar.Calendar.from_ical(raw)
    assert calendar["VERSION"] == "2.0" and "PRODID" in calendar
    assert not calendar.errors
    found = events(raw)
    # Every thirty days for twelve months.
    assert len(found) == 12 or len(found) == 13
    starts = [e.decoded("DTSTART") for e in found]
    first = now() + 20 * DAY
    for i, start in enumerate(starts):
        assert start.tzinfo and start.utcoffset() == datetime.timedelta(0)
        assert abs(start - first - 30 * i * DAY) \
            < datetime.timedelta(minutes=2)
    assert starts[-1] <= now() + 366 * DAY
    assert len({str(e["UID"]) for e in found}) == len(found)
    for event in found:
        assert not event.errors
        assert abs(event.decoded("DTSTAMP") - now()) < DAY
        assert event.decoded("DURATION") > datetime.timedelta(0)
        assert "Europe/Berlin" in event["DESCRIPTION"]
        # Escaped and unfolded again: commas and new lines are as they were.
        assert "\nNothing, where your program" in event["DESCRIPTION"]
        assert [a.decoded("TRIGGER") for a in event.walk("VALARM")] == \
            [-14 * DAY, datetime.timedelta(hours=-1)]
    assert [str(e["STATUS"]) for e in found[:2]] == ["CONFIRMED", "TENTATIVE"]


def test_the_calendars_lines_are_those_of_the_standard(managed):
    site = managed()
    rotated_ago(site, days=10)
    with contextlib.ExitStack():
        run = site.start("notice", "sap", "--format", "ics")
        run.process.wait(60)
        with open(run.base + ".out", "rb") as f:
            raw = f.read()
        run.finish()
    assert raw.endswith(b"END:VCALENDAR\r\n")
    lines = raw.split(b"\r\n")
    assert b"\n" not in b"".join(lines)
    assert max(map(len, lines)) <= 75
    assert any(line.startswith(b" ") for line in lines)


def test_uids_stay_when_a_rotation_is_put_off(managed):
    site = managed()
    rotated_ago(site, days=28)
    before = events(feed(site))
    site.run("postpone", "sap", "--until", stamp(now() + 5 * DAY), "--reason",
             "year's end", expect=0)
    after = events(feed(site))
    assert after[0]["UID"] == before[0]["UID"]
    assert after[0]["SEQUENCE"] > before[0]["SEQUENCE"]
    assert abs(after[0].decoded("DTSTART") - now() - 5 * DAY) \
        < datetime.timedelta(minutes=1)
    assert "put it off" in after[0]["DESCRIPTION"]
    # The operator's reason is not for the partner.
    assert "year's end" not in feed(site)


def test_a_frozen_roles_events_are_cancelled(managed):
    site = managed()
    uid = events(feed(site))[0]["UID"]
    site.run("freeze", "sap", "--reason", "quiet", expect=0)
    found = events(feed(site))
    assert found[0]["UID"] == uid
    assert {str(e["STATUS"]) for e in found} == {"CANCELLED"}


def test_the_text_says_when_by_the_partners_clock(managed):
    site = managed("notice_timezone = Asia/Tokyo\n")
    rotated_ago(site, days=10)
    done = site.run("notice", "sap", expect=0)
    assert done.out.startswith("The password of sap changes\n")
    tokyo = (now() + 20 * DAY).astimezone(
        datetime.timezone(datetime.timedelta(hours=9)))
    assert re.search(r"^When:   \w+day " + tokyo.strftime("%Y-%m-%d")
                     + r" \d\d:\d\d \(UTC\+09:00\)$", done.out, re.M), done.out
    assert "Zone:   Asia/Tokyo\n" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    [told] = [json.loads(site.run("notice", "sap", *more, expect=0).out)
              for more in [("--json",)]]
    assert told["time_zone"] == "Asia/Tokyo"
    assert told["changes"] == ["password"]
    assert at(told["upcoming"][0]["local"]).utcoffset() \
        == datetime.timedelta(hours=9)
    assert json.loads(site.run("notice", "sap", "--format", "json",
                               expect=0).out)["role"] == "sap"


def test_no_notice_of_a_role_that_is_rotated_by_command(new_site):
    site = new_site()
    assert "is not managed yet" in site.run("notice", "sap", expect=6).err
    site.run("rotate", "sap", expect=0)
    with open(site.configuration) as f:
        text = f.read()
    with open(site.configuration, "w") as f:
        f.write(text.replace("every = 30d\n", ""))
    assert "has no schedule" in site.run("notice", "sap", expect=6).err
    assert "--format must be" in site.run("notice", "sap", "--format", "raw",
                                          expect=2).err


# ---- postponing -----------------------------------------------------------------------

def test_a_postponed_role_waits_is_shown_and_is_rotated_then(managed, program):
    site = managed("notice = 1d\n")
    before = site.current()
    rotated_ago(site, days=30, hours=2)
    until = now() + datetime.timedelta(seconds=12)
    done = site.run("postpone", "sap", "--until", stamp(until), "--reason",
                    "migration", expect=0)
    assert "sap: postponed until " in done.out
    daemon = Daemon(site).ready()
    daemon.wait_log("sap: is due and not rotated: it was postponed")
    done = site.run("rotate", "--due", expect=3)
    assert "it is postponed until" in done.err and "migration" in done.err
    status = site.status()
    # Late is late, whoever wanted it so.
    assert status["state"] == "overdue"
    assert status["postponed_reason"] == "migration"
    assert f"uid {os.getuid()}" in status["postponed_by"]
    assert at(status["postponed_until"]) == until.replace(microsecond=0)
    assert at(status["planned_at"]) == until.replace(microsecond=0)
    table = site.run("status", expect=0).out
    assert "overdue" in table and ": migration" in table
    assert site.current().id == before.id
    # It ends by itself, and is of no more use.
    wait_for(lambda: site.current().id != before.id, "the rotation", 40)
    assert now() >= until.replace(microsecond=0)
    daemon.stop()
    status = site.status()
    assert status["state"] == "ok" and status["postponed_until"] is None
    kinds = program.kinds()
    # A new time is told anew.
    assert kinds == ["postponed", "upcoming", "rotated"], program.events()
    postponed = program.events()[0]
    assert at(postponed["until"]) == until.replace(microsecond=0)
    assert postponed["detail"] == "migration" and postponed["local"]
    assert [e["until"] for e in site.audit() if e.get("kind") == "postpone"] \
        == [postponed["until"]]
    site.settled()


def test_a_postponement_of_before_a_rotation_does_not_count(managed):
    site = managed()
    rotated_ago(site, days=28)
    site.run("postpone", "sap", "--until", "5d", "--reason", "x", expect=0)
    site.run("rotate", "sap", "--now", "--reason", "better now", expect=0)
    assert site.status()["postponed_until"] is None
    rotated_ago(site, days=31)
    site.run("rotate", "--due", expect=0)


def test_a_postponement_is_withdrawn(managed, program):
    site = managed()
    rotated_ago(site, days=31)
    site.run("postpone", "sap", "--until", "1d", "--reason", "x", expect=0)
    site.run("rotate", "--due", expect=3)
    site.run("postpone", "sap", "--withdraw", "--reason", "done", expect=0)
    assert "sap is not postponed" in refused(
        site, "postpone", "sap", "--withdraw", "--reason", "again")
    assert site.status()["postponed_until"] is None
    events = program.events()
    assert [e["event"] for e in events] == ["postponed", "postponed"]
    assert "until" in events[0] and "until" not in events[1]
    site.run("rotate", "--due", expect=0)


def test_what_cannot_be_postponed_is_one_sentence(managed):
    site = managed("postpone_max = 10d\n")
    rotated_ago(site, days=28)

    def say(until, exit=6):
        return refused(site, "postpone", "sap", "--until", until, "--reason",
                       "x", exit=exit)
    assert "may wait until" in say("13d") and "postpone_max" in say("13d")
    assert "is not due before" in say("1d")
    assert "is over" in say("2020-01-01T00:00Z")
    assert "is a date alone" in say("2027-01-06", 2)
    assert "is not a time" in say("tomorrow", 2)
    # However often: the cap is from when it is due.
    site.run("postpone", "sap", "--until", "11d", "--reason", "x", expect=0)
    assert "may wait until" in say("13d")
    site.run("postpone", "sap", "--until", "5d", "--reason", "x", expect=0)
    site.run("freeze", "sap", "--reason", "quiet", expect=0)
    assert "role sap is frozen" in say("6d", 5)
    for argv in (("postpone", "sap", "--until", "5d"),
                 ("postpone", "sap", "--reason", "x"),
                 ("postpone", "--until", "5d", "--reason", "x"),
                 ("postpone", "sap", "--until", "5d", "--withdraw", "--reason",
                  "x")):
        assert "postpone takes one role name" in refused(site, *argv, exit=2)


def test_no_postponement_outlives_the_policy(managed):
    site = managed("policy = short\npostpone_max = 90d\n"
                   "[policy short]\nmax_life = 35d\n")
    rotated_ago(site, days=28)
    assert "by max_life of its policy" in refused(
        site, "postpone", "sap", "--until", "8d", "--reason", "x")
    site.run("postpone", "sap", "--until", "6d", "--reason", "x", expect=0)


# ---- blackouts ------------------------------------------------------------------------

def span(days=1):
    return f"blackout = {stamp(now() - DAY)}..{stamp(now() + days * DAY)}\n"


def test_a_blackout_holds_and_hides_nothing(managed, program):
    site = managed(span(2))
    before = site.current()
    rotated_ago(site, days=31)
    daemon = Daemon(site).ready()
    daemon.wait_log("sap: is due and not rotated: it is in a blackout")
    done = site.run("rotate", "--due", expect=3)
    assert re.search(r"sap: is due since .* and not rotated: there is a "
                     r"blackout until .*keyturn\.conf:\d+", done.err)
    status = site.status()
    assert status["state"] == "overdue"
    assert re.search(r"keyturn\.conf:\d+$", status["blackout"])
    assert at(status["planned_at"]) == at(status["blackout_until"])
    assert "there is a blackout until" in site.run("status", expect=0).out
    daemon.stop()
    assert site.current().id == before.id


def test_a_blackout_is_over_by_itself(managed):
    site = managed(f"blackout = {stamp(now() - DAY)}.."
                   f"{stamp(now() + datetime.timedelta(seconds=10))}\n")
    before = site.current()
    rotated_ago(site, days=31)
    daemon = Daemon(site).ready()
    daemon.wait_log("it is in a blackout")
    wait_for(lambda: site.current().id != before.id, "the rotation", 40)
    daemon.stop()
    site.settled()


def test_check_says_what_a_blackout_makes_of_the_policy(managed):
    site = managed(span(10) + "policy = short\n[policy short]\n"
                   "max_life = 35d\n")
    rotated_ago(site, days=29)
    done = site.run("check", "sap", expect=0)
    assert re.search(r"note  sap: schedule: the next rotation waits until .*: "
                     r".*keyturn\.conf:\d+$", done.out, re.M), done.out
    assert re.search(r"warn  sap: life: the present password will be 3[89]d .*, "
                     r"and max_life of the policy is 35d: keyturn rotate sap "
                     r"--now --reason TEXT$", done.out, re.M), done.out


def test_files_that_are_behind_do_not_wait(managed):
    site = managed(span())
    os.unlink(os.path.join(site.sinks, "sap.pgpass"))
    with open(site.configuration) as f:
        text = f.read()
    with open(site.configuration, "w") as f:
        f.write(text.replace("sap.pgpass", "sap.pgpass mode=0400"))
    rotated_ago(site, days=31)
    before = site.current()
    site.run("rotate", "--due", expect=0)
    assert site.current().id == before.id
    assert site.sink() == before.password


def test_a_person_is_told_and_may_insist(managed):
    site = managed(span())
    assert re.search(r"role sap is not rotated: there is a blackout until .*; "
                     r"to rotate it all the same: keyturn rotate ROLE --now "
                     r"--reason TEXT", refused(site, "rotate", "sap"))
    refused(site, "rotate", "sap", "--dry-run")
    assert "--now needs" in refused(site, "rotate", "sap", "--now", exit=2)
    done = site.run("rotate", "--all", expect=6)
    assert "is not rotated: there is a blackout" in done.err
    before = site.current()
    site.run("rotate", "sap", "--now", "--reason", "they asked", expect=0)
    assert site.current().id != before.id


def test_nothing_holds_a_password_that_got_out(managed):
    site = managed(span())
    before = site.current()
    site.run("rotate", "sap", "--compromised", "--reason", "T-1", expect=0)
    site.must_not_log_in(before.password)
    before = site.current()
    site.run("rotate", "sap", "--emergency", expect=0)
    assert site.current().id != before.id
    # What was interrupted is brought to its end, too.
    epoch = site.marker()["epoch"]
    run = site.stop_before(
        lambda e: e.sends and site.marker()["epoch"] > epoch
        and site.labelled("pending") is not None, "rotate", "sap",
        "--emergency")
    run.kill()
    site.run("rotate", "--due", expect=0)
    site.settled()


def ics(site, *lines):
    path = os.path.join(site.folder, "blackouts.ics")
    with open(path, "w", newline="") as f:
        f.write("\r\n".join(("BEGIN:VCALENDAR", "VERSION:2.0",
                             "PRODID:-//x//EN", "BEGIN:VEVENT", *lines,
                             "END:VEVENT", "END:VCALENDAR", "")))
    return path


def compact(moment):
    return moment.strftime("%Y%m%dT%H%M%SZ")


def test_blackouts_of_all_roles_come_from_a_calendar(managed, program):
    site = managed()
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//others//EN")
    calendar.add("version", "2.0")
    event = icalendar.Event()
    event.add("uid", "1")
    event.add("dtstamp", now())
    event.add("dtstart", now() - DAY)
    event.add("dtend", now() + DAY)
    event.add("summary", "Jahresabschluß, " + "sehr lang " * 4)
    calendar.add_component(event)
    path = os.path.join(site.folder, "others.ics")
    with open(path, "wb") as f:
        f.write(calendar.to_ical())
    configure(site, program, keyturn=f"blackout = {path}\n")
    rotated_ago(site, days=31)
    site.run("rotate", "--due", expect=3)
    assert site.status()["blackout"].startswith("Jahresabschluß, sehr lang")
    assert re.search(r"others\.ics:\d+\)$", site.status()["blackout"])


@pytest.mark.parametrize("lines, sentence", [
    (("DTSTART:20270101T000000Z", "DTEND:20270102T000000Z",
      "RRULE:FREQ=WEEKLY"), r":7: an event that repeats \(RRULE\) is not .*"),
    (("DTSTART;TZID=Mars/Base:20270101T000000",
      "DTEND:20270102T000000Z"), r":5: time zone \"Mars/Base\" is not known.*"),
    (("DTSTART:yesterday", "DTEND:20270102T000000Z"),
     r":5: DTSTART must be a date or a time, .*"),
    (("nonsense",), r":5: the line is not NAME:VALUE as in an \.ics file"),
])
def test_a_wrong_calendar_is_one_sentence(managed, program, lines, sentence):
    site = managed()
    path = ics(site, *lines)
    daemon = Daemon(site).ready()
    configure(site, program, f"blackout = {path}\n")
    done = site.run("rotate", "--due", expect=2)
    assert re.fullmatch(
        rf"keyturn: .*keyturn\.conf:\d+: \[role sap\] blackout: "
        rf"{re.escape(path)}{sentence}\n", done.err), done.text
    # A running keyturnd keeps what it has.
    daemon.hang_up()
    daemon.wait_log("the new configuration is refused")
    daemon.stop()


# ---- the forecast -----------------------------------------------------------------------

def test_the_forecast_shows_what_is_put_off(managed):
    site = managed(f"blackout = {stamp(now() + 31 * DAY)}.."
                   f"{stamp(now() + 40 * DAY)}\n")
    rotated_ago(site, days=28)
    site.run("postpone", "sap", "--until", "5d", "--reason", "x y", expect=0)
    before = site.audit()
    done = site.run("rotate", "--due", "--dry-run", "--until", "90d", "--json",
                    expect=0)
    first, second, third = done.lines
    near = datetime.timedelta(minutes=1)
    assert abs(at(first["planned_at"]) - now() - 5 * DAY) < near
    assert abs(at(first["due_at"]) - now() - 2 * DAY) < near
    assert first["postponed"] and first["postponed_reason"] == "x y"
    assert first["blackout"] is None
    # Five and thirty days: in the blackout.
    assert abs(at(second["due_at"]) - now() - 35 * DAY) < near
    assert abs(at(second["planned_at"]) - now() - 40 * DAY) < near
    assert not second["postponed"] and second["blackout"]
    assert abs(at(third["planned_at"]) - now() - 70 * DAY) < near
    text = site.run("rotate", "--due", "--dry-run", "--until", "90d",
                    expect=0).out.splitlines()
    assert len(text) == 3
    assert "; postponed until" in text[0] and text[0].endswith(": x y")
    assert "; blackout until" in text[1]
    assert "blackout" not in text[2] and "postponed" not in text[2]
    assert site.audit() == before
    assert "nothing is due until then" in site.run(
        "rotate", "--due", "--dry-run", "--until", "1d", expect=3).out
    for argv in (("rotate", "--due", "--until", "1d"),
                 ("rotate", "sap", "--until", "1d")):
        assert "--until goes with" in site.run(*argv, expect=2).err
    assert "is over" in site.run("rotate", "--due", "--dry-run", "--until",
                                 "2020-01-01", expect=2).err


def test_the_metrics_have_it(managed, program):
    site = managed()
    path = os.path.join(site.state, "keyturn.prom")
    configure(site, program, span(), keyturn=f"metrics = {path}\n")
    rotated_ago(site, days=31)
    site.run("postpone", "sap", "--until", "1d", "--reason", "x", expect=0)

    def value(name):
        with contextlib.suppress(FileNotFoundError):
            with open(path) as f:
                found = re.search(rf"^keyturn_role_{name}{{role=\"sap\",.*}} "
                                  r"(\S+)$", f.read(), re.M)
                return found and float(found[1])
        return None
    daemon = Daemon(site).ready()
    wait_for(lambda: value("blackout") == 1, "the blackout in the metrics")
    assert value("postponed") == 1
    assert value("next_due_timestamp_seconds") < now().timestamp()
    assert value("planned_timestamp_seconds") \
        > (now() + DAY * 0.9).timestamp()
    daemon.stop()
