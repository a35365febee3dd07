# SPDX-License-Identifier: PostgreSQL
"""Who gets what from keyturn-agent: peers of several uids and groups, as the
kernel names them."""

import json
import os
import subprocess
import tempfile

import pytest

from conftest import empty
from rig import wire
from rig.agent import Agent
from rig.installation import Installation
from rig.manager import Manager
from rig.server import wait_for

READER, VERIFIER, LISTER, REQUESTER, MEMBER, STRANGER = range(3001, 3007)
GROUP = 3100
ROLES = {
    "sap": f"""readers = uid:{READER} gid:{GROUP}
verifiers = uid:{VERIFIER}
listers = uid:{LISTER}
requesters = uid:{REQUESTER}
units = app.service other@1.service many@.service""",
    "crm": "readers = uid:9999",
}
# Who may do what with "sap".
RIGHTS = {
    READER: {"GET", "LIST", "DESCRIBE", "FEEDBACK"},
    VERIFIER: {"VERIFY"},
    LISTER: {"LIST", "DESCRIBE"},
    REQUESTER: {"ROTATE"},
}


@pytest.fixture(scope="module")
def site(folder, tools, _shared_server):
    path = tempfile.mkdtemp(prefix="kt-", dir=folder)
    made = Installation(tools, _shared_server, os.path.join(path, "site"),
                        "peers")
    made.create(("sap", "crm"))
    made.run("rotate", "sap", expect=0)
    yield made
    made.close()
    found = made.leaks()
    empty(_shared_server)
    assert found == []


@pytest.fixture(scope="module")
def agent(site, folder, users):
    sockets = tempfile.mkdtemp(prefix="ag-", dir=folder)
    os.chmod(sockets, 0o755)
    made = Agent(site, sockets, roles=ROLES, users=users)
    made.start()
    yield made
    made.close()


def ask(agent, operation, role="sap", **who):
    fields = {"password": "x"} if operation == "VERIFY" else {}
    if operation != "LIST":
        fields["role"] = role
    return agent.call(operation, **who, **fields).result


@pytest.mark.parametrize("uid", RIGHTS)
def test_a_right_is_that_right_and_no_other(agent, uid):
    for operation in ("GET", "VERIFY", "DESCRIBE", "FEEDBACK", "ROTATE"):
        result = ask(agent, operation, uid=uid)
        if operation in RIGHTS[uid]:
            assert result in ("OK", "MISMATCH", "LIMITED"), operation
        else:
            assert result == "DENIED", operation
    listed = agent.call("LIST", uid=uid)
    assert listed.result == "OK"
    assert [e["ROLE"] for e in listed.entries] == \
        (["sap"] if "LIST" in RIGHTS[uid] else [])


@pytest.mark.parametrize("uid", [STRANGER, 65534, 2**31])
def test_who_has_no_right_at_all_learns_nothing(agent, uid):
    if agent.users.holder and uid == 2**31:
        uid = 60000  # what /etc/subuid gives an ordinary user
    for operation in ("GET", "VERIFY", "DESCRIBE", "FEEDBACK", "ROTATE",
                      "LIST"):
        assert ask(agent, operation, uid=uid) == "DENIED"
        assert ask(agent, operation, "nobody", uid=uid) == "DENIED"
    assert agent.call("VERSION", uid=uid).result == "OK"


def test_root_has_no_right_that_is_not_written(agent):
    assert ask(agent, "GET", uid=0) == "DENIED"


def test_others_learn_which_roles_there_are(agent):
    for uid in RIGHTS:
        assert ask(agent, "GET", "nobody", uid=uid) == "NOT_FOUND"
        assert ask(agent, "VERIFY", "nobody", uid=uid) == "NOT_FOUND"
        assert ask(agent, "GET", "crm", uid=uid) == "DENIED"


def test_groups_count_primary_and_supplementary(agent):
    assert ask(agent, "GET", uid=MEMBER, gid=GROUP) == "OK"
    assert ask(agent, "GET", uid=MEMBER, gid=5, groups=[7, GROUP, 9]) == "OK"
    assert ask(agent, "GET", uid=MEMBER, gid=5, groups=[7, 9]) == "DENIED"
    # A uid is no gid.
    assert ask(agent, "GET", uid=MEMBER, gid=READER) == "DENIED"
    many = list(range(20000, 20400)) + [GROUP]
    assert ask(agent, "GET", uid=MEMBER, gid=5, groups=many) == "OK"


def test_what_a_request_says_of_its_sender_is_nothing(agent):
    reply = agent.call("GET", uid=STRANGER, role="sap", user="root",
                       service=str(READER), rhost=f"uid:{READER}")
    assert reply.result == "DENIED"


def test_a_verifier_never_gets_a_secret(agent, site):
    current = site.current()
    for operation in wire.OPERATIONS:
        reply = agent.call(operation, uid=VERIFIER, role="sap", user="sap",
                           password=current.password)
        assert "PASSWORD" not in reply, operation
        assert current.password not in json.dumps(reply), operation


def test_the_admin_socket_is_for_root_and_the_agent(agent):
    assert agent.call("TAKE", "admin", uid=0).result == "OK"
    assert agent.call("USES", "admin", uid=0).result == "OK"
    for uid in (READER, VERIFIER, LISTER, REQUESTER, 0):
        assert agent.call("USES", uid=uid, role="sap").result == "DENIED"
        assert agent.call("OWN", uid=uid, user="sap", last_ago="9").result \
            == "DENIED"
    with pytest.raises(AssertionError, match="could not connect"):
        agent.connect("admin", uid=READER)
    # Not by its mode alone.
    os.chmod(agent.path("admin"), 0o666)
    with agent.connect("admin", uid=READER) as sock:
        with pytest.raises((wire.Closed, ConnectionError)):
            wire.call(sock, "TAKE")
    os.chmod(agent.path("admin"), 0o600)


def test_the_sockets_have_their_modes(agent):
    modes = {name: os.stat(agent.path(name)).st_mode & 0o777
             for name in ("agent", "creds", "admin")}
    assert modes == {"agent": 0o666, "creds": 0o600, "admin": 0o600}


def test_the_owner_of_the_admin_socket_may_use_it(site, folder, users):
    """keyturnd may be another user than the agent; systemd gives it the
    socket."""
    sockets = tempfile.mkdtemp(prefix="ag-", dir=folder)
    os.chmod(sockets, 0o755)
    manager = Manager(tempfile.mkdtemp(prefix="sd-", dir=folder))
    agent = Agent(site, sockets, roles=ROLES, users=users)
    manager.listen("admin", agent.path("admin"), 0o600)
    child = os.fork()
    if child == 0:
        users.become(0, 0, [])
        os.chown(agent.path("admin"), READER, 0)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    manager.start(agent, ready=False)
    try:
        assert agent.call("TAKE", "admin", uid=READER).result == "OK"
        assert agent.call("TAKE", "admin", uid=0).result == "OK"
        with pytest.raises(AssertionError, match="could not connect"):
            agent.connect("admin", uid=LISTER)
    finally:
        agent.close()
        manager.close()


def test_strangers_get_few_connections(agent):
    held = [agent.connect(uid=STRANGER) for _ in range(8)]
    assert wire.call(held[0], "VERSION").result == "OK"
    with agent.connect(uid=STRANGER) as sock:
        with pytest.raises((wire.Closed, ConnectionError)):
            wire.call(sock, "VERSION")
    more = [agent.connect(uid=READER) for _ in range(20)]
    assert wire.call(more[-1], "GET", role="sap").result == "OK"
    for sock in held + more:
        sock.close()


# -- systemd's LoadCredential= ------------------------------------------------

def test_a_unit_gets_its_credential_in_each_form(agent, site):
    current = site.current()
    unit = "app.service"
    assert agent.credential(unit, "sap.password") == current.password.encode()
    assert agent.credential(unit, "sap") == current.password.encode()
    host, port, dbname = "127.0.0.1", site.server.port, site.database
    assert agent.credential(unit, "sap.pgpass").decode() == \
        f"{host}:{port}:{dbname}:sap:{current.password}\n"
    found = json.loads(agent.credential(unit, "sap.json"))
    assert found["password"] == current.password
    assert found["username"] == "sap" and found["version"] == current.id
    # An instance by its name, and every one of a template.
    for unit in ("other@1.service", "many@1.service", "many@x-2.service",
                 "many@.service"):
        assert agent.credential(unit, "sap.password", digits="0") \
            == current.password.encode()
    wait_for(lambda: any(e["operation"] == "CREDENTIAL" and
                         e.get("service") == "app.service" for e in agent.events("handout")), "its audit")


@pytest.mark.parametrize("unit, name, digits", [
    ("bad.service", "sap.password", "1"),
    ("other@2.service", "sap.password", "1"),
    ("many@1.socket", "sap.password", "1"),
    ("many.service", "sap.password", "1"),
    ("any@1.service", "sap.password", "1"),
    ("app.servic", "sap.password", "1"),
    ("app.service", "crm.password", "1"),
    ("app.service", "crm", "1"),
    ("bad.service", "sap", "1"),
    ("app.service", "sap.", "1"),
    ("app.service", ".password", "1"),
    ("app.service", "sap.env", "1"),
    ("app.service", "sap.password.password", "1"),
    ("app.service", "sap/x.password", "1"),
    ("", "sap.password", "1"),
    ("app.service", "sap.password", "G"),
    ("app.service", "sap.password", "12345678901234567"),
    ("app.service", "sap.password", ""),
    ("app.service\n", "sap.password", "1"),
])
def test_whatever_else_is_asked_gets_nothing(agent, unit, name, digits):
    assert agent.credential(unit, name, digits=digits) == b""


def test_a_form_that_there_is_not_is_named_in_the_log(agent):
    assert agent.credential("app.service", "sap.txt") == b""
    wait_for(lambda: "app.service/sap.txt: it ends in no form that there is; "
             "write the role alone or with .password, .pgpass or .json"
             in agent.said(), "the sentence")
    assert agent.credential("app.service", "nobody.json") == b""
    wait_for(lambda: "app.service/nobody.json: there is no such role"
             in agent.said(), "the sentence")


def test_who_binds_no_name_gets_nothing(agent):
    with agent.connect("creds", uid=0) as sock:
        assert sock.recv(100) == b""


def test_a_unit_name_from_another_uid_is_not_believed(agent):
    os.chmod(agent.path("creds"), 0o666)
    try:
        assert agent.credential("app.service", "sap.password", uid=READER) \
            == b""
    finally:
        os.chmod(agent.path("creds"), 0o600)


# -- why PrivateUsers= stays off ----------------------------------------------

def test_in_a_user_namespace_of_its_own_all_peers_look_the_same(
        site, folder, users):
    """What PrivateUsers=yes does: the service's namespace knows root and
    itself, and every other user is 65534 to it.  A rule for one matches
    nobody, and a rule for 65534 everybody."""
    sockets = tempfile.mkdtemp(prefix="ag-", dir=folder)
    os.chmod(sockets, 0o755)
    alone = Agent(site, sockets, roles={"sap": f"readers = uid:{READER}",
                                        "crm": "readers = uid:65534"},
                  users=users)
    alone.users = None
    alone.start(prefix=["unshare", "--user", "--map-root-user", "--"])
    alone.users = users
    try:
        assert ask(alone, "GET", uid=READER) == "DENIED"
        for uid in (READER, STRANGER):
            # Let in as 65534: the role was never rotated, so no secret.
            assert ask(alone, "GET", "crm", uid=uid) == "UNAVAILABLE"
    finally:
        alone.close()
    # Outside, the same rules tell them apart.
    alone.start()
    try:
        assert ask(alone, "GET", uid=READER) == "OK"
        assert ask(alone, "GET", "crm", uid=READER) == "DENIED"
        assert ask(alone, "GET", "crm", uid=STRANGER) == "DENIED"
    finally:
        alone.close()


def test_an_unknown_user_in_a_rule_lets_nobody_in(site, folder, users):
    sockets = tempfile.mkdtemp(prefix="ag-", dir=folder)
    os.chmod(sockets, 0o755)
    agent = Agent(site, sockets, users=users, roles={
        "sap": f"readers = user:no-such-user uid:{READER}"})
    agent.start()
    try:
        assert 'sap: there is no user "no-such-user"; until it is ' \
            "known, it lets no one in" in agent.said()
        assert ask(agent, "GET", uid=READER) == "OK"
        assert ask(agent, "GET", uid=STRANGER) == "DENIED"
    finally:
        agent.close()


def test_a_reload_changes_who_may(site, folder, users):
    sockets = tempfile.mkdtemp(prefix="ag-", dir=folder)
    os.chmod(sockets, 0o755)
    agent = Agent(site, sockets, users=users,
                  roles={"sap": f"readers = uid:{READER}"}, refresh="1h")
    agent.start()
    try:
        version = agent.call("GET", uid=READER, role="sap")["VERSION"]
        waiting = agent.connect(uid=READER)
        waiting.sendall(wire.request("GET", role="sap", not_version=version,
                                     wait_ms=60000))
        agent.configure(roles={"sap": f"readers = uid:{LISTER}"})
        agent.reload()
        # Who waits is judged by the new rules.
        assert wire.read_reply(waiting, "GET").result == "DENIED"
        waiting.close()
        assert ask(agent, "GET", uid=READER) == "DENIED"
        assert ask(agent, "GET", uid=LISTER) == "OK"
        # A configuration that is wrong changes nothing.
        agent.configure(roles={"sap": "readers = everybody"})
        agent.reload()
        assert "stays as it was" in agent.said()
        assert ask(agent, "GET", uid=LISTER) == "OK"
        assert ask(agent, "GET", uid=READER) == "DENIED"
        agent.configure(roles={"sap": ""})
    finally:
        agent.close()


def test_check_tells_of_a_bad_configuration(agent, tmp_path):
    assert agent.command("--check").returncode == 0
    text = open(agent.configuration).read().replace("gid:", "group ")
    bad = tmp_path / "agent.conf"
    bad.write_text(text)
    bad.chmod(0o600)
    done = subprocess.run([agent.binary, "--config", bad, "--check"],
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert "is not user:NAME" in done.stderr
