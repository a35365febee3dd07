# SPDX-License-Identifier: PostgreSQL
"""The names of AWS's services, and TLS with them.

A shim sends every connection to port 443 or 80 to the double; the program asks
for AWS's own names, in DNS, in the TLS handshake and in the signed Host, and
the double has a certificate of the test's CA for them."""

import json
import os
import subprocess
import sys

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider

from rig import fault, program
from rig.authority import Authority
from rig.aws_site import Amazon, AmazonSite
from rig.installation import FIRST_PASSWORD

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

import aws  # noqa: E402

SERVICES = ("secretsmanager", "sts")
PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso",
              "aws-iso-b", "aws-iso-e", "aws-iso-f")


def test_the_names_of_all_regions_are_those_of_botocore():
    names = program.build("aws_names",
                          ("aws", "http", "json", "xml", "crypto", "base"),
                          ("curl", "jansson", "expat", "ssl", "crypto", "m"))
    loader = botocore.session.get_session().get_component("data_loader")
    partitions = loader.load_data("partitions")
    assert {p["id"] for p in partitions["partitions"]} == set(PARTITIONS)
    regions = [r for p in partitions["partitions"] for r in p["regions"]
               if not r.endswith("-global")]
    wanted, expected = [], []
    for service in SERVICES:
        rules = EndpointProvider(
            loader.load_service_model(service, "endpoint-rule-set-1"),
            partitions)
        more = {"UseGlobalEndpoint": False} if service == "sts" else {}
        for region in regions:
            for fips in (0, 1):
                for dual in (0, 1):
                    wanted.append(f"{service} {region} {fips} {dual}")
                    expected.append(rules.resolve_endpoint(
                        Region=region, UseFIPS=bool(fips),
                        UseDualStack=bool(dual), **more).url)
    done = subprocess.run([names], input="\n".join(wanted), text=True,
                          capture_output=True, check=True, env={})
    got = ["https://" + host for host in done.stdout.split()]
    assert list(zip(wanted, got)) == list(zip(wanted, expected))
    assert len(got) > 300


# -- TLS ---------------------------------------------------------------------------


CERTIFIED = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu",
             "api.amazonwebservices.eu"]


def names_of(region):
    """As in AWS's certificates: the region's names of both services."""
    return [f"DNS:{service}{fips}.{region}.{suffix}" for service in SERVICES
            for fips in ("", "-fips") for suffix in CERTIFIED]


@pytest.fixture(scope="module")
def elsewhere(folder):
    return fault.compile_shim(HERE, os.path.join(folder, "elsewhere.so"),
                              "elsewhere.c")


@pytest.fixture(scope="module")
def amazons_authority(folder):
    return Authority(os.path.join(folder, "amazons-ca"), "Amazon of the test")


@pytest.fixture
def cloud(folder, tools, server, elsewhere, amazons_authority, tmp_path):
    """cloud(region, lines, ...): (site, double, port of its TLS)."""
    made = []

    def make(region, store="", hosts=None, ca=None):
        double = aws.Double(region)
        issued = amazons_authority.issue(
            f"{region}-{len(os.listdir(amazons_authority.folder))}",
            hosts or names_of(region))
        amazon = Amazon(double)
        site = AmazonSite(tools, server, str(tmp_path / f"site{len(made)}"),
                          f"cloud{len(made)}", amazon)
        made.append((site, double))
        ca = amazons_authority.certificate if ca is None else ca
        site.environment.update(
            LD_PRELOAD=elsewhere,
            KEYTURN_ELSEWHERE_443=str(double.add_tls(*issued)),
            KEYTURN_ELSEWHERE_80=str(double.port))
        site.create(endpoint=False,
                    store=f"create = yes\nca_file = {ca}\n" + store
                    if ca else "create = yes\n" + store)
        return site, double

    yield make
    for site, double in made:
        site.close()
        assert not site.leaks()
        double.stop()


@pytest.mark.parametrize("region, store, environment, host", [
    ("eu-central-1", "", {}, "secretsmanager.eu-central-1.amazonaws.com"),
    ("us-east-1", "fips = yes", {},
     "secretsmanager-fips.us-east-1.amazonaws.com"),
    ("us-gov-west-1", "", {"AWS_USE_FIPS_ENDPOINT": "true"},
     "secretsmanager-fips.us-gov-west-1.amazonaws.com"),
    ("eu-central-1", "dualstack = yes", {},
     "secretsmanager.eu-central-1.amazonaws.com"),
    ("eusc-de-east-1", "", {"AWS_USE_DUALSTACK_ENDPOINT": "TRUE"},
     "secretsmanager.eusc-de-east-1.api.amazonwebservices.eu"),
    ("cn-north-1", "", {}, "secretsmanager.cn-north-1.amazonaws.com.cn"),
])
def test_a_region_is_reached_by_its_name(cloud, region, store, environment,
                                         host):
    site, double = cloud(region, store)
    del double.names[:]
    site.run("rotate", "sap", environment=environment, expect=0)
    assert {n for n in double.names if n[0]} == {(host, host)}
    site.settled()


def test_a_profile_can_ask_for_fips_and_its_sts_is_fips_too(cloud):
    site, double = cloud("us-east-1", "profile = rotator")
    double.roles["arn:aws:iam::1:role/keyturn"] = None
    site.write_shared("config", """[profile rotator]
role_arn = arn:aws:iam::1:role/keyturn
source_profile = default
use_fips_endpoint = true
""")
    site.run("rotate", "sap", expect=0)
    assert {n for n in double.names if n[0]} == {
        2 * (f"{service}-fips.us-east-1.amazonaws.com",)
        for service in SERVICES}
    site.settled()


def refused(site, double, *words):
    done = site.run("rotate", "sap")
    assert done.exit not in (0, 1), done.text
    for word in words:
        assert word in done.text, done.text
    assert not [c for c in double.calls if c[2] not in double.immune]
    site.must_log_in(FIRST_PASSWORD)


def test_a_certificate_for_another_name_is_refused(cloud):
    site, double = cloud("eu-central-1", hosts=["DNS:*.example.com"])
    refused(site, double, "secretsmanager.eu-central-1.amazonaws.com",
            "certificate")


def test_a_certificate_of_another_authority_is_refused(cloud, authority):
    site, double = cloud("eu-central-1", ca=authority.certificate)
    refused(site, double, "certificate")


def test_the_systems_authorities_do_not_know_the_test(cloud):
    site, double = cloud("eu-central-1", ca="")
    refused(site, double, "certificate")


@pytest.mark.parametrize("setting", ["fips = yes", "dualstack = yes"])
def test_an_address_of_ones_own_and_fips_exclude_each_other(cloud, setting):
    site, double = cloud("eu-central-1", setting
                         + "\nendpoint = https://vpce-1.example.com")
    refused(site, double, setting.split()[0], "exclude")


# -- the host's own addresses --------------------------------------------------------


def test_the_addresses_of_container_and_instance_are_built_in(cloud):
    """169.254.170.2 and 169.254.169.254, port 80."""
    site, double = cloud("eu-central-1")
    os.unlink(os.path.join(site.shared, "credentials"))
    double.container = ""  # none is asked for
    site.run("rotate", "sap", expect=0, environment={
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": ""})
    assert ("container", "get", None) in double.calls
    double.imds = "rotator-role"
    site.run("rotate", "sap", expect=0,
             environment={"AWS_EC2_METADATA_DISABLED": ""})
    assert ("imds", "token", None) in double.calls
    for key, (secret, token, _) in double.keys.items():
        if token:
            site.remember(secret, "a session's key")
            site.remember(token, "a session's token")
    assert json.loads(site.client.get_secret_value(
        SecretId=site.secret_id())["SecretString"])
    site.settled()
