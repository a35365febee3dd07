# SPDX-License-Identifier: PostgreSQL
"""A strict double of SAP Integration Suite, capability Cloud Integration, on one
loopback port with TLS: the token service and, of the OData API, the entity
UserCredentials.

After SAP's public documentation: "OAuth with Client Credentials Grant for API
Clients" (token by POST, client by HTTP Basic), "HTTP Calls and URI Components"
(the service root is URL/api/v1), "Security Content" (a modifying request needs
the CSRF token of a GET with X-CSRF-Token: Fetch), "Deploying a User Credentials
Artifact" (a password has 255 characters at most), and OData 2.0 (keys, PUT
replaces).  What these leave open is refused: another content type, a property
that the entity does not have, a token of another session.
"""

import base64
import contextlib
import json
import re
import secrets as randomness
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FORM = "application/x-www-form-urlencoded"
PROPERTIES = {"Name", "Kind", "Description", "User", "Password", "CompanyId"}
KINDS = {"default", "successfactors", "openconnectors"}


class Refusal(Exception):
    def __init__(self, status, code="", **headers):
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.headers = headers


class Tenant:
    """state is public: tests change it."""

    def __init__(self, certificate, key):
        self.client = ("sb-0a1b!b2|it!b3", "Secret/of+the=service key")
        self.artifacts = {}  # name -> properties
        self.tokens = {}     # -> when it ends
        self.sessions = {}   # cookie -> CSRF token
        self.token_life = 300
        self.requests = []   # (method, path)
        self.refused = []    # (status, code)
        self.forget_sessions = 0  # so many PUTs meet a session that has ended
        self.broken = 0      # the status of every answer of the API, 0: none
        self.written = []    # passwords
        tenant = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                tenant.serve(self)

            do_GET = do_POST = do_PUT = do_DELETE = serve

            def log_message(self, *_):
                pass

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = tls.wrap_socket(
            self._server.socket, server_side=True,
            do_handshake_on_connect=False)
        self.url = f"https://localhost:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever,
                         daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def service_key(self):
        """As SAP BTP's cockpit shows it."""
        return {"oauth": {"createdate": "2026-11-02T08:00:00.000Z",
                          "clientid": self.client[0],
                          "clientsecret": self.client[1],
                          "tokenurl": self.url + "/oauth/token",
                          "url": self.url}}

    def deploy(self, name, **properties):
        self.artifacts[name] = {"Name": name, "Kind": "default",
                                "Description": "", "User": "", "Password": "",
                                "CompanyId": "", **properties}

    # -- one request ---------------------------------------------------------

    def serve(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        self.requests.append((request.command, request.path))
        try:
            status, answer, headers = self.answer(request, body)
        except Refusal as r:
            self.refused.append((r.status, r.code))
            status, headers = r.status, r.headers
            answer = {"error": {"code": r.code, "message": {
                "lang": "en",
                # As some servers do: the request is quoted.
                "value": f"{r.code}: {body.decode('utf-8', 'replace')}"}}}
        data = b"" if answer is None else json.dumps(answer).encode()
        with contextlib.suppress(OSError):
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name.replace("_", "-"), value)
            if data:
                request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)

    def answer(self, request, body):
        if request.path == "/oauth/token":
            return self.give_token(request, body)
        if self.broken:
            raise Refusal(self.broken, "Broken")
        self.check_bearer(request)
        found = re.fullmatch(r"/api/v1/UserCredentials\('((?:[^'/?#]|'')+)'\)",
                             request.path)
        if not found:
            raise Refusal(404, "No such resource")
        name = urllib.parse.unquote(found[1], errors="strict") \
            .replace("''", "'")
        if request.command == "GET":
            return self.show(request, name)
        if request.command == "PUT":
            return self.replace(request, name, body)
        raise Refusal(405, "Method Not Allowed")

    def give_token(self, request, body):
        if request.command != "POST":
            raise Refusal(405, "Method Not Allowed")
        if request.headers.get("Content-Type") != FORM:
            raise Refusal(415, "Unsupported Media Type")
        scheme, _, word = request.headers.get("Authorization", "").partition(
            " ")
        try:
            who = base64.b64decode(word, validate=True).decode()
        except ValueError:
            who = ""
        client = tuple(urllib.parse.unquote_plus(s) for s in who.split(":"))
        if scheme != "Basic" or client != self.client:
            raise Refusal(401, "unauthorized")
        if urllib.parse.parse_qs(body.decode(), strict_parsing=True) != \
                {"grant_type": ["client_credentials"]}:
            raise Refusal(400, "unsupported_grant_type")
        token = randomness.token_urlsafe(48)
        self.tokens[token] = time.monotonic() + self.token_life
        return 200, {"access_token": token, "token_type": "bearer",
                     "expires_in": self.token_life}, {}

    def check_bearer(self, request):
        scheme, _, token = request.headers.get("Authorization", "").partition(
            " ")
        if scheme != "Bearer" or \
                self.tokens.get(token, 0) <= time.monotonic():
            raise Refusal(401, "Unauthorized")

    def session(self, request):
        """The cookie of a session that goes on, or None."""
        cookie = re.search(r"(?:^|; )JSESSIONID=([^;]*)",
                           request.headers.get("Cookie", ""))
        return cookie[1] if cookie and cookie[1] in self.sessions else None

    def show(self, request, name):
        headers = {}
        if request.headers.get("X-CSRF-Token", "").lower() == "fetch":
            session = self.session(request)
            if not session:
                session = randomness.token_hex(16)
                self.sessions[session] = randomness.token_hex(16).upper()
                headers["Set_Cookie"] = \
                    f"JSESSIONID={session}; Path=/; Secure; HttpOnly"
            headers["X_CSRF_Token"] = self.sessions[session]
        if name not in self.artifacts:
            raise Refusal(404, "Not Found", **headers)
        # A password is never read back.
        return 200, {"d": {**self.artifacts[name], "Password": None,
                           "SecurityArtifactDescriptor": {"Status":
                                                          "DEPLOYED"}}}, headers

    def replace(self, request, name, body):
        if self.forget_sessions > 0:
            self.forget_sessions -= 1
            self.sessions.clear()
        session = self.session(request)
        if not session or \
                request.headers.get("X-CSRF-Token") != self.sessions[session]:
            raise Refusal(403, "CSRF token validation failed",
                          X_CSRF_Token="Required")
        if request.headers.get("Content-Type") != "application/json":
            raise Refusal(415, "Unsupported Media Type")
        if name not in self.artifacts:
            raise Refusal(404, "Not Found")
        try:
            new = json.loads(body)
        except ValueError:
            raise Refusal(400, "Bad Request") from None
        if not isinstance(new, dict) or not set(new) <= PROPERTIES or \
                new.get("Name") != name or new.get("Kind") not in KINDS or \
                not all(isinstance(v, str) for v in new.values()) or \
                not new.get("User") or not 1 <= len(new.get("Password", "")) \
                <= 255:
            raise Refusal(400, "Bad Request")
        # OData 2.0: what a PUT does not have is set back.
        self.deploy(name, **new)
        self.written.append(new["Password"])
        return 204, None, {}
