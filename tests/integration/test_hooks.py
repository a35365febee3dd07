# SPDX-License-Identifier: PostgreSQL
"""Hooks: whatever happens to a role is told, once at least, in order, without
a secret, and a hook that fails holds nobody up."""

import json
import os
import re
import ssl
import time

import pytest

from rig.daemon import QUICK, Daemon, overdue
from rig.receiver import Program, Receiver
from rig.server import wait_for

KEY = "a key of the webhook, thirty-two b"


@pytest.fixture
def program(folder, new_site, tmp_path):
    return Program(str(tmp_path))


@pytest.fixture
def receiver():
    made = Receiver(KEY)
    yield made
    made.close()
    assert not made.wrong, made.wrong


def command(name, program, more=""):
    return (f"[hook {name}]\ncommand = {program.path}\ncommand = an argument; "
            f"$HOME\n{more}\n")


def web(site, receiver, more="", scheme="http", name="web"):
    key = os.path.join(site.keys, "hook.key")
    with open(key, "w") as f:
        f.write(KEY + "\n")
    os.chmod(key, 0o600)
    site.remember(KEY, "the webhook's key")
    return (f"[hook {name}]\nurl = {scheme}://localhost:{receiver.port}"
            f"/hook?x=1\nsecret_file = {key}\n{more}\n")


def configure(site, hooks, roles=("sap",), **settings):
    site.configure(roles, keyturn=QUICK, more=hooks, **settings)


@pytest.fixture
def places_know_the_key(monkeypatch):
    """The key's own file is where it may be."""
    from rig.installation import Installation
    places = Installation.places
    monkeypatch.setattr(Installation, "places", lambda self: [
        f for f in places(self) if not f.endswith("/hook.key")])


pytestmark = pytest.mark.usefixtures("places_know_the_key")


# ---- by commands ---------------------------------------------------------------

def test_a_command_tells_hooks_of_both_kinds(site, program, receiver):
    configure(site, command("prog", program) + web(site, receiver))
    site.run("rotate", "sap", expect=0)
    site.run("freeze", "sap", "--reason", "quiet", expect=0)
    site.run("thaw", "sap", expect=0)
    site.run("rotate", "sap", "--reason", "audit 4711", expect=0)
    expected = ["rotated", "frozen", "thawed", "rotated"]
    assert program.kinds() == expected
    assert receiver.kinds() == expected
    assert program.events() == receiver.events
    last = receiver.events[-1]
    assert last["version"] == site.current().id
    assert last["detail"] == "audit 4711"
    assert receiver.events[1]["detail"] == "quiet"
    # What was told is what the audit has.
    trail = {e["hash"]: e for e in site.audit() if "hash" in e}
    for event in receiver.events:
        assert trail[event["id"]]["seq"] == event["seq"]
        assert trail[event["id"]]["at"] == event["at"]
    for argv, environment, folder, _ in program.calls():
        assert argv == ["an argument; $HOME"] and folder == "/"
        # Python's own, in an empty environment.
        assert set(environment) <= {"LC_CTYPE"}, environment


def test_what_was_before_a_hook_is_not_for_it(taken_over, program):
    configure(taken_over, command("prog", program))
    taken_over.run("rotate", "sap", expect=0)
    assert program.kinds() == ["rotated"]


def test_a_hook_that_comes_back_hears_what_is_from_then_on(site, program):
    configure(site, command("prog", program))
    site.run("rotate", "sap", expect=0)
    configure(site, "")
    site.run("rotate", "sap", expect=0)
    configure(site, command("prog", program))
    site.run("rotate", "sap", expect=0)
    assert program.kinds() == ["rotated", "rotated"]
    assert program.events()[1]["version"] == site.current().id


def test_a_hook_is_told_what_it_wants_to_know(site, program, receiver):
    configure(site, command("prog", program, "events = failed, frozen")
              + web(site, receiver, "events = rotated"))
    site.run("rotate", "sap", expect=0)
    site.run("freeze", "sap", "--reason", "quiet", expect=0)
    assert program.kinds() == ["frozen"]
    assert receiver.kinds() == ["rotated"]


def test_a_failed_run_and_a_recovered_one_are_told(taken_over, program):
    site = taken_over
    configure(site, command("prog", program))
    epoch = site.marker()["epoch"]
    run = site.stop_before(
        lambda e: e.sends and site.marker()["epoch"] > epoch
        and site.labelled("pending") is not None, "rotate", "sap")
    run.kill()
    site.server.stop("immediate")
    assert site.run("rotate", "sap").exit == 8
    site.server.start()
    site.run("recover", "sap", expect=0)
    kinds = program.kinds()
    assert kinds == ["failed", "recovered"], program.events()
    failed = program.events()[0]
    assert failed["status"] == "CLUSTER_UNAVAILABLE" and failed["detail"]


def test_a_run_that_was_killed_after_it_had_moved_current_is_told(taken_over,
                                                                  program):
    site = taken_over
    configure(site, command("prog", program))
    before = site.current()
    run = site.stop_before(
        lambda e: site.current() and site.current().id != before.id,
        "rotate", "sap")
    run.kill()
    site.run("rotate", "--due", expect=0)
    assert program.kinds() == ["recovered"], program.events()
    assert program.events()[0]["version"] == site.current().id


def test_a_restored_database_is_told(site, program):
    """Marker and password go back to what they were, as in a restore."""
    configure(site, command("prog", program))
    site.run("rotate", "sap", expect=0)
    verifier = site.server.sql("select rolpassword from pg_authid where "
                               "rolname = 'sap'")[0][0]
    with site.server.connect(site.database) as c:
        c.execute("create table public.was as table keyturn.marker")
    site.run("rotate", "sap", expect=0)
    with site.server.connect(site.database) as c:
        c.execute("delete from keyturn.marker; "
                  "insert into keyturn.marker select * from public.was")
    site.server.sql(f"alter role sap password '{verifier}'")
    site.run("recover", "sap", expect=0)
    kinds = program.kinds()
    assert kinds[:2] == ["rotated", "rotated"]
    assert "restored" in kinds[2:] and kinds[-1] == "rotated", kinds


# ---- when a hook fails -------------------------------------------------------------

def test_a_hook_that_fails_costs_the_rotation_nothing(site, program, receiver):
    program.end_with(3)
    configure(site, command("prog", program) + web(site, receiver))
    done = site.run("rotate", "sap", expect=0)
    assert "hook prog: " in done.err and "ended with 3" in done.err
    assert receiver.kinds() == ["rotated"]
    text = site.run("status", expect=0).out
    assert re.search(r"^hook prog: failing for .*: .* ended with 3$", text,
                     re.M), text
    assert "hook web" not in text
    state = json.loads(site.run("status", "--json", expect=0).out)
    assert [s["role"] for s in state if "role" in s] == ["sap"]
    hooks = {s["hook"]: s for s in state if "hook" in s}
    assert hooks["prog"]["state"] == "failing"
    assert hooks["prog"]["failures"] == 1 and hooks["prog"]["since"]
    assert hooks["web"]["state"] == "ok"
    # The next command tries again, and then tells what came since, in order.
    program.end_with(0)
    site.run("rotate", "sap", expect=0)
    ids = [e["id"] for e in program.events()]
    assert ids[0] == ids[1] != ids[2] and len(ids) == 3
    assert receiver.events[1] == program.events()[2]
    assert "hook prog" not in site.run("status", expect=0).out


def test_an_event_that_nobody_takes_is_given_up(site, program):
    program.end_with(1)
    configure(site, command("prog", program, "attempts = 2"))
    site.run("rotate", "sap", expect=0)
    done = site.run("rotate", "sap", expect=0)
    assert "given up after 2 attempts" in done.err
    # The second event follows, and fails for its part.
    ids = [e["id"] for e in program.events()]
    assert len(ids) == 3 and ids[0] == ids[1] != ids[2]
    assert "1 events were given up" in site.run("status", expect=0).out
    (gone,) = [e for e in site.audit() if e.get("kind") == "hook"]
    assert "hook prog was not told of event" in gone["detail"]
    site.run("audit", "verify", expect=0)


def test_a_program_that_hangs_is_ended(site, tmp_path):
    script = tmp_path / "hang"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o700)
    configure(site, f"[hook slow]\ncommand = {script}\ntimeout = 1s\n")
    begun = time.monotonic()
    done = site.run("rotate", "sap", expect=0)
    assert time.monotonic() - begun < 15
    assert "had not ended after 1 s and was killed" in done.err


def test_a_webhook_is_tried_again_with_a_fresh_signature(site, receiver):
    receiver.answers = [503, 500]
    configure(site, web(site, receiver))
    site.run("rotate", "sap", expect=0)
    assert receiver.kinds() == ["rotated"] and receiver.tries == 3
    receiver.answers = [404]
    done = site.run("rotate", "sap", expect=0)
    assert "hook web: the receiver answered 404" in done.err


def test_a_webhook_goes_over_tls_that_is_verified(site, authority):
    certificate, key = authority.issue("hooks")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    receiver = Receiver(KEY, tls)
    try:
        configure(site, web(site, receiver, scheme="https"))
        done = site.run("rotate", "sap", expect=0)
        assert "hook web: " in done.err and receiver.tries == 0
        configure(site, web(site, receiver, scheme="https",
                            more=f"ca_file = {authority.certificate}"))
        site.run("rotate", "sap", expect=0)
        assert receiver.kinds() == ["rotated", "rotated"]
        assert not receiver.wrong, receiver.wrong
    finally:
        receiver.close()


@pytest.mark.parametrize("hook,says", [
    ("command = relative", "absolute path"),
    ("command = /bin/true\nurl = https://x/", "either a command or a url"),
    ("events = rotated", "either a command or a url"),
    ("command = /bin/true\nevents = rotate", 'not "rotate"'),
    ("url = https://x/", "secret_file"),
    ("url = http://example.com/\nsecret_file = /k", "https://"),
    ("url = https://me:word@x/\nsecret_file = /k", "must not hold a user"),
])
def test_a_hook_that_cannot_work_is_a_mistake(site, hook, says):
    configure(site, f"[hook bad]\n{hook}\n")
    done = site.run("rotate", "sap", expect=2)
    assert "keyturn.conf:" in done.err and "[hook bad]" in done.err
    assert says in done.err
    configure(site, "")


def test_a_key_that_others_may_read_is_not_used(site, receiver):
    configure(site, web(site, receiver))
    os.chmod(os.path.join(site.keys, "hook.key"), 0o640)
    done = site.run("rotate", "sap", expect=0)
    assert "hook web: " in done.err and "chmod" in done.err
    assert receiver.tries == 0


# ---- by keyturnd ----------------------------------------------------------------------

def test_keyturnd_tells_what_it_did_and_what_others_did(taken_over, receiver):
    site = taken_over
    configure(site, web(site, receiver))
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    overdue(site)
    wait_for(lambda: receiver.kinds() == ["rotated"], "the first event")
    assert receiver.events[0]["actor"].startswith("keyturnd")
    # It has the hook's turn: the command leaves this to it.
    begun = time.monotonic()
    site.run("freeze", "sap", "--reason", "quiet", expect=0)
    assert time.monotonic() - begun < 10
    wait_for(lambda: receiver.kinds() == ["rotated", "frozen"], "the freeze")
    daemon.stop()
    site.run("thaw", "sap", expect=0)
    assert receiver.kinds() == ["rotated", "frozen", "thawed"]


def test_a_hook_that_hangs_holds_up_no_rotation_and_no_other_hook(
        taken_over, receiver, tmp_path):
    site = taken_over
    script = tmp_path / "hang"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o700)
    configure(site, f"[hook slow]\ncommand = {script}\ntimeout = 20s\n"
              + web(site, receiver))
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    begun = time.monotonic()
    for n in range(1, 4):
        overdue(site)
        wait_for(lambda: receiver.kinds() == ["rotated"] * n, f"event {n}")
    assert time.monotonic() - begun < 15
    # Nor does it hold up the end.
    begun = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begun < 15


def test_a_program_ends_with_keyturnd_and_so_does_what_left_its_session(
        taken_over, tmp_path):
    site = taken_over
    script, seen = tmp_path / "hang", tmp_path / "seen"
    script.write_text(
        f"#!/bin/sh\n(setsid sh -c 'echo $$ >>{seen}; exec sleep 600' &)\n"
        f"echo $$ >>{seen}\nexec sleep 600\n")
    script.chmod(0o700)
    configure(site, f"[hook slow]\ncommand = {script}\ntimeout = 5m\n")

    def pids():
        return seen.read_text().split() if seen.exists() else []
    # What it had not taken note of is told again, to one program at a time.
    for n in (2, 4):
        daemon = Daemon(site).ready()
        daemon.manager.wait_line("STATUS=1 roles")
        if n == 2:
            overdue(site)
        wait_for(lambda: len(pids()) == n, "the program", 40)
        daemon.stop()
        left = [p for p in pids() if os.path.exists("/proc/" + p)]
        assert left == []


def test_what_keyturnd_could_not_tell_is_told_by_the_next(taken_over, program):
    site = taken_over
    program.end_with(1)
    configure(site, command("prog", program))
    daemon = Daemon(site).ready()
    daemon.manager.wait_line("STATUS=1 roles")
    overdue(site)
    daemon.wait_log("hook prog: .* ended with 1")
    daemon.process.kill()
    daemon.finish()
    program.end_with(0)
    calls = len(program.calls())
    daemon = Daemon(site).ready()
    daemon.wait_log("hook prog: takes events again")
    daemon.stop()
    assert program.kinds()[calls:] == ["rotated"]
    assert len({e["id"] for e in program.events()}) == 1
