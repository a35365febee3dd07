# SPDX-License-Identifier: PostgreSQL
"""The password on its way to the partner as a wrapping token, which opens it once.
Server and gate as in test_vault.py; the partner is hvac, and psycopg."""

import contextlib
import json
import os
import sqlite3
import time

import pytest

hvac = pytest.importorskip("hvac")

from rig.daemon import QUICK, Daemon  # noqa: E402
from rig.installation import Installation  # noqa: E402
from rig.server import wait_for  # noqa: E402
from rig.verdict import sentence  # noqa: E402
from test_handoff import MANUAL, STATES  # noqa: E402
from test_vault import (_vault, new_vault_site,  # noqa: E402,F401
                        vault)
from test_vault_login import policy_of, token_for, use_token  # noqa: E402

NOT_VALID = "wrapping token is not valid or does not exist"


@pytest.fixture
def site(new_vault_site):  # noqa: F811
    """A role whose password a person has to type in, kept in Vault."""
    site = new_vault_site(role_settings=MANUAL, keyturn=QUICK)
    site.run("rotate", "sap", expect=0)
    return site


def offer(site, *options):
    """The token: it is all that is printed."""
    token = site.run("handoff", "offer", "sap", "--wrap", *options,
                     expect=0).out
    assert token == token.strip() and token
    site.remember(token, "a wrapping token")  # it may be nowhere
    return token


def opened(site, token):
    return hvac.Client(url=site.vault.url, token=token).sys.unwrap()["data"]


def not_opened_again(site, token):
    with pytest.raises((hvac.exceptions.InvalidRequest,
                        hvac.exceptions.Forbidden), match=NOT_VALID):
        opened(site, token)


def told(site):
    return json.loads(site.run("handoff", "sap", "--json", expect=0).out)


def reached(site):
    return [s for s in STATES if told(site)["states"][s]]


def states(site):
    return [t["state"] for t in told(site)["tokens"]]


def watched(site):
    """What is found out is recorded, as by a command of cron."""
    site.run("adoption", "--look", expect=0)


def trail(site):
    """Of one login role the old password has ended with the rotation."""
    return [(e["state"], e["source"]) for e in site.audit()
            if e.get("kind") == "handoff" and e["state"] != "retired"]


def handouts(site):
    return [e for e in site.audit() if e.get("kind") == "handout"]


# ---- the whole story -------------------------------------------------------------


def test_a_token_opens_the_password_once_and_that_is_seen(site):
    current = site.current()
    done = site.run("handoff", "offer", "sap", "--wrap", "--ttl", "5m",
                    expect=0)
    token = done.out
    site.remember(token, "a wrapping token")
    assert f"sap: offered, version {current.id}" in done.err
    assert token not in done.err and done.err.count("\n") == 1
    handout, = handouts(site)
    accessor = told(site)["tokens"][0]["accessor"]
    assert handout["recipient"] == "accessor:" + accessor
    assert handout["detail"] == "format wrapping token, for 300 seconds, " \
        "made by sys/wrapping/wrap"
    assert (handout["label"], handout["version"]) == ("current", current.id)
    look = site.vault.client.auth.token.lookup_accessor(accessor)["data"]
    assert (look["policies"], look["creation_ttl"]) == \
        (["response-wrapping"], 300)
    # To look opens nothing, and what was not opened is not fetched.
    for _ in range(2):
        watched(site)
        assert reached(site) == ["prepared", "offered", "retired"]
        assert states(site) == ["out"]
    assert told(site)["states"]["offered"]["source"] == "vault"
    got = opened(site, token)
    assert got == {"host": "127.0.0.1", "port": str(site.server.port),
                   "database": site.database, "user": "sap",
                   "password": current.password, "version": current.id}
    site.must_log_in(got["password"])
    not_opened_again(site, token)
    # It is told at once, and recorded by who may.
    found = told(site)
    assert found["states"]["fetched"]["source"] == "vault"
    assert found["tokens"][0]["state"] == "opened"
    assert trail(site) == [("prepared", "rotate"), ("offered", "vault")]
    for _ in range(2):
        watched(site)
    assert trail(site) == [("prepared", "rotate"), ("offered", "vault"),
                           ("fetched", "vault")]
    assert accessor in next(e for e in site.audit()
                            if e.get("state") == "fetched")["detail"]
    text = site.run("handoff", "sap", expect=0).out
    assert f"    token      accessor {accessor}: opened" in text
    assert "fetched    " in text and "vault, by unknown" in text
    site.run("audit", "verify", expect=0)


def test_keyturnd_sees_it(site):
    token = offer(site)
    daemon = Daemon(site).ready()
    time.sleep(3)
    assert ("fetched", "vault") not in trail(site)
    opened(site, token)
    wait_for(lambda: ("fetched", "vault") in trail(site), "the watch", 20)
    time.sleep(3)
    daemon.stop()
    assert trail(site).count(("fetched", "vault")) == 1
    assert "hand-off fetched" in site.run("status").out


def test_a_token_that_nobody_opened_ends_and_is_not_fetched(site):
    token = offer(site, "--ttl", "10s")
    watched(site)
    assert states(site) == ["out"]
    time.sleep(11)
    assert states(site) == ["ended"]
    watched(site)
    assert ": ended at " in site.run("handoff", "sap", expect=0).out
    not_opened_again(site, token)
    watched(site)
    assert ("fetched", "vault") not in trail(site)
    assert "fetched" not in reached(site)


def test_each_token_that_was_opened_is_told(site):
    tokens = [offer(site) for _ in range(4)]
    done = site.run("handoff", "offer", "sap", "--wrap")
    sentence(done, 6, "4 tokens that open its password are out already")
    assert len(handouts(site)) == 4
    opened(site, tokens[1])
    watched(site)
    first = told(site)["states"]["fetched"]
    opened(site, tokens[3])
    watched(site)
    assert trail(site).count(("fetched", "vault")) == 2
    assert told(site)["states"]["fetched"] == first
    assert states(site) == ["out", "opened", "out", "opened"]
    # There is room where one was opened, and what is known of it stays.
    tokens.append(offer(site))
    assert told(site)["states"]["fetched"] == first
    assert sorted(states(site)) == ["opened", "out", "out", "out"]
    assert opened(site, tokens[4])["password"] == site.current().password
    assert opened(site, tokens[0])["password"] == site.current().password


def test_a_rotation_begins_with_no_token(site):
    token = offer(site)
    site.run("rotate", "sap", expect=0)
    assert "offered" not in reached(site) and states(site) == []
    # It opens what is dead.
    site.must_not_log_in(opened(site, token)["password"])
    watched(site)
    assert "fetched" not in reached(site)


def test_with_the_policies_of_the_page_and_not_without(site):
    rotator = policy_of(site, "rotator")
    use_token(site, token_for(site, rotator + policy_of(site, "handoff")),
              role_settings=MANUAL, keyturn=QUICK)
    token = offer(site)
    assert states(site) == ["out"]
    # Offered, and what became of it cannot be asked.
    use_token(site, token_for(site, rotator), role_settings=MANUAL,
              keyturn=QUICK)
    opened(site, token)
    watched(site)
    found = told(site)
    assert found["tokens"][0]["state"] == "out"
    assert "does not grant update on auth/token/lookup-accessor" in \
        found["tokens_not_told"]
    assert "is not known now: store vault: the policy does not grant" in \
        site.run("handoff", "sap", expect=0).out
    assert "fetched" not in reached(site)
    # The policy that there was tells it later.
    site.configure(role_settings=MANUAL, keyturn=QUICK)
    watched(site)
    assert "fetched" in reached(site)


# ---- bad input, and a bad world -----------------------------------------------------


def offered_nothing(site):
    assert reached(site) == ["prepared", "retired"] and states(site) == []
    assert handouts(site) == [] and trail(site) == [("prepared", "rotate")]


@pytest.mark.parametrize("argv, exit, says", [
    (["--wrap", "--ttl", "9s"], 2, "10 seconds to 7 days, not for 9 seconds"),
    (["--wrap", "--ttl", "8d"], 2, "not for 691200 seconds"),
    (["--wrap", "--ttl", "0s"], 2, "not for 0 seconds"),
    (["--wrap", "--ttl", "soon"], 2, "--ttl: "),
    (["--wrap", "--ttl", "-1h"], 2, "--ttl: "),
    (["--ttl", "1h"], 2, "takes --to CERT.pem"),
    (["--ttl", "1h", "--to", "x"], 2, "--ttl is for handoff offer --wrap"),
    (["--wrap", "--to", "x"], 2, "takes --to CERT.pem, or --show"),
    (["--wrap", "--show"], 2, "takes --to CERT.pem, or --show"),
    (["--wrap", "--out", "x"], 2, "--wrap writes no file"),
    (["--wrap", "--reason", "x"], 2, "does not take --reason"),
])
def test_bad_input_offers_nothing(site, argv, exit, says):
    done, calls = site.calls_of("handoff", "offer", "sap", *argv)
    sentence(done, exit, says)
    assert calls == [] and handouts(site) == []
    assert reached(site) == ["prepared", "retired"] and states(site) == []


def test_a_policy_that_does_not_let_wrap_is_said(site):
    policy = policy_of(site, "rotator") + """
        path "sys/wrapping/wrap" { capabilities = ["deny"] }"""
    use_token(site, token_for(site, policy), role_settings=MANUAL,
              keyturn=QUICK)
    done = site.run("handoff", "offer", "sap", "--wrap")
    sentence(done, 6, "store vault: the policy does not grant update on "
             "sys/wrapping/wrap, or not for so long (HTTP 403)")
    offered_nothing(site)


@pytest.mark.parametrize("act, says", [
    ("503", "is sealed, or has no active node (HTTP 503)"),
    ("reset-after", "a wrapping token may have been made, which no one has"),
    ("garbage", "a wrapping token may have been made, which no one has"),
    ("lie", "the answer has no wrapping token"),
    ("500", "a wrapping token may have been made, which no one has"),
])
def test_where_no_token_arrives_nothing_was_offered(site, act, says):
    site.gate.fault("POST", "/sys/wrapping/wrap$", act, times=9)
    done = site.run("handoff", "offer", "sap", "--wrap")
    sentence(done, 7, "store vault", says)
    site.gate.clear()
    offered_nothing(site)
    offer(site)


def test_a_sealed_store_tells_nothing_of_a_token(site):
    token = offer(site)
    opened(site, token)
    site.gate.fault("*", "", "503", times=99)
    watched(site)
    assert "is sealed" in told(site)["tokens_not_told"]
    site.gate.clear()
    assert states(site) == ["opened"]


def test_where_nothing_can_be_recorded_no_token_is_given(site):
    watched(site)
    with contextlib.closing(sqlite3.connect(
            os.path.join(site.state, "ledger.db"),
            isolation_level=None)) as ledger:
        ledger.execute("begin immediate")
        done = site.run("handoff", "offer", "sap", "--wrap", expect=14)
    assert done.out == ""
    offered_nothing(site)


def test_a_store_without_such_tokens_says_so(new_vault_site):  # noqa: F811
    site = new_vault_site()
    Installation.configure(site, role_settings=MANUAL)
    site.run("rotate", "sap", expect=0)
    done = site.run("handoff", "offer", "sap", "--wrap")
    sentence(done, 6, "store local is of type local, which has no tokens that "
             "open once; that takes type = vault")
    assert handouts(site) == []
