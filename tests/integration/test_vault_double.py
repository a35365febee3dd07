# SPDX-License-Identifier: PostgreSQL
"""What keyturn relies on in Vault, asked by hvac: of a real server when there is
one (see test_vault.py), and else of the double, which so is held to it."""

import json
import time
import uuid

import pytest

hvac = pytest.importorskip("hvac")

from test_vault import _vault, vault  # noqa: E402,F401

MERGE = {"Content-Type": "application/merge-patch+json"}


class Store:
    """One secret of the mount, by hvac."""

    def __init__(self, vault):
        self.api = vault.client.secrets.kv.v2
        self.mount = vault.mount
        self.path = "proof/" + uuid.uuid4().hex
        self.client = vault.client

    def write(self, data, cas=None):
        return self.api.create_or_update_secret(
            self.path, data, cas=cas, mount_point=self.mount)["data"]

    def read(self, version=None):
        return self.api.read_secret_version(
            self.path, version=version, mount_point=self.mount,
            raise_on_deleted_version=False)["data"]

    def raw(self, method, body=None, headers=None, verb="data", query=""):
        return self.client.session.request(
            method, f"{self.client.url}/v1/{self.mount}/{verb}/{self.path}"
            + query, json=body, headers={
                "X-Vault-Token": self.client.token,
                "X-Vault-Request": "true", **(headers or {})})

    def patch(self, data, cas):
        return self.client.session.request(
            "PATCH", f"{self.client.url}/v1/{self.mount}/data/{self.path}",
            data=json.dumps({"options": {"cas": cas}, "data": data}),
            headers={"X-Vault-Token": self.client.token,
                     "X-Vault-Request": "true", **MERGE})

    def patch_metadata(self, body):
        return self.client.session.request(
            "PATCH", f"{self.client.url}/v1/{self.mount}/metadata/"
            + self.path, data=json.dumps(body),
            headers={"X-Vault-Token": self.client.token,
                     "X-Vault-Request": "true", **MERGE})

    def delete(self):
        self.api.delete_latest_version_of_secret(self.path,
                                                 mount_point=self.mount)


@pytest.fixture
def store(vault):
    return Store(vault)


def test_cas_0_creates_and_only_once(store):
    assert store.write({"a": "1"}, cas=0)["version"] == 1
    with pytest.raises(hvac.exceptions.InvalidRequest,
                       match="check-and-set parameter did not match"):
        store.write({"a": "2"}, cas=0)
    assert store.read()["data"] == {"a": "1"}


def test_cas_names_the_version_that_is_current(store):
    store.write({"a": "1"}, cas=0)
    assert store.write({"a": "2"}, cas=1)["version"] == 2
    for wrong in (0, 1, 3):
        with pytest.raises(hvac.exceptions.InvalidRequest):
            store.write({"a": "3"}, cas=wrong)


def test_cas_counts_a_deleted_version(store):
    store.write({"a": "1"}, cas=0)
    store.delete()
    with pytest.raises(hvac.exceptions.InvalidRequest):
        store.write({"a": "2"}, cas=0)
    assert store.write({"a": "2"}, cas=1)["version"] == 2


def test_cas_may_be_required(store):
    store.api.update_metadata(store.path, cas_required=True,
                              mount_point=store.mount)
    with pytest.raises(hvac.exceptions.InvalidRequest,
                       match="check-and-set parameter required"):
        store.write({"a": "1"})
    assert store.write({"a": "1"}, cas=0)["version"] == 1


def test_what_is_not_there_is_a_404_without_data(store):
    answer = store.raw("GET")
    assert answer.status_code == 404 and answer.json() == {"errors": []}
    store.write({"a": "1"}, cas=0)
    assert store.raw("GET", query="?version=7").status_code == 404


def test_a_deleted_version_is_a_404_with_its_metadata(store):
    store.write({"a": "1"}, cas=0)
    store.delete()
    answer = store.raw("GET")
    told = answer.json()["data"]
    assert answer.status_code == 404 and told["data"] is None
    assert told["metadata"]["version"] == 1
    assert told["metadata"]["deletion_time"] != ""
    assert told["metadata"]["destroyed"] is False
    store.api.undelete_secret_versions(store.path, [1],
                                       mount_point=store.mount)
    assert store.read()["data"] == {"a": "1"}
    store.api.destroy_secret_versions(store.path, [1],
                                      mount_point=store.mount)
    answer = store.raw("GET")
    assert answer.status_code == 404
    assert answer.json()["data"]["metadata"]["destroyed"] is True


def test_a_patch_merges_and_null_removes(store):
    store.write({"a": "1", "b": {"c": "2", "d": "3"}, "l": ["x", "y"]}, cas=0)
    answer = store.patch({"b": {"c": None, "e": "4"}, "l": ["z"]}, 1)
    assert answer.status_code == 200 and answer.json()["data"]["version"] == 2
    assert store.read()["data"] == {"a": "1", "b": {"d": "3", "e": "4"},
                                    "l": ["z"]}
    assert store.patch({"a": "2"}, 1).status_code == 400


def test_a_patch_of_what_is_deleted_or_not_there_is_a_404(store):
    assert store.patch({"a": "1"}, 0).status_code == 404
    store.write({"a": "1"}, cas=0)
    store.delete()
    assert store.patch({"a": "1"}, 1).status_code == 404
    store.api.destroy_secret_versions(store.path, [1],
                                      mount_point=store.mount)
    assert store.patch({"a": "1"}, 1).status_code == 404


def test_a_patch_needs_its_content_type(store):
    store.write({"a": "1"}, cas=0)
    assert store.raw("PATCH", {"data": {"a": "2"}}).status_code == 415


def test_a_write_without_data_is_refused(store):
    assert store.raw("POST", {}).status_code == 400


def test_max_versions_prunes_the_oldest(store):
    store.api.update_metadata(store.path, max_versions=2,
                              mount_point=store.mount)
    for n in range(4):
        store.write({"n": str(n)}, cas=n)
    assert store.raw("GET", query="?version=2").status_code == 404
    assert store.read(3)["data"] == {"n": "2"}
    assert store.read()["data"] == {"n": "3"}


def test_delete_version_after_is_told_at_the_write(store):
    store.api.update_metadata(store.path, delete_version_after="1s",
                              mount_point=store.mount)
    assert store.write({"a": "1"}, cas=0)["deletion_time"] != ""
    assert store.read()["data"] == {"a": "1"}
    time.sleep(1.3)
    assert store.raw("GET").status_code == 404


def test_deleting_the_metadata_deletes_all_and_begins_anew(store):
    store.write({"a": "1"}, cas=0)
    store.write({"a": "2"}, cas=1)
    store.api.delete_metadata_and_all_versions(store.path,
                                               mount_point=store.mount)
    assert store.raw("GET").json() == {"errors": []}
    assert store.write({"a": "3"}, cas=0)["version"] == 1


def test_custom_metadata_is_merged_by_a_patch(store):
    store.write({"a": "1"}, cas=0)
    store.api.update_metadata(store.path, custom_metadata={"mine": "x"},
                              mount_point=store.mount)
    assert store.patch_metadata({"custom_metadata": {"yours": "y"}}) \
        .status_code in (200, 204)
    told = store.api.read_secret_metadata(store.path,
                                          mount_point=store.mount)["data"]
    assert told["custom_metadata"] == {"mine": "x", "yours": "y"}


def test_a_token_without_a_policy_may_nothing(store):
    store.write({"a": "1"}, cas=0)
    token = store.client.auth.token.create(policies=["default"], ttl="1m")
    other = hvac.Client(url=store.client.url,
                        token=token["auth"]["client_token"])
    with pytest.raises(hvac.exceptions.Forbidden):
        other.secrets.kv.v2.read_secret_version(
            store.path, mount_point=store.mount,
            raise_on_deleted_version=False)
    assert other.auth.token.lookup_self()["data"]["renewable"] is True
    assert other.auth.token.renew_self()["auth"]["lease_duration"] <= 60
    other.auth.token.revoke_self()
    with pytest.raises(hvac.exceptions.Forbidden):
        other.auth.token.lookup_self()


def test_the_longest_rule_of_a_policy_decides(store):
    name = "proof-" + uuid.uuid4().hex[:8]
    store.client.sys.create_or_update_policy(name, f'''
        path "{store.mount}/data/*" {{ capabilities = ["read"] }}
        path "{store.mount}/data/proof/*" {{ capabilities = ["deny"] }}
        path "{store.mount}/data/{store.path}" {{
            capabilities = ["create", "patch"]
        }}''')
    token = store.client.auth.token.create(policies=[name], ttl="1m")
    other = hvac.Client(url=store.client.url,
                        token=token["auth"]["client_token"])
    told = other.sys.get_capabilities([
        f"{store.mount}/data/else", f"{store.mount}/data/proof/else",
        f"{store.mount}/data/{store.path}"])["data"]
    assert told[f"{store.mount}/data/else"] == ["read"]
    assert told[f"{store.mount}/data/proof/else"] == ["deny"]
    assert sorted(told[f"{store.mount}/data/{store.path}"]) \
        == ["create", "patch"]


def test_a_wrapping_token_unwraps_once_and_tells_who_made_it(store):
    answer = store.client.session.post(
        store.client.url + "/v1/auth/token/create", json={"ttl": "1m"},
        headers={"X-Vault-Token": store.client.token,
                 "X-Vault-Request": "true", "X-Vault-Wrap-TTL": "60"}).json()
    token = answer["wrap_info"]["token"]
    look = store.client.session.post(
        store.client.url + "/v1/sys/wrapping/lookup", json={"token": token},
        headers={"X-Vault-Request": "true"}).json()
    assert look["data"]["creation_path"] == "auth/token/create"
    fresh = hvac.Client(url=store.client.url, token=token)
    assert fresh.sys.unwrap()["auth"]["client_token"]
    with pytest.raises(hvac.exceptions.InvalidRequest,
                       match="wrapping token is not valid"):
        fresh.sys.unwrap()


def wrap(store, content, ttl=60, token=None):
    return store.client.session.post(
        store.client.url + "/v1/sys/wrapping/wrap", json=content,
        headers={"X-Vault-Token": token or store.client.token,
                 "X-Vault-Request": "true",
                 **({"X-Vault-Wrap-TTL": str(ttl)} if ttl else {})})


def test_anything_can_be_wrapped_and_its_accessor_tells_whether_it_is_there(
        store):
    info = wrap(store, {"user": "sap", "n": 1}).json()["wrap_info"]
    assert (info["creation_path"], info["ttl"]) == ("sys/wrapping/wrap", 60)
    told = store.client.auth.token.lookup_accessor(info["accessor"])["data"]
    assert told["policies"] == ["response-wrapping"]
    assert (told["path"], told["num_uses"], told["creation_ttl"],
            told["id"]) == ("sys/wrapping/wrap", 1, 60, "")
    # To look uses nothing up.
    store.client.auth.token.lookup_accessor(info["accessor"])
    fresh = hvac.Client(url=store.client.url, token=info["token"])
    assert fresh.sys.unwrap()["data"] == {"user": "sap", "n": 1}
    with pytest.raises((hvac.exceptions.InvalidRequest,
                        hvac.exceptions.Forbidden),
                       match="invalid accessor|bad token"):
        store.client.auth.token.lookup_accessor(info["accessor"])


def test_nothing_is_wrapped_without_a_ttl(store):
    answer = wrap(store, {"a": "b"}, ttl=0)
    assert answer.status_code == 400
    assert "requires response wrapping" in answer.text


def test_the_policy_says_who_wraps_and_who_looks(store):
    info = wrap(store, {"a": "b"}).json()["wrap_info"]
    name = "proof-" + uuid.uuid4().hex[:8]
    store.client.sys.create_or_update_policy(
        name, 'path "sys/wrapping/wrap" { capabilities = ["deny"] }')
    token = store.client.auth.token.create(policies=[name], ttl="1m")
    token = token["auth"]["client_token"]
    assert wrap(store, {"a": "b"}, token=token).status_code == 403
    other = hvac.Client(url=store.client.url, token=token)
    with pytest.raises(hvac.exceptions.Forbidden, match="permission denied"):
        other.auth.token.lookup_accessor(info["accessor"])
    # What the default policy grants.
    token = store.client.auth.token.create(policies=["default"], ttl="1m")
    assert wrap(store, {"a": "b"}, token=token["auth"]["client_token"]) \
        .status_code == 200


def test_a_wrapping_token_that_was_revoked_is_gone(store):
    info = wrap(store, {"a": "b"}).json()["wrap_info"]
    store.client.auth.token.revoke_accessor(info["accessor"])
    fresh = hvac.Client(url=store.client.url, token=info["token"])
    with pytest.raises((hvac.exceptions.InvalidRequest,
                        hvac.exceptions.Forbidden)):
        fresh.sys.unwrap()


def test_the_mount_tells_its_version(store):
    told = store.client.session.get(
        f"{store.client.url}/v1/sys/internal/ui/mounts/{store.mount}",
        headers={"X-Vault-Token": store.client.token,
                 "X-Vault-Request": "true"}).json()["data"]
    assert told["type"] == "kv" and told["options"]["version"] == "2"


def test_a_method_that_is_not_there_is_a_403_without_a_token(store):
    other = hvac.Client(url=store.client.url)
    with pytest.raises(hvac.exceptions.Forbidden):
        other.auth.approle.login("a-role", "a-secret",
                                 mount_point="no-such-method")


def test_an_approle_need_not_bind_a_secret_id(store):
    mount = "proof-" + uuid.uuid4().hex[:8]
    api = store.client.auth.approle
    store.client.sys.enable_auth_method("approle", path=mount)
    for name, bound in (("free", False), ("bound", True)):
        api.create_or_update_approle(name, bind_secret_id=bound,
                                     token_bound_cidrs=["127.0.0.0/8"],
                                     mount_point=mount)
    free, bound = (api.read_role_id(name, mount_point=mount)["data"]["role_id"]
                   for name in ("free", "bound"))
    other = hvac.Client(url=store.client.url)
    assert other.auth.approle.login(free, mount_point=mount)["auth"]
    with pytest.raises(hvac.exceptions.InvalidRequest):
        other.auth.approle.login(bound, mount_point=mount)


def test_the_setting_of_a_secret_shows_in_its_metadata(store):
    """Before its first version, too, and an undelete takes an end away."""
    store.api.update_metadata(store.path, delete_version_after="1h",
                              mount_point=store.mount)
    told = store.api.read_secret_metadata(store.path,
                                          mount_point=store.mount)["data"]
    assert told["delete_version_after"] not in ("", "0s")
    assert store.write({"a": "1"}, cas=0)["deletion_time"] != ""
    store.api.undelete_secret_versions(store.path, [1],
                                       mount_point=store.mount)
    assert store.read()["metadata"]["deletion_time"] == ""
    store.api.update_metadata(store.path, delete_version_after="0s",
                              mount_point=store.mount)
    assert store.write({"a": "2"}, cas=1)["deletion_time"] == ""
