# SPDX-License-Identifier: PostgreSQL
"""Something at an agent's socket that says what a test wants, lies included.
Only for what the real agent (rig/agent.py) never does; its numbers are read
from wire.def."""

import os
import re
import socket
import struct
import threading

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))))


def read_table(kind):
    with open(os.path.join(SOURCE, "src", "wire", "wire.def")) as f:
        return {name: int(number) for name, number in re.findall(
            rf"^WIRE_{kind}\((\w+), (\d+),", f.read(), re.M)}


OPERATION = read_table("OPERATION")
FIELD = read_table("FIELD")
RESULT = read_table("RESULT")
NAME = {number: name for name, number in FIELD.items()}


def fields(pairs):
    """[(name, value)] as the body of a frame."""
    body = b""
    for name, value in pairs:
        if not isinstance(value, bytes):
            value = str(value).encode()
        body += struct.pack(">BH", FIELD[name], len(value)) + value
    return body


def frame(kind, body):
    return b"KT" + struct.pack(">BBI", 1, kind, len(body)) + body


def reply(operation, result="OK", **more):
    return frame(OPERATION[operation] | 0x80, fields(
        [("RESULT", RESULT[result]), *more.items()]))


def parse(body):
    """{name: text} of a request."""
    found, at = {}, 0
    while at < len(body):
        tag, n = struct.unpack_from(">BH", body, at)
        found[NAME[tag]] = body[at + 3:at + 3 + n].decode()
        at += 3 + n
    return found


class ScriptedAgent:
    """`answer(operation, request)` gives the bytes to send, or None to hang
    up, or a function that is given the connection."""

    def __init__(self, folder, answer):
        self.path = os.path.join(folder, "agent.sock")
        self.answer = answer
        self.requests = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(128)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,),
                             daemon=True).start()

    def _one(self, connection):
        names = {number: name for name, number in OPERATION.items()}
        with connection, connection.makefile("rb") as stream:
            head = stream.read(8)
            if len(head) < 8:
                return
            _, kind, length = struct.unpack(">BBI", head[2:])
            request = parse(stream.read(length))
            self.requests.append((names[kind], request))
            given = self.answer(names[kind], request)
            try:
                if callable(given):
                    given(connection, self._closed)
                elif given is not None:
                    connection.sendall(given)
            except OSError:
                pass

    def close(self):
        self._closed.set()
        # Before the descriptor is closed, or its number may be the next
        # listener's when the thread gets to accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        os.unlink(self.path)
