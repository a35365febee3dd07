# SPDX-License-Identifier: PostgreSQL
"""One installation of keyturn in a temporary folder, and what a test wants to
do to it and know of it.  Every secret that was ever seen is remembered, and
everything that was ever printed, logged or left behind is searched for it."""

import contextlib
import fcntl
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

import psycopg
from psycopg import sql as psycopg_sql

from rig import fault as faults
from rig import leaks
from rig.server import wait_for

CONFIGURATION = """[keyturn]
ledger = {state}/ledger.db
audit_key = {keys}/audit.key
timezone = UTC
{keyturn}
[store local]
path = {state}/store.db
key = {keys}/store.key
{store}
[cluster main]
conninfo = {conninfo}
admin_passfile = {passfile}
{cluster}
{more}
"""

ROLE = """
[role {name}]
cluster = main
every = 30d
sink = pgpass {sinks}/{name}.pgpass
{settings}
"""

ADMIN = "keyturn_admin"
ADMIN_PASSWORD = "Admin-of-the-test-4711.aBcDeFgH"
FIRST_PASSWORD = "First.password-of-the-role-0815"


@dataclass
class Result:
    """How one run ended."""
    argv: list
    exit: int  # negative: killed by that signal
    out: str
    err: str
    seconds: float
    effects: list = field(default_factory=list)

    @property
    def text(self):
        return f"{' '.join(self.argv)}: exit {self.exit}\n{self.out}{self.err}"

    @property
    def lines(self):
        """The JSON objects of --json."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Version:
    label: str
    id: str
    password: str


class Running:
    """A run that has not ended.  Its /proc files are sampled while it lives."""

    def __init__(self, site, argv, fault=None, stdin=None, fds=(),
                 environment=None):
        self.site = site
        self.argv = argv
        self.base = site.next_file("run")
        self.trace = self.base + ".trace"
        env = {**site.environment, **(environment or {})}
        if fault:
            env.update(faults.environment(site.shim, fault, site.folder,
                                          self.trace))
        self.begun = time.monotonic()
        with open(self.base + ".out", "wb") as out, \
                open(self.base + ".err", "wb") as err:
            self.process = subprocess.Popen(
                [site.binary, *argv], stdout=out, stderr=err, cwd=site.folder,
                stdin=stdin or subprocess.DEVNULL, pass_fds=fds, env=env)
        self.pid = self.process.pid
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def _sample(self):
        seen = set()
        while self.process.returncode is None:
            for file in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    with open(f"/proc/{self.pid}/{file}", "rb") as f:
                        seen.add(f.read())
            time.sleep(0.003)
        with open(self.base + ".proc", "wb") as f:
            f.write(b"\n".join(seen))

    def effects(self):
        return faults.read_trace(self.trace)

    def wait_stopped(self):
        return faults.wait_until_stopped(self.process)

    def go_on(self):
        faults.go_on(self.process)

    def kill(self):
        self.process.kill()
        return self.finish()

    def finish(self, timeout=60):
        """Wait for the end: the Result."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"no end after {timeout} s: {self.argv}, "
                                 + self._text(".err")) from None
        self._sampler.join()
        self.site.running.discard(self)
        self.site.learn(self.argv)
        # They print a secret on purpose: their output is not evidence.
        if {"get", "token", "--wrap"}.intersection(self.argv):
            out = self._text(".out")
            os.unlink(self.base + ".out")
        else:
            out = self._text(".out")
        return Result(self.argv, self.process.returncode, out,
                      self._text(".err"), time.monotonic() - self.begun,
                      self.effects())

    def _text(self, end):
        with open(self.base + end, "rb") as f:
            return f.read().decode("utf-8", "replace")


class Installation:
    """Configuration, keys, store, ledger and sinks of one keyturn, for roles
    of one server."""

    def __init__(self, tools, server, folder, database):
        self.binary = tools.binary
        self.shim = tools.shim
        self.dump = tools.dump
        self.dumped = None
        self.server = server
        self.folder = folder
        self.database = database
        self.keys = os.path.join(folder, "keys")
        self.state = os.path.join(folder, "state")
        self.sinks = os.path.join(folder, "sinks")
        self.evidence = folder + ".evidence"
        self.configuration = os.path.join(self.keys, "keyturn.conf")
        self.passfile = os.path.join(folder, "admin.pgpass")
        self.secrets = {}
        self.running = set()
        self.logins = Counter()  # the rig's own: (role, right) -> how often
        self.marks = {server: server.mark()}
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": folder,
                            "LC_ALL": "C.UTF-8"}
        self._files = 0
        for path in (folder, self.sinks, self.evidence):
            os.makedirs(path, mode=0o700)

    # -- making it -----------------------------------------------------------

    def create(self, roles=("sap",), **settings):
        """`keyturn init`, the administrator and the roles."""
        self.remember(ADMIN_PASSWORD, "the administrator's password")
        done = self.run("init", self.keys, "--state", self.state,
                        configured=False)
        assert done.exit == 0, done.text
        self.write_passfile("*")
        self.create_admin()
        for role in roles:
            self.create_role(role)
        self.configure(roles, **settings)
        return self

    def write_passfile(self, port):
        with open(self.passfile, "w") as f:
            f.write(f"*:{port}:*:{ADMIN}:{ADMIN_PASSWORD}\n")
        os.chmod(self.passfile, 0o600)

    def conninfo(self, **parameters):
        words = {"host": "127.0.0.1", "port": self.server.port,
                 "dbname": self.database, "user": ADMIN,
                 **self.server.client, **parameters}
        return " ".join(f"{k}={v}" for k, v in words.items() if v is not None)

    def configure(self, roles=("sap",), keyturn="", store="", cluster="",
                  more="", conninfo=None, role_settings=""):
        """Write keyturn.conf; each argument is lines of its section."""
        text = CONFIGURATION.format(
            state=self.state, keys=self.keys, passfile=self.passfile,
            conninfo=conninfo or self.conninfo(), keyturn=keyturn,
            store=store, cluster=cluster, more=more)
        for role in roles:
            text += ROLE.format(name=role, sinks=self.sinks,
                                settings=role_settings)
        with open(self.configuration, "w") as f:
            f.write(text)

    def _verifier(self, role, password):
        """Made here, so that the server's log never has the test's own
        passwords."""
        with self.server.connect() as c:
            return c.pgconn.encrypt_password(
                password.encode(), role.encode(), b"scram-sha-256").decode()

    def create_admin(self, name=ADMIN, password=ADMIN_PASSWORD,
                     rights="createrole"):
        self.server.sql(psycopg_sql.SQL(
            "create role {} login {} password {}").format(
                psycopg_sql.Identifier(name), psycopg_sql.SQL(rights),
                psycopg_sql.Literal(self._verifier(name, password))))
        # Half of the time that it takes through the log.
        self.server.sql(psycopg_sql.SQL(
            "create database {} owner {} strategy file_copy").format(
                psycopg_sql.Identifier(self.database),
                psycopg_sql.Identifier(name)))

    def create_role(self, role, password=FIRST_PASSWORD, options="login",
                    admin=ADMIN):
        """As the administrator, who so may change it in PostgreSQL 16 too."""
        self.remember(password, f"the first password of {role}")
        with self.server.connect() as c:
            c.execute(psycopg_sql.SQL("set session authorization {}").format(
                psycopg_sql.Identifier(admin)))
            c.execute(psycopg_sql.SQL("create role {} {} password {}").format(
                psycopg_sql.Identifier(role), psycopg_sql.SQL(options),
                psycopg_sql.Literal(self._verifier(role, password))))

    def set_password(self, role, password):
        """By hand, as an administrator would who does not know of keyturn."""
        self.remember(password, f"a password of {role} set by hand")
        self.server.sql(psycopg_sql.SQL("alter role {} password {}").format(
            psycopg_sql.Identifier(role),
            psycopg_sql.Literal(self._verifier(role, password))))

    def second_host(self, folder):
        """Another installation with the same store, roles and sinks, and a
        ledger of its own."""
        other = Installation.__new__(Installation)
        other.__dict__ = dict(self.__dict__)
        other.folder = folder
        other.keys = os.path.join(folder, "keys")
        other.evidence = folder + ".evidence"
        other.configuration = os.path.join(other.keys, "keyturn.conf")
        for path in (folder, other.evidence):
            os.makedirs(path, mode=0o700)
        state = os.path.join(folder, "state")
        done = other.run("init", other.keys, "--state", state,
                         configured=False)
        assert done.exit == 0, done.text
        shutil.copy2(os.path.join(self.keys, "store.key"), other.keys)
        with open(self.configuration) as f:
            text = f.read()
        text = text.replace(f"{self.state}/ledger.db", f"{state}/ledger.db")
        text = text.replace(f"{self.keys}/", f"{other.keys}/")
        with open(other.configuration, "w") as f:
            f.write(text)
        return other

    # -- running keyturn -----------------------------------------------------

    def next_file(self, name):
        self._files += 1
        return os.path.join(self.evidence, f"{name}-{self._files}")

    def start(self, *argv, configured=True, **options):
        """Start keyturn: a Running."""
        if configured:
            argv = ("--config", self.configuration, *argv)
        running = Running(self, list(argv), **options)
        self.running.add(running)
        return running

    def run(self, *argv, expect=None, timeout=60, **options):
        """Run keyturn to its end: a Result.  `expect` is an exit code."""
        done = self.start(*argv, **options).finish(timeout)
        if expect is not None:
            assert done.exit == expect, done.text
        return done

    def step(self, *argv):
        """Run keyturn and yield (run, effect) before each of its effects, with
        the process stopped; end the generator to let it be."""
        running = self.start(*argv, fault="step")
        try:
            while running.wait_stopped():
                yield running, running.effects()[-1]
                running.go_on()
        finally:
            if running in self.running and \
                    running.process.returncode is not None:
                running.finish()

    def stop_before(self, wanted, *argv):
        """Run keyturn up to the first effect for which wanted(effect) holds,
        and leave it stopped before it: a Running."""
        for running, effect in self.step(*argv):
            if wanted(effect):
                return running
        raise AssertionError("keyturn ended before it came to that effect")

    # -- what is where -------------------------------------------------------

    def remember(self, password, what):
        if password:
            self.secrets.setdefault(password.encode(), what)

    def store_files(self):
        return [f for f in glob.glob(os.path.join(self.state, "store.db*"))
                if not f.endswith("-shm")]

    def store_stamps(self):
        """They change with the store."""
        stamps = []
        for file in sorted(self.store_files()):
            with contextlib.suppress(FileNotFoundError):
                s = os.stat(file)
                stamps.append((file, s.st_ino, s.st_size, s.st_mtime_ns))
        return stamps

    def dump_store(self, role):
        """What store_dump prints of a copy of the store: looking must not
        repair what a killed run has left.  None when the files changed under
        the copying."""
        copy = self.next_file("store")
        os.mkdir(copy)
        try:
            for file in self.store_files():
                shutil.copy2(file, copy)
            done = subprocess.run(
                [self.dump, os.path.join(copy, "store.db"),
                 os.path.join(self.keys, "store.key"), role],
                capture_output=True, text=True)
        except FileNotFoundError:
            return None
        finally:
            shutil.rmtree(copy)
        return done if done.returncode == 0 or not self.running else None

    def versions(self, role="sap"):
        """What the store has of a role, newest first."""
        looked = time.time_ns()
        now = (role, self.store_stamps())
        if self.dumped and self.dumped[0] == now:
            return list(self.dumped[1])
        done = wait_for(lambda: self.dump_store(role),
                        "a moment in which the store can be copied")
        assert done.returncode == 0, done.stderr
        found = []
        for line in done.stdout.splitlines():
            label, version, password = line.split()
            found.append(Version(label, version,
                                 bytes.fromhex(password).decode()))
            self.remember(found[-1].password, f"version {version} of {role}")
        # Of two changes within a tick of the clock the second would not show.
        newest = max((stamp[-1] for stamp in now[1]), default=0)
        self.dumped = (now, found) if looked - newest > 50_000_000 else None
        return list(found)

    def labelled(self, label, role="sap"):
        """The version with a label, or None."""
        for version in self.versions(role):
            if version.label == label:
                return version
        return None

    def current(self, role="sap"):
        return self.labelled("current", role)

    def roles(self):
        """The roles of the configuration."""
        with open(self.configuration) as f:
            return re.findall(r"^\[role (.*)\]$", f.read(), re.M)

    def learn(self, names=()):
        """Remember every password that the store has now, of the roles among
        the names or of all."""
        if os.path.exists(self.configuration) and self.store_files():
            roles = self.roles()
            for role in set(roles).intersection(names) or roles:
                with contextlib.suppress(AssertionError):
                    self.versions(role)

    def marker(self, role="sap"):
        """The marker row: a dict, or None."""
        with self.server.connect(self.database) as c:
            c.row_factory = psycopg.rows.dict_row
            if c.execute("select to_regclass('keyturn.marker') as t") \
                    .fetchone()["t"] is None:
                return None
            row = c.execute(
                "select m.* from keyturn.marker m join pg_roles r "
                "on r.oid = m.role_oid where r.rolname = %s",
                [role]).fetchone()
        return row and {k: str(v) if isinstance(v, uuid.UUID) else v
                        for k, v in row.items()}

    def sink(self, role="sap"):
        """The password in the role's pgpass sink as libpq would find it, or
        None."""
        path = os.path.join(self.sinks, role + ".pgpass")
        if not os.path.exists(path):
            return None
        with open(path) as f:
            for line in f:
                if not line.startswith("#"):
                    return line.rstrip("\n").rsplit(":", 1)[1]
        return None

    def status(self, role="sap"):
        done = self.run("status", role, "--json", expect=0)
        return json.loads(done.out)[0]

    def audit(self):
        """Every event of the trail, in order."""
        done = self.run("audit", "export", expect=0)
        return [json.loads(line) for line in done.out.splitlines()]

    def kinds(self, role="sap"):
        return [e.get("kind") for e in self.audit() if e.get("role") == role]

    def get(self, role="sap", label="current"):
        return self.run("get", role, "--label", label, expect=0).out

    # -- logins, without any code of keyturn -----------------------------------

    def login(self, password, role="sap", server=None):
        """Does the password log in?  With TLS verified, and only by being
        asked for it."""
        server = server or self.server
        try:
            psycopg.connect(
                host="127.0.0.1", port=server.port, user=role,
                dbname=self.database, password=password,
                passfile="/dev/null", gssencmode="disable",
                require_auth="scram-sha-256", connect_timeout=10,
                application_name="independent", **server.client).close()
            right = True
        except psycopg.OperationalError as e:
            assert "password authentication failed" in str(e), e
            right = False
        self.logins[role, right] += 1
        return right

    def must_log_in(self, password, role="sap", server=None):
        server = server or self.server
        mark = server.mark()
        assert self.login(password, role, server), \
            f"{role} cannot log in with {self.name_of(password)}"
        assert f'connection authenticated: identity="{role}" ' \
            "method=scram-sha-256" in server.log_since(mark)

    def must_not_log_in(self, password, role="sap", server=None):
        server = server or self.server
        mark = server.mark()
        assert not self.login(password, role, server), \
            f"{role} can log in with {self.name_of(password)}"
        assert f'password authentication failed for user "{role}"' \
            in server.log_since(mark)

    def name_of(self, password):
        return self.secrets.get(password.encode(), "an unknown password")

    def live(self, role="sap", also=()):
        """The version that logs in, of those the store has (INV1: there is
        one), or of the passwords in `also`."""
        for version in self.versions(role):
            if self.login(version.password, role):
                return version
        for password in also:
            if self.login(password, role):
                return Version("", "", password)
        raise AssertionError(
            f"no password in the store logs in as {role}: "
            + ", ".join(f"{v.label} {v.id}" for v in self.versions(role)))

    def settled(self, role="sap", server=None):
        """F0 or F1 (rotation-safety.md section 3.2): CURRENT, and nothing else
        of the store, logs in, the sink has it, nothing is open or pending, the
        audit trail verifies, and no claim is in the way of a new one.  The
        CURRENT version."""
        versions = self.versions(role)
        current = [v for v in versions if v.label == "current"]
        assert len(current) == 1, versions
        self.must_log_in(current[0].password, role, server)
        # The same password may have been imported twice.
        others = [v for v in versions if v.password != current[0].password]
        for version in others[:3]:
            self.must_not_log_in(version.password, role, server)
        assert [v for v in versions if v.label == "pending"] == []
        assert self.sink(role) == current[0].password, \
            "the sink is not in step"
        status = self.status(role)
        assert status["state"] == "ok" and not status["open_run"], status
        assert status["version"] == current[0].id
        self.run("audit", "verify", expect=0)
        return current[0]

    # -- the search -----------------------------------------------------------

    def close(self):
        for running in list(self.running):
            with contextlib.suppress(ProcessLookupError):
                running.go_on()
            running.process.kill()
            running.finish()

    def places(self):
        """Every file in which no secret may be: logs, ledger, the encrypted
        store, whatever else is below the state folder, what keyturn printed,
        its /proc files, the locks and left-overs beside the sinks."""
        allowed = {self.passfile}
        for role in self.roles():
            allowed.add(os.path.join(self.sinks, role + ".pgpass"))
            allowed.add(os.path.join(self.sinks, role + ".env"))
        found = [f for top in (self.folder, self.evidence)
                 for f in glob.glob(os.path.join(top, "**"), recursive=True,
                                    include_hidden=True)
                 if os.path.isfile(f) and f not in allowed]
        for server, mark in self.marks.items():
            segment = self.next_file("log")
            with open(segment, "w") as f:
                f.write(server.log_since(mark))
            found.append(segment)
        return found

    def leaks(self):
        """[(file, what)] of every secret where none may be."""
        self.learn()
        if os.path.exists(os.path.join(self.state, "ledger.db")):
            self.run("audit", "export")
            self.run("history", "--json")
            self.run("status", "--json")
        return leaks.search(self.places(), self.secrets)


def lock_sink(path):
    """Hold the lock that keyturn's sink writers take: an open file."""
    folder, name = os.path.split(path)
    lock = open(os.path.join(folder, f".{name}.keyturn-lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


__all__ = ["ADMIN", "ADMIN_PASSWORD", "FIRST_PASSWORD", "Installation",
           "Result", "Running", "Version", "lock_sink", "signal", "wait_for"]
