# SPDX-License-Identifier: PostgreSQL
"""Units that are reloaded or restarted after a delivery, under a systemd that has
booted and a polkit that lets keyturn do what docs/operators.md has it allow."""

import json
import time

import pytest

from documents import block
from machine import wait_for

UNDELIVERED = 18
CONF = "/etc/keyturn/conf.d/told.conf"
RULES = "/etc/polkit-1/rules.d/50-keyturn.rules"


def service(machine, name, *lines):
    machine.write(f"/etc/systemd/system/{name}.service",
                  "[Service]\n" + "\n".join(lines) + "\n")
    machine.run(f"systemctl daemon-reload; systemctl start {name}")


def rule(text, unit, verb):
    """That of the document, for another unit and verb."""
    assert text.count('"app.service"') == text.count('"reload"') == 1
    return text.replace("app.service", unit).replace('"reload"', f'"{verb}"')


class Told:
    """A role whose steps tell units, as the tests' own role `told`."""

    def __init__(self, operated):
        self.operated, self.machine = operated, operated.machine

    def steps(self, *steps):
        self.machine.write(
            CONF, "[role told]\ncluster = main\ndbname = shop\nevery = 30d\n"
            + "".join(f"after = {s}\n" for s in steps), 0o640,
            "keyturn:keyturn")

    def rotate(self, expect=0):
        done = self.operated.run("rotate told", expect=expect)
        return done.stdout + done.stderr

    def check(self, expect=0):
        return self.operated.run("check told", expect=expect).stdout

    def count(self, name):
        done = self.machine.run(f"cat /run/{name}.told", expect=None)
        return len(done.stdout.splitlines())

    def state(self):
        (step,) = self.operated.state("told")["follow"]
        return step["state"]


@pytest.fixture(scope="module")
def told(operated):
    machine, made = operated.machine, Told(operated)
    operated.database.sql("CREATE ROLE told LOGIN")
    if operated.database.version() >= 16:
        operated.database.sql("GRANT told TO keyturn_admin WITH ADMIN TRUE, "
                              "INHERIT FALSE, SET FALSE")
    machine.run("sed -i 's/keyturn_admin,sap_engagement/&,told/' "
                "/etc/postgresql/*/main/pg_hba.conf\n"
                "systemctl reload postgresql@*")
    service(machine, "app", "ExecStart=sleep infinity",
            "ExecReload=/bin/sh -c 'echo reload >>/run/app.told'")
    service(machine, "report", "ExecStart=/bin/sh -c 'echo start "
            ">>/run/report.told; exec sleep infinity'")
    service(machine, "slow", "ExecStartPre=sleep 5", "ExecStart=/bin/sh -c "
            "'echo start >>/run/slow.told; exec sleep infinity'")
    service(machine, "foreign", "ExecStart=sleep infinity",
            "ExecReload=/bin/sh -c 'echo reload >>/run/foreign.told'")
    service(machine, "broken", "ExecStart=sleep infinity",
            "ExecReload=/bin/false")
    service(machine, "gone", "ExecStart=sleep infinity",
            "ExecReload=/bin/true")
    machine.run("systemctl stop gone; rm /etc/systemd/system/gone.service\n"
                "systemctl daemon-reload; systemctl mask gone")
    text = block("operators.md", "After a delivery", "js")
    machine.write(RULES, "".join(
        [text] + [rule(text, f"{unit}.service", verb) for unit, verb in (
            ("report", "restart"), ("slow", "restart"),
            ("broken", "reload"), ("report", "reload"))]))
    machine.run("systemctl restart polkit")
    made.steps()
    operated.run("rotate told")
    return made


def test_a_unit_is_reloaded_once_for_each_version(told):
    told.steps("systemd-reload app.service")
    before = told.machine.main_pid("app")
    assert "app.service may be reloaded" in told.check()
    assert told.count("app") == 0
    for n in (1, 2):
        told.rotate()
        assert told.count("app") == n
        told.operated.run("refresh")
        told.operated.run("recover told")
        assert told.count("app") == n
    assert told.machine.main_pid("app") == before


def test_a_unit_is_restarted_once_and_by_keyturnd_too(told):
    told.steps("systemd-restart report.service")
    assert "report.service may be restarted" in told.check()
    starts = told.count("report")
    told.rotate()
    assert told.count("report") == starts + 1
    told.operated.run("refresh")
    told.machine.run("systemctl reload keyturnd")
    old = told.operated.password("told")
    told.operated.overdue("told")
    wait_for(lambda: told.operated.password("told") != old, "the rotation", 60)
    wait_for(lambda: told.count("report") == starts + 2, "the restart")
    wait_for(lambda: told.state() == "ok", "the note of it")
    time.sleep(3)
    assert told.count("report") == starts + 2


def test_what_was_stopped_stays_so(told):
    told.steps("systemd-restart report.service", "systemd-reload app.service")
    told.machine.run("systemctl stop report app")
    starts, reloads = told.count("report"), told.count("app")
    told.rotate()
    assert told.count("report") == starts and told.count("app") == reloads
    assert told.machine.show("report", "ActiveState") == "inactive"
    told.machine.run("systemctl start report app")


def test_a_restart_that_takes_longer_is_not_begun_again(told):
    told.steps("systemd-restart slow.service timeout=2s")
    starts = told.count("slow")
    assert "goes on with it" in told.rotate(expect=UNDELIVERED)
    done = told.operated.run("refresh --force", expect=UNDELIVERED)
    assert "still works on" in done.stdout + done.stderr
    wait_for(lambda: told.count("slow") == starts + 1, "the start")
    # By keyturnd, whose pauses are short here.
    told.machine.run("systemctl reload keyturnd")
    wait_for(lambda: told.state() == "ok", "keyturnd to see it")
    assert told.count("slow") == starts + 1


@pytest.mark.parametrize("step, words", [
    ("systemd-reload none.service", "has no unit none.service"),
    ("systemd-reload gone.service", "is masked"),
    ("systemd-reload report.service", "no ExecReload="),
    ("systemd-reload foreign.service", "does not let user"),
    ("systemd-restart app.service", "does not let user"),
])
def test_what_cannot_be_is_found_before(told, step, words):
    told.steps(step)
    assert words in told.check(expect=UNDELIVERED)
    assert words in told.rotate(expect=UNDELIVERED)
    assert told.count("foreign") == 0
    assert told.state() == "failing"


def test_a_reload_that_fails_says_so(told):
    told.steps("systemd-reload broken.service", "systemd-reload app.service")
    reloads = told.count("app")
    assert "could not reload broken.service: Job for broken" in \
        told.rotate(expect=UNDELIVERED)
    assert told.count("app") == reloads
    steps = told.operated.state("told")["follow"]
    assert [s["state"] for s in steps] == ["failing", "behind"]
    assert "waits for" in json.dumps(steps[1])
