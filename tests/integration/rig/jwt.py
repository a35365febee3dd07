# SPDX-License-Identifier: PostgreSQL
"""JSON Web Tokens of an issuer of our own, and the part of Kubernetes that says
whether one of them is a service account's."""

import base64
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def encoded(value):
    if not isinstance(value, bytes):
        value = json.dumps(value).encode()
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class Issuer:
    def __init__(self):
        self.key = rsa.generate_private_key(65537, 2048)
        self.public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def token(self, life=3600, **claims):
        now = int(time.time())
        head = encoded({"alg": "RS256", "typ": "JWT"}) + "." + encoded({
            "iss": "keyturn's tests", "sub": "keyturn", "aud": ["keyturn"],
            "iat": now - 7200, "nbf": now - 7200, "exp": now + life,
            "jti": str(uuid.uuid4()), **claims})
        return head + "." + encoded(self.key.sign(
            head.encode(), padding.PKCS1v15(), hashes.SHA256()))


class TokenReviews:
    """Kubernetes, as far as Vault asks it.  `good` are the tokens it knows."""

    UID = "c0ffee00-0000-4000-8000-000000000001"
    CLAIMS = {"sub": "system:serviceaccount:partners:keyturn",
              "kubernetes.io": {
                  "namespace": "partners",
                  "serviceaccount": {"name": "keyturn", "uid": UID}}}

    def __init__(self):
        self.good = set()
        reviews = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                asked = json.loads(self.rfile.read(
                    int(self.headers["Content-Length"])))
                known = asked["spec"]["token"] in reviews.good and \
                    self.path == "/apis/authentication.k8s.io/v1/tokenreviews"
                body = json.dumps({
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenReview",
                    "status": {"authenticated": known, "audiences": asked[
                        "spec"].get("audiences", []), "user": {
                        "username": reviews.CLAIMS["sub"], "uid": reviews.UID,
                        "groups": ["system:serviceaccounts"]} if known else {}}
                }).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
