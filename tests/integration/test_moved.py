# SPDX-License-Identifier: PostgreSQL
"""Roles that are not where, or what, the marker says: moved to another server,
renamed, made again, without a password.  A login with CURRENT decides, and the
sentence is a way out that works."""

import os

import pytest

from rig.installation import ADMIN
from rig.server import run_as_account, own
from rig.verdict import finding, nothing_changed, sentence

FROZEN, REFUSED = 5, 6


def oids(server):
    return dict(server.sql("select rolname, oid from pg_roles where rolname "
                           "in ('sap', 'erp')"))


def test_a_server_moved_by_pg_dumpall_goes_on(new_server, new_site):
    old, new = new_server(), new_server()
    site = new_site(on=old, roles=("sap", "erp"))
    site.run("rotate", "--all", expect=0)
    dump = os.path.join(new.folder, "dump.sql")
    tool = os.path.join(old.programs, "pg_dumpall")
    run_as_account([tool, "-h", old.sockets, "-p", str(old.port), "-U",
                    "postgres", "-f", dump])
    # Other oids, and one of them was another role's.
    taken = oids(old)
    while True:
        new.sql("create role filler")
        (mine,), = new.sql("select oid from pg_roles where rolname = 'filler'")
        new.sql("drop role filler")
        if mine >= min(taken.values()) - 3:
            break
    old.stop()
    run_as_account([os.path.join(old.programs, "psql"), "-q", "-h",
                    new.sockets, "-p", str(new.port), "-U", "postgres", "-f",
                    dump, "postgres"])
    assert oids(new) != taken
    site.server = new
    site.marks[new] = new.mark()
    site.configure(("sap", "erp"))
    for role in "sap", "erp":
        site.run("check", role, expect=0)
    mark = new.mark()
    site.run("rotate", "--all", expect=0)
    for role in "sap", "erp":
        assert new.logins(mark, role)[1] == 0
        site.settled(role)
    site.run("rotate", "--all", expect=0)


def test_a_renamed_role_is_named_and_then_rotated(taken_over):
    site = taken_over
    old = site.current()
    site.server.sql("alter role sap rename to erp")
    words = "is now called erp", "rolname = erp"
    finding(site.run("check", "sap", expect=REFUSED), "role", *words)
    line = sentence(site.run("rotate", "sap"), REFUSED, *words)
    assert "create it" not in line, line
    site.configure(role_settings="rolname = erp")
    mark = site.server.mark()
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    # The one that fails is the wrong-password control of another name.
    assert site.server.logins(mark, "erp")[1] == 1
    site.must_not_log_in(old.password, "erp")
    site.must_log_in(site.current().password, "erp")


def test_a_role_that_was_made_again_with_its_password_is_rotated(taken_over):
    site = taken_over
    verifier, = site.server.sql("select rolpassword from pg_authid where "
                                "rolname = 'sap'")[0]
    site.server.sql("drop role sap")
    with site.server.connect() as c:  # as who may change it afterwards
        c.execute(f"set session authorization {ADMIN}")
        c.execute(f"create role sap login password '{verifier}'")
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_role_that_was_made_again_with_another_password_freezes(taken_over):
    site = taken_over
    site.server.sql("drop role sap")
    site.create_role("sap", "Another-password.of-a-new-role-1")
    finding(site.run("check", "sap"), "drift", "does not log in")
    with nothing_changed(site) as before:
        before.password = "Another-password.of-a-new-role-1"
        sentence(site.run("rotate", "sap"), FROZEN, "dropped and created",
                 "keyturn thaw", "--emergency")
    site.run("thaw", "sap", expect=0)
    site.run("rotate", "sap", "--emergency", expect=0)
    site.settled()


def test_a_password_that_was_taken_away_is_set_by_command(site):
    site.server.sql(f"grant select on pg_authid to {ADMIN}",
                    dbname=site.database)
    site.run("rotate", "sap", expect=0)
    site.server.sql("alter role sap password null")
    done = site.run("check", "sap", expect=REFUSED)
    line = finding(done, "drift", "took the password away",
                   "keyturn rotate --emergency")
    assert "import" not in line and "next rotation sets" not in done.out
    line = sentence(site.run("rotate", "sap"), FROZEN, "away", "keyturn thaw",
                    "keyturn rotate --emergency")
    assert "import" not in line
    site.run("thaw", "sap", expect=0)
    site.run("rotate", "sap", "--emergency", expect=0)
    site.settled()


def test_a_client_certificate_may_be_what_is_refused(taken_over):
    """The server says the same of a wrong password."""
    site = taken_over
    server = site.server
    certificate, key = server.authority.issue(ADMIN)
    ca = os.path.join(server.data, "clients.pem")
    with open(server.authority.certificate) as source, open(ca, "w") as f:
        f.write(source.read())
    own(ca)
    server.configure(ssl_ca_file=ca)
    server.hba("hostssl all all 127.0.0.1/32 scram-sha-256 "
               "clientcert=verify-full")
    os.chmod(key, 0o600)
    site.configure(conninfo=site.conninfo() + f"\n    sslcert={certificate}"
                   f"\n    sslkey={key}")
    line = finding(site.run("check", "sap"), "drift", "clientcert=verify-full")
    assert "somebody" not in line, line
    server.hba("hostssl all sap 127.0.0.1/32 scram-sha-256")
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    server.hba()
    site.configure()
    site.settled()


def test_one_login_of_one_server_in_two_clusters_is_found(new_site):
    """The configuration compares names, the server knows itself."""
    site = new_site(roles=("sap", "erp"))
    site.run("rotate", "--all", expect=0)
    other = site.conninfo().replace("host=127.0.0.1", "host=localhost")
    assert other != site.conninfo()
    site.configure(("sap", "erp"), more="[cluster twin]\n"
                   f"conninfo = {other}\nadmin_passfile = {site.passfile}\n"
                   "[role again]\ncluster = twin\nrolname = sap\n"
                   "[role other]\ncluster = twin\nrolname = crm\n")
    site.create_role("crm")
    done = site.run("check")
    line = finding(done, "again", "cluster main", "cluster twin", "one server")
    assert "[role sap]" in line or "[role again]" in line
    fails = [x for x in done.out.splitlines() if x.startswith("fail")]
    assert all("again" in x for x in fails), done.out
    # By the names alone the configuration is refused.
    site.configure(more="[cluster twin]\n"
                   f"conninfo = {site.conninfo()}\n[role again]\n"
                   "cluster = twin\nrolname = sap\n")
    sentence(site.run("rotate", "again"), 2, "the same role of one server",
             f"127.0.0.1:{site.server.port}")
    site.configure(("sap", "erp"))
