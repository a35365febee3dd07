# SPDX-License-Identifier: PostgreSQL
"""sql/login_event.sql on PostgreSQL 18: logins are noted, and no login can fail
because of it."""

import os
import subprocess
import time

import psycopg
import pytest

from rig.installation import ADMIN, FIRST_PASSWORD
from rig.server import wait_for
from test_adoption import adoption, sightings
from test_newer_servers import _newer_server, newer

__all__ = ["_newer_server", "newer"]  # fixtures

SQL = os.path.join(os.path.dirname(__file__), "..", "..", "sql",
                   "login_event.sql")
pytestmark = pytest.mark.parametrize("_newer_server", [18], indirect=True)


def install(site, database, *more):
    with open(SQL) as f:
        return subprocess.run(
            ["psql", "-X", "-q", *more,
             f"host={site.server.sockets} port={site.server.port} "
             f"user=postgres dbname={database}"], stdin=f, text=True,
            capture_output=True, timeout=60)


@pytest.fixture
def noted(newer, new_site):
    site = new_site(on=newer)
    done = install(site, site.database, "-v", f"admin={ADMIN}")
    assert done.returncode == 0, done.stderr
    site.run("rotate", "sap", expect=0)
    return site


def log_in(site, application="etl", password=None, **more):
    with psycopg.connect(site.conninfo(user="sap", **more),
                         application_name=application, autocommit=True,
                         password=password or site.current().password) as c:
        return c.execute("select session_user, "
                         "current_setting('lock_timeout'), "
                         "current_setting('search_path')").fetchone()


def seen(site):
    return dict(site.server.sql(
        "select application, logins from keyturn_login.noted "
        "where application not like 'keyturn%'", dbname=site.database))


def test_a_login_too_short_for_a_look_is_noted(noted):
    site = noted
    assert log_in(site)[1:] == ("0", '"$user", public')
    assert log_in(site)[0] == "sap"
    assert seen(site) == {"etl": 2}
    assert sightings(site, "--look") == {"host:127.0.0.1,app:etl": {"new"}}
    (s,) = adoption(site)["sightings"]
    assert (s["source"], s["count"]) == ("login", 2)
    old = s["version"]
    site.run("rotate", "sap", expect=0)
    assert adoption(site, "--look")["adopted"] == 0
    log_in(site)
    found = adoption(site, "--look")
    assert found["adopted"] == 1
    assert {s["version"] for s in found["sightings"]} \
        >= {old, site.current().id}
    # Superusers are nobody's consumers.
    assert "postgres" not in str(found)


def test_another_database_is_read_when_consumers_are_told_of_it(noted):
    site = noted
    site.server.sql("create database elsewhere")
    try:
        assert install(site, "elsewhere", "-v",
                       f"admin={ADMIN}").returncode == 0
        log_in(site, "far", dbname="elsewhere")
        assert sightings(site, "--look") == {}
        site.configure(role_settings="dbname = elsewhere")
        assert sightings(site, "--look") == {
            "host:127.0.0.1,app:far": {"new"}}
    finally:
        wait_for(lambda: not site.server.sql(
            "select from pg_stat_activity where datname = 'elsewhere'"),
            "the end of the sessions there")
        site.server.sql("drop database elsewhere")


@pytest.mark.parametrize("setting", [
    "default_transaction_read_only = on",
    "default_transaction_isolation = 'serializable'",
    "statement_timeout = 1",
    "lock_timeout = 1",
    "search_path = public",
    "row_security = off",
    "synchronous_commit = remote_apply"])
def test_no_setting_of_the_role_makes_a_login_fail(noted, setting):
    site = noted
    site.server.sql(f"alter role sap set {setting}")
    assert log_in(site)[0] == "sap"
    if "read_only" in setting or "serializable" in setting:
        assert seen(site) == {}


@pytest.mark.parametrize("harm", [
    "drop table keyturn_login.noted",
    "alter table keyturn_login.noted drop column logins cascade",
    "alter table keyturn_login.noted add check (false) not valid",
    "create function keyturn_login.f() returns trigger language plpgsql as "
    "'begin assert false; end'; create trigger t before insert on "
    "keyturn_login.noted execute function keyturn_login.f()",
    "create function keyturn_login.f() returns trigger language plpgsql as "
    "'begin raise query_canceled; end'; create trigger t before insert on "
    "keyturn_login.noted execute function keyturn_login.f()"])
def test_no_damage_to_its_table_makes_a_login_fail(noted, harm):
    site = noted
    site.server.sql(harm, dbname=site.database)
    mark = site.server.mark()
    assert log_in(site)[0] == "sap"
    assert "FATAL" not in site.server.log_since(mark)


def test_a_lock_on_its_table_is_not_waited_for(noted):
    site = noted
    log_in(site)
    with site.server.connect(site.database) as c:
        c.autocommit = False
        c.execute("lock table keyturn_login.noted in access exclusive mode")
        begun = time.monotonic()
        assert log_in(site)[0] == "sap"
        assert time.monotonic() - begun < 10
        c.rollback()
    assert seen(site) == {"etl": 1}


def test_a_standby_that_never_answers_is_not_waited_for(noted):
    site = noted
    site.server.configure(synchronous_standby_names="nobody")
    begun = time.monotonic()
    assert log_in(site)[0] == "sap"
    assert time.monotonic() - begun < 20
    assert seen(site) == {"etl": 1}


def test_its_rows_are_bounded(noted):
    site = noted
    site.server.sql(
        "insert into keyturn_login.noted select r.oid, '', i::text, 1, now(), "
        "now() from pg_roles r, generate_series(1, 10000) i "
        "where rolname = 'sap'", dbname=site.database)
    assert log_in(site)[0] == "sap"
    assert "etl" not in seen(site)


def test_who_forgets_the_administrator_is_told(newer, new_site):
    site = new_site(on=newer)
    done = install(site, site.database)
    assert done.returncode == 3 and "psql -v admin=NAME" in done.stderr
    assert not site.server.sql("select from pg_event_trigger",
                               dbname=site.database)


@pytest.mark.parametrize("theirs", [
    "create schema keyturn_login",
    "create schema keyturn_login; create table keyturn_login.noted (login oid "
    "not null, address text not null, application text not null, logins bigint "
    "not null, first_at timestamptz not null, last_at timestamptz not null, "
    "primary key (login, address, application))",
    "create schema keyturn_login; create function keyturn_login.note() returns "
    "event_trigger language plpgsql as 'begin end'"])
def test_what_another_made_beforehand_is_not_run_as_a_superuser(
        newer, new_site, theirs):
    site = new_site(on=newer)
    with site.server.connect(site.database) as c:
        c.execute("set session authorization " + ADMIN)
        c.execute(theirs)
    done = install(site, site.database, "-v", f"admin={ADMIN}")
    assert done.returncode != 0
    assert "was not made by a superuser" in done.stderr
    assert site.server.sql("select count(*) from pg_event_trigger",
                           dbname=site.database) == [(0,)]


def test_what_looks_like_a_secret_is_withheld(noted):
    site = noted
    log_in(site, "host=h password=hunter2")
    log_in(site, "Bearer eyJhbGciOi")
    assert seen(site) == {"withheld": 2}


def test_one_role_leaves_room_for_the_others(noted):
    site = noted
    log_in(site)
    site.server.sql(
        "insert into keyturn_login.noted select login, '', 'app' || n, 1, "
        "now(), now() from keyturn_login.noted, generate_series(1, 499) n "
        "where application = 'etl'", dbname=site.database)
    log_in(site, "one too many")
    assert "one too many" not in seen(site)
    site.create_role("other")
    with psycopg.connect(site.conninfo(user="other"), password=FIRST_PASSWORD,
                         application_name="another role's"):
        pass
    assert seen(site)["another role's"] == 1
