# SPDX-License-Identifier: PostgreSQL
"""keyturnd under a systemd that has booted, set up as docs/operators.md says,
and its timer."""

import re

import pytest

from conftest import DROP_INS
from documents import block, phrase
from machine import wait_for


@pytest.fixture(autouse=True)
def running(operated):
    """Each test begins with a keyturnd that runs and a role that is at rest."""
    operated.machine.run("systemctl start keyturnd")
    wait_for(lambda: operated.state()["state"] == "ok", "rest")


def test_keyturnd_runs_as_its_own_user_and_says_what_is_next(operated):
    machine = operated.machine
    assert machine.show("keyturnd", "ActiveState") == "active"
    assert "next" in machine.show("keyturnd", "StatusText")
    pid = machine.main_pid("keyturnd")
    assert machine.run(f"stat -c %U /proc/{pid}").stdout == "keyturn\n"
    operated.log_in()


def test_the_unit_is_exposed_as_little_as_the_document_says(operated):
    said = float(phrase("operators.md",
                        r"`systemd-analyze security keyturnd` says ([\d.]+)"))
    assert operated.exposed == said <= 1.5


def test_a_role_that_is_due_is_rotated_and_its_file_kept(operated):
    old = operated.password()
    operated.overdue()
    operated.wait_rotated(old)
    owner = operated.machine.run("stat -c '%U %a' /home/sapjob/.pgpass").stdout
    assert owner == "sapjob 600\n"


def test_a_reload_brings_a_role_in_which_is_rotated_by_its_schedule(operated):
    machine = operated.machine
    operated.database.sql("CREATE ROLE minutely LOGIN")
    if operated.database.version() >= 16:
        operated.database.sql("GRANT minutely TO keyturn_admin WITH ADMIN "
                              "TRUE, INHERIT FALSE, SET FALSE")
    machine.run("sed -i 's/keyturn_admin,sap_engagement/&,minutely/' "
                "/etc/postgresql/*/main/pg_hba.conf\n"
                "systemctl reload postgresql@*")
    machine.write("/etc/keyturn/conf.d/minutely.conf", "[role minutely]\n"
                  "cluster = main\nschedule = * * * * *\ndbname = shop\n",
                  0o640, "keyturn:keyturn")
    operated.run("rotate minutely")
    old = operated.password("minutely")
    pid = machine.main_pid("keyturnd")
    machine.run("systemctl reload keyturnd")
    wait_for(lambda: operated.password("minutely") != old,
             "the minute to pass", 90)
    assert machine.main_pid("keyturnd") == pid
    machine.run("rm /etc/keyturn/conf.d/minutely.conf\n"
                "systemctl reload keyturnd")


def test_a_reload_with_a_mistake_changes_nothing(operated):
    machine = operated.machine
    pid = machine.main_pid("keyturnd")
    machine.write("/etc/keyturn/conf.d/wrong.conf", "[role wrong]\nevery = x\n",
                  0o640, "keyturn:keyturn")
    try:
        machine.run("systemctl reload keyturnd")
        wait_for(lambda: "wrong.conf" in machine.journal("keyturnd"),
                 "the refusal")
    finally:
        machine.run("rm /etc/keyturn/conf.d/wrong.conf")
    assert machine.main_pid("keyturnd") == pid
    old = operated.password()
    operated.overdue()
    operated.wait_rotated(old)
    machine.run("systemctl reload keyturnd")


def test_a_stop_in_the_middle_lets_the_rotation_finish(operated):
    machine = operated.machine
    old = operated.password()
    with operated.database.held("sap_engagement"):
        operated.overdue()
        wait_for(operated.database.somebody_waits, "the rotation to begin")
        machine.run("systemctl stop --no-block keyturnd")
        wait_for(lambda: machine.show("keyturnd", "ActiveState")
                 == "deactivating", "the stop")
    wait_for(lambda: machine.show("keyturnd", "ActiveState") == "inactive",
             "the end", 90)
    assert machine.show("keyturnd", "Result") == "success"
    operated.wait_rotated(old, 1)


def test_a_kill_in_the_middle_is_recovered_by_the_next_start(operated):
    machine = operated.machine
    with operated.database.held("sap_engagement"):
        operated.overdue()
        wait_for(operated.database.somebody_waits, "the rotation to begin")
        pid = machine.main_pid("keyturnd")
        machine.run("systemctl kill -s KILL keyturnd")
        wait_for(lambda: machine.main_pid("keyturnd") != pid, "its end")
        assert operated.state()["state"] in ("open", "running")
    # By systemd's own doing.
    wait_for(lambda: machine.show("keyturnd", "ActiveState") == "active",
             "the restart", 60)
    wait_for(lambda: operated.state()["state"] == "ok", "the recovery", 60)
    operated.log_in()


def test_a_hooks_program_ends_with_a_keyturnd_that_was_killed(operated):
    """Also one that has left its session: systemd ends the control group."""
    machine = operated.machine
    machine.write("/usr/local/bin/hang", "#!/bin/sh\n(setsid sh -c 'echo $$ "
                  ">>/var/lib/keyturn/hung; exec sleep 600' &)\n"
                  "exec sleep 600\n", 0o755)
    machine.write("/etc/keyturn/conf.d/hook.conf", "[hook slow]\n"
                  "command = /usr/local/bin/hang\ntimeout = 5m\n", 0o640,
                  "keyturn:keyturn")

    def hung():
        done = machine.run("cat /var/lib/keyturn/hung", expect=None)
        return done.stdout.split()

    def alive():
        return [p for p in hung() if machine.path(f"/proc/{p}").exists()]
    # Without version 2 of control groups nobody tells systemd that one is
    # empty, so it waits that long.
    machine.write("/etc/systemd/system/keyturnd.service.d/stop.conf",
                  "[Service]\nTimeoutStopSec=5\n")
    machine.run("systemctl daemon-reload; systemctl reload keyturnd")
    operated.overdue()
    first = wait_for(hung, "the hook")
    machine.run(f"kill -KILL {machine.main_pid('keyturnd')}")
    again = wait_for(lambda: [p for p in hung() if p not in first],
                     "the hook to be run again", 60)
    assert alive() == again
    machine.run("rm /etc/keyturn/conf.d/hook.conf "
                "/etc/systemd/system/keyturnd.service.d/stop.conf\n"
                "systemctl daemon-reload; systemctl restart keyturnd")
    assert alive() == []


def test_the_agent_of_the_same_host_is_told_of_a_rotation_at_once(operated):
    """By admin.sock; what the agent asks by itself is an hour away."""
    machine = operated.machine
    lines = block("agent.md", "Setting it up", "sh", "--init")
    own = re.match(r"\[keyturn\]\n(.+\n)+", block(
        "agent.md", "Setting it up", "ini", "[keyturn]"))[0]
    machine.write("/etc/keyturn/agent.conf", own + "[agent]\nrefresh = 1h\n",
                  0o640, "keyturn:keyturn")
    machine.run("echo 'readers = user:sapjob' >>/etc/keyturn/conf.d/main.conf\n"
                + lines + "systemctl restart keyturnd")

    def held():
        return machine.run("cd /; keyturn-credential get --role sap_engagement",
                           user="sapjob").stdout.strip()
    old = operated.password()
    assert held() == old
    operated.overdue()
    operated.wait_rotated(old)
    new = operated.password()
    wait_for(lambda: held() == new,
             "the agent to know", 10)


def test_it_starts_after_the_directory_of_users_is_there(operated):
    """A role's file may belong to a user whom only that directory knows."""
    machine = operated.machine
    machine.write("/etc/systemd/system/directory.service", "[Unit]\n"
                  "Before=nss-user-lookup.target\n"
                  "Wants=nss-user-lookup.target\n[Service]\nType=oneshot\n"
                  "RemainAfterExit=yes\nExecStart=/bin/sleep 2\n")
    units = "keyturnd", "keyturn-rotate", "keyturn-agent"
    machine.run("systemctl daemon-reload; systemctl stop keyturnd\n"
                "systemctl start directory keyturnd")
    begun = [int(machine.show(unit, key + "Monotonic")) for unit, key in
             (("directory", "ActiveEnterTimestamp"),
              ("keyturnd", "InactiveExitTimestamp"))]
    assert 0 < begun[0] <= begun[1]
    for unit in units:
        assert "nss-user-lookup.target" in machine.show(unit, "After").split()


def test_the_timer_rotates_what_is_due(operated):
    machine = operated.machine
    machine.run("systemctl stop keyturnd")
    # The files that belong to others, as keyturnd's drop-in.
    machine.run(f"mkdir -p {DROP_INS.format('keyturn-rotate')[:-11]}\n"
                f"cp {DROP_INS.format('keyturnd')} "
                f"{DROP_INS.format('keyturn-rotate')}")
    # Its moment has passed while the machine was off, and no delay.
    machine.write("/etc/systemd/system/keyturn-rotate.timer.d/local.conf",
                  "[Timer]\nRandomizedDelaySec=0\n")
    machine.run("systemctl daemon-reload; mkdir -p /var/lib/systemd/timers\n"
                "touch -d '1 day ago' "
                "/var/lib/systemd/timers/stamp-keyturn-rotate.timer")
    old = operated.password()
    operated.overdue()
    machine.run(phrase("operators.md",
                       r"`(systemctl enable --now keyturn-rotate.timer)`"))
    operated.wait_rotated(old)
    wait_for(lambda: machine.show("keyturn-rotate", "ActiveState")
             == "inactive", "the end of the service")
    # Nothing is due now, which is no failure of the unit.
    machine.run("systemctl start keyturn-rotate")
    assert machine.show("keyturn-rotate", "Result") == "success"
    assert machine.show("keyturn-rotate", "ExecMainStatus") == "3"
    machine.run("systemctl disable --now keyturn-rotate.timer")
