# SPDX-License-Identifier: PostgreSQL
"""Tokens through keyturn-agent: minted when they are wanted, kept while they
live, never handed out with less life than was asked for."""

import json
import os
import sys
import tempfile
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

import workspace as doubles  # noqa: E402
from rig.agent import Agent  # noqa: E402
from rig.helper import Helper
from rig.server import wait_for  # noqa: E402
from rig.token_site import Place, TokenSite  # noqa: E402

ME = f"uid:{os.getuid()}"


@pytest.fixture
def double(authority, monkeypatch):
    made = doubles.Workspace(*authority.issue("agent-workspace"))
    yield made
    made.stop()


@pytest.fixture
def site(folder, tools, server, authority, double):
    place = Place(lambda: double, authority.certificate)
    path = tempfile.mkdtemp(prefix="kt-", dir=folder)
    made = TokenSite(tools, server, os.path.join(path, "site"), "agent_tokens",
                     place)
    yield made.create()
    made.close()
    assert made.leaks() == []


@pytest.fixture
def new(folder, site):
    made = []

    def make(*lines, **settings):
        sockets = tempfile.mkdtemp(prefix="ag-", dir=folder)
        os.chmod(sockets, 0o755)
        agent = Agent(site, sockets, roles={},
                      more=site.section(*lines), **settings)
        made.append(agent)
        return agent.start()
    yield make
    for agent in made:
        agent.close()


def get(agent, **fields):
    return agent.call("GET", role="token:lake", **fields)


def test_a_token_is_handed_out_while_it_lives(new, double):
    agent = new(f"readers = {ME}")
    first = get(agent)
    assert first.result == "OK"
    assert first["PASSWORD"] == double.minted[-1][0]
    assert int(first["EXPIRES_AT"]) / 1e6 - time.time() > 1200
    for _ in range(5):
        assert get(agent)["VERSION"] == first["VERSION"]
    assert len(double.minted) == 1
    reply = agent.call("LIST")
    assert [e["ROLE"] for e in reply.entries] == ["token:lake"]
    assert "PASSWORD" not in reply
    event, = agent.events("handout")
    assert event["role"] == "token:lake"
    assert event["version"] == first["VERSION"]


def test_a_refused_token_is_not_handed_out_again(new, double):
    agent = new(f"readers = {ME}")
    first = get(agent)
    agent.call("FEEDBACK", role="token:lake", version=first["VERSION"])
    second = wait_for(lambda: (r := get(agent))["VERSION"]
                      != first["VERSION"] and r, "another token")
    assert second["PASSWORD"] != first["PASSWORD"]
    assert len(double.minted) == 2
    # Not as often as somebody likes: minting has its price.
    agent.call("FEEDBACK", role="token:lake", version=second["VERSION"])
    assert get(agent)["VERSION"] == second["VERSION"]
    assert len(double.minted) == 2


def test_more_life_than_there_is_is_no_token(new, double):
    agent = new(f"readers = {ME}")
    assert get(agent, min_life_ms=60000).result == "OK"
    reply = get(agent, min_life_ms=86400000)
    assert reply.result == "UNAVAILABLE" and "PASSWORD" not in reply
    # And takes nothing from the others.
    assert get(agent, min_life_ms=60000).result == "OK"
    assert len(double.minted) <= 2


def test_the_helper_gives_a_token_to_programs(new, double, site, folder):
    agent = new(f"readers = {ME}", f"host = {site.place.host}")
    helper = Helper(agent, site, tempfile.mkdtemp(dir=folder))

    def give(*options, expect=0):
        return helper.credential("get", "-r", "token:lake", *options,
                                 expect=expect).out
    found = json.loads(give("-f", "json", "--min-life", "20m"))
    token = double.minted[-1][0]
    assert found["password"] == token and give("-z") == token
    assert found["host"] == site.place.host and found["username"]
    assert found["expires_at"] > found["rotated_at"]
    # With less life than was asked for it is no use.
    assert give("--min-life", "24h", expect=5) == ""
    # A program that is started has it in its passfile, for that host only.
    done = helper.credential(
        "exec", "-r", "token:lake", "--", "sh", "-c",
        'cut -d: -f1-4 "$PGPASSFILE"; echo "$PGHOST $PGUSER"', expect=0)
    user = found["username"].replace(":", "\\:")
    assert done.out == f"{site.place.host}:5432:*:{user}\n" \
        f"{site.place.host} {found['username']}\n"


def test_who_only_sees_it_does_not_have_it_minted(new, double):
    agent = new(f"listers = {ME}")
    assert [e["ROLE"] for e in agent.call("LIST").entries] == ["token:lake"]
    assert agent.call("DESCRIBE", role="token:lake").result == "UNAVAILABLE"
    assert get(agent).result == "DENIED"
    assert get(agent).result == "DENIED"
    assert double.minted == []


def test_an_outage_lasts_no_longer_than_the_token(new, double):
    agent = new(f"readers = {ME}")
    first = get(agent)
    double.stop()
    assert get(agent)["PASSWORD"] == first["PASSWORD"]


def test_an_aws_token_is_signed_with_credentials_of_a_program(site,
                                                              new_agent):
    """Which runs inside the agent's own sandbox."""
    program = os.path.join(site.folder, "give")
    with open(program, "w") as f:
        f.write("#!/bin/sh\necho '" + json.dumps(
            {"Version": 1, "AccessKeyId": "AKIDAGENT",
             "SecretAccessKey": "of-no-account"}) + "'\n")
    os.chmod(program, 0o755)
    shared = os.path.join(site.folder, "aws-config")
    with open(shared, "w") as f:
        f.write(f"[default]\ncredential_process = {program}\n")
    agent = new_agent(site, start=False, roles={}, more=f"""[token db]
type = aws-rds
region = eu-central-1
host = db.abc123.eu-central-1.rds.amazonaws.com
user = sap
readers = {ME}
""")
    agent.environment.update(AWS_CONFIG_FILE=shared, HOME=site.folder,
                             AWS_EC2_METADATA_DISABLED="true")
    agent.start()
    reply = agent.call("GET", role="token:db")
    assert reply.result == "OK", agent.said()
    assert "X-Amz-Credential=AKIDAGENT" in reply["PASSWORD"]
