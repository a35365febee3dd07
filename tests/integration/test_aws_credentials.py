# SPDX-License-Identifier: PostgreSQL
"""AWS's chain of credentials, and what people get wrong: one clear sentence
each, and nothing changed."""

import json
import os
import stat
import sys
import time

import pytest

from rig.installation import FIRST_PASSWORD
from rig.server import wait_for
from rig.verdict import finding, sentence
from test_aws import (_double, amazon, double, new_aws_site, site,  # noqa: F401
                      taken_over)


def used_keys(double, before):
    """The keys of the requests since, without the test's own."""
    return {c[2] for c in double.calls[before:]
            if c[0] == "secretsmanager" and c[2] not in double.immune}


def without_default(site):
    os.unlink(os.path.join(site.shared, "credentials"))


def rotate_with(site, double, **environment):
    """A rotation that must succeed: the key ids that it used."""
    before = len(double.calls)
    site.run("rotate", "sap", environment=environment, expect=0)
    return used_keys(double, before)


def secret_of(site, double, key, what):
    site.remember(double.keys[key][0], what)
    if double.keys[key][1]:
        site.remember(double.keys[key][1], what + " (session token)")


# -- the chain -------------------------------------------------------------------


def test_the_environment_comes_first(site, double):
    key, secret, token = double.new_key(session=True)
    # Not remembered: it is in /proc/PID/environ because we put it there.
    assert rotate_with(site, double, AWS_ACCESS_KEY_ID=key,
                       AWS_SECRET_ACCESS_KEY=secret,
                       AWS_SESSION_TOKEN=token) == {key}


def test_a_profile_of_the_configuration_passes_the_environment_by(
        new_aws_site, double):
    site = new_aws_site(store="create = yes\nprofile = other")
    key, secret, _ = double.new_key()
    site.write_shared("credentials", "[default]\n" + site.amazon.credentials()
                      + f"\n[other]\naws_access_key_id={key}\n"
                      f"aws_secret_access_key={secret}\n")
    secret_of(site, double, key, "the profile's key")
    assert rotate_with(site, double, AWS_ACCESS_KEY_ID="AKIANOT",
                       AWS_SECRET_ACCESS_KEY="wrong") == {key}


def test_a_role_is_assumed_from_another_profile(site, double):
    double.roles["arn:aws:iam::1:role/keyturn"] = "partner-4711"
    site.write_shared("config", f"""# a comment
[default]
region = {double.region}

[profile rotator]
role_arn = arn:aws:iam::1:role/keyturn
source_profile = default
external_id = partner-4711
role_session_name = rotator
services = local
[services local]
sts =
  endpoint_url = {double.url}
""", 0o644)
    keys = rotate_with(site, double, AWS_PROFILE="rotator")
    (key,) = keys
    assert double.keys[key][1], "not a session"
    assert ("sts", "AssumeRole", site.amazon.key) in double.calls
    secret_of(site, double, key, "the role's key")


def test_a_role_that_sts_refuses_says_so(site, double):
    site.write_shared("config", f"""[profile rotator]
role_arn = arn:aws:iam::1:role/nobody
source_profile = default
endpoint_url = {double.url}
""")
    done = site.run("rotate", "sap", environment={"AWS_PROFILE": "rotator"})
    assert done.exit != 0
    assert "arn:aws:iam::1:role/nobody" in done.text
    assert "AccessDenied" in done.text
    site.must_log_in(FIRST_PASSWORD)


@pytest.mark.parametrize("kind", ["wrong", "doctype"])
def test_an_answer_of_sts_that_is_none_is_refused(site, double, kind):
    double.roles["arn:aws:iam::1:role/x"] = None
    double.fault("AssumeRole", kind, 10)
    site.write_shared("config", f"""[profile rotator]
role_arn = arn:aws:iam::1:role/x
source_profile = default
endpoint_url = {double.url}
""")
    done = site.run("rotate", "sap", environment={"AWS_PROFILE": "rotator"})
    assert done.exit == 7 and "STS" in done.text, done.text


def test_a_web_identity_is_exchanged_unsigned(site, double, folder):
    without_default(site)
    token = "eyJhbGciOiJub25lIn0.web-identity-token-of-the-test"
    double.identities[token] = "arn:aws:iam::1:role/pod"
    path = site.write_shared("token", token + "\n")
    keys = rotate_with(site, double, AWS_WEB_IDENTITY_TOKEN_FILE=path,
                       AWS_ROLE_ARN="arn:aws:iam::1:role/pod",
                       AWS_ENDPOINT_URL_STS=double.url)
    site.remember(token, "the web identity token")
    assert ("sts", "AssumeRoleWithWebIdentity", None) in double.calls
    secret_of(site, double, keys.pop(), "the role's key")


def process(site, body):
    """A credential_process: a profile that runs a Python program."""
    path = site.write_shared("helper it is.py", "import json, sys, os, time\n"
                             + body, 0o700)
    site.write_shared("config", "[profile p]\n"
                      f"credential_process = {sys.executable} \"{path}\" "
                      "'an argument' ; touch /tmp/never\n")
    return {"AWS_PROFILE": "p"}


def test_a_credential_process_is_run_without_a_shell(site, double):
    without_default(site)
    key, secret, token, end = double.credentials()
    secret_of(site, double, key, "the process's key")
    environment = process(site, f"""
assert sys.argv[1:] == ["an argument", ";", "touch", "/tmp/never"], sys.argv
print("the secret is {secret}", file=sys.stderr)
print(json.dumps({{"Version": 1, "AccessKeyId": "{key}", "SecretAccessKey":
    "{secret}", "SessionToken": "{token}", "Expiration": "{end}"}}))
""")
    assert rotate_with(site, double, **environment) == {key}


@pytest.mark.parametrize("body, said", [
    ("print('rubbish')", "no JSON object"),
    ("print(json.dumps({'Version': 2}))", "Version 1"),
    ("print(json.dumps({'Version': 1, 'AccessKeyId': 'A'}))", "no usable"),
    ("sys.exit(3)", "exit code 3"),
    ("os.kill(os.getpid(), 9)", "signal 9"),
    ("print('x' * 70000)", "more than 65536 bytes"),
])
def test_a_credential_process_that_is_wrong_says_how(site, double, body, said):
    without_default(site)
    leak = "Secret-that-somebody-prints-on-stderr"
    environment = process(site, f"print({leak!r}, file=sys.stderr)\n" + body)
    site.remember(leak, "what the process printed")
    done = site.run("rotate", "sap", environment=environment)
    assert done.exit != 0 and said in done.text, done.text
    site.must_log_in(FIRST_PASSWORD)


def test_a_container_gives_credentials_for_its_token(site, double):
    without_default(site)
    double.container = "Token-of-the-container-4711"
    path = site.write_shared("container", double.container)
    keys = rotate_with(
        site, double, AWS_CONTAINER_CREDENTIALS_FULL_URI=double.url
        + "/container", AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=path)
    site.remember(double.container, "the container's token")
    secret_of(site, double, keys.pop(), "the container's key")


def test_a_container_token_is_not_sent_to_any_host(site, double):
    without_default(site)
    done = site.run("rotate", "sap", environment={
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t"})
    assert done.exit != 0 and "loopback" in done.text, done.text


def test_an_instance_is_asked_with_a_session(site, double):
    without_default(site)
    double.imds = "rotator-role"
    keys = rotate_with(site, double, AWS_EC2_METADATA_DISABLED="",
                       AWS_EC2_METADATA_SERVICE_ENDPOINT=double.url)
    assert ("imds", "token", None) in double.calls
    secret_of(site, double, keys.pop(), "the instance's key")


def test_version_one_of_the_metadata_service_is_never_spoken(site, double):
    without_default(site)
    double.imds, double.imds_v1 = "rotator-role", True
    before = len(double.calls)
    done = site.run("rotate", "sap", environment={
        "AWS_EC2_METADATA_DISABLED": "",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": double.url})
    assert done.exit != 0 and "no AWS credentials" in done.text, done.text
    assert not [c for c in double.calls[before:] if c[0] == "imds"]


def test_the_instance_tells_the_region(new_aws_site, double):
    site = new_aws_site(region=False)
    double.imds = "rotator-role"
    site.run("rotate", "sap", environment={
        "AWS_EC2_METADATA_DISABLED": "",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": double.url}, expect=0)


def test_a_key_that_ends_early_is_renewed_in_the_middle(site, double):
    """It is refused by AWS before its own time is over."""
    without_default(site)
    double.imds = "rotator-role"
    double.fault("PutSecretValue", "ExpiredTokenException")
    keys = rotate_with(site, double, AWS_EC2_METADATA_DISABLED="",
                       AWS_EC2_METADATA_SERVICE_ENDPOINT=double.url)
    assert len(keys) == 2


def test_endpoints_come_from_the_standard_variables(new_aws_site, double):
    site = new_aws_site(endpoint=False)
    site.run("rotate", "sap", environment={
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": double.url}, expect=0)


def test_a_key_is_renewed_before_it_ends(new_aws_site, double):
    """Of its life of 4 s a quarter is left when the slow answer comes, or
    less: the next request has a new one."""
    site = new_aws_site()
    without_default(site)
    double.imds, double.imds_life = "rotator-role", 4
    double.delay["PutSecretValue"] = 4.5
    keys = rotate_with(site, double, AWS_EC2_METADATA_DISABLED="",
                       AWS_EC2_METADATA_SERVICE_ENDPOINT=double.url)
    assert len(keys) == 2
    site.settled()


@pytest.mark.parametrize("which", ["container", "web identity"])
def test_a_token_that_is_replaced_is_read_again(new_aws_site, double, which):
    """Kubernetes writes a new file long before the old token ends."""
    site = new_aws_site()
    without_default(site)
    old, new = "Token-of-the-pod-4711-old", "Token-of-the-pod-4711-new"
    path = site.write_shared("pod", old)
    double.life = 4
    double.delay["PutSecretValue"] = 4.5
    if which == "container":
        environment = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": double.url + "/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": path}
    else:
        environment = {"AWS_WEB_IDENTITY_TOKEN_FILE": path,
                       "AWS_ROLE_ARN": "arn:aws:iam::1:role/pod",
                       "AWS_ENDPOINT_URL_STS": double.url}

    def accept(token):
        double.container = token if which == "container" else None
        double.identities = {token: "arn:aws:iam::1:role/pod"}
    accept(old)
    before = double.count("PutSecretValue")
    running = site.start("rotate", "sap", environment=environment)
    wait_for(lambda: double.count("PutSecretValue") > before, "the slow call")
    accept(new)
    site.write_shared("pod", new)
    done = running.finish()
    assert done.exit == 0, done.text
    for token in (old, new):
        site.remember(token, "the pod's token")
    site.settled()


# -- what people get wrong ---------------------------------------------------------


def refused(site, *words, role="sap", **environment):
    """One clear sentence, and nothing changed but for a version that was
    staged and never applied."""
    done = site.run("rotate", role, environment=environment)
    assert done.exit not in (0, 1), done.text
    lines = [x for x in (done.out + done.err).splitlines() if x]
    assert len(lines) == 1 and lines[0].isprintable(), done.text
    for word in words:
        assert word in lines[0], done.text
    site.must_log_in(FIRST_PASSWORD, role)
    for version in site.versions(role):
        assert version.label == "pending" or \
            version.password == FIRST_PASSWORD, version
    return done


@pytest.mark.parametrize("endpoint, said", [
    ("secretsmanager.eu-central-1.amazonaws.com", "endpoint"),
    ("http://192.0.2.1", "http"),
    ("ftp://127.0.0.1", "endpoint"),
    ("http://127.0.0.1:1/path", "no path"),
    ("http://user:pw@127.0.0.1", "endpoint"),
])
def test_an_endpoint_that_is_none_is_refused(new_aws_site, double, endpoint,
                                             said):
    site = new_aws_site(endpoint=False,
                        store=f"create = yes\nendpoint = {endpoint}")
    refused(site, said)


def test_a_region_that_is_none_is_refused(new_aws_site, double):
    site = new_aws_site(region=False, store="create = yes\nregion = Frankfurt")
    refused(site, "Frankfurt", "eu-central-1")


def test_the_wrong_region_is_said(new_aws_site, double):
    site = new_aws_site(region=False, store="create = yes\nregion = us-east-1")
    refused(site, "us-east-1", "signature")


def test_an_unknown_profile_is_said(new_aws_site, double):
    refused(new_aws_site(store="profile = nobody"), "nobody")


def test_no_credentials_at_all_are_said(site, double):
    without_default(site)
    refused(site, "no AWS credentials")


def test_half_a_key_in_the_environment_is_said(site, double):
    refused(site, "AWS_SECRET_ACCESS_KEY is not", AWS_ACCESS_KEY_ID="AKIAX")


def test_a_file_with_keys_that_others_may_read_is_refused(site, double):
    path = os.path.join(site.shared, "credentials")
    os.chmod(path, 0o644)
    refused(site, "chmod 600")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644


def test_an_unknown_key_is_said(site, double):
    del double.keys[site.amazon.key]
    refused(site, "credentials", "UnrecognizedClientException")


def test_an_expired_session_is_said(site, double):
    key, secret, token = double.new_key(session=True, life=-10)
    refused(site, "expired", AWS_ACCESS_KEY_ID=key,
            AWS_SECRET_ACCESS_KEY=secret, AWS_SESSION_TOKEN=token)


def test_a_wrong_secret_key_is_said(site, double):
    refused(site, "signature", AWS_ACCESS_KEY_ID=site.amazon.key,
            AWS_SECRET_ACCESS_KEY="wrong")


@pytest.mark.parametrize("off", [3600, -3600])
def test_a_clock_that_is_off_by_an_hour_is_corrected(site, double, off):
    double.skew = off
    calls, asked = len(double.calls), len(double.names)
    site.run("rotate", "sap", expect=0)
    # One request was refused and made again; the others knew.
    assert len(double.names) - asked == len(double.calls) - calls + 1
    double.skew = 0
    site.settled()


def test_a_signature_that_no_clock_explains_is_not_tried_again(site, double):
    asked = len(double.names)
    done = site.run("rotate", "sap", environment={
        "AWS_ACCESS_KEY_ID": site.amazon.key, "AWS_SECRET_ACCESS_KEY": "wrong"})
    assert done.exit == 7 and "signature" in done.text, done.text
    assert len(double.names) - asked <= 2  # one for each look at the labels


@pytest.mark.parametrize("action", ["DescribeSecret", "CreateSecret",
                                    "PutSecretValue", "GetSecretValue"])
def test_a_right_that_is_missing_is_named(site, double, action):
    double.denied.add(action)
    refused(site, "secretsmanager:" + action, site.secret_id(), "IAM")


def test_a_secret_that_may_not_be_made_is_said(new_aws_site, double):
    site = new_aws_site(store="create = no")
    refused(site, site.secret_id(), "create = yes")


@pytest.mark.parametrize("value, said", [
    ("just-a-password", "not a JSON object"),
    ("[1]", "not a JSON object"),
    ('{"a": 1, "a": 2}', "not a JSON object"),
])
def test_a_secret_that_is_no_object_is_not_overwritten(new_aws_site, double,
                                                       value, said):
    site = new_aws_site()
    site.seed(value)
    site.run("rotate", "sap")
    site.must_log_in(FIRST_PASSWORD)
    done = site.run("rotate", "sap", "--emergency")
    assert done.exit != 0 and said in done.text, done.text
    assert site.client.get_secret_value(
        SecretId=site.secret_id())["SecretString"] == value


def test_a_value_over_64_kib_is_refused(new_aws_site, double):
    site = new_aws_site()
    value = {"username": "sap", "password": FIRST_PASSWORD, "padding": ""}
    value["padding"] = "x" * (65536 - len(json.dumps(value)))
    site.seed(value)
    refused(site, "65536")


def test_a_prefix_that_aws_refuses_is_said(new_aws_site, double):
    refused(new_aws_site(prefix="with space/"), "prefix")


@pytest.mark.parametrize("role", ["sap$eu", "sap\u00e4"])
def test_a_role_whose_name_aws_refuses_is_said(new_aws_site, double, role):
    site = new_aws_site(roles=(role,))
    refused(site, role, "letters, digits", role=role)


def test_a_name_that_ends_like_an_arn_is_a_name_as_any_other(new_aws_site):
    name = "sap-abc123"
    site = new_aws_site(roles=(name, "sap"))
    site.run("rotate", name, "sap", expect=0)
    finding_none(site.run("check", expect=0))
    assert site.settled(name) != site.settled("sap")
    assert site.value(name)["username"] == name


def finding_none(done):
    assert "fail" not in done.out.split(), done.text


def refused_by_both(site, *words):
    """By check, with the same words, and by the rotation."""
    finding(site.run("check"), "secret", *words)
    refused(site, *words)


def test_a_secret_with_a_rotation_of_its_own_is_refused(new_aws_site, double):
    site = new_aws_site()
    site.seed({"username": "sap", "password": FIRST_PASSWORD})
    double.manager.secrets[site.secret_id()].rotation = True
    refused_by_both(site, "rotation of its own", "cancel-rotate-secret")


def test_a_secret_of_a_service_is_refused(new_aws_site, double):
    site = new_aws_site()
    site.seed({"username": "sap", "password": FIRST_PASSWORD})
    double.manager.secrets[site.secret_id()].owner = "rds"
    refused_by_both(site, "service of AWS")


def test_a_replica_is_refused(new_aws_site, double):
    site = new_aws_site()
    site.seed({"username": "sap", "password": FIRST_PASSWORD})
    double.manager.secrets[site.secret_id()].primary = "us-east-1"
    refused_by_both(site, "primary region")


def test_a_secret_marked_for_deletion_is_said(new_aws_site, double):
    site = new_aws_site()
    site.seed({"username": "sap", "password": FIRST_PASSWORD})
    double.manager.secrets[site.secret_id()].deleted = time.time()
    refused_by_both(site, "marked for deletion")


def test_a_secret_that_is_not_there_and_may_not_be_made_is_said(new_aws_site):
    site = new_aws_site(store="create = no")
    refused_by_both(site, f"there is no secret {site.secret_id()}",
                    "create = yes")
    assert site.versions() == []


@pytest.mark.parametrize("value", [{}, {"username": "sap", "password": ""},
                                   {"username": "sap", "password": 4711}])
@pytest.mark.parametrize("way", ["import", "--emergency"])
def test_a_secret_without_a_password_says_both_ways_out(new_aws_site, value,
                                                        way):
    site = new_aws_site(store="")
    site.seed({**value, "team": "sales"})
    line = refused_value(site)
    assert "keyturn import" in line and "--emergency" in line
    if way == "import":
        reader, writer = os.pipe()
        os.write(writer, FIRST_PASSWORD.encode() + b"\n")
        os.close(writer)
        site.run("import", "sap", "--password-fd", str(reader), fds=(reader,),
                 expect=0)
        os.close(reader)
    else:
        site.run("rotate", "sap", "--emergency", expect=0)
    site.must_log_in(site.value()["password"])
    assert site.value()["team"] == "sales"
    site.run("check", expect=0)


def refused_value(site):
    before = site.value()
    line = sentence(site.run("rotate", "sap"), 17, site.secret_id(),
                    'no "password"')
    assert site.value() == before
    site.must_log_in(FIRST_PASSWORD)
    return line
