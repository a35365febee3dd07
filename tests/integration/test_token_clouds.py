# SPDX-License-Identifier: PostgreSQL
"""Tokens of RDS, Azure and Google: botocore is the oracle of the first, strict
doubles answer for the others."""

import json
import os
import sys
import tempfile
import time
import urllib.parse
from datetime import datetime, timedelta, timezone

import botocore.auth
import botocore.session
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

from clouds import Clouds  # noqa: E402
from rig.token_site import TokenSite  # noqa: E402

HOST = "db.example.eu-central-1.rds.amazonaws.com"
ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class Nowhere:
    double = None
    secret = ""


@pytest.fixture
def site(folder, tools, server):
    path = tempfile.mkdtemp(prefix="kt-", dir=folder)
    site = TokenSite.__new__(TokenSite)
    site.section = lambda **_: ""
    TokenSite.__init__(site, tools, server, os.path.join(path, "site"),
                       "tokens", Nowhere())
    yield site.create()
    site.close()
    hits = site.leaks()
    assert not hits, "secrets where none may be: " + "; ".join(
        f"{what} in {file}" for file, what in hits[:20])


def use(site, **settings):
    site.configure((), more="[token lake]\n" + "\n".join(
        f"{k} = {v}" for k, v in settings.items() if v is not None) + "\n")


def when(text):
    return datetime.fromisoformat(text).timestamp()


# ---- RDS -------------------------------------------------------------------------

def rds(site, **settings):
    use(site, **{"type": "aws-rds", "region": "eu-central-1", "host": HOST,
                 "user": "app_user", **settings})


def keys(session=None):
    env = {"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    return {**env, "AWS_SESSION_TOKEN": session} if session else env


def query(token):
    return dict(urllib.parse.parse_qsl(token.split("/?", 1)[1], True, True))


@pytest.mark.parametrize("session", [None, "SESS/TOK+EN="])
@pytest.mark.parametrize("user", ["app_user", "o'k +%/?&=é"])
def test_an_rds_token_is_botocore_s(site, monkeypatch, session, user):
    rds(site, user=f'"{user}"', port="5433")
    answer = site.json(environment=keys(session))
    token = answer["password"]
    made = datetime.strptime(query(token)["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime",
        lambda remove_tzinfo=True: made if remove_tzinfo
        else made.replace(tzinfo=timezone.utc))
    client = botocore.session.Session().create_client(
        "rds", region_name="eu-central-1", aws_access_key_id=ID,
        aws_secret_access_key=SECRET, aws_session_token=session)
    theirs = client.generate_db_auth_token(
        DBHostname=HOST, Port=5433, DBUsername=user, Region="eu-central-1")
    # The order of what is sent does not matter, that of what is signed does.
    assert token.split("?")[0] == theirs.split("?")[0] == HOST + ":5433/"
    assert sorted(token.split("?")[1].split("&")) == \
        sorted(theirs.split("?")[1].split("&"))
    assert answer["username"] == user
    assert abs(when(answer["expires_at"]) - time.time() - 900) < 10


def test_an_rds_token_dies_with_its_session(site):
    """credential_process says when that is."""
    end = datetime.now(timezone.utc) + timedelta(minutes=16)
    program = site.put("process", "#!/bin/sh\ncat <<'END'\n" + json.dumps({
        "Version": 1, "AccessKeyId": ID, "SecretAccessKey": SECRET,
        "SessionToken": "short",
        "Expiration": (end - timedelta(minutes=5)).isoformat()})
        + "\nEND", mode=0o700)
    folder = os.path.join(site.folder, ".aws")
    os.mkdir(folder, mode=0o700)
    with open(os.path.join(folder, "config"), "w") as f:
        f.write(f"[profile lake]\ncredential_process = {program}\n")
    rds(site, profile="lake")
    answer = site.json()
    assert abs(when(answer["expires_at"]) - end.timestamp() + 300) < 2
    done = site.token("--min-life", "14m", expect=6)
    assert "14m was asked for" in done.err


@pytest.mark.parametrize("settings, sentence", [
    ({"host": None}, "needs host"),
    ({"user": None}, "needs user"),
    ({"region": "Mars 1"}, "region"),
    ({"host": HOST + ":5433"}, "name alone"),
    ({"host": "https://" + HOST}, "name alone"),
    ({"host": HOST + "."}, "name alone"),
    ({"workspace": "https://x"}, "has no effect in a token of type aws-rds"),
])
def test_rds_settings_are_looked_at(site, settings, sentence):
    rds(site, **settings)
    assert sentence in site.token(expect=2, environment=keys()).err


def test_an_rds_token_ends_with_the_environment_s_key(site):
    end = datetime.now(timezone.utc) + timedelta(minutes=7)
    rds(site)
    short = {**keys("SESSION"), "AWS_CREDENTIAL_EXPIRATION": end.isoformat()}
    answer = site.json(environment=short)
    assert abs(when(answer["expires_at"]) - end.timestamp()) < 2
    done = site.token("--min-life", "10m", expect=6, environment=short)
    assert "10m was asked for" in done.err
    over = {**short, "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"}
    assert "AWS_CREDENTIAL_EXPIRATION" in site.token(expect=2,
                                                     environment=over).err


def test_check_warns_of_an_rds_token_that_no_server_takes(site):
    rds(site, region="us-east-1")
    done = site.run("check", environment=keys())
    assert "warn" in done.out and "is in the region eu-central-1" in done.out


# ---- Azure and Google -------------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("clouds")


@pytest.fixture
def clouds(certificate, site):
    clouds = Clouds(*certificate)
    site.remember(clouds.secret, "the client's secret")
    yield clouds
    clouds.stop()
    for token in clouds.given:
        site.remember(token, "a token")


@pytest.fixture
def around(clouds):
    return {"AZURE_AUTHORITY_HOST": clouds.url + "/",
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://" + clouds.host,
            "GCE_METADATA_HOST": clouds.host}


def azure(site, authority, **settings):
    use(site, **{"type": "azure", "tenant": "contoso", "client_id": "app-1",
                 "user": "keyturn-app", "timeout": "5s",
                 "ca_file": authority.certificate, **settings})


def test_an_application_s_secret_gets_a_token(site, clouds, around, authority):
    file = site.put("azure", clouds.secret)
    azure(site, authority, client_secret_file=file)
    answer = site.json(environment=around)
    assert answer["password"] == clouds.given[0]
    assert answer["username"] == "keyturn-app"
    assert abs(when(answer["expires_at"]) - time.time() - 3599) < 10
    azure(site, authority, client_secret_file=site.put("azure", "wrong"))
    done = site.token(expect=12, environment=around)
    assert "Entra ID answers 401 invalid_client" in done.err


@pytest.mark.parametrize("client, who", [(None, "system"),
                                         ("id-2", "user-assigned")])
@pytest.mark.parametrize("offset", [0, -7200])
def test_a_managed_identity_gets_a_token(site, clouds, around, authority,
                                         client, who, offset):
    clouds.offset = offset
    azure(site, authority, auth="managed-identity", tenant=None,
          client_id=client)
    answer = site.json(environment=around)
    assert answer["password"].startswith(f"ya29.{who}.")
    # expires_on is by the service's clock.
    assert abs(when(answer["expires_at"]) - time.time() - 86400) < 10


@pytest.mark.parametrize("status", [404, 410, 429, 500, 502, 503])
def test_a_managed_identity_that_is_not_there_yet_is_waited_for(
        site, clouds, around, authority, status):
    """As azure-identity does."""
    azure(site, authority, auth="managed-identity", tenant=None,
          client_id=None, timeout="30s")
    clouds.faults = [status]
    assert site.json(environment=around)["password"] == clouds.given[0]


def test_a_managed_identity_may_be_named_by_the_environment(site, clouds,
                                                            around, authority):
    azure(site, authority, auth="managed-identity", tenant=None,
          client_id=None)
    answer = site.json(environment={**around, "AZURE_CLIENT_ID": "id-2"})
    assert answer["password"].startswith("ya29.user-assigned.")


def test_an_authority_needs_no_scheme_and_takes_no_other(site, clouds, around,
                                                         authority):
    azure(site, authority, client_secret_file=site.put("azure", clouds.secret))
    site.json(environment={**around, "AZURE_AUTHORITY_HOST":
                           clouds.url.removeprefix("https://")})
    done = site.token(expect=2, environment={
        **around, "AZURE_AUTHORITY_HOST": "http://" + clouds.host})
    assert "AZURE_AUTHORITY_HOST" in done.err and "https://" in done.err


@pytest.mark.parametrize("settings, sentence", [
    ({}, "set auth to client-secret or managed-identity"),
    ({"auth": "client-secret"}, "needs tenant, client_id and"),
    ({"auth": "pat"}, "must be client-secret or managed-identity"),
    ({"user": None}, "needs user"),
])
def test_azure_settings_are_looked_at(site, clouds, around, authority,
                                      settings, sentence):
    azure(site, authority, **settings)
    assert sentence in site.token(expect=2, environment=around).err
    assert not clouds.calls


def gcp(site, authority, **settings):
    use(site, **{"type": "gcp", "timeout": "5s",
                 "ca_file": authority.certificate, **settings})


def key_file(site, text):
    path = os.path.join(site.private, "account.json")
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o600)
    return path


@pytest.mark.parametrize("offset", [0, 3600])
def test_a_service_account_s_key_gets_a_token(site, clouds, around, authority,
                                              offset):
    """With a clock that is off, by the second attempt."""
    clouds.offset = offset
    gcp(site, authority, key_file=key_file(site, clouds.key_file()))
    answer = site.json(environment=around)
    assert answer["password"] == clouds.given[0]
    assert answer["username"] == "keyturn@shop.iam"
    assert abs(when(answer["expires_at"]) - time.time() - 3599) < 10
    assert len(clouds.calls) == (2 if offset else 1)


@pytest.mark.parametrize("text, sentence", [
    ("{}", "is not a service account's key"),
    ("no json", "is not a service account's key"),
    ('{"type":"external_account","audience":"x"}',
     "is of the type external_account"),
    ('{"client_email":"a","token_uri":"https://localhost:1/","private_key":'
     '"-----BEGIN PRIVATE KEY-----"}', "it is not a private RSA key"),
])
def test_a_bad_key_is_said_to_be_one(site, clouds, around, authority, text,
                                     sentence):
    gcp(site, authority, key_file=key_file(site, text))
    assert sentence in site.token(expect=2, environment=around).err


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()).decode()


@pytest.mark.parametrize("make", [
    lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
    lambda: ec.generate_private_key(ec.SECP256R1()),
])
def test_a_weak_key_or_another_kind_is_refused(site, clouds, around, authority,
                                               make):
    gcp(site, authority, key_file=key_file(site, clouds.key_file(
        private_key=pem(make()))))
    assert "it is not a private RSA key of 2048 to 8192 bits" in site.token(
        expect=2, environment=around).err
    assert not clouds.calls


def test_a_key_that_others_may_read_is_refused(site, clouds, around,
                                               authority):
    path = key_file(site, clouds.key_file())
    os.chmod(path, 0o644)
    gcp(site, authority, key_file=path)
    assert "chmod" in site.token(expect=2, environment=around).err


def test_an_instance_s_account_gets_a_token(site, clouds, around, authority):
    gcp(site, authority, auth="metadata")
    answer = site.json(environment=around)
    assert answer["password"].startswith("ya29.gce.")
    assert answer["username"] == "keyturn@shop.iam"
    gcp(site, authority, auth="metadata", user="somebody")
    assert site.json(environment=around)["username"] == "somebody"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("by_key", [True, False])
def test_google_is_asked_again_as_google_auth_does(site, clouds, around,
                                                   authority, by_key, status):
    gcp(site, authority, timeout="30s", **(
        {"key_file": key_file(site, clouds.key_file())} if by_key else
        {"auth": "metadata"}))
    clouds.faults = [status]
    assert site.json(environment=around)["password"] == clouds.given[-1]


def test_google_s_settings_are_looked_at(site, clouds, around, authority):
    gcp(site, authority)
    assert "set auth to metadata, or key_file" in site.token(
        expect=2, environment=around).err
