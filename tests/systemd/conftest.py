# SPDX-License-Identifier: PostgreSQL
"""Fixtures of the tests on a booted systemd.

    machine     a booted Debian with keyturn as `make install` leaves it, a
                PostgreSQL, and the names that the documents use
    operated    the same, set up as docs/operators.md says: keyturnd runs
    served      the same, set up as docs/agent.md says: the agent serves what
                is in `vault`

Each file of tests has a machine of its own.  What it starts from is the folder $KEYTURN_ROOT (tests/root/make), and
the build $KEYTURN_BUILD.  Both stay as
they are.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import types
import uuid

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(TESTS, "integration"))
sys.path.insert(0, os.path.join(TESTS, "doubles"))

import vault as doubles  # noqa: E402
from rig.authority import Authority  # noqa: E402

from documents import block, phrase  # noqa: E402
from machine import Machine, wait_for  # noqa: E402

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
DROP_INS = "/etc/systemd/system/{}.service.d/local.conf"


def pytest_configure(config):
    # A terminated run must put its machine away like an interrupted one.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(str(tmp_path_factory.mktemp("authority") / "ca"))


def name_hosts(machine, authority):
    """The documents' hosts are this machine, with certificates that it takes
    for good."""
    machine.write("/etc/hosts", "127.0.0.1 localhost vault.example.com\n"
                                "192.0.2.10 db.example.com\n")
    with open(authority.certificate) as f:
        certificate = f.read()
    bundle = machine.path(BUNDLE)
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text(certificate)


def start_database(machine, authority):
    cert, key = authority.issue("db", hosts=["DNS:db.example.com"])
    for name, file, mode in (("pem", cert, 0o644), ("key", key, 0o600)):
        with open(file) as f:
            machine.write("/etc/postgresql/server." + name, f.read(), mode,
                          "postgres:postgres")
    machine.run("""
        cd /etc/postgresql/*/main
        cat >conf.d/test.conf <<'EOF'
listen_addresses = '192.0.2.10'
ssl = on
ssl_cert_file = '/etc/postgresql/server.pem'
ssl_key_file = '/etc/postgresql/server.key'
EOF
        systemctl restart postgresql@*""")


def install(machine):
    """What `sudo make install` does, from the build to the machine."""
    assert block("operators.md", "Installation", "sh").startswith(
        "./configure && make && make check && sudo make install ")
    done = subprocess.run(
        ["make", "-s", "-C", os.environ["KEYTURN_BUILD"], "install",
         f"DESTDIR={machine.path('/')}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # The build may be another user's.
    machine.run("chown -R root:root /usr/local")


@pytest.fixture(scope="module")
def machine(authority, tmp_path_factory):
    made = Machine(os.environ["KEYTURN_ROOT"],
                   str(tmp_path_factory.mktemp("machine") / "console"))
    try:
        name_hosts(made, authority)
        start_database(made, authority)
        install(made)
        yield made
    finally:
        made.stop()


# ---- docs/operators.md ----------------------------------------------------------

class Database:
    """The machine's PostgreSQL, as its superuser."""

    def __init__(self, machine):
        self.machine = machine

    def sql(self, text, database="postgres", expect=0, more=""):
        return self.machine.run(
            f"cd /; psql -X -A -t -q -v ON_ERROR_STOP=1 -d {database} {more}",
            user="postgres", text=text, expect=expect).stdout.strip()

    def version(self):
        return int(self.sql("SHOW server_version_num")) // 10000

    @contextlib.contextmanager
    def held(self, role):
        """Nobody gets past the ALTER ROLE meanwhile."""
        shell = subprocess.Popen(
            ["nsenter", f"--target={self.machine.leader}", "--all", "--",
             "runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-d",
             "postgres"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            cwd="/", text=True, start_new_session=True)
        try:
            shell.stdin.write(f"BEGIN; ALTER ROLE {role} CONNECTION LIMIT -1;\n"
                              "\\echo held\n")
            shell.stdin.flush()
            assert shell.stdout.readline() == "held\n"
            yield
        finally:
            shell.communicate("ROLLBACK;\n", timeout=20)

    def somebody_waits(self):
        return self.sql("SELECT count(*) FROM pg_stat_activity WHERE "
                        "usename = 'keyturn_admin' AND "
                        "wait_event_type = 'Lock'") != "0"


def administrator(machine, database):
    """As the document has it; \\password asks twice, and is answered."""
    wanted = block("operators.md", "keyturn's administrator in PostgreSQL",
                   "sql", "CREATE SCHEMA")
    machine.write("/tmp/administrator.sql", wanted)
    database.sql("admin password\nadmin password\n",
                 more="-f /tmp/administrator.sql")
    database.sql("CREATE ROLE sap_engagement LOGIN; CREATE DATABASE shop;")
    if database.version() >= 16:
        database.sql(phrase("operators.md", r"`(GRANT sap_engagement TO "
                            r"keyturn_admin WITH ADMIN TRUE[^`]*)`"))
    line = block("operators.md", "pg_hba.conf", "")
    machine.run("cat >>$(echo /etc/postgresql/*/main/pg_hba.conf)\n"
                "systemctl reload postgresql@*", text=line)


def drop_in(machine, unit, *lines):
    """What `systemctl edit` writes."""
    machine.write(DROP_INS.format(unit), "[Service]\n" + "\n".join(lines)
                  + "\n")
    machine.run("systemctl daemon-reload")


def commented_out(machine, unit, pattern):
    """Lines that stand commented out in a unit, for whoever needs them."""
    text = machine.run(f"systemctl cat {unit}").stdout
    found = re.findall(rf"^#({pattern})$", text, re.M)
    assert found, f"{unit} has no such line"
    return found


def exposure(machine, unit):
    done = machine.run(f"systemd-analyze security --no-pager {unit}")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


@pytest.fixture(scope="module")
def operated(machine):
    """Names: machine, database, run (a command of keyturn's, by its user)."""
    database = Database(machine)
    administrator(machine, database)
    machine.run("useradd --create-home sapjob; useradd --create-home other")

    lines = block("operators.md", "keyturnd", "sh", "sysusers").splitlines()
    assert lines[-1] == "systemctl enable --now keyturnd.service"
    machine.run("\n".join(lines[:-1]))
    machine.write("/etc/keyturn/conf.d/main.conf",
                  block("operators.md", "Configuration", "ini"), 0o640,
                  "keyturn:keyturn")
    machine.write("/etc/keyturn/main.pgpass",
                  "db.example.com:5432:*:keyturn_admin:admin password\n",
                  0o600, "keyturn:keyturn")
    exposed = exposure(machine, "keyturnd.service")
    drop_in(machine, "keyturnd",
            "ReadWritePaths=/home/sapjob",
            *commented_out(machine, "keyturnd",
                           "(?:CapabilityBoundingSet|AmbientCapabilities|"
                           "PrivateUsers|ProtectHome|SystemCallFilter)=.*"))
    # By hand, for the first time, with the rights that the unit has now.
    machine.run(block("operators.md", "keyturnd", "sh", "setpriv"))
    # So that a test need not wait long.
    machine.run(r"sed -i '/^\[keyturn\]/a jitter = 0s\npoll = 1s\nbackoff = 1s"
                r"\nbackoff_max = 2s' /etc/keyturn/keyturn.conf")
    machine.run(lines[-1])

    return Operated(machine, database, exposed)


class Operated:
    """What a person at the machine does with keyturn."""

    def __init__(self, machine, database, exposed):
        self.machine, self.database = machine, database
        self.exposed = exposed  # keyturnd's unit, without a drop-in

    def run(self, command, expect=0):
        return self.machine.run("cd /; keyturn " + command, user="keyturn",
                                expect=expect)

    def password(self, role="sap_engagement"):
        return self.run("get " + role).stdout.strip()

    def state(self, role="sap_engagement"):
        rows = json.loads(self.run("status --json").stdout)
        return next(r for r in rows if r.get("role") == role)

    def log_in(self, role="sap_engagement"):
        """As the partner's job does, with the file that keyturnd keeps."""
        done = self.machine.run(
            "cd; psql -X -A -t -c 'SELECT session_user' 'host=db.example.com "
            f"dbname=shop user={role} sslmode=verify-full sslrootcert={BUNDLE} "
            "passfile=/home/sapjob/.pgpass'", user="sapjob")
        assert done.stdout.strip() == role

    def overdue(self, role="sap_engagement"):
        """As if it had been rotated forty days ago."""
        done = self.machine.run(
            "cd /; sqlite3 -cmd '.timeout 20000' /var/lib/keyturn/ledger.db",
            user="keyturn", text="update role set rotated_us = rotated_us - "
            f"3456000000000 where role = '{role}'; select changes();")
        assert done.stdout.split()[-1] == "1"

    def wait_rotated(self, old, seconds=60, role="sap_engagement"):
        wait_for(lambda: self.password(role) != old,
                 f"the rotation of {role}; {self.machine.journal()}", seconds)
        wait_for(lambda: self.state(role)["state"] == "ok", "its end")
        self.log_in(role)


# ---- docs/agent.md --------------------------------------------------------------

class Vault:
    """A server that the machine reaches as vault.example.com."""

    def __init__(self, machine, authority):
        self.tls = dict(zip(("cert", "key"), authority.issue(
            "vault", hosts=["DNS:vault.example.com"])))
        self.machine = machine
        self.server = None
        self.start()

    def start(self):
        old = self.server
        self.server = self.machine.in_network(
            lambda: doubles.Double(tls=self.tls, port=8200))
        if old:
            self.server.spaces, self.server.tokens = old.spaces, old.tokens

    def stop(self):
        self.server.stop()

    def admin(self, method, path, body=None):
        """A call as root, which does not need the network."""
        headers = {"X-Vault-Token": self.server.root,
                   "X-Vault-Request": "true"}
        status, answer = self.server.answer(
            method, path, {}, headers, body or {}, "127.0.0.1")[:2]
        assert status in (200, 204), answer
        return answer

    def give(self, role, password):
        self.admin("POST", "secret/data/partners/" + role, {"data": {
            "engine": "postgres", "host": "db.example.com", "port": "5432",
            "dbname": "shop", "username": role, "password": password,
            "keyturn_version": str(uuid.uuid4())}})


def approle(vault, role_id):
    """What docs/vault.md has an administrator of Vault do; the secret_id."""
    vault.admin("PUT", "sys/policies/acl/agent", {"policy":
                'path "secret/data/partners/*" { capabilities = ["read"] }'})
    vault.admin("POST", "sys/auth/approle", {"type": "approle"})
    vault.admin("POST", "auth/approle/role/agent", {
        "token_policies": ["agent"], "token_ttl": 3600})
    vault.admin("POST", "auth/approle/role/agent/role-id",
                {"role_id": role_id})
    return vault.admin("POST", "auth/approle/role/agent/secret-id")["data"][
        "secret_id"]


@pytest.fixture(scope="module")
def vault(machine, authority):
    made = Vault(machine, authority)
    yield made
    made.stop()


class Served:
    def __init__(self, machine, vault, exposed):
        self.machine, self.vault = machine, vault
        self.exposed = exposed  # the agent's unit, without a drop-in

    def get(self, user="sapjob", expect=0):
        """The password, as the helper prints it."""
        return self.machine.run(
            "cd /; keyturn-credential get --role sap_engagement", user=user,
            expect=expect).stdout.rstrip("\n")


@pytest.fixture(scope="module")
def served(machine, vault):
    machine.run("useradd --create-home sapjob; useradd --create-home other\n"
                "groupadd partners; useradd --create-home -G partners partner")
    machine.run(block("agent.md", "Setting it up", "sh", "sysusers"))
    conf = block("agent.md", "Setting it up", "ini", "[keyturn]")
    secret_id = approle(vault, re.search(r"^role_id = (.*)$", conf, re.M)[1])
    vault.give("sap_engagement", "from the vault")
    machine.write("/etc/keyturn/agent.conf", conf, 0o640, "keyturn:keyturn")
    machine.write("/etc/keyturn/vault-secret-id", secret_id + "\n", 0o600)
    lines = block("agent.md", "Setting it up", "sh", "--init").splitlines()
    machine.run("\n".join(lines[:-1]))
    exposed = exposure(machine, "keyturn-agent.service")
    drop_in(machine, "keyturn-agent",
            *commented_out(machine, "keyturn-agent", "LoadCredential=.*"))
    machine.run(lines[-1])
    return Served(machine, vault, exposed)
