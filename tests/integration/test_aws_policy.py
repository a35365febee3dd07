# SPDX-License-Identifier: PostgreSQL
"""The IAM policies of docs/aws.md, decided by the double for every request."""

import json
import os
import re
import sys
import tempfile
import uuid

import botocore
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

import aws  # noqa: E402
from rig.aws_site import Amazon, AmazonSite  # noqa: E402
from rig.installation import FIRST_PASSWORD  # noqa: E402

KEY = "arn:aws:kms:eu-central-1:123456789012:key/KEY-ID"


def documented(name):
    """The document that is marked <!-- policy: NAME -->."""
    with open(os.path.join(SOURCE, "docs", "aws.md")) as f:
        found = re.search(f"<!-- policy: {name} -->\n```json\n(.*?)```",
                          f.read(), re.S)
    return json.loads(found[1])


@pytest.fixture
def double():
    made = aws.Double()
    yield made
    made.stop()


@pytest.fixture
def policy_site(folder, tools, server, double):
    """As the page has it: prefix, region, account and key."""
    amazon = Amazon(double)
    path = tempfile.mkdtemp(prefix="aws-", dir=folder)
    site = AmazonSite(tools, server, os.path.join(path, "site"), "policed",
                      amazon)
    site.prefix = "partners/"
    yield site.create(store=f"create = yes\nkms_key = {KEY}\n"
                      "tag = team=integration")
    site.close()
    assert not site.leaks()


def life(site):
    """What happens to a secret in a year: (exit codes, all that was said)."""
    runs = [site.run("rotate", "sap"), site.run("check"),
            site.run("rotate", "sap")]
    if site.current():
        # Somebody's left-over, and a restored database, want the history.
        site.client.put_secret_value(
            SecretId=site.secret_id(), ClientRequestToken=str(uuid.uuid4()),
            VersionStages=["AWSPENDING"],
            SecretString=json.dumps({"password": "never-live"}))
    runs.append(site.run("rotate", "sap"))
    return [r.exit for r in runs], "".join(r.text for r in runs)


def test_the_rotators_policy_suffices(policy_site, double):
    double.policies[policy_site.amazon.key] = aws.Policy(documented("rotator"))
    exits, said = life(policy_site)
    assert exits == [0, 0, 0, 0], said
    policy_site.settled()
    assert double.refusals == []
    assert {t["Key"] for t in policy_site.describe()["Tags"]} >= {
        "team", "keyturn:version", "keyturn:next-due"}


ACTIONS = [a for s in documented("rotator")["Statement"]
           if s["Effect"] == "Allow"
           for a in ([s["Action"]] if isinstance(s["Action"], str)
                     else s["Action"])]


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_is_needed_and_its_absence_is_said(policy_site, double,
                                                       action):
    policy = documented("rotator")
    for s in policy["Statement"]:
        s["Action"] = [a for a in ([s["Action"]]
                                   if isinstance(s["Action"], str)
                                   else s["Action"]) if a != action]
    double.policies[policy_site.amazon.key] = aws.Policy(policy)
    exits, said = life(policy_site)
    assert set(double.refusals) == {action}
    assert exits[0] or exits[3], said
    assert action in said and policy_site.secret_id() in said, said
    live = policy_site.live(also=(FIRST_PASSWORD,))
    assert live.password == FIRST_PASSWORD or \
        action != "secretsmanager:CreateSecret"
    # With the right it goes on from where it stood.
    double.policies.clear()
    policy_site.run("rotate", "sap", expect=0)
    policy_site.settled()


@pytest.mark.parametrize("what, value", [
    ("secret:partners/", "secret:others/"), (":key/KEY-ID", ":key/OTHER"),
    ("eu-central-1:", "us-east-1:"), ("kms:ViaService\": \"secretsmanager",
                                      "kms:ViaService\": \"rds")])
def test_a_policy_for_something_else_does_not_do(policy_site, double, what,
                                                 value):
    text = json.dumps(documented("rotator"))
    assert what in text
    double.policies[policy_site.amazon.key] = aws.Policy(
        json.loads(text.replace(what, value)))
    exits, said = life(policy_site)
    # `check` writes nothing: to describe what is not there needs no key.
    assert exits[0] and exits[2] and exits[3], said
    policy_site.must_log_in(FIRST_PASSWORD)


def identity(site, double, policy):
    """boto3 with a key of its own."""
    key = double.new_key()
    double.policies[key[0]] = aws.Policy(documented(policy))
    amazon = site.amazon
    ours, amazon.ours = amazon.ours, key
    client = amazon.connect("secretsmanager")
    amazon.ours = ours
    return client


def denied(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    return e.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_reader_reads_its_secret_and_no_other(policy_site, double):
    policy_site.run("rotate", "sap", expect=0)
    site, name = policy_site, policy_site.secret_id()
    site.client.create_secret(Name="partners/other", SecretString="{}")
    reader = identity(site, double, "reader")
    value = json.loads(reader.get_secret_value(SecretId=name)["SecretString"])
    site.must_log_in(value["password"])
    caching = pytest.importorskip("aws_secretsmanager_caching")
    cached = caching.SecretCache(client=reader).get_secret_string(name)
    assert json.loads(cached) == value
    assert denied(reader.get_secret_value, SecretId="partners/other")
    assert denied(reader.put_secret_value, SecretId=name, SecretString="x")
    assert denied(reader.update_secret_version_stage, SecretId=name,
                  VersionStage="AWSCURRENT",
                  MoveToVersionId=str(uuid.uuid4()))
    assert denied(reader.tag_resource, SecretId=name,
                  Tags=[{"Key": "a", "Value": "b"}])


def test_an_auditor_sees_everything_but_values(policy_site, double):
    policy_site.run("rotate", "sap", expect=0)
    site, name = policy_site, policy_site.secret_id()
    auditor = identity(site, double, "auditor")
    described = auditor.describe_secret(SecretId=name)
    assert "keyturn:next-due" in {t["Key"] for t in described["Tags"]}
    assert auditor.list_secret_version_ids(SecretId=name)["Versions"]
    assert denied(auditor.get_secret_value, SecretId=name)
    assert denied(auditor.put_secret_value, SecretId=name, SecretString="x")


def test_the_rotator_cannot_add_a_second_rotator(policy_site, double):
    policy_site.run("rotate", "sap", expect=0)
    rotator = identity(policy_site, double, "rotator")
    assert denied(rotator.rotate_secret, SecretId=policy_site.secret_id(),
                  ClientRequestToken=str(uuid.uuid4()))
