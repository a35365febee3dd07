# SPDX-License-Identifier: PostgreSQL
"""Secrets in memory when the store is a service: what libcurl, OpenSSL's TLS
and jansson had of a password is gone when the rotation is over, and so is the
token.  How it is measured is in test_memory.py, and what is measured with it:
there is no budget after the delivery."""

import os
import shutil
import tempfile

import hvac
import pytest

import test_aws
import test_memory
import test_vault
from rig.aws_site import Amazon, AmazonSite
from rig.vault_site import VaultSite
from test_memory import hits, outside, scanner  # noqa: F401
from test_vault import _vault, vault  # noqa: F401


class Scanned(test_memory.Scanned):
    def everything(self):
        """The keys of the local store are made, and not read."""
        return {**self.passwords(), **self.credentials()}


class ScannedVault(Scanned):
    def credentials(self):
        return {"token": self.site.tls.root.encode()}


class ScannedAmazon(Scanned):
    def credentials(self):
        return {"secret key": self.site.amazon.secret.encode()}


@pytest.fixture
def looks(folder):
    path = tempfile.mkdtemp(prefix="looks-", dir=folder)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def place(folder):
    return tempfile.mkdtemp(prefix="kt-", dir=folder)


@pytest.fixture
def over_vault(place, tools, server, vault, authority, scanner,  # noqa: F811
               looks):
    """Over TLS, whose buffers hold what was sent, too."""
    cert, key = authority.issue("vault")
    double = test_vault.doubles.Double(tls={"cert": cert, "key": key})
    site = VaultSite(tools, server, os.path.join(place, "site"), "partner",
                     vault)
    site.tls = double
    site.create()
    site.kv = hvac.Client(url=double.url, token=double.root,
                          verify=authority.certificate).secrets.kv.v2
    site.mount = "secret"
    site.token_file = site.put("tls-token", double.root)
    site.vault_settings = {"address": double.url,
                           "store": f"ca_file = {authority.certificate}"}
    site.configure(**site.vault_settings)
    site.run("rotate", "sap", expect=0)
    yield ScannedVault(site, scanner, looks)
    site.close()
    double.stop()


@pytest.fixture
def over_aws(place, tools, server, scanner, looks):  # noqa: F811
    double = test_aws.aws.Double()
    site = AmazonSite(tools, server, os.path.join(place, "site"), "partner",
                      Amazon(double))
    site.vault_settings = {}
    site.create()
    site.run("rotate", "sap", expect=0)
    yield ScannedAmazon(site, scanner, looks)
    site.close()
    double.stop()


@pytest.fixture(params=["vault", "aws"])
def scanned(request):
    return request.getfixturevalue("over_" + request.param)


def delivered(site, effects):
    """The last effect on a sink."""
    return max(e.number for e in effects if e.target.startswith(site.sinks))


def test_a_rotation_leaves_nothing_of_its_password(scanned):
    """Not even in what a daemon would keep: connections, their TLS, handles."""
    done = scanned.run("rotate", "sap", each=1, whole=True, expect=0)
    site = scanned.site
    new, old = site.settled(), site.labelled("previous")
    begin = delivered(site, done.effects) + 1
    seen = sum(len(hits(scanned.look(n), new.password.encode()))
               for n in range(begin // 2, begin))
    assert seen > 0
    after = range(begin + 1, done.effects[-1].number + 1)
    assert len(after) > 5
    assert any(done.effects[n - 1].sends for n in after), "nothing was kept"
    secrets = {"new": new.password.encode(), "old": old.password.encode(),
               **scanned.credentials()}
    for n in after:
        for what, secret in secrets.items():
            found = outside(scanned.look(n), secret)
            assert found == [], (n, done.effects[n - 1], what, found)
    scanned.nothing_left()


def test_without_the_wiping_it_would_show(scanned):
    """The negative control: as with allocators that wipe nothing."""
    scanned.run("rotate", "sap", expect=0, wipe_off="all")
    with pytest.raises(AssertionError, match="look exit"):
        scanned.nothing_left()


def test_what_reads_leaves_nothing(scanned):
    for argv in (("get", "sap"), ("get", "sap", "--label", "previous"),
                 ("check",), ("recover", "sap")):
        done = scanned.run(*argv)
        left = {what: hits(scanned.look("exit"), secret)
                for what, secret in scanned.everything().items()}
        assert not any(left.values()), (argv, done.exit, left)


def test_a_rotation_that_fails_leaves_nothing(scanned):
    site = scanned.site
    effects = scanned.run("rotate", "sap", expect=0).effects
    codes = set()
    for effect in [e for e in effects if e.kind == "file"][20::25]:
        done = scanned.run("rotate", "sap", fault=f"fail-at:{effect.number}")
        codes.add(done.exit)
        scanned.nothing_left()
        site.run("recover", "sap", expect=0)
    assert len(codes) > 1


def test_several_rotations_at_once_leave_nothing(scanned):
    site = scanned.site
    for role in ("erp", "crm"):
        site.create_role(role)
    roles = ["sap", "erp", "crm"]
    site.configure(roles, **site.vault_settings)
    scanned.run("rotate", *roles, expect=0)
    for role in roles:
        for version in site.versions(role):
            assert hits(scanned.look("exit"), version.password.encode()) == []
    scanned.nothing_left()
