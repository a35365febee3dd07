# SPDX-License-Identifier: PostgreSQL
"""Signatures against botocore's, and the double against boto3: what the other
tests stand on.  Nothing of keyturn's store runs here."""

import datetime
import hashlib
import json
import os
import random
import re
import shlex
import subprocess
import sys
import urllib.parse
import uuid
from types import SimpleNamespace

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

    def run(at, key, secret, token, method="GET", path="/", query=(),
            headers=(), body="", scope=("us-east-1", "service"), expires=900):
        """(presigned query, Authorization)"""
        pairs = [x for pair in [*query, *headers] for x in pair]
        return subprocess.run(
            [program, method, path, *scope, str(int(at.timestamp())),
             str(expires), key, secret, token or "", body, str(len(query)),
             *pairs], check=True, text=True,
            capture_output=True).stdout.splitlines()
    return run


@pytest.fixture
def clock(monkeypatch):
    """Set botocore's."""
    def set_it(at):
        monkeypatch.setattr(botocore.auth, "get_current_datetime",
                            lambda *_, **__: at)
        return at
    return set_it


AWKWARD = "aZ09-_.~ /+=&?%#:;,@!*'()[]<>\"\\|^`{}$\u00fc\u1234\U0001f511"


def parsed(query):
    return dict(urllib.parse.parse_qsl(query, keep_blank_values=True))


@pytest.mark.parametrize("seed", range(25))
def test_signatures_are_those_of_botocore(presign, clock, seed):
    r = random.Random(seed)

    def text(n):
        return "".join(r.choice(AWKWARD) for _ in range(n))
    at = clock(datetime.datetime.fromtimestamp(
        r.randrange(10**9, 4 * 10**9), datetime.timezone.utc))
    key, secret = "AKIA%d" % seed, text(40)
    token = "T" + text(300).encode("ascii", "ignore").decode().strip() \
        if seed % 2 else None
    region, service = "eu-central-1", r.choice(["rds-db", "dsql", "sts"])
    host = f"db{seed}.example.com" + (":5432" if seed % 3 else "")
    query = {f"p{i}{r.choice(AWKWARD)}": text(r.randrange(20))
             for i in range(seed % 6)}
    body = json.dumps({"a": text(50)})
    credentials = Credentials(key, secret, token)

    request = AWSRequest("GET", f"https://{host}/", params=query)
    botocore.auth.SigV4QueryAuth(credentials, service, region,
                                 expires=900).add_auth(request)
    mine = presign(at, key, secret, token, query=list(query.items()),
                   headers=[("Host", host)], scope=(region, service))
    assert parsed(mine[0]) == parsed(request.url.partition("?")[2])

    headers = {"Content-Type": "text/x", "Host": host}
    request = AWSRequest("POST", f"https://{host}/", data=body.encode(),
                         headers=headers)
    botocore.auth.SigV4Auth(credentials, service, region).add_auth(request)
    mine = presign(at, key, secret, token, "POST", headers=headers.items(),
                   body=body, scope=(region, service))
    assert mine[1] == request.headers["Authorization"]


# -- the public vectors, for both --------------------------------------------------


def vectors():
    """Those of aws-c-auth, as the unit test has them (its first lines say what
    each part is)."""
    found = []

    def VECTOR(*parts):
        (name, request, token, sign_body, omit, expires, _, authorization, _,
         query_signature) = (
             x.encode("latin-1").decode() if isinstance(x, str) else x
             for x in parts)  # C's strings are bytes
        head, _, body = request.partition("\n\n")
        line, *lines = re.sub("\n +", " ", head).strip().split("\n")
        method, target = line.split(" ", 1)
        path, _, query = target.rpartition(" ")[0].partition("?")
        headers = [tuple(x.split(":", 1)) for x in lines]
        if sign_body:
            headers.append(("X-Amz-Content-Sha256",
                            hashlib.sha256(body.encode()).hexdigest()))
        found.append(SimpleNamespace(
            name=name, method=method, path=path, token=token, omit=omit,
            query=urllib.parse.parse_qsl(query, keep_blank_values=True),
            headers=headers, body=body, expires=expires,
            authorization=authorization, query_signature=query_signature))

    path = os.path.join(SOURCE, "tests", "unit", "crypto",
                        "sigv4_vectors.inc")
    with open(path, encoding="latin-1") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), count=1, flags=re.S)
    exec(text.replace("NULL", "None"), {"VECTOR": VECTOR})
    return found


# What the suite has and botocore does otherwise: it has paths of S3 in another
# class, and signs every token.
NOT_BOTOCORE = {
    "get-space-normalized", "get-space-unnormalized", "get-utf8",
    "post-sts-header-after"}
VECTOR_AT = datetime.datetime(2015, 8, 30, 12, 36, 0,
                              tzinfo=datetime.timezone.utc)
VECTOR_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def request_of(v):
    query = urllib.parse.urlencode(v.query, quote_via=urllib.parse.quote)
    request = AWSRequest(v.method, "https://example.amazonaws.com" + v.path
                         + ("?" + query if query else ""), data=v.body)
    for name, value in v.headers:
        request.headers.add_header(name, value)
    return request


@pytest.mark.parametrize("v", vectors(), ids=lambda v: v.name)
def test_vectors_are_signed_as_published_by_us_and_by_botocore(presign, clock,
                                                               v):
    clock(VECTOR_AT)
    mine = presign(VECTOR_AT, *VECTOR_KEY, None if v.omit else v.token,
                   v.method, v.path, v.query, v.headers, v.body,
                   expires=v.expires)
    assert mine[1] == v.authorization
    presigned = not v.omit and not v.body and \
        "X-Amz-Content-Sha256" not in dict(v.headers)
    if presigned:
        assert parsed(mine[0])["X-Amz-Signature"] == v.query_signature
    if v.name in NOT_BOTOCORE or "." in v.path or "//" in v.path:
        return
    credentials = Credentials(*VECTOR_KEY, v.token)
    request = request_of(v)
    botocore.auth.SigV4Auth(credentials, "service",
                            "us-east-1").add_auth(request)
    assert request.headers["Authorization"] == v.authorization
    if presigned:
        request = request_of(v)
        botocore.auth.SigV4QueryAuth(credentials, "service", "us-east-1",
                                     expires=v.expires).add_auth(request)
        assert parsed(request.url.partition("?")[2]) == parsed(mine[0])


def test_most_vectors_are_for_botocore_too():
    names = [v.name for v in vectors() if v.name not in NOT_BOTOCORE
             and "." not in v.path and "//" not in v.path]
    assert len(vectors()) >= 32 and len(names) >= 20, names


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
