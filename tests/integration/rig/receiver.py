# SPDX-License-Identifier: PostgreSQL
"""Receivers of hooks that let nothing pass: a webhook's, whose signature is
checked with Python's own HMAC, and a program's."""

import contextlib
import hashlib
import hmac
import json
import os
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EVENTS = {"rotated", "recovered", "failed", "frozen", "thawed", "restored",
          "request", "alarm", "upcoming", "grace", "postponed", "compromised", "retired",
          "rollback", "handoff", "delivered", "undelivered"}
FIELDS = {"event", "id", "seq", "at", "role", "version", "status", "detail",
          "actor", "run", "epoch", "host", "due", "planned", "local", "zone",
          "step", "until", "state", "source", "recipient",
          "consumers", "last"}


def check_event(event):
    assert set(event) <= FIELDS, event
    assert event["event"] in EVENTS
    assert re.fullmatch(r"[0-9a-f]{64}", event["id"]), event
    assert isinstance(event["seq"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.]{15}Z", event["at"]), event
    return event


class Receiver:
    """A webhook's end.  `answers` are the codes of the next answers; after
    them 204.  `wrong` collects what a strict receiver would refuse."""

    def __init__(self, key, tls=None):
        self.key = key.encode()
        self.events = []
        self.wrong = []
        self.answers = []
        self.tries = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver.take(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket,
                                                  server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever,
                         daemon=True).start()

    def take(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.tries += 1
        code = self.answers.pop(0) if self.answers else 204
        try:
            event = self.check(request, body)
        except AssertionError as e:
            self.wrong.append(str(e))
            code = 400
        if code == 204:
            self.events.append(event)
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def check(self, request, body):
        assert request.path == "/hook?x=1"
        assert request.headers["Content-Type"] == "application/json"
        found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})",
                             request.headers["Keyturn-Signature"])
        assert found, "no signature"
        signed = found[1].encode() + b"." + body
        right = hmac.new(self.key, signed, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(right, found[2]), "wrong signature"
        assert abs(time.time() - int(found[1])) < 30, "an old signature"
        assert body.endswith(b"}\n") and body.count(b"\n") == 1
        event = check_event(json.loads(body))
        assert request.headers["Keyturn-Event-Id"] == event["id"]
        return event

    def kinds(self, role="sap"):
        return [e["event"] for e in self.events if e["role"] == role]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Program:
    """A hook's program, in Python, that notes what it is given."""

    def __init__(self, folder, code=0):
        self.path = os.path.join(folder, "hook")
        self.notes = os.path.join(folder, "hook.notes")
        self.exit = os.path.join(folder, "hook.exit")
        self.end_with(code)
        with open(self.path, "w") as f:
            f.write(f"""#!/usr/bin/python3 -IS
import json, os, sys
event = sys.stdin.read()
with open({self.notes!r}, "a") as f:
    f.write(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(),
                        event]) + "\\n")
sys.exit(int(open({self.exit!r}).read()))
""")
        os.chmod(self.path, 0o700)

    def end_with(self, code):
        with open(self.exit, "w") as f:
            f.write(str(code))

    def calls(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.notes) as f:
                return [json.loads(line) for line in f]
        return []

    def events(self):
        return [check_event(json.loads(c[3])) for c in self.calls()]

    def kinds(self, role="sap"):
        return [e["event"] for e in self.events() if e["role"] == role]
