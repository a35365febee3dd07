# SPDX-License-Identifier: PostgreSQL
"""The same store with moto, which knows nothing of our double: made by others,
from AWS's documentation and behaviour.

moto is not strict (no signatures, no quotas), and differs from AWS where the
last test says so; what it has right is a rotation by version id.
"""

import json
import os
import tempfile
import uuid

import pytest

from rig.aws_site import Amazon, AmazonSite, PLACEHOLDER
from rig.installation import FIRST_PASSWORD

server_of_moto = pytest.importorskip("moto.server")


class Moto(Amazon):
    def __init__(self, url):
        self.double, self.url, self.region = None, url, "eu-central-1"
        self.key, self.token = "AKIAMOTOMOTOMOTO", None
        self.secret = "Secret-key-that-moto-does-not-look-at"
        self.ours = self.key, self.secret, None
        self.client = self.connect("secretsmanager")


class MotoSite(AmazonSite):
    def value(self, role="sap", **which):
        """moto's GetSecretValue without a stage is not AWSCURRENT."""
        return super().value(role, **(which or {"VersionStage": "AWSCURRENT"}))


@pytest.fixture(scope="module")
def moto():
    made = server_of_moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0,
                                             verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield Moto(f"http://{host}:{port}")
    made.stop()


@pytest.fixture
def new_site(folder, tools, server, moto):
    made = []

    def make(**settings):
        path = tempfile.mkdtemp(prefix="moto-", dir=folder)
        site = MotoSite(tools, server, os.path.join(path, "site"),
                        f"moto{len(made)}", moto)
        made.append(site)
        return site.create(**settings)

    yield make
    for site in made:
        site.close()
    assert not [hit for site in made for hit in site.leaks()]


@pytest.fixture
def site(new_site):
    return new_site()


def test_rotations(site):
    """The first makes the secret."""
    seen = []
    for _ in range(3):
        site.run("rotate", "sap", expect=0)
        seen.append(site.settled())
        assert site.value()["password"] == seen[-1].password
    site.must_not_log_in(FIRST_PASSWORD)
    labels = {v.id: v.label for v in site.versions()}
    assert [labels[v.id] for v in seen] == ["ring", "previous", "current"]
    assert "AWSPREVIOUS" not in \
        site.describe()["VersionIdsToStages"].get(PLACEHOLDER, [])


def test_tags_key_and_description(new_site):
    site = new_site(store="create = yes\nkms_key = alias/partners\n"
                    "tag = team=integration")
    site.run("rotate", "sap", expect=0)
    described = site.describe()
    tags = {t["Key"]: t["Value"] for t in described["Tags"]}
    assert described["KmsKeyId"] == "alias/partners"
    assert tags["team"] == "integration"
    assert tags["keyturn:version"] == site.current().id
    assert tags["keyturn:next-due"] > tags["keyturn:last-rotated"]


def test_a_secret_of_others_is_taken_over_with_its_keys(new_site):
    site = new_site(store="")
    site.seed({"username": "sap", "password": FIRST_PASSWORD, "port": 5432,
               "ssl": True, "masterarn": "arn:x"})
    for _ in range(2):
        site.run("rotate", "sap", expect=0)
        value = site.value()
        assert value["ssl"] is True and value["masterarn"] == "arn:x"
        assert value["port"] == site.server.port
        site.must_log_in(value["password"])
    site.settled()


def test_a_secret_without_any_version_is_begun(new_site):
    site = new_site(store="")
    site.client.create_secret(Name=site.secret_id())
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_killed_at_every_request(site, moto):
    """And finished by the next run."""
    site.run("rotate", "sap", expect=0)
    port, n = moto.url.rpartition(":")[2], 0
    while True:
        sends = -1
        for running, effect in site.step("rotate", "sap"):
            sends += effect.sends and effect.target.endswith(port)
            if sends == n:
                running.kill()
                break
        else:
            break
        n += 1
        site.live()
        site.run("recover", "sap", expect=0)
        site.settled()
    assert n >= 5


def test_a_secret_that_is_not_there_is_said(new_site):
    site = new_site(store="create = no")
    done = site.run("rotate", "sap")
    assert done.exit != 0 and "create = yes" in done.text, done.text
    site.must_log_in(FIRST_PASSWORD)


def test_where_moto_is_not_aws(site, moto):
    """When one of these fails moto has come closer, and more can be tried."""
    for _ in range(2):
        site.run("rotate", "sap", expect=0)
    client, name = moto.client, site.secret_id()
    # AWS: the version with AWSCURRENT, which keyturn moved.
    plain = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
    assert plain.get("password") != site.current().password
    # AWS: a token names one value for ever.
    for value in ("{}", "[]"):
        client.put_secret_value(
            SecretId=name, ClientRequestToken=str(uuid.uuid5(
                uuid.NAMESPACE_URL, name)), SecretString=value,
            VersionStages=["AWSPENDING"])
    # AWS: 65,536 bytes.
    client.put_secret_value(SecretId=name, SecretString="x" * 70000,
                            VersionStages=["AWSPENDING"])
