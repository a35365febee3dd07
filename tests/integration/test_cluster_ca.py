# SPDX-License-Identifier: PostgreSQL
"""keyturn cluster ca: the server's certificates, and the root that a partner
must trust."""

import datetime
import subprocess

import pytest

from rig.authority import Authority
from rig.verdict import sentence

CONFIG, REFUSED, AWAY = 2, 6, 8


def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *arguments], input=data,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fingerprint(file):
    return openssl("x509", "-in", file, "-noout", "-fingerprint",
                   "-sha256").strip().split("=")[1]


def in_days(n):
    return (datetime.datetime.now(datetime.timezone.utc)
            + datetime.timedelta(days=n)).strftime("%Y%m%d%H%M%SZ")


@pytest.fixture
def served(site):
    """served(authority): the server shows a certificate of that authority,
    which the configuration trusts."""
    server = site.server
    before = server.authority

    def serve(authority, trust=None, **issue):
        server.set_certificate(*authority.issue("server", **issue))
        server.authority = authority
        server.reload()
        site.configure(conninfo=site.conninfo(
            sslrootcert=trust or authority.certificate))
    yield serve
    server.set_certificate(*before.issue("server"))
    server.authority = before
    server.reload()


def test_the_chain_is_shown_and_the_root_named(site, authority):
    done = site.run("cluster", "ca", "main", expect=0)
    assert "CN=keyturn test CA" in done.out
    assert fingerprint(authority.certificate) in done.out
    assert "valid 2020-01-01 to 2099-01-01" in done.out
    assert "not sent by the server" in done.out
    assert "trusted here" in done.out


def test_openssl_sees_the_same(site, authority):
    chain = site.run("cluster", "ca", "main", "--json", expect=0).lines[0]
    seen = openssl("s_client", "-connect", f"127.0.0.1:{site.server.port}",
                   "-starttls", "postgres", "-CAfile", authority.certificate,
                   data="")
    leaf = openssl("x509", "-noout", "-fingerprint", "-sha256", data=seen)
    assert leaf.strip().split("=")[1] == chain["certificates"][0]["sha256"]
    assert chain["trusted"] is True and chain["root"] is None
    assert [c["sent"] for c in chain["certificates"]] == [True, False]


def test_the_pem_is_what_a_partner_must_trust(site, authority, tmp_path):
    done = site.run("cluster", "ca", "main", "--pem", expect=0)
    file = tmp_path / "root.pem"
    file.write_text(done.out)
    assert fingerprint(str(file)) == fingerprint(authority.certificate)
    # And it serves.
    site.configure(conninfo=site.conninfo(sslrootcert=str(file)))
    site.run("rotate", "sap", expect=0)


def test_nothing_but_tls_is_spoken(site):
    """No user is named, no password needed: the one who asks may have none."""
    mark = site.server.mark()
    with open(site.passfile, "w"):
        pass
    site.run("cluster", "ca", "main", expect=0)
    log = site.server.log_since(mark)
    assert "authorized" not in log and "authentication" not in log
    site.write_passfile("*")


def test_a_chain_that_is_not_trusted_is_shown_and_not_exported(
        site, served, authority, tmp_path):
    other = Authority(str(tmp_path / "ca"), "somebody else's CA")
    served(other, trust=authority.certificate)
    done = site.run("cluster", "ca", "main", expect=0)
    assert "not trusted here" in done.out
    sentence(site.run("cluster", "ca", "main", "--pem"), REFUSED,
             "not trusted", "sslrootcert")


def test_a_root_that_only_has_a_known_name_is_called_out(site, served,
                                                         tmp_path):
    served(Authority(str(tmp_path / "ca"), "ISRG Root X1"))
    done = site.run("cluster", "ca", "main", expect=0)
    assert "is another: do not trust it" in done.out
    assert "which Lakebase uses" not in done.out


def test_check_warns_before_a_certificate_expires(site, served, authority):
    assert "certificate expires" not in site.run("check", expect=0).out
    served(authority, ends=in_days(5))
    done = site.run("check", expect=0)
    assert "the server's certificate expires on " + \
        datetime.datetime.strptime(in_days(5)[:8], "%Y%m%d").strftime(
            "%Y-%m-%d") in done.out


def test_check_warns_before_the_root_expires(site, served, tmp_path):
    served(Authority(str(tmp_path / "ca"), "old CA", days="30"),
           ends=in_days(20))
    assert "the root certificate that partners trust expires" in \
        site.run("check", expect=0).out


def test_what_is_no_cluster_is_told(site):
    assert site.run("cluster", "ca", "nowhere").exit == CONFIG
    assert site.run("cluster", "main").exit == CONFIG
    site.configure(conninfo=site.conninfo(port=1))
    sentence(site.run("cluster", "ca", "main"), AWAY, "port 1")
