# SPDX-License-Identifier: PostgreSQL
"""AWS's chain of credentials, link by link, with botocore beside: in each
environment both must use the same identity."""

import json
import os
import random
import subprocess
import sys
import time

import pytest

from rig import program

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

import aws  # noqa: E402

REGION = "eu-central-1"
ROLE = "arn:aws:iam::1:role/"
BOTOCORE = """
import botocore.session, sys
session = botocore.session.Session(profile=sys.argv[1] or None)
credentials = session.get_credentials()
print(credentials.get_frozen_credentials().access_key)
"""


@pytest.fixture(scope="module")
def tool():
    return program.build("aws_whoami",
                         ("aws", "http", "json", "xml", "crypto", "base"),
                         ("curl", "jansson", "expat", "ssl", "crypto", "m"))


@pytest.fixture
def double():
    made = aws.Double(REGION)
    made.container = "Token-of-the-container"
    made.imds = "instance-role"
    made.identities["web-identity-token"] = ROLE + "web"
    for role in "abc":
        made.roles[ROLE + role] = None
    made.roles[ROLE + "external"] = "4711"
    yield made
    made.stop()


class Home:
    """A home folder and an environment, in which both are asked."""

    def __init__(self, path, double, tool):
        self.path, self.double, self.tool = str(path), double, tool
        os.mkdir(os.path.join(self.path, ".aws"), 0o700)
        self.config, self.credentials = {}, {}
        self.environment = {
            "HOME": self.path, "PATH": "/usr/bin:/bin",
            "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL_STS": double.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_STS_REGIONAL_ENDPOINTS": "regional"}

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.path, ".aws", name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def write(self):
        for name, sections in (("config", self.config),
                               ("credentials", self.credentials)):
            self.file(name, "".join(
                f"[{section}]\n" + "".join(f"{k} = {v}\n"
                                           for k, v in keys.items())
                for section, keys in sections.items()))

    def key(self, *_, id=None):
        """The lines of a key that the double knows, or has an id of its own."""
        new, secret, _ = self.double.new_key()
        if id:
            self.double.keys[id] = (secret, None, None)
        return {"aws_access_key_id": id or new,
                "aws_secret_access_key": secret}

    def section(self, file, name, **lines):
        sections = getattr(self, file)
        sections.setdefault(name, {}).update(lines)

    def who(self, command, environment):
        """A static key's id, or the last call that gave a key; and the rest."""
        before = len(self.double.calls)
        done = subprocess.run(command, text=True, capture_output=True,
                              env=environment, cwd=self.path)
        calls = [c[:2] for c in self.double.calls[before:]
                 if c[0] != "imds" or "security-credentials/" in c[1]]
        if done.returncode != 0:
            return None, done.stdout + done.stderr
        key = done.stdout.strip()
        if key.startswith("STATIC"):
            return key, calls
        assert key in self.double.keys, key
        return calls[-1], calls

    def ask(self, profile=""):
        """What keyturn says, after botocore said the same."""
        self.write()
        mine = self.who([self.tool, REGION, *([profile] if profile else [])],
                        self.environment)
        theirs = self.who([sys.executable, "-c", BOTOCORE, profile],
                          self.environment)
        assert mine[0] == theirs[0], (mine, theirs)
        return mine

    def refuses(self, *words, profile=""):
        self.write()
        who, said = self.who([self.tool, REGION,
                              *([profile] if profile else [])],
                             self.environment)
        assert who is None, who
        for word in words:
            assert word in said, said


@pytest.fixture
def home(tmp_path, double, tool):
    return Home(tmp_path, double, tool)


# -- the order ---------------------------------------------------------------------


def environment(h):
    h.environment.update(AWS_ACCESS_KEY_ID="STATICENVIRONMENT",
                         AWS_SECRET_ACCESS_KEY="s")


def role(h):
    h.section("config", "default", role_arn=ROLE + "a", source_profile="base")
    h.section("config", "profile base", **h.key())


def web_identity(h):
    h.environment.update(
        AWS_WEB_IDENTITY_TOKEN_FILE=h.file("token", "web-identity-token"),
        AWS_ROLE_ARN=ROLE + "web")


def shared_file(h):
    h.section("credentials", "default", **h.key(id="STATICSHARED"))


def process(h):
    answer = json.dumps({"Version": 1, "AccessKeyId": "STATICPROCESS",
                         "SecretAccessKey": "s"})
    h.section("config", "default",
              credential_process=f"/bin/echo '{answer}'")


def config_file(h):
    h.section("config", "default", **h.key(id="STATICCONFIG"))


def container(h):
    h.environment.update(
        AWS_CONTAINER_CREDENTIALS_FULL_URI=h.double.url + "/container",
        AWS_CONTAINER_AUTHORIZATION_TOKEN=h.double.container)


def instance(h):
    del h.environment["AWS_EC2_METADATA_DISABLED"]
    h.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = h.double.url


IMDS = ("imds", "/latest/meta-data/iam/security-credentials/instance-role")
LINKS = [(environment, "STATICENVIRONMENT"), (role, ("sts", "AssumeRole")),
         (web_identity, ("sts", "AssumeRoleWithWebIdentity")),
         (shared_file, "STATICSHARED"), (process, "STATICPROCESS"),
         (config_file, "STATICCONFIG"), (container, ("container", "get")),
         (instance, IMDS)]


@pytest.mark.parametrize("first", range(len(LINKS)),
                         ids=[link.__name__ for link, _ in LINKS])
def test_a_link_comes_before_all_that_follow_it(home, first):
    for link, _ in LINKS[first:]:
        link(home)
    assert home.ask()[0] == LINKS[first][1]


@pytest.mark.parametrize("link, who", LINKS,
                         ids=[link.__name__ for link, _ in LINKS])
def test_a_link_does_by_itself(home, link, who):
    link(home)
    assert home.ask()[0] == who


@pytest.mark.parametrize("seed", range(10))
def test_any_links_together_are_those_of_botocore(home, seed):
    for link, _ in random.Random(seed).sample(LINKS, 3):
        link(home)
    home.ask()


def test_no_link_at_all(home):
    home.refuses("no AWS credentials", "default",
                 "AWS_EC2_METADATA_DISABLED is set")


@pytest.mark.parametrize("fault, words", [
    ("swallowed", ("did not answer in time", "HttpPutResponseHopLimit")),
    (403, ("answer 403", "HttpEndpoint")), (404, ("answer 404", "IMDSv2")),
    (500, ("answers 500",))])
def test_an_instance_that_gives_no_session_says_how(home, fault, words):
    """botocore has no credentials then, either."""
    instance(home)
    home.double.imds_fault = fault
    home.refuses("the instance's metadata service", *words)


def test_an_instances_service_that_is_not_there_is_said(home):
    instance(home)
    home.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = \
        "http://127.0.0.1:1"
    home.refuses("no AWS credentials", "does not accept connections")


def test_a_role_by_the_instance_says_what_that_answered(home):
    instance(home)
    home.double.imds_fault = 403
    home.section("config", "profile r", role_arn=ROLE + "c",
                 credential_source="Ec2InstanceMetadata")
    home.refuses("Ec2InstanceMetadata", "answer 403", profile="r")


def test_a_profile_says_where_the_instances_service_is(home):
    instance(home)
    del home.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    home.section("config", "default",
                 ec2_metadata_service_endpoint=home.double.url + "/")
    assert home.ask()[0] == IMDS
    # The environment's comes first.
    home.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = \
        "http://127.0.0.1:1"
    home.refuses("no AWS credentials", "127.0.0.1:1")


# -- profiles ------------------------------------------------------------------------


def test_a_profile_of_the_environment_is_a_profile_of_both_files(home):
    home.section("config", "profile mine", region=REGION)
    home.section("credentials", "mine", **home.key(id="STATICMINE"))
    home.section("credentials", "default", **home.key(id="STATICSHARED"))
    home.environment["AWS_PROFILE"] = "mine"
    assert home.ask()[0] == "STATICMINE"


def test_a_profile_that_was_named_passes_the_environments_keys_by(home):
    environment(home)
    home.section("config", "profile mine", **home.key(id="STATICMINE"))
    assert home.ask("mine")[0] == "STATICMINE"
    # One of the environment does not.
    home.environment["AWS_PROFILE"] = "mine"
    assert home.ask()[0] == "STATICENVIRONMENT"


def test_a_role_of_a_role(home):
    home.section("config", "profile one", role_arn=ROLE + "a",
                 source_profile="two")
    home.section("config", "profile two", role_arn=ROLE + "b",
                 source_profile="base")
    home.section("credentials", "base", **home.key())
    _, calls = home.ask("one")
    assert calls == 2 * [("sts", "AssumeRole")]


def test_a_profile_may_be_its_own_source(home):
    home.section("credentials", "self", role_arn=ROLE + "a",
                 source_profile="self", **home.key())
    assert home.ask("self")[0] == ("sts", "AssumeRole")


def test_a_circle_of_roles_is_refused(home):
    for one, other in ("ab", "ba"):
        home.section("config", "profile " + one, role_arn=ROLE + one,
                     source_profile=other)
    home.refuses("circle", profile="a")


@pytest.mark.parametrize("source, link, first", [
    ("Environment", environment, None),
    ("EcsContainer", container, ("container", "get")),
    ("Ec2InstanceMetadata", instance, IMDS)])
def test_a_role_by_credential_source(home, source, link, first):
    link(home)
    if link is environment:
        key = home.key()
        home.environment.update(
            AWS_ACCESS_KEY_ID=key["aws_access_key_id"],
            AWS_SECRET_ACCESS_KEY=key["aws_secret_access_key"])
    home.section("config", "profile r", role_arn=ROLE + "c",
                 credential_source=source)
    who, calls = home.ask("r")
    assert who == ("sts", "AssumeRole")
    assert first is None or calls[0][:1] == first[:1]


def test_an_external_id_and_a_duration(home):
    home.section("config", "profile r", role_arn=ROLE + "external",
                 source_profile="base", external_id="4711",
                 duration_seconds="900", role_session_name="me")
    home.section("credentials", "base", **home.key())
    home.ask("r")
    key = list(home.double.keys.values())[-1]
    assert 600 < key[2] - time.time() <= 900


def test_a_web_identity_of_a_profile(home):
    home.section("config", "profile w", role_arn=ROLE + "web",
                 web_identity_token_file=home.file("t", "web-identity-token"),
                 role_session_name="me")
    assert home.ask("w")[0] == ("sts", "AssumeRoleWithWebIdentity")


@pytest.mark.parametrize("lines, said", [
    ({}, "source_profile or a credential_source"),
    ({"source_profile": "x", "credential_source": "Environment"}, "not both"),
    ({"credential_source": "Nowhere"}, "credential_source must be"),
    ({"source_profile": "empty"}, "has no credentials"),
])
def test_a_role_without_a_source_is_said(home, lines, said):
    home.section("config", "profile r", role_arn=ROLE + "a", **lines)
    home.section("config", "profile empty", region=REGION)
    home.refuses(said, "r", profile="r")


# -- the files -------------------------------------------------------------------------


DIALECT = """# of botocore's
[default]
region=us-east-1
  ; nested comment
aws_access_key_id=STATICDEFAULT
aws_secret_access_key = a=b#c ; d

[profile "two words"]
aws_access_key_id   =   STATICTWO
aws_secret_access_key = x
s3 =
    aws_access_key_id = STATICNESTED

[profile\tthree]
aws_access_key_id = STATICTHREE
aws_secret_access_key = y
"""


@pytest.mark.parametrize("profile, key", [
    ("", "STATICDEFAULT"), ("two words", "STATICTWO"), ("three",
                                                        "STATICTHREE")])
def test_the_dialect_of_the_files_is_botocores(home, profile, key):
    home.write()
    home.file("config", DIALECT)
    home.write = lambda: None
    assert home.ask(profile)[0] == key


def test_the_files_can_be_elsewhere(home):
    shared_file(home)
    home.write()
    for name, variable in (("config", "AWS_CONFIG_FILE"),
                           ("credentials", "AWS_SHARED_CREDENTIALS_FILE")):
        path = os.path.join(home.path, name + "-elsewhere")
        os.rename(os.path.join(home.path, ".aws", name), path)
        home.environment[variable] = path
    home.write = lambda: None
    assert home.ask()[0] == "STATICSHARED"


KEY = "aws_access_key_id{d}STATIC{n}\naws_secret_access_key{d}x\n"


def lines(name, delimiter=" = "):
    return KEY.format(d=delimiter, n=name)


def indented(text):
    return "".join(f"  {line}\n" for line in text.splitlines())


@pytest.mark.parametrize("text", [
    "[default] # main\n" + lines("A"),
    "[default]\n" + indented(lines("A")),
    "[default]\n" + lines("A").replace("aws_", "AWS_"),
    "[default]\n" + lines("A", ": "),
    "  [default]\n" + lines("A", ":"),
    "[other]\n" + lines("B") + "\n\n[default]# x\n" + lines("A", "="),
    "[DEFAULT]\n" + lines("A") + "[default]\nregion = us-east-1\n",
    "; c\n[default]\r\n" + lines("A").replace("\n", "\r\n"),
], ids=["comment", "indented", "upper", "colon", "header", "second", "usual",
        "crlf"])
@pytest.mark.parametrize("where", ["config", "credentials"])
def test_what_botocore_reads_is_read(home, text, where):
    """With an instance that would answer for what is passed over."""
    instance(home)
    home.write()
    home.file(where, text)
    home.write = lambda: None
    assert home.ask()[0] == "STATICA"


@pytest.mark.parametrize("text, said", [
    ("\ufeff[default]\n" + lines("A"), ("line 1", "byte order mark")),
    ("[default]\nnonsense\n" + lines("A"), ("line 2", "neither")),
    (lines("A"), ("line 1", "before the first")),
    ("[default]\n" + lines("A") + "[default]\n", ("line 4", "before")),
    ("[default]\naws_access_key_id = A\n  aws_secret_access_key = b\n",
     ("line 2", "indent")),
    ("[default\n" + lines("A"), ("line 1",)),
])
def test_what_botocore_cannot_read_is_said_by_line(home, text, said):
    """Never passed over, to use the instance's identity."""
    instance(home)
    home.write()
    path = home.file("credentials", text)
    home.write = lambda: None
    home.refuses(path, *said)
    theirs = home.who([sys.executable, "-c", BOTOCORE, ""], home.environment)
    assert theirs[0] is None and "Error" in theirs[1], theirs


@pytest.mark.parametrize("keys, said", [
    (dict(sso_account_id="1", sso_role_name="r", sso_start_url="https://x",
          sso_region="us-east-1"), "IAM Identity Center"),
    (dict(sso_session="s", sso_account_id="1", sso_role_name="r"),
     "export-credentials --profile mine"),
    (dict(login_session="arn:aws:sts::1:assumed-role/a/b"), "aws login"),
    (dict(region="us-east-1"), "no other identity"),
    (dict(sso_session="s"), "no other identity"),
])
@pytest.mark.parametrize("by", ["setting", "AWS_PROFILE"])
def test_a_profile_that_was_named_is_the_only_identity(home, keys, said, by):
    instance(home)
    container(home)
    home.section("config", "profile mine", **keys)
    if by == "setting":
        home.refuses("AWS profile mine", said, profile="mine")
    else:
        home.environment["AWS_PROFILE"] = "mine"
        home.refuses("AWS profile mine", said)


def test_a_default_profile_of_the_identity_center_is_not_passed_over(home):
    instance(home)
    home.section("config", "default", sso_account_id="1", sso_role_name="r")
    home.refuses("AWS profile default", "IAM Identity Center")


def test_a_source_of_the_identity_center_is_said(home):
    home.section("config", "profile r", role_arn=ROLE + "a",
                 source_profile="base")
    home.section("config", "profile base", sso_account_id="1",
                 sso_role_name="r")
    home.refuses("AWS profile base", "credential_process", profile="r")


@pytest.mark.parametrize("set_to", ["~/elsewhere", "$HOME/elsewhere",
                                    "${HOME}/elsewhere"])
def test_a_path_of_the_environment_is_expanded(home, set_to):
    instance(home)
    shared_file(home)
    home.write()
    os.rename(os.path.join(home.path, ".aws", "credentials"),
              os.path.join(home.path, "elsewhere"))
    home.environment["AWS_SHARED_CREDENTIALS_FILE"] = set_to
    home.write = lambda: None
    assert home.ask()[0] == "STATICSHARED"


@pytest.mark.parametrize("variable", ["AWS_SHARED_CREDENTIALS_FILE",
                                      "AWS_CONFIG_FILE"])
def test_a_file_that_was_named_must_be_there(home, variable):
    instance(home)
    home.environment[variable] = "/nowhere/at/all"
    home.refuses("/nowhere/at/all", variable, "No such file")
    home.environment[variable] = "$AWS_DIR/credentials"
    home.refuses(variable, "write the whole path")
    # Who wants none says so.
    home.environment[variable] = "/dev/null"
    assert home.ask()[0] == IMDS


@pytest.mark.parametrize("expires", [
    "2099-01-02T03:04:05.1234567Z", "2099-01-02T03:04:05.123456789Z",
    "2099-01-02T03:04:05+0000", "2099-01-02 03:04:05Z", None])
def test_any_expiration_that_botocore_takes_is_taken(home, expires):
    answer = json.dumps({"Version": 1, "AccessKeyId": "STATICPROCESS",
                         "SecretAccessKey": "s", "Expiration": expires})
    home.section("config", "default",
                 credential_process=f"/bin/echo '{answer}'")
    assert home.ask()[0] == "STATICPROCESS"


def test_a_role_that_wants_a_persons_code_is_said(home):
    home.section("config", "profile r", role_arn=ROLE + "a",
                 source_profile="base", mfa_serial="arn:aws:iam::1:mfa/me")
    home.section("config", "profile base", **home.key())
    home.refuses("AWS profile r", "mfa_serial", profile="r")
