# SPDX-License-Identifier: PostgreSQL
"""An installation without roles whose tokens come from a Databricks workspace:
the one that KEYTURN_TEST_DATABRICKS_HOST and its companions name, or the
double."""

import json
import os

from rig.installation import Installation

PROJECT = "projects/shop/branches/production/endpoints/primary"
HOST = "ep-cool-sea-1a2b.database.eu-central-1.cloud.databricks.com"


class Place:
    """A workspace, a service principal there, and an endpoint that it may
    use."""

    def __init__(self, make_double, certificate):
        env = os.environ
        self.url = env.get("KEYTURN_TEST_DATABRICKS_HOST", "").rstrip("/")
        self.double = None
        self.ca_file = None
        if self.url:
            self.client = env["KEYTURN_TEST_DATABRICKS_CLIENT_ID"]
            self.secret = env["KEYTURN_TEST_DATABRICKS_CLIENT_SECRET"]
            self.endpoint = env["KEYTURN_TEST_DATABRICKS_ENDPOINT"]
            self.host = env["KEYTURN_TEST_DATABRICKS_PGHOST"]
            return
        self.double = make_double()
        self.url, self.ca_file = self.double.url, certificate
        self.client, self.secret = self.double.principal()
        self.endpoint = self.double.endpoint(PROJECT, HOST)
        self.host = HOST

    def stop(self):
        if self.double:
            self.double.stop()


class TokenSite(Installation):
    def __init__(self, tools, server, folder, database, place):
        super().__init__(tools, server, folder, database)
        self.place = place
        self.double = place.double
        self.private = os.path.join(folder, "private")
        os.mkdir(self.private, mode=0o700)
        self.secret_file = self.put("secret", place.secret)
        self.set_tokens()

    def create(self, roles=(), **settings):
        """`keyturn init`; no role and no administrator."""
        done = self.run("init", self.keys, "--state", self.state,
                        configured=False)
        assert done.exit == 0, done.text
        self.configure(roles, more=self.more, **settings)
        return self

    def put(self, name, text, mode=0o600):
        """A file with a secret in a folder that is no place of leaks."""
        path = os.path.join(self.private, name)
        with open(path, "w") as f:
            f.write(text + "\n")
        os.chmod(path, mode)
        if text and "\n" not in text:
            self.remember(text, "what " + name + " holds")
        return path

    def section(self, *lines, **settings):
        """[token lake] of the place; None takes a setting out."""
        known = {"type": "databricks", "workspace": self.place.url,
                 "endpoint": self.place.endpoint, "auth": "oauth-m2m",
                 "client_id": self.place.client,
                 "client_secret_file": self.secret_file,
                 "timeout": "10s", "ca_file": self.place.ca_file, **settings}
        return "\n".join(["[token lake]"]
                         + [f"{k} = {v}" for k, v in known.items()
                            if v is not None] + list(lines)) + "\n"

    def set_tokens(self, *lines, more="", **settings):
        self.more = self.section(*lines, **settings) + more
        if os.path.isdir(self.keys):
            self.configure((), more=self.more)

    def token(self, *argv, expect=0, name="lake", **options):
        """What `keyturn token` prints, remembered as a secret."""
        done = self.run("token", name, *argv, expect=expect, **options)
        self.learn_tokens()
        return done

    def json(self, *argv, **options):
        answer = json.loads(self.token("--format", "json", *argv,
                                       **options).out)
        self.remember(answer["password"], "a token")
        return answer

    def learn_tokens(self):
        if self.double:
            for minted, _, _ in self.double.minted:
                self.remember(minted, "a minted token")
            for access in self.double.access:
                self.remember(access, "an access token")

    def leaks(self):
        self.learn_tokens()
        return super().leaks()

    def places(self):
        return [f for f in super().places()
                if not f.startswith((self.private + "/", self.sinks + "/"))]
