# SPDX-License-Identifier: PostgreSQL
"""A gateway under a systemd that has booted, set up as docs/gateway.md says: the
distribution's PgBouncer with the unit's additions, the agent and PAM."""

import re

import pytest

from conftest import approle, commented_out, drop_in, exposure
from documents import block
from machine import wait_for

STEPS = "Step by step: SAP Engagement Cloud on Lakebase"
HOME = "/root/keyturnd"
KEYTURN = f"keyturn --config {HOME}/keyturn.conf "


def step(language, having):
    return block("gateway.md", STEPS, language, having)


def set_up_pgbouncer(machine, authority):
    cert, key = authority.issue("gateway", hosts=[
        "DNS:gw1.example.com", "DNS:gw2.example.com"])
    for name, file in (("pem", cert), ("key", key)):
        with open(file) as f:
            machine.write("/etc/pgbouncer/gateway." + name, f.read(), 0o600,
                          "postgres:postgres")
    machine.write("/etc/pam.d/pgbouncer", step("", "pam_keyturn.so"))
    machine.write("/etc/pgbouncer/pgbouncer.ini", step("ini", "auth_type"),
                  0o640, "postgres:postgres")
    machine.write("/etc/pgbouncer/databases.ini", step("ini", "app ="),
                  0o640, "postgres:postgres")
    machine.write("/etc/systemd/system/pgbouncer.service.d/local.conf",
                  step("ini", "Restart="))


def set_up_agent(machine, vault):
    """As docs/agent.md says, with the configuration of docs/gateway.md."""
    conf = step("ini", "verifiers")
    machine.run(block("agent.md", "Setting it up", "sh", "sysusers"))
    secret_id = approle(vault, re.search(r"^role_id = (.*)$", conf, re.M)[1])
    machine.write("/etc/keyturn/agent.conf", conf, 0o640, "keyturn:keyturn")
    machine.write("/etc/keyturn/vault-secret-id", secret_id + "\n", 0o600)
    lines = block("agent.md", "Setting it up", "sh", "--init").splitlines()
    machine.run("\n".join(lines[:2]))
    drop_in(machine, "keyturn-agent",
            *commented_out(machine, "keyturn-agent", "LoadCredential=.*"))


def set_up_rotator(machine, vault):
    machine.run(f"keyturn init {HOME} --state {HOME}/state")
    machine.write(f"{HOME}/token", vault.server.root + "\n", 0o600)
    machine.write(f"{HOME}/keyturn.conf", f"""[keyturn]
ledger = {HOME}/state/ledger.db
audit_key = {HOME}/audit.key
[store vault]
type = vault
address = https://vault.example.com:8200
prefix = partners/
auth = token
token_file = {HOME}/token
""" + step("ini", "every ="), 0o600)


@pytest.fixture(scope="module")
def gateway(machine, vault, authority):
    machine.run("echo '192.0.2.10 gw1.example.com gw2.example.com' "
                ">>/etc/hosts\n"
                "cp /usr/local/lib/security/pam_keyturn.so "
                "/lib/$(uname -m)-linux-gnu/security/")
    machine.run("cd /; psql -X -q", user="postgres", text="""
        CREATE ROLE app_gateway LOGIN PASSWORD 'forced password';
        CREATE DATABASE shop;""")
    machine.run("echo 'hostssl all app_gateway 192.0.2.10/32 scram-sha-256' "
                ">>$(echo /etc/postgresql/*/main/pg_hba.conf)\n"
                "systemctl reload postgresql@*")
    set_up_agent(machine, vault)
    set_up_pgbouncer(machine, authority)
    set_up_rotator(machine, vault)
    machine.run(step("sh", "systemctl"))
    machine.run(KEYTURN + "check; " + KEYTURN + "rotate sap_engagement; "
                + KEYTURN + "rotate sap_engagement")
    return machine


def password(machine, label="current"):
    return machine.run(KEYTURN + f"get sap_engagement --label {label}") \
        .stdout.strip()


def log_in(machine, typed, expect=0):
    """As a partner does: who it is behind, or what was said instead."""
    done = machine.run(
        "read -r PGPASSWORD; export PGPASSWORD; psql -XAt "
        "-c 'SELECT current_user' 'host=gw1.example.com port=6432 dbname=app "
        "user=sap_engagement sslmode=verify-full "
        "sslrootcert=/etc/ssl/certs/ca-certificates.crt'",
        text=typed + "\n", expect=expect)
    return done.stdout.strip() or done.stderr


def test_both_passwords_log_in_and_a_wrong_one_does_not(gateway):
    current, previous = password(gateway), password(gateway, "previous")
    assert current != previous
    for typed in (current, previous):
        assert log_in(gateway, typed) == "app_gateway"
    assert "PAM authentication failed" in log_in(gateway, "wrong", expect=2)
    # What the module tells syslog, and nothing more.
    said = gateway.run("journalctl --no-pager; "
                       "cat /var/log/postgresql/pgbouncer.log").stdout
    assert "came with the previous password" in said
    for secret in (current, previous, "forced password"):
        assert secret not in said


@pytest.mark.parametrize("unit", ["pgbouncer", "keyturn-agent"])
def test_who_is_killed_comes_back(gateway, unit):
    typed = password(gateway, "previous")
    assert log_in(gateway, typed) == "app_gateway"
    pid = gateway.main_pid(unit)
    gateway.run(f"systemctl kill -s KILL {unit}")
    wait_for(lambda: gateway.main_pid(unit) not in (0, pid), "the restart")
    wait_for(lambda: gateway.show(unit, "ActiveState") == "active", "it")
    assert log_in(gateway, typed) == "app_gateway"


def test_a_reload_brings_another_forced_user(gateway):
    gateway.run("cd /; psql -X -q", user="postgres", text="""
        CREATE ROLE app_other LOGIN PASSWORD 'another password';""")
    gateway.run("echo 'hostssl all app_other 192.0.2.10/32 scram-sha-256' "
                ">>$(echo /etc/postgresql/*/main/pg_hba.conf)\n"
                "systemctl reload postgresql@*\n"
                "sed -i 's/app_gateway/app_other/; s/forced password/another "
                "password/' /etc/pgbouncer/databases.ini\n"
                "systemctl reload pgbouncer")
    typed = password(gateway)
    wait_for(lambda: log_in(gateway, typed) == "app_other", "the reload")


def test_what_got_out_ends_at_the_gateway(gateway):
    old = password(gateway)
    gateway.run(KEYTURN + "rotate sap_engagement --compromised --reason test",
                timeout=60)
    assert "PAM authentication failed" in log_in(gateway, old, expect=2)
    log_in(gateway, password(gateway))


def test_the_unit_is_exposed_less_than_the_distributions(gateway):
    assert 0 < exposure(gateway, "pgbouncer.service") < 3
