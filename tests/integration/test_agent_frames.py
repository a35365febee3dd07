# SPDX-License-Identifier: PostgreSQL
"""Bad frames and bad clients at keyturn-agent's sockets: each ends itself, and
nobody else notices."""

import os
import random
import socket
import struct
import tempfile
import time

import pytest

from conftest import empty
from rig import wire
from rig.agent import Agent
from rig.installation import Installation
from rig.server import wait_for

CONTROLS = [b"\n", b"\r", b"\t", b"\0", b"\x1b[2J", b"\x7f", b"\xc2\x9b2J",
            b"\xff", b"\xed\xa0\x80"]


@pytest.fixture(scope="module")
def site(folder, tools, _shared_server):
    path = tempfile.mkdtemp(prefix="kt-", dir=folder)
    made = Installation(tools, _shared_server, os.path.join(path, "site"),
                        "frames")
    made.create(("sap",))
    made.run("rotate", "sap", expect=0)
    yield made
    made.close()
    found = made.leaks()
    empty(_shared_server)
    assert found == []


@pytest.fixture(scope="module")
def agent(site, folder):
    sockets = tempfile.mkdtemp(prefix="ag-", dir=folder)
    os.chmod(sockets, 0o755)
    made = Agent(site, sockets, agent="clients_per_user = 40\nclients = 60")
    made.start()
    pid = made.process.pid
    yield made
    assert made.process.pid == pid and made.process.poll() is None, made.said()
    made.stop()
    made.close()


@pytest.fixture(autouse=True)
def still_serves(agent, site):
    yield
    reply = wait_for(lambda: reply_or_none(agent), "the agent's answer")
    assert reply["VERSION"] == site.current().id


def reply_or_none(agent):
    try:
        return agent.get()
    except (wire.Closed, ConnectionError, BrokenPipeError):
        return None


def assert_ended(sock, within=3):
    """The agent closes without a byte, soon."""
    begun = time.monotonic()
    sock.settimeout(within)
    try:
        assert sock.recv(1) == b""
    except ConnectionResetError:
        pass
    assert time.monotonic() - begun < within


def sent(agent, data):
    sock = agent.connect()
    sock.sendall(data)
    return sock


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    wire.frame("GET", magic=b"kt"),
    wire.frame("GET", version=2),
    wire.frame("GET", version=0),
    wire.frame(0), wire.frame(13), wire.frame(0x7f),
    wire.frame(wire.OPERATIONS["GET"] | wire.REPLY),
    wire.frame("GET", length=0xffffffff),
    wire.frame("GET", length=4096 - 7),
    b"\0" * 8, b"\xff" * 4096,
], ids=lambda d: d[:8].hex())
def test_a_frame_that_is_none_ends_the_client(agent, data):
    with sent(agent, data) as sock:
        assert_ended(sock)


@pytest.mark.parametrize("name", [n for n in wire.FIELDS if n != "RESULT"])
def test_control_characters_are_refused_in_every_field(agent, name):
    for bad in CONTROLS:
        with sent(agent, wire.frame("VERIFY", wire.field(name, b"a" + bad))) \
                as sock:
            reply = wire.read_reply(sock, "VERIFY")
            assert reply.result == "BAD_REQUEST"
            assert name in reply["SENTENCE"]
            assert_ended(sock)


@pytest.mark.parametrize("fields", [
    [wire.field("ROLE", "sap"), wire.field("ROLE", "sap")],
    [wire.field("RESULT", "0")],
    [wire.field(0, "x")], [wire.field(25, "x")], [wire.field(255, "x")],
    [wire.field("ROLE", "")],
    [wire.field("ROLE", "x" * 128)],
    [wire.field("PASSWORD", "x" * 513)],
    [wire.field("WAIT_MS", "1e3")], [wire.field("WAIT_MS", "+1")],
    [wire.field("WAIT_MS", "9" * 20)],
    [b"\x02\x00\x05sap"],  # longer than the frame
    [b"\x02\x00"],
], ids=range(13))
def test_a_bad_field_is_named_and_ends_the_client(agent, fields):
    with sent(agent, wire.frame("VERIFY", *fields)) as sock:
        assert wire.read_reply(sock, "VERIFY").result == "BAD_REQUEST"
        assert_ended(sock)


def test_every_truncation_ends_after_a_second(agent):
    whole = wire.request("GET", role="sap", wait_ms=5)
    socks = [sent(agent, whole[:n]) for n in range(1, len(whole))]
    begun = time.monotonic()
    for sock in socks:
        assert_ended(sock)
        sock.close()
    assert 0.8 < time.monotonic() - begun < 3


def test_a_client_that_drips_is_ended_after_a_second(agent):
    whole = wire.request("GET", role="sap")
    with agent.connect() as sock:
        begun = time.monotonic()
        with pytest.raises(OSError):
            for byte in whole * 10:
                sock.sendall(bytes([byte]))
                time.sleep(0.1)
        assert 0.9 < time.monotonic() - begun < 2


def test_a_frame_in_pieces_is_one_request(agent):
    with agent.connect() as sock:
        for byte in wire.request("GET", role="sap"):
            sock.sendall(bytes([byte]))
        assert wire.read_reply(sock, "GET").result == "OK"


def test_requests_follow_each_other_on_a_connection(agent):
    with agent.connect() as sock:
        for _ in range(100):
            assert wire.call(sock, "GET", role="sap").result == "OK"
            assert wire.call(sock, "GET", role="no").result == "NOT_FOUND"


def test_two_requests_at_once_are_one_too_many(agent):
    one = wire.request("GET", role="sap")
    with sent(agent, one + one) as sock:
        assert_ended(sock)
    with sent(agent, one + b"K") as sock:
        assert_ended(sock)


def test_who_speaks_while_he_waits_is_ended(agent):
    with agent.connect() as sock:
        version = wire.call(sock, "GET", role="sap")["VERSION"]
        sock.sendall(wire.request("GET", role="sap", not_version=version,
                                  wait_ms=60000))
        time.sleep(0.1)
        sock.sendall(b"K")
        assert_ended(sock)


def test_waits_are_bounded(agent):
    for bad in ("-1", "0", "-9223372036854775808"):
        assert agent.call("GET", role="sap", wait_ms=bad).result == "OK"
    version = agent.get()["VERSION"]
    assert agent.call("GET", role="sap", not_version=version,
                      wait_ms=-5).result == "TIMEOUT"


def test_garbage_of_all_kinds_harms_nobody(agent):
    """Valid frames with turned bits, cut, or followed by noise."""
    chance = random.Random(4711)
    seeds = [wire.request(op, role="sap", user="sap", password="x",
                          version="0f8fad5b-d9cb-469f-a165-70867728950e")
             for op in ("GET", "VERIFY", "LIST", "FEEDBACK")]
    for turn in range(400):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)):]
        if chance.random() < 0.3:
            data += chance.randbytes(chance.randrange(1, 5000))
        with agent.connect() as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except (ConnectionError, BrokenPipeError):
                pass


def test_connections_of_a_user_are_limited(agent):
    held = [agent.connect() for _ in range(40)]
    with agent.connect() as sock:
        assert_ended(sock)
    # Those that are in are served.
    assert wire.call(held[7], "GET", role="sap").result == "OK"
    for sock in held:
        sock.close()
    wait_for(lambda: reply_or_none(agent), "room again")


def test_others_are_served_while_many_drip_and_wait(agent):
    version = agent.get()["VERSION"]
    held = []
    for i in range(30):
        sock = agent.connect()
        sock.sendall(wire.request("GET", role="sap", not_version=version,
                                  wait_ms=60000)[:None if i % 2 else 20])
        held.append(sock)
    begun = time.monotonic()
    for _ in range(200):
        assert agent.get().result == "OK"
    assert time.monotonic() - begun < 2
    for sock in held:
        sock.close()


def test_a_client_that_does_not_read_keeps_nobody_waiting(agent):
    with agent.connect() as sock:
        sock.settimeout(2)
        with pytest.raises(OSError):
            for _ in range(100000):
                sock.sendall(wire.request("VERSION"))
    assert agent.get().result == "OK"


def test_an_idle_connection_may_go_on(agent):
    """Longer than a request may take to come, which is not counted here."""
    with agent.connect() as sock:
        time.sleep(1.5)
        assert wire.call(sock, "VERSION").result == "OK"


def test_a_length_that_lies_is_no_allocation(agent):
    def resident():
        with open(f"/proc/{agent.process.pid}/statm") as f:
            return int(f.read().split()[1])
    before = resident()
    for _ in range(300):
        with sent(agent, b"KT\1\2" + struct.pack(">I", 0x7fffffff)) as sock:
            assert_ended(sock)
    assert resident() - before < 256


def test_what_a_store_holds_with_control_characters_is_not_given(agent, site):
    """The other way: a password that somebody imported with a newline."""
    read, write = os.pipe()
    os.write(write, b"Imported-Passw\x1bord-0815")
    os.close(write)
    done = site.run("import", "sap", "--password-fd", str(read), fds=(read,))
    os.close(read)
    # keyturn itself refuses it; so nothing changes.
    assert done.exit != 0
    assert agent.get()["VERSION"] == site.current().id
