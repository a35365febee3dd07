# SPDX-License-Identifier: PostgreSQL
"""The agent's wire, written again from docs/wire.md: what keyturn's own codec
says of itself proves nothing.  Numbers come from wire.def."""

import os
import re
import socket
import struct
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "..", "..", "..", "src", "wire", "wire.def")
HEADER = 8
REPLY = 0x80


def _rows(kind):
    with open(TABLE) as f:
        return {m[1]: int(m[2]) for m in
                re.finditer(rf"^WIRE_{kind}\((\w+), (\d+)", f.read(), re.M)}


OPERATIONS = _rows("OPERATION")
FIELDS = _rows("FIELD")
RESULTS = {number: name for name, number in _rows("RESULT").items()}
TAGS = {number: name for name, number in FIELDS.items()}


def field(tag, value):
    value = value if isinstance(value, bytes) else str(value).encode()
    return bytes([FIELDS[tag] if isinstance(tag, str) else tag]) \
        + struct.pack(">H", len(value)) + value


def frame(operation, *fields, version=1, magic=b"KT", length=None):
    kind = OPERATIONS[operation] if isinstance(operation, str) else operation
    body = b"".join(fields)
    return magic + bytes([version, kind]) \
        + struct.pack(">I", len(body) if length is None else length) + body


def request(operation, **fields):
    return frame(operation, *(field(k.upper(), v) for k, v in fields.items()
                              if v is not None))


class Closed(Exception):
    """The agent ended the connection without a reply."""


def receive(sock, n):
    found = b""
    while len(found) < n:
        try:
            more = sock.recv(n - len(found))
        except ConnectionResetError:
            more = b""
        if not more:
            raise Closed(found)
        found += more
    return found


class Reply(dict):
    """Fields by their names; .result is the result's; .entries those of LIST,
    TAKE and USES."""

    def __init__(self, body):
        super().__init__()
        self.entries = []
        into, at = self, 0
        while at < len(body):
            tag, n = TAGS[body[at]], struct.unpack(">H", body[at + 1:at + 3])[0]
            value = body[at + 3:at + 3 + n].decode()
            at += 3 + n
            if tag == "ROLE":
                into = {}
                self.entries.append(into)
                self.setdefault("ROLE", value)
            elif into is not self:
                self.setdefault(tag, value)
            assert tag not in into or into is self, tag
            into[tag] = value
        self.result = RESULTS[int(self["RESULT"])]


def read_reply(sock, operation):
    header = receive(sock, HEADER)
    assert header[:3] == b"KT\x01", header
    assert header[3] == OPERATIONS[operation] | REPLY, header
    return Reply(receive(sock, struct.unpack(">I", header[4:])[0]))


def connect(path, timeout=20, abstract=None):
    """A full queue is waited for, as every client does.  With `abstract` our
    end has that name."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if abstract:
        sock.bind("\0" + abstract)
    sock.settimeout(timeout)
    end = time.monotonic() + timeout
    while True:
        try:
            sock.connect(path)
            return sock
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)


def call(sock, operation, **fields):
    sock.sendall(request(operation, **fields))
    return read_reply(sock, operation)
