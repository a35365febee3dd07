# SPDX-License-Identifier: PostgreSQL
"""A strict double of AWS Secrets Manager, STS, the instance metadata service
and the container credentials endpoint, on one loopback port.

It knows what the services document and refuses everything else.  Signatures are
recomputed with botocore's signer.  Faults are put in front of an operation with
`double.fault(...)`; what was asked is in `double.calls`.
"""

import base64
import contextlib
import copy
import datetime
import email.utils
import json
import re
import secrets as randomness
import socket
import ssl
import struct
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"
LABELS_MAX = 20
VERSIONS_MAX = 100
VALUE_MAX = 65536
DAY = 86400


class Fault(Exception):
    """An answer of a service that is an error."""

    def __init__(self, kind, message="", status=400):
        super().__init__(kind, message)
        self.kind, self.message, self.status = kind, message, status


class Secret:
    def __init__(self, name, region, account):
        self.name = name
        self.arn = (f"arn:aws:secretsmanager:{region}:{account}:secret:{name}-"
                    + "".join(randomness.choice("abcdefXYZ019")
                              for _ in range(6)))
        self.versions = {}  # id -> dict(value, labels, created)
        self.tags = {}
        self.kms = None
        self.description = None
        self.rotation = None  # None: never configured
        self.owner = None
        self.primary = None
        self.deleted = None
        self.changed = time.time()

    def holder(self, label):
        for version, v in self.versions.items():
            if label in v["labels"]:
                return version
        return None

    def labels(self):
        return sum(len(v["labels"]) for v in self.versions.values())

    def take(self, label):
        version = self.holder(label)
        if version:
            self.versions[version]["labels"].remove(label)
        return version

    def give(self, label, version):
        """AWSCURRENT that moves takes AWSPREVIOUS along."""
        old = self.take(label)
        self.versions[version]["labels"].append(label)
        if label == CURRENT and old and old != version:
            self.take(PREVIOUS)
            self.versions[old]["labels"].append(PREVIOUS)

    def add(self, version, value, labels, now):
        first = not self.versions
        self.make_room(now)
        self.versions[version] = {"value": value, "labels": [], "created": now}
        for label in list(labels) + ([CURRENT] if first and
                                     CURRENT not in labels else []):
            self.give(label, version)
        self.changed = now

    def make_room(self, now):
        """Versions without label are purged above 100, never within a day."""
        if len(self.versions) < VERSIONS_MAX:
            return
        old = [i for i, v in self.versions.items()
               if not v["labels"] and now - v["created"] > DAY]
        if not old:
            raise Fault("LimitExceededException",
                        "You have reached the limit of versions.")
        del self.versions[min(old, key=lambda i: self.versions[i]["created"])]


class Manager:
    """The state machine of Secrets Manager in one region."""

    def __init__(self, region, account="123456789012"):
        self.region, self.account = region, account
        self.secrets = {}
        self.clock = time.time

    def find(self, body, deleted=False):
        wanted = body.get("SecretId")
        if not isinstance(wanted, str) or not 1 <= len(wanted) <= 2048:
            raise Fault("ValidationException", "SecretId")
        for s in self.secrets.values():
            if wanted in (s.name, s.arn):
                if s.deleted and not deleted:
                    raise Fault("InvalidRequestException",
                                "You can't perform this operation on the "
                                "secret because it was marked for deletion.")
                return s
        raise Fault("ResourceNotFoundException",
                    "Secrets Manager can't find the specified secret.")

    @staticmethod
    def token(body):
        token = body.get("ClientRequestToken")
        if not isinstance(token, str) or not 32 <= len(token) <= 64:
            raise Fault("InvalidParameterException",
                        "You must provide a ClientRequestToken value.")
        return token

    @staticmethod
    def value(body, needed=True):
        given = [k for k in ("SecretString", "SecretBinary") if k in body]
        if len(given) > 1 or (needed and not given):
            raise Fault("InvalidParameterException",
                        "You must provide either SecretString or SecretBinary.")
        if not given:
            return None
        raw = body[given[0]]
        size = len(raw.encode()) if given[0] == "SecretString" \
            else len(base64.b64decode(raw))
        if not 1 <= size <= VALUE_MAX:
            raise Fault("ValidationException", "SecretString")
        return given[0], raw

    def writable(self, s):
        if s.primary and s.primary != self.region:
            raise Fault("InvalidRequestException",
                        "Operation not permitted on a replica secret. Call "
                        "must be made in primary secret's region.")

    @staticmethod
    def tags(body):
        tags = body.get("Tags", [])
        for t in tags:
            if not 1 <= len(t["Key"]) <= 128 or len(t["Value"]) > 256 or \
                    t["Key"].startswith("aws:"):
                raise Fault("InvalidParameterException", "Tags")
        return {t["Key"]: t["Value"] for t in tags}

    def CreateSecret(self, body):
        name, value = body.get("Name", ""), self.value(body, False)
        if not re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,512}", name):
            raise Fault("ValidationException", "Name")
        token = self.token(body) if value else None
        tags = self.tags(body)
        s = self.secrets.get(name)
        if s and s.deleted:
            raise Fault("InvalidRequestException",
                        "You can't create this secret because a secret with "
                        "this name is already scheduled for deletion.")
        if s:
            if not (token in s.versions and
                    s.versions[token]["value"] == value):
                raise Fault("ResourceExistsException",
                            "The operation failed because the secret "
                            f"{name} already exists.")
        else:
            s = self.secrets[name] = Secret(name, self.region, self.account)
            s.kms, s.tags = body.get("KmsKeyId"), tags
            s.description = body.get("Description")
            if value:
                s.add(token, value, [CURRENT], self.clock())
        return {"ARN": s.arn, "Name": s.name,
                **({"VersionId": token} if value else {})}

    def PutSecretValue(self, body):
        s = self.find(body)
        self.writable(s)
        token, value = self.token(body), self.value(body)
        stages = body.get("VersionStages")
        if stages is not None and not (
                1 <= len(stages) <= LABELS_MAX and
                all(1 <= len(x) <= 256 for x in stages)):
            raise Fault("ValidationException", "VersionStages")
        known = s.versions.get(token)
        if known and known["value"] is not None and known["value"] != value:
            raise Fault("ResourceExistsException",
                        "You can't use ClientRequestToken "
                        f"{token} because that value is already in use for a "
                        "version of secret " + s.arn + ".")
        if known is None:
            new = [x for x in stages or [CURRENT] if not s.holder(x)]
            if s.labels() + len(new) > LABELS_MAX:
                raise Fault("LimitExceededException", "staging labels")
            s.add(token, value, stages or [CURRENT], self.clock())
            if stages is None and s.holder(PENDING) not in (None, token):
                s.take(PENDING)  # RotationAbandoned
        return {"ARN": s.arn, "Name": s.name, "VersionId": token,
                "VersionStages": list(s.versions[token]["labels"])}

    def UpdateSecretVersionStage(self, body):
        s = self.find(body)
        self.writable(s)
        label, to = body.get("VersionStage"), body.get("MoveToVersionId")
        from_ = body.get("RemoveFromVersionId")
        if not label or not (to or from_):
            raise Fault("InvalidParameterException", "VersionStage")
        for version in (to, from_):
            if version is not None and version not in s.versions:
                raise Fault("ResourceNotFoundException",
                            "Secrets Manager can't find the specified secret "
                            "value for VersionId: " + version)
        held = s.holder(label)
        if to and held == to and from_ in (None, to):
            return {"ARN": s.arn, "Name": s.name}
        if held != from_:
            said = "can't be empty" if from_ is None else "is wrong"
            raise Fault("InvalidParameterException",
                        f"The parameter RemoveFromVersionId {said}. Staging "
                        f"label {label} is currently attached to version "
                        f"{held}, so you must explicitly reference that "
                        "version in RemoveFromVersionId.")
        if to is None:
            if label == CURRENT:
                raise Fault("InvalidParameterException",
                            "You can't remove AWSCURRENT.")
            s.take(label)
        else:
            s.give(label, to)
        s.changed = self.clock()
        return {"ARN": s.arn, "Name": s.name}

    def GetSecretValue(self, body):
        s = self.find(body)
        version, stage = body.get("VersionId"), body.get("VersionStage")
        if version is None:
            stage = stage or CURRENT
            version = s.holder(stage)
            if version is None:
                raise Fault("ResourceNotFoundException",
                            "Secrets Manager can't find the specified secret "
                            f"value for staging label: {stage}")
        v = s.versions.get(version)
        if v is None or v["value"] is None:
            raise Fault("ResourceNotFoundException",
                        "Secrets Manager can't find the specified secret value "
                        f"for VersionId: {version}")
        if stage and stage not in v["labels"]:
            raise Fault("InvalidRequestException",
                        "You provided a VersionStage that is not associated to "
                        "the provided VersionId.")
        return {"ARN": s.arn, "Name": s.name, "VersionId": version,
                v["value"][0]: v["value"][1],
                "VersionStages": list(v["labels"]),
                "CreatedDate": round(v["created"], 3)}

    def DescribeSecret(self, body):
        s = self.find(body, deleted=True)
        answer = {
            "ARN": s.arn, "Name": s.name, "CreatedDate": round(s.changed, 3),
            "LastChangedDate": round(s.changed, 3),
            "VersionIdsToStages": {i: list(v["labels"])
                                   for i, v in s.versions.items()
                                   if v["labels"]},
            "Tags": [{"Key": k, "Value": v} for k, v in s.tags.items()]}
        if not answer["VersionIdsToStages"]:
            del answer["VersionIdsToStages"]
        for key, value in (("KmsKeyId", s.kms), ("RotationEnabled", s.rotation),
                           ("OwningService", s.owner),
                           ("PrimaryRegion", s.primary),
                           ("DeletedDate", s.deleted),
                           ("Description", s.description)):
            if value is not None:
                answer[key] = value
        return answer

    def ListSecretVersionIds(self, body):
        s = self.find(body)
        found = [{"VersionId": i, "VersionStages": list(v["labels"]),
                  "CreatedDate": round(v["created"], 3)}
                 for i, v in s.versions.items()
                 if v["labels"] or body.get("IncludeDeprecated")]
        start, size = int(body.get("NextToken", 0)), body.get("MaxResults", 100)
        page = {"ARN": s.arn, "Name": s.name,
                "Versions": found[start:start + size]}
        if start + size < len(found):
            page["NextToken"] = str(start + size)
        return page

    def TagResource(self, body):
        self.find(body).tags.update(self.tags(body))
        return None

    def RotateSecret(self, body):
        s = self.find(body)
        if not body.get("RotationLambdaARN") and s.rotation is None:
            raise Fault("InvalidRequestException",
                        "No Lambda rotation function ARN is associated with "
                        "this secret.")
        if s.holder(PENDING) not in (None, s.holder(CURRENT)):
            raise Fault("InvalidRequestException",
                        "A previous rotation isn't complete. That rotation "
                        "will be reattempted.")
        s.rotation = True
        return {"ARN": s.arn, "Name": s.name, "VersionId": self.token(body)}

    def CancelRotateSecret(self, body):
        s = self.find(body)
        s.rotation = False
        return {"ARN": s.arn, "Name": s.name}

    def DeleteSecret(self, body):
        s = self.find(body, deleted=True)
        if body.get("ForceDeleteWithoutRecovery"):
            del self.secrets[s.name]
        else:
            s.deleted = round(self.clock(), 3)
        return {"ARN": s.arn, "Name": s.name, "DeletionDate": self.clock()}

    WRITES = {"CreateSecret", "PutSecretValue", "UpdateSecretVersionStage",
              "TagResource", "DeleteSecret", "RotateSecret"}
    OPERATIONS = WRITES | {"GetSecretValue", "DescribeSecret",
                           "ListSecretVersionIds", "CancelRotateSecret"}


class Policy:
    """IAM's decision for one identity, as far as its policy language is spoken
    here: Action and Resource with * and ?, Allow and Deny, StringEquals.
    Whatever else a document has is an error of the document."""

    def __init__(self, *documents):
        self.statements = []
        for document in documents:
            assert set(document) == {"Version", "Statement"}, document
            assert document["Version"] == "2012-10-17", document
            self.statements += document["Statement"]
        for s in self.statements:
            assert set(s) <= {"Sid", "Effect", "Action", "Resource",
                              "Condition"}, s
            assert s["Effect"] in ("Allow", "Deny"), s
            assert set(s.get("Condition", ())) <= {"StringEquals"}, s

    @staticmethod
    def matches(patterns, value, fold=False):
        patterns = [patterns] if isinstance(patterns, str) else patterns
        flags = re.IGNORECASE if fold else 0
        return any(re.fullmatch(re.escape(p).replace(r"\*", ".*")
                                .replace(r"\?", "."), value, flags)
                   for p in patterns)

    def allows(self, action, resource, context):
        allowed = False
        for s in self.statements:
            equal = s.get("Condition", {}).get("StringEquals", {})
            if not self.matches(s["Action"], action, True) or \
                    not self.matches(s["Resource"], resource) or \
                    any(context.get(k) != v for k, v in equal.items()):
                continue
            if s["Effect"] == "Deny":
                return False
            allowed = True
        return allowed


# What an operation on a secret with a customer managed key asks of KMS.
KMS = {"CreateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
       "PutSecretValue": ("kms:GenerateDataKey", "kms:Decrypt"),
       "GetSecretValue": ("kms:Decrypt",)}


class Double:
    """The port, the keys, and what goes wrong."""

    def __init__(self, region="eu-central-1"):
        self.region = region
        self.manager = Manager(region)
        self.more = []  # servers with TLS
        self.names = []  # (name in the handshake or None, Host)
        self.keys = {}  # id -> (secret, token or None, expires or None)
        self.identities = {}  # web identity token -> role
        self.calls = []  # (service, action, key id)
        self.faults = []  # [action, kind, times, skip]
        self.denied = set()
        self.policies = {}  # key id -> Policy; others may do everything
        self.refusals = []  # what policies refused
        self.immune = set()  # key ids that faults are not for
        self.before = None  # the state before the last write, for stale reads
        self.late = []  # effects that have not landed
        self.delay = {}  # action -> seconds before its answer
        self.skew = 0  # this clock minus the test's
        self.imds = None  # role name, or None
        self.imds_v1 = False
        self.imds_fault = None  # a status for sessions, or "swallowed"
        self.imds_life = 3600
        self.imds_sessions = set()
        self.container = None  # authorization token, or None
        self.roles = {}  # arn -> external id or None
        self.life = 3600
        self.lock = threading.RLock()
        double = self

        class Handler(_Handler):
            pass
        Handler.double = double
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       daemon=True)
        self.thread.start()

    def add_tls(self, certificate, key):
        """A second port, with TLS: its number.  What clients call this server
        is in self.names, as (name in the handshake, Host)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

        def handshake(connection, name, _):
            connection.asked_for = name
        context.sni_callback = handshake
        server = ThreadingHTTPServer(("127.0.0.1", 0),
                                     self.server.RequestHandlerClass)
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.more.append(server)
        return server.server_address[1]

    def stop(self):
        for server in [self.server, *self.more]:
            server.shutdown()
            server.server_close()

    def now(self):
        return time.time() + self.skew

    def new_key(self, session=False, life=None):
        key = "AKIA" + randomness.token_hex(8).upper()
        secret = randomness.token_urlsafe(30)
        token = randomness.token_urlsafe(60) if session else None
        self.keys[key] = (secret, token, self.now() + life if life else None)
        return key, secret, token

    def fault(self, action, kind, times=1, skip=0):
        """From the operation after `skip` of the same action on.  kind:
        before, after (the connection ends before or after the effect),
        silent, silent-after (no answer until the client gives up), late (no
        answer, and the effect lands with land()), 500, 503, 500-after,
        throttle, wrong, redirect, stale (of a read: the state before the last
        write), lie (of a read: another password; of a write: a success that
        was none), or the name of an exception."""
        with self.lock:
            self.faults.append([action, kind, times, skip])

    def land(self):
        """The delayed writes arrive."""
        with self.lock:
            late, self.late = self.late, []
            for action, body in late:
                try:
                    getattr(self.manager, action)(body)
                except Fault:
                    pass

    def take_fault(self, action):
        for f in self.faults:
            if f[0] != action or f[2] == 0:
                continue
            if f[3] > 0:
                f[3] -= 1
                continue
            f[2] -= 1
            return f[1]
        return None

    def judge(self, key, action, body):
        """Raises what IAM's no looks like."""
        policy = self.policies.get(key)
        if not policy:
            return
        manager, name = self.manager, body.get("SecretId", body.get("Name"))
        secret = next((s for s in manager.secrets.values()
                       if name in (s.name, s.arn)), None)
        start = f"arn:aws:secretsmanager:{manager.region}:{manager.account}:"
        arn = secret.arn if secret else \
            name if name.startswith("arn:") else start + f"secret:{name}-??????"
        wanted = [("secretsmanager:" + action, arn, {})]
        if action == "CreateSecret" and body.get("Tags"):
            wanted.append(("secretsmanager:TagResource", arn, {}))
        kms = secret.kms if secret else body.get("KmsKeyId")
        if kms and kms.startswith("arn:"):
            via = f"secretsmanager.{manager.region}.amazonaws.com"
            wanted += [(a, kms, {"kms:ViaService": via})
                       for a in KMS.get(action, ())]
        for one, resource, context in wanted:
            if policy.allows(one, resource, context):
                continue
            self.refusals.append(one)
            raise Fault("AccessDeniedException",
                        "Access to KMS is not allowed" if one[:3] == "kms"
                        else f"User is not authorized to perform: {one}")

    def count(self, *actions):
        return sum(1 for c in self.calls if c[1] in actions)

    def credentials(self, life=None):
        key, secret, token = self.new_key(True, life or self.life)
        end = datetime.datetime.fromtimestamp(
            self.keys[key][2], datetime.timezone.utc)
        return key, secret, token, end.strftime("%Y-%m-%dT%H:%M:%SZ")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes
    double = None

    def log_message(self, *_):
        pass

    # -- answers -----------------------------------------------------------

    def answer(self, status, body, kind="application/x-amz-json-1.1",
               headers=()):
        self.send_response_only(status)
        self.send_header("Date", email.utils.formatdate(self.double.now(),
                                                        usegmt=True))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.send_header("Content-Type", kind)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, f):
        # Services differ in both spellings on purpose.
        name = f.kind if len(f.kind) % 2 else "com.amazonaws.x#" + f.kind
        key = "Message" if f.kind.startswith("Resource") else "message"
        self.answer(f.status, json.dumps(
            {"__type": name, key: f.message}).encode())

    def wait_for_the_client(self):
        """Until it has gone away."""
        self.connection.settimeout(60)
        with contextlib.suppress(OSError):
            self.connection.recv(1)

    def drop(self):
        """A connection that is reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    # -- signatures --------------------------------------------------------

    def verify(self, service, body):
        """The key id; strict on algorithm, scope, date and signed headers."""
        given = self.headers.get("Authorization", "")
        m = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/"
            r"aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?"
            r"Signature=([0-9a-f]{64})", given)
        stamp = self.headers.get("X-Amz-Date", "")
        if not m or not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
            raise Fault("IncompleteSignatureException", "Authorization")
        key, day, region, signed_service, names, signature = m.groups()
        if key not in self.double.keys:
            raise Fault("UnrecognizedClientException", "security token")
        secret, token, expires = self.double.keys[key]
        if region != self.double.region or signed_service != service or \
                day != stamp[:8]:
            raise Fault("InvalidSignatureException",
                        "Credential should be scoped to a valid region.")
        at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(
            tzinfo=datetime.timezone.utc).timestamp()
        if abs(at - self.double.now()) > 300 and \
                key not in self.double.immune:
            raise Fault("InvalidSignatureException",
                        f"Signature not yet current: {stamp}")
        names = names.split(";")
        required = {"host", "x-amz-date", "content-type"}
        if service == "secretsmanager":
            required.add("x-amz-target")
        if token:
            required.add("x-amz-security-token")
        if names != sorted(set(names)) or required - set(names):
            raise Fault("InvalidSignatureException", "SignedHeaders")
        if self.headers.get("X-Amz-Security-Token") != token:
            raise Fault("UnrecognizedClientException", "token")
        request = AWSRequest(
            method=self.command, url=f"http://{self.headers['Host']}/",
            data=body, headers={n: self.headers[n] for n in names})
        request.context["timestamp"] = stamp
        signer = SigV4Auth(Credentials(key, secret, token), service, region)
        canonical = signer.canonical_request(request)
        expected = signer.signature(signer.string_to_sign(request, canonical),
                                    request)
        if expected != signature:
            raise Fault("InvalidSignatureException",
                        "The request signature we calculated does not match.")
        if expires and expires < self.double.now():
            raise Fault("ExpiredTokenException", "expired")
        return key

    # -- requests -----------------------------------------------------------

    def do_POST(self):
        self.double.names.append((getattr(self.connection, "asked_for", None),
                                  self.headers.get("Host")))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("X-Amz-Target"):
            self.secrets_manager(body)
        else:
            self.sts(body)

    def secrets_manager(self, raw):
        action = self.headers["X-Amz-Target"].partition(".")[2]
        d = self.double
        try:
            if self.headers["X-Amz-Target"] != "secretsmanager." + action or \
                    action not in Manager.OPERATIONS or self.path != "/":
                raise Fault("UnknownOperationException", action)
            if self.headers["Content-Type"] != "application/x-amz-json-1.1":
                raise Fault("SerializationException", "Content-Type")
            key = self.verify("secretsmanager", raw)
            try:
                body = json.loads(raw)
            except ValueError:
                raise Fault("SerializationException", "body") from None
            with d.lock:
                d.calls.append(("secretsmanager", action, key))
                if action in d.denied and key not in d.immune:
                    raise Fault("AccessDeniedException",
                                "User is not authorized to perform: "
                                f"secretsmanager:{action}")
                d.judge(key, action, body)
                kind = None if key in d.immune else d.take_fault(action)
                answer = self.perform(action, body, kind)
        except Fault as f:
            self.error(f)
            return
        if key not in d.immune:
            time.sleep(d.delay.get(action, 0))
        if kind in ("before", "after", "late"):
            self.drop()
        elif kind in ("silent", "silent-after"):
            self.wait_for_the_client()
            self.drop()
        elif kind == "500-after":
            self.error(Fault("InternalServiceError", "x", 500))
        elif kind == "wrong":
            self.answer(200, b"<html>It works!</html>", "text/html")
        elif kind == "redirect":
            self.answer(307, b"", headers=[("Location", "http://example.org")])
        else:
            self.answer(200, b"" if answer is None
                        else json.dumps(answer).encode())

    def perform(self, action, body, kind):
        d = self.double
        if kind == "throttle":
            raise Fault("ThrottlingException", "Rate exceeded")
        if kind in ("500", "503"):
            raise Fault("InternalServiceError" if kind == "500" else
                        "ServiceUnavailableException", "x", int(kind))
        if kind and kind[0].isupper():
            raise Fault(kind, "as asked for")
        if kind in ("before", "silent", "wrong", "redirect"):
            return {}
        if kind == "late":
            d.late.append((action, body))
            return {}
        manager = d.manager
        if kind == "stale" and d.before is not None:
            manager = copy.copy(d.manager)
            manager.secrets = d.before
        if kind == "lie" and action in Manager.WRITES:
            manager = copy.copy(d.manager)
            manager.secrets = copy.deepcopy(d.manager.secrets)
            return getattr(manager, action)(body)
        if action in Manager.WRITES:
            d.before = copy.deepcopy(d.manager.secrets)
        answer = getattr(manager, action)(body)
        if kind == "lie":
            value = json.loads(answer["SecretString"])
            value["password"] = "another-one"
            answer["SecretString"] = json.dumps(value)
        return answer

    # -- STS ------------------------------------------------------------------

    def xml(self, status, text):
        self.answer(status, ('<?xml version="1.0" encoding="UTF-8"?>\n'
                             + text).encode(), "text/xml")

    def sts(self, raw):
        form = dict(urllib.parse.parse_qsl(raw.decode()))
        action, d = form.get("Action", ""), self.double
        try:
            if form.get("Version") != "2011-06-15":
                raise Fault("InvalidAction", "Version")
            arn = form.get("RoleArn")
            if not re.fullmatch(r"[\w+=,.@-]{2,64}",
                                form.get("RoleSessionName", "")):
                raise Fault("ValidationError", "RoleSessionName")
            key = None
            if action == "AssumeRole":
                key = self.verify("sts", raw)
                if arn not in d.roles or \
                        d.roles[arn] != form.get("ExternalId"):
                    raise Fault("AccessDenied", "not authorized", 403)
            elif action == "AssumeRoleWithWebIdentity":
                if "Authorization" in self.headers:
                    raise Fault("ValidationError", "must not be signed")
                if d.identities.get(form.get("WebIdentityToken")) != arn:
                    raise Fault("InvalidIdentityToken", "token")
            else:
                raise Fault("InvalidAction", action)
            d.calls.append(("sts", action, key))
            kind = d.take_fault(action)
            if kind == "wrong":
                self.xml(200, "<a><b></a>")
                return
            if kind == "doctype":
                self.xml(200, '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>')
                return
            life = int(form.get("DurationSeconds", 0)) or d.life
        except Fault as f:
            self.xml(f.status, "<ErrorResponse xmlns=\"https://sts.amazonaws."
                     f"com/doc/2011-06-15/\"><Error><Code>{escape(f.kind)}"
                     f"</Code><Message>{escape(f.message)}</Message></Error>"
                     "</ErrorResponse>")
            return
        new = d.credentials(life)
        self.xml(200, f"""<{action}Response
 xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>
<AssumedRoleUser><Arn>{arn}</Arn></AssumedRoleUser><Credentials>
<AccessKeyId>{new[0]}</AccessKeyId><SecretAccessKey>{new[1]}</SecretAccessKey>
<SessionToken>{new[2]}</SessionToken><Expiration>{new[3]}</Expiration>
</Credentials></{action}Result></{action}Response>""")

    # -- the host ----------------------------------------------------------------

    def do_PUT(self):
        d = self.double
        if d.imds_fault == "swallowed":  # beyond the hop limit
            self.wait_for_the_client()
            self.drop()
            return
        if d.imds_fault:
            self.answer(d.imds_fault, b"", "text/plain")
            return
        if self.path != "/latest/api/token" or not d.imds or d.imds_v1 or \
                "X-Forwarded-For" in self.headers or \
                not self.headers.get("x-aws-ec2-metadata-token-ttl-seconds"):
            self.answer(404, b"", "text/plain")
            return
        token = randomness.token_urlsafe(40)
        d.imds_sessions.add(token)
        d.calls.append(("imds", "token", None))
        self.answer(200, token.encode(), "text/plain")

    def do_GET(self):
        d, base = self.double, "/latest/meta-data/"
        if self.path.startswith(base) and d.imds:
            if not d.imds_v1 and \
                    self.headers.get("x-aws-ec2-metadata-token") not in \
                    d.imds_sessions:
                self.answer(401, b"", "text/plain")
                return
            d.calls.append(("imds", self.path, None))
            roles = base + "iam/security-credentials/"
            if self.path == roles:
                self.answer(200, d.imds.encode(), "text/plain")
            elif self.path == roles + d.imds:
                self.credentials_json(d.imds_life, Code="Success",
                                      Type="AWS-HMAC")
            elif self.path == base + "placement/region":
                self.answer(200, d.region.encode(), "text/plain")
            else:
                self.answer(404, b"", "text/plain")
        elif self.path == "/container" and d.container is not None:
            if self.headers.get("Authorization", "") != d.container:
                self.answer(401, b"", "text/plain")
                return
            d.calls.append(("container", "get", None))
            self.credentials_json(d.life)
        else:
            self.answer(404, b"", "text/plain")

    def credentials_json(self, life, **more):
        key, secret, token, end = self.double.credentials(life)
        self.answer(200, json.dumps(
            {"AccessKeyId": key, "SecretAccessKey": secret, "Token": token,
             "Expiration": end, **more}).encode(), "application/json")


if __name__ == "__main__":
    double = Double()
    print(double.url, *double.new_key()[:2], flush=True)
    double.thread.join()
