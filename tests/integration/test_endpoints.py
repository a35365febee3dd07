# SPDX-License-Identifier: PostgreSQL
"""A password is proved on every endpoint; a replica may need time, and a pooler
must not depend on what is delivered after the proof."""

import os
import secrets
import shutil
import subprocess
import tempfile

import psycopg
import pytest

from rig.daemon import QUICK, Daemon, overdue
from rig.pair import NOT_PERMITTED, PAIR, new_pair
from rig.server import as_account, free_port, own, wait_for
from rig.verdict import finding, nothing_changed, sentence

REFUSED, UNKNOWN = 6, 9
NO_CONTROL_MEMORY = "control_interval = 0s"

BOUNCER = """
[databases]
{database} = host=127.0.0.1 port={server} dbname={database}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/userlist.txt
client_tls_sslmode = require
client_tls_cert_file = {folder}/pooler.pem
client_tls_key_file = {folder}/pooler.key
server_tls_sslmode = require
server_login_retry = 1
{more}
"""


class Bouncer:
    """A PgBouncer in front of a site's server."""

    def __init__(self, site, authority, folder, query):
        self.site = site
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="pb-", dir=folder)
        self.auth_file = os.path.join(self.folder, "userlist.txt")
        self.sink = f"sink = pgbouncer {self.auth_file}"
        self.endpoint = f"endpoint = {site.conninfo(port=self.port)}\n"
        for made, name in zip(authority.issue("pooler"),
                              ("pooler.pem", "pooler.key")):
            shutil.copy(made, os.path.join(self.folder, name))
        users, more = "", ""
        if query:
            password = secrets.token_hex(16)
            site.create_role("pooler_auth", password, "superuser login",
                             admin="postgres")
            users = f'"pooler_auth" "{password}"\n'
            more = "auth_user = pooler_auth"
        self.write("userlist.txt", users)
        self.write("pgbouncer.ini", BOUNCER.format(
            database=site.database, server=site.server.port, port=self.port,
            folder=self.folder, more=more))
        for name in os.listdir(self.folder):
            os.chmod(os.path.join(self.folder, name), 0o600)
            own(os.path.join(self.folder, name))
        own(self.folder)
        self.process = None

    def write(self, name, content):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(content)

    def content(self):
        with open(self.auth_file) as f:
            return f.read()

    def start(self):
        with open(os.path.join(self.site.evidence, "pgbouncer"), "w") as log:
            self.process = subprocess.Popen(
                as_account(["pgbouncer", "pgbouncer.ini"]), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/bin"})
        wait_for(self.answers, "PgBouncer")
        return self

    def answers(self):
        assert self.process.poll() is None
        try:
            self.log_in("nobody", "nothing")
        except psycopg.OperationalError as e:
            return "authentication failed" in str(e) or "no such" in str(e)
        return False

    def log_in(self, user, password):
        with psycopg.connect(
                host="127.0.0.1", port=self.port, user=user, autocommit=True,
                password=password, dbname=self.site.database,
                prepare_threshold=None, connect_timeout=20) as c:
            assert c.execute("select current_user").fetchone() == (user,)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.folder)


@pytest.fixture
def bouncer(new_site, authority, folder):
    """bouncer(query=...): one in front of a new site's server."""
    made = []

    def make(query):
        made.append(Bouncer(new_site(), authority, folder, query))
        return made[-1]
    yield make
    for each in made:
        each.stop()


def with_replica(new_server, new_site, delay, deadline):
    primary = new_server()
    site = new_site(on=primary)
    replica = new_server(standby_of=primary)
    site.run("rotate", "sap", expect=0)
    wait_for(lambda: site.login(site.current().password, "sap", replica),
             "the replica to have the password")
    site.configure(cluster=f"endpoint = {site.conninfo(port=replica.port)}\n"
                           f"prove_deadline = {deadline}\n")
    replica.sql(f"alter system set recovery_min_apply_delay = '{delay}'")
    replica.reload()
    return site, replica


def test_a_replica_that_lags_is_waited_for(new_server, new_site):
    site, replica = with_replica(new_server, new_site, "2s", "30s")
    site.run("rotate", "sap", expect=0)
    current = site.settled()
    site.must_log_in(current.password, server=replica)
    assert "frozen" not in site.status()["state"]


def test_a_replica_that_lags_too_long_leaves_the_outcome_open(new_server,
                                                              new_site):
    site, replica = with_replica(new_server, new_site, "10min", "2s")
    before = site.current()
    result = site.run("rotate", "sap", expect=UNKNOWN)
    assert "lags" in result.text and str(replica.port) in result.text
    # Live on the primary, staged, and not given out: the replica's readers
    # would be locked out.
    assert site.current().id == before.id
    assert site.labelled("pending") is not None
    replica.sql("alter system reset recovery_min_apply_delay")
    replica.reload()
    site.run("recover", "sap", expect=0)
    site.must_log_in(site.settled().password, server=replica)


def test_a_pooler_that_reads_the_roles_own_sink_is_refused_beforehand(bouncer):
    """Its file is written after the proof: it refuses each new password."""
    pooler = bouncer(query=False)
    site = pooler.site
    site.configure(role_settings=pooler.sink)
    site.run("rotate", "sap", expect=0)
    pooler.start()
    pooler.log_in("sap", site.current().password)
    site.configure(role_settings=pooler.sink, cluster=pooler.endpoint,
                   keyturn=QUICK)
    told = ("sap", pooler.port, "PgBouncer", pooler.auth_file,
            "take this endpoint out of [cluster main]", "auth_query")
    file = pooler.content()
    with nothing_changed(site):
        finding(site.run("check"), *told)
        for options in ([], ["--emergency"]):
            sentence(site.run("rotate", *options, "sap"), REFUSED,
                     "nothing was changed", *told)
        overdue(site)
        daemon = Daemon(site).ready()
        daemon.wait_log("auth_query")
        daemon.stop()
    assert pooler.content() == file
    assert site.status()["state"] != "frozen"
    site.configure(role_settings=pooler.sink)
    site.run("rotate", "sap", expect=0)
    assert site.settled().password in pooler.content()


def test_where_no_wrong_password_is_tried_the_proof_tells(bouncer):
    """And the way out that it names is one."""
    pooler = bouncer(query=False)
    site = pooler.site
    settings = {"role_settings": pooler.sink}
    site.configure(**settings)
    site.run("rotate", "sap", expect=0)
    pooler.start()
    site.configure(cluster=pooler.endpoint + "control = no\n"
                   "prove_deadline = 2s\n", **settings)
    before = site.current()
    sentence(site.run("rotate", "sap"), UNKNOWN, "sap", "PgBouncer",
             "take this endpoint out of [cluster main]")
    assert site.current() == before
    site.configure(**settings)
    site.run("recover", "sap", expect=0)
    assert site.settled().password in pooler.content()


def test_a_sink_for_poolers_does_not_hold_up_the_other_roles(bouncer):
    pooler = bouncer(query=True).start()
    site = pooler.site
    site.create_role("other")
    site.configure(cluster=pooler.endpoint, role_settings=pooler.sink,
                   more="[role other]\ncluster = main\nevery = 30d\n")
    for order in (["sap", "other"], ["other", "sap"]):
        done = site.run("rotate", "--jobs", "1", "--json", *order)
        assert {line["role"]: line["status"] for line in done.lines} == \
            {"sap": "REFUSED", "other": "OK"}, done.text


def test_a_pooler_with_auth_query_is_proved_on(bouncer):
    pooler = bouncer(query=True).start()
    site = pooler.site
    settings = {"cluster": pooler.endpoint, "keyturn": NO_CONTROL_MEMORY}
    site.configure(**settings)
    for _ in range(2):
        site.run("check", expect=0)
        site.run("rotate", "sap", expect=0)
        pooler.log_in("sap", site.settled().password)
    controls = [e for e in site.audit() if e.get("kind") == "control"]
    assert len(controls) == 2
    assert {e["detail"] for e in controls} == {"a wrong password is refused"}
    # Proved lately or not: with the sink it is another way.
    site.configure(cluster=pooler.endpoint)
    site.run("rotate", "sap", expect=0)
    site.configure(cluster=pooler.endpoint, role_settings=pooler.sink)
    with nothing_changed(site):
        sentence(site.run("rotate", "sap"), REFUSED, "PgBouncer")


def test_a_retired_member_is_gone_back_to_behind_a_pooler(bouncer):
    """While it has no LOGIN only the server itself tells its right password from
    a wrong one; the pooler is proved on when LOGIN is back."""
    pooler = bouncer(query=True).start()
    site = pooler.site
    with new_pair(site) as pair:
        site.configure(role_settings=PAIR.format(sinks=site.sinks),
                       cluster=pooler.endpoint + "prove_deadline = 5s\n")

        def through(who):
            with psycopg.connect(
                    host="127.0.0.1", port=pooler.port, user=who[0],
                    password=who[1], dbname=site.database,
                    prepare_threshold=None, connect_timeout=20) as c:
                return c.execute("select session_user, current_user"
                                 ).fetchone() == (who[0], "sap")
        pair.run("rotate", "sap")
        first = pair.told()
        assert through(first)
        pair.run("rotate", "sap")
        second = pair.told()
        pair.run("retire", "sap")
        pair.refused(first, NOT_PERMITTED)
        pair.run("rollback", "sap", "--reason", "T-1")
        assert pair.told() == first
        for who in (first, second):
            assert pair.works(who) and through(who)
        # A password that is another by now is none to go back to.
        pair.run("retire", "sap")
        site.server.sql(f"alter role {second[0]} password 'another one'")
        mark = site.server.mark()
        done = pair.run("rollback", "sap", "--reason", "T-2", expect=6)
        assert "ALTER ROLE" not in site.server.log_since(mark).upper(), \
            done.text
        assert pair.told() == first and through(first)


def test_a_poolers_own_copy_of_what_got_out_is_not_called_refused(bouncer):
    """Its auth_file goes before its auth_query, and a session that it has open
    serves whoever it lets in.  So it is not over until the copy is gone, and the
    command goes on from there."""
    pooler = bouncer(query=True).start()
    site = pooler.site
    site.configure(cluster=pooler.endpoint + "prove_deadline = 2s\n")
    site.run("rotate", "sap", expect=0)
    old, users = site.current().password, pooler.content()

    def knows(content):
        pooler.process.terminate()
        pooler.process.wait()
        pooler.write("userlist.txt", content)
        pooler.start()
    knows(users + f'"sap" "{old}"\n')
    pooler.log_in("sap", old)
    sentence(site.run("rotate", "sap", "--compromised", "--reason", "INC-7"),
             UNKNOWN, "sap", str(pooler.port))
    site.must_not_log_in(old)
    pooler.log_in("sap", old)
    sentence(site.run("recover", "sap"), UNKNOWN, "sap", str(pooler.port))
    assert site.status()["compromised"]
    knows(users)
    done = site.run("recover", "sap", expect=0)
    assert "refused on 2 endpoints" in done.out
    pooler.log_in("sap", site.settled().password)
    with pytest.raises(psycopg.OperationalError, match="failed"):
        pooler.log_in("sap", old)


def test_an_endpoint_that_is_no_pooler_is_not_taken_for_one(bouncer):
    pooler = bouncer(query=False)
    site = pooler.site
    site.configure(cluster=f"endpoint = {site.conninfo()}\n",
                   role_settings=pooler.sink, keyturn=NO_CONTROL_MEMORY)
    site.run("check", expect=0)
    for _ in range(2):
        site.run("rotate", "sap", expect=0)
    assert site.settled().password in pooler.content()
