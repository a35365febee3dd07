# SPDX-License-Identifier: PostgreSQL
"""PAM services of our own, for servers that are started with pam_services.c,
and clients that say to a server what libpq would not."""

import os
import shutil
import socket
import struct
import subprocess

from rig.fault import compile_shim
from rig.server import as_account, environment, own

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DENY = "requisite pam_deny.so"


class Services:
    """A folder of PAM services in which %M is pam_keyturn.so."""

    def __init__(self, folder, binary):
        self.folder = folder
        os.makedirs(folder)
        os.chmod(folder, 0o755)
        # The build folder may be closed to the user of the server.
        built = os.path.join(os.path.dirname(binary), "pam", "pam_keyturn.so")
        assert os.path.exists(built), f"{built} is not built"
        self.module = os.path.join(folder, "pam_keyturn.so")
        shutil.copy(built, self.module)
        os.chmod(self.module, 0o755)
        self.shim = compile_shim(HERE, os.path.join(folder, "services.so"),
                                 "pam_services.c", "-lpam")
        self.write("other", f"auth {DENY}\naccount {DENY}\n"
                   f"password {DENY}\nsession {DENY}\n")

    @property
    def environment(self):
        return {"LD_PRELOAD": self.shim, "KEYTURN_PAM_SERVICES": self.folder}

    def write(self, name, lines):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(lines.replace("%M", self.module))
        os.chmod(path, 0o644)

    def keyturn(self, name, options, account=None):
        """The stack of pam_keyturn(8)."""
        account = options if account is None else account
        control = "[success=done default=die]"
        self.write(name,
                   f"auth {control} %M {options}\nauth {DENY}\n"
                   f"account {control} %M {account}\naccount {DENY}\n"
                   f"password {control} %M {options}\npassword {DENY}\n"
                   f"session {DENY}\n")

    def test(self, service, user, *operations, said="", as_server=True,
             **items):
        """Run pamtester; its CompletedProcess."""
        argv = ["pamtester"]
        for name, value in items.items():
            argv += ["-I", f"{name}={value}"]
        argv += [service, user, *operations]
        return subprocess.run(
            as_account(argv) if as_server else argv, input=said,
            capture_output=True, text=True, timeout=60, cwd="/",
            env={**environment(), **self.environment})


class Refused(Exception):
    """The server said no: .code is the SQLSTATE, .said its message."""

    def __init__(self, fields):
        super().__init__(fields.get("M", ""))
        self.code = fields.get("C", "")
        self.said = fields.get("M", "")


class RawLogin:
    """A login without TLS, of which each byte is the test's."""

    def __init__(self, port, user, dbname, timeout=30):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        words = b"user\0" + user + b"\0database\0" + dbname + b"\0\0"
        self.sock.sendall(struct.pack(">II", len(words) + 8, 196608) + words)
        self._stream = self.sock.makefile("rb")

    def _message(self):
        kind = self._stream.read(1)
        if not kind:
            raise EOFError
        n = struct.unpack(">I", self._stream.read(4))[0]
        return kind, self._stream.read(n - 4)

    def wants_password(self):
        """True when the server asks for a password in clear; else raises."""
        kind, body = self._message()
        if kind == b"E":
            raise Refused(error(body))
        assert kind == b"R", kind
        return struct.unpack(">I", body[:4])[0] == 3

    def send(self, password):
        """The password message, NUL and all; the server's verdict."""
        try:
            self.sock.sendall(b"p" + struct.pack(">I", len(password) + 5)
                              + password + b"\0")
            kind, body = self._message()
        except ConnectionError:
            raise EOFError from None
        if kind == b"E":
            raise Refused(error(body))
        assert kind == b"R" and body[:4] == b"\0\0\0\0", (kind, body)

    def close(self):
        self._stream.close()
        self.sock.close()


def error(body):
    return {field[:1].decode(): field[1:].decode("utf-8", "replace")
            for field in body.split(b"\0") if field}


def own_folder(path):
    os.makedirs(path)
    os.chmod(path, 0o755)
    return path


__all__ = ["RawLogin", "Refused", "Services", "own", "own_folder"]
