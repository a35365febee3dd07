# SPDX-License-Identifier: PostgreSQL
"""A password got out (keyturn rotate --compromised): whatever could log in is
refused, on every endpoint and by every agent, and that is written down."""

import contextlib
import json
import re
import socket
import threading
import time

import psycopg
import pytest

from rig.agent import everything
from rig.daemon import QUICK, Daemon
from rig.installation import FIRST_PASSWORD
from rig.pair import PAIR, REFUSED, Pair, new_pair
from rig.receiver import Program
from rig.server import wait_for
from rig.verdict import sentence
from test_kill_sweep import no_keyturn_backend

USAGE, ERROR, REFUSED_BEFORE, AWAY, DEFERRED = 2, 1, 6, 8, 19
SAYS = r"role sap: old password refused on (\d) endpoints? (\d+\.\d) s after " \
    "the command"
COMPROMISED = ("rotate", "sap", "--compromised", "--reason", "INC-7")


class Door:
    """A way to a server that can be shut."""

    def __init__(self, port):
        self.upstream = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                there = socket.create_connection(("127.0.0.1", self.upstream))
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._copy, args=pair,
                                     daemon=True).start()

    def _copy(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def shut(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def doors():
    made = []

    def make(site):
        made.append(Door(site.server.port))
        return made[-1]
    yield make
    for door in made:
        with contextlib.suppress(OSError):
            door.shut()


@pytest.fixture
def ender(server):
    """The administrator may end sessions."""
    def grant(site):
        site.server.sql("grant pg_signal_backend to keyturn_admin")
        return site
    yield grant
    server.sql("revoke pg_signal_backend from keyturn_admin")


@pytest.fixture
def pair(new_site):
    with new_pair(new_site()) as made:
        yield made


def session(site, password, role="sap"):
    return psycopg.connect(
        host="127.0.0.1", port=site.server.port, user=role,
        dbname=site.database, password=password, passfile="/dev/null",
        gssencmode="disable", **site.server.client)


def has_ended(connection):
    with pytest.raises(psycopg.OperationalError, match="terminating"):
        connection.execute("select 1")
    return True


def events(site, kind):
    return [e for e in site.audit() if e.get("kind") == kind]


def over(site, *old):
    """None of them logs in, or is handed out; nothing is open."""
    for password in old:
        site.must_not_log_in(password)
    assert site.labelled("previous") is None
    site.run("get", "sap", "--label", "previous", expect=11)
    return site.settled()


# ---- one login role ---------------------------------------------------------

def test_what_got_out_is_refused_at_every_endpoint(new_site, doors):
    site = new_site(roles=("sap", "erp"))
    door = doors(site)
    site.configure(("sap", "erp"),
                   cluster=f"endpoint = {site.conninfo(port=door.port)}\n")
    site.run("rotate", "--all", expect=0)
    site.run("rotate", "sap", expect=0)
    old, older = site.current(), site.labelled("previous")
    other = site.current("erp")
    with session(site, old.password) as before:
        done = site.run(*COMPROMISED, expect=0)
        # Not asked for.
        assert before.execute("select 1").fetchone() == (1,)
    said = re.search(SAYS, done.out)
    assert said.group(1) == "2" and float(said.group(2)) < 30
    over(site, old.password, older.password)
    assert site.current("erp") == other
    site.must_log_in(other.password, "erp")
    (told,) = events(site, "compromised")
    assert told["version"] == old.id and told["detail"] == "INC-7"
    assert told["status"] == "OK" and 0 < told["took_us"] < 30e6
    refuted = [e["version"] for e in events(site, "refute")]
    assert refuted == [older.id]  # the last of them; each is tried
    assert site.kinds().count("rotated") == 3
    # It is over: what comes next is a usual recovery.
    assert "nothing to recover" in site.run("recover", "sap", expect=0).out


def test_machines_are_told_when_it_was_refused(taken_over):
    done = taken_over.run(*COMPROMISED, "--json", expect=0)
    told = json.loads(done.out)
    assert told["refused_on"] == 1 and 0 < told["refused_after"] < 30
    assert told["refused_after"] <= told["seconds"] + 1
    assert told["version"] == taken_over.settled().id
    (event,) = events(taken_over, "compromised")
    assert event["took_us"] / 1e6 == pytest.approx(told["refused_after"])


def test_sessions_end_when_that_is_asked(taken_over, ender):
    site = ender(taken_over)
    with contextlib.suppress(psycopg.OperationalError), \
            session(site, site.current().password) as before:
        site.run(*COMPROMISED, "--end-sessions", expect=0)
        assert has_ended(before)
    # Or when the role says so.
    site.configure(role_settings="end_sessions = yes\n")
    with contextlib.suppress(psycopg.OperationalError), \
            session(site, site.current().password) as before:
        site.run(*COMPROMISED, expect=0)
        assert has_ended(before)
    site.settled()


def test_sessions_that_could_not_be_ended_are_told(taken_over):
    site, old = taken_over, taken_over.current()
    with session(site, old.password) as before:
        done = site.run(*COMPROMISED, "--end-sessions", expect=DEFERRED)
        assert before.execute("select 1").fetchone() == (1,)
    for words in ("the old password is refused", "sessions are left",
                  "pg_signal_backend"):
        assert words in done.out
    site.must_not_log_in(old.password)
    assert len(events(site, "compromised")) == 1
    # They are not forgotten.
    site.server.sql("grant pg_signal_backend to keyturn_admin")
    try:
        site.run("recover", "sap", expect=0)
    finally:
        site.server.sql("revoke pg_signal_backend from keyturn_admin")
    assert site.settled().id != old.id


@pytest.mark.parametrize("wrong", [
    ("rotate", "sap", "--compromised"),
    ("rotate", "sap", "erp", "--compromised", "--reason", "x"),
    ("rotate", "--due", "--compromised", "--reason", "x"),
    ("rotate", "--all", "--compromised", "--reason", "x"),
    ("rotate", "sap", "--end-sessions"),
    ("recover", "sap", "--compromised", "--reason", "x")])
def test_it_is_said_of_one_role_and_why(new_site, wrong):
    site = new_site(roles=("sap", "erp"))
    site.run(*wrong, expect=USAGE)


def test_a_role_without_a_password_of_ours_is_refused(site):
    done = site.run(*COMPROMISED, expect=REFUSED_BEFORE)
    sentence(done, REFUSED_BEFORE, "no password of it", "keyturn rotate sap")
    site.must_log_in(FIRST_PASSWORD)


def test_who_has_it_may_have_changed_it(taken_over):
    """A role may change its own password."""
    site = taken_over
    old = site.current()
    site.set_password("sap", "Set-by-a-stranger.1")
    done = site.run(*COMPROMISED, "--emergency", expect=0)
    assert re.search(SAYS, done.out)
    over(site, old.password, "Set-by-a-stranger.1")


def test_a_file_that_cannot_be_written_keeps_nobody_in(taken_over):
    site, old = taken_over, taken_over.current()
    site.configure(role_settings=f"sink = env {site.folder}/none/sap.env\n")
    site.run("rotate", "sap", expect=REFUSED_BEFORE)
    done = site.run(*COMPROMISED, expect=18)
    site.must_not_log_in(old.password)
    assert re.search(SAYS, done.out)
    site.configure()
    assert "nothing to recover" not in site.run("recover", "sap", expect=0).out
    over(site, old.password)


# ---- by itself ---------------------------------------------------------------

@pytest.mark.parametrize("again", ["keyturnd", "rotate --due"])
def test_what_a_command_left_is_finished_without_a_person(
        taken_over, tmp_path, again):
    site, old = taken_over, taken_over.current()
    program = Program(str(tmp_path))
    site.configure(keyturn=QUICK, more=f"[hook prog]\ncommand = {program.path}\n"
                                       "events = compromised\n")
    stop_before_the_refutation(site).kill()
    no_keyturn_backend(site)
    assert site.status()["compromised"]
    current = site.current().id
    if again == "keyturnd":
        daemon = Daemon(site).ready()
        daemon.wait_log("sap: a password that got out is gone, and is refused")
        wait_for(lambda: program.kinds(), "the hook")
        time.sleep(3)  # and it is over
        daemon.stop()
    else:
        assert re.search(SAYS, site.run("rotate", "--due", expect=0).out)
        site.run("rotate", "--due", expect=3)
    assert over(site, old.password).id == current
    assert not site.status()["compromised"]
    assert len(events(site, "compromised")) == 1
    assert len(program.kinds()) == 1
    # Whoever finished it, it was for what the command said.
    assert [e["detail"] for e in events(site, "compromised")] == ["INC-7"]


def test_keyturnd_leaves_a_command_alone_that_is_at_work(taken_over):
    site, old = taken_over, taken_over.current()
    site.configure(keyturn=QUICK)
    running = stop_before_the_refutation(site)
    daemon = Daemon(site).ready()
    daemon.wait_log("another process of this host is working on it")
    running.go_on()
    while running.wait_stopped():
        running.go_on()
    done = running.finish()
    assert done.exit == 0 and re.search(SAYS, done.out), done.text
    daemon.stop()
    over(site, old.password)
    assert len(events(site, "compromised")) == 1


def test_keyturnd_ends_a_pairs_passwords_that_got_out(pair):
    site = pair.site
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    second = pair.told()
    stop_before_the_refutation(site).kill()
    no_keyturn_backend(site)
    site.configure(role_settings=PAIR.format(sinks=site.sinks), keyturn=QUICK)
    daemon = Daemon(site).ready()
    daemon.wait_log("sap: a password that got out is gone, and is refused")
    daemon.stop()
    pair_over(pair, first, second)
    assert len(events(site, "compromised")) == 1


# ---- what cannot be shown ---------------------------------------------------

def stop_before_the_refutation(site):
    """A run that has withdrawn PREVIOUS, stopped there."""
    old = site.current().id

    def wanted(_):
        labels = {v.id: v.label for v in site.versions()}
        return labels[old] == "ring"
    return site.stop_before(wanted, *COMPROMISED)


def test_an_endpoint_that_is_away_is_an_error(taken_over, doors):
    site, door, old = taken_over, doors(taken_over), taken_over.current()
    site.configure(cluster="prove_deadline = 2s\n"
                   f"endpoint = {site.conninfo(port=door.port)}\n")
    running = stop_before_the_refutation(site)
    door.shut()
    running.go_on()
    while running.wait_stopped():
        running.go_on()
    done = running.finish()
    sentence(done, AWAY, str(door.port))
    assert not re.search(SAYS, done.out) and not events(site, "compromised")
    # Which recover takes up again, and makes no further password.
    site.configure()
    current = site.current().id
    done = site.run("recover", "sap", expect=0)
    assert re.search(SAYS, done.out)
    assert over(site, old.password).id == current
    assert len(events(site, "compromised")) == 1


def test_what_is_accepted_all_the_same_is_an_error(taken_over):
    site, old = taken_over, taken_over.current()
    site.configure(cluster="prove_deadline = 2s\n")
    running = stop_before_the_refutation(site)
    site.server.hba("hostssl all sap 127.0.0.1/32 trust")
    try:
        running.go_on()
        while running.wait_stopped():
            running.go_on()
        done = running.finish()
        assert done.exit == REFUSED_BEFORE or done.exit == ERROR, done.text
        assert "pg_hba.conf" in done.out
        assert not events(site, "compromised")
    finally:
        site.server.hba()
    site.run("recover", "sap", expect=0)
    over(site, old.password)


def test_where_one_failed_login_is_enough_it_is_not_tried(taken_over):
    site, old = taken_over, taken_over.current()
    site.configure(cluster="control = no\n")
    done = site.run(*COMPROMISED, expect=AWAY)
    sentence(done, AWAY, "was not tried", "control = no")
    site.must_not_log_in(old.password)


# ---- agents -----------------------------------------------------------------

def test_agents_refuse_the_password_before_at_once(taken_over, new_agent):
    agent = new_agent(taken_over, refresh="1h", roles={
        "sap": everything() + "\ngrace = 1h"})
    old = taken_over.current()
    taken_over.run("rotate", "sap", expect=0)
    agent.push(version=taken_over.current().id)
    agent.wait_version(taken_over.current().id)
    assert agent.verify(old.password) == "OK_PREVIOUS"
    leaked = taken_over.current()
    assert agent.verify(leaked.password) == "OK"
    taken_over.run(*COMPROMISED, expect=0)
    # Nobody has told the agent, which asks once a second.
    wait_for(lambda: agent.verify(old.password) == "MISMATCH",
             "the end of the password before", 2)
    new = taken_over.current()
    agent.push(version=new.id)
    agent.wait_version(new.id)
    assert agent.verify(leaked.password) == "MISMATCH"
    assert agent.verify(new.password) == "OK"


# ---- a pair -----------------------------------------------------------------

def pair_over(pair, *old):
    for who in old:
        pair.refused(who, REFUSED)
    new = pair.told()
    assert pair.works(new)
    idle = "sap_b" if new[0] == "sap_a" else "sap_a"
    assert pair.role(idle) == (False, False)
    assert pair.role("sap") == (False, False)
    pair.site.run("audit", "verify", expect=0)
    assert pair.site.labelled("previous") is None


def test_neither_member_keeps_what_got_out(pair, ender):
    """Both may log in, and both have sessions."""
    ender(pair.site)
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    second = pair.told()
    with contextlib.suppress(psycopg.OperationalError), \
            pair.login(first) as one, pair.login(second) as other:
        done = pair.run(*COMPROMISED, "--end-sessions")
        assert has_ended(one) and has_ended(other)
    assert re.search(SAYS, done.out)
    pair_over(pair, first, second)
    assert pair.told()[0] == "sap_a"
    kinds = pair.site.kinds()
    assert kinds[-1] == "close" and "compromised" in kinds
    # And the pair goes on as ever.
    pair.run("rotate", "sap")
    assert pair.works(pair.told())


def test_a_retired_member_and_its_sessions_are_replaced(pair):
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    second = pair.told()
    with pair.login(first) as used:
        pair.run("retire", "sap")
        pair.run("rotate", "sap", expect=DEFERRED)
        pair.run(*COMPROMISED)
        assert used.execute("select 1").fetchone() == (1,)
    pair_over(pair, first, second)


def test_an_owner_that_was_the_login_ends_as_well(new_site):
    site = new_site()
    site.run("rotate", "sap", expect=0)
    old = ("sap", site.current().password)
    made = Pair(site)
    made.configure()
    try:
        made.run("role", "pair", "sap")
        made.run("rotate", "sap")
        first = made.told()
        # The owner, which has the password before, may log in yet.
        made.run(*COMPROMISED)
        pair_over(made, old, first)
    finally:
        for name in ("sap_a", "sap_b"):
            site.server.sql(f"drop role if exists {name}")


@pytest.mark.parametrize("heal", [("recover", "sap"), COMPROMISED],
                         ids=["recover", "again"])
def test_killed_anywhere_it_is_finished(pair, heal):
    pair.configure("end_sessions = no\n")
    pair.run("rotate", "sap")
    done = pair.run(*COMPROMISED, expect=0)
    effects = len(pair.site.run(*COMPROMISED, fault="count", expect=0).effects)
    for number in range(5, effects, effects // 9):
        old = pair.told()
        told = len(events(pair.site, "compromised"))
        done = pair.site.run(*COMPROMISED, fault=f"kill-before:{number}")
        assert done.exit == -9, done.text
        no_keyturn_backend(pair.site)
        done = pair.run(*heal)
        # Before it was written down that it began there is nothing to finish,
        # and after it was written down that it is over.
        if re.search(SAYS, done.out) or len(events(pair.site,
                                                   "compromised")) > told:
            pair_over(pair, old)
        else:
            assert pair.works(old)


def test_a_single_role_killed_anywhere_is_finished(taken_over):
    site = taken_over
    effects = len(site.run(*COMPROMISED, fault="count", expect=0).effects)
    for number in range(5, effects, effects // 9):
        old, told = site.current(), len(events(site, "compromised"))
        done = site.run(*COMPROMISED, fault=f"kill-before:{number}")
        assert done.exit == -9, done.text
        no_keyturn_backend(site)
        (role,) = json.loads(site.run("status", "--json", expect=0).out)
        shown = "a password got out" in site.run("status").out
        assert role["compromised"] == shown
        done = site.run("recover", "sap", expect=0)
        if re.search(SAYS, done.out) or \
                len(events(site, "compromised")) > told:
            # Before the last effects it is open.
            assert shown or number > effects - effects // 5
            over(site, old.password)
        else:
            site.must_log_in(old.password)
