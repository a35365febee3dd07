# SPDX-License-Identifier: PostgreSQL
"""What stands around a PostgreSQL of Neon's kind, from which Lakebase descends:
a control plane that is told of every new password before its commit, and a
proxy that ends TLS, remembers passwords and wakes the server.  PostgreSQL
itself is the real one."""

import base64
import contextlib
import hashlib
import hmac
import os
import select
import shlex
import socket
import ssl
import struct
import subprocess
import threading
import time

from psycopg import sql as psycopg_sql

from rig.server import own

ONLY_PLAINTEXT = '{"error":"Neon only supports being given plaintext ' \
                 'passwords"}'
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102


def compile_module(name, source_folder, target_folder):
    """A module for the server: its path."""
    include = subprocess.run(["pg_config", "--includedir-server"],
                             capture_output=True, text=True)
    target = os.path.join(target_folder, name + ".so")
    done = subprocess.run(
        [*shlex.split(os.environ.get("CC", "cc")), "-O1", "-w", "-shared",
         "-fPIC", "-I", include.stdout.strip(), "-o", target,
         os.path.join(source_folder, name + ".c")],
        capture_output=True, text=True)
    assert done.returncode == 0, \
        f"install postgresql-server-dev-all (./dev test does): {done.stderr}"
    os.chmod(target, 0o755)
    return target


def is_of(verifier, password):
    """Is this SCRAM verifier one of the password, or the same?"""
    if password.startswith("SCRAM-SHA-256$"):
        return verifier == password
    head, keys = verifier.removeprefix("SCRAM-SHA-256$").split("$")
    rounds, salt = head.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(),
                                 base64.b64decode(salt), int(rounds))
    client = hmac.digest(salted, b"Client Key", "sha256")
    return keys.split(":")[0] == \
        base64.b64encode(hashlib.sha256(client).digest()).decode()


class ControlPlane:
    """Answers control_plane.c.  What it was given is in `given`, as (role,
    password).

        fail(code, forward=True, times=2)   the next two commits fail, and the
                                            password is changed all the same
        slow = 1.5                          seconds until it answers
        refuse("nologin", "0A000")          NOLOGIN, or PASSWORD NULL ("null"),
                                            is refused from here on
        start_anew("sap_a")                 the service starts again: a role has
                                            the password that it knows
    """

    def __init__(self, server):
        self.server = server
        self.given = []
        self.failures = []
        self.slow = 0
        self.takes_verifiers = False
        self.path = os.path.join(server.data, "control.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        own(self.path)
        os.chmod(self.path, 0o777)
        self.listener.listen(16)
        self.busy = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self):
        self.listener.close()
        for name in ("control.sock", "no_nologin", "no_null"):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self.server.data, name))

    def fail(self, code=500, body='{"error":"internal error"}', forward=False,
             times=1):
        self.failures += [(code, body, forward)] * times

    def refuse(self, what, sqlstate="0A000"):
        path = os.path.join(self.server.data, "no_" + what)
        with open(path, "w") as f:
            f.write(sqlstate)
        own(path)

    def start_anew(self, role):
        """As Neon's compute does for a role that has another password than the
        one the control plane knows (compute_tools, CreateAndAlterRoles)."""
        known = [p for r, p in self.given if r == role][-1]
        ((stored,),) = self.server.sql(
            "select rolpassword from pg_authid where rolname = %s", [role])
        if stored and is_of(stored, known):
            return
        with self.server.connect() as c:
            verifier = known if known.startswith("SCRAM-SHA-256$") else \
                c.pgconn.encrypt_password(known.encode(), role.encode(),
                                          b"scram-sha-256").decode()
            c.execute(psycopg_sql.SQL("alter role {} login password {}").format(
                psycopg_sql.Identifier(role), psycopg_sql.Literal(verifier)))

    def heal(self):
        """No failure any more, and what was forwarded has arrived."""
        self.failures.clear()
        with self.busy:
            pass

    @property
    def plaintext(self):
        """The passwords that it was given in clear, in order."""
        return [p for _, p in self.given if not p.startswith("SCRAM-SHA-256")]

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.busy, connection:
                self._answer(connection)

    def _answer(self, connection):
        line = connection.makefile().readline().rstrip("\n")
        role, password = line.rsplit(" ", 1)
        self.given.append((role, password))
        time.sleep(self.slow)
        if not self.takes_verifiers and password.startswith("SCRAM-SHA-256$"):
            connection.sendall(f"400 {ONLY_PLAINTEXT}".encode())
            return
        if not self.failures:
            connection.sendall(b"200")
            return
        code, body, forward = self.failures.pop(0)
        connection.sendall(f"{code} {body}".encode())
        connection.close()
        if forward:
            # Waits for the lock of the transaction that is being aborted.
            with self.server.connect() as second:
                verifier = password
                if not password.startswith("SCRAM-SHA-256$"):
                    verifier = second.pgconn.encrypt_password(
                        password.encode(), role.encode(),
                        b"scram-sha-256").decode()
                second.execute(psycopg_sql.SQL("alter role {} password {}")
                               .format(psycopg_sql.Identifier(role),
                                       psycopg_sql.Literal(verifier)))


def error_response(sqlstate, text):
    fields = b"SFATAL\0VFATAL\0C" + sqlstate.encode() + b"\0M" \
        + text.encode() + b"\0\0"
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


def error_fields(body):
    return {f[:1].decode(): f[1:].decode() for f in body.split(b"\0") if f}


class Proxy:
    """Ends TLS and passes everything on to the server's Unix socket.

        remember("sap", refusals=3)   the present password stays good, and the
                                      next one is refused three times
        remember("sap", logins=3)     likewise, and is let in three times
        say("57P03", "...", times=2)  the next two log-ins get that answer
        sleep(), wake()               nobody listens; somebody does again
    """

    def __init__(self, server, authority):
        self.server = server
        self.upstream = os.path.join(server.sockets, f".s.PGSQL.{server.port}")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*authority.issue("proxy"))
        self.says = []
        self.late_says = []
        self.remembered = {}  # role -> how often the new one is refused yet
        self.logins = []  # (role, sqlstate or "ok")
        self.counts_logins = False  # until a memory ends, not refusals
        self.as_neon = True  # wrong passwords are XX000
        self.listener = None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.wake()

    # -- what a test orders ---------------------------------------------------

    def wake(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(32)
        self.listener = listener
        threading.Thread(target=self._serve, args=(listener,),
                         daemon=True).start()

    def sleep(self):
        listener, self.listener = self.listener, None
        if listener:
            # close() alone does not wake accept().
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    stop = sleep

    def say(self, sqlstate, text, times=1, late=False):
        """`late`: when the password has been sent."""
        (self.late_says if late else self.says).extend(
            [(sqlstate, text)] * times)

    def remember(self, role, refusals=0, logins=0):
        """A twin of the role keeps its present password."""
        twin = role + "_remembered"
        self.server.sql(psycopg_sql.SQL("create role {} login").format(
            psycopg_sql.Identifier(twin)))
        (verifier,), = self.server.sql(
            "select rolpassword from pg_authid where rolname = %s", [role])
        self.server.sql(psycopg_sql.SQL("alter role {} password {}").format(
            psycopg_sql.Identifier(twin), psycopg_sql.Literal(verifier)))
        self.remembered[role] = refusals or logins
        self.counts_logins = logins > 0

    # -- connections ----------------------------------------------------------

    def _serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,),
                             daemon=True).start()

    def _one(self, client):
        with contextlib.suppress(OSError, ssl.SSLError, EOFError):
            with client:
                self._talk(client)

    def _talk(self, client):
        code, body = startup(client)
        if code == GSS_REQUEST:
            client.sendall(b"N")
            code, body = startup(client)
        if code != SSL_REQUEST:
            client.sendall(error_response(
                "XX000", "connection is insecure (try using "
                "`sslmode=require`)"))
            return
        client.sendall(b"S")
        with self.context.wrap_socket(client, server_side=True) as tls:
            code, body = startup(tls)
            if code == CANCEL_REQUEST:
                return
            words = body.decode().split("\0")
            self._login(tls, code, dict(zip(words[::2], words[1::2])))

    def _login(self, client, code, parameters):
        role = parameters["user"]
        if self.says:
            sqlstate, text = self.says.pop(0)
            self.logins.append((role, sqlstate))
            client.sendall(error_response(sqlstate, text))
            return
        stale = self.remembered.get(role, 0) > 0
        if stale:
            parameters["user"] = role + "_remembered"
        words = "".join(f"{k}\0{v}\0" for k, v in parameters.items() if k)
        packet = struct.pack("!i", code) + words.encode() + b"\0"
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.upstream)
            server.sendall(struct.pack("!i", len(packet) + 4) + packet)
            if self._authenticate(client, server, role, stale):
                splice(client, server)

    def _authenticate(self, client, server, role, stale):
        """Pass messages until the server lets the client in; True then."""
        while True:
            kind, body = message(server)
            if kind == b"E":
                fields = error_fields(body)
                self._refused(client, role, stale, fields, kind, body)
                return False
            method = struct.unpack("!i", body[:4])[0] if kind == b"R" else -1
            if method == 0 and self.late_says:
                sqlstate, text = self.late_says.pop(0)
                self.logins.append((role, sqlstate))
                client.sendall(error_response(sqlstate, text))
                return False
            send(client, kind, body)
            if method == 0:
                if stale and self.counts_logins:
                    self.remembered[role] -= 1
                self.logins.append((role, "ok"))
                return True
            if method in (3, 5, 10, 11):  # it waits for an answer
                send(server, *message(client))

    def _refused(self, client, role, stale, fields, kind, body):
        if stale and not self.counts_logins:
            self.remembered[role] -= 1
        self.logins.append((role, fields["C"]))
        if fields["C"] == "28P01" and self.as_neon:
            client.sendall(error_response(
                "XX000", f"password authentication failed for user '{role}'"))
        else:
            send(client, kind, body)


def exactly(connection, n):
    data = b""
    while len(data) < n:
        more = connection.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def startup(connection):
    length, code = struct.unpack("!ii", exactly(connection, 8))
    return code, exactly(connection, length - 8)


def message(connection):
    kind, length = struct.unpack("!ci", exactly(connection, 5))
    return kind, exactly(connection, length - 4)


def send(connection, kind, body):
    connection.sendall(kind + struct.pack("!i", len(body) + 4) + body)


def splice(client, server):
    while True:
        ready = [client] if client.pending() else \
            select.select([client, server], [], [])[0]
        for one in ready:
            data = one.recv(65536)
            if not data:
                return
            (server if one is client else client).sendall(data)
