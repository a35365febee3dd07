# SPDX-License-Identifier: PostgreSQL
"""The delivery to SAP Integration Suite, against a strict double of its token
service and its OData API."""

import getpass
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

from integration_suite import Tenant  # noqa: E402

PROGRAM = os.path.join(os.path.dirname(os.path.dirname(HERE)), "docs",
                       "deliveries", "sap-integration-suite")
OTHER = "nobody" if os.geteuid() == 0 else getpass.getuser()
NAME = "Partner DB (o'Neil)"
UNDELIVERED = 18
LOAD = {"username": "sap_b", "password": "Pass-of.the_test_4711aB",
        "role": "sap", "version": "v"}


class Place:
    """What an operator lays out: the program, and the key of its user's."""

    def __init__(self, folder, tenant, trusted):
        self.folder = tempfile.mkdtemp(prefix="sap-", dir=folder)
        os.chmod(self.folder, 0o755)
        self.program = os.path.join(self.folder, "sap-integration-suite")
        shutil.copy(PROGRAM, self.program)
        os.chmod(self.program, 0o755)
        self.trusted = os.path.join(self.folder, "ca.pem")
        shutil.copy(trusted, self.trusted)
        os.chmod(self.trusted, 0o644)
        self.tenant = tenant
        self.key = os.path.join(self.folder, "key.json")
        self.write_key(tenant.service_key())

    def write_key(self, key, mode=0o600):
        with open(self.key, "w") as f:
            json.dump(key, f)
        os.chmod(self.key, mode)
        user = pwd.getpwnam(OTHER)
        os.chown(self.key, user.pw_uid, user.pw_gid)

    def run(self, load=LOAD, name=NAME, **options):
        """As keyturn runs it, but for keyturn."""
        if os.geteuid() == 0:
            user = pwd.getpwnam(OTHER)
            options.update(user=user.pw_uid, group=user.pw_gid,
                           extra_groups=[])
        done = subprocess.run(
            [self.program, self.key, name, self.trusted],
            input=load if isinstance(load, str) else json.dumps(load),
            capture_output=True, text=True, env={}, cwd="/", timeout=60,
            **options)
        for secret in (LOAD["password"], self.tenant.client[1],
                       *self.tenant.tokens):
            assert secret not in done.stdout + done.stderr
        return done

    def section(self):
        return (f"[delivery cpi]\ncommand = {self.program}\n"
                f"command = {self.key}\ncommand = {NAME}\n"
                f"command = {self.trusted}\nuser = {OTHER}\n")


@pytest.fixture
def tenant(authority):
    made = Tenant(*authority.issue("sap"))
    made.deploy(NAME, User="nobody yet", Description="of the database team")
    yield made
    made.close()


@pytest.fixture
def place(folder, tenant, authority):
    made = Place(folder, tenant, authority.certificate)
    yield made
    shutil.rmtree(made.folder)


def test_a_rotation_ends_in_the_artifact(site, place, tenant):
    site.remember(tenant.client[1], "the service key's secret")
    site.configure(("sap",), more=place.section(),
                   role_settings="delivery = cpi\n")
    site.run("check", "sap")
    site.run("rotate", "sap", expect=0)
    current = site.settled()
    artifact = tenant.artifacts[NAME]
    assert artifact["User"] == "sap"
    assert artifact["Password"] == current.password
    assert artifact["Description"] == "of the database team"
    site.must_log_in(artifact["Password"])
    (event,) = [e for e in site.audit() if e.get("kind") == "delivered"]
    assert event["detail"] == (
        f"User Credentials {NAME} has the password of sap; integration flows "
        "that use it must be restarted")
    assert tenant.refused == []


def test_what_is_away_is_tried_again(site, place, tenant):
    site.configure(("sap",), more=place.section(),
                   role_settings="delivery = cpi\n")
    tenant.broken = 503
    done = site.run("rotate", "sap", expect=UNDELIVERED)
    assert "ended with 1: " in done.out and "HTTP 503" in done.out
    tenant.broken = 0
    site.run("recover", "sap", expect=0)
    assert tenant.artifacts[NAME]["Password"] == site.settled().password


def test_by_itself(place, tenant):
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert tenant.written == [LOAD["password"]]
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert [m for m, _ in tenant.requests] == ["POST", "GET", "PUT", "GET"]


def test_a_session_that_ended_is_begun_again_once(place, tenant):
    tenant.forget_sessions = 1
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert tenant.refused == [(403, "CSRF token validation failed")]
    assert tenant.written == [LOAD["password"]]
    tenant.forget_sessions = 9
    done = place.run()
    assert done.returncode == 1 and "HTTP 403" in done.stderr
    assert len(tenant.written) == 1


def test_another_kind_stays_what_it_is(place, tenant):
    tenant.deploy(NAME, Kind="successfactors", CompanyId="acme", User="u")
    assert place.run().returncode == 0
    artifact = tenant.artifacts[NAME]
    assert (artifact["Kind"], artifact["CompanyId"]) == \
        ("successfactors", "acme")


def spoil_secret(place, tenant):
    tenant.client = (tenant.client[0], "another")


def spoil_token(place, tenant):
    tenant.token_life = 0


def spoil_artifact(place, tenant):
    tenant.artifacts.clear()


def spoil_mode(place, tenant):
    os.chmod(place.key, 0o640)


def spoil_key(place, tenant):
    place.write_key({"oauth": {"clientid": "x"}})


def spoil_address(place, tenant):
    key = tenant.service_key()
    key["oauth"]["url"] = key["oauth"]["url"].replace("https", "http")
    place.write_key(key)




def spoil_port(place, tenant):
    key = tenant.service_key()
    key["oauth"]["tokenurl"] = "https://localhost:1/oauth/token"
    place.write_key(key)


@pytest.mark.parametrize("spoil,says", [
    (spoil_secret, "gives no token: HTTP 401, so clientid or clientsecret"),
    (spoil_token, "does not show the artifact: HTTP 401: the token is not"),
    (spoil_artifact, "there is no User Credentials artifact " + NAME),
    (spoil_mode, "with mode 0600"),
    (spoil_key, "is not a service key with clientid, clientsecret"),
    (spoil_address, "must begin with https://"),
    (spoil_port, "cannot be reached: ConnectionRefusedError"),
], ids=lambda v: getattr(v, "__name__", ""))
def test_what_goes_wrong_is_one_sentence(place, tenant, spoil, says):
    spoil(place, tenant)
    done = place.run()
    assert done.returncode == 1
    assert says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert tenant.written == []


def test_a_server_that_is_another_is_told_nothing(place, tenant, authority,
                                                  tmp_path):
    other = type(authority)(os.path.join(place.folder, "other-ca"), "other CA")
    shutil.copy(other.certificate, place.trusted)
    os.chmod(place.trusted, 0o644)
    done = place.run()
    assert done.returncode == 1
    assert "its certificate does not verify" in done.stderr
    assert tenant.requests == []


@pytest.mark.parametrize("load,says", [
    ("", "standard input has no JSON"),
    ('{"username": "u"}', "standard input has no JSON"),
    ({**LOAD, "password": "x" * 256}, "more than 255 characters"),
], ids=["nothing", "no password", "too long"])
def test_a_load_that_does_not_fit_is_not_sent(place, tenant, load, says):
    done = place.run(load)
    assert done.returncode == 1 and says in done.stderr
    assert tenant.requests == []


# ---- the double is no pushover ------------------------------------------------------

@pytest.mark.parametrize("old,new,status,code", [
    ('"X-CSRF-Token": csrf', '"X-CSRF-Token": "A" * 32', 403,
     "CSRF token validation failed"),
    ('"Content-Type": "application/json"}', '"Content-Type": "text/plain"}',
     415, "Unsupported Media Type"),
    ('headers["Cookie"]', 'headers["X-Cookie"]', 403,
     "CSRF token validation failed"),
    ("Name=self.name, ", "", 400, "Bad Request"),
    ("application/x-www-form-urlencoded", "application/json", 415,
     "Unsupported Media Type"),
    ("grant_type=client_credentials", "grant_type=password", 400,
     "unsupported_grant_type"),
    ('"Bearer "', '"Basic "', 401, "Unauthorized"),
], ids=["token", "type", "cookie", "name", "form", "grant", "scheme"])
def test_a_program_that_does_not_keep_to_it_is_refused(place, tenant, old, new,
                                                       status, code):
    with open(PROGRAM) as f:
        text = f.read()
    assert text.count(old) == 1
    with open(place.program, "w") as f:
        f.write(text.replace(old, new))
    assert place.run().returncode == 1
    assert tenant.refused[-1] == (status, code) and tenant.written == []
