# SPDX-License-Identifier: PostgreSQL
"""keyturnd of an installation, and a service manager that listens to it."""

import contextlib
import os
import re
import signal
import socket
import sqlite3
import time

from rig.installation import Running
from rig.server import wait_for

# Short enough for tests; a test that wants another value says so.
QUICK = """jitter = 0s
backoff = 1s
backoff_max = 2s
poll = 1s
stop_timeout = 20s
"""


def binary(site):
    return os.path.join(os.path.dirname(site.binary), "keyturnd")


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self.heard = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._socket.setblocking(False)

    def listen(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard.append(self._socket.recv(8192).decode())
        return self.heard

    def lines(self):
        return [line for message in self.listen()
                for line in message.split("\n")]

    def wait_line(self, wanted, times=1):
        """Wait until a line of which `wanted` is the beginning, or which it
        finds as an expression, was heard."""
        return wait_for(
            lambda: sum(bool(re.match(wanted, line))
                        for line in self.lines()) >= times,
            f"{wanted} from keyturnd; heard: {self.heard[-8:]}")

    def close(self):
        self._socket.close()


class Daemon(Running):
    """A running keyturnd."""

    def __init__(self, site, *argv, binary_file=None, environment=None,
                 **options):
        self.manager = Manager(site.next_file("notify"))
        used, site.binary = site.binary, binary_file or binary(site)
        try:
            super().__init__(
                site, ["--config", site.configuration, *argv],
                environment={"NOTIFY_SOCKET": self.manager.path,
                             **(environment or {})}, **options)
        finally:
            site.binary = used
        site.running.add(self)

    def log(self):
        return self._text(".err")

    def wait_log(self, wanted, times=1, timeout=30):
        """Wait for an expression in the log: the log."""
        end = time.monotonic() + timeout
        while len(re.findall(wanted, self.log())) < times:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < end, \
                f"waited in vain for {wanted!r} in the log:\n{self.log()}"
            time.sleep(0.02)
        return self.log()

    def ready(self):
        self.manager.wait_line("READY=1")
        return self

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self, expect=0, timeout=40):
        """SIGTERM, and the end: a Result."""
        self.process.send_signal(signal.SIGTERM)
        done = self.finish(timeout)
        assert done.exit == expect, done.text
        return done

    def finish(self, timeout=60):
        done = super().finish(timeout)
        self.manager.listen()
        self.manager.close()
        return done


def overdue(site, *roles):
    """As if they had been rotated forty days ago."""
    with contextlib.closing(sqlite3.connect(
            os.path.join(site.state, "ledger.db"), timeout=20)) as db, db:
        for role in roles or ("sap",):
            changed = db.execute(
                "update role set rotated_us = rotated_us - 3456000000000 "
                "where role = ?", [role]).rowcount
            assert changed == 1, role


__all__ = ["Daemon", "Manager", "QUICK", "binary", "overdue"]
