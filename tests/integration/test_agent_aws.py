# SPDX-License-Identifier: PostgreSQL
"""keyturn-agent over Secrets Manager, with credentials that a program gives: it
runs inside the agent's own sandbox."""

import json
import os
import sys
import tempfile

import pytest

pytest.importorskip("boto3")

from rig.agent import Agent, everything  # noqa: E402
from rig.server import wait_for  # noqa: E402
from test_aws import _double, amazon, new_aws_site  # noqa: E402,F401


@pytest.fixture
def site(new_aws_site):  # noqa: F811
    made = new_aws_site()
    made.run("rotate", "sap", expect=0)
    return made


def test_it_serves_with_credentials_of_a_program(site, folder):
    answer = {"Version": 1, "AccessKeyId": site.amazon.key,
              "SecretAccessKey": site.amazon.secret}
    if site.amazon.token:
        answer["SessionToken"] = site.amazon.token
    program = os.path.join(site.shared, "give")
    with open(program, "w") as f:
        f.write(f"import json\nprint(json.dumps({answer!r}))\n")
    site.write_shared("credentials", "")
    site.write_shared("config", "[default]\n"
                      f"credential_process = {sys.executable} {program}\n")
    sockets = tempfile.mkdtemp(prefix="ag-", dir=folder)
    os.chmod(sockets, 0o755)
    agent = Agent(site, sockets, more=f"""[store aws]
type = aws
region = {site.amazon.region}
endpoint = {site.amazon.url}
prefix = {site.prefix}
""", roles={"sap": everything() + "\nstore = aws\ngrace = 1h"})
    agent.environment.update(site.environment)
    agent.start()
    try:
        old = site.current()
        reply = agent.get()
        assert reply.result == "OK", agent.said()
        assert reply["PASSWORD"] == old.password
        site.run("rotate", "sap", expect=0)
        new = site.current()
        agent.push(version=new.id)
        agent.wait_version(new.id)
        assert agent.verify(old.password) == "OK_PREVIOUS"
        site.must_log_in(agent.get()["PASSWORD"])
        wait_for(lambda: len(agent.events("handout")) == 2, "its audit")
        assert site.amazon.secret not in json.dumps(agent.events())
    finally:
        agent.close()
