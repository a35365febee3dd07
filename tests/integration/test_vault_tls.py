# SPDX-License-Identifier: PostgreSQL
"""Vault over TLS: whom keyturn trusts, what it speaks, and where a standby may
send it.  The servers are doubles, each with a certificate and a way of its own.
(libcurl's part alone, proxies and .netrc too, is in tests/unit/http.)"""

import os
import shutil
import socket
import ssl
import subprocess

import hvac
import pytest

from rig.authority import Authority
from test_vault import (_vault, doubles, new_vault_site,  # noqa: F401
                        vault)
from test_vault_login import refused

# Older versions are for whom asks for them in three places.
LOOSE = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = any
[any]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
"""


@pytest.fixture
def new_double(authority):
    """Doubles that speak TLS, which share what is in them."""
    made = []

    def make(issuer=authority, name="vault", like=None):
        cert, key = issuer.issue(name)
        double = doubles.Double(tls={"cert": cert, "key": key})
        if like:
            double.spaces, double.tokens = like.spaces, like.tokens
        made.append(double)
        return double
    yield make
    for double in made:
        double.stop()


@pytest.fixture
def double(new_double):
    return new_double()


@pytest.fixture
def site(new_vault_site, double, authority):  # noqa: F811
    found = new_vault_site()
    found.kv = hvac.Client(url=double.url, token=double.root,
                           verify=authority.certificate).secrets.kv.v2
    found.mount = "secret"
    found.token_file = found.put("tls-token", double.root)
    point(found, authority, double)
    yield found
    found.learn()


def point(site, authority, *servers, store=None):
    site.configure(address=servers[0].url, store="\n".join(
        [f"address = {s.url}" for s in servers[1:]]
        + [store or f"ca_file = {authority.certificate}"]))


def asked(double):
    """What keyturn asked, and not hvac for a test."""
    return [c for c in double.calls if not c[1].startswith("secret/data/")]


def rehash(folder, *certificates):
    os.mkdir(folder)
    for n, file in enumerate(certificates):
        shutil.copy(file, os.path.join(folder, f"{n}.pem"))
    subprocess.run(["openssl", "rehash", folder], check=True,
                   capture_output=True)
    return folder


def test_a_file_of_authorities_is_enough(site):
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_folder_of_authorities_is_enough(site, authority, double, tmp_path):
    folder = rehash(str(tmp_path / "cas"), authority.certificate)
    point(site, authority, double, store=f"ca_dir = {folder}")
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_only_the_authorities_that_are_named_are_trusted(
        site, authority, double, tmp_path):
    """Neither the system's nor those of OpenSSL's own variables."""
    other = Authority(str(tmp_path / "other"), "another CA")
    folder = rehash(str(tmp_path / "cas"), other.certificate)
    for line in (f"ca_dir = {folder}", f"ca_file = {other.certificate}"):
        point(site, authority, double, store=line)
        site.environment["SSL_CERT_FILE"] = authority.certificate
        refused(site, 6, "certificate", "its authority is not known")
    assert asked(double) == []


def test_a_certificate_of_another_host_is_refused(site, authority, new_double):
    cert, key = authority.issue("elsewhere", ("DNS:vault.example.com",))
    double = doubles.Double(tls={"cert": cert, "key": key})
    try:
        point(site, authority, double)
        refused(site, 6, "not made out to this host")
        assert double.calls == []
    finally:
        double.stop()


def speak_only(double, version):
    context = double.server.socket.context
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version


def handshake(double, environment):
    """As a client that takes what the environment's OpenSSL takes."""
    host, port = double.server.server_address
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{host}:{port}", "-brief"],
        env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nothing_older_than_tls_1_2_is_spoken(site, double, tmp_path):
    """Whatever OpenSSL's configuration allows."""
    path = tmp_path / "openssl.cnf"
    path.write_text(LOOSE)
    site.environment["OPENSSL_CONF"] = str(path)
    speak_only(double, ssl.TLSVersion.TLSv1_1)
    assert "TLSv1.1" in handshake(double, site.environment)
    site.kv = site.vault.client.secrets.kv.v2  # for looking, not keyturn's
    done = site.run("rotate", "sap")
    assert done.exit == 7 and "TLS 1.2" in done.text, done.text
    assert asked(double) == []
    assert site.marker() is None
    speak_only(double, ssl.TLSVersion.TLSv1_2)
    site.run("rotate", "sap", expect=0)


def test_a_standby_is_followed_to_a_listed_address(site, authority, double,
                                                   new_double):
    standby = new_double(name="standby", like=double)
    standby.standby = double.url
    point(site, authority, standby, double)
    site.run("rotate", "sap", expect=0)
    site.settled()
    # Once told, it goes to the active one.
    assert 0 < len(standby.calls) <= 2 < len(double.calls)


class Listener:
    """A host that would take anything."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def was_asked(self):
        self.socket.settimeout(0.2)
        try:
            self.socket.accept()
            return True
        except TimeoutError:
            return False
        finally:
            self.socket.close()


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_standby_is_not_followed_elsewhere(site, authority, double, scheme):
    """No connection is made, so no token is sent."""
    elsewhere = Listener()
    double.standby = f"{scheme}://127.0.0.1:{elsewhere.port}"
    site.kv = site.vault.client.secrets.kv.v2
    refused(site, 7, "standby points to 127.0.0.1", "not listed")
    assert not elsewhere.was_asked()


def test_a_standby_is_not_followed_out_of_tls(site, authority, double):
    """The listed host and port, and no https."""
    double.standby = double.url.replace("https", "http")
    site.kv = site.vault.client.secrets.kv.v2
    refused(site, 7, "standby points to 127.0.0.1", "not listed")


def test_a_sealed_vault_changes_nothing_and_goes_on_unsealed(
        site, authority, double, new_double):
    site.run("rotate", "sap", expect=0)
    was = site.current()
    door = new_double(name="door", like=double)  # for looking
    site.kv = hvac.Client(url=door.url, token=double.root,
                          verify=authority.certificate).secrets.kv.v2
    double.sealed = True
    done = site.run("rotate", "sap")
    assert done.exit == 7 and "is sealed" in done.text, done.text
    double.sealed = False
    assert site.live() == was
    site.run("rotate", "sap", expect=0)
    assert site.settled() != was


def test_a_proxy_or_netrc_of_the_environment_is_not_used(site, authority,
                                                         double):
    elsewhere = Listener()
    site.environment.update({
        name: f"http://127.0.0.1:{elsewhere.port}"
        for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY")})
    netrc = os.path.join(site.folder, ".netrc")
    with open(netrc, "w") as f:
        f.write("machine 127.0.0.1 login me password of-the-netrc-file\n")
    os.chmod(netrc, 0o600)
    seen, answer = [], double.answer

    def looking(method, path, query, headers, *rest):
        seen.append(headers.get("Authorization"))
        return answer(method, path, query, headers, *rest)
    double.answer = looking
    site.run("rotate", "sap", expect=0)
    site.settled()
    assert len(seen) > 5 and set(seen) == {None}
    assert not elsewhere.was_asked()
    # And one that is configured is.
    elsewhere = Listener()
    point(site, authority, double,
          store=f"ca_file = {authority.certificate}\n"
                f"proxy = http://127.0.0.1:{elsewhere.port}")
    assert site.run("rotate", "sap").exit == 7
    assert elsewhere.was_asked()
