# SPDX-License-Identifier: PostgreSQL
"""Bad clusters: servers that are away, are the wrong one, or will not; roles
that cannot log in; hands that meddle between two steps of a rotation.  The
sentence says which and what to do, and no password is lost."""

import contextlib
import os
import re
import shlex
import socket
import subprocess

import psycopg
import pytest

from rig.authority import Authority
from rig.daemon import overdue
from rig.installation import ADMIN, ADMIN_PASSWORD, wait_for
from rig.server import as_account, environment, free_port, own
from rig.verdict import Before, finding, nothing_changed, sentence

HERE = os.path.dirname(os.path.abspath(__file__))
FROZEN = 5
REFUSED = 6
AWAY = 8
UNKNOWN = 9
REJECTED = 16


def where(site):
    return f"127.0.0.1 port {site.server.port}"


# ---- Away -------------------------------------------------------------------

def test_a_server_that_is_down(new_server, new_site):
    site = new_site(on=new_server())
    site.run("rotate", "sap", expect=0)
    before = Before(site)
    site.server.stop()
    sentence(site.run("rotate", "sap"), AWAY, "cluster main", where(site),
             "check host, port")
    finding(site.run("check"), where(site))
    # What needs no server goes on.
    assert site.status()["version"] == site.current().id
    assert site.get() == before.password
    site.server.start()
    before.holds()
    assert "unavailable" in site.status()["last_error"] or \
        where(site) in site.status()["last_error"]
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_server_that_takes_the_connection_and_says_nothing(taken_over):
    site = taken_over
    with nothing_changed(site), socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        site.configure(conninfo=site.conninfo(port=port),
                       cluster="connect_timeout = 1s")
        done = site.run("rotate", "sap")
        sentence(done, AWAY, f"127.0.0.1 port {port}", "in time",
                 "check host, port and network")
        assert done.seconds < 5


def test_a_server_that_is_no_postgresql(taken_over):
    site = taken_over
    with nothing_changed(site), socket.socket() as web:
        web.bind(("127.0.0.1", 0))
        web.listen()
        port = web.getsockname()[1]
        site.configure(conninfo=site.conninfo(port=port))
        running = site.start("rotate", "sap")
        c, _ = web.accept()
        c.recv(8)
        c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n\x1b[2Joops")
        c.close()
        sentence(running.finish(), AWAY, f"127.0.0.1 port {port}")


def test_a_host_name_that_nobody_knows(taken_over):
    site = taken_over
    with nothing_changed(site):
        site.configure(conninfo=site.conninfo(host="db.invalid"))
        sentence(site.run("rotate", "sap"), AWAY, "db.invalid", "check host")


def test_a_server_that_refuses_the_administrator(taken_over):
    site = taken_over
    with nothing_changed(site):
        site.server.hba(f"hostssl all {ADMIN} 127.0.0.1/32 reject")
        sentence(site.run("rotate", "sap"), REFUSED, where(site),
                 "pg_hba.conf", "28000")
        finding(site.run("check"), "pg_hba.conf")


def test_a_wrong_password_of_the_administrator(taken_over):
    site = taken_over
    with nothing_changed(site):
        with open(site.passfile, "w") as f:
            f.write(f"*:*:*:{ADMIN}:wrong\n")
        sentence(site.run("rotate", "sap"), REFUSED, where(site),
                 "refuses the password", "28P01")
        with open(site.passfile, "w") as f:
            f.write(f"*:*:*:somebody_else:{ADMIN_PASSWORD}\n")
        sentence(site.run("rotate", "sap"), AWAY, where(site),
                 "admin_passfile")
        site.write_passfile("*")


def test_a_database_that_is_not_there(taken_over):
    site = taken_over
    with nothing_changed(site):
        site.configure(conninfo=site.conninfo(dbname="nowhere"))
        sentence(site.run("rotate", "sap"), REFUSED, "no such database",
                 "correct dbname")


# ---- The wrong one ----------------------------------------------------------

def test_a_certificate_of_another_ca(taken_over, tmp_path):
    site = taken_over
    other = Authority(str(tmp_path / "ca"), "somebody else's CA")
    with nothing_changed(site):
        site.configure(conninfo=site.conninfo(sslrootcert=other.certificate))
        sentence(site.run("rotate", "sap"), AWAY, where(site), "CA",
                 "sslrootcert")
        finding(site.run("check"), "sslrootcert")


def test_a_file_of_trusted_cas_that_is_not_there(taken_over, tmp_path):
    site = taken_over
    with nothing_changed(site):
        site.configure(conninfo=site.conninfo(sslrootcert=tmp_path / "no.pem"))
        sentence(site.run("rotate", "sap"), AWAY, "sslrootcert", "correct")


@contextlib.contextmanager
def certificate(server, name, **how):
    server.set_certificate(*server.authority.issue(name, **how))
    server.reload()
    try:
        yield
    finally:
        server.set_certificate(*server.authority.issue("server"))
        server.reload()


def test_an_expired_certificate(taken_over):
    site = taken_over
    with nothing_changed(site):
        with certificate(site.server, "expired", ends="20210101000000Z"):
            sentence(site.run("rotate", "sap"), AWAY, where(site), "expired")
            finding(site.run("check"), "expired")


def test_a_certificate_for_another_host(taken_over):
    site = taken_over
    with nothing_changed(site):
        with certificate(site.server, "other", hosts=("DNS:db.example.org",)):
            sentence(site.run("rotate", "sap"), AWAY, where(site),
                     "another host name", "correct host")
            finding(site.run("check"), "another host name")


def test_a_server_without_tls(new_server, new_site):
    site = new_site(on=new_server())
    server = site.server
    server.configure(ssl="off")
    server.hba("host all all 127.0.0.1/32 scram-sha-256")
    sentence(site.run("rotate", "sap"), AWAY, where(site), "no TLS",
             "ssl = on")
    assert site.versions() == []


def test_a_standby_instead_of_the_primary(new_server, new_site):
    primary = new_server()
    site = new_site(on=primary)
    site.run("rotate", "sap", expect=0)
    standby = new_server(standby_of=primary)
    with nothing_changed(site):
        site.configure(conninfo=site.conninfo(port=standby.port))
        sentence(site.run("rotate", "sap"), REFUSED,
                 f"127.0.0.1 port {standby.port}", "standby",
                 "name the primary", "or all hosts")
        finding(site.run("check"), "standby")


def test_a_primary_behind_a_standby_that_lags(new_server, new_site):
    """All hosts are named, the standby first, and it does not have the new
    password yet: the proof is asked of where it was changed."""
    primary = new_server()
    site = new_site(on=primary)
    standby = new_server(standby_of=primary)
    site.run("rotate", "sap", expect=0)
    wait_for(lambda: standby.sql("select pg_last_wal_replay_lsn()") ==
             primary.sql("select pg_current_wal_lsn()"), "the standby")
    standby.sql("select pg_wal_replay_pause()")
    site.configure(
        conninfo=site.conninfo(host="127.0.0.1,127.0.0.1",
                               port=f"{standby.port},{primary.port}"),
        cluster=f"host = 127.0.0.1\nport = {primary.port}")
    before = site.current()
    site.run("rotate", "sap", expect=0)
    assert site.settled().id != before.id
    site.run("check", expect=0)
    site.must_log_in(before.password, server=standby)


def test_hosts_of_which_consumers_are_told_as_libpq_looks_them_up(taken_over):
    """A list is a list; the address where there is no name; one port."""
    site = taken_over
    port = site.server.port

    def sink():
        with open(os.path.join(site.sinks, "sap.pgpass")) as f:
            return [line.split(":")[:2] for line in f if line[0] != "#"]
    site.configure(conninfo=site.conninfo(host="127.0.0.1,localhost",
                                          port=f"{port},{port}"))
    site.run("rotate", "sap", expect=0)
    assert sink() == [["127.0.0.1", str(port)], ["localhost", str(port)]]
    site.run("check", expect=0)
    password = site.current().password
    lines = site.run("get", "sap", "--format", "pgpass", expect=0).out
    assert [x.split(":")[0] for x in lines.splitlines()] == ["127.0.0.1",
                                                             "localhost"]
    assert all(x.endswith(":" + password) for x in lines.splitlines())
    # An address alone has no name that a certificate could be compared with.
    site.configure(conninfo=site.conninfo(host=None, hostaddr="127.0.0.1",
                                          sslmode="verify-ca"),
                   cluster="insecure = yes")
    site.run("rotate", "sap", expect=0)
    assert sink() == [["127.0.0.1", str(port)]]
    site.must_log_in(site.current().password)
    with nothing_changed(site):
        site.configure(conninfo=site.conninfo(host="127.0.0.1,127.0.0.1",
                                              port=f"{port},{port + 1}"))
        sentence(site.run("rotate", "sap"), 2, "keyturn.conf:",
                 "[role sap]", "one port", "set host and port")
        finding(site.run("check"), "one port")


def test_a_server_that_only_reads(taken_over):
    site = taken_over
    with nothing_changed(site):
        site.server.configure(default_transaction_read_only="on")
        sentence(site.run("rotate", "sap"), REFUSED, where(site),
                 "read-only", "default_transaction_read_only")
        finding(site.run("check"), "read-only")


def test_a_database_that_only_reads(taken_over):
    """Set where the start-up packet does not show it."""
    site = taken_over
    with nothing_changed(site):
        site.server.sql(f"alter database {site.database} set "
                        "default_transaction_read_only = on")
        sentence(site.run("rotate", "sap"), REFUSED, "read-only")
        site.server.sql(f"alter database {site.database} reset all")


# ---- Slow and full ----------------------------------------------------------

@contextlib.contextmanager
def changed_by_somebody(site, change="connection limit 5"):
    """A transaction that has changed the role, and not ended."""
    with site.server.connect() as holder:
        holder.autocommit = False
        holder.execute(f'alter role "sap" {change}')
        yield
        holder.rollback()


def test_a_lock_on_the_role(taken_over):
    site = taken_over
    site.configure(cluster="lock_timeout = 1s")
    with nothing_changed(site, staged=True), changed_by_somebody(site):
        sentence(site.run("rotate", "sap"), AWAY, "role sap", "lock")
    site.configure()
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_lock_on_the_marker(taken_over):
    site = taken_over
    site.configure(cluster="lock_timeout = 1s")
    with nothing_changed(site):
        with site.server.connect(site.database) as holder:
            holder.autocommit = False
            holder.execute("select from keyturn.marker for update")
            done = site.run("rotate", "sap")
            sentence(done, done.exit, "role sap")
            assert done.exit in (AWAY, 13), done.text


def test_a_statement_timeout(taken_over):
    site = taken_over
    site.configure(cluster="lock_timeout = 60s\nstatement_timeout = 1s")
    with nothing_changed(site, staged=True), changed_by_somebody(site):
        done = site.run("rotate", "sap")
        assert done.exit in (AWAY, UNKNOWN, 15), done.text
        sentence(done, done.exit, "role sap", "statement_timeout")
    site.configure()
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_connection_limit_on_the_administrator(taken_over):
    site = taken_over
    with nothing_changed(site):
        site.server.sql(f"alter role {ADMIN} connection limit 0")
        sentence(site.run("rotate", "sap"), AWAY, where(site),
                 "no connection left", "max_connections")
        finding(site.run("check"), "no connection left")


def test_a_server_without_a_free_connection(taken_over):
    site = taken_over
    with nothing_changed(site), contextlib.ExitStack() as held:
        with pytest.raises(psycopg.OperationalError, match="reserved|too many"):
            while True:
                held.enter_context(psycopg.connect(
                    host="127.0.0.1", port=site.server.port, user=ADMIN,
                    dbname=site.database, password=ADMIN_PASSWORD))
        sentence(site.run("rotate", "sap"), AWAY, where(site),
                 "no connection left")


def test_a_role_whose_own_connections_are_all_taken_is_rotated(taken_over):
    """The server says so only after it has taken the password."""
    site = taken_over
    site.server.sql("alter role sap connection limit 1")
    with psycopg.connect(host="127.0.0.1", port=site.server.port, user="sap",
                         dbname=site.database,
                         password=site.current().password):
        site.run("rotate", "sap", expect=0)
    site.settled()


# ---- Roles that cannot log in -----------------------------------------------

def test_a_role_that_may_not_log_in(taken_over):
    site = taken_over
    with nothing_changed(site):
        site.server.sql("alter role sap nologin")
        sentence(site.run("rotate", "sap"), REFUSED, "sap", "NOLOGIN",
                 'ALTER ROLE "sap" LOGIN')
        finding(site.run("check"), "NOLOGIN")
        site.server.sql("alter role sap login")


def test_a_password_that_has_expired(taken_over):
    site = taken_over
    with nothing_changed(site):
        site.server.sql("alter role sap valid until '2020-02-02'")
        sentence(site.run("rotate", "sap"), REFUSED, "sap", "expired",
                 "2020-02-02", "VALID UNTIL 'infinity'")
        finding(site.run("check"), "expired")
        site.server.sql("alter role sap valid until 'infinity'")


def test_a_role_with_an_md5_password_is_moved_to_scram(new_site):
    site = new_site()
    site.server.sql("set password_encryption = md5")
    site.server.sql("alter role sap password "
                    "'md5a3556571e93b0d20722ba62be61e8c2d'")
    site.server.sql("reset password_encryption")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=site.server.port, user="sap",
                        dbname=site.database, password="mypassword")
    site.run("rotate", "sap", expect=0)
    site.settled()
    (verifier,), = site.server.sql("select rolpassword from pg_authid where "
                                   "rolname = 'sap'")
    assert verifier.startswith("SCRAM-SHA-256$")


def test_check_says_that_an_md5_password_will_be_moved(new_site):
    site = new_site()
    site.server.sql(f"alter role {ADMIN} superuser")
    site.server.sql("alter role sap password "
                    "'md5a3556571e93b0d20722ba62be61e8c2d'")
    done = site.run("check", expect=0)
    assert re.search(r"^note .*sap.*md5.*SCRAM", done.out, re.M), done.text


def test_a_rule_that_asks_for_md5_takes_scram_too(taken_over):
    taken_over.server.hba("hostssl all sap 127.0.0.1/32 md5")
    taken_over.run("rotate", "sap", expect=0)
    taken_over.server.hba()
    taken_over.settled()


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_a_server_that_asks_for_no_password_changes_nothing(new_site, known):
    site = new_site(keyturn="control_interval = 0s")
    if known:
        site.run("rotate", "sap", expect=0)
    site.server.hba("hostssl all sap 127.0.0.1/32 trust")
    old = site.current()
    sentence(site.run("rotate", "sap"), REFUSED, "role sap",
             "without asking", "pg_hba.conf", "nothing was changed")
    assert site.current() == old and site.labelled("pending") is None
    finding(site.run("check"), "sap", "without asking", "pg_hba.conf")
    # Mended: the next run is as if nothing had been.
    site.server.hba()
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_trust_is_seen_also_where_the_control_is_remembered(taken_over):
    """The hour of the wrong-password control is no hour of blindness."""
    site = taken_over
    site.run("rotate", "sap", expect=0)
    old = site.current()
    site.server.hba("hostssl all all 127.0.0.1/32 trust")
    sentence(site.run("rotate", "sap"), FROZEN, "role sap",
             "without asking", "pg_hba.conf", "keyturn thaw sap")
    # Nothing is promoted without a proof.
    assert site.current() == old
    assert site.status()["state"] == "frozen"
    sentence(site.run("rotate", "sap"), FROZEN, "sap", "frozen",
             "keyturn thaw sap")
    done = site.run("check")
    assert re.search("^warn .*sap.*frozen", done.out, re.M), done.text
    site.server.hba()
    site.run("thaw", "sap", expect=0)
    site.run("recover", "sap", expect=0)
    site.settled()


# ---- Meddling between two steps ---------------------------------------------

class Steps:
    """Names for places in a rotation, as seen from outside."""

    def __init__(self, site):
        self.site = site
        self.mark = site.server.mark()

    def claim(self, effect):
        """Preflight has looked at the role; the claim is not sent."""
        return effect.sends and \
            "rolconnlimit" in self.site.server.log_since(self.mark)

    def apply(self, effect):
        """PENDING is stored; nothing of it is sent."""
        return effect.sends and self.site.labelled("pending") is not None

    def prove(self, effect):
        """The new password is live; no login was tried."""
        pending = effect.call == "connect" and self.site.labelled("pending")
        return pending and self.site.marker()["live_version"] == pending.id


def let_run(running):
    running.go_on()
    while running.wait_stopped():
        running.go_on()
    return running.finish()


@contextlib.contextmanager
def between(site, step, *argv):
    """Stopped before a step; `.done` is its Result after the block."""
    class Meddling:
        done = None
    running = site.stop_before(getattr(Steps(site), step),
                               *(argv or ("rotate", "sap")))
    m = Meddling()
    yield m
    m.done = let_run(running)


@pytest.mark.parametrize("step", ["claim", "apply"])
def test_a_role_dropped_between_two_steps(taken_over, step):
    site = taken_over
    versions = site.versions()
    with between(site, step) as m:
        site.server.sql("drop role sap")
    sentence(m.done, FROZEN if step == "apply" else REFUSED, "sap")
    assert site.server.sql("select from pg_roles where rolname = 'sap'") == []
    now = site.versions()
    assert {v.id for v in versions} <= {v.id for v in now}
    assert site.current() == versions[0]
    if step == "apply":
        assert "dropped or renamed" in m.done.out
        assert site.status()["state"] == "frozen"


@pytest.mark.parametrize("step", ["claim", "apply", "prove"])
def test_a_role_renamed_between_two_steps(taken_over, step):
    site = taken_over
    before = site.current()
    with between(site, step) as m:
        site.server.sql("alter role sap rename to erp")
        site.create_role("sap", "Another-password.of-a-new-role-1")
    # The new "sap" is somebody else: its password is not touched.
    site.must_log_in("Another-password.of-a-new-role-1")
    line = sentence(m.done, m.done.exit, "sap")
    assert m.done.exit in (FROZEN, REFUSED, UNKNOWN), line
    assert site.current().id == before.id
    if step != "prove":
        site.must_log_in(before.password, "erp")
    if site.status()["state"] != "frozen":
        # Nor by the next run, which says what it found.
        sentence(site.run("rotate", "sap"), FROZEN, "renamed")
    site.must_log_in("Another-password.of-a-new-role-1")


HAND = "Set-by.hand_between-two-steps-42"


@pytest.fixture(params=["reads pg_authid", "does not"])
def seeing(request, taken_over):
    """Does keyturn's administrator see that a verifier changed?"""
    if request.param == "reads pg_authid":
        taken_over.server.sql(f"alter role {ADMIN} superuser")
        taken_over.run("rotate", "sap", expect=0)
    return request.param == "reads pg_authid"


@pytest.mark.parametrize("step", ["claim", "prove"])
def test_a_password_changed_by_hand_between_two_steps(taken_over, seeing,
                                                      step):
    site = taken_over
    known = {v.id for v in site.versions()}
    with between(site, step) as m:
        site.set_password("sap", HAND)
    if step == "claim" and not seeing:
        # Nobody can know; what keyturn was told to do is done.
        assert m.done.exit == 0, m.done.text
        site.must_not_log_in(HAND)
        site.settled()
        return
    # Whoever did it had a reason: it stays, and the role freezes.
    line = sentence(m.done, FROZEN, "sap")
    assert "somebody else" in line or "refuses the new password" in line
    assert "keyturn thaw" in line and "keyturn import" in line
    site.must_log_in(HAND)
    assert site.status()["state"] == "frozen"
    assert known <= {v.id for v in site.versions()}
    # A person decides: take the new one over, ...
    site.run("thaw", "sap", expect=0)
    give(site, HAND, 0)
    assert site.settled().password == HAND
    # ... and go on.
    site.run("rotate", "sap", expect=0)
    site.must_not_log_in(HAND)
    site.settled()


def test_a_password_changed_by_hand_just_before_the_apply(taken_over, seeing):
    """The window of microseconds that no compare-and-swap of ours covers:
    whichever came last is live, and keyturn knows which."""
    site = taken_over
    with between(site, "apply") as m:
        site.set_password("sap", HAND)
    if m.done.exit == 0:
        site.must_not_log_in(HAND)
        site.settled()
    else:
        sentence(m.done, FROZEN, "sap", "somebody else")
        site.must_log_in(HAND)


def test_a_password_changed_by_hand_between_two_rotations(taken_over, seeing):
    site = taken_over
    site.set_password("sap", HAND)
    if not seeing:
        finding(site.run("check"), "sap", "does not log in")
        site.run("rotate", "sap", expect=0)
        site.settled()
        return
    finding(site.run("check"), "sap", "changed by somebody else")
    with_hand = site.versions()
    line = sentence(site.run("rotate", "sap"), FROZEN, "sap",
                    "somebody else", "keyturn thaw")
    assert "keyturn import" in line and "--emergency" in line
    assert site.versions() == with_hand
    site.must_log_in(HAND)
    site.run("thaw", "sap", expect=0)
    site.run("rotate", "sap", "--emergency", expect=0)
    site.must_not_log_in(HAND)
    site.settled()


def give(site, password, expect, role="sap"):
    """`keyturn import` with the password on a pipe: the Result."""
    read, write = os.pipe()
    site.remember(password, "a password given to import")
    os.write(write, password.encode())
    os.close(write)
    try:
        return site.run("import", role, "--password-fd", str(read),
                        expect=expect, fds=(read,))
    finally:
        os.close(read)


@pytest.mark.parametrize("change, back", [
    ("nologin", "login"),
    ("valid until '2020-02-02'", "valid until 'infinity'"),
])
@pytest.mark.parametrize("step", ["claim", "apply", "prove"])
def test_a_role_locked_between_two_steps_is_finished_later(
        taken_over, step, change, back):
    site = taken_over
    site.configure(cluster="prove_deadline = 1s")
    known = {v.id for v in site.versions()}
    with between(site, step) as m:
        site.server.sql(f"alter role sap {change}")
    site.server.sql(f"alter role sap {back}")
    # NOLOGIN is said after the password was taken, so that is a proof.
    if m.done.exit != 0:
        sentence(m.done, m.done.exit, "sap")
    assert site.live() is not None
    assert known <= {v.id for v in site.versions()}
    if site.status()["state"] == "frozen":
        site.run("thaw", "sap", expect=0)
    site.run("recover", "sap", expect=0)
    site.settled()


def test_rules_changed_to_trust_between_two_steps(taken_over):
    site = taken_over
    before = site.current()
    with between(site, "prove") as m:
        site.server.hba("hostssl all sap 127.0.0.1/32 trust")
    sentence(m.done, FROZEN, "sap", "without asking")
    assert site.current() == before
    site.server.hba()
    site.run("thaw", "sap", expect=0)
    site.run("recover", "sap", expect=0)
    assert site.settled().id != before.id


def test_a_password_that_pam_refuses_is_not_proved(taken_over):
    """The server says 28000, as it does for NOLOGIN after a right password."""
    site = taken_over
    before = site.current()
    site.configure(cluster="prove_deadline = 1s")
    with between(site, "prove") as m:
        site.server.hba("hostssl all sap 127.0.0.1/32 pam "
                        "pamservice=keyturn-has-none")
    sentence(m.done, UNKNOWN, "sap", "PAM", "pg_hba.conf", "keyturn recover")
    assert site.current() == before
    site.server.hba()
    site.run("recover", "sap", expect=0)
    assert site.settled().id != before.id


def test_a_server_that_goes_down_between_two_steps(new_server, new_site):
    site = new_site(on=new_server(), cluster="prove_deadline = 1s")
    site.run("rotate", "sap", expect=0)
    before = site.current()
    with between(site, "prove") as m:
        site.server.stop("immediate")
    sentence(m.done, UNKNOWN, "sap", "keyturn recover")
    site.server.start()
    assert site.current() == before
    site.run("recover", "sap", expect=0)
    assert site.settled().id != before.id


# ---- Extensions that judge passwords ----------------------------------------

@pytest.fixture(scope="session")
def refuse_module(folder):
    """refuse.c, for the server that the tests start."""
    include = subprocess.run(["pg_config", "--includedir-server"],
                             capture_output=True, text=True)
    target = os.path.join(folder, "refuse.so")
    done = subprocess.run(
        [*shlex.split(os.environ.get("CC", "cc")), "-shared", "-fPIC", "-O1",
         "-I", include.stdout.strip(), "-o", target,
         os.path.join(HERE, "refuse.c")], capture_output=True, text=True)
    assert done.returncode == 0, \
        f"install postgresql-server-dev-all (./dev test does): {done.stderr}"
    return target


@pytest.fixture
def refusing(refuse_module, taken_over):
    """refusing("22023", 2): the server's rules refuse the next two."""
    server = taken_over.server
    server.configure(session_preload_libraries=refuse_module)
    path = os.path.join(server.data, "refuse")

    def refuse(sqlstate, times):
        with open(path, "w") as f:
            f.write(sqlstate * times)
        os.chmod(path, 0o600)
        own(path)
        return lambda: times - os.path.getsize(path) // 5
    yield refuse
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


@pytest.mark.parametrize("sqlstate", ["22023", "28000", "P0001"])
def test_a_rejected_password_is_replaced_by_another_at_once(
        taken_over, refusing, sqlstate):
    site = taken_over
    asked = refusing(sqlstate, 2)
    site.run("rotate", "sap", expect=0)
    assert asked() == 2
    site.settled()


def test_rules_that_reject_every_password(taken_over, refusing):
    site = taken_over
    asked = refusing("22023", 9)
    with nothing_changed(site) as before:
        sentence(site.run("rotate", "sap"), REJECTED, "sap", "rejects",
                 "policy", "22023")
        assert asked() == 3
        # The three are in the ring, and none of them is PENDING for ever.
        left = [v for v in site.versions() if v not in before.versions]
        assert len(left) == 3
        for version in left:
            site.must_not_log_in(version.password)
        before.versions = site.versions()
    refusing("22023", 0)
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_rules_that_only_complain_are_not_overheard(taken_over, refusing):
    site = taken_over
    refusing("00000", 1)
    with nothing_changed(site, staged=True):
        sentence(site.run("rotate", "sap"), REFUSED, "sap", "notice",
                 "rolled back")


@pytest.mark.parametrize("code", ["0A000", "28PLN"])
def test_rules_that_take_no_verifier(taken_over, refusing, code):
    """As credcheck does by default."""
    site = taken_over
    asked = refusing(code, 9)
    with nothing_changed(site, staged=True):
        sentence(site.run("rotate", "sap"), REFUSED, "sap", "verifier",
                 "encrypted_password_allowed")
    assert asked() == 1
    # Told that it may, keyturn sends the password then.
    refusing(code, 1)
    site.configure(cluster="password_send = auto")
    site.server.configure(log_statement="ddl")
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_what_takes_no_verifier_is_remembered_of_one_server(taken_over,
                                                            refusing):
    """Another one, which the cluster's conninfo names now, is given one."""
    site = taken_over
    auto = "password_send = auto"
    site.configure(cluster=auto)
    site.server.configure(log_statement="ddl")
    refusing("0A000", 1)
    site.run("rotate", "sap", expect=0)

    def verifiers():
        mark = site.server.mark()
        site.run("rotate", "sap", expect=0)
        return site.server.log_since(mark).count("'SCRAM-SHA-256$")
    assert verifiers() == 0
    site.configure(cluster=auto, conninfo=site.conninfo(keepalives_idle=77))
    assert verifiers() == 1
    site.settled()


@pytest.mark.parametrize("send", ["scram", "plain"])
def test_rules_that_want_a_date_are_told_as_that(taken_over, refusing, send):
    site = taken_over
    site.configure(cluster=f"password_send = {send}")
    site.server.configure(log_statement="ddl")
    asked = refusing("28VAL", 9)
    with nothing_changed(site, staged=True):
        sentence(site.run("rotate", "sap"), REFUSED, "VALID UNTIL",
                 "credcheck.password_valid_until = 0")
    assert asked() == 1


def test_a_right_that_rds_wants_is_named(taken_over):
    site = taken_over
    with open(os.path.join(site.server.data, "postgresql.auto.conf"),
              "a") as f:
        f.write("rds.restrict_password_commands = 'on'\n")
    site.server.reload()
    site.server.sql("create role rds_password")
    cure = f'GRANT rds_password TO "{ADMIN}"'
    with nothing_changed(site):
        finding(site.run("check", "sap"), "rights", cure)
        sentence(site.run("rotate", "sap"), REFUSED, cure)
    site.server.sql(cure)
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.settled()


@pytest.mark.parametrize("name", ["databricks_replication", "rdsadmin_crm",
                                  "pgadmin"])
def test_a_name_like_a_services_is_free_elsewhere(new_site, name):
    site = new_site(roles=(name,))
    site.run("check", name, expect=0)
    site.run("rotate", name, expect=0)
    site.settled(name)


@pytest.mark.parametrize("sign, name", [
    ("databricks_superuser", "databricks_control_plane"),
    ("databricks_superuser", "databricks_reader_16384"),
    ("rdsadmin", "rdsadmin"), ("cloudsqladmin", "cloudsqlagent")])
def test_a_role_of_the_service_is_never_rotated(new_site, sign, name):
    site = new_site(roles=(name,))
    if sign != name:
        site.server.sql(f"create role {sign}")
    finding(site.run("check", name), "belongs to")
    sentence(site.run("rotate", name), REFUSED, name, "belongs to")
    assert site.versions(name) == []


def test_check_says_what_it_verified(site):
    done = site.run("check", "sap", expect=0)
    assert "the certificate's chain and host name are verified" in done.out
    for mode, words in [("verify-ca", "its host name is not"),
                        ("require", "no certificate is verified"),
                        ("disable", "no certificate is verified")]:
        site.configure(conninfo=site.conninfo(sslmode=mode))
        if mode == "disable":
            site.server.hba("host all all 127.0.0.1/32 scram-sha-256")
        done = site.run("check", "sap", expect=0)
        assert words in done.out and "name are verified" not in done.out


def test_a_password_that_ends_before_the_next_rotation_is_a_warning(
        taken_over):
    site = taken_over
    site.server.sql("alter role sap valid until 'tomorrow'")
    done = site.run("check", "sap", "--quiet", expect=0)
    assert re.search("^warn .*sap.*expiry.*VALID UNTIL 'infinity'", done.out,
                     re.M), done.text
    assert "VALID UNTIL" in site.run("status", "sap", expect=0).out
    assert site.status()["valid_until"]
    for date in "infinity", "2999-01-01":
        site.server.sql(f"alter role sap valid until '{date}'")
        assert "expiry" not in site.run("check", "sap", expect=0).out
        assert "VALID UNTIL" not in site.run("status", "sap", expect=0).out
    # A rotation finds it, too.
    site.server.sql("alter role sap valid until 'tomorrow'")
    site.run("rotate", "sap", expect=0)
    assert "VALID UNTIL" in site.run("status", "sap", expect=0).out


@pytest.mark.parametrize("more", [(), ("--quiet",), ("--json",)],
                         ids=["plain", "quiet", "json"])
def test_a_rotation_warns_of_a_password_that_ends_before_the_next(taken_over,
                                                                  more):
    site = taken_over
    site.server.sql("alter role sap valid until '2999-01-01'")
    assert "VALID UNTIL" not in site.run("rotate", "sap", *more, expect=0).text
    site.server.sql("alter role sap valid until 'tomorrow'")
    warning = r"warning: sap: the password is valid until .*" \
        r"""ALTER ROLE "sap" VALID UNTIL 'infinity'"""
    for command in "rotate", "recover":
        done = site.run(command, "sap", *more, expect=0)
        assert re.search(warning, done.err), done.text
        assert len(done.err.splitlines()) == 1, done.text
    assert "VALID UNTIL" not in done.out
    site.settled()
    # Nothing is run, so nothing is said.
    assert "VALID UNTIL" not in site.run("rotate", "--due", *more,
                                         expect=3).text
    overdue(site)
    done = site.run("rotate", "--due", *more, expect=0)
    assert re.search(warning, done.err), done.text
    site.server.sql("alter role sap valid until 'infinity'")
    assert "VALID UNTIL" not in site.run("rotate", "sap", *more, expect=0).text


def test_passwordcheck_takes_what_keyturn_sends(taken_over):
    site = taken_over
    site.server.configure(session_preload_libraries="passwordcheck")
    site.run("rotate", "sap", expect=0)
    site.settled()


# ---- A pooler in between ----------------------------------------------------

POOLER = """
[databases]
* = host=127.0.0.1 port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = {mode}
server_tls_sslmode = require
client_tls_sslmode = require
client_tls_cert_file = {folder}/cert.pem
client_tls_key_file = {folder}/key.pem
ignore_startup_parameters = {ignore}
"""


@pytest.fixture
def pooler(taken_over, tmp_path):
    """pooler(mode, ignored start-up parameters): the port of a PgBouncer in
    front of the server."""
    made = []
    server = taken_over.server
    folder = os.path.join(server.folder, "pooler")
    os.makedirs(folder, exist_ok=True)
    own(folder)

    def file(name, content):
        path = os.path.join(folder, name)
        with open(path, "w") as f:
            f.write(content)
        os.chmod(path, 0o600)
        own(path)
        return path

    def start(mode, ignore="extra_float_digits"):
        listen = free_port()
        cert, key = server.authority.issue("pooler")
        file("cert.pem", open(cert).read())
        file("key.pem", open(key).read())
        file("users", f'"{ADMIN}" "{ADMIN_PASSWORD}"\n')
        ini = file("pgbouncer.ini", POOLER.format(
            port=server.port, listen=listen, folder=folder, mode=mode,
            ignore=ignore))
        made.append(subprocess.Popen(
            as_account([program(), "-q", ini]), cwd="/", env=environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_for(lambda: answers(listen), "the pooler to start")
        return listen

    yield start
    for process in made:
        process.terminate()
        process.wait()
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


def program():
    for path in ("/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"):
        if os.path.exists(path):
            return path
    raise AssertionError("install pgbouncer (./dev test does)")


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("ignore", [
    "extra_float_digits", "extra_float_digits,options"],
    ids=["strict", "lenient"])
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_pooler_in_between_is_refused(taken_over, pooler, mode, ignore):
    site = taken_over
    port = pooler(mode, ignore)
    with nothing_changed(site):
        site.configure(conninfo=site.conninfo(port=port))
        done = site.run("rotate", "sap")
        line = sentence(done, REFUSED, "pooler")
        assert "directly" in line or "name the server itself" in line, line
        assert "pooler" in site.run("check").out
    site.configure()
    site.run("rotate", "sap", expect=0)
    site.settled()
