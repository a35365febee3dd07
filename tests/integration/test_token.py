# SPDX-License-Identifier: PostgreSQL
"""`keyturn token` against a Databricks workspace: the double, or the real one
that KEYTURN_TEST_DATABRICKS_HOST, _CLIENT_ID, _CLIENT_SECRET, _ENDPOINT and
_PGHOST name; what needs the double's inside is left out there."""

import base64
import json
import os
import re
import sys
import tempfile
import time
from datetime import datetime

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

import workspace as doubles  # noqa: E402
from workspace import Refusal  # noqa: E402
from rig.token_site import HOST, PROJECT, Place, TokenSite  # noqa: E402

MINT = "/api/2.0/postgres/credentials"
EXIT = {"usage": 2, "refused": 6, "unavailable": 7, "denied": 12,
        "corrupt": 17}


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("workspace")


@pytest.fixture
def place(authority, certificate):
    place = Place(lambda: doubles.Workspace(*certificate),
                  authority.certificate)
    yield place
    place.stop()


@pytest.fixture
def site(folder, tools, server, place):
    path = tempfile.mkdtemp(prefix="kt-", dir=folder)
    site = TokenSite(tools, server, os.path.join(path, "site"), "tokens",
                     place)
    yield site.create()
    site.close()
    hits = site.leaks()
    assert not hits, "secrets where none may be: " + "; ".join(
        f"{what} in {file}" for file, what in hits[:20])


@pytest.fixture
def double(place):
    if not place.double:
        pytest.skip("needs the double")
    return place.double


def when(text):
    return datetime.fromisoformat(text).timestamp()


# ---- what is asked -------------------------------------------------------------

def test_a_token_is_what_the_workspace_gives_for_the_endpoint(site, double):
    with double.watch() as calls:
        done = site.token()
    assert done.out == double.minted[-1][0]
    assert [(c["method"], c["path"]) for c in calls] == [
        ("GET", "/.well-known/databricks-config"),
        ("GET", "/oidc/.well-known/oauth-authorization-server"),
        ("POST", "/oidc/v1/token"), ("POST", MINT)]
    login, mint = calls[2:]
    pair = f"{site.place.client}:{site.place.secret}"
    assert login["headers"]["authorization"] == \
        "Basic " + base64.b64encode(pair.encode()).decode()
    assert login["body"] == "grant_type=client_credentials&scope=all-apis"
    assert json.loads(mint["body"]) == {"endpoint": PROJECT}
    assert mint["headers"]["content-type"] == "application/json"
    assert "x-databricks-workspace-id" not in mint["headers"]


def test_the_user_of_a_service_principal_is_its_id(site):
    answer = site.json()
    assert answer["username"] == site.place.client
    assert abs(when(answer["expires_at"]) - time.time() - 3600) < 60


def test_a_life_can_be_asked_for(site, place):
    site.set_tokens(ttl="15m", workspace_id="123" if place.double else None)
    answer = site.json()
    assert abs(when(answer["expires_at"]) - time.time() - 900) < 60
    if place.double:
        call = place.double.requests(MINT)[0]
        assert json.loads(call["body"])["ttl"] == "900s"
        assert call["headers"]["x-databricks-workspace-id"] == "123"


def test_a_provisioned_instance_is_asked_for_by_name(site, double):
    double.instances["inst"] = HOST
    site.set_tokens(endpoint=None, instance="inst")
    answer = site.json()
    call = double.requests("/api/2.0/database/credentials")[0]
    body = json.loads(call["body"])
    assert body.pop("request_id")
    assert body == {"instance_names": ["inst"]}
    assert abs(when(answer["expires_at"]) - time.time() - 3600) < 60


def test_an_endpoint_is_found_by_its_host(site, place):
    if place.double:
        for i in range(5):
            place.double.endpoint(
                f"projects/other-{i}/branches/main/endpoints/primary",
                f"ep-other-{i}.example.com")
        place.double.page = 2
    site.set_tokens(endpoint=None, host=place.host.upper())
    assert site.token().out
    if place.double:
        assert json.loads(place.double.requests(MINT)[0]["body"]) == {
            "endpoint": PROJECT}


def test_no_endpoint_is_guessed(site, double):
    site.set_tokens(endpoint=None)
    done = site.token(expect=2)
    assert "set endpoint, instance, or host" in done.err
    site.set_tokens(endpoint=None, host="ep-unknown.example.com")
    done = site.token(expect=2)
    assert "answers at ep-unknown.example.com; set endpoint" in done.err
    double.endpoint(PROJECT, HOST, read_write_pooled_host="ep-x-pooler.example")
    site.set_tokens(endpoint=None, host="ep-x-pooler.example")
    done = site.token(expect=2)
    assert "is a pooler" in done.err
    assert not double.minted


# ---- forms and the audit ---------------------------------------------------------

def test_every_form_is_for_its_reader(site, place):
    site.set_tokens(host="db.example.com", dbname="shop", port="5433")
    user = site.place.client
    line = site.token("--format", "pgpass").out
    assert re.fullmatch(rf"db\.example\.com:5433:shop:{user}:\S+\n", line)
    env = site.token("--format", "env").out
    assert "PGSSLMODE='verify-full'" in env and "PGHOST='db.example.com'" in env
    aws = json.loads(site.token("--format", "aws").out)
    assert aws["Version"] == 1 and aws["AccessKeyId"] == user
    assert aws["SecretAccessKey"] and when(aws["Expiration"]) > time.time()
    flat = site.json()
    assert flat["host"] == "db.example.com" and flat["dbname"] == "shop"
    assert "workspace" not in flat and "open in " + site.place.url \
        in flat["scope"]
    # A person gets a newline, a program the bytes.
    assert not site.token().out.endswith("\n")


def test_a_hand_out_is_in_the_audit(site):
    answer = site.json()
    events = [e for e in site.audit() if e["kind"] == "handout"]
    assert [(e["role"], e["version"]) for e in events] == [
        ("token:lake", answer["version"])]
    assert events[0]["detail"] == \
        "format json, expires " + answer["expires_at"]
    site.run("audit", "verify", expect=0)


def test_what_cannot_be_recorded_is_not_printed(site):
    ledger = os.path.join(site.state, "ledger.db")
    os.rename(ledger, ledger + ".away")
    os.mkdir(ledger)
    done = site.run("token", "lake")
    assert done.exit != 0 and done.out == ""


def test_a_token_with_less_life_than_asked_for_is_not_given(site):
    site.set_tokens(ttl="10m")
    done = site.token("--min-life", "20m", expect=EXIT["refused"])
    assert done.out == ""
    assert re.search(r"its tokens live (9m 5\ds|10m), and 20m was asked for",
                     done.err), done.err
    assert site.token("--min-life", "8m").out


@pytest.mark.parametrize("argv, sentence", [
    (["lake", "--format", "yaml"], 'there is no format "yaml"'),
    (["lake", "--min-life", "soon"], "--min-life"),
    (["sea"], "there is no [token sea]"),
    ([], "token takes the name"),
])
def test_wrong_usage_is_said_before_anything_is_minted(site, place, argv,
                                                       sentence):
    done = site.run("token", *argv, expect=2)
    assert sentence in done.err
    if place.double:
        assert not place.double.minted


# ---- who we are --------------------------------------------------------------------

def test_a_personal_access_token_mints_for_its_user(site, double):
    file = site.put("pat", double.pat("dana@example.com"))
    site.set_tokens(auth="pat", client_id=None, client_secret_file=None,
                    token_file=file)
    assert site.json()["username"] == "dana@example.com"
    assert not double.requests("/oidc/v1/token")


def test_a_projected_token_is_exchanged(site, double):
    # A kubelet's file is readable by others, and replaced.
    file = site.put("sa", double.identity("system:serviceaccount:a:b", "x"),
                    mode=0o644)
    site.set_tokens(auth="file-oidc", client_secret_file=None,
                    token_file=file)
    assert site.json()["username"] == site.place.client
    form = double.requests("/oidc/v1/token")[0]
    assert "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-" \
        "exchange" in form["body"]
    assert "authorization" not in form["headers"]
    site.set_tokens(auth="file-oidc", client_secret_file=None, client_id=None,
                    token_file=file)
    assert site.json()["username"] == "system:serviceaccount:a:b"


def test_a_variable_s_token_is_exchanged(site, double):
    token = double.identity("ci", "x")
    site.remember(token, "a subject token")
    site.set_tokens(auth="env-oidc", client_secret_file=None)
    # /proc/PID/environ of keyturn has what it was started with.
    done = site.run("token", "lake", environment={
        "DATABRICKS_OIDC_TOKEN": token})
    site.secrets.pop(token.encode())
    assert done.exit == 0, done.err


def test_a_job_of_github_is_exchanged(site, double):
    site.set_tokens(auth="github-oidc", client_secret_file=None,
                    audience="https://lake")
    done = site.token(environment={
        "ACTIONS_ID_TOKEN_REQUEST_URL": double.url + "/github?api-version=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": double.github_token})
    assert done.out
    assert double.requests("/github")[0]["query"]["audience"] == [
        "https://lake"]


def profile(site, text, mode=0o600):
    path = os.path.join(site.folder, ".databrickscfg")
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def nobody(**settings):
    return dict(dict(workspace=None, auth=None, client_id=None,
                     client_secret_file=None), **settings)


@pytest.mark.parametrize("query", ["?o=42", "?w=42", "?workspace_id=42",
                                   "?a=1&workspace_id=42"])
def test_an_address_may_name_the_workspace(site, place, query):
    if not place.double:
        query = ""
    path = profile(site, f"[DEFAULT]\nhost: {place.url}/{query}\n"
                   f"client_id: {place.client}\n"
                   f"client_secret: {place.secret}\n")
    try:
        site.set_tokens(**nobody())
        assert site.token().out
        if place.double:
            assert place.double.requests(MINT)[0]["headers"][
                "x-databricks-workspace-id"] == "42"
    finally:
        os.unlink(path)


def test_a_profile_that_cannot_be_read_is_said_by_line(site, place):
    path = profile(site, "\ufeff[DEFAULT]\nhost = https://x\n")
    try:
        site.set_tokens(**nobody())
        done = site.token(expect=2)
        assert f"{path} line 1" in done.err and "byte order mark" in done.err
    finally:
        os.unlink(path)


def test_a_profile_says_where_and_who(site, place):
    number = "?o=42" if place.double else ""
    path = profile(site, "# mine\n[__settings__]\ndefault_profile = lake\n"
                   "[DEFAULT]\nhost = https://localhost:1\n"
                   f"[lake]\nhost  = {place.url}/{number} # the workspace\n"
                   f"client_id = {place.client}\n"
                   f"client_secret={place.secret}\n"
                   f"[broken]\nhost = {place.url}\n")
    try:
        site.set_tokens(**nobody())
        assert site.token().out
        if place.double:
            assert place.double.requests(MINT)[0]["headers"][
                "x-databricks-workspace-id"] == "42"
        site.set_tokens(**nobody(profile="broken"))
        assert "no way to log in" in site.token(expect=2).err
        site.set_tokens(**nobody(profile="lost"))
        assert "no profile lost" in site.token(expect=2).err
        site.set_tokens(**nobody())
        os.chmod(path, 0o644)
        assert "chmod" in site.token(expect=2).err
    finally:
        os.unlink(path)


def test_two_ways_to_log_in_are_refused(site, double):
    pat = double.pat("dana@example.com")
    site.set_tokens(auth=None)
    done = site.run("token", "lake", environment={"DATABRICKS_TOKEN": pat},
                    expect=2)
    assert "more than one authorization method configured: pat and " \
        "oauth-m2m" in done.err
    # What is said decides.
    site.set_tokens(auth="oauth-m2m")
    done = site.run("token", "lake", environment={"DATABRICKS_TOKEN": pat},
                    expect=0)
    assert not double.calls[0]["headers"].get("authorization")
    assert not [c for c in double.calls
                if pat in c["headers"].get("authorization", "")]


@pytest.mark.parametrize("workspace, sentence", [
    ("https://accounts.cloud.databricks.com", "the account's address"),
    ("https://accounts-dod.cloud.databricks.us/x", "the account's address"),
    ("http://dbc-1.cloud.databricks.com", "begins with https://"),
    ("https://user:pw@dbc-1.cloud.databricks.com", "workspace"),
])
def test_a_wrong_address_is_refused(site, workspace, sentence):
    site.set_tokens(workspace=workspace)
    done = site.token(expect=2)
    assert sentence in done.err


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_secret_that_others_may_read_is_refused(site, mode):
    os.chmod(site.secret_file, mode)
    done = site.token(expect=2)
    assert "client_secret_file" in done.err and "chmod" in done.err


def test_a_secret_in_a_setting_is_refused(site):
    site.set_tokens(client_secret_file="dose0123")
    assert "secrets are never settings" in site.token(expect=2).err


def test_a_credential_of_systemd_is_read(site):
    site.set_tokens(client_secret_file="credential:secret")
    done = site.token(environment={"CREDENTIALS_DIRECTORY": site.private})
    assert done.out


# ---- answers that are none ------------------------------------------------------------

def test_a_wrong_secret_is_a_definite_no(site, place):
    site.secret_file = site.put("wrong", "dose" + "0" * 32)
    site.set_tokens()
    done = site.token(expect=EXIT["denied"])
    assert done.out == "" and "401 invalid_client" in done.err


def test_an_exotic_secret_is_tried_as_go_sends_it(site, double):
    client, secret = double.principal("a+b c%/=&é")
    double.escaped = True
    site.set_tokens(client_id=client,
                    client_secret_file=site.put("exotic", secret))
    assert site.token().out
    assert len(double.requests("/oidc/v1/token")) == 2


def test_an_expired_access_token_is_replaced_once(site, double):
    """A workspace says it with 403 "Invalid Token", not with 401."""
    site.set_tokens(endpoint=None, host=HOST)
    refusal = Refusal(403, body="Invalid Token")
    double.fail("POST", MINT, refusal)
    assert site.token().out
    assert len(double.requests("/oidc/v1/token")) == 2
    double.fail("POST", MINT, refusal, refusal)
    done = site.token(expect=EXIT["denied"])
    assert "does not take the access token" in done.err
    assert len(double.requests("/oidc/v1/token")) == 4


SHAPES = [
    (404, '{"error_code":"NOT_FOUND","message":"endpoint id not found '
     '[TraceId: x]"}', "refused", "404 NOT_FOUND: there is no such endpoint"),
    (400, '{"error_code":"INVALID_PARAMETER_VALUE","message":"{secret}"}',
     "refused", "400 INVALID_PARAMETER_VALUE"),
    (400, '{"error_code":400,"message":"{secret}"}', "refused", "answers 400"),
    (403, '{"error_code":"PERMISSION_DENIED","message":"API is disabled for '
     'users without workspace-access entitlement {secret}"}', "denied",
     "403 PERMISSION_DENIED: the identity lacks the entitlement"),
    (400, '{"error":"{secret}"}', "refused", "answers 400"),
    (400, '{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],'
     '"detail":"{secret}","status":"400","scimType":"invalidValue"}',
     "refused", "400 invalidValue"),
    (404, "RESOURCE_DOES_NOT_EXIST: {secret}", "refused",
     "404 RESOURCE_DOES_NOT_EXIST"),
    (500, "<html><body><pre>{secret}</pre></body></html>", "unavailable",
     "answers 500"),
    (500, '{"errorCode":"INTERNAL","errorSummary":"{secret}"}',
     "unavailable", "500 INTERNAL"),
    (200, "<html>{secret}</html>", "denied", "a web page, as for a person"),
    (200, "\n<!DOCTYPE html>{secret}", "denied", "is the address right"),
    (200, "[1]", "corrupt", "not a JSON object"),
    (200, '{"token":"{secret}"}', "corrupt", "does not say when it expires"),
    (200, '{"token":"{secret}","expire_time":"soon"}', "corrupt",
     "does not say when it expires"),
    (200, '{"token":"","expire_time":"2036-01-01T00:00:00Z"}', "corrupt",
     "no token"),
    (200, '{"token":7,"expire_time":"2036-01-01T00:00:00Z"}', "corrupt",
     "no token"),
    (200, '{"expire_time":"2036-01-01T00:00:00Z"}', "corrupt", "no token"),
    (200, '{"token":"a\\nb","expire_time":"2036-01-01T00:00:00Z"}', "corrupt",
     "no token"),
    (200, '{"token":"{secret}","expire_time":"2001-01-01T00:00:00Z"}',
     "corrupt", "expired already"),
    (409, '{"error_code":"ABORTED","message":""}', "refused", "409 ABORTED"),
    (409, '{"error_code":"{secret}"}', "refused", "answers 409"),
    (418, "", "refused", "answers 418"),
]


@pytest.mark.parametrize("status, body, end, sentence", SHAPES)
def test_every_shape_of_a_refusal_is_understood_and_none_is_shown(
        site, double, status, body, end, sentence):
    secret = "do-not-show-4711-" + os.urandom(4).hex()
    site.remember(secret, "what a refusal quotes")
    double.fail("POST", MINT, Refusal(
        status, body=body.replace("{secret}", secret)))
    done = site.token(expect=EXIT[end])
    assert sentence in done.err
    assert done.out == ""


def test_a_login_page_is_told_from_an_answer(site, double):
    double.fail("POST", MINT, Refusal(302, body="", headers={
        "Location": double.url
        + "/login.html?error=private-link-validation-error"}))
    done = site.token(expect=EXIT["denied"])
    assert "a private link" in done.err
    assert not double.requests("/login.html")


def test_what_is_busy_is_asked_again(site, double):
    double.fail("POST", MINT,
                Refusal(429, "TOO_MANY_REQUESTS", "", headers={
                    "Retry-After": "1"}),
                Refusal(503, "TEMPORARILY_UNAVAILABLE", ""),
                Refusal(400, "REQUEST_LIMIT_EXCEEDED", ""))
    double.fail("POST", "/oidc/v1/token", Refusal(502, body="bad gateway"),
                Refusal(504, body=""))
    begun = time.monotonic()
    assert site.token().out
    assert time.monotonic() - begun > 1
    assert len(double.requests(MINT)) == 4
    assert len(double.requests("/oidc/v1/token")) == 3


def test_there_is_an_end_to_asking(site, double):
    site.set_tokens(timeout="2s")
    double.fail("POST", MINT, *[Refusal(429, "RESOURCE_EXHAUSTED", "")] * 99)
    begun = time.monotonic()
    done = site.token(expect=EXIT["unavailable"])
    assert time.monotonic() - begun < 6
    assert "429 RESOURCE_EXHAUSTED" in done.err


def test_a_workspace_that_is_away_is_unavailable(site, double):
    double.stop()
    site.set_tokens(timeout="1s")
    done = site.token(expect=EXIT["unavailable"])
    assert "the workspace" in done.err


def test_a_server_that_cannot_be_verified_gets_no_secret(site, double):
    site.set_tokens(ca_file=None)
    done = site.token(expect=2)
    assert "certificate" in done.err
    assert not double.calls


@pytest.mark.parametrize("offset", [-7200, 7200])
def test_the_end_is_told_by_our_own_clock(site, double, offset):
    double.offset = offset
    answer = site.json()
    assert abs(when(answer["expires_at"]) - time.time() - 3600) < 60


@pytest.mark.parametrize("spelling", [int, str])
def test_an_access_token_s_life_may_be_text(site, double, spelling):
    double.expires_in = spelling
    assert site.token().out


def test_a_workspace_without_databricks_config_is_asked_the_old_way(
        site, double):
    double.config = False
    assert site.token().out


def test_check_mints_one_and_says_for_whom(site, place):
    site.set_tokens(more="[sink app]\ntoken = lake\n"
                    f"file = pgpass {site.sinks}/app\nhost = db\n"
                    "[sink lost]\ntoken = lake\n"
                    f"file = env {site.sinks}/no/app\n")
    done = site.run("check")
    assert f"ok    token lake: minted one for the user {place.client}" in \
        done.out
    assert "ok    sink app: can be delivered to" in done.out
    assert "fail  sink lost: " in done.out and done.exit != 0
    site.set_tokens(client_secret_file=site.put("wrong", "dose" + "1" * 32))
    done = site.run("check", expect=EXIT["denied"])
    assert "fail  token lake: [token lake]: the workspace's token endpoint " \
        "answers 401" in done.out
