# SPDX-License-Identifier: PostgreSQL
"""Signatures against botocore's, and the double against boto3: what the other
tests stand on.  Nothing of keyturn's store runs here."""

import datetime
import json
import os
import random
import shlex
import subprocess
import sys
import urllib.parse
import uuid

import pytest

boto3 = pytest.importorskip("boto3")

import botocore.auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

import aws  # noqa: E402

# -- signatures --------------------------------------------------------------------


@pytest.fixture(scope="module")
def presign(folder):
    program = os.path.join(folder, "presign")
    src = os.path.join(SOURCE, "src")
    sources = [os.path.join(HERE, "presign.c"),
               os.path.join(src, "crypto", "sigv4.c"),
               os.path.join(src, "crypto", "digest.c")]
    base = os.path.join(src, "base")
    sources += [os.path.join(base, f) for f in sorted(os.listdir(base))
                if f.endswith(".c") and f != "wipe_malloc.c"]
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-std=c11",
                    "-D_GNU_SOURCE", "-I", src, "-o", program, *sources,
                    "-lcrypto", "-pthread"], check=True)

    def run(*argv):
        return subprocess.run([program, *argv], check=True, text=True,
                              capture_output=True).stdout.splitlines()
    return run


AWKWARD = "aZ09-_.~ /+=&?%#:;,@!*'()[]<>\"\\|^`{}$\u00fc\u1234\U0001f511"


@pytest.mark.parametrize("seed", range(25))
def test_signatures_are_those_of_botocore(presign, monkeypatch, seed):
    r = random.Random(seed)

    def text(n):
        return "".join(r.choice(AWKWARD) for _ in range(n))
    at = datetime.datetime.fromtimestamp(r.randrange(10**9, 4 * 10**9),
                                         datetime.timezone.utc)
    monkeypatch.setattr(botocore.auth, "get_current_datetime",
                        lambda *_, **__: at)
    key, secret = "AKIA%d" % seed, text(40)
    token = "T" + text(300).encode("ascii", "ignore").decode().strip() \
        if seed % 2 else None
    region, service = "eu-central-1", r.choice(["rds-db", "dsql", "sts"])
    host = f"db{seed}.example.com" + (":5432" if seed % 3 else "")
    query = {f"p{i}{r.choice(AWKWARD)}": text(r.randrange(20))
             for i in range(seed % 6)}
    body = json.dumps({"a": text(50)})
    mine = presign(host, region, service, str(int(at.timestamp())), key, secret,
                   token or "", body,
                   *[x for pair in query.items() for x in pair])
    credentials = Credentials(key, secret, token)

    request = AWSRequest("GET", f"https://{host}/", params=query)
    botocore.auth.SigV4QueryAuth(credentials, service, region,
                                 expires=900).add_auth(request)

    def parsed(q):
        return dict(urllib.parse.parse_qsl(q, keep_blank_values=True))
    assert parsed(mine[0]) == parsed(request.url.partition("?")[2])

    request = AWSRequest("POST", f"https://{host}/", data=body.encode(),
                         headers={"Content-Type": "text/x", "Host": host})
    botocore.auth.SigV4Auth(credentials, service, region).add_auth(request)
    assert mine[1] == request.headers["Authorization"]


# -- the double ----------------------------------------------------------------------


@pytest.fixture
def double():
    made = aws.Double()
    yield made
    made.stop()


def connect(double, service="secretsmanager", region=None, key=None,
            retries=1):
    key = key or double.new_key()
    return boto3.client(
        service, endpoint_url=double.url, region_name=region or double.region,
        aws_access_key_id=key[0], aws_secret_access_key=key[1],
        aws_session_token=key[2],
        config=Config(retries={"total_max_attempts": retries}))


@pytest.fixture
def client(double):
    return connect(double)


def refusal(call, *args, **kwargs):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(*args, **kwargs)
    return e.value.response["Error"]["Code"]


def labels(client, name="x"):
    return client.describe_secret(SecretId=name)["VersionIdsToStages"]


def put(client, value, stages=("AWSPENDING",), token=None):
    token = token or str(uuid.uuid4())
    client.put_secret_value(SecretId="x", ClientRequestToken=token,
                            SecretString=value, VersionStages=list(stages))
    return token


@pytest.fixture
def first(client):
    return client.create_secret(Name="x", SecretString="one")["VersionId"]


def test_labels_move_as_documented(client, first):
    assert labels(client) == {first: ["AWSCURRENT"]}
    second = put(client, "two")
    assert labels(client)[second] == ["AWSPENDING"]
    client.update_secret_version_stage(
        SecretId="x", VersionStage="AWSCURRENT", MoveToVersionId=second,
        RemoveFromVersionId=first)
    assert labels(client) == {first: ["AWSPREVIOUS"],
                              second: ["AWSPENDING", "AWSCURRENT"]}
    assert client.get_secret_value(SecretId="x")["SecretString"] == "two"
    third = put(client, "three")
    assert labels(client)[second] == ["AWSCURRENT"]
    client.update_secret_version_stage(
        SecretId="x", VersionStage="AWSPENDING", RemoveFromVersionId=third)
    assert third not in labels(client)
    # Without a label it is still there by its id.
    assert client.get_secret_value(SecretId="x", VersionId=third)[
        "SecretString"] == "three"


def test_awscurrent_is_compared_and_swapped(client, first):
    second = put(client, "two")
    for wrong in ({}, {"RemoveFromVersionId": second}):
        assert refusal(client.update_secret_version_stage, SecretId="x",
                       VersionStage="AWSCURRENT", MoveToVersionId=second,
                       **wrong) == "InvalidParameterException"
    assert labels(client)[first] == ["AWSCURRENT"]


def test_a_token_is_an_identity(client, first):
    token = put(client, "two")
    put(client, "two", token=token)
    assert refusal(client.put_secret_value, SecretId="x", SecretString="other",
                   ClientRequestToken=token) == "ResourceExistsException"


def test_the_first_version_is_current_whatever_one_asks_for(client):
    client.create_secret(Name="x")
    token = put(client, "one")
    assert sorted(labels(client)[token]) == ["AWSCURRENT", "AWSPENDING"]


def test_quotas_hold(client, first):
    assert refusal(put, client, "v", [f"label{i}" for i in range(20)]) == \
        "LimitExceededException"
    for i in range(99):
        put(client, str(i))
    assert refusal(put, client, "more") == "LimitExceededException"


def test_what_is_not_there_is_not_found(client, first):
    code = "ResourceNotFoundException"
    assert refusal(client.describe_secret, SecretId="y") == code
    assert refusal(client.get_secret_value, SecretId="x",
                   VersionStage="AWSPENDING") == code
    assert refusal(client.get_secret_value, SecretId="x",
                   VersionId=str(uuid.uuid4())) == code
    assert refusal(client.get_secret_value, SecretId="x", VersionId=first,
                   VersionStage="AWSPREVIOUS") == "InvalidRequestException"


def test_a_deleted_secret_answers_so(client, first):
    client.delete_secret(SecretId="x")
    assert "DeletedDate" in client.describe_secret(SecretId="x")
    assert refusal(client.get_secret_value, SecretId="x") == \
        "InvalidRequestException"


def test_a_signature_for_anything_else_is_refused(double, first):
    key = double.new_key()
    assert refusal(connect(double, region="us-east-1", key=key).describe_secret,
                   SecretId="x") == "InvalidSignatureException"
    assert refusal(connect(double, key=(key[0], "wrong", None)).describe_secret,
                   SecretId="x") == "InvalidSignatureException"
    assert refusal(connect(double, key=("AKIANOBODY", "x", None))
                   .describe_secret, SecretId="x") == \
        "UnrecognizedClientException"
    session = double.new_key(session=True, life=-1)
    assert refusal(connect(double, key=session).describe_secret,
                   SecretId="x") == "ExpiredTokenException"


def test_faults_come_as_often_as_asked(double, client, first):
    double.fault("DescribeSecret", "throttle", 2, skip=1)
    got = []
    for _ in range(4):
        try:
            client.describe_secret(SecretId="x")
            got.append(None)
        except botocore.exceptions.ClientError as e:
            got.append(e.response["Error"]["Code"])
    assert got == [None, "ThrottlingException", "ThrottlingException", None]


def test_sts_gives_a_role_to_whom_it_trusts(double):
    double.roles["arn:aws:iam::1:role/a"] = "id"
    sts = connect(double, "sts")
    got = sts.assume_role(RoleArn="arn:aws:iam::1:role/a", ExternalId="id",
                          RoleSessionName="test")["Credentials"]
    client = connect(double, key=(got["AccessKeyId"], got["SecretAccessKey"],
                                  got["SessionToken"]))
    client.create_secret(Name="x", SecretString="y")
    assert refusal(sts.assume_role, RoleArn="arn:aws:iam::1:role/a",
                   RoleSessionName="test") == "AccessDenied"
