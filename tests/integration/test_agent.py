# SPDX-License-Identifier: PostgreSQL
"""keyturn-agent: who gets what, and what stays when the store is away."""


def test_the_current_secret_is_handed_out(agent, taken_over):
    current = taken_over.current()
    reply = agent.get()
    assert reply.result == "OK"
    assert reply["PASSWORD"] == current.password
    assert reply["VERSION"] == current.id
    assert reply["USER"] == "sap"
    assert reply["REALM"] == "main"
    assert "STALE" not in reply
    taken_over.must_log_in(reply["PASSWORD"])


def test_a_password_is_checked(agent, taken_over):
    current = taken_over.current()
    assert agent.verify(current.password) == "OK"
    assert agent.verify(current.password + "x") == "MISMATCH"


def test_roles_are_listed_and_described(agent, taken_over):
    reply = agent.call("LIST")
    assert [e["ROLE"] for e in reply.entries] == ["sap"]
    assert "PASSWORD" not in reply
    assert agent.call("DESCRIBE", role="sap")["VERSION"] \
        == taken_over.current().id


def test_feedback_finds_the_new_version(taken_over, new_agent):
    agent = new_agent(taken_over, refresh="1h")
    old = agent.get()["VERSION"]
    taken_over.run("rotate", "sap", expect=0)
    assert agent.get()["VERSION"] == old
    assert agent.call("FEEDBACK", role="sap", version=old).result == "OK"
    agent.wait_version(taken_over.current().id)
