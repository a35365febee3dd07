# SPDX-License-Identifier: PostgreSQL
"""keyturn-agent: what it hands out, from where it knows, and what stays when
the store is away."""

import json
import os
import re
import resource
import socket
import time

import pytest

from rig import wire
from rig.agent import everything
from rig.server import wait_for


def away(site):
    """The store cannot be asked; the returned function brings it back."""
    moved = site.state + ".away"
    os.rename(os.path.join(site.state, "store.db"), moved)
    wal = os.path.join(site.state, "store.db-wal")
    if os.path.exists(wal):
        os.rename(wal, moved + "-wal")

    def back():
        if os.path.exists(moved + "-wal"):
            os.rename(moved + "-wal", wal)
        os.rename(moved, os.path.join(site.state, "store.db"))
    return back


def rotate(site, role="sap"):
    site.run("rotate", role, expect=0)
    return site.current(role)


# -- handing out --------------------------------------------------------------

def test_the_current_secret_is_handed_out(agent, taken_over):
    current = taken_over.current()
    reply = agent.get()
    assert reply.result == "OK"
    assert reply["PASSWORD"] == current.password
    assert reply["VERSION"] == current.id
    assert reply["USER"] == "sap"
    assert reply["REALM"] == "main"
    assert reply["HOST"] == "127.0.0.1"
    assert reply["DBNAME"] == taken_over.database
    assert reply["SSLMODE"] == "verify-full"
    assert abs(int(reply["ROTATED_AT"]) / 1e6 - time.time()) < 120
    assert "STALE" not in reply and "EXPIRES_AT" not in reply
    taken_over.must_log_in(reply["PASSWORD"])
    assert agent.call("VERSION")["SERVER"].startswith("keyturn-agent ")


def test_where_to_go_is_what_the_configuration_says(taken_over, new_agent):
    """Consumers may come by another way than the rotator."""
    agent = new_agent(taken_over, cluster="host = a.example.com,b.example.com\n"
                                          "port = 6432",
                      roles={"sap": everything() + "\ndbname = warehouse"})
    reply = agent.get()
    assert (reply["HOST"], reply["PORT"], reply["DBNAME"]) == \
        ("a.example.com,b.example.com", "6432", "warehouse")
    for host in ("a.example.com", "B.Example.COM",
                 "a.example.com,b.example.com"):
        assert agent.call("GET", user="sap", host=host, port="6432",
                          dbname="warehouse").result == "OK"
    for other in (dict(host="127.0.0.1"), dict(host="a.example"),
                  dict(port="5432"), dict(dbname=taken_over.database)):
        assert agent.call("GET", user="sap", **other).result == "NOT_FOUND"


def test_few_descriptors_are_shared_out(taken_over, new_agent):
    """One user's connections leave room for others, for the rotator and for the
    store."""
    agent = new_agent(taken_over, refresh="1s", start=False)
    agent.start(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                   (128, 128)))
    assert re.search(r"128 open files are allowed, which leaves room for \d+ "
                     r"connections and not for clients = 2048", agent.said())
    idle = [agent.connect() for _ in range(150)]
    with wire.connect(agent.path("admin")) as sock:
        current = rotate(taken_over)
        assert wire.call(sock, "REFRESH", role="sap",
                         version=current.id).result == "OK"
        for sock in idle:
            sock.close()

    def is_served():
        try:
            return agent.get().get("VERSION") == current.id
        except wire.Closed:  # it has not seen all of them go yet
            return False
    wait_for(is_served, "the new version")
    with open(f"/proc/{agent.process.pid}/limits") as f:
        assert "128" in next(line for line in f if "open files" in line)
    agent.stop()
    agent.start(ready=False, preexec=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (90, 90)))
    assert agent.process.wait(20) == 2
    assert "LimitNOFILE" in agent.said()


def test_roles_are_listed_and_described_without_a_secret(new_site, new_agent):
    site = new_site(roles=("sap", "crm"))
    site.run("rotate", "sap", expect=0)
    agent = new_agent(site, roles={
        "sap": everything() + "\nevery = 30d",
        "crm": f"listers = uid:{os.getuid()}"})
    reply = agent.call("LIST")
    assert [e["ROLE"] for e in reply.entries] == ["crm", "sap"]
    assert all("PASSWORD" not in e for e in reply.entries)
    assert "VERSION" not in reply.entries[0]  # crm was never rotated
    reply = agent.call("DESCRIBE", role="sap")
    assert reply["VERSION"] == site.current().id
    assert int(reply["EXPIRES_AT"]) - int(reply["ROTATED_AT"]) \
        == 30 * 86400 * 10**6
    assert "PASSWORD" not in reply
    assert agent.call("DESCRIBE", role="crm").result == "UNAVAILABLE"
    assert agent.call("GET", role="crm").result == "DENIED"
    assert agent.call("GET", role="nobody").result == "NOT_FOUND"


def test_a_long_list_comes_in_parts(new_site, new_agent):
    site = new_site(roles=())
    names = [f"role-{i:03}-{'x' * 30}" for i in range(500)]
    agent = new_agent(site, cluster="host = db.example.com\nport = 6432",
                      roles={name: f"listers = uid:{os.getuid()}"
                             for name in names})
    found, after, parts = [], None, 0
    while True:
        reply = agent.call("LIST", after=after)
        found += [e["ROLE"] for e in reply.entries]
        parts += 1
        if reply["MORE"] == "0":
            break
        after = found[-1]
    assert found == names
    assert parts > 1


def test_a_role_is_found_by_what_a_client_knows(new_site, new_agent):
    site = new_site(roles=("sap", "crm"))
    for role in ("sap", "crm"):
        site.run("rotate", role, expect=0)
    other = "[cluster other]\nconninfo = host=other user=keyturn\n" \
        "host = other\ndbname = shop\n"
    agent = new_agent(site, more=other, roles={
        "sap": everything(), "crm": everything(),
        "sap-of-other": f"{everything()}\nrolname = sap\ncluster = other"})
    assert agent.call("GET", user="crm")["ROLE"] == "crm"
    assert agent.call("GET", user="sap").result == "AMBIGUOUS"
    assert agent.call("GET", user="sap", realm="main")["ROLE"] == "sap"
    assert agent.call("GET", user="sap", host="127.0.0.1",
                      port=site.server.port)["ROLE"] == "sap"
    assert agent.call("GET", user="sap", dbname="nowhere").result \
        == "NOT_FOUND"
    assert agent.call("GET", user="nobody").result == "NOT_FOUND"
    assert agent.call("GET").result == "BAD_REQUEST"
    site.learn()


# -- news ---------------------------------------------------------------------

def test_the_store_is_polled(agent, taken_over):
    agent.get()
    agent.wait_version(rotate(taken_over).id)
    taken_over.must_log_in(agent.get()["PASSWORD"])


def test_a_push_is_as_good_as_a_poll(taken_over, new_agent):
    agent = new_agent(taken_over, refresh="1h")
    old = agent.get()["VERSION"]
    current = rotate(taken_over)
    assert agent.get()["VERSION"] == old
    assert agent.push(version=current.id).result == "OK"
    agent.wait_version(current.id)
    assert agent.push("nobody").result == "NOT_FOUND"
    assert agent.call("REFRESH", role="sap").result == "DENIED"  # not admin


def test_a_shorter_refresh_counts_from_the_reload_on(taken_over, new_agent):
    agent = new_agent(taken_over, refresh="1h")
    agent.get()
    agent.configure(refresh="1s")
    agent.reload()
    assert "STALE" not in agent.get()
    agent.wait_version(rotate(taken_over).id)


def test_feedback_asks_the_store_again(taken_over, new_agent):
    agent = new_agent(taken_over, refresh="1h")
    old = agent.get()["VERSION"]
    current = rotate(taken_over)
    # A version that is not what we hold is known to be old.
    assert agent.call("FEEDBACK", role="sap",
                      version="0f8fad5b-d9cb-469f-a165-70867728950e") \
        .result == "OK"
    assert agent.get()["VERSION"] == old
    assert agent.call("FEEDBACK", role="sap", version=old).result == "OK"
    agent.wait_version(current.id)


def test_a_client_waits_for_another_version(taken_over, new_agent):
    agent = new_agent(taken_over, refresh="1h")
    old = agent.get()["VERSION"]
    begun = time.monotonic()
    assert agent.get(not_version=old).result == "TIMEOUT"
    assert agent.get(not_version=old, wait_ms=300).result == "TIMEOUT"
    assert 0.25 < time.monotonic() - begun < 3
    with agent.connect() as sock:
        sock.sendall(wire.request("GET", role="sap", not_version=old,
                                  wait_ms=20000))
        current = rotate(taken_over)
        reply = wire.read_reply(sock, "GET")
    assert reply["VERSION"] == current.id
    taken_over.remember(reply["PASSWORD"], "what was waited for")


# -- checking -----------------------------------------------------------------

def test_the_previous_password_counts_within_its_grace(taken_over, new_agent):
    agent = new_agent(taken_over, refresh="1h", roles={
        "sap": everything() + "\ngrace = 1h"})
    old = taken_over.current()
    assert agent.verify(old.password) == "OK"
    new = rotate(taken_over)
    # Nobody told the agent; a wrong password makes it ask.
    wait_for(lambda: agent.verify(new.password) == "OK", "the new password",
             pause=0.5)
    reply = agent.call("VERIFY", role="sap", password=old.password)
    assert reply.result == "OK_PREVIOUS"
    assert 0 < int(reply["GRACE_UNTIL"]) / 1e6 - time.time() <= 3600
    assert agent.verify(old.password, no_grace=1) == "MISMATCH"
    # The one before that never counts.
    newer = rotate(taken_over)
    agent.push(version=newer.id)
    agent.wait_version(newer.id)
    assert agent.verify(old.password) == "MISMATCH"
    assert agent.verify(new.password) == "OK_PREVIOUS"


def test_grace_ends_by_the_clock(taken_over, new_agent):
    agent = new_agent(taken_over, refresh="1h", roles={
        "sap": everything() + "\ngrace = 3s"})
    old = taken_over.current()
    new = rotate(taken_over)
    agent.push(version=new.id)
    agent.wait_version(new.id)
    wait_for(lambda: agent.verify(old.password) == "MISMATCH",
             "the end of the grace")
    assert agent.verify(new.password) == "OK"


def test_without_grace_the_old_password_is_refused_at_once(taken_over,
                                                           new_agent):
    agent = new_agent(taken_over, refresh="1h")
    old = taken_over.current()
    new = rotate(taken_over)
    agent.push(version=new.id)
    agent.wait_version(new.id)
    assert agent.verify(old.password) == "MISMATCH"


def test_wrong_passwords_are_limited_for_each_remote_host(taken_over,
                                                          new_agent):
    agent = new_agent(taken_over, agent="wrong_passwords = 20")
    right = taken_over.current().password

    def limited(guess):
        return agent.verify(guess, rhost="10.0.0.7") == "LIMITED"
    seen = [agent.verify(f"wrong-{i}", rhost="10.0.0.7") for i in range(20)]
    assert seen == ["MISMATCH"] * 20
    # One leaks away in three seconds, maybe between the two.
    wait_for(lambda: limited("wrong") and limited(right), "the limit")
    assert agent.verify(right, rhost="10.0.0.8") == "OK"
    assert agent.verify(right) == "OK"
    wait_for(lambda: not limited(right), "the limit to leak")
    assert agent.verify(right, rhost="10.0.0.7") == "OK"


def test_guesses_from_ever_other_hosts_are_limited_and_fill_no_audit(
        taken_over, new_agent):
    """Where a login comes from is what the client says."""
    agent = new_agent(taken_over, agent="wrong_passwords = 3")
    right = taken_over.current().password
    with agent.connect() as sock:
        seen = [wire.call(sock, "VERIFY", role="sap", password=f"guess-{i}",
                          rhost=f"10.0.{i // 250}.{i % 250}").result
                for i in range(2000)]
        assert seen[:25] == ["MISMATCH"] * 25
        assert seen.count("MISMATCH") < 100
        assert set(seen[100:]) <= {"MISMATCH", "LIMITED"}
        # Nor does the right one from another host tell whether it is right.
        wait_for(lambda: wire.call(sock, "VERIFY", role="sap", rhost="::1",
                                   password=right).result == "LIMITED",
                 "the limit")
    assert agent.get().result == "OK"
    agent.stop()
    events = agent.events("verify")
    assert len(events) < 150
    times = 0
    for event in events:
        times += event.get("count", 1)
    assert times >= 2001
    assert any("too many wrong passwords, from further hosts" in e["detail"]
               for e in events)


def test_a_verify_of_another_login_name_is_not_that_roles(agent, taken_over):
    right = taken_over.current().password
    assert agent.call("VERIFY", role="sap", user="sap",
                      password=right).result == "OK"
    assert agent.call("VERIFY", user="sap", password=right).result == "OK"
    assert agent.call("VERIFY", role="sap", user="crm",
                      password=right).result == "NOT_FOUND"


# -- asking for a rotation ----------------------------------------------------

def test_a_rotation_is_asked_for_once(new_site, new_agent):
    site = new_site(roles=("sap", "crm"))
    agent = new_agent(site)
    assert agent.call("ROTATE", role="sap").result == "OK"
    assert agent.call("ROTATE", role="sap").result == "OK"  # the same wish
    assert agent.call("TAKE").result == "DENIED"
    agent.reload()  # does not lose it
    assert [e["ROLE"] for e in agent.call("TAKE", "admin").entries] == ["sap"]
    # Who took it may have died of it.
    assert [e["ROLE"] for e in agent.call("TAKE", "admin").entries] == ["sap"]
    assert agent.call("TAKEN", role="sap").result == "DENIED"
    assert agent.call("TAKEN", "admin", role="nobody").result == "NOT_FOUND"
    assert agent.call("TAKEN", "admin").result == "BAD_REQUEST"
    assert agent.call("TAKEN", "admin", role="sap").result == "OK"
    assert agent.call("TAKEN", "admin", role="sap").result == "OK"
    assert agent.call("TAKE", "admin").entries == []
    assert agent.call("ROTATE", role="sap").result == "LIMITED"
    assert agent.call("ROTATE", role="crm").result == "OK"
    wait_for(lambda: len(agent.events("request")) == 3, "the audit of it")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_was_asked_for_outlives_the_agent(taken_over, new_agent, end):
    agent = new_agent(taken_over)
    assert agent.call("ROTATE", role="sap").result == "OK"
    getattr(agent, end)()
    agent.start()
    assert [e["ROLE"] for e in agent.call("TAKE", "admin").entries] == ["sap"]
    assert agent.call("TAKEN", "admin", role="sap").result == "OK"
    agent.stop()
    agent.start()
    assert agent.call("TAKE", "admin").entries == []


def test_a_request_that_cannot_be_recorded_is_none(taken_over, new_agent):
    agent = new_agent(taken_over)
    agent.get()
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE,
                     (0, resource.RLIM_INFINITY))
    assert agent.call("ROTATE", role="sap").result == "UNAVAILABLE"
    assert agent.call("TAKE", "admin").entries == []


# -- outages ------------------------------------------------------------------

def test_an_outage_is_bridged_up_to_max_stale(taken_over, new_agent):
    agent = new_agent(taken_over, agent="max_stale = 8s")
    current = taken_over.current()
    assert "STALE" not in agent.get()
    back = away(taken_over)
    try:
        reply = wait_for(lambda: (r := agent.get()).get("STALE") and r,
                         "a stale secret")
        assert reply["PASSWORD"] == current.password
        assert agent.verify(current.password) == "OK"
        assert 1 <= int(reply["STALE"]) <= 8
        wait_for(lambda: agent.get().result == "UNAVAILABLE",
                 "the end of max_stale")
        assert agent.verify(current.password) == "UNAVAILABLE"
        assert "store local cannot be asked" in agent.said()
    finally:
        back()
    wait_for(lambda: agent.get().result == "OK", "the store's return")
    assert "STALE" not in agent.get()
    assert "store local answers again" in agent.said()


def test_a_secret_that_nobody_held_is_unavailable(taken_over, new_agent):
    back = away(taken_over)
    agent = new_agent(taken_over)
    assert agent.get().result == "UNAVAILABLE"
    assert agent.verify("anything") == "UNAVAILABLE"
    back()
    assert agent.get(wait_ms=15000).result == "OK"


def test_a_store_that_hangs_keeps_nobody_waiting(taken_over, new_agent):
    """It takes the connection and says nothing: one of its secrets is waited
    for, the other store's are served, and the stop does not wait either."""
    hole = socket.create_server(("127.0.0.1", 0))
    token = os.path.join(taken_over.folder, "vault-token")
    with open(token, "w") as f:
        f.write("hvs.token-of-a-store-that-hangs\n")
    os.chmod(token, 0o600)
    agent = new_agent(taken_over, more=f"""[store hole]
type = vault
address = https://127.0.0.1:{hole.getsockname()[1]}
token_file = {token}
timeout = 60s
""", roles={"sap": everything(),
            **{f"hung{i}": everything() + "\nstore = hole"
               for i in range(9)}})
    waiting = agent.connect()
    waiting.sendall(wire.request("GET", role="hung0", wait_ms=60000))
    begun = time.monotonic()
    for _ in range(50):
        assert agent.get().result == "OK"
    # Who does not want to wait for the other does not.
    for i in range(9):
        assert agent.get(f"hung{i}", wait_ms=0).result == "UNAVAILABLE"
    rotate(taken_over)
    agent.push()
    agent.reload()  # while errands are under way
    agent.wait_version(taken_over.current().id)
    assert time.monotonic() - begun < 10
    begun = time.monotonic()
    agent.stop()
    assert time.monotonic() - begun < 5
    waiting.close()
    hole.close()
    os.unlink(token)
    assert any("count" in e for e in agent.events("handout"))


def test_what_is_wrong_with_a_secret_is_said_once(new_site, new_agent):
    site = new_site(roles=("sap", "crm"))
    site.run("rotate", "sap", expect=0)
    agent = new_agent(site, refresh="1s")
    assert agent.call("GET", role="crm").result == "UNAVAILABLE"
    said = "crm: there is no current version in store local"
    wait_for(lambda: said in agent.said(), "a word of it")
    agent.call("GET", role="crm", wait_ms=2500)
    assert agent.said().count(said) == 1
    site.run("rotate", "crm", expect=0)
    wait_for(lambda: "crm: all is well again" in agent.said(), "its end")
    site.learn()


# -- the audit ----------------------------------------------------------------

def test_every_hand_out_is_audited_and_holds_no_secret(taken_over, new_agent):
    agent = new_agent(taken_over)
    current = taken_over.current()
    for _ in range(5):
        agent.get()
    agent.verify(current.password, rhost="10.0.0.7", service="postgresql")
    agent.verify("Wrong-guess-of-this-test", rhost="10.0.0.7")
    taken_over.remember("Wrong-guess-of-this-test", "a wrong password")
    first = agent.events("handout")
    assert len(first) == 1
    assert first[0]["actor"] == f"uid {os.getuid()}"
    assert first[0]["version"] == current.id
    assert first[0]["operation"] == "GET" and first[0]["pid"] == os.getpid()
    assert "stale" not in first[0] and "detail" not in first[0]
    agent.stop()
    events = agent.events()
    counted = [e for e in events if e["kind"] == "handout"][1]
    assert counted["count"] == 4 and "pid" not in counted
    checked = [e for e in events if e["kind"] == "verify"]
    assert [e["status"] for e in checked] == ["OK", "REJECTED"]
    assert checked[0]["detail"] == "current password"
    assert [checked[0][key] for key in ("label", "host", "service")] \
        == ["current", "10.0.0.7", "postgresql"]
    text = json.dumps(events)
    assert current.password not in text and "Wrong-guess" not in text


def test_a_hand_out_that_cannot_be_recorded_is_none(taken_over, new_agent):
    agent = new_agent(taken_over)
    current = taken_over.current()
    # As a full disk: no file of the agent may grow.
    limits = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE,
                              (0, resource.RLIM_INFINITY))
    reply = agent.get()
    assert reply.result == "UNAVAILABLE"
    assert "PASSWORD" not in reply
    assert "recorded" in reply["SENTENCE"]
    # A check hands nothing out.
    assert agent.verify(current.password) == "OK"
    # Nor could its log.
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, limits)
    wait_for(lambda: agent.get().result == "OK", "the audit's return")
    wait_for(lambda: "the audit can be written again" in agent.said(),
             "a word of that")


@pytest.mark.parametrize("kind", ["GET", "DESCRIBE"])
def test_no_wrong_answer_across_rotations(taken_over, new_agent, kind):
    """Whatever is handed out was the current version when it was asked for, or
    became it since."""
    agent = new_agent(taken_over, refresh="1h")
    for _ in range(5):
        before = taken_over.current().id
        with agent.connect() as sock:
            sock.sendall(wire.request(kind, role="sap", not_version=before,
                                      wait_ms=20000))
            after = rotate(taken_over)
            agent.push(version=after.id)
            assert wire.read_reply(sock, kind)["VERSION"] == after.id
