# SPDX-License-Identifier: PostgreSQL
"""What PgBouncer's console tells of a gateway: each finding against the real
PgBouncer, by keyturn check."""

import os
import secrets

import pytest

from rig.verdict import finding

USERS = ("sap", "ops", "look")


class Console:
    """A gateway whose console is asked by one of stats_users."""

    def __init__(self, site, gateway, passwords):
        self.site, self.gateway = site, gateway
        self.passfile = os.path.join(gateway.folder, "console.pgpass")
        self.say(passwords)
        self.configure()

    def say(self, passwords, database="pgbouncer"):
        with open(self.passfile, "w") as f:
            for user, password in passwords.items():
                f.write(f"127.0.0.1:{self.gateway.port}:{database}:{user}:"
                        f"{password}\n")
        os.chmod(self.passfile, 0o600)

    def configure(self, user="look"):
        self.site.configure(
            USERS[1:], more="[role sap]\ncluster = gw\n"
            "grace = 2h\nevery = 30d\n"
            f"sink = pgpass {self.site.sinks}/sap.pgpass\n"
            "[cluster gw]\ntype = gateway\n"
            f"endpoint = {self.gateway.endpoint}\n"
            f"console_user = {user}\nconsole_passfile = {self.passfile}\n")

    def set(self, **settings):
        """They count after a start; the log of before is not searched."""
        self.gateway.configure(**settings)
        if self.gateway.process:
            self.gateway.stop()
        self.gateway.start()

    def check(self):
        return self.site.run("check", "sap")


@pytest.fixture
def console(new_site, new_gateway):
    site = new_site()
    for user in USERS[1:]:
        site.create_role(user)
    site.configure(USERS)
    site.run("rotate", *USERS, expect=0)
    gateway = new_gateway(site, roles=USERS, settings={
        "admin_users": "ops", "stats_users": "look"})
    return Console(site, gateway, {
        user: site.current(user).password for user in USERS})


def found(done, severity="fail"):
    return [line for line in done.out.splitlines()
            if line.startswith(severity) and "console" in line]


def test_a_good_one_has_nothing_to_say(console):
    done = console.check()
    assert not found(done) and not found(done, "warn"), done.text


@pytest.mark.parametrize("settings, words", [
    ({"auth_type": "trust", "auth_file": "{folder}/users"},
     "auth_type = trust asks for no password"),
    ({"auth_type": "any", "auth_file": "{folder}/users"},
     "auth_type = any asks for no password"),
    ({"auth_type": "scram-sha-256", "auth_file": "{folder}/users"},
     "auth_type = scram-sha-256 does not ask keyturn-agent"),
    ({"auth_type": "scram-sha-256", "auth_file": "{folder}/users"},
     ("login sap is in its auth_file", "does not tell apart")),  # from 1.24
    ({"auth_file": "{folder}/users"}, "which PAM does not need"),
    ({"auth_user": "sap"}, "auth_user = sap has passwords looked up"),
    ({"client_tls_sslmode": "allow"},
     "client_tls_sslmode = allow takes passwords without TLS"),
    ({"server_tls_sslmode": "require"},
     "server_tls_sslmode = require gives the password of its forced user"),
])
def test_each_setting_that_is_wrong_is_named(console, settings, words):
    gateway = console.gateway
    # Its own password where it asks for one itself.
    password = console.site.current("look").password
    gateway.file("users", f'"sap" "{secrets.token_hex(8)}"\n'
                 f'"look" "{password}"\n')
    console.set(**settings)
    lines = [line for line in console.check().out.splitlines()
             if "console" in line]
    said = (words,) if isinstance(words, str) else words
    assert any(any(w in line for w in said) and f"port {gateway.port}" in line
               for line in lines), lines


def test_a_talkative_log_shows_the_forced_user_s_password(console):
    gateway = console.gateway
    # Whatever it logs of clients, there is no secret in it.
    console.set(log_connections="1", log_disconnections="1",
                log_pooler_errors="1", log_stats="1", stats_period="1")
    password = console.site.current().password
    assert gateway.lets_in(password) and not gateway.lets_in("wrong")
    gateway.reload()
    assert gateway.forced.password not in gateway.said()
    assert password not in gateway.said()
    # But in what is for developers; this log is not searched with the others.
    forced = gateway.forced
    gateway.behind(forced.__class__("nobody", "no-secret-at-all"))
    console.set(verbose="1")
    gateway.reload()
    assert "no-secret-at-all" in gateway.said()
    finding(console.check(), "console", "verbose = 1 writes the lines of "
            "[databases]")


def test_the_database_and_its_forced_user(console):
    gateway = console.gateway
    with open(gateway.databases) as f:
        good = f.read()
    gateway.file("databases.ini", good.split(" user=")[0] + "\n")
    console.set()
    finding(console.check(), "console", "its database app has no forced user")
    gateway.file("databases.ini", good.replace("app = ", "other = "))
    console.set()
    finding(console.check(), "console", "it has no database app")


def test_a_console_that_lets_nobody_in_is_said(console):
    site, gateway = console.site, console.gateway

    def warned(*words):
        lines = found(console.check(), "warn")
        assert any(all(w in line for w in words) for line in lines), lines
    console.say({"look": "wrong"})
    warned("refuses the password of user look", "console_passfile")
    console.say({user: site.current(user).password for user in USERS})
    console.configure(user="sap")
    warned("does not let user sap to its console", "stats_users")
    console.configure()
    console.say({"look": "x"}, database="other")
    warned("has a line for this host")
    os.chmod(console.passfile, 0o644)
    warned("can be read by others")


@pytest.mark.parametrize("broken", ["forced user", "server", "tls", "front"])
def test_where_a_login_ends_is_told(console, broken):
    """In front, or behind."""
    site, gateway = console.site, console.gateway
    good = console.check()
    assert "behind" not in good.text, good.text
    if broken == "forced user":
        gateway.behind(gateway.forced.__class__("nobody", "no-secret-at-all"))
    elif broken == "server":
        text = gateway.read(gateway.databases)
        gateway.file("databases.ini", text.replace(
            f"port={site.server.port}", "port=1"))
    elif broken == "tls":
        gateway.file("root.pem", gateway.read(
            os.path.join(gateway.folder, "gateway.pem")))
    else:
        gateway.agent.stop()
    console.set(server_connect_timeout="2", client_login_timeout="3")
    done = console.check()
    assert done.exit != 0, done.text
    told = "gets no session of the server behind it" in done.text
    assert told == (broken != "front"), done.text
