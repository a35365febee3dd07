# SPDX-License-Identifier: PostgreSQL
"""A real PostgreSQL that takes tokens as the passwords of OAuth roles, inside
TLS, and enforces their end at login; clients that log in through files which
keyturn keeps fresh, while token after token ends."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time

import psycopg
import psycopg_pool
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

import workspace as doubles  # noqa: E402
from rig.agent import Agent  # noqa: E402
from rig.daemon import Daemon  # noqa: E402
from rig.pam import Services, own, own_folder  # noqa: E402
from rig.server import (Server, account, as_account, binaries,  # noqa: E402
                        environment, free_port, wait_for)
from rig.token_site import Place, TokenSite  # noqa: E402

LIFE = 10  # seconds of a token
REST = 5  # seconds that the one in a file has left at least: Java's first
#           log-in takes a while
TIME = 21  # seconds of a run: some tokens end within
JARS = [f"/usr/share/java/{jar}.jar" for jar in
        ("postgresql", "HikariCP", "slf4j-api", "slf4j-nop")]
CLIENTS = os.path.join(HERE, "token_clients")

HBA = "hostssl all +lakebase_oauth 127.0.0.1/32 pam pamservice=lakebase\n"

POOLER = """
[databases]
shop = host=127.0.0.1 port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {userlist}
pidfile = {folder}/pgbouncer.pid
pool_mode = transaction
server_tls_sslmode = verify-full
server_tls_ca_file = {ca}
server_lifetime = 1
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
"""

LOCAL = '"app" "local"\n'


class Lake:
    """The server, what it saw, and the site whose files are kept fresh."""

    def __init__(self, server, home, log):
        self.server, self.home, self.log_file = server, home, log
        self.site = self.double = self.user = None
        self.files = os.path.join(home, "files")

    def verdicts(self):
        """[(time, word, token's id)] of every login."""
        if not os.path.exists(self.log_file):
            return []
        with open(self.log_file) as f:
            return [(float(t), w, j) for t, w, j in
                    (line.rstrip("\n").split(" ", 2) for line in f)]

    def conninfo(self, **more):
        words = {"host": "127.0.0.1", "port": self.server.port,
                 "dbname": "shop", "user": self.user,
                 "passfile": os.path.join(self.files, "app.pgpass"),
                 **self.server.client, **more}
        return " ".join(f"{k}={v}" for k, v in words.items()
                        if v is not None)

    def sink(self, section):
        self.site.set_tokens(host="127.0.0.1", port=self.server.port,
                             dbname="shop", min_life=f"{REST}s",
                             more=section + f"min_life = {REST}s\n")

    def refresh(self, *argv):
        return self.site.run("refresh", *argv, expect=0)

    @contextlib.contextmanager
    def kept_fresh(self):
        """What cron does on a host without keyturnd, at the scale of these
        tokens."""
        stop = threading.Event()
        failed = []

        def loop():
            while not stop.is_set():
                done = self.site.run("refresh")
                if done.exit != 0:
                    failed.append(done.text)
                stop.wait(1)
        thread = threading.Thread(target=loop)
        self.refresh()
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        assert not failed, failed[0]

    def nobody_was_refused(self, since, tokens):
        seen = [v for v in self.verdicts() if v[0] >= since]
        assert {w for _, w, _ in seen} == {"ok"}, seen
        assert len({j for _, _, j in seen}) >= tokens, seen


@pytest.fixture(scope="module")
def _lake(folder, authority, template, tools):
    home = own_folder(os.path.join(folder, "lake"))
    own_folder(os.path.join(home, "files"))
    own(os.path.join(home, "files"))
    services = Services(os.path.join(home, "services"), tools.binary)
    log = os.path.join(own_folder(os.path.join(home, "log")), "verdicts")
    own(os.path.dirname(log))
    key = os.path.join(home, "token.key")
    with open(key, "wb"):
        pass
    program = os.path.join(home, "verify")
    with open(os.path.join(CLIENTS, "verify")) as f, \
            open(program, "w") as copy:
        copy.write(f.read())
    os.chmod(program, 0o755)
    services.write("lakebase",
                   f"auth required pam_exec.so quiet expose_authtok "
                   f"{program} {key} {log}\n"
                   "account required pam_permit.so\n")
    server = Server(own_folder(os.path.join(home, "pg")) + "/s", authority,
                    template)
    server.environment = services.environment
    server.start()
    server.sql("create database shop")
    server.sql("create role lakebase_oauth nologin")
    server.hba(HBA)
    lake = Lake(server, home, log)
    lake.key = key
    yield lake
    server.stop("immediate")


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("workspace")


@pytest.fixture
def lake(_lake, folder, tools, authority, certificate, monkeypatch):
    monkeypatch.delenv("KEYTURN_TEST_DATABRICKS_HOST", raising=False)
    place = Place(lambda: doubles.Workspace(*certificate),
                  authority.certificate)
    path = tempfile.mkdtemp(prefix="kt-", dir=folder)
    site = TokenSite(tools, _lake.server, os.path.join(path, "site"), "shop",
                     place)
    _lake.site, _lake.double = site.create(), place.double
    _lake.user = place.client
    place.double.life = LIFE
    with open(_lake.key, "wb") as f:
        f.write(place.double.token_key)
    os.chmod(_lake.key, 0o644)
    _lake.server.sql(f'create role "{place.client}" login '
                     "in role lakebase_oauth")
    mark = _lake.server.mark()
    # psql and the pools run as we do, in a folder of the server's user.
    _lake.sink(f"[sink app]\ntoken = lake\nfile = pgpass {_lake.files}"
               f"/app.pgpass owner={os.geteuid()} group={os.getegid()}\n")
    yield _lake
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(_lake.files, "app.pgpass"))
    log = _lake.server.log_since(mark)
    for token, _, _ in place.double.minted:
        assert token not in log
    place.stop()
    site.close()


def login(lake, password):
    return psycopg.connect(lake.conninfo(passfile="/dev/null"),
                           password=password, gssencmode="disable",
                           connect_timeout=10)


def test_a_token_logs_in_until_it_ends(lake):
    token = lake.site.token().out
    session = login(lake, token)
    assert session.execute("select current_user").fetchone() == (lake.user,)
    with pytest.raises(psycopg.OperationalError):
        login(lake, token[:-4] + "AAAA")
    time.sleep(max(0, lake.double.minted[-1][1]["exp"] - time.time()) + 0.1)
    mark = lake.server.mark()
    with pytest.raises(psycopg.OperationalError):
        login(lake, token)
    assert f'PAM authentication failed for user "{lake.user}"' in \
        lake.server.log_since(mark)
    # The end counts at the login only.
    assert session.execute("select 1").fetchone() == (1,)
    session.close()


def test_a_token_is_sent_inside_tls_only(lake):
    token = lake.site.token().out
    with pytest.raises(psycopg.OperationalError) as e:
        psycopg.connect(lake.conninfo(passfile="/dev/null",
                                      sslmode="disable"), password=token)
    assert "no pg_hba.conf entry" in str(e.value)


def psql(lake, *argv, **env):
    return subprocess.run(
        [os.path.join(binaries(), "psql"), "-XAtw", *argv],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", **env},
        capture_output=True, text=True, timeout=60)


def test_psql_never_fails_while_tokens_end(lake):
    begun = time.time()
    with lake.kept_fresh():
        while time.time() < begun + TIME:
            done = psql(lake, "-c", "select current_user", lake.conninfo())
            assert (done.returncode, done.stdout) == (0, lake.user + "\n"), \
                done.stderr
    lake.nobody_was_refused(begun, TIME // LIFE)


def test_keyturnd_keeps_files_fresh_at_half_of_a_short_life(lake):
    lake.double.life = 10
    path = os.path.join(lake.files, "app.pgpass")
    daemon = Daemon(lake.site).ready()
    try:
        wait_for(lambda: os.path.exists(path), "the file")
        begun = time.time()
        while time.time() < begun + 16:
            done = psql(lake, "-c", "select current_user", lake.conninfo())
            assert (done.returncode, done.stdout) == (0, lake.user + "\n"), \
                done.stderr + daemon.log()
            time.sleep(0.1)
    finally:
        daemon.stop()
    lake.nobody_was_refused(begun, 3)
    # And no more often than that.
    assert len(lake.double.minted) <= 5


def test_the_agent_s_helper_runs_psql_with_a_token(lake):
    """No file, nothing in argv or the environment, and always enough life."""
    lake.double.life = 8  # the agent looks once a second
    sockets = tempfile.mkdtemp(dir=lake.home)
    agent = Agent(lake.site, sockets, roles={}, more=lake.site.section(
        f"readers = uid:{os.getuid()}", host="127.0.0.1", dbname="shop",
        port=lake.server.port, min_life="2s")).start()
    helper = os.path.join(os.path.dirname(lake.site.binary),
                          "keyturn-credential")
    begun = time.time()
    try:
        while time.time() < begun + 14:
            done = subprocess.run(
                [helper, "exec", "--role", "token:lake", "--",
                 os.path.join(binaries(), "psql"), "-XAtw", "-c",
                 "select current_user", lake.conninfo(passfile=None)],
                env={"PATH": os.environ["PATH"], "LC_ALL": "C",
                     "KEYTURN_SOCKET": agent.path()},
                capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stdout) == (0, lake.user + "\n"), \
                done.stderr + agent.said()
            time.sleep(0.2)
    finally:
        agent.stop()
    lake.nobody_was_refused(begun, 3)


def test_psql_takes_what_keyturn_prints(lake):
    """As a password command, and by the environment."""
    done = psql(lake, "-c", "select 1", lake.conninfo(passfile="/dev/null"),
                PGPASSWORD=lake.site.token("--min-life", "1s").out)
    assert done.returncode == 0, done.stderr


def test_a_psycopg_pool_that_recycles_never_fails(lake):
    begun = time.time()
    failed = []
    with lake.kept_fresh(), psycopg_pool.ConnectionPool(
            lake.conninfo(), min_size=2, max_size=4, max_lifetime=1.5,
            timeout=10, reconnect_timeout=1, open=False,
            reconnect_failed=failed.append) as pool:
        pool.wait(10)
        while time.time() < begun + TIME:
            with pool.connection() as c:
                assert c.execute("select current_user").fetchone() == (
                    lake.user,)
            time.sleep(0.05)
        assert pool.get_stats().get("connections_errors", 0) == 0
    assert not failed
    lake.nobody_was_refused(begun, TIME // LIFE)


def test_a_hikari_pool_that_recycles_never_fails(lake):
    for jar in JARS:
        assert os.path.exists(jar), f"{jar} is missing (./dev test installs)"
    classes = tempfile.mkdtemp(dir=lake.home)
    made = subprocess.run(
        ["javac", "-cp", ":".join(JARS), "-d", classes,
         os.path.join(CLIENTS, "Recycle.java")],
        capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    ca = lake.server.authority.certificate
    begun = time.time()
    with lake.kept_fresh():
        done = subprocess.run(
            ["java", "-Dorg.postgresql.pgpassfile="
             + os.path.join(lake.files, "app.pgpass"),
             "-cp", ":".join([classes, *JARS]), "Recycle",
             f"jdbc:postgresql://127.0.0.1:{lake.server.port}/shop"
             f"?sslmode=verify-full&sslrootcert={ca}", lake.user, str(TIME)],
            capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 10
    lake.nobody_was_refused(begun, TIME // LIFE)


@pytest.fixture
def pooler(lake):
    """A PgBouncer in front, for programs that need an address that stays and
    no password of their own; its server password is kept fresh."""
    found = [p for p in ("/usr/sbin/pgbouncer", "/usr/bin/pgbouncer")
             if os.path.exists(p)]
    assert found, "install pgbouncer (./dev test does)"
    folder = tempfile.mkdtemp(dir=lake.home)
    os.chmod(folder, 0o755)
    own(folder)
    userlist = os.path.join(lake.files, "userlist.txt")
    ca = os.path.join(folder, "ca.pem")
    with open(lake.server.authority.certificate) as f, open(ca, "w") as copy:
        copy.write(f.read())
    os.chmod(ca, 0o644)
    listen = free_port()
    ini = os.path.join(folder, "pgbouncer.ini")
    with open(ini, "w") as f:
        f.write(POOLER.format(port=lake.server.port, user=lake.user, ca=ca,
                              listen=listen, userlist=userlist,
                              folder=folder))
    own(ini)
    # Whom the pooler lets in, with a password of its own; the line stays.
    with open(userlist, "w") as f:
        f.write(LOCAL)
    os.chmod(userlist, 0o600)
    own(userlist)
    lake.sink("[sink pooler]\ntoken = lake\n"
              f"file = pgbouncer {userlist} owner={account()}\n"
              f"pidfile = {folder}/pgbouncer.pid\n")
    # The first time its reader is not there yet.
    lake.site.run("refresh")
    with open(os.path.join(folder, "log"), "wb") as log:
        process = subprocess.Popen(
            as_account([found[0], "-q", ini]), cwd="/", env=environment(),
            stdout=log, stderr=log)
    wait_for(lambda: os.path.exists(folder + "/pgbouncer.pid"), "PgBouncer")
    yield listen, userlist
    process.terminate()
    process.wait()
    os.unlink(userlist)


def test_a_pooler_in_front_has_a_fresh_password(lake, pooler):
    listen, userlist = pooler
    begun = time.time()
    with lake.kept_fresh():
        while time.time() < begun + TIME:
            done = psql(lake, "-c", "select current_user",
                        f"host=127.0.0.1 port={listen} dbname=shop "
                        "user=app sslmode=disable", PGPASSWORD="local")
            assert (done.returncode, done.stdout) == (0, lake.user + "\n"), \
                done.stderr
            time.sleep(0.2)
    lake.nobody_was_refused(begun, TIME // LIFE)
    with open(userlist) as f:
        text = f.read()
    assert text.startswith(LOCAL + "; keyturn role=")
    assert text.count(f'"{lake.user}" ') == 1
