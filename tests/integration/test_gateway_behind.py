# SPDX-License-Identifier: PostgreSQL
"""Behind a gateway: PgBouncer logs in to the server with a token that no partner
sees, from a file of its own; it is told of each new one, and what goes wrong with
that is said and tried again, while nobody's query fails."""

import os
import signal
import threading
import time

import psycopg
import pytest

from rig.daemon import QUICK, Daemon
from rig.gateway import Forced
from rig.server import account, own, wait_for
from rig.verdict import finding
from test_token_login import LIFE, REST, _lake, certificate, lake

__all__ = ["_lake", "certificate", "lake"]  # fixtures

SOME_FAILED, UNDELIVERED = 4, 18
LIVES = 3


class Behind:
    """A gateway whose forced user is that of the lake, and a console user who is
    a login of the gateway's, as partners are."""

    def __init__(self, lake, gateway, partners):
        self.lake, self.gateway, self.partners = lake, gateway, partners
        self.site = lake.site
        self.passfile = os.path.join(self.site.private, "console.pgpass")
        with open(self.passfile, "w") as f:
            for user in ("ops", "stats"):
                f.write(f"{self.gateway.folder}:{gateway.port}:*:{user}:"
                        f"{partners.current(user).password}\n")
        os.chmod(self.passfile, 0o600)
        self.step = f"after pgbouncer-admin {gateway.folder} port {gateway.port}"
        gateway.forced = Forced(lake.user, "")
        self.sink()

    def sink(self, after="", user="ops", more=""):
        gateway = self.gateway
        self.lake.sink(
            "[sink behind]\ntoken = lake\nfile = pgbouncer_databases "
            f"{gateway.databases} database={gateway.dbname} "
            f"owner={account()} mode=0600\n"
            f"after = pgbouncer-admin host={gateway.folder} "
            f"port={gateway.port}\n user={user}\n passfile={self.passfile}\n "
            f"{after} {more}\n")

    def refresh(self, *argv, expect=0):
        done = self.site.run("refresh", *argv)
        assert done.exit == expect, done.text
        return done

    def lets_in(self):
        return self.gateway.lets_in(self.partners.current().password)

    def reloads(self):
        return self.gateway.said().count("RELOAD command issued")

    def start(self):
        self.gateway.start()
        return self


@pytest.fixture
def behind(lake, new_site, new_gateway):
    partners = new_site()
    users = ("sap", "ops", "stats")
    for user in users[1:]:
        partners.create_role(user)
    partners.configure(users)
    partners.run("rotate", *users, expect=0)
    gateway = new_gateway(partners, start=False, roles=users, settings={
        "admin_users": "ops", "stats_users": "stats", "log_connections": "1", "log_disconnections": "1",
        "log_pooler_errors": "1", "pool_mode": "transaction"})
    gateway.agent.start()
    os.unlink(gateway.databases)
    made = Behind(lake, gateway, partners)
    yield made
    if gateway.process:
        gateway.go_on()
    if gateway.log:
        said = gateway.said()
        for token, _, _ in lake.double.minted:
            assert token not in said
            assert token.rsplit(".", 1)[1] not in said


def prove(gateway):
    return f"prove={gateway.dbname} prove_user=ops"


def events(site, *kinds):
    return [e for e in site.audit() if e.get("kind") in kinds]


def test_a_gateway_logs_in_with_the_token(behind):
    gateway, site = behind.gateway, behind.site
    # Nobody is there yet who could be told.
    done = behind.refresh(expect=UNDELIVERED)
    assert f"sink behind: {behind.step}: no connection" in done.err
    assert os.stat(gateway.databases).st_mode & 0o777 == 0o600
    behind.start()
    assert behind.lets_in()
    behind.refresh("--force")
    assert behind.reloads() == 1
    # Once for each token.
    behind.refresh()
    assert behind.reloads() == 1
    behind.sink(prove(gateway))
    done = behind.refresh("--force")
    assert f"behind: {behind.step}: PgBouncer at" in done.out
    assert f"user ops logs in to database {gateway.dbname} through it" in \
        done.out
    assert behind.reloads() == 2 and behind.lets_in()
    last = events(site, "delivered")[-1]
    assert (last["role"], last["recipient"]) == ("sink:behind", behind.step)
    with open(gateway.databases) as f:
        assert f"version={last['version']} " in f.read()
    # Settings that people add to the line stay.
    with open(gateway.databases) as f:
        text = f.read()
    gateway.file("databases.ini", text.replace(" host=", " pool_size=3 host="))
    behind.refresh("--force")
    assert {d["name"]: d["pool_size"] for d in gateway.console(
        "show databases")}[gateway.dbname] == "3"


def test_a_reload_of_another_file_is_found_by_the_login(behind):
    """PgBouncer says yes to it, and goes on with the token that has ended."""
    gateway = behind.gateway
    behind.refresh(expect=UNDELIVERED)
    # No session of the server's outlives its token.
    gateway.configure(server_lifetime="1", server_idle_timeout="1")
    behind.start()
    behind.sink("timeout=3s", more=prove(gateway))
    behind.lake.double.life = 3
    with open(gateway.ini) as f:
        good = f.read()
    behind.refresh("--force")
    with open(gateway.databases) as f:
        gateway.file("old.ini", f.read())
    gateway.file("pgbouncer.ini", good.replace("databases.ini", "old.ini"))
    time.sleep(4)
    behind.lake.double.life = 60
    done = behind.refresh("--force", expect=UNDELIVERED)
    assert "was told to read its files again, but" in done.err
    gateway.file("pgbouncer.ini", good)
    behind.refresh("--force")
    assert behind.lets_in()


def test_a_gateway_that_is_away_is_told_when_it_is_back(behind):
    """By keyturnd; the file is fresh meanwhile."""
    site, gateway = behind.site, behind.gateway
    behind.lake.double.life = 3600
    behind.refresh(expect=UNDELIVERED)
    done = site.run("status", expect=0)
    assert f"{behind.step}: no connection to PgBouncer" in done.out
    site.configure((), keyturn=QUICK, more=site.more)
    daemon = Daemon(site).ready()
    try:
        daemon.wait_log(f"sink behind: {behind.step}: no connection", times=1)
        behind.start()
        daemon.wait_log(f"sink behind: {behind.step} has the new token",
                        times=1)
        assert behind.lets_in() and behind.reloads() == 1
    finally:
        daemon.stop()
    assert len(events(site, "delivered")) == 1
    assert behind.step not in site.run("status", expect=0).out


def test_a_gateway_that_hangs_is_not_waited_for(behind):
    behind.refresh(expect=UNDELIVERED)
    behind.start()
    behind.sink("timeout=2s")
    behind.gateway.hang()
    begun = time.monotonic()
    done = behind.refresh("--force", expect=UNDELIVERED)
    assert time.monotonic() - begun < 10 and "in time" in done.err, done.err
    behind.gateway.go_on()
    behind.refresh("--force")
    assert behind.lets_in()


def test_who_may_not_reload_is_found_before(behind):
    behind.refresh(expect=UNDELIVERED)
    done = behind.site.run("check")
    assert done.exit == UNDELIVERED, done.text
    finding(done, "sink behind", "cannot be run", "no connection")
    behind.start()
    done = behind.site.run("check", expect=0)
    assert "sink behind: " + behind.step + ": PgBouncer 1." in done.out
    assert "will read its files again" in done.out
    behind.sink(user="stats")
    done = behind.site.run("check")
    assert done.exit == UNDELIVERED, done.text
    finding(done, "sink behind", "lets user stats look only", "admin_users")
    assert behind.reloads() == 0


@pytest.mark.parametrize("step, sentence", [
    ("pgbouncer-admin host=/x user=a prove=app", "prove_user=USER"),
    ("pgbouncer-admin host=gw.example user=a sslmode=require", "sslmode"),
    ("signal HUP /x\nafter = signal HUP /x", "is there twice"),
    ("mail ops", "is not known"),
])
def test_a_step_that_makes_no_sense_is_refused(behind, step, sentence):
    behind.sink(more=f"\nafter = {step}")
    for command in ("refresh", "check"):
        done = behind.site.run(command)
        assert done.exit == 2 and sentence in done.err, done.text
        assert "[sink behind]" in done.err and "keyturn.conf:" in done.err


def test_a_token_that_pgbouncer_would_cut_off_is_refused(behind):
    """The old file stays, and so does what PgBouncer has."""
    double = behind.lake.double
    behind.refresh(expect=UNDELIVERED)
    behind.start()
    with open(behind.gateway.databases) as f:
        was = f.read()
    mint = double.mint

    def longer(who, life, scope):
        token, end = mint(who + "x" * 2000, life, scope)
        return token, end
    double.mint = longer
    done = behind.refresh("--force", expect=SOME_FAILED)
    assert "PgBouncer takes 2047" in done.err
    with open(behind.gateway.databases) as f:
        assert f.read() == was
    assert behind.lets_in()


class Client(threading.Thread):
    """A partner's program that asks again and again."""

    def __init__(self, behind, keep):
        super().__init__()
        self.behind, self.keep = behind, keep
        self.stopping, self.asked, self.failed = threading.Event(), 0, []

    def run(self):
        password = self.behind.partners.current().password
        connection = None
        while not self.stopping.is_set():
            try:
                connection = connection or self.behind.gateway.login(password)
                found = connection.execute("select current_user").fetchone()
                assert found == (self.behind.lake.user,)
                self.asked += 1
                if not self.keep:
                    connection.close()
                    connection = None
                time.sleep(0.02)
            except (psycopg.Error, AssertionError) as e:
                self.failed.append(f"{time.time()}: {e}")
                return
        if connection:
            connection.close()


def test_three_lives_of_a_token_pass_without_a_failed_query(behind):
    lake, gateway = behind.lake, behind.gateway
    gateway.configure(server_lifetime="2", server_login_retry="1",
                      min_pool_size="2")
    behind.refresh(expect=UNDELIVERED)
    behind.sink(prove(gateway))
    behind.start()
    clients = [Client(behind, keep) for keep in (True, True, False)]
    behind.site.configure((), keyturn=QUICK, more=behind.site.more)
    daemon = Daemon(behind.site).ready()
    begun = time.time()
    try:
        for c in clients:
            c.start()
        wait_for(lambda: time.time() > begun + LIVES * LIFE + 1
                 or any(c.failed for c in clients), "three lives",
                 seconds=LIVES * LIFE + 20)
    finally:
        for c in clients:
            c.stopping.set()
        for c in clients:
            c.join()
        daemon.stop()
    assert [c.failed for c in clients] == [[], [], []], gateway.said()[-4000:]
    assert clients[0].asked > 100 and clients[2].asked > 10
    lake.nobody_was_refused(begun, LIVES)
    assert not events(behind.site, "undelivered")[1:]
