# SPDX-License-Identifier: PostgreSQL
"""What a proof needs is tried while the old password lives: a condition that
can be known before costs nobody's access."""

import os
import re

import pytest

from rig.daemon import QUICK, Daemon, overdue
from rig.installation import ADMIN, FIRST_PASSWORD
from rig.pam import Services, own_folder
from rig.server import free_port, wait_for
from rig.verdict import finding, sentence

REFUSED = 6
NO_CONTROL_MEMORY = "control_interval = 0s"


def apart(new_site, roles=("sap",), role_settings="", keyturn="", **settings):
    """A site whose administrator has a database of its own, and whose partners
    are let into theirs only, as pg_hba.conf often has it."""
    site = new_site(roles=roles, keyturn=keyturn, **settings)
    own = site.database + "_admin"
    site.server.sql(f"create database {own} owner {ADMIN}")
    shape(site, roles)
    site.configure(roles, conninfo=site.conninfo(dbname=own), keyturn=keyturn,
                   role_settings=role_settings, **settings)
    return site


def shape(site, roles=("sap",)):
    site.server.hba("".join(
        f"hostssl {site.database} {role} 127.0.0.1/32 scram-sha-256\n"
        f"host all {role} 127.0.0.1/32 reject\n" for role in roles))


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_who_may_not_log_in_where_it_is_proved_keeps_the_old_password(new_site,
                                                                      known):
    site = apart(new_site, keyturn=NO_CONTROL_MEMORY)
    password = FIRST_PASSWORD
    if known:
        site.server.hba()
        site.run("rotate", "sap", expect=0)
        password = site.current().password
        shape(site)
    finding(site.run("check"), "sap", site.server.port, "pg_hba.conf",
            "prove_dbname", "28000")
    sentence(site.run("rotate", "sap"), REFUSED, "sap", site.server.port,
             "nothing was changed", site.database + "_admin", "28000",
             "pg_hba.conf", "prove_dbname")
    site.must_log_in(password)
    assert site.labelled("pending") is None
    assert site.status()["state"] != "frozen"


@pytest.mark.parametrize("setting", ["dbname", "prove_dbname"])
def test_a_role_is_proved_in_its_own_database(new_site, setting):
    site = apart(new_site, keyturn=NO_CONTROL_MEMORY)
    site.configure(conninfo=site.conninfo(dbname=site.database + "_admin"),
                   keyturn=NO_CONTROL_MEMORY,
                   role_settings=f"{setting} = {site.database}")
    site.run("check", expect=0)
    site.run("rotate", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.run("check", expect=0)
    site.settled()


def test_no_partner_of_the_cluster_is_locked_out_by_all(new_site):
    roles = ("sap", "sap2", "sap3")
    site = apart(new_site, roles=roles)
    mark = site.server.mark()
    done = site.run("rotate", "--all", "--jobs", "1", "--json", expect=REFUSED)
    assert [line["status"] for line in done.lines] == ["REFUSED"] * 3
    assert all("nothing was changed" in line["detail"] or
               "not begun" in line["detail"] for line in done.lines)
    # One login showed it; the others were not tried.
    tried = re.findall(r'pg_hba.conf rejects connection for host .* user '
                       r'"(sap\d?)"', site.server.log_since(mark))
    assert len(tried) == 1, tried
    for role in roles:
        site.must_log_in(FIRST_PASSWORD, role)


def test_keyturnd_begins_no_further_role_of_the_cluster(new_site):
    roles = ("sap", "sap2", "sap3")
    keyturn = QUICK.replace("backoff = 1s", "backoff = 60s").replace(
        "backoff_max = 2s", "backoff_max = 60s") + "jobs = 1\n" \
        + NO_CONTROL_MEMORY + "\n"
    site = apart(new_site, roles=roles, keyturn=keyturn)
    site.server.hba()
    site.run("rotate", *roles, expect=0)
    before = {role: site.current(role) for role in roles}
    shape(site, roles)
    for role in roles:
        overdue(site, role)
    mark = site.server.mark()
    daemon = Daemon(site).ready()
    daemon.wait_log("prove_dbname")
    wait_for(lambda: sum(site.status(role)["failures"] for role in roles) == 1,
             "the first failure")
    daemon.stop()
    tried = set(re.findall(r'pg_hba.conf rejects connection for host .* user '
                           r'"(sap\d?)"', site.server.log_since(mark)))
    assert len(tried) == 1, tried
    for role in roles:
        assert site.current(role) == before[role]
        site.must_log_in(before[role].password, role)


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_an_endpoint_that_is_down_costs_no_password(new_site, known):
    port = free_port()
    site = new_site(keyturn=NO_CONTROL_MEMORY)
    password = FIRST_PASSWORD
    if known:
        site.run("rotate", "sap", expect=0)
        password = site.current().password
    site.configure(keyturn=NO_CONTROL_MEMORY,
                   cluster=f"endpoint = {site.conninfo(port=port)}\n")
    finding(site.run("check"), "sap", port)
    sentence(site.run("rotate", "sap"), REFUSED, "sap", port,
             "nothing was changed")
    site.must_log_in(password)
    assert site.labelled("pending") is None
    site.configure(keyturn=NO_CONTROL_MEMORY)
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_password_that_the_marker_calls_live_and_nobody_takes(taken_over):
    """Set by hand, and nobody may read that: one login tells."""
    site = taken_over
    site.configure(keyturn=NO_CONTROL_MEMORY)
    old = site.current()
    by_hand = "Set-by-hand.1234567890abcdef"
    site.set_password("sap", by_hand)
    finding(site.run("check"), "sap", "more than a password", "import",
            "--emergency")
    sentence(site.run("rotate", "sap"), REFUSED, "sap", "nothing was changed",
             "clientcert", "import", "--emergency")
    assert site.current() == old
    site.must_log_in(by_hand)
    site.run("rotate", "--emergency", "sap", expect=0)
    site.settled()


def test_the_steady_state_costs_one_login(taken_over):
    """And the first rotation of an interval one more, and one that fails."""
    site = taken_over
    mark = site.server.mark()
    site.run("rotate", "sap", expect=0)
    assert site.server.logins(mark, "sap") == (1, 0)
    site.configure(keyturn=NO_CONTROL_MEMORY)
    mark = site.server.mark()
    site.run("rotate", "sap", expect=0)
    assert site.server.logins(mark, "sap") == (2, 1)
    site.configure(keyturn=NO_CONTROL_MEMORY, cluster="control = no")
    mark = site.server.mark()
    site.run("rotate", "sap", expect=0)
    assert site.server.logins(mark, "sap") == (2, 0)
    site.settled()


def test_a_control_of_one_role_does_not_vouch_for_another(new_site):
    site = new_site(roles=("sap", "other"))
    site.run("rotate", "sap", expect=0)
    site.server.hba("hostssl all other 127.0.0.1/32 trust")
    sentence(site.run("rotate", "other"), REFUSED, "other", "without asking",
             "nothing was changed", "pg_hba.conf")
    site.server.hba()
    site.must_log_in(FIRST_PASSWORD, "other")


def test_who_is_let_in_with_any_password_has_a_control_of_its_own(
        folder, tools, new_server, new_site):
    """The server asks, and takes whatever is said."""
    server = new_server()
    server.stop()
    services = Services(os.path.join(own_folder(server.folder + "/pam"),
                                     "services"), tools.binary)
    # The first one asks, and nobody minds what it thinks of the answer.
    services.write("anybody", "auth optional pam_unix.so nodelay\n"
                   "auth required pam_permit.so\n"
                   "account required pam_permit.so\n")
    server.environment = services.environment
    server.start()
    site = new_site(on=server, roles=("sap", "other"))
    site.run("rotate", "sap", expect=0)
    server.hba("hostssl all other 127.0.0.1/32 pam pamservice=anybody")
    sentence(site.run("rotate", "other"), REFUSED, "other",
             "nothing was changed", "pg_hba.conf")
    assert site.current("other") is None
    server.hba()
    site.must_log_in(FIRST_PASSWORD, "other")


def test_a_wrong_password_comes_before_the_right_one(taken_over):
    """A server that counts failures forgets them after a success."""
    site = taken_over
    site.configure(keyturn=NO_CONTROL_MEMORY)
    mark = site.server.mark()
    site.run("rotate", "sap", expect=0)
    text = site.server.log_since(mark)
    wrong = text.index('password authentication failed for user "sap"')
    assert wrong < text.index("connection authorized: user=sap ")
    kinds = [e["kind"] for e in site.audit()
             if e.get("role") == "sap" and e["kind"] in ("control", "try")]
    assert kinds[-2:] == ["control", "try"]


def test_a_standby_that_does_not_confirm_is_told(taken_over):
    """The server has committed and cannot take it back; who reads `rotated`
    must know that a failover would."""
    site = taken_over
    site.configure(cluster="statement_timeout = 2s\n")
    site.server.configure(synchronous_standby_names="nobody")
    line = sentence(site.run("rotate", "sap", "--quiet"), 0, "sap",
                    "no synchronous standby is known to have confirmed",
                    "failover")
    assert site.current().id in line
    site.server.configure(synchronous_standby_names="")
    done = site.run("rotate", "sap", expect=0)
    assert "standby" not in done.text
    site.settled()


@pytest.mark.parametrize("how", ["closed", "library"])
def test_what_is_refused_after_the_password_is_a_proof(new_site, how):
    """Raised to somebody who was let in: 55000 and 58P01."""
    site = new_site(keyturn=NO_CONTROL_MEMORY)
    other = site.database + "_closed"
    if how == "closed":
        site.server.sql(f"create database {other}")
        site.server.sql(f"alter database {other} allow_connections false")
        site.configure(keyturn=NO_CONTROL_MEMORY,
                       cluster=f"prove_dbname = {other}\n")
    else:
        site.server.sql("alter role sap set local_preload_libraries = "
                        "'nosuchlibrary'")
    for _ in range(2):
        site.run("rotate", "sap", expect=0)
    site.run("check", expect=0)
    proofs = [e["detail"] for e in site.audit() if e.get("kind") == "prove"]
    code = "55000" if how == "closed" else "58P01"
    assert all(code in detail for detail in proofs), proofs
    site.server.sql("alter role sap reset all")
    site.settled()
