# SPDX-License-Identifier: PostgreSQL
"""keyturn-agent over a network's store: what it asks of Vault, how often, and
what it does when that lies, lags or is away."""

import os
import tempfile
import threading
import time

import pytest

pytest.importorskip("hvac")

from rig import wire  # noqa: E402
from rig.agent import Agent, everything  # noqa: E402
from rig.server import wait_for  # noqa: E402
from test_vault import _vault, new_vault_site, vault  # noqa: E402,F401


@pytest.fixture
def site(new_vault_site):  # noqa: F811
    made = new_vault_site(roles=("sap",))
    made.run("rotate", "sap", expect=0)
    return made


@pytest.fixture
def new(folder, site):
    made = []

    def make(refresh="1h", **settings):
        sockets = tempfile.mkdtemp(prefix="ag-", dir=folder)
        os.chmod(sockets, 0o755)
        section = f"""[store vault]
type = vault
address = {site.gate.url}
mount = {site.mount}
prefix = {site.prefix}
timeout = 2s
auth = token
token_file = {site.token_file}
"""
        agent = Agent(site, sockets, refresh=refresh, more=section, roles={
            "sap": everything() + "\nstore = vault\ngrace = 1h"}, **settings)
        made.append(agent)
        return agent.start()
    yield make
    for agent in made:
        agent.close()


def secrets_read(calls):
    return [path for method, path, _ in calls
            if method == "GET" and "/data/" in path]


def test_it_serves_and_follows_the_store(new, site):
    agent = new()
    old = site.current()
    assert agent.get()["PASSWORD"] == old.password
    site.run("rotate", "sap", expect=0)
    new_one = site.current()
    agent.push(version=new_one.id)
    agent.wait_version(new_one.id)
    assert agent.verify(old.password) == "OK_PREVIOUS"
    site.must_log_in(agent.get()["PASSWORD"])


def test_many_clients_are_one_question(new, site):
    agent = new()
    agent.get()
    with site.gate.watch() as calls:
        threads = [threading.Thread(target=lambda: [
            agent.call("GET", role="sap") for _ in range(20)])
            for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(50):
            assert agent.call("GET", role="nobody").result == "NOT_FOUND"
            assert agent.call("VERIFY", role="nobody",
                              password="x").result == "NOT_FOUND"
    assert calls == []
    version = agent.get()["VERSION"]
    with site.gate.watch() as calls:
        for _ in range(100):
            agent.call("FEEDBACK", role="sap", version=version)
        agent.get(not_version=version, wait_ms=500)
    one = len(set(secrets_read(calls)))
    # At once, and perhaps once more after a second.
    assert 0 < len(secrets_read(calls)) <= 2 * one, calls


def test_who_waits_for_long_asks_the_store_once(new, site):
    """`keyturn-credential watch` waits half a minute, again and again."""
    agent = new()
    version = agent.get()["VERSION"]
    with agent.connect() as sock:
        with site.gate.watch() as calls:
            sock.sendall(wire.request("GET", role="sap", not_version=version,
                                      wait_ms=30000))
            time.sleep(3)  # in which nothing more happens
        asked = secrets_read(calls)
        assert asked and len(asked) == len(set(asked)), calls
        # The rotator's word ends the wait.
        site.run("rotate", "sap", expect=0)
        agent.push(version=site.current().id)
        assert wire.read_reply(sock, "GET")["VERSION"] == site.current().id


def test_wrong_passwords_ask_the_store_once_a_second(new, site):
    agent = new(agent="wrong_passwords = 10000")
    agent.get()
    with site.gate.watch() as calls:
        begun = time.monotonic()
        while time.monotonic() < begun + 3:
            assert agent.verify("wrong") == "MISMATCH"
            time.sleep(0.05)
        took = time.monotonic() - begun
    asked = secrets_read(calls)
    one = len(set(asked))
    assert one and len(asked) <= one * (1 + took), (asked, took)


def guess_and_hang_up(agent, **fields):
    with agent.connect() as sock:
        sock.sendall(wire.request("VERIFY", role="sap", **fields))
    # It has seen that by its answer to the next one.
    assert agent.call("VERSION").result == "OK"


def test_a_guess_counts_though_its_client_hangs_up(new, site):
    """While the agent asks a store that is slow for a newer password."""
    agent = new(agent="wrong_passwords = 5")
    right = site.current().password
    assert agent.verify(right, rhost="10.0.0.7") == "OK"
    site.gate.fault("*", "", "hang-before", times=9999)
    for i in range(20):
        guess_and_hang_up(agent, password=f"guess-{i}", rhost="10.0.0.7")
    assert agent.verify(right, rhost="10.0.0.7") == "LIMITED"
    assert agent.verify(right, rhost="10.0.0.8") == "OK"
    site.gate.clear()
    agent.stop()
    said = {}
    for event in agent.events("verify"):
        words = event["detail"]
        said[words] = said.get(words, 0) + event.get("count", 1)
    assert said["wrong password"] == 5
    assert said["too many wrong passwords"] == 16


def test_guesses_at_the_same_time_are_counted_before_the_store_answers(
        new, site):
    agent = new(agent="wrong_passwords = 5")
    agent.get()
    site.gate.fault("*", "", "hang-before", times=9999)
    socks = [agent.connect() for _ in range(30)]
    for i, sock in enumerate(socks):
        sock.sendall(wire.request("VERIFY", role="sap", rhost="10.0.0.7",
                                  password=f"guess-{i}"))
    results = []
    for sock in socks:
        with sock:
            results.append(wire.read_reply(sock, "VERIFY").result)
    assert sorted(set(results)) == ["LIMITED", "MISMATCH"]
    assert results.count("MISMATCH") == 5
    site.gate.clear()


def test_many_logins_with_a_newer_password_are_no_guesses(new, site):
    """They all wait for the store, and none is held against the others."""
    agent = new(agent="wrong_passwords = 5")
    agent.get()
    site.run("rotate", "sap", expect=0)
    right = site.current().password
    site.gate.fault("*", "", lambda: time.sleep(0.02), times=9999)
    socks = [agent.connect() for _ in range(30)]
    for sock in socks:
        sock.sendall(wire.request("VERIFY", role="sap", rhost="10.0.0.7",
                                  password=right))
    for sock in socks:
        with sock:
            assert wire.read_reply(sock, "VERIFY").result == "OK"
    site.gate.clear()
    assert agent.verify(right, rhost="10.0.0.7") == "OK"


def test_waiting_clients_find_a_rotation_that_nobody_told_of(new, site):
    agent = new()
    old = agent.get()["VERSION"]
    with agent.connect() as sock:
        sock.sendall(wire.request("GET", role="sap", not_version=old,
                                  wait_ms=20000))
        site.run("rotate", "sap", expect=0)
        assert wire.read_reply(sock, "GET")["VERSION"] == site.current().id


@pytest.mark.parametrize("act", ["503", "reset-before", "hang-before",
                                 "garbage", "403"])
def test_an_outage_of_any_kind_is_bridged(new, site, act):
    agent = new(refresh="1s")
    current = site.current()
    assert agent.get().result == "OK"
    site.gate.fault("*", "", int(act) if act.isdigit() else act, times=9999)
    reply = wait_for(lambda: (r := agent.get()).get("STALE") and r,
                     "a stale secret")
    assert reply["PASSWORD"] == current.password
    assert agent.verify(current.password) == "OK"
    site.gate.clear()
    wait_for(lambda: "STALE" not in agent.get(), "the store's return")
    assert agent.get()["PASSWORD"] == current.password


def write(site, value, record):
    for path, data in ((site.path(), value), (site.record_path(), record)):
        site.kv.create_or_update_secret(path, data, mount_point=site.mount)


def test_the_state_of_yesterday_takes_nothing_back(new, site):
    """A copy that lags, or a store that came back from a backup: both have an
    older version as current and do not know ours."""
    agent = new(refresh="1s")
    yesterday = site.value(), site.record()
    site.run("rotate", "sap", expect=0)
    today = site.value(), site.record()
    current = site.current()
    agent.wait_version(current.id)
    write(site, *yesterday)
    reply = wait_for(lambda: (r := agent.get()).get("STALE") and r,
                     "an answer that is doubted")
    assert reply["VERSION"] == current.id
    wait_for(lambda: "looks older than" in agent.said(), "a word of that")
    write(site, *today)
    wait_for(lambda: "STALE" not in agent.get(), "the end of the doubt")
    assert agent.get()["VERSION"] == current.id
