# SPDX-License-Identifier: PostgreSQL
"""PostgreSQL servers of our own: TLS, scram-sha-256 and log_statement = all, in
a temporary folder, on a free port, and gone when the tests end, however they
end.  Must never touch a server that it did not start."""

import contextlib
import getpass
import glob
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import time

import psycopg
from psycopg import sql as psycopg_sql

SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{sockets}'
ssl = on
ssl_cert_file = '{data}/server.pem'
ssl_key_file = '{data}/server.key'
password_encryption = 'scram-sha-256'
max_connections = 60
shared_buffers = 16MB
wal_level = replica
max_wal_senders = 5
wal_keep_size = 64MB
fsync = off
logging_collector = off
log_destination = stderr
log_statement = all
log_min_error_statement = error
log_connections = on
log_disconnections = on
log_line_prefix = '%m [%p] %u@%d %a %e '
lc_messages = 'C'
timezone = 'UTC'
"""

HBA = """local all postgres peer map=rig
local replication postgres peer map=rig
hostssl all all 127.0.0.1/32 scram-sha-256
"""


def binaries():
    """The folder of the newest PostgreSQL, or of the one PG_BIN names."""
    if os.environ.get("PG_BIN"):
        return os.environ["PG_BIN"]
    found = [f for f in glob.glob("/usr/lib/postgresql/*/bin")
             if os.path.exists(os.path.join(f, "postgres"))]
    if found:
        return max(found, key=lambda f: float(f.split("/")[-2]))
    done = subprocess.run(["pg_config", "--bindir"], capture_output=True,
                          text=True)
    assert done.returncode == 0, "no PostgreSQL server is installed"
    return done.stdout.strip()


def account():
    """Whom the servers run as: they refuse root."""
    return "postgres" if os.geteuid() == 0 else getpass.getuser()


def as_account(argv):
    """argv, run as that user, and told to end when we do (even by SIGKILL)."""
    prefix = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        who = pwd.getpwnam(account())
        prefix += ["--reuid", str(who.pw_uid), "--regid", str(who.pw_gid),
                   "--init-groups"]
    return prefix + ["--"] + argv


def own(path):
    if os.geteuid() == 0:
        who = pwd.getpwnam(account())
        os.chown(path, who.pw_uid, who.pw_gid)


def free_port():
    """Not one that the kernel gives to clients: a stopped server wants its own
    back.  Test processes that run side by side have ranges of their own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10
    for _ in range(100):
        port = 12000 + 2000 * worker + random.randrange(2000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def environment():
    keep = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "KEYTURN_DEV_RUN")
    env = {k: os.environ[k] for k in keep if k in os.environ}
    return {**env, "LC_ALL": "C", "TZ": "UTC"}


def run_as_account(argv):
    done = subprocess.run(as_account(argv), capture_output=True, text=True,
                          cwd="/", env=environment())
    assert done.returncode == 0, f"{argv[0]}: {done.stderr}"


def make_template(folder, programs=None):
    """initdb; every server starts from a copy of it."""
    os.makedirs(folder)
    own(folder)
    data = os.path.join(folder, "data")
    programs = programs or binaries()
    run_as_account([os.path.join(programs, "initdb"), "-D", data, "-N",
                    "-U", "postgres", "-A", "peer", "-E", "UTF8",
                    "--locale", "C.UTF-8"])
    return data


def copy_folder(source, target):
    done = subprocess.run(["cp", "-a", "--reflink=auto", source, target],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Server:
    """One server.  `data` is its data directory, `log` its log file.
    `programs` is the folder of its binaries, which may have been built
    without TLS."""

    def __init__(self, folder, authority, template=None, programs=None,
                 tls=True):
        self.folder = folder
        self.authority = authority
        self.programs = programs or binaries()
        self.tls = tls
        self.data = os.path.join(folder, "data")
        self.log = os.path.join(folder, "server.log")
        self.sockets = os.path.join(folder, "s")
        self.port = free_port()
        self.process = None
        self.environment = {}  # of the server, beside what all have
        self._connection = {}
        os.makedirs(self.sockets)
        own(folder)
        own(self.sockets)
        if template:
            copy_folder(template, self.data)
            self.write_settings()
            if tls:
                self.set_certificate(*authority.issue("server"))

    @property
    def client(self):
        """How a client should trust it: conninfo keywords."""
        if not self.tls:
            return {"sslmode": "disable"}
        return {"sslmode": "verify-full",
                "sslrootcert": self.authority.certificate}

    @property
    def base_hba(self):
        return HBA if self.tls else HBA.replace("hostssl", "host")

    # -- configuration ----------------------------------------------------

    def _write(self, name, content, mode="w"):
        path = os.path.join(self.data, name)
        with open(path, mode) as f:
            f.write(content)
        os.chmod(path, 0o600)
        own(path)

    def write_settings(self):
        self._write("postgresql.conf", SETTINGS.format(
            port=self.port, sockets=self.sockets, data=self.data)
            + ("" if self.tls else "ssl = off\n"))
        self._write("pg_hba.conf", self.base_hba)
        self._write("pg_ident.conf",
                    f"rig {getpass.getuser()} postgres\n"
                    f"rig {account()} postgres\n")

    def set_certificate(self, certificate, key):
        for source, name in ((certificate, "server.pem"), (key, "server.key")):
            with open(source) as f:
                self._write(name, f.read())

    def hba(self, first="", base=None):
        """Put lines in front of pg_hba.conf and make them count."""
        base = self.base_hba if base is None else base
        self._write("pg_hba.conf", first.rstrip("\n") + "\n" + base)
        self.reload()

    def reload(self):
        before = self.sql("select pg_conf_load_time()")[0][0]
        os.kill(self.process.pid, signal.SIGHUP)

        def seen():
            with self.connect() as c:
                return c.execute("select pg_conf_load_time()").fetchone()[0] \
                    != before
        wait_for(seen, "the server to read its configuration again")

    def grant(self, role, to):
        """With its rights: from 16 on who has made a role is its member without
        them, and stays so unless told."""
        newer = int(self.sql("show server_version_num")[0][0]) >= 160000
        self.sql(f"grant {role} to {to}" +
                 (" with inherit true" if newer else ""))

    def configure(self, **settings):
        for name, value in settings.items():
            self.sql(psycopg_sql.SQL("alter system set {} = {}").format(
                psycopg_sql.Identifier(name), psycopg_sql.Literal(value)))
        self.reload()

    def unconfigure(self):
        """Back to how it was made, pg_hba.conf too."""
        self.sql("alter system reset all")
        self.hba("")

    # -- life --------------------------------------------------------------

    def start(self, wait=True):
        assert self.process is None
        log = open(self.log, "ab")
        own(self.log)
        self.process = subprocess.Popen(
            as_account([os.path.join(self.programs, "postgres"), "-D",
                        self.data]),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            env={**environment(), **self.environment},
            start_new_session=True)
        log.close()
        if wait:
            wait_for(self.answers, f"the server to start, see {self.log}", 60)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log_since(0)[-2000:]
        try:
            self.connect().close()
            return True
        except psycopg.OperationalError:
            return False

    def children(self):
        return [int(p.split("/")[2]) for p in glob.glob("/proc/[0-9]*/stat")
                if parent_of(p) == self.process.pid]

    def stop(self, how="fast"):
        """how: fast, or immediate (as a crash)."""
        if self.process is None:
            return
        self.forget_connections()
        # Signals alone do not end a stopped backend.
        for child in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGCONT)
        how = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how]
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
        self.process = None

    def restart(self, how="fast"):
        self.stop(how)
        self.start()

    # -- copies ------------------------------------------------------------

    def keep_data(self, name):
        """Stop, copy the data directory, start: the copy's path."""
        target = os.path.join(self.folder, name)
        self.stop()
        copy_folder(self.data, target)
        self.start()
        return target

    def put_back_data(self, copy):
        """Stop, replace the data directory by a copy of it, start: what a
        restore from a backup does."""
        self.stop()
        shutil.rmtree(self.data)
        copy_folder(copy, self.data)
        self.start()

    def standby(self, folder):
        """A hot standby of this server, streaming and not started."""
        other = Server(folder, self.authority, programs=self.programs,
                       tls=self.tls)
        run_as_account([os.path.join(self.programs, "pg_basebackup"), "-h",
                        self.sockets, "-p", str(self.port), "-U", "postgres",
                        "-D", other.data, "-R", "-X", "stream", "-c", "fast"])
        other.write_settings()
        return other

    # -- talking to it as its superuser --------------------------------------

    def connect(self, dbname="postgres", **more):
        return psycopg.connect(host=self.sockets, port=self.port,
                               user="postgres", dbname=dbname,
                               autocommit=True, connect_timeout=10,
                               application_name="rig", **more)

    def sql(self, query, parameters=None, dbname="postgres"):
        """Run one statement as the superuser; the rows, if it has any."""
        c = self._connection.get(dbname)
        if c is None or c.closed:
            c = self._connection[dbname] = self.connect(dbname)
        cursor = c.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []

    def forget_connections(self):
        for c in self._connection.values():
            c.close()
        self._connection = {}

    def keyturn_backends(self, condition="true"):
        """Backends of keyturn's own sessions: their process ids."""
        return [row[0] for row in self.sql(
            "select pid from pg_stat_activity where application_name like "
            "'keyturn%' and backend_type = 'client backend' and "
            + condition + " order by backend_start")]

    # -- the log -------------------------------------------------------------

    def mark(self):
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def log_since(self, mark):
        with open(self.log, "rb") as f:
            f.seek(mark)
            return f.read().decode("utf-8", "replace")

    def logins(self, mark, role):
        """How often the role was let in, and how often its password was
        refused, as the server saw it."""
        text = self.log_since(mark)
        return (len(re.findall(
                    rf"connection authorized: user={re.escape(role)} ", text)),
                text.count('password authentication failed for user '
                           f'"{role}"'))


def parent_of(stat_file):
    try:
        with open(stat_file) as f:
            return int(f.read().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return -1


def wait_for(what, description, seconds=20, pause=0.01):
    """Until what() is true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, f"waited in vain for {description}"
        time.sleep(pause)
