# SPDX-License-Identifier: PostgreSQL
"""The marker table belongs to keyturn's administrator alone: what somebody else
could make it run, it would run as the administrator."""

import psycopg
import pytest

from rig.installation import ADMIN, FIRST_PASSWORD
from rig.verdict import finding, nothing_changed, sentence

REFUSED = 6

TRAP = """
create function trap() returns trigger language plpgsql as $$ begin
    execute 'alter role erp createrole';
    return new;
end $$
"""


def as_role(site, role, *statements):
    with site.server.connect(site.database) as c:
        c.execute(f"set session authorization {role}")
        for statement in statements:
            c.execute(statement)


@pytest.fixture
def hostile(site):
    """A site with "erp", a partner who may make functions in a schema."""
    site.create_role("erp")
    site.configure(("sap", "erp"))
    site.server.sql("create schema erp authorization erp",
                    dbname=site.database)
    as_role(site, "erp", "set search_path = erp", TRAP)
    return site


def is_createrole(site, role):
    return site.server.sql("select rolcreaterole from pg_roles where "
                           "rolname = %s", [role])[0][0]


def rights(site):
    """Who else has rights on the marker, its columns or its schema."""
    return site.server.sql(
        "select r.rolname from (select c.relacl from pg_class c where c.oid = "
        "'keyturn.marker'::regclass union all select n.nspacl from "
        "pg_namespace n where n.nspname = 'keyturn') l(acl), "
        "aclexplode(l.acl) a left join pg_roles r on r.oid = a.grantee "
        "where r.rolname is distinct from %s", [ADMIN], site.database)


def refused(site, *words):
    with nothing_changed(site):
        finding(site.run("check", "sap"), "marker", *words)
        sentence(site.run("rotate", "sap"), REFUSED, '"keyturn".marker', *words)


def mended(site, statement):
    """The statement of the sentence is the cure."""
    site.server.sql(statement, dbname=site.database)
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.settled()


@pytest.mark.parametrize("prepared", [False, True], ids=["made", "given"])
def test_default_privileges_give_nobody_the_marker(hostile, prepared):
    site = hostile
    if prepared:
        site.server.sql(f"create schema keyturn authorization {ADMIN}",
                        dbname=site.database)
    for what in "tables", "schemas":
        as_role(site, ADMIN, f"alter default privileges grant all on {what} "
                "to public, erp")
    site.run("rotate", "sap", expect=0)
    assert rights(site) == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role(site, "erp", "create trigger t before update on "
                "keyturn.marker for each row execute function erp.trap()")
    site.run("rotate", "sap", expect=0)
    assert not is_createrole(site, "erp")
    site.settled()


def test_a_partner_with_rights_on_the_marker_is_told_and_runs_nothing(hostile):
    site = hostile
    site.run("rotate", "sap", expect=0)
    site.server.sql("grant trigger on keyturn.marker to erp",
                    dbname=site.database)
    site.server.sql("grant usage on schema keyturn to erp",
                    dbname=site.database)
    refused(site, 'REVOKE ALL ON "keyturn".marker FROM "erp"')
    as_role(site, "erp", "create trigger t before insert or update on "
            "keyturn.marker for each row execute function erp.trap()")
    refused(site, 'REVOKE ALL ON "keyturn".marker FROM "erp"')
    site.server.sql('revoke all on "keyturn".marker from "erp"',
                    dbname=site.database)
    refused(site, "trigger", 'DROP TRIGGER "t" ON "keyturn".marker')
    assert not is_createrole(site, "erp")
    mended(site, 'DROP TRIGGER "t" ON "keyturn".marker')
    assert not is_createrole(site, "erp")


@pytest.mark.parametrize("evil, words", [
    ("grant select on keyturn.marker to public",
     'REVOKE ALL ON "keyturn".marker FROM PUBLIC'),
    ("grant update (claim) on keyturn.marker to erp",
     'REVOKE ALL ON "keyturn".marker FROM "erp"'),
    ("grant create on schema keyturn to erp",
     'REVOKE ALL ON SCHEMA "keyturn" FROM "erp"'),
    ("create rule t as on update to keyturn.marker do also notify t",
     'DROP RULE "t" ON "keyturn".marker'),
    ("alter table keyturn.marker enable row level security",
     'ALTER TABLE "keyturn".marker DISABLE ROW LEVEL SECURITY, '
     'NO FORCE ROW LEVEL SECURITY'),
    ("alter table keyturn.marker owner to erp",
     f'ALTER TABLE "keyturn".marker OWNER TO {ADMIN}'),
    ("alter schema keyturn owner to erp",
     f'ALTER SCHEMA "keyturn" OWNER TO {ADMIN}'),
], ids=["public", "column", "create", "rule", "policy", "owner", "schema"])
def test_a_marker_that_others_have_a_hand_in_is_refused(hostile, evil, words):
    site = hostile
    site.run("rotate", "sap", expect=0)
    site.server.sql(evil, dbname=site.database)
    refused(site, *(["OWNER TO"] if "OWNER" in words else [words]))
    mended(site, words)


@pytest.mark.parametrize("evil", [
    "alter table keyturn.marker alter branch set default "
    "pg_catalog.version()",
    "alter table keyturn.marker add check (claim_pid > 0)",
    "create index on keyturn.marker (pg_catalog.upper(fingerprint))",
    "create domain erp.d as text; "
    "alter table keyturn.marker add more erp.d",
    "create table erp.child () inherits (keyturn.marker)",
    "create table erp.f (o oid references keyturn.marker)",
], ids=["default", "constraint", "index", "type", "inheritance", "key"])
def test_a_marker_of_another_shape_is_refused(hostile, evil):
    site = hostile
    site.run("rotate", "sap", expect=0)
    for statement in evil.split("; "):
        site.server.sql(statement, dbname=site.database)
    refused(site, "not a table as keyturn makes it", "rename or drop it")
    # One login then says that CURRENT is live.
    mended(site, "alter table keyturn.marker rename to suspicious")


def test_a_group_that_only_administrators_are_in_may_own_the_marker(hostile):
    site = hostile
    site.run("rotate", "sap", expect=0)
    site.server.sql("create role team")
    site.server.sql(f"grant team to {ADMIN}")
    for what in "table keyturn.marker", "schema keyturn":
        site.server.sql(f"alter {what} owner to team", dbname=site.database)
    site.run("check", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    site.server.sql("grant team to erp")
    refused(site, "team", "OWNER TO")


def test_a_schema_of_a_partner_is_refused_before_the_table_is_there(hostile):
    site = hostile
    site.server.sql("create schema keyturn authorization erp",
                    dbname=site.database)
    finding(site.run("check", "sap"), "marker", "erp", "OWNER TO")
    sentence(site.run("rotate", "sap"), REFUSED, "erp", "OWNER TO")
    site.must_log_in(FIRST_PASSWORD)
    mended(site, f"alter schema keyturn owner to {ADMIN}")


def test_an_event_trigger_that_gives_tables_away_is_named(hostile):
    site = hostile
    site.server.sql("""
        create function public.give() returns event_trigger language plpgsql
        security definer as $$ begin
            if exists (select from pg_event_trigger_ddl_commands() where
                       object_identity = 'keyturn.marker') then
                alter table keyturn.marker owner to erp;
            end if;
        end $$""", dbname=site.database)
    site.server.sql("create event trigger gives on ddl_command_end when tag "
                    "in ('CREATE TABLE') execute function public.give()",
                    dbname=site.database)
    line = sentence(site.run("rotate", "sap"), REFUSED, "event trigger",
                    "gives", "ALTER EVENT TRIGGER")
    assert "OWNER TO" not in line, line
    site.must_log_in(FIRST_PASSWORD)
    mended(site, "alter event trigger gives disable")
