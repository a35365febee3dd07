# SPDX-License-Identifier: PostgreSQL
"""A strict double of a Databricks workspace on one loopback port with TLS: OIDC
discovery and token endpoint, both credentials calls, projects, branches,
endpoints, roles, instances, and who we are.

It knows what the workspace's own clients send (databricks-sdk for Python and
Go, @databricks/lakebase) and refuses everything else.  A minted token is a JWT
whose signature and end pam_token.py checks when a role logs in with it.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets as randomness
import ssl
import threading
import time
import urllib.parse
import uuid
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
FORM = "application/x-www-form-urlencoded"
STATES = ("ACTIVE", "IDLE", "INIT", "DEGRADED")
NAME = r"[a-z][a-z0-9-]{0,62}"
ENDPOINT = rf"projects/{NAME}/branches/{NAME}/endpoints/{NAME}"


class Refusal(Exception):
    """An answer that is an error, in the API's usual shape or as given."""

    def __init__(self, status, code="", message="", body=None, headers=()):
        super().__init__(status, code, message)
        self.status = status
        self.headers = dict(headers)
        self.body = body if body is not None else json.dumps(
            {"error_code": code, "message": message, "details": [
                {"@type": "type.googleapis.com/google.rpc.RequestInfo",
                 "request_id": str(uuid.uuid4()), "serving_data": ""}]})


def rfc3339(when):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + "Z"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_jwt(key, claims):
    head = b64(b'{"alg":"HS256","typ":"JWT"}')
    body = head + "." + b64(json.dumps(claims, separators=(",", ":")).encode())
    return body + "." + b64(hmac.new(key, body.encode(),
                                     hashlib.sha256).digest())


def read_jwt(key, token):
    """The claims, or None when the signature is not by key."""
    try:
        body, signature = token.rsplit(".", 1)
        good = b64(hmac.new(key, body.encode(), hashlib.sha256).digest())
        if not hmac.compare_digest(good, signature):
            return None
        part = body.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part)
                                                                 % 4)))
    except (ValueError, IndexError):
        return None


class Workspace:
    """state is public: tests change it."""

    def __init__(self, certificate, key):
        self.lock = threading.RLock()
        self.calls = []          # every request, as sent
        self.faults = []         # [(method, path expression, Refusal)]
        self.offset = 0          # seconds that this clock is ahead
        self.life = None         # of database tokens; None: what is asked
        self.access_life = 3600  # of access tokens
        self.expires_in = int    # how the token endpoint spells it
        self.expired_is_403 = False
        self.number = None       # told in databricks-config
        self.config = True       # /.well-known/databricks-config is there
        self.token_key = randomness.token_bytes(32)
        self.federation_key = randomness.token_bytes(32)
        self.github_token = randomness.token_urlsafe(24)
        self.principals = {}     # application id -> secret
        self.escaped = False     # Basic's pair is form-encoded, as Go sends it
        self.users = {}          # PAT -> user name
        self.access = {}         # access token -> (who, end)
        self.minted = []         # (token, claims)
        self.idempotent = {}     # request_id -> answer
        self.projects = {}       # "projects/p" -> native login?
        self.branches = {}       # full name -> protected?
        self.endpoints = {}      # full name -> dict(host=..., state=...)
        self.instances = {}      # name -> read_write_dns
        self.roles = {}          # full name -> spec
        self.page = 100
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        handler = type("Bound", (Handler,), {"workspace": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.http.socket = context.wrap_socket(
            self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,),
                         daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    # -- what tests set up ---------------------------------------------------

    def now(self):
        return time.time() + self.offset

    def principal(self, secret=None):
        client = str(uuid.uuid4())
        self.principals[client] = secret or "dose" + randomness.token_hex(16)
        return client, self.principals[client]

    def pat(self, user):
        token = "dapi" + randomness.token_hex(16)
        self.users[token] = user
        return token

    def identity(self, subject, audience, life=600):
        """A token of another identity provider that is trusted here."""
        return make_jwt(self.federation_key, {
            "sub": subject, "aud": audience, "exp": int(self.now() + life)})

    def endpoint(self, name, host, **extra):
        project, _, branch = name.partition("/branches/")
        branch = project + "/branches/" + branch.split("/")[0]
        self.projects.setdefault(project, False)
        self.branches.setdefault(branch, False)
        self.endpoints[name] = {"host": host, "state": "ACTIVE", **extra}
        return name

    def fail(self, method, path, *refusals):
        """The next requests that match get these answers, one each."""
        for refusal in refusals:
            self.faults.append((method, re.compile(path), refusal))

    def forget_access(self):
        """As if every access token had run out."""
        self.access = {t: (who, 0) for t, (who, _) in self.access.items()}

    def requests(self, path=None):
        return [c for c in self.calls if path is None or c["path"] == path]

    @contextlib.contextmanager
    def watch(self):
        seen = []
        begun = len(self.calls)
        yield seen
        seen += self.calls[begun:]

    # -- tokens --------------------------------------------------------------

    def grant(self, who):
        token = "eyAccess." + randomness.token_urlsafe(48)
        self.access[token] = (who, self.now() + self.access_life)
        return {"access_token": token, "token_type": "Bearer",
                "scope": "all-apis",
                "expires_in": self.expires_in(self.access_life)}

    def who(self, headers):
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            raise Refusal(401, "UNAUTHENTICATED",
                          "Credential was not sent or was of an unsupported "
                          "type for this API.")
        if token in self.users:
            return self.users[token]
        who, end = self.access.get(token, (None, 0))
        if end <= self.now():
            if self.expired_is_403:
                raise Refusal(403, "403", "Invalid Token")
            raise Refusal(401, "UNAUTHENTICATED", "Invalid access token. "
                          f"[ReqId: {uuid.uuid4()}] {token}")
        return who

    def mint(self, who, life, scope):
        end = self.now() + (life if self.life is None else self.life)
        claims = {"sub": who, "exp": int(end), "jti": randomness.token_hex(4)}
        token = make_jwt(self.token_key, claims)
        self.minted.append((token, claims, scope))
        return token, rfc3339(int(end))

    # -- answering -----------------------------------------------------------

    def answer(self, method, path, query, headers, raw):
        for i, (m, expression, refusal) in enumerate(self.faults):
            if m in (method, "*") and expression.search(path):
                del self.faults[i]
                raise refusal
        for m, pattern, function in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and m == method:
                return function(self, Request(query, headers, raw),
                                *found.groups())
        raise Refusal(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} "
                      f"{path}'")


class Request:
    def __init__(self, query, headers, raw):
        self.query, self.headers, self.raw = query, headers, raw

    def allow(self, *names):
        if set(self.query) - set(names):
            raise Refusal(400, "BAD_REQUEST", "unknown query parameter")

    def body(self, **known):
        """A JSON object of these keys and types, nothing else."""
        if self.headers.get("content-type") != "application/json":
            raise Refusal(400, "BAD_REQUEST", "no JSON")
        try:
            found = json.loads(self.raw)
        except ValueError:
            raise Refusal(400, "MALFORMED_REQUEST", "Invalid JSON") from None
        if not isinstance(found, dict):
            raise Refusal(400, "MALFORMED_REQUEST", "Invalid JSON")
        for key, value in found.items():
            if key not in known:
                raise Refusal(400, "INVALID_PARAMETER_VALUE",
                              f"Could not parse request object: unknown field "
                              f"{key}")
            if not isinstance(value, known[key]):
                raise Refusal(400, "INVALID_PARAMETER_VALUE",
                              f"{key} has a wrong type")
        return found

    def form(self):
        if self.headers.get("content-type", "").split(";")[0] != FORM:
            oauth(400, "invalid_request", "no form")
        pairs = urllib.parse.parse_qsl(self.raw.decode(), True, True)
        if len({k for k, _ in pairs}) != len(pairs):
            oauth(400, "invalid_request", "a parameter is given twice")
        return dict(pairs)


def oauth(status, error, description):
    raise Refusal(status, body=json.dumps(
        {"error": error, "error_description": description}))


def databricks_config(w, r):
    if not w.config:
        raise Refusal(404, body="<html><pre>not found</pre></html>")
    return {"oidc_endpoint": w.url + "/oidc", "account_id": "",
            "host_type": "workspace", "cloud": "aws",
            **({"workspace_id": w.number} if w.number else {})}


def discovery(w, r):
    r.allow()
    return {"issuer": w.url + "/oidc",
            "authorization_endpoint": w.url + "/oidc/v1/authorize",
            "token_endpoint": w.url + "/oidc/v1/token"}


def token(w, r):
    form = r.form()
    if form.pop("scope", "") != "all-apis":
        oauth(400, "invalid_scope", "scope must be all-apis")
    grant = form.pop("grant_type", "")
    if grant == "client_credentials":
        if form:
            oauth(400, "invalid_request", "unknown parameter")
        kind, _, pair = r.headers.get("authorization", "").partition(" ")
        try:
            client, secret = base64.b64decode(pair, validate=True).decode() \
                .split(":", 1)
        except ValueError:
            client = secret = ""
        if w.escaped:
            secret = urllib.parse.unquote_plus(secret)
        if kind != "Basic" or not secret \
                or w.principals.get(client) != secret:
            oauth(401, "invalid_client", "Client authentication failed for "
                  + client + " with " + secret)
        return w.grant(client)
    if grant == EXCHANGE:
        if form.pop("subject_token_type", "") != JWT:
            oauth(400, "invalid_request", "subject_token_type")
        client = form.pop("client_id", "")
        claims = read_jwt(w.federation_key, form.pop("subject_token", ""))
        if form or "authorization" in r.headers:
            oauth(400, "invalid_request", "unknown parameter")
        if not claims or claims["exp"] < w.now():
            oauth(400, "invalid_grant", "the subject token is not valid")
        if client and client not in w.principals:
            oauth(401, "invalid_client", "no such client")
        return w.grant(client or claims["sub"])
    oauth(400, "unsupported_grant_type", grant)


def github(w, r):
    """What GitHub Actions gives to a job, at ACTIONS_ID_TOKEN_REQUEST_URL."""
    if r.headers.get("authorization") != "Bearer " + w.github_token:
        raise Refusal(401, body="no")
    r.allow("audience", "api-version")
    return {"count": 1, "value": w.identity("repo:acme/app:ref:refs/heads/main",
                                            r.query["audience"][0])}


def me(w, r):
    who = w.who(r.headers)
    return {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": "1", "userName": who, "active": True}


def duration(text):
    found = re.fullmatch(r"(\d+)(\.\d{1,9})?s", text)
    if not found or not 300 <= int(found[1]) <= 3600:
        raise Refusal(400, "INVALID_PARAMETER_VALUE",
                      "Field 'ttl' must be within 300s and 3600s")
    return int(found[1])


def postgres_credentials(w, r):
    who = w.who(r.headers)
    r.allow()
    body = r.body(endpoint=str, ttl=str, expire_time=str, claims=list,
                  group_name=str)
    if not body.get("endpoint"):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "Field 'endpoint' is "
                      "required, expected non-default value (not \"\")!")
    if not re.fullmatch(ENDPOINT, body["endpoint"]):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "Field 'endpoint' is "
                      "malformed")
    if body["endpoint"] not in w.endpoints:
        raise Refusal(404, "NOT_FOUND", "endpoint id not found [TraceId: "
                      + randomness.token_hex(16) + "]")
    life = duration(body["ttl"]) if "ttl" in body else 3600
    minted, end = w.mint(who, life, body["endpoint"])
    return {"token": minted, "expire_time": end}


def database_credentials(w, r):
    who = w.who(r.headers)
    r.allow()
    body = r.body(instance_names=list, request_id=str, claims=list)
    names = body.get("instance_names") or []
    if not names and not body.get("claims"):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "instance_names or "
                      "claims must be given")
    for name in names:
        if name not in w.instances:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST",
                          f"Database instance {name} does not exist.")
    asked = body.get("request_id", "")
    if asked:
        uuid.UUID(asked)
    if asked not in w.idempotent or not asked:
        minted, end = w.mint(who, 3600, ",".join(names))
        w.idempotent[asked] = {"token": minted, "expiration_time": end}
    return w.idempotent[asked]


def paged(w, r, key, items):
    r.allow("page_size", "page_token")
    begin = int(r.query.get("page_token", ["0"])[0])
    size = min(int(r.query.get("page_size", [w.page])[0]), w.page)
    answer = {key: items[begin:begin + size]}
    if begin + size < len(items):
        answer["next_page_token"] = str(begin + size)
    return answer


def show_project(w, name):
    return {"name": name, "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
            "status": {"enable_pg_native_login": w.projects[name],
                       "pg_version": 17}}


def show_branch(w, name):
    return {"name": name, "parent": name.split("/branches/")[0],
            "status": {"is_protected": w.branches[name],
                       "current_state": "READY"}}


def show_endpoint(w, name):
    e = w.endpoints[name]
    hosts = {"host": e["host"]}
    for key in ("read_only_host", "read_write_pooled_host",
                "read_only_pooled_host"):
        if key in e:
            hosts[key] = e[key]
    return {"name": name, "endpoint_id": name.rsplit("/", 1)[1],
            "parent": name.split("/endpoints/")[0],
            "uid": "ep-" + hashlib.sha256(name.encode()).hexdigest()[:12],
            "status": {"current_state": e["state"],
                       "disabled": e.get("disabled", False),
                       "endpoint_type": "ENDPOINT_TYPE_READ_WRITE",
                       "suspend_timeout_duration": "300s", "hosts": hosts}}


def known(names, name):
    if name not in names:
        raise Refusal(404, "NOT_FOUND", f"{name} not found")
    return name


def projects(w, r):
    w.who(r.headers)
    return paged(w, r, "projects",
                 [show_project(w, p) for p in sorted(w.projects)])


def project(w, r, name):
    w.who(r.headers)
    return show_project(w, known(w.projects, name))


def operation(name, response):
    return {"name": f"{name}/operations/{uuid.uuid4()}", "done": True,
            "response": response}


def patch_project(w, r, name):
    w.who(r.headers)
    r.allow("update_mask")
    known(w.projects, name)
    if r.query.get("update_mask") != ["spec.enable_pg_native_login"]:
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "update_mask")
    w.projects[name] = r.body(spec=dict)["spec"]["enable_pg_native_login"]
    return operation(name, show_project(w, name))


def branches(w, r, parent):
    w.who(r.headers)
    known(w.projects, parent)
    return paged(w, r, "branches", [show_branch(w, b) for b in
                                    sorted(w.branches)
                                    if b.startswith(parent + "/")])


def branch(w, r, name):
    w.who(r.headers)
    return show_branch(w, known(w.branches, name))


def endpoints(w, r, parent):
    w.who(r.headers)
    known(w.branches, parent)
    return paged(w, r, "endpoints", [show_endpoint(w, e) for e in
                                     sorted(w.endpoints)
                                     if e.startswith(parent + "/")])


def endpoint(w, r, name):
    w.who(r.headers)
    return show_endpoint(w, known(w.endpoints, name))


def show_role(w, name):
    return {"name": name, "parent": name.split("/roles/")[0],
            "spec": w.roles[name], "status": w.roles[name]}


def roles(w, r, parent):
    w.who(r.headers)
    known(w.branches, parent)
    return paged(w, r, "roles", [show_role(w, n) for n in sorted(w.roles)
                                 if n.startswith(parent + "/")])


def create_role(w, r, parent):
    w.who(r.headers)
    r.allow("role_id", "replace_existing")
    known(w.branches, parent)
    name = f"{parent}/roles/{r.query['role_id'][0]}"
    if not re.fullmatch(r"[a-z][a-z0-9-]{3,62}", name.rsplit("/", 1)[1]):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "role_id")
    spec = r.body(spec=dict, name=str).get("spec", {})
    if spec.get("auth_method") == "NO_LOGIN":
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "auth_method")
    if any(s.get("postgres_role") == spec.get("postgres_role")
           for n, s in w.roles.items() if n.startswith(parent)) \
            and r.query.get("replace_existing") != ["true"]:
        raise Refusal(400, "BAD_REQUEST", "role with that name already exists")
    w.roles[name] = spec
    return operation(parent, show_role(w, name))


def role(w, r, name):
    w.who(r.headers)
    return show_role(w, known(w.roles, name))


def delete_role(w, r, name):
    w.who(r.headers)
    r.allow("reassign_owned_to")
    del w.roles[known(w.roles, name)]
    return operation(name.split("/roles/")[0], {})


def show_instance(w, name):
    return {"name": name, "read_write_dns": w.instances[name],
            "state": "AVAILABLE", "pg_version": "PG_VERSION_16",
            "enable_pg_native_login": True,
            "effective_enable_pg_native_login": True}


def instances(w, r):
    w.who(r.headers)
    return {"database_instances": [show_instance(w, n)
                                   for n in sorted(w.instances)]}


def instance(w, r, name):
    w.who(r.headers)
    return show_instance(w, known(w.instances, name))


API = "/api/2.0/postgres/"
P, B, R = (rf"(projects/{NAME})", rf"(projects/{NAME}/branches/{NAME})",
           rf"(projects/{NAME}/branches/{NAME}/roles/{NAME})")
ROUTES = [
    ("GET", "/.well-known/databricks-config", databricks_config),
    ("GET", "/oidc/.well-known/oauth-authorization-server", discovery),
    ("POST", "/oidc/v1/token", token),
    ("GET", "/github", github),
    ("GET", "/api/2.0/preview/scim/v2/Me", me),
    ("POST", API + "credentials", postgres_credentials),
    ("POST", "/api/2.0/database/credentials", database_credentials),
    ("GET", API + "projects", projects),
    ("GET", API + P, project),
    ("PATCH", API + P, patch_project),
    ("GET", API + P + "/branches", branches),
    ("GET", API + B, branch),
    ("GET", API + B + "/endpoints", endpoints),
    ("GET", API + f"({ENDPOINT})", endpoint),
    ("GET", API + B + "/roles", roles),
    ("POST", API + B + "/roles", create_role),
    ("GET", API + R, role),
    ("DELETE", API + R, delete_role),
    ("GET", "/api/2.0/database/instances", instances),
    ("GET", r"/api/2\.0/database/instances/([a-z0-9-]+)", instance),
]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "databricks"
    timeout = 60

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return formatdate(self.workspace.now(), usegmt=True)

    def reply(self, status, body, headers=()):
        data = body.encode()
        self.send_response(status)
        if not any(k.lower() == "content-type" for k in dict(headers)):
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def handle_one(self):
        w = self.workspace
        split = urllib.parse.urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {k.lower(): v for k, v in self.headers.items()}
        query = urllib.parse.parse_qs(split.query, keep_blank_values=True)
        try:
            with w.lock:
                w.calls.append({"method": self.command, "path": split.path,
                                "query": query, "headers": headers,
                                "body": raw.decode("utf-8", "replace")})
                answer = w.answer(self.command, split.path, query, headers,
                                  raw)
        except Refusal as refusal:
            self.reply(refusal.status, refusal.body, refusal.headers)
            return
        self.reply(200, json.dumps(answer))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_one
