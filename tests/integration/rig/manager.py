# SPDX-License-Identifier: PostgreSQL
"""The part of systemd that a service talks to: NOTIFY_SOCKET with its file
descriptor store, and LISTEN_FDS with their names."""

import os
import socket
import threading

# The shell knows the number of the process that it becomes.
PREFIX = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"]
FIRST = 3


class Manager:
    def __init__(self, folder, watchdog_us=None):
        self.path = os.path.join(folder, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o666)
        self.messages = []  # each a dict of its lines
        self.store = {}  # FDNAME -> descriptor
        self.listening = {}  # FileDescriptorName -> socket
        self.watchdog_us = watchdog_us
        self._end = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            data, fds, _, _ = socket.recv_fds(self.sock, 65536, 16)
            if self._end:
                return
            lines = dict(line.split("=", 1) for line in
                         data.decode().splitlines())
            if "FDSTORE" in lines:
                for fd in fds:
                    self._keep(lines["FDNAME"], fd)
            if "FDSTOREREMOVE" in lines:
                self._keep(lines["FDNAME"], None)
            self.messages.append(lines)

    def _keep(self, name, fd):
        before = self.store.pop(name, None)
        if before is not None:
            os.close(before)
        if fd is not None:
            self.store[name] = fd

    def said(self, key):
        """The values of every KEY=... so far."""
        return [m[key] for m in list(self.messages) if key in m]

    def listen(self, name, path, mode):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(path)
        os.chmod(path, mode)
        sock.listen(100)
        self.listening[name] = sock

    def start(self, agent, **options):
        """Start the agent as a service; it is given what is kept."""
        passed = [(n, s.fileno()) for n, s in self.listening.items()] \
            + list(self.store.items())
        environment = {"NOTIFY_SOCKET": self.path}
        if self.watchdog_us:
            environment["WATCHDOG_USEC"] = str(self.watchdog_us)
        numbers = range(FIRST, FIRST + len(passed))
        if passed:
            environment["LISTEN_FDS"] = str(len(passed))
            environment["LISTEN_FDNAMES"] = ":".join(n for n, _ in passed)
        fds = [fd for _, fd in passed]

        def place():
            high = [os.dup(fd) for fd in fds]
            while high and min(high) < FIRST + len(high):
                high = [os.dup(fd) for fd in high]
            for number, fd in zip(numbers, high):
                os.dup2(fd, number)

        return agent.start(prefix=PREFIX, fds=tuple(numbers), preexec=place,
                           environment=environment, **options)

    def close(self):
        self._end = True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", self.path)
        self._thread.join()
        self.sock.close()
        for fd in self.store.values():
            os.close(fd)
        for sock in self.listening.values():
            sock.close()
