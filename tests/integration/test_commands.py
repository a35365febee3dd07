# SPDX-License-Identifier: PostgreSQL
"""Every command and every option of commands.def, as a person or a program
meets them."""

import contextlib
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import stat
import subprocess
import time

import pytest

from rig.daemon import overdue
from rig.installation import FIRST_PASSWORD
from rig.server import wait_for
from rig.verdict import finding, line_of, nothing_changed, sentence

HERE = os.path.dirname(os.path.abspath(__file__))
COMMANDS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "src", "cli",
                        "commands.def")
USAGE = 2
NOTHING_DUE = 3
SOME_FAILED = 4
FROZEN = 5
REFUSED = 6
AUDIT_BROKEN = 10
NOT_FOUND = 11
LEDGER_AWAY = 14


def table():
    """({command: its options}, the options of all)."""
    commands, shared = {}, []
    with open(COMMANDS) as f:
        text = f.read()
    for name in re.findall(r"^COMMAND\((\w+),", text, re.M):
        commands[name] = []
    for of, name in re.findall(r"^OPTION\((\w+), (\w+),", text, re.M):
        (shared if of == "all" else commands[of]).append(
            "--" + name.replace("_", "-"))
    return commands, shared


COMMAND_TABLE, SHARED = table()


def plain(site, *argv, **how):
    """Without --config in front."""
    return site.run(*argv, configured=False, **how)


# ---- Help and usage ---------------------------------------------------------

def test_every_command_explains_itself(new_site, subtests):
    site = new_site(roles=())
    whole = plain(site, "--help", expect=0)
    assert whole.err == ""
    for command, options in COMMAND_TABLE.items():
        with subtests.test(command):
            assert re.search(rf"^  {command} ", whole.out, re.M)
            for argv in ([command, "--help"], ["--help", command],
                         [command, "-h"]):
                done = plain(site, *argv, expect=0)
                assert done.out.startswith(f"usage: keyturn {command} ")
                for option in options + SHARED:
                    assert option in done.out, option


@pytest.mark.parametrize("program", ["keyturn", "keyturnd", "keyturn-agent",
                                     "keyturn-credential"])
def test_every_program_tells_its_version_and_explains_itself(tools, program):
    path = os.path.join(os.path.dirname(tools.binary), program)

    def said(option):
        return subprocess.run([path, option],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=True).stdout
    assert re.fullmatch(rf"{program} [0-9]+\.[0-9]+\.[0-9]+\n",
                        said("--version"))
    assert said("-h").startswith(f"usage: {program} ")
    assert said("-h") == said("--help")


def test_help_needs_no_configuration_and_touches_nothing(new_site, tmp_path):
    site = new_site(roles=())
    done = plain(site, "--config", str(tmp_path / "none"), "rotate", "--help",
                 expect=0)
    assert "usage:" in done.out
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("argv, words", [
    ([], ["a command is missing", "keyturn --help"]),
    (["rotat", "sap"], ["no command rotat", "keyturn --help"]),
    (["--colour"], ["--colour", "unknown option"]),
    (["rotate", "--colour"], ["--colour", "unknown option"]),
    (["status", "--dry-run"], ["--dry-run", "unknown option"]),
    (["rotate", "sap", "--reason"], ["--reason", "needs an argument"]),
    (["--config"], ["--config", "needs an argument"]),
    (["rotate"], ["role names, or --due, or --all"]),
    (["rotate", "sap", "--due"], ["role names, or --due, or --all"]),
    (["rotate", "--due", "--all"], ["role names, or --due, or --all"]),
    (["rotate", "--all", "--emergency"], ["--emergency", "by name"]),
    (["import"], ["one role name"]),
    (["import", "sap"], ["--password-fd"]),
    (["import", "sap", "--password-fd", "x"], ["--password-fd", '"x"']),
    (["import", "sap", "--password-fd", "987"], ["--password-fd 987"]),
    (["get"], ["one role name"]),
    (["get", "sap", "erp"], ["one role name"]),
    (["freeze", "sap"], ["--reason"]),
    (["freeze", "--reason", "x"], ["one role name"]),
    (["thaw"], ["one role name"]),
    (["audit"], ["verify or export"]),
    (["audit", "burn"], ["verify or export"]),
    (["config"], ["show or reference"]),
    (["history", "a", "b"], ["one role name or none"]),
    (["init", "a", "b"], ["one folder or none"]),
], ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_wrong_usage_is_said_in_one_sentence(argv, words, shared_site):
    sentence(plain(shared_site, *argv), USAGE, "keyturn: ", *words)


@pytest.fixture(scope="module")
def shared_site(folder, tools):
    """A place to run from, for what needs no configuration."""
    class Place:
        def run(self, *argv, configured=False):
            done = subprocess.run([tools.binary, *argv], cwd=folder,
                                  capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL)
            done.exit, done.out, done.err = (done.returncode, done.stdout,
                                             done.stderr)
            done.text = f"{argv}: exit {done.exit}\n{done.out}{done.err}"
            return done
    return Place()


WRONG = [
    (["rotate", "erp"], ["no [role erp]"]),
    (["rotate", "sap", "erp"], ["no [role erp]"]),
    (["status", "erp"], ["no [role erp]"]),
    (["check", "erp"], ["no [role erp]"]),
    (["recover", "erp"], ["no [role erp]"]),
    (["get", "erp"], ["no [role erp]"]),
    (["freeze", "erp", "--reason", "x"], ["no [role erp]"]),
    (["thaw", "erp"], ["no [role erp]"]),
    (["rotate", "sap", "--jobs", "0"], ["--jobs", "1 to 64", '"0"']),
    (["rotate", "sap", "--jobs", "65"], ["--jobs", "1 to 64"]),
    (["rotate", "sap", "--jobs", "two"], ["--jobs", '"two"']),
    (["recover", "--jobs", "-1"], ["--jobs"]),
    (["rotate", "sap", "--reason", "x" * 5000], ["--reason", "longer"]),
    (["history", "--since", "yesterday"], ["--since", '"yesterday"']),
    (["get", "sap", "--label", "newest"], ["newest"]),
    (["get", "sap", "--format", "xml"], ["xml"]),
]


def test_wrong_arguments_change_nothing(taken_over, subtests):
    with nothing_changed(taken_over):
        for argv, words in WRONG:
            with subtests.test(" ".join(argv)[:40]):
                done = taken_over.run(*argv)
                sentence(done, USAGE, *words)
                assert done.out == ""


# ---- init -------------------------------------------------------------------

def test_init_writes_what_is_needed_and_overwrites_nothing(new_site, tmp_path):
    site = new_site(roles=())
    keys, state = str(tmp_path / "etc"), str(tmp_path / "var")
    done = plain(site, "init", keys, "--state", state, expect=0)
    assert "keyturn check" in done.out
    assert sorted(os.listdir(keys)) == ["audit.key", "audit.key.pub",
                                        "keyturn.conf", "store.key"]
    assert {"ledger.db", "store.db"} <= set(os.listdir(state))
    assert stat.S_IMODE(os.stat(state).st_mode) == 0o700
    # What it wrote is a valid configuration, and says what it is for.
    config = os.path.join(keys, "keyturn.conf")
    plain(site, "--config", config, "check", expect=0)
    plain(site, "config", "show", "--config", config, expect=0)
    with open(config) as f:
        assert "[role" in f.read()
    files = {f: open(os.path.join(d, f), "rb").read() for d in (keys, state)
             for f in os.listdir(d) if not f.endswith(("-shm", "-wal"))}
    sentence(plain(site, "init", keys, "--state", state), REFUSED, config,
             "overwrites nothing")
    for name in ("store.key", "audit.key"):
        os.rename(config, config + ".away")
        done = plain(site, "init", keys, "--state", state)
        os.rename(config + ".away", config)
        assert done.exit == REFUSED and "overwrites nothing" in done.err
    assert files == {f: open(os.path.join(d, f), "rb").read()
                     for d in (keys, state) for f in os.listdir(d)
                     if not f.endswith(("-shm", "-wal"))}


def test_init_quiet_says_nothing(new_site, tmp_path):
    site = new_site(roles=())
    done = plain(site, "init", str(tmp_path / "etc"), "--state",
                 str(tmp_path / "var"), "--quiet", expect=0)
    assert done.text.splitlines()[1:] == []


# ---- check ------------------------------------------------------------------

def test_check_says_what_it_looked_at(taken_over):
    done = taken_over.run("check", expect=0)
    for topic in ("configuration", "ledger", "audit", "store local", "policy",
                  "schedule", "sink", "cluster", "preflight", "drift"):
        assert re.search(rf"^ok +(sap: )?{topic}: ", done.out, re.M), topic
    assert re.search(r"1\d\d\.\d bits of entropy", done.out)


def test_check_in_json_has_the_same_lines(taken_over):
    text = taken_over.run("check", "sap", expect=0).out.splitlines()
    done = taken_over.run("check", "sap", "--json", expect=0)
    assert len(done.lines) == len(text)
    for line in done.lines:
        assert set(line) == {"role", "topic", "severity", "sentence"}
        assert line["severity"] in ("ok", "note", "warn")
        assert line["role"] in ("", "sap")


def test_check_quiet_prints_only_what_is_wrong(taken_over):
    taken_over.server.sql("alter role sap nologin")
    done = taken_over.run("check", "--quiet", expect=REFUSED)
    finding(done, "NOLOGIN")
    assert all(line.startswith(("fail ", "warn "))
               for line in done.out.splitlines())
    assert len(done.err.splitlines()) == 1


def test_check_changes_nothing(taken_over):
    site = taken_over
    roles = site.server.sql("select * from pg_authid order by 1")
    events = site.audit()
    with nothing_changed(site):
        marker = site.marker()
        site.run("check", expect=0)
        assert site.marker() == marker
    assert site.server.sql("select * from pg_authid order by 1") == roles
    assert site.audit() == events


# ---- rotate -----------------------------------------------------------------

def test_due_rotates_what_is_due_and_else_says_so(new_site):
    site = new_site(roles=("sap", "erp"))
    done = site.run("rotate", "--due", expect=NOTHING_DUE)
    assert "2 roles are not managed yet" in done.err
    assert len(done.err.splitlines()) == 1 and \
        done.out == "nothing is due\n"
    site.run("rotate", "--all", expect=0)
    sentence(site.run("rotate", "--due"), NOTHING_DUE, "nothing is due")
    # An hour later, for a role that is due each second.
    text = open(site.configuration).read()
    with open(site.configuration, "w") as f:
        f.write(text.replace("every = 30d", "every = 1s", 1))
    time.sleep(1.1)
    erp = site.current("erp")
    done = site.run("rotate", "--due", expect=0)
    assert [line.split(":")[0] for line in done.out.splitlines()] == ["sap"]
    assert site.current("erp") == erp
    site.settled("erp")


def test_a_stamp_that_is_to_come_counts_as_due_and_heals(new_site):
    """A run with the clock ten years ahead, and another with the right one."""
    site = new_site(roles=("sap", "erp"))
    site.run("rotate", "--all", expect=0)
    ten_years = 3650 * 86400 * 10**6
    with contextlib.closing(sqlite3.connect(
            os.path.join(site.state, "ledger.db"))) as db, db:
        db.execute("update role set rotated_us = rotated_us + ? "
                   "where role = 'sap'", [ten_years])
    before = site.current()
    line = site.run("status", "sap", expect=0).out.splitlines()[1]
    assert "overdue" in line and "a clock was wrong" in line, line
    assert re.search("(?m)^warn  sap: clock: ",
                     site.run("check", "sap", expect=0).out)
    with contextlib.closing(sqlite3.connect(
            os.path.join(site.state, "ledger.db"))) as db, db:
        db.execute("update memory set until_us = until_us + ? "
                   "where key like 'login:%'", [ten_years])
    controls = site.kinds().count("control")
    done = site.run("rotate", "--due", "--quiet", expect=0)
    assert "sap: was last rotated at 20" in done.err and \
        "counts as due" in done.err
    assert "erp" not in done.text
    now = site.settled()
    assert now.id != before.id
    # What was remembered by that clock is asked anew.
    assert site.kinds().count("control") > controls
    status = site.status()
    assert status["version"] == now.id and status["age_seconds"] < 3600
    site.run("rotate", "--due", expect=NOTHING_DUE)


def test_a_frozen_role_that_is_due_is_told_and_no_failure(new_site):
    site = new_site(roles=("sap", "erp"))
    site.run("rotate", "--all", expect=0)
    site.run("freeze", "sap", "--reason", "winter", expect=0)
    before = site.current("sap")
    overdue(site, "sap", "erp")
    done = site.run("rotate", "--due", expect=0)
    assert "sap: is due and frozen" in done.err and "winter" in done.err
    assert [line.split(":")[0] for line in done.out.splitlines()] == ["erp"]
    assert site.current("sap") == before
    done = site.run("rotate", "--due", expect=NOTHING_DUE)
    assert "sap: is due and frozen" in done.err
    assert site.run("check", "erp").exit == 0
    done = site.run("check", expect=FROZEN)
    assert re.search("(?m)^warn  sap: frozen: winter$", done.out)


def test_another_audit_key_stops_rotations(taken_over, tmp_path):
    site = taken_over
    other = str(tmp_path / "other")
    site.run("init", other, "--state", other + ".state", configured=False,
             expect=0)
    kept = {}
    for name in ("audit.key", "audit.key.pub"):
        path = os.path.join(site.keys, name)
        kept[path] = open(path).read()
        shutil.copy2(os.path.join(other, name), path)
    site.run("check", expect=AUDIT_BROKEN)
    before = site.current()
    for argv in (["rotate", "sap"], ["rotate", "--all"], ["recover", "sap"]):
        sentence(site.run(*argv), LEDGER_AWAY, "not signed by our key",
                 "nothing was rotated")
    assert site.current() == before
    for path, text in kept.items():
        with open(path, "w") as f:
            f.write(text)
    site.run("rotate", "sap", expect=0)
    site.settled()


@pytest.mark.parametrize("name", ["a ; b", 'a"b', "a\\b", "a\nb", "#a"])
def test_init_writes_no_path_that_a_setting_cannot_hold(tools, folder, name):
    where = os.path.join(folder, "init-" + str(len(os.listdir(folder))))
    os.mkdir(where)
    for argv in ([name + "/e"], ["good", "--state", name]):
        done = subprocess.run([tools.binary, "init", *argv], cwd=where,
                              capture_output=True, text=True)
        assert done.returncode == USAGE, done
        assert "semicolon" in done.stderr
    assert os.listdir(where) == []


def test_a_role_that_is_named_twice_is_rotated_once(taken_over):
    runs = taken_over.kinds().count("intent")
    done = taken_over.run("rotate", "sap", "sap", expect=0)
    assert len(done.out.splitlines()) == 1
    assert taken_over.kinds().count("intent") == runs + 1


@pytest.mark.parametrize("switch", ["--e", "--emergenc", "--for"])
def test_no_beginning_of_a_switch_stands_for_it(taken_over, switch):
    with nothing_changed(taken_over):
        sentence(taken_over.run("rotate", "sap", switch), USAGE, switch)


def test_a_history_of_any_length_is_printed(taken_over):
    with contextlib.closing(sqlite3.connect(
            os.path.join(taken_over.state, "ledger.db"))) as db, db:
        db.execute("""
            with recursive n(i) as (select 1 union all
                                    select i + 1 from n where i < 36000)
            insert into run(run, role, mode, actor, reason, status, error,
                            begun_us, ended_us)
            select printf('%036d', i), 'sap', 'rotate', 'uid 0', '', 'ERROR',
                   replace(hex(zeroblob(250)), '00', char(1, 1)), i, i + 1
            from n""")
    done = taken_over.run("history", expect=0)
    assert len(done.out) > 64 << 20
    assert done.out.count("  sap  rotate ERROR  ") == 36000
    done = taken_over.run("history", "--json", expect=0)
    assert done.out.count('{"run":"') == \
        36000 + taken_over.kinds().count("intent")
    assert done.out.endswith("}]\n")


def test_all_rotates_all_in_parallel(new_site):
    roles = [f"r{i}" for i in range(12)]
    site = new_site(roles=roles)
    mark = site.server.mark()
    done = site.run("rotate", "--all", "--jobs", "6", expect=0)
    assert sorted(line.split(":")[0] for line in done.out.splitlines()) == \
        sorted(roles)
    # A wrong password is tried for each role: one does not vouch for another.
    assert all(site.server.logins(mark, role) == (1, 1) for role in roles)
    for role in (roles[0], roles[-1]):
        site.settled(role)


def test_dry_run_changes_nothing(taken_over):
    site = taken_over
    with nothing_changed(site):
        marker = site.marker()
        events = len(site.audit())
        done = site.run("rotate", "sap", "--dry-run", expect=0)
        assert done.out == "sap: would be rotated\n"
        done = site.run("rotate", "--all", "--dry-run", "--json", expect=0)
        assert done.lines == [{"role": "sap", "would": "rotate"}]
        site.run("rotate", "--due", "--dry-run", expect=NOTHING_DUE)
        assert site.marker() == marker and len(site.audit()) == events


def test_a_reason_is_kept(taken_over):
    reason = "ticket 4711: \u00e4\u00f6\u00fc \"quoted\" \\ 'n' %s"
    taken_over.run("rotate", "sap", "--reason", reason, expect=0)
    done = taken_over.run("history", "sap", "--json", expect=0)
    assert json.loads(done.out)[0]["reason"] == reason
    assert "rotate: " + reason in [e["detail"] for e in events(taken_over)
                                   if e["kind"] == "intent"]


def test_some_roles_that_fail_have_a_code_of_their_own(new_site):
    site = new_site(roles=("sap", "erp"))
    site.server.sql("alter role erp nologin")
    done = site.run("rotate", "sap", "erp", expect=SOME_FAILED)
    lines = dict(line.split(": ", 1) for line in done.out.splitlines())
    assert "rotated" in lines["sap"] and "NOLOGIN" in lines["erp"]
    site.server.sql("alter role sap nologin")
    # All for the same cause: that cause's code.
    assert site.run("rotate", "sap", "erp").exit == REFUSED
    done = site.run("rotate", "--all", "--json", expect=REFUSED)
    assert {(line["status"], line["exit"], line["version"] is None)
            for line in done.lines} == {("REFUSED", REFUSED, False),
                                        ("REFUSED", REFUSED, True)} or \
        {line["exit"] for line in done.lines} == {REFUSED}


def test_quiet_prints_only_failures(new_site):
    site = new_site(roles=("sap", "erp"))
    site.server.sql("alter role erp nologin")
    done = site.run("rotate", "--all", "--quiet", expect=SOME_FAILED)
    assert len(done.out.splitlines()) == 1 and done.out.startswith("erp: ")


# ---- import -----------------------------------------------------------------

@contextlib.contextmanager
def on_a_pipe(content):
    read, write = os.pipe()
    os.write(write, content)
    os.close(write)
    try:
        yield read
    finally:
        os.close(read)


def give(site, content, role="sap", *more):
    if isinstance(content, str):
        site.remember(content, "a password given to import")
        content = content.encode()
    with on_a_pipe(content) as fd:
        return site.run("import", role, "--password-fd", str(fd), *more,
                        fds=(fd,))


def test_import_takes_the_present_password_over(new_site):
    site = new_site()
    done = give(site, FIRST_PASSWORD, "sap", "--reason", "from the old tool")
    assert done.exit == 0, done.text
    assert done.out.startswith("sap: imported, version ")
    assert site.settled().password == FIRST_PASSWORD
    newest = json.loads(site.run("history", "--json", expect=0).out)[0]
    assert (newest["mode"], newest["reason"]) == ("import",
                                                  "from the old tool")
    site.run("rotate", "sap", expect=0)
    site.must_not_log_in(FIRST_PASSWORD)
    site.settled()


def test_import_reads_one_line_or_the_whole(new_site):
    """A trailing newline is the editor's, not the password's."""
    site = new_site()
    assert give(site, FIRST_PASSWORD.encode() + b"\n").exit == 0
    assert site.settled().password == FIRST_PASSWORD


def test_import_takes_a_role_with_an_md5_password_over(new_site):
    site = new_site()
    md5 = hashlib.md5((FIRST_PASSWORD + "sap").encode()).hexdigest()
    site.server.sql(f"alter role sap password 'md5{md5}'")
    site.server.hba("hostssl all sap 127.0.0.1/32 md5")
    assert give(site, FIRST_PASSWORD, "sap").exit == 0
    site.server.hba()
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_import_reads_standard_input(new_site, tmp_path):
    site = new_site()
    with on_a_pipe(FIRST_PASSWORD.encode()) as fd:
        done = site.run("import", "sap", "--password-fd", "0", "--json",
                        stdin=fd, expect=0)
    assert done.lines[0]["role"] == "sap" and done.lines[0]["status"] == "OK"
    site.settled()


def test_import_refuses_a_password_that_does_not_log_in(taken_over):
    with nothing_changed(taken_over):
        sentence(give(taken_over, "Wrong-password.of-nobody-123456"), REFUSED,
                 "sap", "given password")


UNFIT = {
    "empty": b"", "newline": b"\n",
    "two lines": b"two\nlines-of-a.password-1234567",
    "NUL": b"nul\0in-the.middle-1234",
    "tab": b"tab\tin-the.middle-1234567890",
    "no UTF-8": b"\xff\xfe-not.utf-8-1234567890",
    "long": b"x" * 5000, "spaces": b" " * 24,
    "non-ASCII": "\u00e9t\u00e9-pass.word-1234567".encode(),
    "escape": b"esc\x1b[2Jin-the.middle-12345",
}


def test_import_refuses_what_no_consumer_could_hold(new_site, subtests):
    site = new_site()
    with nothing_changed(site):
        for name, content in UNFIT.items():
            with subtests.test(name):
                done = give(site, content)
                assert done.exit in (USAGE, REFUSED, 1), done.text
                sentence(done, done.exit)
                for piece in re.findall(rb"[\w.-]{8,}", content):
                    assert piece.decode() not in done.text


def test_import_takes_a_role_back_that_was_changed_by_hand(taken_over):
    site = taken_over
    hand = "Changed.by-hand_and-kept-123456"
    site.set_password("sap", hand)
    assert give(site, hand).exit == 0
    assert site.settled().password == hand


# ---- status and history -----------------------------------------------------

def test_status_shows_each_state(new_site):
    site = new_site(roles=("fresh", "good", "cold", "late", "broken"))
    site.run("rotate", "good", "cold", "late", expect=0)
    site.run("freeze", "cold", "--reason", "winter", expect=0)
    site.server.sql("alter role broken nologin")
    assert site.run("rotate", "broken").exit == REFUSED
    text = open(site.configuration).read()
    head, late = text.split("[role late]")
    with open(site.configuration, "w") as f:
        f.write(head + "[role late]" + late.replace("30d", "1s", 1))
    time.sleep(1.2)
    found = {r["role"]: r for r in json.loads(
        site.run("status", "--json", expect=0).out)}
    assert found["fresh"]["state"] == "new"
    assert found["good"]["state"] == "ok"
    assert found["cold"]["state"] == "frozen"
    assert found["cold"]["frozen_reason"] == "winter"
    assert found["late"]["state"] in ("due", "overdue")
    assert found["broken"]["state"] == "failed"
    assert "NOLOGIN" in found["broken"]["last_error"]
    for role in ("good", "cold", "late"):
        r = found[role]
        assert r["version"] == site.current(role).id
        assert (r["cluster"], r["store"]) == ("main", "local")
        assert 0 <= r["age_seconds"] < 60
        assert r["rotated_at"].endswith("Z")
    lines = site.run("status", expect=0).out.splitlines()
    assert len(lines) == 6 and lines[0].split()[0] == "ROLE"
    assert len(site.run("status", "good", "cold").out.splitlines()) == 3


def test_history_since_a_time_or_a_duration(taken_over):
    site = taken_over
    site.run("rotate", "sap", expect=0)
    runs = json.loads(site.run("history", "--json", expect=0).out)
    assert len(runs) == 2 and runs[0]["begun_at"] >= runs[1]["begun_at"]
    since = runs[0]["begun_at"]
    assert [r["run"] for r in json.loads(site.run(
        "history", "sap", "--since", since, "--json", expect=0).out)] == \
        [runs[0]["run"]]
    assert len(json.loads(site.run("history", "--since", "1h", "--json",
                                   expect=0).out)) == 2
    assert json.loads(site.run("history", "--since", "2099-01-01T00:00:00Z",
                               "--json", expect=0).out) == []
    assert json.loads(site.run("history", "other", "--json").out) == []
    text = site.run("history", "sap", expect=0).out
    assert runs[0]["version"] in text and "rotate" in text


# ---- get --------------------------------------------------------------------

def test_get_hands_out_each_label(taken_over):
    site = taken_over
    site.run("rotate", "sap", expect=0)
    for label in ("current", "previous"):
        assert site.get(label=label) == site.labelled(label).password
    sentence(site.run("get", "sap", "--label", "pending"), NOT_FOUND, "sap",
             "pending")
    labels = [e["label"] for e in events(site) if e["kind"] == "handout"]
    assert labels == ["current", "previous"]


def test_get_json_is_one_object_that_aws_readers_know(taken_over):
    site = taken_over
    for argv in (["--format", "json"], ["--json"]):
        entry = json.loads(site.run("get", "sap", *argv, expect=0).out)
        assert entry["engine"] == "postgres"
        assert entry["username"] == "sap"
        assert entry["password"] == site.current().password
        assert int(entry["port"]) == site.server.port
        assert entry["host"] == "127.0.0.1"
        assert entry["dbname"] == site.database


def test_get_prints_nothing_that_is_not_in_the_audit(taken_over):
    """A ledger that takes no event: each way, nothing is printed."""
    site = taken_over
    handed = []
    for fault in ("enospc-from:1", "fail-at:1", "fail-at:2", "fail-at:3"):
        done = site.run("get", "sap", fault=fault)
        if done.exit != 0:
            assert done.out == "", fault
        handed.append(done.exit == 0)
    assert not handed[0]
    known = [e for e in events(site) if e["kind"] == "handout"]
    assert len(known) >= sum(handed)
    site.run("get", "sap", expect=0)
    assert len([e for e in events(site) if e["kind"] == "handout"]) == \
        len(known) + 1


def test_get_of_a_role_that_was_never_taken_over(new_site):
    done = new_site().run("get", "sap")
    sentence(done, NOT_FOUND, "sap", "current")
    assert done.out == ""


def test_get_into_a_closed_pipe_is_a_failure(taken_over):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [taken_over.binary, "--config", taken_over.configuration, "get",
         "sap"], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode not in (0,), done.stderr
    assert taken_over.current().password not in done.stderr


# ---- freeze and thaw --------------------------------------------------------

def test_a_frozen_role_is_served_and_not_rotated(taken_over):
    site = taken_over
    done = site.run("freeze", "sap", "--reason", "partner on holiday",
                    expect=0)
    assert done.out == "sap: frozen; it is served, and not rotated\n"
    with nothing_changed(site):
        for argv in (["rotate", "sap"], ["rotate", "--all"],
                     ["recover", "sap"]):
            sentence(site.run(*argv), FROZEN, "sap", "partner on holiday",
                     "keyturn thaw sap")
        assert site.get() == site.current().password
    assert site.status()["state"] == "frozen"
    assert site.run("thaw", "sap", expect=0).out == "sap: thawed\n"
    sentence(site.run("thaw", "sap"), NOT_FOUND, "sap", "not frozen")
    site.run("rotate", "sap", expect=0)
    site.settled()
    kinds = [e["kind"] for e in site.audit() if e.get("role") == "sap"]
    assert "freeze" in kinds and "thaw" in kinds


# ---- recover ----------------------------------------------------------------

def test_recover_has_nothing_to_do_and_says_so(taken_over):
    with nothing_changed(taken_over):
        done = taken_over.run("recover", expect=0)
        assert "nothing to recover" in done.out
        done = taken_over.run("recover", "sap", "--jobs", "2", "--json",
                              expect=0)
        assert done.lines[0]["finished_earlier"] is False


def test_a_freeze_tells_of_a_begun_rotation_and_recover_ends_it(taken_over):
    site = taken_over
    before = site.current()
    marker = site.marker()["live_version"]
    run = site.stop_before(lambda e: site.marker()["live_version"] != marker,
                           "rotate", "sap")
    done = site.run("freeze", "sap", "--reason", "quiet", expect=0)
    assert re.search("sap: a rotation that was begun at .* is not ended: "
                     ".*keyturn recover sap", done.err), done.text
    run.kill()
    site.must_not_log_in(before.password)
    line = site.run("status", "sap", expect=0).out.splitlines()[1]
    assert "frozen" in line and "interrupted: keyturn recover" in line
    done = site.run("get", "sap", expect=0)
    assert "may be dead: keyturn recover sap" in done.err
    # No new rotation, and none by --due.
    site.run("rotate", "sap", expect=FROZEN)
    site.run("rotate", "--due", expect=NOTHING_DUE)
    done = site.run("recover", "sap", expect=0)
    assert "finished what was interrupted" in done.out
    site.must_log_in(site.current().password)
    assert site.current().id == site.marker()["live_version"] != before.id
    status = site.status()
    assert status["state"] == "frozen" and status["open_run"] is None
    assert site.run("get", "sap", expect=0).err == ""
    site.run("recover", "sap", expect=FROZEN)
    site.run("thaw", "sap", expect=0)
    site.settled()


def test_recover_finishes_what_was_applied(taken_over):
    site = taken_over
    before = site.marker()["live_version"]
    site.stop_before(lambda e: site.marker()["live_version"] != before,
                     "rotate", "sap").kill()
    assert site.status()["open_run"]
    done = site.run("rotate", "--due", "--dry-run", expect=0)
    assert "recovered" in done.out
    done = site.run("recover", expect=0)
    assert "finished what was interrupted" in done.out
    site.settled()


def events(site):
    """The trail without its checkpoints."""
    return [e for e in site.audit() if "kind" in e]


# ---- audit ------------------------------------------------------------------

def test_audit_export_is_a_chain_of_json_lines(taken_over):
    chain = events(taken_over)
    assert [e["seq"] for e in chain] == list(range(1, len(chain) + 1))
    for one, next_one in zip(chain, chain[1:]):
        assert next_one["prev"] == one["hash"]
    kinds = {e["kind"] for e in chain}
    assert {"intent", "preflight", "claim", "resolve", "generate", "stage",
            "readback", "apply", "prove", "promote", "deliver",
            "close"} <= kinds


def test_audit_verify_says_what_it_verified(taken_over):
    done = taken_over.run("audit", "verify", expect=0)
    assert re.search(r"audit: \d+ events and \d+ checkpoints verify", done.out)
    verdict = json.loads(taken_over.run("audit", "verify", "--json",
                                        expect=0).out)
    assert verdict["good"] is True and verdict["bad_event"] in (0, -1)
    public = os.path.join(taken_over.keys, "audit.key.pub")
    taken_over.run("audit", "verify", "--public-key", public, expect=0)


def alter(site, statement):
    """As somebody does who may write the file."""
    base = sqlite3.connect(os.path.join(site.state, "ledger.db"))
    for (name,) in base.execute("select name from sqlite_master where type = "
                                "'trigger'").fetchall():
        base.execute(f"drop trigger {name}")
    count = base.execute(statement).rowcount
    base.commit()
    base.close()
    assert count > 0, statement


def test_audit_verify_names_the_first_event_that_was_altered(new_site):
    site = new_site()
    site.run("rotate", "sap", "--reason", "the true reason", expect=0)
    alter(site, "update event set body = replace(body, 'true', 'tame') "
          "where seq = 1")
    done = site.run("audit", "verify")
    assert done.exit == AUDIT_BROKEN and re.search(r"\b1\b", done.err), \
        done.text
    verdict = site.run("audit", "verify", "--json")
    assert verdict.exit == AUDIT_BROKEN
    assert json.loads(verdict.out)["bad_event"] == 1
    finding(site.run("check"), "audit")


def test_audit_verify_notices_an_end_that_was_cut_off(new_site):
    site = new_site()
    site.run("rotate", "sap", expect=0)
    alter(site, "delete from event where seq > 3")
    assert site.run("audit", "verify").exit == AUDIT_BROKEN


def test_audit_verify_with_the_key_of_somebody_else(taken_over, tmp_path):
    site = taken_over
    done = plain(site, "init", str(tmp_path / "etc"), "--state",
                 str(tmp_path / "var"), expect=0)
    other = str(tmp_path / "etc" / "audit.key.pub")
    done = site.run("audit", "verify", "--public-key", other)
    assert done.exit == AUDIT_BROKEN, done.text
    done = site.run("audit", "verify", "--public-key", "/nowhere.pub")
    assert done.exit not in (0, 1), done.text
    sentence(done, done.exit, "/nowhere.pub")


# ---- config -----------------------------------------------------------------

def test_config_show_names_values_and_where_they_come_from(taken_over):
    site = taken_over
    done = site.run("config", "show", expect=0)
    assert f"{site.state}/ledger.db" in done.out
    assert line_of(site.configuration, "every = 30d") in done.out
    assert "default" in done.out
    shown = json.loads(site.run("config", "show", "--json", expect=0).out)
    assert "30d" in json.dumps(shown)


def test_the_pages_recommend_no_strategy_that_is_refused(new_site):
    site = new_site()
    docs = os.path.join(os.path.dirname(__file__), "..", "..", "docs")
    for name in sorted(os.listdir(docs)):
        if os.path.isdir(os.path.join(docs, name)):
            continue
        with open(os.path.join(docs, name), errors="replace") as f:
            found = re.findall(r"\bstrategy\s*=\s*(\w+)", f.read())
        for word in found:
            pair = "" if word == "single" else \
                "\nmembers = sap_a sap_b\nsink = env /srv/env"
            site.configure(role_settings=f"strategy = {word}{pair}")
            done = site.run("config", "show")
            assert done.exit == 0, f"{name}: {done.text}"


def test_config_reference_has_every_setting(shared_site):
    done = shared_site.run("config", "reference")
    assert done.exit == 0, done.text
    with open(os.path.join(os.path.dirname(COMMANDS), "..", "config",
                           "settings.def")) as f:
        keys = re.findall(r"^SETTING\(\w+, (\w+),", f.read(), re.M)
    for key in keys:
        assert key in done.out


# ---- Terminals, pipes and signals -------------------------------------------

def on_a_terminal(site, *argv):
    """Run keyturn on a pseudo-terminal: (exit code, what it showed)."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        [site.binary, "--config", site.configuration, *argv], stdin=other,
        stdout=other, stderr=other, env=site.environment, cwd=site.folder)
    os.close(other)
    shown = b""
    while True:
        ready, _, _ = select.select([main], [], [], 30)
        assert ready, shown
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(main)
    with open(site.next_file("terminal"), "wb") as f:
        f.write(shown if "get" not in argv else b"")
    return process.wait(), shown.decode()


def test_progress_on_a_terminal(new_site):
    roles = [f"r{i}" for i in range(8)]
    site = new_site(roles=roles)
    code, shown = on_a_terminal(site, "rotate", "--all", "--jobs", "2")
    assert code == 0
    assert re.search(r"\r\x1b\[K\d of 8 roles, 0 failed, [\d.]+ a second",
                     shown)
    for role in roles:
        assert f"{role}: rotated" in shown
        assert site.current(role).password not in shown
    code, shown = on_a_terminal(site, "rotate", "r0")
    assert code == 0 and "r0: " in shown
    # The last thing on the terminal is the result, not the progress.
    assert shown.rstrip().splitlines()[-1].count("rotated") == 1 or \
        shown.endswith("\r\x1b[K")


def test_get_on_a_terminal_ends_the_line(taken_over):
    code, shown = on_a_terminal(taken_over, "get", "sap")
    assert (code, shown) == (0, taken_over.current().password + "\r\n")


def test_an_interrupt_lets_begun_roles_end_and_begins_no_more(new_site):
    roles = [f"r{i:02}" for i in range(40)]
    site = new_site(roles=roles)
    run = site.start("rotate", "--all", "--jobs", "2")
    wait_for(lambda: os.path.getsize(run.base + ".out") > 0,
             "the first role to be rotated")
    os.kill(run.pid, signal.SIGINT)
    done = run.finish()
    assert done.exit == SOME_FAILED, done.text
    ended = [line.split(":")[0] for line in done.out.splitlines()]
    left = re.search(r"stopped by a signal: (\d+) roles were not begun",
                     done.err)
    assert left and int(left[1]) == len(roles) - len(ended) > 0
    assert "rotated" in done.out and "unavailable" not in done.out
    for role in roles:
        known = site.current(role)
        assert (known is not None) == (role in ended)
        site.must_log_in(known.password if known else FIRST_PASSWORD, role)
        if role > roles[5] and known is None:
            break
    assert all(r["open_run"] in (None, "", False) for r in json.loads(
        site.run("status", "--json", expect=0).out))


def test_a_closed_standard_output_does_not_stop_a_rotation(taken_over):
    site = taken_over
    before = site.current()
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [site.binary, "--config", site.configuration, "rotate", "sap"],
        stdout=write, stderr=subprocess.PIPE, env=site.environment)
    os.close(write)
    process.communicate(timeout=30)
    assert process.returncode >= 0, "killed by SIGPIPE"
    assert site.settled().id != before.id


ONLY_PRINT = (["status"], ["history"], ["check"], ["audit", "export"],
              ["audit", "verify"], ["config", "show"], ["report", "uses"])


def test_a_result_that_nobody_can_read_is_a_failure(taken_over, subtests):
    site = taken_over
    handed_out = site.kinds().count("handout")
    for argv in (*ONLY_PRINT, ["get", "sap"], ["--help"]):
        with subtests.test(" ".join(argv)):
            done = subprocess.run(
                ["sh", "-c", 'exec "$0" "$@" >&-', site.binary, "--config",
                 site.configuration, *argv], stderr=subprocess.PIPE, text=True,
                env=site.environment)
            assert done.returncode == 1, done
            assert "standard output is closed" in done.stderr
    # Nothing was handed out, so nothing is recorded.
    assert site.kinds().count("handout") == handed_out


def test_a_full_standard_output_is_a_failure(taken_over, subtests):
    for argv in ONLY_PRINT:
        with subtests.test(" ".join(argv)), open("/dev/full", "w") as full:
            done = subprocess.run(
                [taken_over.binary, "--config", taken_over.configuration,
                 *argv], stdout=full, stderr=subprocess.PIPE, text=True,
                env=taken_over.environment)
            assert done.returncode != 0
            assert "standard output" in done.stderr
            assert len(done.stderr.splitlines()) == 1


def test_standard_descriptors_that_are_closed_are_no_files_of_ours(taken_over):
    """A ledger must not become descriptor 2 and get an error message."""
    site = taken_over
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', site.binary, "--config",
         site.configuration, "rotate", "sap"], env=site.environment)
    assert done.returncode >= 0
    site.run("audit", "verify", expect=0)
    site.run("recover", "sap", expect=0)
    site.settled()


def test_the_environment_adds_no_credential_and_no_server(taken_over, tmp_path):
    """PG* variables of whoever calls are not ours."""
    site = taken_over
    passfile = tmp_path / "pgpass"
    passfile.write_text("*:*:*:*:wrong\n")
    passfile.chmod(0o600)
    site.run("rotate", "sap", expect=0, environment={
        "PGHOST": "db.invalid", "PGPORT": "1", "PGUSER": "nobody",
        "PGDATABASE": "nowhere", "PGPASSWORD": "wrong-from-environment",
        "PGPASSFILE": str(passfile), "PGSSLMODE": "disable",
        "PGOPTIONS": "-c default_transaction_read_only=on",
        "PGSERVICE": "nothing", "PGTARGETSESSIONATTRS": "standby"})
    site.settled()


# Commands whose tests have a file of their own.
ELSEWHERE = {"report": "test_pam_overlap.py", "token": "test_token.py",
             "refresh": "test_refresh.py", "cluster": "test_cluster_ca.py",
             "role": "test_admins.py test_alternating.py",
             "rotate": "test_commands.py test_alternating.py "
                       "test_compromised.py test_notice.py",
             "notice": "test_notice.py", "postpone": "test_notice.py",
             "retire": "test_alternating.py",
             "rollback": "test_alternating.py",
             "adoption": "test_adoption.py",
             "handoff": "test_handoff_sheet.py test_handoff.py "
                        "test_handoff_offer.py test_handoff_token.py "
                        "test_handoff_refused.py"}


def test_every_option_is_used_by_a_test():
    def text_of(file):
        with open(os.path.join(os.path.dirname(__file__), file)) as f:
            return f.read()
    here = text_of("test_commands.py")
    for command, options in COMMAND_TABLE.items():
        text = "".join(map(text_of, ELSEWHERE[command].split())) \
            if command in ELSEWHERE else here
        assert f'"{command}"' in text, command
        for option in options:
            assert f'"{option}"' in text, f"{command} {option}"
    for option in SHARED:
        assert f'"{option}"' in here, option
