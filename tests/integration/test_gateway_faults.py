# SPDX-License-Identifier: PostgreSQL
"""A gateway whose parts hang, die, come back and are attacked: what that costs a
partner, what it costs the others, and that nobody gets in by it."""

import os
import re
import tempfile
import threading
import time

import psycopg
import pytest

from rig.gateway import used, verifiers
from rig.manager import Manager
from rig.server import wait_for
from test_agent import away

TICK = 1 / 3  # seconds: how often PgBouncer looks at PAM's answers by itself
LIMIT = 0.2  # seconds: the module's timeout= here
SLACK = 0.5  # of a busy machine
QUEUE = 20 - 1  # logins that PgBouncer's queue for PAM takes
WRONG = "Wrong-password.of-a-partner-%d"


@pytest.fixture
def site(new_site):
    site = new_site()
    rotate(site)
    rotate(site)
    return site


def rotate(site, *options):
    site.run("rotate", *options, "sap", expect=0)


def both(site):
    return site.current().password, site.labelled("previous").password


@pytest.fixture
def gateway(site, new_gateway):
    return new_gateway(site, service=f"timeout={LIMIT * 1000:.0f}")


class Crowd:
    """n logins at once: .ended has (seconds, exception or None) of each."""

    def __init__(self, gateway, n, password, **more):
        self.ended = []
        self.threads = [threading.Thread(target=self._log_in, daemon=True,
                                         args=(gateway, password, more))
                        for _ in range(n)]
        for thread in self.threads:
            thread.start()

    def _log_in(self, gateway, password, more):
        begun = time.monotonic()
        error = None
        try:
            gateway.login(password, connect_timeout=60, **more).close()
        except psycopg.Error as e:
            error = e
        self.ended.append((time.monotonic() - begun, error))

    def join(self):
        for thread in self.threads:
            thread.join(90)
        assert len(self.ended) == len(self.threads)
        return self.ended

    def alive(self):
        return any(thread.is_alive() for thread in self.threads)


def slowest_query(connection, going_on):
    """Queries in an open session while going_on(): the slowest, in seconds."""
    slowest = 0
    while going_on():
        begun = time.monotonic()
        connection.execute("select 1")
        slowest = max(slowest, time.monotonic() - begun)
        time.sleep(0.005)
    return slowest


def seconds_of(what):
    begun = time.monotonic()
    value = what()
    return time.monotonic() - begun, value


# ---- The agent ---------------------------------------------------------------

def test_a_hung_agent_costs_a_login_the_modules_time(gateway, site):
    current, _ = both(site)
    gateway.hang_agent()
    seconds, let_in = seconds_of(lambda: gateway.lets_in(current))
    assert not let_in
    assert LIMIT <= seconds < LIMIT + TICK + SLACK, seconds
    gateway.agent_goes_on()
    assert gateway.lets_in(current)


def test_a_hung_agent_holds_up_a_crowd_one_after_the_other(gateway, site):
    """And no open session, as long as the queue takes all of them."""
    current, _ = both(site)
    with gateway.login(current) as c:
        gateway.hang_agent()
        crowd = Crowd(gateway, QUEUE - 4, current)
        slowest = slowest_query(c, crowd.alive)
        seconds = [s for s, _ in crowd.join()]
        gateway.agent_goes_on()
    assert all(e is not None for _, e in crowd.ended)
    assert max(seconds) < len(seconds) * LIMIT + TICK + 2 * SLACK
    assert max(seconds) > (len(seconds) - 1) * LIMIT
    assert slowest < LIMIT, slowest
    assert gateway.lets_in(current)


def test_more_than_the_queue_holds_stall_open_sessions(gateway, site):
    """What docs/gateway.md warns of: PgBouncer's main loop waits."""
    current, _ = both(site)
    with gateway.login(current) as c:
        gateway.hang_agent()
        crowd = Crowd(gateway, 2 * QUEUE, current)
        slowest = slowest_query(c, crowd.alive)
        crowd.join()
        gateway.agent_goes_on()
    assert LIMIT < slowest < (QUEUE + 2) * (LIMIT + 0.1) + SLACK, slowest


def test_where_no_more_may_connect_nothing_stalls(site, new_gateway):
    current, _ = both(site)
    gateway = new_gateway(site, service=f"timeout={LIMIT * 1000:.0f}",
                          settings={"max_client_conn": QUEUE})
    with gateway.login(current) as c:
        gateway.hang_agent()
        crowd = Crowd(gateway, 2 * QUEUE, current)
        slowest = slowest_query(c, crowd.alive)
        said = {re.sub(".*FATAL: +", "", str(e)).strip()
                for _, e in crowd.join()}
        gateway.agent_goes_on()
    assert slowest < LIMIT, slowest
    assert any("no more connections allowed" in s for s in said), said
    assert gateway.lets_in(current)


def test_a_dead_agent_refuses_at_once_and_one_that_is_back_does_not(gateway,
                                                                    site):
    current, previous = both(site)
    gateway.agent.kill()
    seconds, let_in = seconds_of(lambda: gateway.lets_in(current))
    assert not let_in and seconds < TICK + SLACK
    gateway.agent.start()
    assert gateway.lets_in(current) and gateway.lets_in(previous)


def test_an_agent_that_restarts_without_its_store_lets_nobody_in(gateway,
                                                                 site):
    current, _ = both(site)
    gateway.agent.stop()
    back = away(site)
    gateway.agent.start()
    seconds, let_in = seconds_of(lambda: gateway.lets_in(current))
    assert not let_in and seconds < LIMIT + TICK + SLACK
    back()
    wait_for(lambda: gateway.lets_in(current), "a login when the store is back",
             15)


def test_an_agent_that_knows_goes_on_without_its_store(gateway, site):
    current, previous = both(site)
    assert gateway.lets_in(current)
    back = away(site)
    assert gateway.lets_in(current)
    assert gateway.lets_in(previous)
    assert not gateway.lets_in("wrong")
    back()


# ---- PgBouncer ---------------------------------------------------------------

def test_pgbouncer_that_hangs_holds_up_who_comes_and_loses_nobody(gateway,
                                                                  site):
    current, _ = both(site)
    with gateway.login(current) as c:
        gateway.hang()
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            gateway.login(current, connect_timeout=2)
        gateway.go_on()
        assert c.execute("select 1").fetchone() == (1,)
    assert gateway.lets_in(current)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_pgbouncer_that_was_ended_and_started_lets_both_in(gateway, site,
                                                           new_gateway, how):
    other = new_gateway(site)
    current, previous = both(site)
    gateway.login(current).close()
    getattr(gateway, how)()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        gateway.login(current)
    assert other.lets_in(current)
    gateway.start()
    assert gateway.lets_in(current) and gateway.lets_in(previous)


def test_a_reload_in_the_middle_costs_nobody_a_login(gateway, site):
    current, previous = both(site)
    with gateway.login(current) as c:
        crowds = [Crowd(gateway, 8, p) for p in (current, previous)]
        while any(crowd.alive() for crowd in crowds):
            gateway.reload()
            c.execute("select 1")
            # Each one makes new connections to the server, in 1.18 with TLS.
            time.sleep(0.5)
        for crowd in crowds:
            assert [e for _, e in crowd.join() if e] == []


# ---- Brakes --------------------------------------------------------------------

def test_the_brake_holds_one_address_and_one_login(new_site, new_gateway):
    """PgBouncer 1.18 tells PAM the partner's own address."""
    site = new_site(roles=("sap", "erp"))
    for role in ("sap", "erp"):
        site.run("rotate", role, expect=0)
    gateway = new_gateway(site)
    sap, erp = site.current().password, site.current("erp").password
    thief, partner = (gateway.seen_from(f"127.0.0.{n}") for n in (66, 7))
    for n in range(12):
        assert not gateway.lets_in(WRONG % n, port=thief)
    assert not gateway.lets_in(sap, port=thief)
    assert gateway.lets_in(sap, port=partner)
    assert gateway.lets_in(sap)
    assert gateway.lets_in(erp, "erp", port=thief)
    gateway.agent.stop()
    assert {row["whom"] for row in used(gateway.agent)} == {
        f"from {host}, service pgbouncer"
        for host in ("127.0.0.7", "127.0.0.1")}
    refused = gateway.agent.events("verify")
    assert any(e["host"] == "127.0.0.66" and "too many" in e["detail"]
               for e in refused if e["status"] == "REJECTED")


# ---- A gateway that was down at the rotation -------------------------------------

def test_an_agent_that_was_down_knows_before_it_answers(site, new_gateway):
    first, second = new_gateway(site), new_gateway(site)
    old, _ = both(site)
    second.agent.stop()
    rotate(site)
    new, previous = both(site)
    assert previous == old
    second.agent.start()
    assert second.lets_in(new)
    assert second.lets_in(old)
    second.agent.stop()
    assert {row["password"] for row in used(second.agent)} \
        == {"current", "previous"}


def test_a_first_password_is_known_as_soon_as_it_is_there(new_site,
                                                          new_gateway):
    """The proof of a first rotation comes a moment after it, and this agent
    looks once in an hour."""
    site = new_site()
    gateway = new_gateway(site, start=False)
    gateway.agent.configure(refresh="1h")
    gateway.agent.start()
    gateway.start()
    assert not gateway.lets_in("anything")
    rotate(site)
    time.sleep(1)  # the agent asks no more than once a second
    assert gateway.lets_in(site.current().password)


@pytest.fixture
def kept(site, new_agent, new_gateway, folder):
    """A gateway whose agent's cache is kept by the service manager, as systemd
    does: .manager.start(.agent) after .agent.stop() is a restart."""
    manager = Manager(tempfile.mkdtemp(prefix="sd-", dir=folder))
    agent = new_agent(site, start=False, refresh="1h",
                      roles={"sap": verifiers()})
    manager.start(agent)
    gateway = new_gateway(site, agent=agent)
    gateway.manager = manager
    current, _ = both(site)
    assert gateway.lets_in(current)
    version = site.current().id.encode()
    wait_for(lambda: any(version in os.pread(fd, 65536, 0)
                         for fd in list(manager.store.values())),
             "the kept cache")
    yield gateway
    manager.close()


def test_an_agent_with_its_cache_goes_on_without_its_store(kept, site):
    current, previous = both(site)
    kept.agent.kill()
    back = away(site)
    kept.manager.start(kept.agent)
    assert "1 secrets were kept" in kept.agent.said()
    assert kept.lets_in(current) and kept.lets_in(previous)
    assert not kept.lets_in("wrong")
    back()


def test_a_cache_from_before_the_rotation_is_not_gone_by(kept, site):
    old, _ = both(site)
    kept.agent.stop()
    rotate(site)
    new, _ = both(site)
    kept.manager.start(kept.agent)
    assert "1 secrets were kept" in kept.agent.said()
    assert kept.agent.verify(old) == "OK_PREVIOUS"
    assert kept.lets_in(new)


@pytest.mark.parametrize("how", ["restarted", "hung"])
def test_what_got_out_meanwhile_is_refused_by_the_first_answer(kept, site,
                                                               how):
    """A --compromised that this agent missed, with its old cache in hand."""
    old, _ = both(site)
    if how == "restarted":
        kept.agent.stop()
    else:
        kept.hang_agent()
    rotate(site, "--compromised", "--reason", "test")
    if how == "restarted":
        kept.manager.start(kept.agent)
    else:
        time.sleep(3)  # longer than a busy machine keeps it waiting
        kept.agent_goes_on()
    assert kept.agent.verify(old) == "MISMATCH"
    assert kept.lets_in(site.current().password)


# ---- What is said ------------------------------------------------------------

TALKATIVE = {"log_connections": 1, "log_disconnections": 1,
             "log_pooler_errors": 1, "log_stats": 1, "stats_period": 1}


@pytest.mark.parametrize("verbose", [0, 3])
def test_a_talkative_log_has_no_secret(site, new_gateway, verbose):
    """site.leaks() searches PgBouncer's log, with what the module says to
    syslog, and the server's.  With verbose it has [databases] as it is read,
    in all versions, and that is what docs/gateway.md warns of."""
    current, previous = both(site)
    wrong = WRONG % 1
    site.remember(wrong, "a wrong password")
    gateway = new_gateway(site, service="timeout=1000 debug",
                          settings={**TALKATIVE, "verbose": verbose})
    for password in (current, previous):
        assert gateway.lets_in(password)
    assert not gateway.lets_in(wrong)
    gateway.reload()
    assert gateway.lets_in(current)
    gateway.agent.stop()
    assert not gateway.lets_in(current)
    said = gateway.said()
    for word in ("login attempt", "pam: ", "stats: ") \
            + (("NOISE", "pam_auth_worker") if verbose == 3 else ()):
        assert word in said, word
    forced = gateway.forced.password
    assert (forced in said) == (verbose > 0)
    if verbose > 0:
        assert "parse_ini_file: 'app' = 'host=127.0.0.1" in said
        del site.secrets[forced.encode()]


# ---- Partners alone ----------------------------------------------------------

def test_pam_is_asked_about_everybody_and_knows_partners_alone(site,
                                                               new_gateway):
    """auth_hba_file cannot choose PAM, nor limit it; the agent's [role]
    sections do, and a login that is none of them never reaches the store."""
    site.create_role("other", "Other-password.of-the-server.1")
    gateway = new_gateway(site, settings={
        "auth_hba_file": "{folder}/hba.conf"})
    gateway.file("hba.conf", "hostssl all all 0.0.0.0/0 reject\n")
    gateway.reload()
    current, _ = both(site)
    assert gateway.lets_in(current)
    for user, password in (("other", "Other-password.of-the-server.1"),
                           (gateway.forced.name, gateway.forced.password),
                           ("postgres", current), ("SAP", current),
                           ("sap ", current)):
        assert not gateway.lets_in(password, user), user
    assert gateway.said().count("pam: no such role; rhost=127.0.0.1") == 5
    gateway.configure(auth_type="hba")
    gateway.file("hba.conf", "hostssl all sap 0.0.0.0/0 pam\n")
    gateway.stop()
    gateway.start()
    with pytest.raises(psycopg.OperationalError, match="login rejected|no authentication method"):
        gateway.login(current)
    assert "buf=pam" in gateway.said() or "hba" in gateway.said()


def test_who_logs_in_has_every_line_of_databases(site, new_gateway):
    """PAM is not told which one is asked for: partners who may not have each
    other's data need a PgBouncer each."""
    gateway = new_gateway(site)
    gateway.behind(more=f"theirs = host=127.0.0.1 "
                   f"port={site.server.port} dbname=postgres "
                   f"user={gateway.forced.name} "
                   f"password='{gateway.forced.password}'\n")
    gateway.reload()
    current, _ = both(site)
    assert gateway.lets_in(current, dbname="theirs")
    with pytest.raises(psycopg.OperationalError, match="no such database"):
        gateway.login(current, dbname="postgres")
    with pytest.raises(psycopg.OperationalError, match="not allowed"):
        gateway.login(current, dbname="pgbouncer")
    # Nor does the console show an administrator what partners typed.
    with gateway.login(current):
        shown = str(gateway.console("SHOW FDS")) \
            + str(gateway.console("SHOW CLIENTS"))
    assert "sap" in shown and current not in shown
