# SPDX-License-Identifier: PostgreSQL
"""What is set for the administrator's role or its database, and what is revoked
from all users: keyturn works all the same, or says the statement that cures
it."""

import re

import pytest

from rig.installation import ADMIN, FIRST_PASSWORD
from rig.verdict import finding, nothing_changed, sentence

REFUSED = 6


@pytest.mark.parametrize("setting", [
    "statement_timeout = '1ms'", "lock_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '1ms'",
    "idle_session_timeout = '1ms'", "default_transaction_deferrable = on",
    "row_security = off", "default_tablespace = 'nowhere'",
    "synchronous_commit = off"])
@pytest.mark.parametrize("whose", ["role", "database"])
def test_a_setting_of_the_administrator_stops_no_rotation(site, whose,
                                                          setting):
    name = ADMIN if whose == "role" else site.database
    site.server.sql(f"alter {whose} {name} set {setting}")
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.server.sql(f"alter {whose} {name} reset all")
    site.settled()


@pytest.mark.parametrize("alter", [
    f"ALTER ROLE \"{ADMIN}\"", f'ALTER ROLE "{ADMIN}" IN DATABASE "%s"',
    'ALTER DATABASE "%s"', "ALTER ROLE ALL"])
def test_read_only_by_default_is_undone_where_it_was_done(site, alter):
    alter = alter % site.database if "%s" in alter else alter
    site.server.sql(f"{alter} SET default_transaction_read_only = on")
    cure = f"{alter} RESET default_transaction_read_only"
    try:
        finding(site.run("check", "sap"), "read-only", cure)
        line = sentence(site.run("rotate", "sap"), REFUSED, "read-only", cure)
        assert "writable server" not in line, line
        site.must_log_in(FIRST_PASSWORD)
    finally:
        with site.server.connect(options="-c default_transaction_read_only="
                                 "off") as c:
            c.execute(cure)
    site.server.forget_connections()
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_an_administrator_that_acts_as_another_role(site):
    site.server.sql("create role dba createrole")
    site.server.sql(f"grant dba to {ADMIN}")
    site.server.sql("grant sap to dba with admin option")
    site.server.sql("grant create on database "
                    f"{site.database} to dba")
    site.server.sql(f"alter role {ADMIN} set role = dba")
    words = ADMIN, "acts as role dba", 'GRANT pg_read_all_stats TO "dba"'
    finding(site.run("check", "sap", expect=REFUSED), *words)
    sentence(site.run("rotate", "sap"), REFUSED, *words)
    site.must_log_in(FIRST_PASSWORD)
    site.server.sql("grant pg_read_all_stats to dba")
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.settled()
    assert site.server.sql(
        "select relowner::regrole::text from pg_class where oid = "
        "'keyturn.marker'::regclass", dbname=site.database) == [("dba",)]


@pytest.mark.parametrize("revoked", [
    "SELECT ON pg_catalog.pg_settings", "SELECT ON pg_catalog.pg_roles",
    "SELECT ON pg_catalog.pg_stat_activity",
    "EXECUTE ON FUNCTION pg_catalog.set_config(text,text,boolean)"])
def test_what_was_revoked_from_all_is_named(site, revoked):
    site.server.sql(f"revoke {revoked} from public", dbname=site.database)
    line = finding(site.run("check", "sap", expect=REFUSED), revoked)
    with nothing_changed(site):
        assert revoked in sentence(site.run("rotate", "sap"), REFUSED, revoked)
    (grant,) = re.findall(r"GRANT [^;]* TO \w+", line)
    site.server.sql(grant, dbname=site.database)
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.settled()
