# SPDX-License-Identifier: PostgreSQL
"""A strict double of Vault's and OpenBao's HTTP API on one loopback port: KV
version 2 (and 1, to be refused), tokens and their policies, AppRole, Kubernetes
and JWT logins, response wrapping, namespaces.

It knows what the servers document and refuses everything else.  Faults are not
its business: rig/gate.py stands in front of it, or of a real server.
"""

import base64
import contextlib
import copy
import json
import re
import secrets as randomness
import ssl
import threading
import time
import urllib.parse
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

CAS_MISMATCH = "check-and-set parameter did not match the current version"
CAS_REQUIRED = "check-and-set parameter required for this call"
MERGE = "application/merge-patch+json"


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status, *errors, data=None):
        super().__init__(status, errors)
        self.status, self.errors, self.data = status, list(errors), data


def stamp(when=None):
    when = time.time() if when is None else when
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))
    return f"{whole}.{int(when % 1 * 1e9):09d}Z"


def seconds(value):
    """Vault's durations: a number of seconds, or "90s", "15m", "2h"."""
    if isinstance(value, (int, float)):
        return int(value)
    found = re.fullmatch(r"(-?\d+)([smhd]?)", str(value))
    if not found:
        raise Refusal(400, "error converting input to a duration")
    return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600,
                            "d": 86400}[found[2]]


def merged(target, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


# ---- policies --------------------------------------------------------------

def parse_policy(text):
    """[(path, {capabilities})] of a policy's HCL.  Comments are allowed."""
    text = re.sub(r"(?m)(^|\s)#.*$", "", text)
    rules, rest = [], text
    pattern = re.compile(r'\s*path\s+"([^"]*)"\s*\{\s*capabilities\s*=\s*'
                         r'\[([^\]]*)\]\s*\}')
    while rest.strip():
        found = pattern.match(rest)
        if not found:
            raise Refusal(400, "failed to parse policy")
        words = {w.strip().strip('"') for w in found[2].split(",")
                 if w.strip()}
        if words - {"create", "read", "update", "patch", "delete", "list",
                    "sudo", "deny"}:
            raise Refusal(400, "failed to parse policy: unknown capability")
        rules.append((found[1], words))
        rest = rest[found.end():]
    return rules


def matches(rule, path):
    """Does a rule's path cover a path?  "+" is one segment, a "*" at the end
    any rest."""
    star = rule.endswith("*")
    text = rule[:-1] if star else rule
    pattern = "/".join("[^/]+" if s == "+" else re.escape(s)
                       for s in text.split("/"))
    return re.fullmatch(pattern + (".*" if star else ""), path) is not None


def rank(rule):
    """Vault's priority: the first wildcard as late as possible, no "*" before
    one, fewer "+", longer."""
    places = [i for i in (rule.find("+"), rule.find("*")) if i >= 0]
    first = min(places) if places else len(rule) + 1
    return (first, not rule.endswith("*"), -rule.count("+"), len(rule), rule)


DEFAULT_POLICY = """
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/mounts" { capabilities = ["read"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
"""


# ---- KV --------------------------------------------------------------------

class Key:
    """One secret of a KV version 2 mount."""

    def __init__(self):
        self.versions = {}  # number -> dict(data, created, deletion, destroyed)
        self.current = 0
        self.oldest = 0
        self.created = self.updated = stamp()
        self.settings = {"max_versions": 0, "cas_required": False,
                         "delete_version_after": "0s",
                         "custom_metadata": None}


class KeyValue:
    def __init__(self, version):
        self.version = version
        self.keys = {}
        self.config = {"max_versions": 0, "cas_required": False,
                       "delete_version_after": "0s"}
        self.upgrading = False

    # version 1

    def plain(self, method, path, body):
        if method in ("POST", "PUT"):
            self.keys[path] = body
            return 204, None
        if method == "GET":
            if path not in self.keys:
                raise Refusal(404)
            return 200, {"data": self.keys[path]}
        if method == "DELETE":
            self.keys.pop(path, None)
            return 204, None
        raise Refusal(405, "unsupported operation")

    # version 2

    def handle(self, method, path, query, body, content_type):
        if self.version == 1:
            return self.plain(method, path, body)
        if self.upgrading:
            raise Refusal(400, "Upgrading from non-versioned to versioned "
                          "data. This backend will be unavailable for a brief "
                          "period and will resume service shortly.")
        verb, _, name = path.partition("/")
        if verb == "config" and not name:
            return self.configure(method, body)
        if not name or name.endswith(".") or "//" in name:
            raise Refusal(404)
        table = {"data": self.data, "metadata": self.metadata,
                 "delete": self.mark, "undelete": self.mark,
                 "destroy": self.mark}
        if verb not in table:
            raise Refusal(404)
        if verb in ("data", "metadata"):
            return table[verb](method, name, query, body, content_type)
        if method not in ("POST", "PUT"):
            raise Refusal(405, "unsupported operation")
        return self.mark(verb, name, body)

    def configure(self, method, body):
        if method == "GET":
            return 200, {"data": dict(self.config)}
        self.settings_into(self.config, body)
        return 204, None

    @staticmethod
    def settings_into(settings, body):
        for key, value in body.items():
            if key not in settings:
                continue
            if key == "custom_metadata" and value is not None:
                if len(value) > 64 or any(
                        not isinstance(v, str) or not 1 <= len(v) <= 512
                        or len(k) > 128 for k, v in value.items()):
                    raise Refusal(400, "custom_metadata validation failed")
            if key == "delete_version_after":
                value = f"{seconds(value)}s"
            settings[key] = value

    def lasting(self, key):
        """Seconds after which a version of the key is deleted, or 0."""
        own = seconds(key.settings["delete_version_after"])
        return max(own, 0) if own else seconds(
            self.config["delete_version_after"])

    @staticmethod
    def gone(version):
        return version["destroyed"] or (
            version["deletion"] is not None
            and version["deletion"] <= time.time())

    def told(self, key, number):
        version = key.versions[number]
        return {"version": number, "created_time": version["created"],
                "deletion_time": "" if version["deletion"] is None
                else stamp(version["deletion"]),
                "destroyed": version["destroyed"],
                "custom_metadata": key.settings["custom_metadata"]}

    def add(self, name, data, options):
        key = self.keys.get(name)
        cas = options.get("cas")
        if "cas" not in options:
            if self.config["cas_required"] or (
                    key and key.settings["cas_required"]):
                raise Refusal(400, CAS_REQUIRED)
        elif not isinstance(cas, int) or isinstance(cas, bool):
            raise Refusal(400, "error parsing check-and-set parameter")
        elif cas != (key.current if key else 0):
            raise Refusal(400, CAS_MISMATCH)
        key = self.keys.setdefault(name, Key())
        key.current += 1
        lasting = self.lasting(key)
        key.versions[key.current] = {
            "data": data, "created": stamp(), "destroyed": False,
            "deletion": time.time() + lasting if lasting else None}
        keep = key.settings["max_versions"] or self.config["max_versions"] \
            or 10
        for number in sorted(key.versions)[:-keep]:
            del key.versions[number]
        key.oldest = min(key.versions)
        key.updated = stamp()
        return 200, {"data": self.told(key, key.current)}

    def read(self, name, number=0):
        key = self.keys.get(name)
        number = number or (key.current if key else 0)
        if not key or number not in key.versions:
            raise Refusal(404)
        version, told = key.versions[number], self.told(key, number)
        if self.gone(version):
            raise Refusal(404, data={"data": None, "metadata": told})
        return {"data": copy.deepcopy(version["data"]), "metadata": told}

    def data(self, method, name, query, body, content_type):
        if method == "GET":
            number = query.get("version", ["0"])[0]
            if not number.isdigit():
                raise Refusal(400, "failed to parse version")
            return 200, {"data": self.read(name, int(number))}
        if method == "DELETE":
            key = self.keys.get(name)
            if key and key.current in key.versions:
                key.versions[key.current]["deletion"] = time.time()
            return 204, None
        if method not in ("POST", "PUT", "PATCH"):
            raise Refusal(405, "unsupported operation")
        if not isinstance(body.get("data"), dict):
            raise Refusal(400, "no data provided")
        options = body.get("options") or {}
        if method == "PATCH":
            if content_type != MERGE:
                raise Refusal(415, "PATCH requires Content-Type of " + MERGE)
            there = self.read(name)["data"]  # 404 when it is deleted
            return self.add(name, merged(there, body["data"]), options)
        return self.add(name, body["data"], options)

    def mark(self, verb, name, body):
        key = self.keys.get(name)
        for number in body.get("versions", []):
            version = key.versions.get(int(number)) if key else None
            if not version:
                continue
            if verb == "destroy":
                version.update(destroyed=True, data=None)
            elif verb == "delete":
                version["deletion"] = time.time()
            elif not version["destroyed"]:
                version["deletion"] = None
        return 204, None

    def listed(self, name):
        if name and not name.endswith("/"):
            name += "/"
        found = {k[len(name):].partition("/")[0]
                 + ("/" if "/" in k[len(name):] else "")
                 for k in self.keys if k.startswith(name)}
        if not found:
            raise Refusal(404)
        return 200, {"data": {"keys": sorted(found)}}

    def metadata(self, method, name, query, body, content_type):
        if method == "LIST" or query.get("list") == ["true"]:
            return self.listed(name)
        key = self.keys.get(name)
        if method == "DELETE":
            self.keys.pop(name, None)
            return 204, None
        if method in ("POST", "PUT"):
            key = self.keys.setdefault(name, Key())
            self.settings_into(key.settings, body)
            return 204, None
        if not key:
            raise Refusal(404)
        if method == "PATCH":
            if content_type != MERGE:
                raise Refusal(415, "PATCH requires Content-Type of " + MERGE)
            self.settings_into(key.settings, merged(
                {"custom_metadata": key.settings["custom_metadata"]}, body))
            return 204, None
        if method != "GET":
            raise Refusal(405, "unsupported operation")
        return 200, {"data": {
            **key.settings, "created_time": key.created,
            "updated_time": key.updated, "current_version": key.current,
            "oldest_version": key.oldest,
            "versions": {str(n): {k: v for k, v in self.told(key, n).items()
                                  if k in ("created_time", "deletion_time",
                                           "destroyed")}
                         for n in key.versions}}}


# ---- tokens ----------------------------------------------------------------

class Token:
    def __init__(self, policies, ttl=0, renewable=True, kind="service",
                 max_ttl=0, uses=0, path="auth/token/create", space=""):
        self.id = ("hvb." if kind == "batch" else "hvs.") \
            + randomness.token_urlsafe(24)
        self.accessor = randomness.token_urlsafe(18)
        if isinstance(policies, str):  # lists may come with commas
            policies = [p.strip() for p in policies.split(",") if p.strip()]
        alone = {"root", "response-wrapping"} & set(policies)
        self.policies = sorted(set(policies)
                               | (set() if alone else {"default"}))
        self.ttl = self.creation_ttl = ttl
        self.max_ttl = max_ttl
        self.created = time.time()
        self.expires = time.time() + ttl if ttl else None
        self.renewable = renewable and bool(ttl) and kind == "service"
        self.kind = kind
        self.uses = uses
        self.path = path
        self.space = space  # its policies are there, and it is good below

    def auth(self):
        left = 0 if self.expires is None \
            else int(round(self.expires - time.time()))
        return {"client_token": self.id, "accessor": self.accessor,
                "policies": self.policies, "token_policies": self.policies,
                "metadata": {}, "lease_duration": left,
                "renewable": self.renewable, "entity_id": "",
                "token_type": self.kind, "orphan": True}

    def alive(self):
        return self.expires is None or self.expires > time.time()


class Space:
    """A namespace: its mounts, methods and policies."""

    def __init__(self, name=""):
        self.name = name
        self.mounts = {"secret/": KeyValue(2)}
        self.methods = {}  # "approle/" -> dict(type, roles, config)
        self.policies = {"default": DEFAULT_POLICY}


class Double:
    """A server.  `calls` is what was asked: (method, path without /v1/)."""

    def __init__(self, tls=None, port=0):
        self.lock = threading.RLock()
        self.spaces = {"": Space()}
        self.tokens = {}
        self.wrapped = {}  # token id -> dict(body, token, created)
        self.calls = []
        self.sealed = False
        self.standby = None  # the address of the active node
        self.root = self.add_token(Token(["root"], path="auth/token/root"))
        double = self

        class Handler(_Handler):
            server_double = double

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls["cert"], tls["key"])
            if tls.get("ca"):
                context.load_verify_locations(tls["ca"])
                context.verify_mode = ssl.CERT_OPTIONAL
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True)
        self.url = ("https" if tls else "http") \
            + f"://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def add_token(self, token):
        self.tokens[token.id] = token
        return token.id

    def kv(self, mount="secret/", space=""):
        return self.spaces[space].mounts[mount]

    # ---- who may what ------------------------------------------------------

    def capabilities(self, space, token, path):
        if "root" in token.policies:
            return {"root"}
        best, granted = None, set()
        path = self.inside(space, token) + path
        for name in token.policies:
            for rule, words in self.rules(token, name):
                if not matches(rule, path):
                    continue
                if best is None or rank(rule) > rank(best):
                    best, granted = rule, set(words)
                elif rule == best:
                    granted |= words
        return {"deny"} if "deny" in granted else granted

    def rules(self, token, policy):
        return parse_policy(
            self.spaces[token.space].policies.get(policy, ""))

    @staticmethod
    def inside(space, token):
        """What the token's policies call the namespace of a request."""
        name = space.name[len(token.space):].strip("/")
        return name + "/" if name else ""

    def allow(self, space, token, method, path, query):
        if token is None or not (space.name + "/").startswith(
                token.space + "/" if token.space else ""):
            raise Refusal(403, "permission denied")
        have = self.capabilities(space, token, path)
        if "root" in have:
            return
        need = {"GET": "read", "LIST": "list", "DELETE": "delete",
                "PATCH": "patch"}.get(method, "update")
        if method == "GET" and query.get("list") == ["true"]:
            need = "list"
        if need == "update" and self.is_new(space, path):
            need = "create"
        if need not in have:
            raise Refusal(403, "1 error occurred:\n\t* permission denied\n\n")

    def is_new(self, space, path):
        """Vault asks a backend whether a write creates."""
        for mount, kv in space.mounts.items():
            if path.startswith(mount) and kv.version == 2:
                verb, _, name = path[len(mount):].partition("/")
                return verb == "data" and name not in kv.keys
        return False

    # ---- routing -----------------------------------------------------------

    def answer(self, method, path, query, headers, body, peer):
        """(status, body or None)."""
        if path == "sys/health":
            return (503 if self.sealed else 429 if self.standby else 200), {
                "initialized": True, "sealed": self.sealed,
                "standby": bool(self.standby), "version": "double"}
        if self.sealed:
            raise Refusal(503, "Vault is sealed")
        if self.standby:
            return 307, {"location": f"{self.standby}/v1/{path}"}
        if "//" in path:  # as Go's server does, before it looks at the path
            return 307, {"location": "/v1/" + re.sub("//+", "/", path)}
        if headers.get("X-Vault-Request") != "true":
            raise Refusal(412, 'missing "X-Vault-Request" header')
        name = (headers.get("X-Vault-Namespace") or "").strip("/")
        if not name:
            name = max((s for s in self.spaces
                        if not s or path.startswith(s + "/")), key=len)
            path = path[len(name):].lstrip("/")
        if name not in self.spaces:
            raise Refusal(404, f"no handler for route \"{path}\". route entry "
                          "not found.")
        space = self.spaces[name]
        open_to_all = re.fullmatch(
            r"auth/[^/]+/login|sys/wrapping/(lookup|unwrap)", path)
        token = self.present(headers)
        if not open_to_all:
            if path.startswith("sys/internal/ui/mounts/"):
                if token is None:
                    raise Refusal(403, "permission denied")
            else:
                self.allow(space, token, method, path, query)
        if token and token.uses:
            token.uses -= 1
            if not token.uses:
                del self.tokens[token.id]
        status, answer = self.route(space, token, method, path, query,
                                    headers, body, peer)
        return self.wrap(headers, path, status, answer)

    def present(self, headers):
        given = headers.get("X-Vault-Token")
        if given is None and (headers.get("Authorization") or "") \
                .startswith("Bearer "):
            given = headers["Authorization"][7:]
        token = self.tokens.get(given)
        if token and not token.alive():
            del self.tokens[given]
            token = None
        return token

    def route(self, space, token, method, path, query, headers, body, peer):
        if path.startswith("auth/token/"):
            return self.token_call(space, token, method, path[11:], body)
        if path.startswith("auth/"):
            return self.method_call(space, token, method, path[5:], body,
                                    peer)
        if path.startswith("sys/"):
            return self.system(space, token, method, path[4:], headers, body)
        for mount in sorted(space.mounts, key=len, reverse=True):
            if path.startswith(mount):
                return space.mounts[mount].handle(
                    method, path[len(mount):], query, body,
                    headers.get("Content-Type"))
        raise Refusal(404, f'no handler for route "{path}". route entry not '
                      "found.")

    # ---- tokens ------------------------------------------------------------

    def token_call(self, space, token, method, verb, body):
        if verb == "create":
            made = Token(body.get("policies", token.policies),
                         seconds(body.get("ttl", 2764800)),
                         body.get("renewable", True),
                         body.get("type") or "service",
                         seconds(body.get("explicit_max_ttl", 0)),
                         body.get("num_uses", 0), space=space.name)
            self.add_token(made)
            return 200, {"auth": made.auth()}
        if verb == "lookup-self":
            return 200, {"data": self.told_of(token)}
        if method == "GET":
            raise Refusal(405, "unsupported operation")
        if verb == "renew-self":
            if not token.renewable:
                raise Refusal(400, "lease is not renewable")
            ttl = seconds(body.get("increment", 0)) or token.creation_ttl
            token.expires = time.time() + ttl
            if token.max_ttl:
                token.expires = min(token.expires,
                                    token.created + token.max_ttl)
            return 200, {"auth": token.auth()}
        if verb == "lookup-accessor":
            found = self.by_accessor(body)
            if not found:
                raise Refusal(400, "invalid accessor")
            return 200, {"data": {**self.told_of(found), "id": ""}}
        if verb == "revoke-accessor":
            found = self.by_accessor(body)
            if found:
                self.tokens.pop(found.id, None)
                self.wrapped.pop(found.id, None)
            return 204, None
        if verb == "revoke":
            self.tokens.pop(body.get("token"), None)
            return 204, None
        if verb == "revoke-self":
            if token.kind == "batch":
                raise Refusal(400, "batch tokens cannot be revoked")
            del self.tokens[token.id]
            return 204, None
        raise Refusal(404, "unsupported path")

    @staticmethod
    def told_of(token):
        left = 0 if token.expires is None \
            else int(token.expires - time.time())
        return {"id": token.id, "accessor": token.accessor, "ttl": left,
                "creation_ttl": token.creation_ttl, "orphan": True,
                "creation_time": int(token.created),
                "explicit_max_ttl": token.max_ttl, "path": token.path,
                "renewable": token.renewable, "num_uses": token.uses,
                "policies": token.policies, "type": token.kind,
                "expire_time": None if token.expires is None
                else stamp(token.expires)}

    def by_accessor(self, body):
        if not body.get("accessor"):
            raise Refusal(400, "missing accessor")
        held = [*self.tokens.values(),
                *(w["token"] for w in self.wrapped.values())]
        return next((t for t in held if t.accessor == body["accessor"]
                     and t.alive()), None)

    # ---- auth methods ------------------------------------------------------

    def method_call(self, space, token, method, path, body, peer):
        mount, _, rest = path.partition("/")
        found = space.methods.get(mount + "/")
        if not found and token is None:
            # What it does not know is not open to all.
            raise Refusal(403, "permission denied")
        if not found:
            raise Refusal(404, f'no handler for route "auth/{path}". route '
                          "entry not found.")
        if rest == "login":
            if method not in ("POST", "PUT"):
                raise Refusal(405, "unsupported operation")
            role = self.check_login(found, body, peer)
            token = Token(role.get("token_policies", []),
                          seconds(role.get("token_ttl", 2764800)),
                          kind=role.get("token_type", "service")
                          .replace("default", "service"),
                          max_ttl=seconds(role.get("token_max_ttl", 0)),
                          uses=role.get("token_num_uses", 0),
                          path=f"auth/{mount}/login", space=space.name)
            self.add_token(token)
            return 200, {"auth": token.auth()}
        return self.method_setup(found, method, rest, body)

    def check_login(self, found, body, peer):
        return {"approle": self.login_approle, "kubernetes": self.login_jwt,
                "jwt": self.login_jwt, "cert": self.login_cert}[
                    found["type"]](found, body, peer)

    def login_approle(self, found, body, peer):
        if not body.get("role_id"):
            raise Refusal(400, "missing role_id")
        role = next((r for r in found["roles"].values()
                     if r["role_id"] == body["role_id"]), None)
        if not role:
            raise Refusal(400, "invalid role or secret ID")
        if role.get("bind_secret_id") is False:
            return role
        if not body.get("secret_id"):
            raise Refusal(400, "missing secret_id")
        secret = role["secret_ids"].get(body["secret_id"])
        if not secret or (secret["expires"] or time.time() + 1) < time.time():
            raise Refusal(400, "invalid role or secret ID")
        if secret["uses"]:
            secret["uses"] -= 1
            if not secret["uses"]:
                del role["secret_ids"][body["secret_id"]]
        return role

    def login_jwt(self, found, body, peer):
        role = found["roles"].get(body.get("role"))
        if not body.get("jwt"):
            raise Refusal(400, "missing jwt")
        if not role:
            raise Refusal(400, f'invalid role name "{body.get("role")}"'
                          if found["type"] == "kubernetes"
                          else f'role "{body.get("role")}" could not be found')
        if found["type"] == "kubernetes":
            self.review(found["config"], role, body["jwt"])
        else:
            self.validate(found["config"], role, body["jwt"])
        return role

    @staticmethod
    def claims(jwt):
        try:
            part = jwt.split(".")[1]
            return json.loads(base64.urlsafe_b64decode(
                part + "=" * (-len(part) % 4)))
        except (IndexError, ValueError):
            raise Refusal(400, "error parsing token") from None

    def validate(self, config, role, jwt):
        """By the public keys of the configuration."""
        claims = self.claims(jwt)
        head, _, mark = jwt.rpartition(".")
        mark = base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4))
        for pem in config.get("jwt_validation_pubkeys", []):
            with contextlib.suppress(InvalidSignature):
                serialization.load_pem_public_key(pem.encode()).verify(
                    mark, head.encode(), padding.PKCS1v15(), hashes.SHA256())
                break
        else:
            raise Refusal(400, "error validating token: no known key "
                          "successfully validated the token signature")
        if claims.get("exp", 0) + 60 < time.time():
            raise Refusal(400, "error validating token: invalid expiration "
                          "time (exp) claim: token is expired")
        if not set(claims.get("aud", [])) & set(role["bound_audiences"]):
            raise Refusal(400, "error validating token: invalid audience "
                          "(aud) claim")
        if role["user_claim"] not in claims:
            raise Refusal(400, "claim not found in token")

    def review(self, config, role, jwt):
        """By Kubernetes."""
        claims = self.claims(jwt).get("kubernetes.io", {})
        account = claims.get("serviceaccount", {}).get("name")
        if account not in role["bound_service_account_names"] or \
                claims.get("namespace") not in \
                role["bound_service_account_namespaces"]:
            raise Refusal(403, "permission denied")
        asked = urllib.request.Request(
            config["kubernetes_host"]
            + "/apis/authentication.k8s.io/v1/tokenreviews",
            json.dumps({"spec": {"token": jwt}}).encode(),
            {"Content-Type": "application/json", "Authorization":
             "Bearer " + config["token_reviewer_jwt"]})
        with urllib.request.urlopen(asked, timeout=5) as answer:
            if not json.load(answer)["status"]["authenticated"]:
                raise Refusal(403, "permission denied")

    def login_cert(self, found, body, peer):
        if not peer:
            raise Refusal(400, "client certificate must be supplied")
        role = found["roles"].get(body.get("name")) if body.get("name") \
            else next(iter(found["roles"].values()), None)
        if not role:
            raise Refusal(400, "invalid certificate or no client certificate "
                          "supplied")
        return role

    def method_setup(self, found, method, path, body):
        """roles: .../role/NAME, and for AppRole what is below it."""
        noun, _, rest = path.partition("/")
        if noun == "config":
            if found["type"] == "kubernetes" and body.get(
                    "disable_local_ca_jwt") and not body.get(
                        "kubernetes_ca_cert"):
                raise Refusal(400, "kubernetes_ca_cert must be given when "
                              "disable_local_ca_jwt is true")
            found["config"] = body
            return 204, None
        if noun not in ("role", "certs") or not rest:
            raise Refusal(404, "unsupported path")
        name, _, verb = rest.partition("/")
        if not verb:
            if method == "DELETE":
                found["roles"].pop(name, None)
                return 204, None
            role = found["roles"].setdefault(
                name, {"role_id": str(uuid.uuid4()), "secret_ids": {}})
            role.update(body)
            return 204, None
        role = found["roles"].get(name)
        if found["type"] != "approle" or not role:
            raise Refusal(404)
        if verb == "role-id":
            if method != "GET":
                role["role_id"] = body["role_id"]
                return 204, None
            return 200, {"data": {"role_id": role["role_id"]}}
        if verb == "secret-id":
            secret = str(uuid.uuid4())
            ttl = seconds(body.get("ttl", role.get("secret_id_ttl", 0)))
            uses = body.get("num_uses", role.get("secret_id_num_uses", 0))
            role["secret_ids"][secret] = {
                "uses": uses, "expires": time.time() + ttl if ttl else None}
            return 200, {"data": {
                "secret_id": secret, "secret_id_accessor": str(uuid.uuid4()),
                "secret_id_ttl": ttl, "secret_id_num_uses": uses}}
        raise Refusal(404, "unsupported path")

    # ---- wrapping ----------------------------------------------------------

    def wrap(self, headers, path, status, answer):
        ttl = headers.get("X-Vault-Wrap-TTL")
        if not ttl or status != 200:
            return status, answer
        ttl = seconds(ttl)
        if ttl <= 0:
            raise Refusal(400, "requested ttl cannot be negative")
        token = Token(["response-wrapping"], ttl, False, max_ttl=ttl, uses=1,
                      path=path)
        made = stamp(token.created)
        self.wrapped[token.id] = {"body": answer, "token": token,
                                  "created": made}
        return 200, {"wrap_info": {
            "token": token.id, "accessor": token.accessor, "ttl": ttl,
            "creation_time": made, "creation_path": path}}

    def wrapping(self, verb, method, headers, body):
        if method not in ("POST", "PUT"):
            raise Refusal(405, "unsupported operation")
        if verb == "wrap":
            if not headers.get("X-Vault-Wrap-TTL"):
                raise Refusal(400, "endpoint requires response wrapping to be "
                              "used")
            return 200, {"data": body}
        if verb not in ("lookup", "unwrap"):
            raise Refusal(404, "unsupported path")
        given, header = body.get("token"), headers.get("X-Vault-Token")
        if verb == "unwrap" and given and header and header in self.wrapped:
            self.wrapped.pop(header)  # used twice in one request
            raise Refusal(400, "wrapping token is not valid or does not exist")
        found = self.wrapped.get(given or header)
        if not found or not found["token"].alive():
            raise Refusal(400, "wrapping token is not valid or does not exist")
        if verb == "lookup":
            return 200, {"data": {"creation_path": found["token"].path,
                                  "creation_time": found["created"],
                                  "creation_ttl":
                                  found["token"].creation_ttl}}
        del self.wrapped[given or header]
        return 200, found["body"]

    # ---- sys ---------------------------------------------------------------

    def system(self, space, token, method, path, headers, body):
        if path.startswith("wrapping/"):
            return self.wrapping(path[9:], method, headers, body)
        if path == "capabilities-self":
            paths = body.get("paths") or [body.get("path")]
            told = {p: sorted(self.capabilities(space, token, p) or {"deny"})
                    for p in paths}
            if len(paths) == 1:
                told["capabilities"] = told[paths[0]]
            return 200, {"data": told, **told}
        if path.startswith("internal/ui/mounts/"):
            return self.ui_mount(space, token, path[19:])
        if path.startswith("mounts/"):
            mount = path[7:].strip("/") + "/"
            if method == "DELETE":
                space.mounts.pop(mount, None)
            else:
                options = body.get("options") or {}
                space.mounts[mount] = KeyValue(
                    2 if body["type"] == "kv-v2"
                    or options.get("version") == "2" else 1)
            return 204, None
        if path.startswith("auth/"):
            mount = path[5:].strip("/") + "/"
            if method == "DELETE":
                space.methods.pop(mount, None)
            else:
                space.methods[mount] = {"type": body["type"], "roles": {},
                                        "config": {}}
            return 204, None
        found = re.fullmatch(r"(?:policy|policies/acl)/(.+)", path)
        if found:
            if method == "DELETE":
                space.policies.pop(found[1], None)
                return 204, None
            parse_policy(body["policy"])
            space.policies[found[1]] = body["policy"]
            return 204, None
        found = re.fullmatch(r"namespaces/(.+)", path)
        if found:
            self.spaces.setdefault(found[1], Space(found[1]))
            return 200, {"data": {"path": found[1] + "/"}}
        raise Refusal(404, "unsupported path")

    def ui_mount(self, space, token, path):
        for mount, kv in space.mounts.items():
            if not (path + "/").startswith(mount):
                continue
            inside = self.inside(space, token)
            if "root" not in token.policies and not any(
                    rule.startswith(inside + mount)
                    for name in token.policies
                    for rule, _ in self.rules(token, name)):
                break
            return 200, {"data": {
                "path": mount, "type": "kv",
                "options": {"version": str(kv.version)}}}
        raise Refusal(403, "preflight capability check returned 403, please "
                      "ensure client's policies grant access to path "
                      f'"{path}/"')


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes
    server_double = None

    def log_message(self, *_):
        pass

    def reply(self, status, body, location=None):
        data = b"" if body is None else json.dumps(body).encode() + b"\n"
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        if data:
            self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, refusal):
        body = {"errors": refusal.errors}
        if refusal.data is not None:
            body = {"request_id": str(uuid.uuid4()), "lease_id": "",
                    "renewable": False, "lease_duration": 0,
                    "data": refusal.data, "wrap_info": None,
                    "warnings": None, "auth": None}
        self.reply(refusal.status, body)

    def read_body(self):
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if not raw:
            return {}
        try:
            body = json.loads(raw)
        except ValueError:
            raise Refusal(400, "failed to parse JSON input") from None
        if not isinstance(body, dict):
            raise Refusal(400, "failed to parse JSON input")
        return body

    def handle_one(self):
        double = self.server_double
        split = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(split.path)
        query = urllib.parse.parse_qs(split.query)
        peer = None
        if hasattr(self.connection, "getpeercert"):
            peer = self.connection.getpeercert()
        try:
            body = self.read_body()
            if not path.startswith("/v1/"):
                raise Refusal(404)
            path = path[4:]
            with double.lock:
                double.calls.append((self.command, path))
                status, answer = double.answer(
                    self.command, path.rstrip("/"), query, self.headers, body,
                    peer)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        if status == 307:
            self.reply(307, None, answer["location"])
            return
        if answer is not None and not path.startswith("sys/health"):
            answer = {"request_id": str(uuid.uuid4()), "lease_id": "",
                      "renewable": False, "lease_duration": 0, "data": None,
                      "wrap_info": None, "warnings": None, "auth": None,
                      **answer}
        self.reply(status, answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_LIST = do_HEAD = \
        handle_one


if __name__ == "__main__":
    served = Double()
    print(served.url, served.root, flush=True)
    threading.Event().wait()
