# SPDX-License-Identifier: PostgreSQL
"""A reverse proxy in front of an HTTP service, double or real, that has faults
on command and writes down what came through.

    gate.fault("PATCH", r"/data/sap$", "reset-after", times=1)

    reset-before   the connection is cut, the service never sees the request
    reset-after    the service does it, and the connection is cut
    hang-before    no answer until the client gives up, nothing is done
    hang-after     it is done, and no answer comes
    late           no answer, and it is done when gate.let_go() is called
    stale          a read gets the last answer but one of that path
    garbage        200 with HTML; nothing is done
    lie            it is done, and the answer is 200 with "{}"
    429, 503, ...  that status with Vault's kind of body; nothing is done
    a function     is called; what it returns is the act, None: none

A request to AWS goes by its operation in the place of the path.
"""

import collections
import contextlib
import http.client
import json
import re
import socket
import struct
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length",
       "date", "server"}


class Fault:
    def __init__(self, method, path, act, times, headers, skip):
        self.method, self.path = method, re.compile(path)
        self.act = act if callable(act) else str(act)
        self.left, self.headers, self.skip = times, headers or {}, skip


class Gate:
    def __init__(self, upstream):
        self.upstream = urllib.parse.urlsplit(upstream)
        self.lock = threading.Lock()
        self.faults = []
        self.calls = []  # (method, path, status or act)
        self.connections = 0
        self.held = []  # late requests
        self.before = None  # called with (method, path) before each request
        self.answers = collections.defaultdict(list)  # path -> read answers
        gate = self

        class Handler(_Handler):
            owner = gate

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def fault(self, method, path, act, times=1, headers=None, skip=0):
        """From the request after `skip` of the same kind on."""
        fault = Fault(method, path, act, times, headers, skip)
        with self.lock:
            self.faults.append(fault)
        return fault

    def clear(self):
        with self.lock:
            self.faults.clear()
            self.held.clear()
            self.answers.clear()
            self.before = None

    def due(self, method, path):
        with self.lock:
            for fault in self.faults:
                if fault.left > 0 and fault.method in (method, "*") \
                        and fault.path.search(path):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.left -= 1
                    return fault
        return None

    def send(self, method, path, headers, body):
        """To the service: (status, headers, body)."""
        kind = http.client.HTTPSConnection \
            if self.upstream.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.upstream.hostname, self.upstream.port,
                          timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def let_go(self):
        """The late requests arrive now: their status codes."""
        with self.lock:
            held, self.held = self.held, []
        return [self.send(*request)[0] for request in held]

    @contextlib.contextmanager
    def watch(self):
        """The calls that are made meanwhile."""
        begin, seen = len(self.calls), []
        yield seen
        seen.extend(self.calls[begin:])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes
    owner = None

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        with self.owner.lock:
            self.owner.connections += 1

    def cut(self):
        """A reset, not an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def hang(self):
        self.close_connection = True
        self.connection.settimeout(120)
        with contextlib.suppress(OSError):
            self.connection.recv(1)

    def reply(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @property
    def what(self):
        """The path, or the operation of AWS."""
        target = self.headers.get("X-Amz-Target")
        return target.partition(".")[2] if target else self.path

    @property
    def reads(self):
        return self.command == "GET" or \
            self.what.startswith(("Get", "Describe", "List"))

    def note(self, what):
        with self.owner.lock:
            self.owner.calls.append((self.command, self.what, what))

    def kept_headers(self):
        """AWS's signatures are over the host, too."""
        signed = "X-Amz-Target" in self.headers
        return {k: v for k, v in self.headers.items()
                if k.lower() not in (HOP if signed else HOP | {"host"})}

    def forward(self, body):
        answer = self.owner.send(self.command, self.path, self.kept_headers(),
                                 body)
        if self.reads:
            with self.owner.lock:
                self.owner.answers[self.what.partition("?")[0]].append(answer)
        return answer

    def spoil(self, fault, act, body):
        if act == "reset-before":
            self.cut()
        elif act == "hang-before":
            self.hang()
        elif act in ("reset-after", "hang-after"):
            self.forward(body)
            self.note(act)
            self.cut() if act == "reset-after" else self.hang()
        elif act == "late":
            with self.owner.lock:
                self.owner.held.append((self.command, self.path,
                                        self.kept_headers(), body))
            self.cut()
        elif act == "garbage":
            self.reply(200, [("Content-Type", "text/html")],
                       b"<html><body>Welcome</body></html>")
        elif act == "lie":
            self.forward(body)
            self.reply(200, [("Content-Type", "application/json")], b"{}")
        else:
            self.reply(int(act), list(fault.headers.items()),
                       json.dumps({"errors": ["by the gate"]}).encode())

    def handle_one(self):
        gate = self.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if gate.before:
            gate.before(self.command, self.what)
        fault = gate.due(self.command, self.what)
        act = fault and fault.act
        if callable(act):
            act = act()
        if act == "stale":
            with gate.lock:
                old = gate.answers[self.what.partition("?")[0]][-1:]
            self.note("stale")
            answer = old[0] if old else (404, [], b'{"errors":[]}')
            self.reply(*answer)
        elif act:
            if not act.endswith("-after"):
                self.note(act)  # those are noted once it is done
            self.spoil(fault, act, body)
        else:
            answer = self.forward(body)
            self.note(answer[0])
            with contextlib.suppress(OSError):
                self.reply(*answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_LIST = handle_one


def wait_until(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
