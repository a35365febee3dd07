# SPDX-License-Identifier: PostgreSQL
"""Two login roles in turn (strategy = alternating): what a partner sees who logs
in with what the sinks say, and what ends the old password."""

import os

import psycopg
import pytest

from rig.agent import everything
from rig.installation import ADMIN, FIRST_PASSWORD
from rig.pair import NOT_PERMITTED, PAIR, REFUSED, Pair, new_pair
from rig.server import wait_for


@pytest.fixture
def pair(new_site):
    with new_pair(new_site()) as made:
        yield made


def see(site):
    """The administrator may end sessions of the members."""
    for name in ("sap_a", "sap_b"):
        site.server.grant(name, to=ADMIN)


def test_no_login_fails_while_two_roles_take_turns(pair):
    assert pair.role("sap") == (False, False)
    pair.run("rotate", "sap")
    first = pair.told()
    assert first[0] == "sap_a" and pair.works(first)
    pair.run("rotate", "sap")
    second = pair.told()
    assert second[0] == "sap_b" and pair.works(second)
    # The old one is valid until it is retired, so there is no third.
    assert pair.works(first)
    done = pair.run("rotate", "sap", expect=19)
    assert "sap_a may still log in" in done.out and "retire" in done.out
    assert pair.told() == second
    assert pair.works(first) and pair.works(second)
    pair.run("retire", "sap")
    # Told apart from a guesser: the password is right.
    pair.refused(first, NOT_PERMITTED)
    pair.refused((first[0], "wrong"), REFUSED)
    assert pair.works(second)
    pair.run("rotate", "sap")
    third = pair.told()
    assert third[0] == "sap_a" and third[1] != first[1]
    assert pair.works(third) and pair.works(second)
    pair.refused(first, REFUSED)


def test_a_retired_password_is_removed_and_shown_to_be_refused(pair):
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    pair.run("retire", "sap")
    assert pair.role("sap_a") == (False, True)
    # Not before its time.
    pair.run("retire", "sap")
    assert pair.role("sap_a") == (False, True)
    done = pair.run("retire", "sap", "--now")
    assert "refused" in done.out
    assert pair.role("sap_a") == (False, False)
    pair.refused(first, REFUSED)
    assert pair.works(pair.told())
    kinds = pair.site.kinds()
    assert kinds.index("withdraw") < kinds.index("tombstone") < \
        kinds.index("clear") < kinds.index("refute")
    assert kinds.count("retired") == 2


def test_at_once_is_one_command(pair):
    """LOGIN, sessions and password, and the proof that it is refused."""
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    see(pair.site)
    with pytest.raises(psycopg.OperationalError, match="terminating"):
        with pair.login(first) as used:
            done = pair.run("retire", "sap", "--now", "--end-sessions")
            assert "gone, and is refused" in done.out
            used.execute("select 1")
    assert pair.role("sap_a") == (False, False)
    pair.refused(first, REFUSED)
    assert pair.works(pair.told())
    kinds = pair.site.kinds()
    assert kinds.index("withdraw") < kinds.index("tombstone") < \
        kinds.index("clear") < kinds.index("refute")
    assert kinds.count("retired") == 1
    done = pair.run("rollback", "sap", "--reason", "T-8", expect=6)
    assert "no password before" in done.out
    # Run again it finds nothing to do.
    pair.run("retire", "sap", "--now")
    pair.run("audit", "verify")


def test_a_rollback_goes_back_to_the_old_member(pair):
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    second = pair.told()
    pair.run("rollback", "sap", expect=2)
    pair.run("rollback", "sap", "--reason", "T-1")
    assert pair.told() == first and pair.works(first) and pair.works(second)
    pair.run("retire", "sap")
    pair.refused(second, NOT_PERMITTED)
    # Also after it was retired.
    pair.run("rollback", "sap", "--reason", "T-2")
    assert pair.told() == second and pair.works(second)
    pair.run("retire", "sap")
    pair.run("retire", "sap", "--now")
    done = pair.run("rollback", "sap", "--reason", "T-3", expect=6)
    assert "no password before" in done.out
    assert pair.works(second)


def test_an_existing_login_role_becomes_the_owner(new_site):
    site = new_site()
    made = Pair(site)
    made.configure()
    old = ("sap", FIRST_PASSWORD)
    site.server.sql("alter role sap set statement_timeout = '7s'")
    made.run("role", "pair", "sap")
    read, write = os.pipe()
    os.write(write, FIRST_PASSWORD.encode())
    os.close(write)
    done = site.run("import", "sap", "--password-fd", str(read), fds=(read,))
    os.close(read)
    assert done.exit == 0, done.text
    assert made.told() == old
    made.run("rotate", "sap")
    new = made.told()
    assert new[0] == "sap_a" and made.works(new)
    with made.login(new) as c:
        assert c.execute("show statement_timeout").fetchone() == ("7s",)
    with made.login(old):
        pass
    made.run("rotate", "sap", expect=19)
    made.run("retire", "sap")
    made.refused(old, NOT_PERMITTED)
    made.run("rotate", "sap")
    assert made.told()[0] == "sap_b" and made.works(made.told())
    assert made.works(new)
    # A rotation came before its password was removed: that goes with the next.
    assert made.role("sap") == (False, True)
    made.run("retire", "sap")
    made.run("retire", "sap", "--now")
    assert made.role("sap") == (False, False)
    assert made.role("sap_a") == (False, False)
    made.refused(old, REFUSED)
    made.refused(new, REFUSED)
    assert made.works(made.told())


def test_print_shows_the_statements_and_makes_nothing(new_site):
    site = new_site()
    made = Pair(site)
    made.configure()
    done = made.run("role", "pair", "sap", "--print")
    assert done.out.startswith("BEGIN;\n") and done.out.endswith("COMMIT;\n")
    assert "CREATE ROLE sap_a NOLOGIN" in done.out
    assert site.server.sql("select count(*) from pg_roles where rolname like "
                           "'sap\\_%%'") == [(0,)]
    made.run("role", "pair", "sap")
    assert made.run("role", "pair", "sap", "--print").out == ""


def test_the_owners_settings_are_given_and_not_shown(new_site):
    """What an application keeps in a setting of its own may be a secret; and
    what a member has already stays."""
    site = new_site()
    made = Pair(site)
    made.configure()
    for statement in (
            "alter role sap nologin connection limit 40",
            "create role sap_b nologin connection limit 3",
            "alter role sap set app.key = 'do-not-print'",
            "alter role sap set search_path = one, \"Two\"",
            "alter role sap set work_mem = '5MB'",
            "alter role sap_b set work_mem = '6MB'",
            "grant sap_b to keyturn_admin with admin option"):
        site.server.sql(statement)
    out = made.run("role", "pair", "sap", "--print").out
    assert "do-not-print" not in out
    assert "ALTER ROLE sap_b SET \"app.key\" FROM CURRENT;\n" in out
    done = made.run("role", "pair", "sap", expect=6)
    assert "42501" in done.err and "--print" in done.err  # of a superuser
    site.server.sql('grant set on parameter "app.key" to keyturn_admin')
    assert "do-not-print" not in made.run("role", "pair", "sap").out
    site.server.sql('revoke set on parameter "app.key" from keyturn_admin')
    assert "do-not-print" not in open(site.server.log).read().split(
        "alter role sap set app.key", 1)[1].split("\n", 1)[1]
    settings = dict(site.server.sql(
        "select r.rolname, s.setconfig from pg_roles r join "
        "pg_db_role_setting s on s.setrole = r.oid "
        "where r.rolname like 'sap\\_%%'"))
    for member, memory in (("sap_a", "5MB"), ("sap_b", "6MB")):
        assert sorted(settings[member]) == [
            "app.key=do-not-print", "role=sap",
            "search_path=one, \"Two\"", f"work_mem={memory}"]
    assert site.server.sql("select rolname, rolconnlimit from pg_roles where "
                           "rolname like 'sap\\_%%' order by 1") == [
        ("sap_a", 40), ("sap_b", 3)]


def test_check_tries_the_member_that_is_active(pair):
    for _ in range(2):
        pair.run("rotate", "sap")
        done = pair.run("check", "sap")
        assert "fail" not in done.out
    assert pair.told()[0] == "sap_b"


def test_a_member_that_may_log_in_is_not_forgotten(pair):
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    with open(pair.site.configuration) as f:
        text = f.read()
    with open(pair.site.configuration, "w") as f:
        f.write(text.replace("members = sap_a sap_b",
                             "members = sap_b sap_c"))
    try:
        pair.run("role", "pair", "sap")
        done = pair.run("retire", "sap", expect=6)
        assert "sap_a, which is not one of its members any more" in done.out
        assert pair.works(first) and pair.works(pair.told())
    finally:
        pair.site.server.sql("drop role if exists sap_c")
    pair.configure()
    pair.run("retire", "sap")
    pair.refused(first, NOT_PERMITTED)


@pytest.mark.parametrize("locked", [False, True])
def test_what_a_member_made_for_itself_is_given_to_the_owner(pair, locked):
    """By the member, in the session that proves its next password; what is in
    use then stays, and check names it."""
    site = pair.site
    owner = "select tableowner from pg_tables where tablename = 'own'"
    site.server.sql("grant create, usage on schema public to sap",
                    dbname=site.database)
    pair.run("rotate", "sap")
    first = pair.told()
    with pair.login(first) as c:
        c.execute("set role none")
        c.execute("create table own (n int)")
    assert site.server.sql(owner, dbname=site.database) == [(first[0],)]
    pair.run("rotate", "sap")
    pair.run("retire", "sap")
    assert "belong to member" in site.run("check").text
    with site.server.connect(site.database) as user:
        if locked:
            user.execute("begin")
            user.execute("select from own")
        pair.run("rotate", "sap")
        assert pair.told()[0] == first[0] and pair.works(pair.told())
        said = [e["detail"] for e in site.audit()
                if e.get("kind") == "prove"][-1]
    if locked:
        assert site.server.sql(owner, dbname=site.database) == [(first[0],)]
        assert "given" not in said
        assert "belong to member" in site.run("check").text
    else:
        assert site.server.sql(owner, dbname=site.database) == [("sap",)]
        assert f"1 objects of member {first[0]} in database " \
            f"{site.database} were given to sap" == said
        assert "belong to member" not in site.run("check").text
    site.server.sql("drop owned by sap_a, sap", dbname=site.database)


def test_a_rollback_is_told_as_one(pair):
    pair.run("rotate", "sap")
    pair.run("rotate", "sap")
    pair.run("rollback", "sap", "--reason", "T-4")
    assert pair.site.kinds()[-2:] == ["rollback", "close"] or \
        pair.site.kinds()[-2:] == ["close", "rollback"]


def test_who_is_nobodys_partner_is_not_made_one_of_a_pair(new_site):
    site = new_site()
    site.configure(role_settings=PAIR.format(sinks=site.sinks).replace(
        "sap_b", "keyturn_admin"))
    done = site.run("role", "pair", "sap", "--print", expect=6)
    assert "keyturn's own admin" in done.err and done.out == ""
    assert site.server.sql("select count(*) from pg_roles where rolname = "
                           "'sap_a'") == [(0,)]


def test_a_member_in_use_is_changed_by_command_alone(pair):
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    with pair.login(first) as used:
        pair.run("retire", "sap")
        done = pair.run("rotate", "sap", expect=19)
        assert "sap_a has sessions yet" in done.out
        pair.run("rotate", "sap", "--force", "--reason", "T-5")
        assert used.execute("select 1").fetchone() == (1,)
    third = pair.told()
    assert third[0] == "sap_a" and third[1] != first[1]
    assert pair.works(third)


def test_sessions_end_with_their_member_where_that_is_asked(pair):
    server = pair.site.server
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    with pair.login(first) as used:
        # An administrator who may not is told what it takes.
        done = pair.run("retire", "sap", "--end-sessions", "--force",
                        "--reason", "T-6")
        assert "sessions of it are left" in done.out
        assert "pg_signal_backend" in done.out
        assert used.execute("select 1").fetchone() == (1,)
        pair.run("rollback", "sap", "--reason", "T-7")
    second = ("sap_b", pair.site.get(label="previous").rstrip("\n"))
    server.sql("grant pg_signal_backend to keyturn_admin")
    try:
        with pytest.raises(psycopg.OperationalError, match="terminating"):
            with pair.login(second) as used:
                pair.run("retire", "sap", "--end-sessions")
                used.execute("select 1")
    finally:
        server.sql("revoke pg_signal_backend from keyturn_admin")
    assert pair.works(first)


def test_a_pair_becomes_one_role_again(pair):
    """No login fails on the way, and what was objects of the owner stays so."""
    site = pair.site
    pair.run("rotate", "sap")
    first = pair.told()
    done = pair.run("role", "unpair", "sap")
    assert "keyturn retire sap --now. Then" in done.out
    own = pair.told()
    assert own[0] == "sap" and pair.works(own) and pair.works(first)
    pair.run("retire", "sap", "--now")
    pair.refused(first, REFUSED)
    done = pair.run("role", "unpair", "sap", expect=6)
    assert "has the current password itself" in done.out
    assert pair.told() == own
    site.configure(role_settings=f"sink = env {site.sinks}/sap.env\n")
    assert "fail" not in pair.run("check", "sap").out
    pair.run("rotate", "sap")
    last = pair.told()
    assert last[0] == "sap" and last != own and pair.works(last)
    pair.refused(own, REFUSED)
    done = pair.run("role", "unpair", "sap", expect=2)
    assert "one login role already" in done.err
    # ... and a pair once more, of the same members.
    pair.configure()
    pair.run("rotate", "sap")
    again = pair.told()
    assert again[0] == "sap_a" and pair.works(again) and pair.works(last)
    pair.run("audit", "verify")


def test_a_pair_is_not_rotated_as_one_role(pair):
    site = pair.site
    pair.run("rotate", "sap")
    first = pair.told()
    site.configure()
    for argv in (["check", "sap"], ["rotate", "sap"],
                 ["rotate", "sap", "--emergency"],
                 ["recover", "sap"]):
        done = pair.run(*argv, expect=6)
        assert "strategy = alternating and members" in done.text, argv
    assert pair.role("sap") == (False, False) and pair.works(first)
    site.server.sql("alter role sap login")
    done = pair.run("check", "sap", expect=6)
    assert "that of sap_a, as of a pair" in done.text
    done = pair.run("rotate", "sap", "--emergency", expect=6)
    assert "that of sap_a, as of a pair" in done.text
    site.server.sql("alter role sap nologin")
    assert pair.role("sap") == (False, False) and pair.works(first)
    pair.configure()
    pair.run("rotate", "sap")
    assert pair.works(pair.told()) and pair.works(first)


def test_a_pair_that_ends_leaves_no_password_behind(pair):
    pair.run("rotate", "sap")
    pair.run("rotate", "sap")
    second = pair.told()
    pair.run("retire", "sap")
    done = pair.run("role", "unpair", "sap", expect=19)
    assert "sap_a has a password yet" in done.out
    assert pair.told() == second and pair.role("sap") == (False, False)
    pair.run("retire", "sap", "--now")
    pair.run("role", "unpair", "sap")
    assert pair.told()[0] == "sap" and pair.works(pair.told())
    assert pair.role("sap_a") == (False, False)


def test_an_end_of_a_pair_that_died_is_finished(pair):
    """Killed after the owner got its password, before CURRENT was moved."""
    site = pair.site
    pair.run("rotate", "sap")
    first = pair.told()
    before = site.marker()["live_version"]
    site.stop_before(lambda e: site.marker()["live_version"] != before,
                     "role", "unpair", "sap").kill()
    assert pair.role("sap") == (True, True) and pair.told() == first
    pair.run("recover", "sap")
    assert pair.told()[0] == "sap" and pair.works(pair.told())
    assert pair.works(first)


def test_what_stops_a_new_password_does_not_keep_the_old_one(pair):
    """Members that differ, or whose password expired, are not rotated; who has to
    end a password can, and can go back."""
    server = pair.site.server
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    second = pair.told()
    server.sql("alter role sap_a connection limit 7")
    server.sql("alter role sap_a valid until '2001-01-01'")
    try:
        pair.run("rotate", "sap", expect=6)
        pair.run("retire", "sap")
        server.sql("alter role sap_a valid until 'infinity'")
        pair.refused(first, NOT_PERMITTED)
        pair.run("rollback", "sap", "--reason", "T-5")
        assert pair.told() == first and pair.works(first)
        assert pair.works(second)
        pair.run("retire", "sap")
        pair.run("retire", "sap", "--now")
        pair.refused(second, REFUSED)
    finally:
        server.sql("alter role sap_a connection limit -1")


def test_an_agent_knows_each_member_by_its_password(pair, new_agent):
    """PAM names the user that logs in, and nothing else."""
    pair.run("rotate", "sap")
    first = pair.told()
    pair.run("rotate", "sap")
    second = pair.told()
    agent = new_agent(pair.site, start=False, refresh="1s", roles={
        "sap": everything() + "\ngrace = 1h\nstrategy = alternating\n"
               "members = sap_a sap_b"})
    store = pair.site.state
    os.rename(store, store + ".away")
    agent.start()

    def verify(who, password=None):
        return agent.call("VERIFY", user=who[0],
                          password=password or who[1]).result
    for user in "sap_a", "sap_b":
        assert verify((user, "not known yet")) == "UNAVAILABLE"
    assert verify(("sap_c", "of no pair")) == "NOT_FOUND"
    os.rename(store + ".away", store)
    wait_for(lambda: verify(second) != "UNAVAILABLE", "the store to be read")
    assert verify(second) == "OK"
    assert verify(first) == "OK_PREVIOUS"
    assert verify(first, second[1]) == "MISMATCH"
    assert verify(second, first[1]) == "MISMATCH"
    assert verify(("sap", second[1])) == "MISMATCH"
    pair.run("retire", "sap")
    wait_for(lambda: verify(first) != "OK_PREVIOUS",
             "the password before to be refused")
    assert verify(second) == "OK"
