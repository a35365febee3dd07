# SPDX-License-Identifier: PostgreSQL
"""How keyturn comes by a token of Vault's, what its policy must grant, and what
it says when something is wrong.  Servers and gate as in test_vault.py."""

import contextlib
import os
import re
import time

import pytest

hvac = pytest.importorskip("hvac")

from rig.verdict import finding, nothing_changed, sentence  # noqa: E402
from rig.server import wait_for  # noqa: E402
from rig.jwt import Issuer, TokenReviews  # noqa: E402
from test_vault import (SOURCE, _vault, doubles,  # noqa: E402,F401
                        new_vault_site, site, taken_over, vault)


def policy_of(site, who):
    """A policy of docs/vault.md, for the site's mount and prefix."""
    with open(os.path.join(SOURCE, "docs", "vault.md")) as f:
        text = re.search(rf"```hcl\n# {who}\n(.*?)```", f.read(), re.S)[1]
    return text.replace('"secret/', f'"{site.mount}/') \
        .replace("/partners/", f"/{site.prefix}")


def give_policy(site, text, name="keyturn"):
    name += "-" + site.prefix.rstrip("/")
    site.vault.client.sys.create_or_update_policy(name=name, policy=text)
    return name


def token_for(site, text, **more):
    made = site.vault.client.auth.token.create(
        policies=[give_policy(site, text)], **more)["auth"]
    site.remember(made["client_token"], "a token")
    return made["client_token"]


def use_token(site, token, mode=0o600, **settings):
    path = site.put("other-token", token, mode)
    site.configure(auth=f"auth = token\ntoken_file = {path}", **settings)
    return path


def enable(site, kind):
    """An auth method of the test's own: where it is mounted."""
    mount = f"{kind}-{site.prefix.rstrip('/')}"
    site.vault.client.sys.enable_auth_method(kind, path=mount)
    return mount


class AppRole:
    def __init__(self, site, **role):
        self.site = site
        self.mount = enable(site, "approle")
        self.api = site.vault.client.auth.approle
        self.api.create_or_update_approle(
            "rotator", token_policies=[
                give_policy(site, policy_of(site, "rotator"))],
            mount_point=self.mount, **role)
        self.role_id = self.api.read_role_id(
            "rotator", mount_point=self.mount)["data"]["role_id"]

    def new_secret_id(self):
        made = self.api.generate_secret_id(
            "rotator", mount_point=self.mount)["data"]["secret_id"]
        self.site.remember(made, "a secret_id")
        return made

    def settings(self, secret_id, more=""):
        path = self.site.put("secret-id", secret_id)
        return (f"auth = approle\nauth_mount = {self.mount}\n"
                f"role_id = {self.role_id}\nsecret_id_file = {path}\n{more}")


# ---- policies ------------------------------------------------------------------

def test_the_documented_policy_is_enough_to_rotate(site):
    use_token(site, token_for(site, policy_of(site, "rotator")))
    for _ in range(2):
        site.run("rotate", "sap", expect=0)
    site.settled()
    told = site.kv.read_secret_metadata(
        site.path(), mount_point=site.mount)["data"]["custom_metadata"]
    assert told["keyturn_version"]
    assert site.get()


def test_a_reader_sees_the_secret_and_no_record(taken_over):
    client = hvac.Client(url=taken_over.vault.url, token=token_for(
        taken_over, policy_of(taken_over, "reader")))
    read = client.secrets.kv.v2.read_secret_version
    data = read(taken_over.path(), mount_point=taken_over.mount,
                raise_on_deleted_version=True)["data"]["data"]
    taken_over.must_log_in(data["password"])
    with pytest.raises(hvac.exceptions.Forbidden):
        read(taken_over.record_path(), mount_point=taken_over.mount,
             raise_on_deleted_version=True)
    with pytest.raises(hvac.exceptions.Forbidden):
        client.secrets.kv.v2.patch(taken_over.path(), {"password": "x"},
                                   mount_point=taken_over.mount)


def test_an_auditor_sees_no_password(taken_over):
    client = hvac.Client(url=taken_over.vault.url, token=token_for(
        taken_over, policy_of(taken_over, "auditor")))
    told = client.secrets.kv.v2.read_secret_metadata(
        taken_over.path(), mount_point=taken_over.mount)["data"]
    assert told["custom_metadata"]["keyturn_version"] \
        == taken_over.current().id
    for path in (taken_over.path(), taken_over.record_path()):
        with pytest.raises(hvac.exceptions.Forbidden):
            client.secrets.kv.v2.read_secret_version(
                path, mount_point=taken_over.mount,
                raise_on_deleted_version=True)


@pytest.mark.parametrize("capability", ["create", "read", "update", "patch"])
def test_a_right_that_is_missing_is_named_before_anything_is_changed(
        taken_over, capability):
    was = taken_over.current()
    text = policy_of(taken_over, "rotator")
    # The canary may be written, the role's own record and secret may not.
    text += "".join(
        f'path "{taken_over.mount}/data/{path}" {{ capabilities = ['
        + ", ".join(f'"{c}"' for c in ("create", "read", "update", "patch")
                    if c != capability) + '] }\n'
        for path in (taken_over.path(), taken_over.record_path()))
    use_token(taken_over, token_for(taken_over, text))
    finding(taken_over.run("check"), f'"{capability}" on '
            f"{taken_over.mount}/data/{taken_over.prefix}")
    done = taken_over.run("rotate", "sap")
    # The same code as any other refusal, but a read is a store that is away.
    assert done.exit in (6, 7), done.text
    assert f'"{capability}" on {taken_over.mount}/data/{taken_over.prefix}' \
        in done.text, done.text
    assert taken_over.versions()[0] == was
    use_token(taken_over, taken_over.vault.token)
    assert taken_over.live() == was


# ---- ways in -------------------------------------------------------------------

def test_an_approle_logs_in_and_gives_its_token_back(site):
    role = AppRole(site)
    site.configure(auth=role.settings(role.new_secret_id()))
    done, calls = site.calls_of("rotate", "sap", expect=0)
    assert calls[0] == ("POST", f"auth/{role.mount}/login")
    assert calls[-1] == ("POST", "auth/token/revoke-self")
    assert sum(path.endswith("/login") for _, path in calls) == 1
    site.settled()


def test_a_wrong_secret_id_is_said(site):
    role = AppRole(site)
    site.configure(auth=role.settings("11111111-2222-3333-4444-555555555555"))
    done = site.run("rotate", "sap")
    sentence(done, 6, "secret_id is wrong, expired or used up", role.mount)


@pytest.mark.parametrize("around", ["{}/", "/{}", "//{}//"])
def test_slashes_around_an_auth_mount_say_nothing(site, around):
    role = AppRole(site)
    settings = role.settings(role.new_secret_id())
    site.configure(auth=settings.replace(
        f"auth_mount = {role.mount}",
        f"auth_mount = {around.format(role.mount)}"))
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_an_auth_method_that_is_not_there_is_said(site):
    """Vault says 403 to who has no token, as it does for any unknown path."""
    role = AppRole(site)
    settings = role.settings(role.new_secret_id())
    site.configure(auth=settings.replace(role.mount, "no-such-method"))
    line = refused(site, 6, "there is no auth method at auth/no-such-method",
                   "auth_mount")
    assert "secret_id" not in line


def test_an_approle_that_asks_for_no_secret_id_logs_in(site):
    role = AppRole(site, bind_secret_id=False,
                   token_bound_cidrs=["127.0.0.0/8"])
    site.configure(auth=f"auth = approle\nauth_mount = {role.mount}\n"
                   f"role_id = {role.role_id}")
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_an_approle_that_asks_for_a_secret_id_says_that_none_is_set(site):
    role = AppRole(site)
    site.configure(auth=f"auth = approle\nauth_mount = {role.mount}\n"
                   f"role_id = {role.role_id}")
    refused(site, 6, "no secret_id_file is set")


def wrapped(site, role, ttl="120s", **body):
    """A wrapping token, made by the role's secret-id endpoint."""
    answer = site.vault.client.adapter.post(
        f"/v1/auth/{role.mount}/role/rotator/secret-id", json=body,
        wrap_ttl=ttl)
    return (answer if isinstance(answer, dict)
            else answer.json())["wrap_info"]["token"]


def test_a_wrapped_secret_id_is_unwrapped_once_and_then_an_alarm(site):
    role = AppRole(site)
    token = wrapped(site, role)
    site.configure(auth=role.settings(
        token, "secret_id_wrapped = yes\nauth_role = rotator"))
    site.run("rotate", "sap", expect=0)
    done = site.run("rotate", "sap")
    sentence(done, 6, "ALARM", "unwrapped before")
    site.must_log_in(site.current().password)


def test_what_somebody_else_wrapped_is_not_unwrapped(site):
    role = AppRole(site)
    forged = site.vault.client.adapter.post(
        "/v1/sys/wrapping/wrap", json={"secret_id": "mine"},
        wrap_ttl="120s")
    forged = (forged if isinstance(forged, dict)
              else forged.json())["wrap_info"]["token"]
    site.configure(auth=role.settings(
        forged, "secret_id_wrapped = yes\nauth_role = rotator"))
    done, calls = site.calls_of("rotate", "sap")
    sentence(done, 6, "ALARM", "was not made by",
             f"auth/{role.mount}/role/rotator/secret-id")
    assert ("POST", "sys/wrapping/unwrap") not in calls


def each_login_reads(site, auth, new_jwt, bad):
    """A JWT from a file, which is read anew for each login."""
    for _ in range(2):
        # A projected service account token is readable by others.
        path = site.put("jwt", new_jwt(), 0o644)
        site.configure(auth=f"{auth}\nauth_role = rotator\njwt_file = {path}")
        site.run("rotate", "sap", expect=0)
    site.settled()
    site.put("jwt", bad, 0o644)
    done = site.run("rotate", "sap")
    assert done.exit == 6 and "has expired" in done.text, done.text
    assert site.live() == site.current()


def test_a_jwt_is_read_anew_for_each_login(site):
    mount, issuer = enable(site, "jwt"), Issuer()
    post = site.vault.client.adapter.post
    post(f"/v1/auth/{mount}/config",
         json={"jwt_validation_pubkeys": [issuer.public]})
    post(f"/v1/auth/{mount}/role/rotator", json={
        "role_type": "jwt", "user_claim": "sub",
        "bound_audiences": ["keyturn"],
        "token_policies": [give_policy(site, policy_of(site, "rotator"))]})
    auth = f"auth = jwt\nauth_mount = {mount}"
    each_login_reads(site, auth, issuer.token, issuer.token(life=-3600))
    for bad in (issuer.token(aud=["others"]), Issuer().token()):
        site.put("jwt", bad, 0o644)
        sentence(site.run("rotate", "sap"), 6, "its claims do not fit")


def authority_pem(authority):
    with open(authority.certificate) as f:
        return f.read()


def test_a_service_account_of_kubernetes_logs_in(site, authority):
    mount, issuer, reviews = enable(site, "kubernetes"), Issuer(), \
        TokenReviews()
    post = site.vault.client.adapter.post
    post(f"/v1/auth/{mount}/config", json={
        "kubernetes_host": reviews.url, "token_reviewer_jwt": issuer.token(),
        # OpenBao wants one, though the host has no TLS.
        "kubernetes_ca_cert": authority_pem(authority),
        "disable_local_ca_jwt": True})
    post(f"/v1/auth/{mount}/role/rotator", json={
        "bound_service_account_names": ["keyturn"],
        "bound_service_account_namespaces": ["partners"],
        "token_policies": [give_policy(site, policy_of(site, "rotator"))]})

    def new_jwt():
        made = issuer.token(**TokenReviews.CLAIMS)
        reviews.good = {made}
        return made
    try:
        each_login_reads(site, f"auth = kubernetes\nauth_mount = {mount}",
                         new_jwt, issuer.token(**TokenReviews.CLAIMS))
    finally:
        reviews.stop()


def test_a_token_comes_from_the_environment_or_from_systemd(site):
    site.configure(auth="auth = token\ntoken_file = environment")
    sentence(site.run("rotate", "sap"), 6, "VAULT_TOKEN is not set")
    site.configure(auth="auth = token\ntoken_file = credential:vault")
    sentence(site.run("rotate", "sap"), 6, "LoadCredential=")
    site.put("vault", site.vault.token)
    site.run("rotate", "sap", expect=0,
             environment={"CREDENTIALS_DIRECTORY": site.tokens})
    was = site.settled()
    # Not one that is searched for: /proc shows it to whom it belongs to.
    made = site.vault.client.auth.token.create(policies=[
        give_policy(site, policy_of(site, "rotator"))])["auth"]
    site.configure(auth="auth = token\ntoken_file = environment")
    site.run("rotate", "sap", expect=0,
             environment={"VAULT_TOKEN": made["client_token"]})
    assert site.settled() != was


def test_a_token_that_expires_within_a_rotation_costs_a_login(site):
    role = AppRole(site)
    site.configure(auth=role.settings(role.new_secret_id()))
    site.run("rotate", "sap", expect=0)
    accessor = []

    def expire(method, path):
        """Just before the promotion, the token is gone."""
        if method == "PATCH" and path.endswith("/data/" + site.path()) \
                and not accessor:
            accessor.append(path)
            revoke_all(site, role)
    site.gate.before = expire
    done, calls = site.calls_of("rotate", "sap")
    site.gate.before = None
    assert accessor, calls
    assert done.exit == 0, done.text
    assert sum(path.endswith("/login") for _, path in calls) == 2
    site.settled()


def revoke_all(site, role):
    if site.vault.double:
        for one in list(site.vault.double.tokens.values()):
            if one.path == f"auth/{role.mount}/login":
                del site.vault.double.tokens[one.id]
    else:
        site.vault.client.sys.revoke_prefix(f"auth/{role.mount}")


@pytest.fixture
def tls_site(folder, authority, new_vault_site):
    """A site whose Vault speaks TLS and asks for a certificate: the double."""
    cert, key = authority.issue("vault")
    server = doubles.Double(tls={"cert": cert, "key": key,
                                 "ca": authority.certificate})
    found = new_vault_site()
    found.kv = hvac.Client(url=server.url, token=server.root,
                           verify=authority.certificate).secrets.kv.v2
    found.mount = "secret"
    found.token_file = found.put("tls-token", server.root)
    found.tls = server
    yield found
    found.learn()
    server.stop()


def test_a_certificate_logs_in(tls_site, authority):
    space = tls_site.tls.spaces[""]
    space.policies["rotator"] = policy_of(tls_site, "rotator")
    space.methods["cert/"] = {"type": "cert", "config": {}, "roles": {
        "rotator": {"token_policies": ["rotator"]}}}
    cert, key = authority.issue("rotator", ("DNS:rotator.test",))
    os.chmod(key, 0o600)
    tls_site.configure(
        address=tls_site.tls.url,
        auth="auth = cert\nauth_role = rotator",
        store=f"ca_file = {authority.certificate}\nclient_cert = {cert}\n"
              f"client_key = {key}")
    tls_site.run("rotate", "sap", expect=0)
    tls_site.settled()
    os.chmod(key, 0o644)
    sentence(tls_site.run("rotate", "sap"), 2, key, "chmod 600")
    tls_site.configure(
        address=tls_site.tls.url,
        auth="auth = token\ntoken_file = " + tls_site.token_file,
        store=f"ca_file = {authority.certificate}")
    tls_site.run("rotate", "sap", expect=0)


def test_a_certificate_of_an_unknown_authority_is_refused(tls_site):
    tls_site.configure(address=tls_site.tls.url)
    before = tls_site.marker()
    sentence(tls_site.run("rotate", "sap"), 6, "certificate",
             "name its authority in ca_file")
    assert tls_site.marker() == before
    # Only the test's own hvac came through.
    assert not [path for _, path in tls_site.tls.calls
                if not path.startswith("secret/data/")]
    tls_site.configure(address=tls_site.tls.url,
                       store="ca_file = /nonexistent/ca.pem")
    sentence(tls_site.run("rotate", "sap"), 2, "/nonexistent/ca.pem")


# ---- bad input -------------------------------------------------------------------

def refused(site, exit, *words):
    """One sentence, and nothing was changed."""
    before = (site.versions(), site.marker())
    line = sentence(site.run("rotate", "sap"), exit, *words)
    assert (site.versions(), site.marker()) == before
    return line


def test_an_address_without_scheme_is_refused(site):
    site.configure(address="vault.example.com:8200")
    refused(site, 2, "address", "https://")


def test_http_to_another_host_is_refused(site):
    site.configure(address="http://vault.example.com:8200")
    refused(site, 2, "in the clear", "https")


def test_a_password_in_the_address_is_refused_and_not_repeated(site):
    site.configure(address="https://me:Hush-Hush-4711@vault.example.com")
    assert "Hush" not in refused(site, 2, "user or a password")


def test_an_unknown_mount_is_named(site):
    site.configure(mount="no-such-mount")
    refused(site, 6, "mount no-such-mount", "does not exist")


def test_a_mount_of_version_1_is_refused(site):
    mount = site.mount + "-v1"
    site.vault.client.sys.enable_secrets_engine(
        "kv", path=mount, options={"version": "1"})
    try:
        site.configure(mount=mount)
        refused(site, 6, "KV version 1", "enable-versioning")
    finally:
        site.vault.client.sys.disable_secrets_engine(mount)


def test_a_namespace_that_is_not_there_is_named(site):
    site.configure(store="namespace = no/such/namespace")
    refused(site, 6, "in namespace no/such/namespace")


def test_a_secret_goes_into_its_namespace_or_nowhere(site):
    """Vault's community edition has none, and ignores the header."""
    client = hvac.Client(url=site.vault.url, token=site.vault.token)
    try:
        client.sys.create_namespace(path="keyturn-test")
    except hvac.exceptions.VaultError:
        site.configure(store="namespace = keyturn-test")
        refused(site, 6, "in namespace keyturn-test", "has no namespaces")
        assert site.value() is None
        return
    inside = hvac.Client(url=site.vault.url, token=site.vault.token,
                         namespace="keyturn-test")
    with contextlib.suppress(hvac.exceptions.InvalidRequest):
        inside.sys.enable_secrets_engine("kv", path=site.mount,
                                         options={"version": "2"})
    site.configure(store="namespace = keyturn-test/")
    site.run("rotate", "sap", expect=0)
    assert site.value() is None
    site.kv = inside.secrets.kv.v2
    site.settled()


def test_a_login_may_be_in_a_parent_of_the_secrets_namespace(site):
    """Its token is good below, by policies that name the way from there."""
    client = hvac.Client(url=site.vault.url, token=site.vault.token)
    try:
        client.sys.create_namespace(path="keyturn-child")
    except hvac.exceptions.VaultError:
        # Vault's community edition has none, and says so.
        site.configure(store="namespace = keyturn-child\nauth_namespace = /")
        refused(site, 6, "in namespace keyturn-child")
        return
    inside = hvac.Client(url=site.vault.url, token=site.vault.token,
                         namespace="keyturn-child")
    with contextlib.suppress(hvac.exceptions.InvalidRequest):
        inside.sys.enable_secrets_engine("kv", path=site.mount,
                                         options={"version": "2"})
    role = AppRole(site)
    give_policy(site, policy_of(site, "rotator").replace(
        f'"{site.mount}/', f'"keyturn-child/{site.mount}/'))
    login = role.settings(role.new_secret_id())
    site.configure(auth=login, store="namespace = /keyturn-child")
    refused(site, 6, "no auth method", "in namespace keyturn-child",
            "auth_namespace")
    site.configure(auth=login,
                   store="namespace = /keyturn-child\nauth_namespace = /")
    site.run("rotate", "sap", expect=0)
    assert site.value() is None
    site.kv = inside.secrets.kv.v2
    site.settled()
    told = site.kv.read_secret_metadata(
        site.path(), mount_point=site.mount)["data"]["custom_metadata"]
    assert told["keyturn_version"]


def test_a_token_that_vault_does_not_know_is_refused(site):
    path = use_token(site, "hvs.this-is-no-token-of-theirs")
    line = refused(site, 6, "Vault does not know this token", path)
    assert "mount" not in line


def test_a_token_that_has_ended_is_told_as_that(taken_over):
    """Also one that ends while keyturn runs."""
    token = token_for(taken_over, policy_of(taken_over, "rotator"))
    use_token(taken_over, token)
    api = taken_over.vault.client.auth.token

    def end(method, path):
        if method == "PATCH" and path.endswith("/.keyturn/sap"):
            taken_over.gate.before = None
            api.revoke(token)
    with nothing_changed(taken_over, staged=True):
        taken_over.gate.before = end
        for _ in range(2):
            sentence(taken_over.run("rotate", "sap"), 6,
                     "Vault does not know this token", "has expired")


def test_a_token_with_a_policy_and_without_the_default_one_is_known(site):
    """It may not look itself up, which is no reason to doubt it."""
    token = token_for(site, policy_of(site, "rotator")
                      .replace('"patch"]', '"list"]', 1),
                      no_default_policy=True)
    use_token(site, token)
    line = refused(site, 6, '"patch" on')
    assert "does not know" not in line


@pytest.mark.parametrize("quote", "\"'")
def test_a_token_in_quotes_is_told_as_that(site, quote):
    path = use_token(site, quote + site.vault.token + quote)
    refused(site, 6, path, "holds quotes")


def test_a_token_file_that_others_may_read_is_refused(site):
    path = use_token(site, site.vault.token, 0o644)
    refused(site, 6, path, "chmod")


def test_a_token_file_that_is_empty_or_missing_is_refused(site):
    path = use_token(site, "")
    refused(site, 6, path, "is empty")
    os.unlink(path)
    refused(site, 6, path, "does not exist")


def test_a_server_that_is_away_is_said(site):
    site.configure(address="http://127.0.0.1:1")
    refused(site, 7, "127.0.0.1:1 does not accept connections")


def test_a_host_that_nobody_knows_is_said(site):
    site.configure(address="https://no-such-host.invalid:8200")
    refused(site, 7, "no-such-host.invalid", "not known")


@pytest.mark.parametrize("status, words", [
    (503, "sealed"), (429, "rate limit"), (412, "not caught up")])
def test_a_vault_that_cannot_now_is_deferred(site, status, words):
    site.gate.fault("*", "", status, times=99)
    line = refused(site, 7, words)
    assert "by the gate" not in line, "the peer's words are repeated"


def test_what_is_no_vault_is_said(site):
    site.gate.fault("*", "", "garbage", times=99)
    assert "Welcome" not in refused(site, 7, "is not Vault's")


def test_a_secret_that_others_filled_up_is_kept_or_refused(taken_over):
    """What no answer may be as long as is not read, and so not written."""
    taken_over.kv.patch(taken_over.path(), {"map": "x" * 100_000},
                        mount_point=taken_over.mount)
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()
    assert taken_over.value()["map"] == "x" * 100_000
    taken_over.kv.patch(taken_over.path(), {
        "map": "x" * 600_000, "other": "x" * 600_000},
                        mount_point=taken_over.mount)
    was = taken_over.versions()
    sentence(taken_over.run("rotate", "sap"), 7,
             "is larger than 1048576 bytes")
    assert taken_over.versions() == was
    assert taken_over.live() == taken_over.current()


def test_a_retry_after_is_honoured(taken_over):
    taken_over.gate.fault("GET", taken_over.path() + "$", 429, times=1,
                          headers={"Retry-After": "1"})
    begun = time.monotonic()
    taken_over.run("rotate", "sap", expect=0)
    assert time.monotonic() - begun >= 1
    taken_over.settled()


def test_a_redirect_is_followed_only_to_a_listed_address(taken_over):
    gate = taken_over.gate
    elsewhere = "http://127.0.0.1:9/v1/x"
    gate.fault("*", "", 307, times=99, headers={"Location": elsewhere})
    refused(taken_over, 7, "standby points to 127.0.0.1", "not listed")
    gate.clear()
    # From the gate to the server itself, which is listed too.
    gate.fault("*", "", 307, times=999,
               headers={"Location": taken_over.vault.url + "/v1/x"})
    taken_over.configure(
        store=f"address = {taken_over.vault.url}")
    taken_over.run("rotate", "sap", expect=0)
    gate.clear()
    taken_over.settled()


def test_the_next_address_is_asked_when_one_is_away(taken_over):
    taken_over.configure(address="http://127.0.0.1:1",
                         store=f"address = {taken_over.gate.url}")
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


def test_versions_that_are_deleted_by_the_clock_are_refused(site):
    site.kv.configure(delete_version_after="24h", mount_point=site.mount)
    try:
        done = site.run("check")
        assert done.exit != 0 and "delete_version_after" in done.text
        refused(site, 6, "delete_version_after")
    finally:
        site.kv.configure(delete_version_after="0s", mount_point=site.mount)


def lasting(site, path, value):
    site.kv.update_metadata(path, delete_version_after=value,
                            mount_point=site.mount)


def switched_off(site, done):
    """By the very commands that keyturn names, as hvac has them."""
    for off, number, where in re.findall(
            r"vault kv (?:metadata put|(undelete)) -mount="
            + site.mount + r" (?:-delete-version-after=0s"
            r"|-versions=(\d+)) ([\w./-]+)", done.text.replace("\n", " ")):
        if off:
            site.kv.undelete_secret_versions(where, [int(number)],
                                             mount_point=site.mount)
        else:
            lasting(site, where, "0s")


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("which", ["path", "record_path"])
def test_a_secret_that_is_deleted_by_the_clock_is_refused(site, which, known):
    """By check and by the rotation, before anything is changed."""
    use_token(site, token_for(site, policy_of(site, "rotator")))
    if known:
        site.run("rotate", "sap", expect=0)
    path = getattr(site, which)()
    lasting(site, path, "1h")
    with nothing_changed(site):
        said = f"delete_version_after deletes versions of {site.mount}/data/"
        finding(site.run("check"), said + path)
        mark = site.server.mark()
        done = site.run("rotate", "sap")
        sentence(done, 6, said + path)
        # The store is asked before the role logs in, and nothing is staged.
        assert site.server.logins(mark, "sap") == (0, 0)
    switched_off(site, done)
    site.run("rotate", "sap", expect=0)
    site.settled()


def hiding(site):
    """A policy that shows no metadata, as it may be from before."""
    use_token(site, token_for(site, policy_of(site, "rotator")
                              .replace('"read", "patch"]\n}', '"patch"]\n}')
                              .replace('"read", "delete"', '"delete"')))


def test_a_success_that_the_clock_takes_away_is_none(site):
    """A policy that shows no metadata lets it be seen in the write only."""
    hiding(site)
    site.run("rotate", "sap", expect=0)
    lasting(site, site.path(), "1h")
    done = site.run("rotate", "sap")
    sentence(done, 9, "recover", "delete_version_after", site.path())
    switched_off(site, done)
    site.run("recover", "sap", expect=0)
    site.settled()
    site.run("rotate", "sap", expect=0)
    site.settled()


@pytest.mark.parametrize("which", ["path", "record_path"])
def test_what_the_metadata_may_not_tell_the_version_that_is_there_does(
        site, which):
    hiding(site)
    path = getattr(site, which)()
    site.run("rotate", "sap", expect=0)
    lasting(site, path, "1h")
    data, number = site.document(path)
    site.kv.create_or_update_secret(path, data, cas=number,
                                    mount_point=site.mount)
    with nothing_changed(site):
        finding(site.run("check"), "delete_version_after")
        done = site.run("rotate", "sap")
        sentence(done, 6, "delete_version_after", path, "undelete")
    switched_off(site, done)
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_the_way_out_of_a_secret_that_the_clock_has_deleted_is_named(
        taken_over):
    path = taken_over.path()
    lasting(taken_over, path, "1s")
    data, number = taken_over.document(path)
    taken_over.kv.create_or_update_secret(path, data, cas=number,
                                          mount_point=taken_over.mount)
    wait_for(lambda: taken_over.value() is None, "the version to be deleted")
    live = taken_over.live()
    done = taken_over.run("rotate", "sap")
    assert done.exit == 5 and "--emergency" in done.text, done.text
    taken_over.run("thaw", "sap", expect=0)
    # What would vanish again is not written.
    done = taken_over.run("rotate", "sap", "--emergency")
    assert done.exit == 6, done.text
    assert taken_over.live() == live
    switched_off(taken_over, done)
    taken_over.run("rotate", "sap", "--emergency", expect=0)
    taken_over.settled()


def test_a_server_that_cannot_patch_is_refused(taken_over):
    """Vault before 1.9."""
    taken_over.gate.fault("PATCH", "", 405, times=99)
    with nothing_changed(taken_over):
        finding(taken_over.run("check"), "this server cannot patch")
        sentence(taken_over.run("rotate", "sap"), 6,
                 "this server cannot patch")


def test_a_method_without_what_it_needs_is_refused(site):
    for auth, word in (("auth = approle", "role_id"),
                       ("auth = kubernetes", "auth_role"),
                       ("auth = cert", "client_cert"),
                       ("auth = token", "token_file"),
                       ("auth = ldap", "must be token, approle")):
        site.configure(auth=auth)
        refused(site, 2, word)


def test_check_says_that_the_store_is_in_order(taken_over):
    done = taken_over.run("check")
    assert "store vault" in done.text and "canary" in done.text, done.text
