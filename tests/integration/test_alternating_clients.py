# SPDX-License-Identifier: PostgreSQL
"""Two login roles in turn, and clients that log in without pause through whole
cycles, with what the files say: none fails."""

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import threading
import time

import psycopg
import pytest

from rig.agent import everything
from rig.helper import Helper
from rig.server import as_account, free_port, own, wait_for
from test_alternating import PAIR, Pair, pair  # noqa: F401

SERVICE = PAIR + "sink = service {sinks}/service\n"
LOGIN = "select session_user::text, current_user::text"


class Loop:
    """Logs in again and again, in threads; each answer is kept."""

    def __init__(self, login, threads=2):
        self.login, self.failures, self.users = login, [], []
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run)
                         for _ in range(threads)]

    def _run(self):
        while not self._ending.is_set():
            try:
                self.users.append(self.login())
            except Exception as e:
                self.failures.append(str(e))
                time.sleep(0.1)

    def __enter__(self):
        for t in self._threads:
            t.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for t in self._threads:
            t.join()

    def moved_to(self, user):
        """Every thread has logged in as that user, and does so again."""
        def moved():
            assert not self.failures, self.failures[0]
            n = 2 * len(self._threads)
            return len(self.users) >= n and set(self.users[-n:]) == {user}
        wait_for(moved, f"logins as {user}", seconds=120)


def free(pair, user):  # noqa: F811
    """Nobody is logged in as that user any more."""
    wait_for(lambda: pair.site.server.sql(
        "select count(*) from pg_stat_activity where usename = %s",
        [user]) == [(0,)], f"{user} to have no session", seconds=120)


def cycle(pair, loops, rounds=3):  # noqa: F811
    """Rotate and retire, so that each member has its turn."""
    for turn in range(rounds):
        old, new = (("sap_a", "sap_b"), ("sap_b", "sap_a"))[turn % 2]
        pair.run("rotate", "sap")
        for loop in loops:
            loop.moved_to(new)
        free(pair, old)
        pair.run("retire", "sap")
        for loop in loops:
            loop.moved_to(new)
    for loop in loops:
        assert loop.failures == []
        assert {"sap_a", "sap_b"} <= set(loop.users)


@pytest.fixture
def told(pair, monkeypatch):  # noqa: F811
    """A pair whose users are told by a service and a pgpass file."""
    pair.site.configure(
        role_settings=SERVICE.format(sinks=pair.site.sinks))
    monkeypatch.setenv("PGSERVICEFILE",
                       os.path.join(pair.site.sinks, "service"))
    monkeypatch.setenv("PGPASSFILE",
                       os.path.join(pair.site.sinks, "sap.pgpass"))
    pair.run("rotate", "sap")
    return pair


def by_service(**more):
    with psycopg.connect("service=sap connect_timeout=20 gssencmode=disable",
                         **more) as c:
        session, current = c.execute(LOGIN).fetchone()
        assert current == "sap"
        return session


def lines(pair):  # noqa: F811
    with open(os.path.join(pair.site.sinks, "sap.pgpass")) as f:
        return [line.split(":")[3] for line in f if line[0] != "#"]


def test_who_has_read_the_user_a_moment_ago_finds_its_password(told):
    assert by_service() == "sap_a" and lines(told) == ["sap_a"]
    told.run("rotate", "sap")
    # The service file was read before, the pgpass file is read now.
    assert by_service(user="sap_a") == "sap_a"
    assert by_service() == "sap_b"
    assert lines(told) == ["sap_b", "sap_a"]
    told.run("retire", "sap")
    assert lines(told) == ["sap_b"]
    told.run("rollback", "sap", "--reason", "T-1")
    assert by_service() == "sap_a" and lines(told) == ["sap_a", "sap_b"]
    told.run("retire", "sap")
    told.run("retire", "sap", "--now")
    assert lines(told) == ["sap_a"]


def test_libpq_logs_in_through_whole_cycles(told):
    with Loop(by_service) as loop:
        loop.moved_to("sap_a")
        cycle(told, [loop])


# -- programs, told by files and by the agent ------------------------------------

@pytest.fixture
def helper(told, new_agent, folder):
    agent = new_agent(told.site, roles={"sap": everything()})
    return Helper(agent, told.site, tempfile.mkdtemp(dir=folder))


def java(helper):
    """pgjdbc, by the service's name: a login by a new process."""
    shutil.copy(os.path.join(os.path.dirname(__file__), "clients",
                             "Service.java"), helper.home)
    helper.run("javac", "-d", helper.home, "Service.java", expect=0)
    files = {name: os.environ[name] for name in ("PGSERVICEFILE",
                                                 "PGPASSFILE")}

    def login():
        done = helper.run(
            "java", "-Xshare:auto", "-cp",
            f"{helper.home}:/usr/share/java/postgresql.jar", "Service", "sap",
            environment=files, expect=0)
        # Acting as the owner it does not see that of its own session.
        user, encrypted = done.out.split()
        assert encrypted == "hidden"
        return user
    return login


def test_programs_log_in_through_whole_cycles(told, helper):
    def by_exec():
        return helper.execute("psql", "-wAtc", "select session_user",
                              expect=0).out.strip()

    def by_json():
        given = json.loads(helper.get("-f", "json").out)
        who = given["username"], given["password"]
        assert told.works(who)
        return who[0]

    pgjdbc = java(helper)
    with Loop(by_exec, threads=1) as exec_, \
            Loop(by_json, threads=1) as psycopg_:
        for new, old in (("sap_b", "sap_a"), ("sap_a", "sap_b")):
            helper.rotate()
            for loop in (exec_, psycopg_):
                loop.moved_to(new)
            assert pgjdbc() == new
            free(told, old)
            told.run("retire", "sap")
            assert pgjdbc() == new
    for loop in (exec_, psycopg_):
        assert loop.failures == []


def test_every_form_of_the_agent_has_the_member(told, helper):
    for user in ("sap_b", "sap_a"):
        helper.rotate()
        # exec: what a program of libpq's is told, and what the caller said.
        done = helper.execute("sh", "-c", "echo $PGUSER; psql -wAtc "
                              "'select session_user, current_user'", expect=0)
        assert done.out.split() == [user, f"{user}|sap"]
        assert f"PGUSER='{user}'" in helper.get("-f", "env").out
        assert helper.get("-f", "pgpass").out.split(":")[3] == user
        for form in ("uri", "conninfo"):
            with psycopg.connect(
                    helper.get("-f", form, "-z").out, passfile="/dev/null",
                    sslrootcert=helper.environment["PGSSLROOTCERT"]) as c:
                assert c.execute(LOGIN).fetchone() == (user, "sap")
        old = {"sap_b": "sap_a", "sap_a": "sap_b"}[user]
        done = helper.execute("psql", "-wAtc", "select 1",
                              environment={"PGUSER": old}, expect=2)
        assert "PGUSER" in done.err
        told.run("retire", "sap")


# -- PgBouncer, which logs in for its clients ------------------------------------

BOUNCER = """; of a person
[databases]
other = host=127.0.0.1
{database} = host=127.0.0.1 port={server} dbname={database} pool_size=8

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/userlist.txt
pidfile = {folder}/pgbouncer.pid
pool_mode = {mode}
server_tls_sslmode = require
"""

INI = "sink = pgbouncer_ini {folder}/pgbouncer.ini database={database} " \
    "pidfile={folder}/pgbouncer.pid\n"
LIST = "sink = pgbouncer {folder}/userlist.txt " \
    "pidfile={folder}/pgbouncer.pid\n"


class Bouncer:
    """A PgBouncer whose clients have a user of its own, and no member's; or,
    with a sink that keeps its auth_file, the members as users."""

    def __init__(self, pair, folder, mode, sink=INI):  # noqa: F811
        self.pair, self.site = pair, pair.site
        self.port, self.process = free_port(), None
        self.folder = tempfile.mkdtemp(prefix="pb-", dir=folder)
        self.ini = os.path.join(self.folder, "pgbouncer.ini")
        self.password = secrets.token_hex(16)
        self.text = BOUNCER.format(
            database=self.site.database, server=self.site.server.port,
            port=self.port, folder=self.folder, mode=mode)
        for path, text in ((self.ini, self.text),
                           (os.path.join(self.folder, "userlist.txt"),
                            f'"app" "{self.password}"\n')):
            with open(path, "w") as f:
                f.write(text)
            os.chmod(path, 0o640)
            own(path)
        own(self.folder)
        self.site.configure(
            role_settings=SERVICE.format(sinks=self.site.sinks)
            + sink.format(folder=self.folder, database=self.site.database))

    def start(self):
        with open(os.path.join(self.site.evidence, "pgbouncer"), "w") as log:
            self.process = subprocess.Popen(
                as_account(["pgbouncer", "pgbouncer.ini"]), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/bin"})
        wait_for(lambda: os.path.exists(f"{self.folder}/pgbouncer.pid"),
                 "PgBouncer")
        # Nobody has asked yet as whom it is to log in.
        self.pair.run("rotate", "sap")
        wait_for(self.has_read, "PgBouncer to read its configuration")

    def has_read(self):
        with open(os.path.join(self.site.evidence, "pgbouncer")) as f:
            return "got SIGHUP" in f.read()

    def connect(self):
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="app", autocommit=True,
            password=self.password, dbname=self.site.database,
            prepare_threshold=None, connect_timeout=20, sslmode="disable")

    def session(self):
        with self.connect() as c:
            session, current = c.execute(LOGIN).fetchone()
            assert current == "sap"
            return session

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.folder)


@pytest.fixture
def bouncer(pair, folder):  # noqa: F811
    made = []

    def make(mode, **settings):
        made.append(Bouncer(pair, folder, mode, **settings))
        return made[-1]
    yield make
    for b in made:
        b.stop()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_pgbouncer_logs_in_as_either_through_whole_cycles(bouncer, mode):
    pooler = bouncer(mode)
    pair = pooler.pair  # noqa: F811
    pooler.start()
    assert pooler.session() == "sap_a"
    with Loop(pooler.session, threads=4) as loop:
        loop.moved_to("sap_a")
        cycle(pair, [loop])
    # Nothing but the line was touched.
    with open(pooler.ini) as f:
        text = f.read()
    for password in re.findall("password='(.*)'", text):
        pair.site.remember(password, "a password of PgBouncer's")
    assert re.sub(r"; keyturn role=sap .*\n", "", re.sub(
        " user='sap_[ab]' password='[^']*'", "", text)) == pooler.text
    assert os.stat(pooler.ini).st_mode & 0o777 == 0o640


def test_a_session_through_pgbouncer_ends_by_itself(bouncer):
    pooler = bouncer("session")
    pair = pooler.pair  # noqa: F811
    pooler.start()
    with pooler.connect() as used:
        assert used.execute(LOGIN).fetchone() == ("sap_a", "sap")
        pair.run("rotate", "sap")
        wait_for(lambda: pooler.session() == "sap_b", "PgBouncer to read it")
        assert used.execute(LOGIN).fetchone() == ("sap_a", "sap")
        pair.run("retire", "sap")
        assert used.execute(LOGIN).fetchone() == ("sap_a", "sap")
        done = pair.run("rotate", "sap", expect=19)
        assert "sap_a has sessions yet" in done.out
    free(pair, "sap_a")
    pair.run("rotate", "sap")
    wait_for(lambda: pooler.session() == "sap_a", "PgBouncer to read it")


def test_pgbouncer_knows_each_member_that_may_log_in(bouncer):
    """Its auth_file has a line of each, and clients of either come through."""
    pooler = bouncer("session", sink=LIST)
    pair = pooler.pair  # noqa: F811
    path = os.path.join(pair.site.sinks, "sap.pgpass")

    def through(user):
        with open(path) as f:
            known = dict(line.rstrip("\n").split(":")[3:] for line in f
                         if line[0] != "#")
        with psycopg.connect(
                host="127.0.0.1", port=pooler.port, user=user,
                password=known[user], dbname=pair.site.database,
                prepare_threshold=None, connect_timeout=20,
                sslmode="disable") as c:
            return c.execute(LOGIN).fetchone() == (user, "sap")

    def reads(user):
        with contextlib.suppress(psycopg.OperationalError):
            return through(user)

    pooler.start()
    for new, old in (("sap_b", "sap_a"), ("sap_a", "sap_b")):
        assert through(old)
        pair.run("rotate", "sap")
        wait_for(lambda: reads(new), "PgBouncer to read its list")
        assert through(old)
        pair.run("retire", "sap")
        assert through(new)
        with open(os.path.join(pooler.folder, "userlist.txt")) as f:
            assert [line.split('"')[1] for line in f if line[0] == '"'] == \
                ["app", new]
        # It closes a session that nobody uses only after a while.
        pair.site.server.sql("select pg_terminate_backend(pid) from "
                             "pg_stat_activity where usename = %s", [old])
        free(pair, old)
