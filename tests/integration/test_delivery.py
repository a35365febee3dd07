# SPDX-License-Identifier: PostgreSQL
"""Deliveries: a program is given each new password once, as a user of its own
and with nothing of ours; what goes wrong with it is said and tried again, and
costs no rotation."""

import contextlib
import getpass
import json
import os
import pwd
import re
import shutil
import signal
import sqlite3
import tempfile
import time

import pytest

from rig.daemon import QUICK, Daemon, overdue
from rig.pair import new_pair
from rig.receiver import Program as Hook
from rig.server import wait_for

UNDELIVERED = 18
OTHER = "nobody" if os.geteuid() == 0 else getpass.getuser()

# $1 is a folder of the user's.  Each start is one line in `calls`.
TAKE = """cat >"$1/in.$$"
{ cat "$1/in.$$"; } >>"$1/got"
rm "$1/in.$$"
id -u >"$1/uid"; id -g >"$1/gid"; id -G >"$1/groups"; pwd >"$1/pwd"
tr '\\0' '\\n' </proc/$$/environ >"$1/environ"
tr '\\0' '\\n' </proc/$$/cmdline >"$1/cmdline"
ls /proc/$$/fd >"$1/fds"
read code <"$1/code"
"""


class Program:
    """A program and the folder in which it leaves what it was given.  Outside of
    the installation: it may have passwords."""

    def __init__(self, folder):
        self.folder = tempfile.mkdtemp(prefix="delivery-", dir=folder)
        os.chmod(self.folder, 0o755)
        self.path = os.path.join(self.folder, "deliver")
        self.out = os.path.join(self.folder, "out")
        os.mkdir(self.out, 0o700)
        self.write()
        self.end_with(0)
        user = pwd.getpwnam(OTHER)
        os.chown(self.out, user.pw_uid, user.pw_gid)

    def write(self, more="exit $code\n", take=TAKE):
        # In one go: one that runs reads on in the file that it began with.
        with open(self.path + ".new", "w") as f:
            f.write("#!/bin/sh\n" + take + more)
        os.chmod(self.path + ".new", 0o755)
        os.replace(self.path + ".new", self.path)

    def end_with(self, code):
        with open(os.path.join(self.out, "code"), "w") as f:
            f.write(f"{code}\n")
        os.chmod(os.path.join(self.out, "code"), 0o644)

    def text(self, name):
        try:
            with open(os.path.join(self.out, name)) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def got(self):
        """What it was given, each time."""
        return [json.loads(line) for line in self.text("got").splitlines()]

    def versions(self):
        return [g["version"] for g in self.got()]

    def close(self):
        shutil.rmtree(self.folder)


@pytest.fixture
def program(folder):
    made = Program(folder)
    yield made
    made.close()


def section(program, more="", name="cpi", user=OTHER):
    return (f"[delivery {name}]\ncommand = {program.path}\n"
            f"command = {program.out}\nuser = {user}\n{more}\n")


def configure(site, program, more="", roles=("sap",), keyturn=QUICK, **settings):
    site.configure(roles, keyturn=keyturn, more=section(program, more),
                   role_settings="delivery = cpi\n", **settings)


def follow(site, role="sap"):
    (step,) = site.status(role)["follow"]
    assert step["step"] == "delivery cpi"
    return step


def events(site, *kinds):
    return [e for e in site.audit() if e.get("kind") in kinds]


# ---- what it is given --------------------------------------------------------------

def test_a_program_is_given_the_password_once(site, program):
    configure(site, program)
    groups = os.getgroups()
    if os.geteuid() == 0:
        os.setgroups([0, 4, 64200])  # keyturn's, not the program's
    try:
        done = site.run("rotate", "sap", expect=0,
                        environment={"KEYTURN_TEST_PASSES": "no"})
    finally:
        if os.geteuid() == 0:
            os.setgroups(groups)
    current = site.settled()
    (got,) = program.got()
    assert got == {
        "engine": "postgres", "host": got["host"], "port": str(site.server.port),
        "dbname": site.database, "username": "sap",
        "password": current.password, "version": current.id, "role": "sap",
        "delivery": "cpi"}
    site.must_log_in(got["password"])
    # ... as another, with nothing of ours.
    user = pwd.getpwnam(OTHER)
    assert program.text("uid").split() == [str(user.pw_uid)]
    assert program.text("gid").split() == [str(user.pw_gid)]
    if os.geteuid() == 0:
        assert program.text("groups").split() == [str(user.pw_gid)]
    assert program.text("pwd") == "/\n" and program.text("environ") == ""
    assert program.text("cmdline").split() == ["/bin/sh", program.path,
                                               program.out]
    assert set(program.text("fds").split()) <= {"0", "1", "2", "10", "11"}
    # ... which the audit has before and after it.
    handout, delivered = events(site, "handout", "delivered")
    assert handout["recipient"] == delivered["recipient"] == "delivery cpi"
    assert handout["version"] == delivered["version"] == current.id
    assert handout["detail"] == f"to a program of user {OTHER}"
    assert delivered["status"] == "OK" and handout["seq"] < delivered["seq"]
    step = follow(site)
    assert step["state"] == "ok" and step["version"] == current.id
    assert "delivery" not in site.run("status", expect=0).out
    assert done.err == ""
    # Once: nothing that comes by finds anything to do.
    site.run("refresh", expect=0)
    site.run("recover", "sap", expect=0)
    assert site.run("rotate", "--due").exit == 3
    assert len(program.got()) == 1
    site.run("rotate", "sap", expect=0)
    assert program.versions() == [current.id, site.settled().id]


def test_a_role_that_names_none_delivers_to_none(site, program):
    site.configure(("sap",), more=section(program))
    site.run("rotate", "sap", expect=0)
    assert program.got() == [] and site.status()["follow"] == []
    assert events(site, "handout", "delivered") == []


def test_one_that_is_named_later_is_brought_what_is_current(site, program):
    site.run("rotate", "sap", expect=0)
    configure(site, program)
    assert follow(site)["state"] == "behind"
    assert "delivery cpi of role sap: not run yet" in \
        site.run("status", expect=0).out
    done = site.run("refresh", expect=0)
    assert "sap: the current password was delivered" in done.out
    assert program.versions() == [site.current().id]
    # By force, once more; other settings are another delivery.
    site.run("refresh", "--force", expect=0)
    assert len(program.got()) == 2
    text = open(site.configuration).read()
    with open(site.configuration, "w") as f:
        f.write(text.replace(f"command = {program.out}",
                             f"command = {program.out}\ncommand = more"))
    site.run("refresh", expect=0)
    assert len(program.got()) == 3


def test_a_new_user_of_a_pair_comes_with_the_one_before(new_site, program):
    with new_pair(new_site(more=section(program))) as pair:
        site = pair.site
        site.configure(
            more=section(program),
            role_settings=f"sink = env {site.sinks}/sap.env\n"
            "strategy = alternating\nmembers = sap_a sap_b\n"
            "delivery = cpi\n")
        site.run("rotate", "sap", expect=0)
        (first,) = program.got()
        assert "previous_username" not in first
        site.run("rotate", "sap", expect=0)
        second = program.got()[-1]
        assert {first["username"], second["username"]} == {"sap_a", "sap_b"}
        assert second["previous_username"] == first["username"]
        assert pair.works((second["username"], second["password"]))


# ---- when it fails -------------------------------------------------------------------

def test_a_program_that_fails_is_said_everywhere_and_tried_again(site, program,
                                                                 tmp_path):
    hook = Hook(str(tmp_path))
    site.configure(("sap",), keyturn="backoff = 1h\nbackoff_max = 1h\n",
                   more=section(program)
                   + f"[hook all]\ncommand = {hook.path}\n",
                   role_settings="delivery = cpi\n")
    program.write("echo 'the API said 503, come back' >&2\n"
                  "echo second line >&2\nexit $code\n")
    program.end_with(1)
    done = site.run("rotate", "sap", expect=UNDELIVERED)
    sentence = f"{program.path} ended with 1: the API said 503, come back"
    assert f"delivery cpi: {sentence}" in done.out
    current = site.current()
    site.must_log_in(current.password)
    assert site.sink() == current.password
    step = follow(site)
    assert (step["state"], step["failures"]) == ("failing", 1)
    assert step["last_error"] == sentence and step["since"] and step["next"]
    assert re.search(r"^delivery cpi of role sap: failing for .*, 1 attempts, "
                     r"the next in .*: " + re.escape(sentence) + "$",
                     site.run("status", expect=0).out, re.M)
    check = site.run("check", "sap")
    assert "delivery cpi: does not have the current password: " + sentence in \
        check.out
    (failed,) = events(site, "undelivered")
    assert failed["status"] == "ERROR" and failed["version"] == current.id
    assert failed["detail"] == sentence
    assert failed["recipient"] == "delivery cpi"
    # Nobody who comes by hurries it ...
    assert site.run("rotate", "--due").exit == UNDELIVERED
    done = site.run("refresh", expect=UNDELIVERED)
    assert sentence in done.err
    assert len(program.got()) == 1
    # ... but a person may, and it is said again when it is over.
    program.end_with(0)
    site.run("recover", "sap", expect=0)
    assert program.versions() == [current.id] * 2
    assert follow(site)["state"] == "ok"
    assert "delivery cpi" not in site.run("status", expect=0).out
    assert events(site, "delivered")[0]["detail"] == \
        "the API said 503, come back"
    kinds = [(e["event"], e.get("recipient")) for e in hook.events()
             if e["event"] != "recovered"]
    assert kinds == [("rotated", None), ("undelivered", "delivery cpi"),
                     ("delivered", "delivery cpi")]
    assert site.run("rotate", "--due").exit == 3
    site.run("audit", "verify", expect=0)


def test_the_time_of_the_next_attempt_comes(site, program):
    configure(site, program)
    program.end_with(7)
    site.run("rotate", "sap", expect=UNDELIVERED)
    program.end_with(0)
    wait_for(lambda: site.run("refresh").exit == 0, "the end of the pause", 20)
    assert program.versions() == [site.current().id] * 2


def spoil_missing(p):
    os.unlink(p.path)


def spoil_not_executable(p):
    os.chmod(p.path, 0o644)


def spoil_writable(p):
    os.chmod(p.path, 0o757)


def spoil_folder(p):
    os.chmod(p.folder, 0o777)


def spoil_owner(p):
    os.chown(p.path, 54321, -1)


@pytest.mark.parametrize("spoil,says", [
    (spoil_missing, "there is no such file"),
    (spoil_not_executable, "cannot be run.*: Permission denied"),
    (spoil_writable, "can be written by others, who could put another "
                     "program there: chmod go-w "),
    (spoil_folder, "the folder .* can be written by others.*: chmod go-w "),
] + [
    (spoil_owner, "belongs to user 54321, who could put another program there"),
] * (os.geteuid() == 0), ids=lambda v: getattr(v, "__name__", ""))
def test_a_program_that_is_not_safe_is_given_nothing(site, program, spoil, says):
    configure(site, program)
    spoil(program)
    check = site.run("check", "sap", expect=UNDELIVERED)
    assert re.search(r"^fail  sap: delivery cpi: cannot be run: .*" + says,
                     check.out, re.M), check.out
    done = site.run("rotate", "sap", expect=UNDELIVERED)
    assert re.search("delivery cpi: .*" + says, done.out)
    assert program.got() == [] and events(site, "handout") == []
    site.must_log_in(site.current().password)


@pytest.mark.parametrize("user,says", [
    ("nobody-of-that-name", 'there is no user "nobody-of-that-name"'),
    ("root", "user root is root, who may read and change everything"),
])
def test_a_user_that_cannot_be_is_refused(site, program, user, says):
    site.configure(("sap",), more=section(program, user=user),
                   role_settings="delivery = cpi\n")
    check = site.run("check", "sap", expect=UNDELIVERED)
    assert says in check.out
    assert says in site.run("rotate", "sap", expect=UNDELIVERED).out
    assert program.got() == [] and events(site, "handout") == []


@pytest.mark.parametrize("more,role,says", [
    ("[delivery cpi]\ncommand = deliver\nuser = nobody\n", "delivery = cpi",
     "[delivery cpi] command: must begin with the absolute path"),
    ("[delivery cpi]\ncommand = /bin/true\n", "delivery = cpi",
     '[delivery cpi] lacks the setting "user"'),
    ("", "delivery = cpi", "[role sap] delivery: there is no [delivery cpi]"),
    ("[delivery cpi]\ncommand = /bin/true\nuser = nobody\n",
     "delivery = cpi\ndelivery = cpi", "delivery: cpi is there twice"),
])
def test_a_delivery_that_is_not_understood_is_a_mistake(site, more, role, says):
    site.configure(("sap",), more=more, role_settings=role + "\n")
    done = site.run("rotate", "sap", expect=2)
    assert says in done.err and "keyturn.conf:" in done.err
    site.configure(("sap",))


def test_check_says_what_it_may_do(site, program):
    configure(site, program, "timeout = 12s")
    out = site.run("check", "sap").out
    assert re.search(
        rf"^ok    sap: delivery cpi: {program.path} may run as user {OTHER} for "
        "12 s, and is given the password; it has no shell, no environment, and "
        "one group", out, re.M), out
    own = "that user is keyturn's own, so that it may read whatever keyturn may"
    assert (own in out) == (os.geteuid() != 0)


def test_a_program_that_hangs_is_ended_with_its_children(site, program):
    configure(site, program, "timeout = 1s")
    program.write("echo waits >&2\n"
                  "(setsid sh -c 'echo $$ >>\"$0/pids\"; exec sleep 600' \"$1\" "
                  "&)\n"
                  "sleep 600 &\necho $! >>\"$1/pids\"\n"
                  "echo $$ >>\"$1/pids\"\nwait\n")
    begun = time.monotonic()
    done = site.run("rotate", "sap", expect=UNDELIVERED)
    assert time.monotonic() - begun < 15
    assert "had not ended after 1 s and was killed: waits" in done.out
    pids = program.text("pids").split()
    assert len(pids) == 3
    assert [p for p in pids if os.path.exists("/proc/" + p)] == []
    assert events(site, "undelivered")[0]["status"] == "TIMEOUT"


def test_a_flood_of_words_is_one_line(site, program):
    configure(site, program)
    program.write("yes 'a line of many' | head -c 50000000 >&2\n"
                  "head -c 50000000 /dev/zero\nexit 5\n")
    done = site.run("rotate", "sap", expect=UNDELIVERED)
    assert "ended with 5: a line of many\n" in done.out
    program.write("head -c 3000000 /dev/zero | tr '\\0' y >&2\nexit 5\n")
    done = site.run("recover", "sap", expect=UNDELIVERED)
    assert len(done.out) < 1000


@pytest.mark.parametrize("words", [
    'cat "$1/got"', 'tail -n 1 "$1/got" | cut -c 120-',
    "sed 's/.*\"password\":\"\\([^\"]*\\).*/\\1/' \"$1/got\" | tail -n 1",
    "printf 'Authorization: Basic '; printf 'sap:%s' \"$(sed "
    "'s/.*\"password\":\"\\([^\"]*\\).*/\\1/' \"$1/got\" | tail -n 1)\" "
    "| base64 -w 0",
    "sed 's/.*\"password\":\"\\([^\"]*\\).*/\\1/' \"$1/got\" | tail -n 1 "
    "| od -An -v -tx1 -w80",
], ids=["everything", "a piece", "the password", "base64", "hex"])
@pytest.mark.parametrize("code", [0, 1])
def test_what_has_the_password_in_it_is_left_out(site, program, words, code):
    """That it is nowhere is looked for after the test, for all tests."""
    configure(site, program)
    program.end_with(code)
    program.write(f"{{ {words}; }} >&2\n{{ {words}; }}\nexit $code\n")
    done = site.run("rotate", "sap", expect=UNDELIVERED if code else 0)
    left_out = ("what it printed is left out: it has the password in it, or a "
                "part of it")
    (event,) = events(site, "undelivered" if code else "delivered")
    assert event["detail"].endswith(left_out)
    assert (left_out in done.out) == bool(code)
    password = program.got()[-1]["password"]
    trail = site.run("audit", "export", expect=0).out
    for i in range(len(password) - 7):
        assert password[i:i + 8] not in trail + done.out + done.err


@pytest.mark.parametrize("first,says", [
    ("#!/no/such/interpreter\n", "the interpreter that its first line or its ELF "
                                 "header names is not there"),
    ("echo no first line of a script\n", "it is not a program of this machine; "
                                         "a script begins with #!"),
])
def test_a_script_that_nothing_runs_is_told_apart_from_one_that_is_away(
        site, program, first, says):
    configure(site, program)
    with open(program.path, "w") as f:
        f.write(first)
    done = site.run("rotate", "sap", expect=UNDELIVERED)
    assert f"{program.path} cannot be run: {says}" in done.out


def test_a_clock_that_went_back_makes_one_attempt_and_not_many(site, program):
    configure(site, program, keyturn="backoff = 1h\nbackoff_max = 1h\n")
    program.end_with(1)
    site.run("rotate", "sap", expect=UNDELIVERED)
    # As if all of it had been remembered a year from now.
    year = 365 * 86400 * 1000000
    with contextlib.closing(sqlite3.connect(
            os.path.join(site.state, "ledger.db"), timeout=20)) as db, db:
        ((key, value),) = db.execute(
            "select key, value from memory where value like '%ended with 1'"
        ).fetchall()
        words = value.split(" ")
        words[4:7] = [str(int(w) + year) for w in words[4:7]]
        assert db.execute("update memory set value = ? where key = ?",
                          [" ".join(words), key]).rowcount == 1
    for _ in range(3):
        site.run("refresh", expect=UNDELIVERED)
    assert len(program.got()) == 2


def test_programs_that_hang_hold_up_no_other_role_of_a_command(new_site, program):
    roles = [f"r{i}" for i in range(5)]
    site = new_site(roles=roles)
    configure(site, program, "timeout = 6s", roles=roles,
              keyturn="jobs = 1\n")
    program.write("echo >>\"$1/begun\"\nexec sleep 600\n", take="")
    run = site.start("rotate", *roles)
    wait_for(lambda: program.text("begun").count("\n") == 5,
             "all of them, before the first one has ended", 5)
    assert run.process.poll() is None
    done = run.finish(60)
    assert done.exit == UNDELIVERED
    assert done.out.count("had not ended after 6 s and was killed") == 5


# ---- whatever interrupts it -------------------------------------------------------------

def test_a_command_that_was_killed_before_it_ran_is_made_good(site, program):
    configure(site, program)
    run = site.stop_before(
        lambda e: site.labelled("current") is not None and
        "close" in [x["kind"] for x in site.audit() if "kind" in x],
        "rotate", "sap")
    run.kill()
    assert program.got() == []
    assert follow(site)["state"] == "behind"
    site.run("rotate", "--due")
    assert program.versions() == [site.current().id]
    assert follow(site)["state"] == "ok"


def test_kill_between_the_program_and_its_note_is_a_second_run(site, program):
    configure(site, program)
    run = site.stop_before(lambda e: len(program.got()) == 1, "rotate", "sap")
    run.kill()
    assert events(site, "delivered") == []
    site.run("refresh", expect=0)
    assert program.versions() == [site.current().id] * 2


def test_a_program_ends_with_who_has_started_it(site, program):
    configure(site, program)
    program.write("echo $$ >\"$1/pid\"\nexec sleep 600\n")
    run = site.start("rotate", "sap")
    wait_for(lambda: program.text("pid").strip(), "the program")
    pid = program.text("pid").strip()
    run.kill()
    wait_for(lambda: not os.path.exists("/proc/" + pid), "its end")
    program.write()
    site.run("recover", "sap", expect=0)
    assert program.versions() == [site.current().id] * 2


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_leaves_nothing_that_a_program_has_started(site, program, name):
    site.run("rotate", "sap", expect=0)
    configure(site, program)
    program.write("(setsid sh -c 'echo $$ >>\"$0/pids\"; exec sleep 600' \"$1\" "
                  "&)\nsleep 600 &\necho $! >>\"$1/pids\"\n"
                  "echo $$ >>\"$1/pids\"\nwait\n")
    run = site.start("refresh")
    wait_for(lambda: len(program.text("pids").split()) == 3, "the program")
    run.process.send_signal(getattr(signal, name))
    assert run.finish(10).exit == -getattr(signal, name)
    assert [p for p in program.text("pids").split()
            if os.path.exists("/proc/" + p)] == []
    program.write()
    site.run("refresh", "--force", expect=0)
    assert program.versions()[-1] == site.settled().id


def test_two_never_run_at_once_and_the_newest_comes_last(site, program):
    configure(site, program)
    site.run("rotate", "sap", expect=0)
    program.write('echo "begin $$" >>"$1/order"\nsleep 2\n'
                  'echo "end $$" >>"$1/order"\n')
    first = site.start("rotate", "sap")
    wait_for(lambda: "begin" in program.text("order"), "the first program")
    second = site.start("rotate", "sap")
    assert first.finish(60).exit == 0 and second.finish(60).exit == 0
    order = [line.split() for line in program.text("order").splitlines()]
    for begin, end in zip(order[::2], order[1::2]):
        assert (begin[0], end[0]) == ("begin", "end")
        assert begin[1] == end[1], order
    current = site.settled()
    versions = program.versions()
    assert versions[-1] == current.id
    assert len(set(versions)) == len(versions) - versions.count(versions[0]) + 1
    assert follow(site)["version"] == current.id


# ---- keyturnd ---------------------------------------------------------------------------

def test_keyturnd_delivers_and_tries_again(taken_over, program, tmp_path):
    site = taken_over
    metrics = tmp_path / "keyturn.prom"
    configure(site, program, keyturn=QUICK + f"metrics = {metrics}\n")
    before = site.current()
    daemon = Daemon(site).ready()
    # What was current when it was named.
    daemon.wait_log("sap: delivery cpi has the current password")
    assert program.versions() == [before.id]
    program.write("echo not today >&2\nexit $code\n")
    program.end_with(3)
    overdue(site)
    daemon.wait_log(r"sap: delivery cpi: .* ended with 3: not today; it is "
                    "tried again")
    wait_for(lambda: len(program.got()) >= 4, "two more attempts", 30)
    current = site.current()
    assert set(program.versions()[1:]) == {current.id} != {before.id}
    wait_for(lambda: re.search(r'^keyturn_role_undelivered{role="sap".*} 1$',
                               metrics.read_text(), re.M), "the metrics", 20)
    # Said once, not at each attempt.
    assert len(re.findall("ended with 3", daemon.log())) == 1
    program.end_with(0)
    wait_for(lambda: follow(site)["state"] == "ok", "its success", 20)
    wait_for(lambda: re.search(r'^keyturn_role_undelivered{role="sap".*} 0$',
                               metrics.read_text(), re.M), "the metrics", 20)
    count = len(program.got())
    time.sleep(3)
    done = daemon.stop()
    assert len(program.got()) == count
    assert done.err.count("ended with 3") == 1
    site.settled()


def test_keyturnd_sees_to_what_a_command_has_left(taken_over, program):
    site = taken_over
    configure(site, program)
    program.end_with(1)
    daemon = Daemon(site).ready()
    daemon.wait_log("delivery cpi: .* ended with 1")
    site.run("rotate", "sap", expect=UNDELIVERED)
    program.end_with(0)
    wait_for(lambda: follow(site)["state"] == "ok", "its success", 20)
    daemon.stop()
    assert program.versions()[-1] == site.settled().id


def test_a_delivery_that_hangs_holds_up_no_rotation_and_no_end(taken_over,
                                                               program):
    site = taken_over
    configure(site, program, "timeout = 5m")
    program.write("echo $$ >>\"$1/pids\"\nexec sleep 600\n")
    daemon = Daemon(site).ready()
    wait_for(lambda: program.text("pids"), "the program", 20)
    before = site.current()
    overdue(site)
    wait_for(lambda: site.current().id != before.id, "a rotation", 20)
    begun = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begun < 25
    assert [p for p in program.text("pids").split()
            if os.path.exists("/proc/" + p)] == []
    program.write()
    site.run("recover", "sap", expect=0)
    assert program.versions()[-1] == site.settled().id


def test_programs_that_hang_leave_the_others_their_turn(new_site, program, folder):
    """More of them than keyturnd has threads for, all before the other one."""
    roles = [f"a{i}" for i in range(8)] + ["z"]
    site, other = new_site(roles=roles), Program(folder)
    site.configure(roles, keyturn=QUICK, role_settings="delivery = cpi\n",
                   more=section(program, "timeout = 3s")
                   + section(other, name="fast"))
    with open(site.configuration) as f:
        before, behind = f.read().split("[role z]")
    with open(site.configuration, "w") as f:
        f.write(before + "[role z]" + behind.replace("= cpi", "= fast"))
    program.write("exec sleep 600\n", take="")
    other.end_with(1)
    site.run("rotate", "--all")
    other.end_with(0)
    daemon = Daemon(site).ready()
    wait_for(lambda: site.status("z")["follow"][0]["state"] == "ok",
             "the turn of the one that works", 25)
    daemon.stop()
    other.close()
