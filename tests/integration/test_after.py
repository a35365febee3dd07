# SPDX-License-Identifier: PostgreSQL
"""What is done after a delivery: a PgBouncer reads its files again and is logged
in to, a process gets SIGHUP; what goes wrong with it is said and tried again, and
costs no rotation.  Units of systemd's are in tests/systemd."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import psycopg
import pytest

from rig.daemon import QUICK, Daemon, overdue
from rig.pair import new_pair
from rig.server import as_account, free_port, own, wait_for
from rig.verdict import finding, sentence

CONFIG, UNDELIVERED = 2, 18
LOGIN = "select session_user, current_user"

BOUNCER = """
[databases]
{database} = host=127.0.0.1 port={server} dbname={database}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir = {folder}
auth_type = scram-sha-256
auth_file = {folder}/userlist.txt
admin_users = ops
stats_users = stats
pool_mode = session
server_tls_sslmode = require
server_login_retry = 1
"""


class Pooler:
    """A PgBouncer in front of a site's server, whose files keyturn keeps."""

    def __init__(self, site, folder):
        self.site, self.port, self.process = site, free_port(), None
        self.folder = tempfile.mkdtemp(prefix="pb-", dir=folder)
        self.passwords = {user: secrets.token_hex(16)
                          for user in ("ops", "stats", "app")}
        self.write("userlist.txt", "".join(
            f'"{user}" "{password}"\n'
            for user, password in self.passwords.items()))
        self.write("pgbouncer.ini", BOUNCER.format(
            database=site.database, server=site.server.port, port=self.port,
            folder=self.folder))
        own(self.folder)
        self.passfile = os.path.join(self.folder, "console.pgpass")
        with open(self.passfile, "w") as f:
            for user, password in self.passwords.items():
                f.write(f"127.0.0.1:{self.port}:*:{user}:{password}\n")
        os.chmod(self.passfile, 0o600)
        self.name = f"after pgbouncer-admin 127.0.0.1 port {self.port}"
        self.log = os.path.join(site.evidence, f"pgbouncer-{self.port}")

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(content)
        os.chmod(path, 0o640)
        own(path)

    @property
    def list(self):
        return f"sink = pgbouncer {self.folder}/userlist.txt\n"

    @property
    def line(self):
        return (f"sink = pgbouncer_ini {self.folder}/pgbouncer.ini "
                f"database={self.site.database}\n")

    def step(self, more="", user="ops"):
        return (f"after = pgbouncer-admin host=127.0.0.1 port={self.port} "
                f"user={user} passfile={self.passfile} {more}\n")

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                as_account(["pgbouncer", "pgbouncer.ini"]), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/bin"})
        wait_for(self.answers, "PgBouncer")
        return self

    def answers(self):
        assert self.process.poll() is None
        try:
            self.log_in("app", "nothing")
        except psycopg.OperationalError as e:
            return "authentication failed" in str(e)
        return False

    def connect(self, user, password):
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, autocommit=True,
            password=password, dbname=self.site.database, sslmode="disable",
            prepare_threshold=None, connect_timeout=20)

    def log_in(self, user, password):
        with self.connect(user, password) as c:
            return c.execute("select session_user").fetchone()[0]

    def refuses(self, user, password):
        with pytest.raises(psycopg.OperationalError,
                           match="authentication failed"):
            self.log_in(user, password)

    def reloads(self):
        with open(self.log) as f:
            return f.read().count("RELOAD command issued")

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait()
            self.process = None


@pytest.fixture
def new_pooler(folder):
    made = []

    def make(site):
        made.append(Pooler(site, folder))
        return made[-1]
    yield make
    for each in made:
        each.stop()
        shutil.rmtree(each.folder)


@pytest.fixture
def pooler(new_site, new_pooler):
    """It runs, and knows the role's present password."""
    made = new_pooler(new_site())
    made.site.configure(role_settings=made.list)
    made.site.run("rotate", "sap", expect=0)
    return made.start()


READER = """import os, signal, sys
def told(number, frame):
    with open(sys.argv[1] + ".told", "a") as f:
        f.write("told\\n")
signal.signal(signal.SIGHUP, told)
with open(sys.argv[1], "w") as f:
    f.write(f"{os.getpid()}\\n")
while True:
    signal.pause()
"""


class Reader:
    """A process that notes each SIGHUP, with a pidfile."""

    def __init__(self, folder):
        self.folder = tempfile.mkdtemp(prefix="reader-", dir=folder)
        self.pidfile = os.path.join(self.folder, "pid")
        self.step = f"after = signal HUP {self.pidfile}\n"
        self.name = f"after signal HUP {self.pidfile}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER, self.pidfile])
        wait_for(lambda: os.path.exists(self.pidfile)
                 and os.path.getsize(self.pidfile), "the reader")

    def told(self):
        try:
            with open(self.pidfile + ".told") as f:
                return len(f.readlines())
        except FileNotFoundError:
            return 0

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def reader(folder):
    made = Reader(folder)
    yield made
    made.stop()
    shutil.rmtree(made.folder)


def steps(site, role="sap"):
    return {s["step"]: s for s in site.status(role)["follow"]}


def events(site, *kinds):
    return [e for e in site.audit() if e.get("kind") in kinds]


# ---- PgBouncer -----------------------------------------------------------------------

def test_a_pooler_knows_the_new_password_at_once(pooler):
    site = pooler.site
    # Without a step it does not; this is what the rest is measured by.
    site.run("rotate", "sap", expect=0)
    pooler.refuses("sap", site.current().password)
    site.configure(role_settings=pooler.list + pooler.step())
    assert steps(site)[pooler.name]["state"] == "behind"
    ready = site.run("check", expect=0)
    assert f"{pooler.name}: PgBouncer 1." in ready.out
    assert "a login will show it" in ready.out
    assert pooler.reloads() == 0
    for n in (1, 2):
        old = site.current().password
        site.run("rotate", "sap", expect=0)
        assert pooler.log_in("sap", site.current().password) == "sap"
        pooler.refuses("sap", old)
        assert pooler.reloads() == n
    # It was done, once for each version.
    site.run("refresh", expect=0)
    site.run("recover", "sap", expect=0)
    assert pooler.reloads() == 2
    done = events(site, "delivered")
    assert [e["recipient"] for e in done] == [pooler.name] * 2
    assert done[-1]["version"] == site.settled().id
    assert "logs in to database" in done[-1]["detail"]
    assert steps(site)[pooler.name]["state"] == "ok"
    site.run("refresh", "--force", expect=0)
    assert pooler.reloads() == 3


def test_sessions_of_the_old_member_end(new_site, new_pooler):
    """Where nobody uses them; and the member can be retired and be next."""
    with new_pair(new_site()) as pair:
        site = pair.site
        pooler = new_pooler(site)
        settings = (f"sink = env {site.sinks}/sap.env\n{pooler.list}"
                    "strategy = alternating\nmembers = sap_a sap_b\n")
        site.configure(role_settings=settings)
        pair.run("rotate", "sap")
        pooler.start()
        site.configure(role_settings=settings + pooler.step())
        pair.run("refresh")
        for old, new in (("sap_a", "sap_b"), ("sap_b", "sap_a")):
            user, password = pair.told()
            assert user == old
            with pooler.connect(user, password) as c:
                assert c.execute(LOGIN).fetchone() == (old, "sap")
            assert site.server.sql(
                "select count(*) from pg_stat_activity where usename = %s",
                [old]) == [(1,)]
            pair.run("rotate", "sap")
            assert pooler.log_in(*pair.told()) == new
            wait_for(lambda: site.server.sql(
                "select count(*) from pg_stat_activity where usename = %s",
                [old]) == [(0,)], "the old member's session to end")
            pair.run("retire", "sap")


def test_a_pooler_that_logs_in_for_its_clients(new_site, new_pooler):
    """They have a user of its own, who proves it."""
    site = new_site()
    pooler = new_pooler(site)
    site.configure(role_settings=pooler.line + pooler.step())
    site.run("rotate", "sap", expect=UNDELIVERED)
    pooler.start()
    site.run("refresh", "--force", expect=0)
    assert "no login shows that it did" in events(site, "delivered")[-1]["detail"]
    assert "no login will show it" in site.run("check", expect=0).out
    proof = f"prove={site.database} prove_user=app"
    site.configure(role_settings=pooler.line + pooler.step(proof))
    for _ in range(2):
        site.run("rotate", "sap", expect=0)
        assert pooler.log_in("app", pooler.passwords["app"]) == "sap"
        assert "user app logs in" in events(site, "delivered")[-1]["detail"]


def test_a_console_is_reached_by_its_socket(pooler):
    site = pooler.site
    with open(pooler.passfile, "w") as f:
        f.write(f"{pooler.folder}:{pooler.port}:pgbouncer:ops:"
                f"{pooler.passwords['ops']}\n")
    site.configure(role_settings=pooler.list + pooler.step().replace(
        "host=127.0.0.1", f"host={pooler.folder}"))
    site.run("check", expect=0)
    site.run("rotate", "sap", expect=0)
    assert pooler.log_in("sap", site.current().password) == "sap"
    (done,) = events(site, "delivered")
    assert f"PgBouncer at {pooler.folder} port" in done["detail"]
    assert "user sap logs in" in done["detail"]


def test_each_role_of_a_pooler_has_its_own_steps(pooler):
    site = pooler.site
    site.create_role("other")
    site.configure(("sap", "other"),
                   role_settings=pooler.list + pooler.step())
    site.run("rotate", "sap", "other", expect=0)
    for role in ("sap", "other"):
        assert pooler.log_in(role, site.current(role).password) == role
        assert [e["version"] for e in events(site, "delivered")
                if e["role"] == role] == [site.current(role).id]


# ---- a PgBouncer that is not well ------------------------------------------------------

def test_a_reload_is_no_proof(pooler):
    """It says yes, and reads another file."""
    site = pooler.site
    pooler.write("other.txt", f'"ops" "{pooler.passwords["ops"]}"\n')
    with open(os.path.join(pooler.folder, "pgbouncer.ini")) as f:
        good = f.read()
    pooler.write("pgbouncer.ini", good.replace("userlist.txt", "other.txt"))
    site.configure(role_settings=pooler.list + pooler.step("timeout=2s"))
    sentence(site.run("rotate", "sap"), UNDELIVERED, pooler.name,
             "refuses the password of user sap", "auth_file")
    site.settled()
    step = steps(site)[pooler.name]
    assert step["state"] == "failing" and step["failures"] == 1
    assert events(site, "undelivered")[-1]["recipient"] == pooler.name
    pooler.write("pgbouncer.ini", good)
    site.run("refresh", "--force", expect=0)
    assert pooler.log_in("sap", site.current().password) == "sap"


def test_a_pooler_that_is_down_is_told_when_it_is_up(pooler, reader):
    site = pooler.site
    site.configure(keyturn=QUICK, role_settings=pooler.list + pooler.step()
                   + reader.step)
    site.run("refresh", expect=0)
    assert reader.told() == 1
    pooler.stop()
    overdue(site)
    daemon = Daemon(site).ready()
    daemon.wait_log(f"{pooler.name}: no connection to PgBouncer")
    # What comes behind it waits.
    assert steps(site)[reader.name]["state"] == "behind"
    assert f"waits for {pooler.name}" in site.run("status", expect=0).out
    assert reader.told() == 1
    pooler.start()
    daemon.wait_log(f"{reader.name} has the current password", times=1)
    daemon.stop()
    assert reader.told() == 2
    assert pooler.log_in("sap", site.settled().password) == "sap"


def test_a_pooler_that_hangs_is_not_waited_for(pooler):
    site = pooler.site
    site.configure(role_settings=pooler.list + pooler.step("timeout=2s"))
    pooler.process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    sentence(site.run("rotate", "sap"), UNDELIVERED, pooler.name, "in time")
    assert time.monotonic() - begun < 20
    pooler.process.send_signal(signal.SIGCONT)
    site.run("refresh", "--force", expect=0)
    assert pooler.log_in("sap", site.current().password) == "sap"


def test_who_may_not_reload_is_found_before(pooler):
    site = pooler.site
    site.run("check", expect=0)

    def found(*words, step):
        site.configure(role_settings=pooler.list + step)
        done = site.run("check")
        assert done.exit == UNDELIVERED, done.text
        finding(done, "after pgbouncer-admin", *words)
    found("lets user stats look only", "admin_users",
          step=pooler.step(user="stats"))
    found("does not let user app to its console",
          step=pooler.step(user="app"))
    found("nobody", step=pooler.step(user="nobody"))
    found("passfile", "not there",
          step=pooler.step().replace(pooler.passfile, "/none/there"))
    os.chmod(pooler.passfile, 0o644)
    found("can be read by others", step=pooler.step())
    os.chmod(pooler.passfile, 0o600)
    with open(pooler.passfile, "w") as f:
        f.write(f"127.0.0.1:{pooler.port}:*:ops:wrong\n")
    found("refuses the password of user ops", step=pooler.step())
    with open(pooler.passfile, "w") as f:
        f.write(f"127.0.0.1:{pooler.port}:shop:ops:wrong\n")
    found("has a line for this host", step=pooler.step())
    pooler.stop()
    found("no connection", step=pooler.step())
    assert pooler.reloads() == 0


def test_a_server_is_not_taken_for_a_pooler(pooler):
    site = pooler.site
    site.server.sql("create database pgbouncer")
    password = secrets.token_hex(16)
    site.create_role("ops", password, "superuser login", admin="postgres")
    with open(pooler.passfile, "w") as f:
        f.write(f"127.0.0.1:*:*:ops:{password}\n")
    site.configure(role_settings=pooler.list + pooler.step().replace(
        f"port={pooler.port}", f"port={site.server.port}"))
    done = site.run("check")
    finding(done, "is not the console of a PgBouncer")
    site.server.sql("drop database pgbouncer")


# ---- signals, and what the files must have first ------------------------------------------

def test_a_reader_is_told_once_and_after_its_file(site, reader):
    site.configure(role_settings=f"sink = env {reader.folder}/a.env\n"
                   + reader.step)
    for n in (1, 2):
        site.run("rotate", "sap", expect=0)
        wait_for(lambda: reader.told() == n, "the reader to be told")
        site.run("recover", "sap", expect=0)
        site.run("refresh", expect=0)
        assert reader.told() == n
    assert events(site, "delivered")[-1]["detail"].endswith("got SIGHUP")


def test_nothing_is_done_while_a_file_is_behind(site, reader):
    """Its consumer would read the old password once more."""
    folder = os.path.join(reader.folder, "away")
    os.mkdir(folder)
    site.configure(role_settings=f"sink = env {reader.folder}/a.env\n"
                   f"sink = env {folder}/b.env\n" + reader.step)
    site.run("rotate", "sap", expect=0)
    os.rename(folder, folder + ".gone")
    site.run("rotate", "--emergency", "sap", expect=UNDELIVERED)
    assert reader.told() == 1
    site.run("refresh", "--force", expect=UNDELIVERED)
    assert reader.told() == 1
    assert steps(site)[reader.name]["state"] == "behind"
    os.rename(folder + ".gone", folder)
    # There it is, with the old one.
    done = site.run("refresh", "--force", expect=UNDELIVERED)
    assert f"waits for {folder}/b.env" in done.text
    assert reader.told() == 1
    site.run("recover", "sap", expect=0)
    wait_for(lambda: reader.told() == 2, "the reader to be told")
    assert steps(site)[reader.name]["state"] == "ok"


def test_a_stale_pidfile_reaches_nobody(site, reader):
    site.configure(role_settings=reader.step)
    site.run("rotate", "sap", expect=0)
    reader.stop()
    sentence(site.run("rotate", "sap"), UNDELIVERED, reader.pidfile,
             "there is no process")
    # Its number is another's now, who would end of it.
    other = subprocess.Popen(["sleep", "60"])
    try:
        with open(reader.pidfile, "w") as f:
            f.write(f"{other.pid}\n")
        wait_for(lambda: "does not handle SIGHUP" in site.run(
            "check").out, "the process to sleep")
        done = site.run("refresh", "--force", expect=UNDELIVERED)
        assert "does not handle SIGHUP" in done.text
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


# Where there is one, tests/systemd tells what it does.
if not os.path.exists("/run/systemd/system"):
    def test_where_there_is_no_systemd_that_is_said(site, reader):
        site.configure(role_settings="after = systemd-reload app.service\n"
                       + reader.step)
        finding(site.run("check"), "after systemd-reload app.service",
                "there is no systemd here")
        sentence(site.run("rotate", "sap"), UNDELIVERED,
                 "after systemd-reload app.service", "there is no systemd here")
        site.settled()
        assert reader.told() == 0


# ---- settings that are refused ------------------------------------------------------------

@pytest.mark.parametrize("value, words", [
    ("systemd-reload app", "is not the name of a service"),
    ("systemd-restart keyturnd.service", "is keyturnd itself"),
    ("signal TERM /run/app.pid", "is not a signal that can be sent"),
    ("reload app.service", "is not known"),
    ("pgbouncer-admin host=pooler.example.com user=ops sslmode=require",
     "verify-full"),
    ("pgbouncer-admin host=127.0.0.1", "user=USER is missing"),
    ("pgbouncer-admin host=127.0.0.1 user=ops password=P4ssword",
     "holds a password"),
    ("signal HUP /run/app.pid\nafter = signal HUP /run/app.pid", "twice"),
])
def test_a_bad_step_is_one_sentence(site, value, words):
    site.run("rotate", "sap", expect=0)
    before = site.current()
    site.configure(role_settings=f"after = {value}\n")
    line = sentence(site.run("rotate", "sap"), CONFIG, site.configuration + ":",
                    words)
    assert "P4ssword" not in line
    assert site.current() == before
