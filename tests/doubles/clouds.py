# SPDX-License-Identifier: PostgreSQL
"""Strict doubles of what gives tokens at Azure and Google: Entra ID's and
Google's token endpoints over TLS, and the metadata service of an instance,
which has none.  Google's checks a service account's statement with Python's
cryptography, not with code of ours."""

import base64
import json
import ssl
import threading
import time
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

FORM = "application/x-www-form-urlencoded"
SCOPE = "https://www.googleapis.com/auth/sqlservice.login"
RESOURCE = "https://ossrdbms-aad.database.windows.net"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def plain(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Refusal(Exception):
    def __init__(self, status, error):
        super().__init__(status, error)
        self.status, self.error = status, error


class Clouds:
    def __init__(self, certificate, key):
        self.calls = []
        self.offset = 0
        self.tenant, self.client = "contoso", "app-1"
        self.secret = "s~ecret+/=&%"
        self.identities = {"": "system", "id-2": "user-assigned"}
        self.account = "keyturn@shop.iam.gserviceaccount.com"
        self.key = rsa.generate_private_key(public_exponent=65537,
                                            key_size=2048)
        self.given = []
        self.faults = []  # statuses of the next answers
        self.tls = self.serve(certificate, key)
        self.metadata = self.serve()

    def serve(self, certificate=None, key=None):
        handler = type("Bound", (Handler,),
                       {"clouds": self, "tls": certificate is not None})
        http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        http.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            http.socket = context.wrap_socket(
                http.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=http.serve_forever, args=(0.05,),
                         daemon=True).start()
        return http

    @property
    def url(self):
        return f"https://localhost:{self.tls.server_port}"

    @property
    def host(self):
        return f"127.0.0.1:{self.metadata.server_port}"

    def stop(self):
        for http in (self.tls, self.metadata):
            http.shutdown()
            http.server_close()

    def now(self):
        return time.time() + self.offset

    def key_file(self, **changed):
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode()
        return json.dumps({
            "type": "service_account", "client_email": self.account,
            "private_key_id": "kid-1", "private_key": pem,
            "token_uri": self.url + "/google/token", **changed})

    def give(self, who):
        self.given.append(f"ya29.{who}.{len(self.given)}." + "x" * 40)
        return self.given[-1]

    # -- TLS -----------------------------------------------------------------

    def entra(self, headers, form):
        if headers.get("content-type") != FORM:
            raise Refusal(400, "invalid_request")
        if form.get("client_id") != self.client or \
                form.get("client_secret") != self.secret:
            raise Refusal(401, "invalid_client")
        if form.get("grant_type") != "client_credentials" or \
                form.get("scope") != RESOURCE + "/.default" or len(form) != 4:
            raise Refusal(400, "invalid_scope")
        return {"token_type": "Bearer", "expires_in": 3599,
                "ext_expires_in": 3599, "access_token": self.give("entra")}

    def google(self, headers, form):
        if form.get("grant_type") != BEARER or len(form) != 2:
            raise Refusal(400, "invalid_request")
        try:
            head, body, signature = form["assertion"].split(".")
            self.key.public_key().verify(
                plain(signature), f"{head}.{body}".encode(),
                padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            raise Refusal(400, "invalid_grant") from None
        claims = json.loads(plain(body))
        if json.loads(plain(head)) != {"alg": "RS256", "typ": "JWT",
                                       "kid": "kid-1"}:
            raise Refusal(400, "invalid_grant")
        if claims["iss"] != self.account or claims["scope"] != SCOPE or \
                claims["aud"] != self.url + "/google/token" or \
                claims["exp"] - claims["iat"] > 3600 or len(claims) != 5 or \
                abs(claims["iat"] - self.now()) > 300:
            raise Refusal(400, "invalid_grant")
        return {"access_token": self.give("key"), "expires_in": 3599,
                "token_type": "Bearer"}

    # -- the instance ----------------------------------------------------------

    def azure_identity(self, headers, query):
        if headers.get("metadata") != "true" or "x-forwarded-for" in headers:
            raise Refusal(400, "bad_request_102")
        if query.pop("api-version", None) != "2018-02-01" or \
                query.pop("resource", None) != RESOURCE:
            raise Refusal(400, "invalid_resource")
        who = self.identities.get(query.pop("client_id", ""))
        if query or not who:
            raise Refusal(400, "invalid_request")
        return {"access_token": self.give(who), "client_id": "x",
                "expires_in": "86400", "resource": RESOURCE,
                "expires_on": str(int(self.now()) + 86400),
                "token_type": "Bearer"}

    def google_account(self, headers, query):
        if headers.get("metadata-flavor") != "Google":
            raise Refusal(403, "forbidden")
        if query != {"recursive": "true"}:
            raise Refusal(404, "not_found")
        return {"aliases": ["default"], "email": self.account,
                "scopes": [SCOPE]}

    def google_token(self, headers, query):
        if headers.get("metadata-flavor") != "Google":
            raise Refusal(403, "forbidden")
        if query != {"scopes": SCOPE}:
            raise Refusal(400, "bad_scope")
        return {"access_token": self.give("gce"), "expires_in": 3599,
                "token_type": "Bearer"}

    def answer(self, method, path, headers, query, form, tls):
        account = "/computeMetadata/v1/instance/service-accounts/default/"
        routes = {
            (True, "POST", f"/{self.tenant}/oauth2/v2.0/token"):
                lambda: self.entra(headers, form),
            (True, "POST", "/google/token"):
                lambda: self.google(headers, form),
            (False, "GET", "/metadata/identity/oauth2/token"):
                lambda: self.azure_identity(headers, query),
            (False, "GET", account):
                lambda: self.google_account(headers, query),
            (False, "GET", account + "token"):
                lambda: self.google_token(headers, query),
        }
        if self.faults:
            raise Refusal(self.faults.pop(0), "not_yet")
        found = routes.get((tls, method, path))
        if not found:
            raise Refusal(404, "not_found")
        return found()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return formatdate(self.clouds.now(), usegmt=True)

    def handle_one(self):
        split = urllib.parse.urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {k.lower(): v for k, v in self.headers.items()}
        query = dict(urllib.parse.parse_qsl(split.query, True, True)) \
            if split.query else {}
        form = dict(urllib.parse.parse_qsl(raw.decode(), True, True)) \
            if raw else {}
        self.clouds.calls.append((self.command, split.path))
        status = 200
        try:
            answer = self.clouds.answer(self.command, split.path, headers,
                                        query, form, self.tls)
        except Refusal as refusal:
            status, answer = refusal.status, {
                "error": refusal.error,
                "error_description": "it was " + raw.decode()}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = handle_one
