# SPDX-License-Identifier: PostgreSQL
"""The overlap, with nothing scripted: keyturn rotates, keyturn-agent serves,
PostgreSQL asks pam_keyturn.so, and clients log in as fast as they can."""

import json
import os
import pwd
import re
import tempfile
import threading
from collections import Counter

import psycopg
import pytest

from rig.agent import everything
from rig.pam import Services, own_folder
from rig.server import Server, account, wait_for
from rig.users import Users

ROTATIONS = 100
HBA = "hostssl shop +keyturn_grace 127.0.0.1/32 pam pamservice=keyturn\n"


class Place:
    def __init__(self, site, agent, services):
        self.site = site
        self.agent = agent
        self.services = services
        self.server = site.server

    def login(self, password, dbname="shop"):
        return psycopg.connect(
            host="127.0.0.1", port=self.server.port, user="sap",
            dbname=dbname, password=password, passfile="/dev/null",
            gssencmode="disable", connect_timeout=30, **self.server.client)

    def rotate(self):
        """As keyturnd does it: rotate, then tell the agent.  The version that
        is current then."""
        self.site.run("rotate", "sap", expect=0)
        version = self.site.current()
        assert self.agent.push().result == "OK"
        self.agent.wait_version(version.id)
        return version


@pytest.fixture
def overlap(folder, authority, template, tools, new_site, new_agent):
    """overlap(grace): a Place whose role has that grace at the agent."""
    home = tempfile.mkdtemp(prefix="pam-", dir=folder)
    os.chmod(home, 0o755)
    services = Services(os.path.join(home, "services"), tools.binary)
    server = Server(own_folder(os.path.join(home, "pg")) + "/s", authority,
                    template)
    server.environment = services.environment
    server.start()

    def make(grace):
        site = new_site(on=server)
        server.sql("create database shop")
        server.sql("create role keyturn_grace nologin")
        server.sql("grant keyturn_grace to sap")
        server.hba(HBA)
        site.run("rotate", "sap", expect=0)
        asker = pwd.getpwnam(account()).pw_uid
        # The server may have passwords checked, and is given none.
        rights = re.sub("^verifiers = .*", f"verifiers = uid:{asker}",
                        everything(), flags=re.M)
        agent = new_agent(site, refresh="1h",
                          roles={"sap": f"{rights}\ngrace = {grace}"})
        services.keyturn("keyturn", f"socket={agent.path()} realm=main")
        return Place(site, agent, services)

    yield make
    server.stop("immediate")


class Client(threading.Thread):
    """Logs in again and again with .password; counts, and keeps what went
    wrong."""

    def __init__(self, place, password):
        super().__init__(daemon=True)
        self.place = place
        self.password = password
        self.logins = Counter()
        self.failures = []
        self.over = False

    def run(self):
        while not self.over:
            password = self.password
            try:
                self.place.login(password).close()
                self.logins[password] += 1
            except psycopg.Error as e:
                self.failures.append(str(e))

    def several(self, n=2):
        """Wait until it logged in n times more."""
        already = self.logins.total()
        wait_for(lambda: self.failures or self.logins.total() >= already + n,
                 "logins of the client", 30)

    def end(self):
        self.over = True
        self.join(30)
        assert not self.is_alive()


@pytest.mark.slow
def test_no_login_fails_across_rotations(overlap):
    place = overlap("1h")
    version = place.site.current()
    old, new = Client(place, version.password), Client(place, version.password)
    old.start()
    new.start()
    used = []
    for _ in range(ROTATIONS):
        before, version = version, place.rotate()
        assert version.password != before.password
        new.password = version.password
        new.several()
        old.several()
        assert not old.failures and not new.failures
        used.append(before)
        # Two passwords back is one too many.
        old.password = version.password
        old.several(1)
    for client in (old, new):
        client.end()
        assert client.failures == []
    assert all(old.logins[v.password] >= 2 for v in used)
    with pytest.raises(psycopg.OperationalError, match="PAM"):
        place.login(used[-2].password)
    said_by_the_audit(place, used)


def said_by_the_audit(place, used):
    """The agent's trail verifies, and says who still used which of the old
    passwords; none is in it."""
    place.agent.stop()
    events = place.agent.events("verify")
    previous = [e for e in events if e.get("label") == "previous"]
    assert {e["version"] for e in previous} >= {v.id for v in used[:-1]}
    asker = f"uid {pwd.getpwnam(account()).pw_uid}"
    for event in previous:
        assert event["role"] == "sap" and event["actor"] == asker
        assert event["host"] == "127.0.0.1" and event["service"] == "keyturn"
    # Who that was, for a person and for a program.
    done = place.site.run("--config", place.agent.configuration, "report",
                          configured=False, expect=0)
    first, second = done.out.splitlines()
    assert re.fullmatch(rf"sap: previous password, \d+ times, last .* ago: "
                        rf"{asker}, from 127.0.0.1, service keyturn", first)
    assert second.startswith("sap: current password")
    done = place.site.run("--config", place.agent.configuration, "report",
                          "sap", "--since", "1h", "--json", configured=False,
                          expect=0)
    line = json.loads(done.out)[0]
    assert line["password"] == "previous" and line["actor"] == asker
    assert line["times"] >= len(used) - 1


def test_without_grace_the_old_password_is_refused_at_once(overlap):
    place = overlap("0s")
    old = place.site.current()
    place.login(old.password).close()
    new = place.rotate()
    with pytest.raises(psycopg.OperationalError, match="PAM"):
        place.login(old.password)
    place.login(new.password).close()


def test_a_new_password_that_the_agent_has_not_heard_of_logs_in(overlap):
    """Nobody told the agent, and it looks once in an hour: a login with it makes
    it ask the store, at most once a second."""
    place = overlap("1h")
    old = place.site.current()
    place.login(old.password).close()
    place.site.run("rotate", "sap", expect=0)
    new = place.site.current()

    def logs_in():
        try:
            place.login(new.password).close()
            return True
        except psycopg.OperationalError as e:
            assert "PAM authentication failed" in str(e)
            return False

    # Not faster: wrong passwords are counted, and this one still is.
    wait_for(logs_in, "a login with the new password", 8, pause=1.2)
    place.login(old.password).close()


def test_the_server_is_never_given_the_password(overlap):
    place = overlap("1h")
    asker = pwd.getpwnam(account()).pw_uid
    if asker == os.getuid():
        place.agent.configure(roles={"sap": f"verifiers = uid:{asker}"})
        place.agent.reload()
        assert place.agent.call("GET", role="sap").result == "DENIED"
    else:
        place.agent.users = Users()
        assert place.agent.call("GET", uid=asker, role="sap").result \
            == "DENIED"
    place.login(place.site.current().password).close()


def test_an_agent_that_restarts_is_missed_for_a_moment_only(overlap):
    place = overlap("1h")
    password = place.site.current().password
    place.login(password).close()
    place.agent.stop()
    with pytest.raises(psycopg.OperationalError, match="PAM"):
        place.login(password)
    place.agent.start()
    place.login(password).close()


def test_a_rotation_that_was_asked_for_by_pam_is_noted(overlap):
    """By whoever calls, as that user; here the server's has no such right."""
    place = overlap("1h")
    done = place.services.test("keyturn", "sap", "chauthtok",
                               as_server=False)
    assert done.returncode == 0, done.stderr
    taken = place.agent.call("TAKE", "admin")
    assert [e["ROLE"] for e in taken.entries] == ["sap"]
    if account() != pwd.getpwuid(os.getuid()).pw_name:
        done = place.services.test("keyturn", "sap", "chauthtok")
        assert done.returncode == 1
        assert "Permission denied" in done.stderr, done.stderr


def test_a_service_login_gets_a_file_for_as_long_as_it_lasts(overlap):
    """The real folder in /run, which only root can make."""
    place = overlap("1h")
    user = pwd.getpwnam("nobody")
    place.agent.configure(roles={
        "sap": f"readers = uid:{user.pw_uid}\nlisters = uid:{user.pw_uid}"})
    place.agent.reload()
    found = os.path.join(place.site.folder, "found")
    conninfo = place.site.conninfo(user="sap")
    script = os.path.join(place.site.evidence, "look")
    with open(script, "w") as f:
        f.write("#!/bin/sh\n"
                '[ "$PAM_TYPE" = open_session ] || exit 0\n'
                f'exec >{found} && echo "$PGPASSFILE" && '
                'stat -c "%a %u" "$PGPASSFILE" && '
                f'psql -XAtqw -c "select current_user" "{conninfo}"\n')
    os.chmod(script, 0o755)
    place.services.write(
        "job", f"session required %M socket={place.agent.path()}\n"
        f"session required pam_exec.so {script}\n")
    run = "/run/keyturn-pam"
    existed = os.path.exists(run)
    done = place.services.test("job", "nobody", "open_session",
                               "close_session", as_server=False)
    if os.getuid() != 0:
        assert done.returncode == 1
        return
    assert done.returncode == 0, done.stderr
    with open(found) as f:
        path, mode, who = f.read().splitlines()
    assert re.fullmatch(rf"{run}/{user.pw_uid}/pgpass\.\d+\.0", path)
    assert mode == f"600 {user.pw_uid}"
    assert who == "sap"
    assert not os.path.exists(path)
    got = place.agent.events("handout")
    assert {e["actor"] for e in got} == {f"uid {user.pw_uid}"}
    if not existed:
        os.rmdir(os.path.dirname(path))
        os.rmdir(run)
