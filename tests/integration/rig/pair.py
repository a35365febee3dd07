# SPDX-License-Identifier: PostgreSQL
"""Two login roles in turn, seen as a partner sees them."""

import contextlib
import os
import re

import psycopg
import pytest

PAIR = """sink = env {sinks}/sap.env
strategy = alternating
members = sap_a sap_b
"""
NOT_PERMITTED = "is not permitted to log in"
REFUSED = "password authentication failed"


class Pair:
    def __init__(self, site):
        self.site = site

    def configure(self, more=""):
        self.site.configure(
            role_settings=PAIR.format(sinks=self.site.sinks) + more)

    def run(self, *argv, expect=0):
        return self.site.run(*argv, expect=expect)

    def told(self):
        """User and password, as a partner's job reads them."""
        with open(os.path.join(self.site.sinks, "sap.env")) as f:
            lines = dict(re.findall(r"^(PG\w+)='?([^'\n]*)'?$", f.read(),
                                    re.M))
        self.site.remember(lines["PGPASSWORD"], "a password in a file")
        return lines["PGUSER"], lines["PGPASSWORD"]

    def login(self, who):
        server = self.site.server
        return psycopg.connect(
            host="127.0.0.1", port=server.port, dbname=self.site.database,
            user=who[0], password=who[1], passfile="/dev/null",
            gssencmode="disable", **server.client)

    def works(self, who):
        with self.login(who) as c:
            return c.execute("select session_user, current_user").fetchone() \
                == (who[0], "sap")

    def refused(self, who, how):
        with pytest.raises(psycopg.OperationalError, match=how):
            self.login(who)

    def role(self, name):
        """(LOGIN, has a password)"""
        return self.site.server.sql(
            "select rolcanlogin, rolpassword is not null from pg_authid "
            "where rolname = %s", [name])[0]


@contextlib.contextmanager
def new_pair(site):
    """A new pair on the site: nobody has a password yet."""
    site.server.sql("drop role sap")
    made = Pair(site)
    made.configure()
    made.run("role", "pair", "sap")
    yield made
    for name in ("sap_a", "sap_b", "sap"):
        site.server.sql(f"drop role if exists {name}")
