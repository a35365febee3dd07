# SPDX-License-Identifier: PostgreSQL
"""A gateway as partners see it: PgBouncer asks PAM, pam_keyturn the agent, and
the server behind knows a forced user alone."""

import os
import subprocess

import psycopg
import pytest

from rig.gateway import used

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
PGJDBC = "/usr/share/java/postgresql.jar"


@pytest.fixture
def rotated(new_site):
    """A site whose "sap" was rotated twice: CURRENT and PREVIOUS are there."""
    site = new_site()
    site.run("rotate", "sap", expect=0)
    site.run("rotate", "sap", expect=0)
    return site


@pytest.fixture
def gateway(rotated, new_gateway):
    return new_gateway(rotated)


def passwords(site):
    return site.current().password, site.labelled("previous").password


def psql(gateway, password, query):
    """Straight through psql, with the password where a form would have it."""
    done = subprocess.run(
        ["psql", "-XAtqw", "-c", query, f"{gateway.endpoint} user=sap"],
        capture_output=True, text=True, timeout=30,
        env={"PATH": "/usr/bin:/bin", "PGPASSWORD": password})
    return done.returncode, done.stdout + done.stderr


def test_both_passwords_log_in_and_no_other(gateway, rotated):
    current, previous = passwords(rotated)
    assert current != previous
    for password in (current, previous):
        with gateway.login(password) as c:
            assert c.execute("select current_user").fetchone() \
                == (gateway.forced.name,)
        assert psql(gateway, password, "select 42") == (0, "42\n")
    for wrong in ("wrong", current + "x", previous.lower(), " "):
        assert not gateway.lets_in(wrong)
        code, said = psql(gateway, wrong, "select 42")
        assert code == 2 and "PAM authentication failed" in said
    # Neither can be used anywhere else: the server behind asks for what only
    # the forced user has.
    rotated.must_not_log_in(current, gateway.forced.name)


def test_the_report_says_who_used_which(gateway, rotated):
    current, previous = passwords(rotated)
    for _ in range(2):
        gateway.login(previous).close()
    gateway.login(current).close()
    with pytest.raises(psycopg.OperationalError):
        gateway.login("wrong")
    gateway.agent.stop()
    rows = {row["password"]: row for row in used(gateway.agent)}
    assert set(rows) == {"current", "previous"}
    assert rows["previous"]["times"] == 2 and rows["current"]["times"] == 1
    assert {row["whom"] for row in rows.values()} \
        == {"from 127.0.0.1, service pgbouncer"}


def test_pgjdbc_logs_in_with_either(gateway, rotated, tmp_path):
    """What SAP's adapters and most forms of partners use."""
    program = os.path.join(CLIENTS, "PartnerLogin.java")
    subprocess.run(["javac", "-d", tmp_path, program], check=True, timeout=60)
    url = (f"jdbc:postgresql://127.0.0.1:{gateway.port}/{gateway.dbname}"
           "?sslmode=verify-full&sslrootcert="
           + gateway.authority.certificate)

    def java(password):
        done = subprocess.run(
            ["java", "-Xshare:auto", "-cp", f"{tmp_path}:{PGJDBC}",
             "PartnerLogin", url, "sap"], input=password + "\n", text=True,
            capture_output=True, timeout=60)
        return done.stdout.strip() or done.stderr

    for password in passwords(rotated):
        assert java(password) == gateway.forced.name
    assert "PAM authentication failed" in java("wrong")
