# SPDX-License-Identifier: PostgreSQL
"""A gateway: a PgBouncer with auth_type = pam whose service asks pam_keyturn.so,
the keyturn-agent that answers it, and a forced user behind.  Must never ask a
PAM service of the machine's, nor need one."""

import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from dataclasses import dataclass

import psycopg

from rig.pam import Services
from rig.server import (account, as_account, environment, free_port, own,
                        wait_for)

CONFIGURATION = """[databases]
%include {folder}/databases.ini

[pgbouncer]
{settings}
"""

# What docs/gateway.md says, on a loopback address.
SETTINGS = {
    "listen_addr": "127.0.0.1",
    "listen_port": "{port}",
    "unix_socket_dir": "{folder}",
    "auth_type": "pam",
    "client_tls_sslmode": "require",
    "client_tls_cert_file": "{folder}/gateway.pem",
    "client_tls_key_file": "{folder}/gateway.key",
    "server_tls_sslmode": "verify-full",
    "server_tls_ca_file": "{folder}/root.pem",
    "server_login_retry": "1",
    "pool_mode": "session",
    "ignore_startup_parameters": "extra_float_digits",
    "max_client_conn": "200",
}

SLOWEST = 10  # seconds for one login: PgBouncer 1.18 takes a third of one


@dataclass(frozen=True)
class Forced:
    """Who logs in to the server behind; no partner knows this one."""
    name: str
    password: str


def pgbouncer():
    found = [p for p in ("/usr/sbin/pgbouncer", "/usr/bin/pgbouncer")
             if os.path.exists(p)]
    assert found, "install pgbouncer (./dev test does)"
    return found[0]


def make_forced(site, name="app_gateway"):
    """A role of the server behind, for the gateways of a site."""
    if "forced" not in site.__dict__:
        site.forced = Forced(name, secrets.token_hex(16))
        site.create_role(name, site.forced.password, admin="postgres")
    return site.forced


def verifiers(grace="1h", more=""):
    """Settings of a role at an agent for gateways: PgBouncer's user (and who
    runs the tests) may have passwords checked, and is given none."""
    uid = pwd.getpwnam(account()).pw_uid
    return (f"verifiers = uid:{uid} uid:{os.getuid()}\ngrace = {grace}\n"
            + more)


class Way:
    """A way to a port on which the other end sees another loopback address as
    the client's."""

    def __init__(self, port, address):
        self.target = port
        self.address = address
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                there = socket.create_connection(
                    ("127.0.0.1", self.target),
                    source_address=(self.address, 0))
                for pair in ((here, there), (there, here)):
                    threading.Thread(target=self._copy, args=pair,
                                     daemon=True).start()

    @staticmethod
    def _copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Gateway:
    """`site` is an Installation whose server is behind, `agent` a rig.agent
    that was made with verifiers() for each login.  Its files are in a folder
    of its own below `folder`: it holds the forced user's password, which
    site.leaks() may not find anywhere else; PgBouncer's log, where the module
    also says what it would say to syslog, is searched with the site's.

    `service` are options of pam_keyturn.so, `settings` change or (None) remove
    lines of pgbouncer.ini.  `dbname` is the name partners ask for."""

    def __init__(self, site, agent, folder, service="timeout=1000",
                 dbname="app", forced=None, settings=None,
                 certificate=None):
        self.site = site
        self.agent = agent
        self.authority = site.server.authority
        self.dbname = dbname
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="gw-", dir=folder)
        os.chmod(self.folder, 0o755)
        self.ini = os.path.join(self.folder, "pgbouncer.ini")
        self.databases = os.path.join(self.folder, "databases.ini")
        self.log = None
        self.process = None
        self.ways = []
        self.settings = dict(SETTINGS)
        self.services = Services(os.path.join(self.folder, "pam"),
                                 site.binary)
        self.service(service)
        self.certificate(*certificate or self.authority.issue(
            os.path.basename(self.folder)))
        self.file("root.pem", self.read(self.authority.certificate))
        self.forced = forced or make_forced(site)
        self.behind()
        self.configure(**(settings or {}))
        own(self.folder)

    # -- its files -----------------------------------------------------------

    @staticmethod
    def read(path):
        with open(path) as f:
            return f.read()

    def file(self, name, content):
        """Write a file of PgBouncer's, which its user alone can read."""
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w") as f:
            f.write(content)
        os.chmod(path + ".new", 0o600)
        own(path + ".new")
        os.rename(path + ".new", path)
        return path

    def configure(self, **changed):
        """Write pgbouncer.ini; what is not given stays as it was, and None
        takes a line away.  reload() or a start makes it count."""
        self.settings.update(changed)
        lines = [f"{name} = {value}" for name, value in self.settings.items()
                 if value is not None]
        settings = "\n".join(lines).format(folder=self.folder, port=self.port)
        self.file("pgbouncer.ini", CONFIGURATION.format(
            folder=self.folder, settings=settings))

    def behind(self, forced=None, server=None, more=""):
        """Write [databases] of the file that pgbouncer.ini includes: one line
        for `dbname`, with the forced user and its password, and those in
        `more`."""
        self.forced = forced or self.forced
        server = server or self.site.server
        self.file("databases.ini",
                  f"{self.dbname} = host=127.0.0.1 port={server.port} "
                  f"dbname={self.site.database} user={self.forced.name} "
                  f"password='{self.forced.password}'\n{more}")

    def service(self, options="", stack=None):
        """The PAM service "pgbouncer": pam_keyturn.so with these options, or
        the lines `stack` with %M for the module.  PAM reads it at each
        login."""
        if stack is not None:
            self.services.write("pgbouncer", stack)
        else:
            self.services.keyturn("pgbouncer",
                                  f"socket={self.agent.path()} {options}")

    def certificate(self, certificate, key):
        """What it shows to clients; for the next start or reload."""
        self.file("gateway.pem", self.read(certificate))
        self.file("gateway.key", self.read(key))

    # -- where it is ---------------------------------------------------------

    @property
    def endpoint(self):
        """The value of `endpoint` in a [cluster] of type gateway."""
        return (f"host=127.0.0.1 port={self.port} dbname={self.dbname} "
                "sslmode=verify-full "
                f"sslrootcert={self.authority.certificate}")

    @property
    def admin_socket(self):
        """The admin socket of its agent."""
        return self.agent.path("admin")

    def seen_from(self, address):
        """A port by which PgBouncer takes a partner for one at that address,
        such as 127.0.0.7."""
        self.ways.append(Way(self.port, address))
        return self.ways[-1].port

    # -- PgBouncer's life ------------------------------------------------------

    def start(self, ready=True):
        assert self.process is None
        self.log = self.site.next_file("pgbouncer") + ".log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                as_account([pgbouncer(), self.ini]), cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**environment(), **self.services.environment})
        if ready:
            wait_for(self.listens, "PgBouncer to listen")
        return self

    def listens(self):
        assert self.process.poll() is None, self.said()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def said(self, mark=0):
        """Its log, with what the module told libpam."""
        with open(self.log, errors="replace") as f:
            f.seek(mark)
            return f.read()

    def mark(self):
        return os.path.getsize(self.log)

    def stop(self):
        """As systemd does it: at once, with who is connected; from 1.23 on
        SIGTERM waits for those."""
        if self.process:
            self.go_on()
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def reload(self):
        """As `systemctl reload`: SIGHUP, and wait until it was read."""
        mark = self.mark()
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "got SIGHUP" in self.said(mark), "the reload")

    def console(self, statement, user="pgbouncer"):
        """A statement at the console, as PgBouncer's own user on its socket:
        a list of dicts."""
        done = subprocess.run(
            as_account(["psql", "-XAt", "-P", "footer=off", "-F", "\x1f",
                        "-P", "tuples_only=off", "-h", self.folder, "-p",
                        str(self.port), "-U", user, "-c", statement,
                        "pgbouncer"]),
            capture_output=True, text=True, timeout=30, cwd="/",
            env=environment())
        assert done.returncode == 0, done.stderr
        rows = [line.split("\x1f") for line in done.stdout.splitlines()]
        return [dict(zip(rows[0], row)) for row in rows[1:]]

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.stop()
        for way in self.ways:
            way.close()
        shutil.rmtree(self.folder)

    # -- the agent's life: hang, go on; the rest is agent.start() and so on ------

    def hang_agent(self):
        self.agent.signal(signal.SIGSTOP)

    def agent_goes_on(self):
        self.agent.signal(signal.SIGCONT)

    # -- partners ------------------------------------------------------------

    def login(self, password, user="sap", dbname=None, **more):
        """A psycopg connection of a partner who verifies the gateway."""
        return psycopg.connect(**{
            "host": "127.0.0.1", "port": self.port, "user": user,
            "dbname": dbname or self.dbname, "password": password,
            "passfile": "/dev/null", "gssencmode": "disable",
            "sslmode": "verify-full", "autocommit": True,
            "sslrootcert": self.authority.certificate,
            "prepare_threshold": None, "connect_timeout": SLOWEST, **more})

    def lets_in(self, password, user="sap", **more):
        """Does the password log in, and to the server, as the forced user?"""
        try:
            with self.login(password, user, **more) as c:
                found = c.execute("select current_user").fetchone()[0]
        except psycopg.OperationalError as e:
            assert "PAM authentication failed" in str(e), e
            return False
        assert found == self.forced.name
        return True


def used(agent, role="sap"):
    """What `keyturn --config agent.conf report` says of a role: the rows of
    --json.  The agent counts what is repeated, and records the count once a
    minute, so stop it before."""
    done = agent.site.run("--config", agent.configuration, "report", role,
                          "--json", configured=False, expect=0)
    return json.loads(done.out)


__all__ = ["Forced", "Gateway", "SLOWEST", "make_forced", "pgbouncer", "used",
           "verifiers"]
