# SPDX-License-Identifier: PostgreSQL
"""Something at an agent's socket that says what a test wants, lies included.
Only for what the real agent (rig/agent.py) never does."""

import os
import socket
import struct
import threading

from rig import wire

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))))

OPERATION = wire.OPERATIONS
RESULT = {name: number for number, name in wire.RESULTS.items()}


def fields(pairs):
    """[(name, value)] as the body of a frame."""
    return b"".join(wire.field(name, value) for name, value in pairs)


frame = wire.frame


def reply(operation, result="OK", **more):
    return frame(OPERATION[operation] | wire.REPLY, fields(
        [("RESULT", RESULT[result]), *more.items()]))


def parse(body):
    """{name: text} of a request."""
    found, at = {}, 0
    while at < len(body):
        tag, n = struct.unpack_from(">BH", body, at)
        found[wire.TAGS[tag]] = body[at + 3:at + 3 + n].decode()
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
