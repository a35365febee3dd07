# SPDX-License-Identifier: PostgreSQL
"""The double of a workspace, proved by clients that nobody here wrote
(databricks-sdk for Python, @databricks/lakebase for Node), and their requests
compared with keyturn's field by field."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
CLIENTS = os.path.join(HERE, "token_clients")
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

pytest.importorskip("databricks.sdk")

import workspace as doubles  # noqa: E402
from rig.token_site import HOST, PROJECT, Place, TokenSite  # noqa: E402

MINT = "/api/2.0/postgres/credentials"
PROVISIONED = "/api/2.0/database/credentials"
LOGIN = "/oidc/v1/token"

# What differs from one HTTP library to the next.
ITS_OWN = {"host", "user-agent", "accept-encoding", "connection",
           "content-length", "accept-language", "sec-fetch-mode",
           "traceparent", "x-databricks-org-id"}


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("workspace")


@pytest.fixture
def place(authority, certificate, monkeypatch):
    monkeypatch.delenv("KEYTURN_TEST_DATABRICKS_HOST", raising=False)
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


@pytest.fixture(scope="session")
def node_modules():
    """What package-lock.json names, fetched once and kept between runs."""
    path = os.environ.get("KEYTURN_TOKEN_CLIENTS",
                          os.path.join(SOURCE, "build", "token-clients"))
    lock = os.path.join(CLIENTS, "package-lock.json")
    kept = os.path.join(path, "package-lock.json")
    done = os.path.join(path, "node_modules", ".package-lock.json")
    if not os.path.exists(done) or not os.path.exists(kept) \
            or open(kept).read() != open(lock).read():
        os.makedirs(path, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(CLIENTS, name), path)
        made = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
             "--loglevel=error", "--cache", os.path.join(path, "npm-cache")],
            cwd=path, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
    return path


def environment(place, **more):
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent",
            "DATABRICKS_HOST": place.url,
            "DATABRICKS_CLIENT_ID": place.client,
            "DATABRICKS_CLIENT_SECRET": place.secret,
            "DATABRICKS_AUTH_TYPE": "oauth-m2m",
            "REQUESTS_CA_BUNDLE": place.ca_file,
            "NODE_EXTRA_CA_CERTS": place.ca_file, **more}


def run(argv, env):
    done = subprocess.run(argv, env=env, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def python(place, *argv, **more):
    return run([sys.executable, os.path.join(CLIENTS, "mint.py"), *argv],
               environment(place, **more))


def node(place, modules, *argv):
    return run(["node", os.path.join(CLIENTS, "mint.mjs"), *argv],
               environment(place, KEYTURN_TOKEN_CLIENTS=modules))


def shape(call, bearer=True):
    """A request as it is compared: everything but what is random or its
    library's."""
    headers = {k: v for k, v in call["headers"].items() if k not in ITS_OWN}
    headers["accept"] = headers.get("accept", "*/*")
    if bearer and headers.get("authorization", "").startswith("Bearer ey"):
        headers["authorization"] = "Bearer"
    body = call["body"]
    if call["path"] == LOGIN:
        body = sorted(body.split("&"))
    elif body:
        body = json.loads(body)
    return {"method": call["method"], "path": call["path"],
            "query": call["query"], "headers": headers, "body": body}


def requests(double, act, *paths):
    with double.watch() as calls:
        answer = act()
    return answer, [shape(c) for c in calls if c["path"] in paths]


def same(ours, theirs):
    """Equal but for Accept of the login, which only some libraries send."""
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if a["path"] == LOGIN:
            a["headers"].pop("accept")
            b["headers"].pop("accept")
            b["headers"]["content-type"] = \
                b["headers"]["content-type"].split(";")[0]
        assert a == b


def test_python_s_library_asks_as_keyturn_does(site, place):
    double = place.double
    theirs, their_calls = requests(
        double, lambda: python(place, "postgres", PROJECT, "900"), LOGIN, MINT)
    site.set_tokens(ttl="15m")
    ours, our_calls = requests(double, lambda: site.json(), LOGIN, MINT)
    same(our_calls, their_calls)
    # And it understands what the double answers, as a token of 15 minutes.
    assert doubles.read_jwt(double.token_key, theirs["token"])
    assert 800 < doubles.read_jwt(double.token_key, theirs["token"])["exp"] \
        - time.time() <= 900


def test_python_s_library_asks_for_an_instance_as_keyturn_does(site, place):
    double = place.double
    double.instances["inst"] = HOST
    theirs, their_calls = requests(
        double, lambda: python(place, "database", "inst"), LOGIN, PROVISIONED)
    site.set_tokens(endpoint=None, instance="inst")
    ours, our_calls = requests(double, lambda: site.json(), LOGIN, PROVISIONED)
    for call in our_calls + their_calls:
        if call["path"] == PROVISIONED:
            assert len(call["body"].pop("request_id")) == 36
    same(our_calls, their_calls)
    assert theirs["token"] != ours["password"]


def test_python_s_library_sends_the_workspace_s_number_as_keyturn_does(
        site, place):
    double = place.double
    _, their_calls = requests(
        double, lambda: python(place, "postgres", PROJECT,
                               DATABRICKS_WORKSPACE_ID="77"), MINT)
    site.set_tokens(workspace_id="77")
    _, our_calls = requests(double, lambda: site.json(), MINT)
    assert our_calls[0]["headers"]["x-databricks-workspace-id"] == "77"
    same(our_calls, their_calls)


def test_the_number_that_the_host_tells_is_sent_as_python_s_library_does(
        site, place):
    double = place.double
    double.number = "88"
    _, their_calls = requests(
        double, lambda: python(place, "postgres", PROJECT), MINT)
    _, our_calls = requests(double, site.json, MINT)
    same(our_calls, their_calls)


def test_python_s_library_lists_as_keyturn_does(site, place):
    double = place.double
    for i in range(3):
        double.endpoint(f"projects/other-{i}/branches/main/endpoints/primary",
                        f"ep-other-{i}.example.com")
    double.page = 2
    found, _ = requests(double, lambda: python(place, "find", HOST))
    assert found == [PROJECT]


def test_the_discovery_is_the_same(site, place):
    double = place.double
    paths = ("/.well-known/databricks-config",
             "/oidc/.well-known/oauth-authorization-server")
    _, theirs = requests(double, lambda: python(place, "postgres", PROJECT),
                         *paths)
    _, ours = requests(double, site.json, *paths)
    assert [c["path"] for c in ours] == list(paths)
    assert {c["path"] for c in theirs} == set(paths)


def test_node_s_driver_asks_as_keyturn_does(site, place, node_modules):
    double = place.double
    theirs, their_calls = requests(
        double, lambda: node(place, node_modules, PROJECT), LOGIN, MINT)
    _, our_calls = requests(double, lambda: site.json(), LOGIN, MINT)
    same(our_calls, their_calls)
    assert doubles.read_jwt(double.token_key, theirs["token"])["sub"] == \
        place.client


@pytest.mark.parametrize("what", ["login", "mint"])
def test_python_s_library_repeats_what_keyturn_repeats(site, place, what):
    double = place.double
    path = LOGIN if what == "login" else MINT

    def busy():
        double.fail("POST", path, doubles.Refusal(
            503 if what == "mint" else 429, "TEMPORARILY_UNAVAILABLE", "",
            headers={"Retry-After": "1"}))
    busy()
    _, our_calls = requests(double, site.json, path)
    assert len(our_calls) == 2
    if what == "login":
        double.faults.clear()
        return  # sdk-py does not repeat a login, sdk-go does
    busy()
    _, their_calls = requests(
        double, lambda: python(place, "postgres", PROJECT), path)
    assert len(their_calls) == 2
