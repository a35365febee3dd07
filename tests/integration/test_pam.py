# SPDX-License-Identifier: PostgreSQL
"""pam_keyturn.so inside a real PostgreSQL, a real PgBouncer and pamtester.
What the module says to libpam is tested in tests/unit/pam; here, what that
does to a server: who gets in, who does not, and what a bad agent can break."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import psycopg
import pytest

from rig.pam import RawLogin, Refused, Services, own, own_folder
from rig.scripted_agent import ScriptedAgent, reply
from rig.server import (Server, as_account, environment, free_port, wait_for)

CURRENT = "Current-password.aBc4711"
PREVIOUS = "Previous-password.dEf0815"
OWN = "Scram-password-of-another.123"
TIMEOUT = 1.0  # seconds: the module's default


# ---- An agent and a server -------------------------------------------------

def verify(operation, request):
    """As the agent answers about the role "sap"."""
    if operation == "VERSION":
        return reply("VERSION", SERVER="scripted")
    if operation == "ROTATE":
        return reply("ROTATE", "OK" if request["USER"] == "sap"
                     else "NOT_FOUND")
    assert operation == "VERIFY", operation
    if request["USER"] != "sap":
        return reply("VERIFY", "NOT_FOUND")
    if request["PASSWORD"] == CURRENT:
        return reply("VERIFY")
    if request["PASSWORD"] == PREVIOUS and "NO_GRACE" not in request:
        return reply("VERIFY", "OK_PREVIOUS",
                     GRACE_UNTIL=int((time.time() + 3600) * 1e6))
    return reply("VERIFY", "MISMATCH")


def hang(connection, closed):
    closed.wait()


class Place:
    """The server, its PAM services, and where the agent's socket is."""

    def __init__(self, folder, server, services):
        self.server = server
        self.services = services
        self.folder = own_folder(os.path.join(folder, "agent"))
        self.socket = os.path.join(self.folder, "agent.sock")
        self.agent = None

    def serve(self, answer):
        """Replace what listens there; None: nothing does."""
        if self.agent:
            self.agent.close()
        self.agent = answer and ScriptedAgent(self.folder, answer)
        if answer:
            os.chmod(self.socket, 0o666)

    def login(self, password, user="sap", dbname="shop", port=None, **more):
        return psycopg.connect(
            host="127.0.0.1", port=port or self.server.port, user=user,
            dbname=dbname, password=password, passfile="/dev/null",
            gssencmode="disable", connect_timeout=30,
            **{**self.server.client, **more})

    def refused(self, password, user="sap", **more):
        """Why the login was refused: the server's log says the code."""
        mark = self.server.mark()
        with pytest.raises(psycopg.OperationalError) as e:
            self.login(password, user, **more)
        assert "PAM authentication failed" in str(e.value), e.value
        log = self.server.log_since(mark)
        assert " 28000 FATAL:" in log, log
        return log


HBA = """hostssl all +keyturn_grace 127.0.0.1/32 pam pamservice=keyturn
host raw all 127.0.0.1/32 pam pamservice=keyturn
"""


@pytest.fixture(scope="module")
def _place(folder, authority, template, tools):
    home = own_folder(os.path.join(folder, "pam"))
    services = Services(os.path.join(home, "services"), tools.binary)
    server = Server(own_folder(os.path.join(home, "pg")) + "/s", authority,
                    template)
    server.environment = services.environment
    server.start()
    place = Place(home, server, services)
    for database in ("shop", "raw"):
        server.sql(f"create database {database}")
    server.sql("create role keyturn_grace nologin")
    server.sql("create role sap login in role keyturn_grace password null")
    server.sql("create role erp login in role keyturn_grace")
    with server.connect() as c:
        scram = c.pgconn.encrypt_password(OWN.encode(), b"outside",
                                          b"scram-sha-256").decode()
        c.execute(f"create role outside login password '{scram}'")
    yield place
    server.stop("immediate")


@pytest.fixture
def place(_place):
    p = _place
    p.services.keyturn("keyturn", f"socket={p.socket}")
    p.server.hba(HBA)
    p.serve(verify)
    mark = p.server.mark()
    yield p
    p.serve(None)
    p.server.sql("alter system reset all")
    # Whatever happened: no password in the log, and nobody left behind.
    log = p.server.log_since(mark)
    for secret in (CURRENT, PREVIOUS, OWN):
        assert secret not in log
    wait_for(lambda: p.server.answers(), "the server to answer")


# ---- Who gets in -----------------------------------------------------------

def test_both_passwords_log_in_and_no_other(place):
    place.login(CURRENT).close()
    place.login(PREVIOUS).close()
    place.refused("wrong")
    verified = [r for o, r in place.agent.requests if o == "VERIFY"]
    assert [r["USER"] for r in verified] == ["sap"] * 3
    assert {r["RHOST"] for r in verified} == {"127.0.0.1"}
    assert {r["SERVICE"] for r in verified} == {"keyturn"}


def test_a_role_outside_the_group_never_meets_the_module(place):
    place.login(OWN, "outside").close()
    assert place.agent.requests == []
    with pytest.raises(psycopg.OperationalError, match="password"):
        place.login(CURRENT, "outside")
    assert place.agent.requests == []


def test_a_role_that_the_agent_does_not_know_is_refused(place):
    place.refused(CURRENT, "erp")
    assert "authentication" in place.refused("x" * 512, "erp").lower()


def test_grace_no_lets_the_current_password_in_only(place):
    place.services.keyturn("keyturn", f"socket={place.socket} grace=no")
    place.login(CURRENT).close()
    place.refused(PREVIOUS)


def test_a_role_past_its_valid_until_is_the_agents_affair(place):
    place.server.sql("alter role sap valid until '2001-01-01'")
    try:
        place.login(CURRENT).close()
    finally:
        place.server.sql("alter role sap valid until 'infinity'")


def test_without_the_line_the_server_goes_by_its_own_password_again(place):
    with place.server.connect() as c:
        scram = c.pgconn.encrypt_password(CURRENT.encode(), b"sap",
                                          b"scram-sha-256").decode()
        c.execute(f"alter role sap password '{scram}'")
    place.serve(None)
    place.refused(CURRENT)
    place.server.hba("")
    try:
        place.login(CURRENT, require_auth="scram-sha-256").close()
    finally:
        place.server.sql("alter role sap password null")


@pytest.mark.parametrize("options", [
    "oops", "timeout=abc", "realm=", "socket=relative"])
def test_a_mistaken_service_lets_nobody_in(place, options):
    place.services.keyturn("keyturn", f"socket={place.socket} {options}")
    place.refused(CURRENT)
    assert place.agent.requests == []


def test_a_service_without_its_module_lets_nobody_in(place):
    place.services.write("keyturn", "auth [success=done default=die] "
                         "/nonexistent/pam_keyturn.so\n"
                         "auth requisite pam_deny.so\n"
                         "account requisite pam_deny.so\n")
    place.refused(CURRENT)


# ---- Agents that misbehave ---------------------------------------------------

def damaged(*how):
    yes = reply("VERIFY")
    return {"truncated": yes[:-1], "empty": b"", "longer": yes + b"x",
            "false length": yes[:7] + b"\x7f" + yes[8:],
            "shorter": yes[:7] + b"\x01" + yes[8:],
            "huge": yes[:4] + b"\xff\xff\xff\xff" + yes[8:],
            "another version": b"KT\x02" + yes[3:],
            "another question": reply("GET"), "HTTP": b"HTTP/1.1 200 OK\r\n",
            "twice": yes + yes}[how[0]]


@pytest.mark.parametrize("how", [
    "truncated", "empty", "longer", "shorter", "huge", "another version",
    "another question", "HTTP", "twice"])
def test_a_damaged_yes_is_no_yes(place, how):
    place.serve(lambda operation, request: damaged(how))
    place.refused(CURRENT)
    place.login(OWN, "outside").close()


def test_an_absent_agent_refuses_at_once(place):
    place.serve(None)
    begun = time.monotonic()
    place.refused(CURRENT)
    assert time.monotonic() - begun < TIMEOUT


@pytest.mark.parametrize("how", ["silent", "slow", "false length"])
def test_a_slow_agent_costs_the_deadline_and_no_more(place, how):
    def drip(connection, closed):
        for byte in reply("VERIFY", SENTENCE="x" * 500):
            connection.sendall(bytes([byte]))
            if closed.wait(0.02):
                return

    def lie(connection, closed):
        connection.sendall(damaged("false length"))
        closed.wait()

    place.serve(lambda *_: {"silent": hang, "slow": drip,
                            "false length": lie}[how])
    begun = time.monotonic()
    place.refused(CURRENT)
    assert TIMEOUT <= time.monotonic() - begun < 2 * TIMEOUT


def test_an_agent_of_another_user_is_not_asked(place):
    """As root: the socket is root's, who listens is not.  An ordinary user
    has no second uid, and makes the folder writable instead."""
    place.serve(None)
    if os.geteuid() != 0:
        place.serve(verify)
        os.chmod(place.folder, 0o777)
        try:
            place.refused(CURRENT)
        finally:
            os.chmod(place.folder, 0o755)
        assert place.agent.requests == []
        return
    # Bound by root, so that the path looks right; then the listener is
    # somebody else.
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place.socket)
    os.chmod(place.socket, 0o666)
    ready, told = os.pipe()
    stranger = os.fork()
    if stranger == 0:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setresgid(54321, 54321, 54321)
            os.setresuid(54321, 54321, 54321)
            listener.listen(5)
            os.write(told, b"listening")
            while True:
                connection, _ = listener.accept()
                if connection.recv(4096):
                    os.write(told, b" and heard a request")
        os._exit(1)
    listener.close()
    os.close(told)
    try:
        assert os.read(ready, 100) == b"listening"
        place.refused(CURRENT)
    finally:
        os.kill(stranger, signal.SIGKILL)
        os.waitpid(stranger, 0)
        os.unlink(place.socket)
    assert os.read(ready, 100) == b""
    os.close(ready)


# ---- What it does to the server ------------------------------------------------

def attempts(place, n, password=CURRENT):
    """n logins at once, in threads: the list of (seconds, exception)."""
    ended = []

    def attempt():
        begun = time.monotonic()
        try:
            place.login(password).close()
            ended.append((time.monotonic() - begun, None))
        except psycopg.Error as e:
            ended.append((time.monotonic() - begun, e))

    threads = [threading.Thread(target=attempt) for _ in range(n)]
    for t in threads:
        t.start()
    return threads, ended


@pytest.fixture
def small_server(place):
    """max_connections = 20."""
    def restart(**settings):
        for name, value in settings.items():
            place.server.sql(f"alter system set {name} = {value}")
        place.server.restart()

    restart(max_connections=20, max_wal_senders=2)
    yield place
    place.server.sql("alter system reset all")
    place.server.restart()


def test_a_hung_agent_leaves_the_server_to_others(small_server):
    place = small_server
    place.serve(lambda *_: hang)
    place.login(OWN, "outside").close()
    begun = time.monotonic()
    threads, ended = attempts(place, 40)
    # The slots are full at first, of backends that wait for the agent.
    wait_for(lambda: len(place.agent.requests) >= 10, "the crowd")

    def others():
        with contextlib.suppress(psycopg.OperationalError):
            place.login(OWN, "outside").close()
            place.server.connect().close()
            return True

    wait_for(others, "a login of somebody else", 10, 0.02)
    usable = time.monotonic() - begun
    for t in threads:
        t.join(30)
    assert len(ended) == 40
    assert all(e is not None for _, e in ended)
    # Nobody waited for more than the one deadline of the module.
    assert max(seconds for seconds, _ in ended) < 2 * TIMEOUT + 1
    assert usable < 2 * TIMEOUT, f"others got in after {usable:.2f} s"
    for _, e in ended:
        assert "PAM authentication failed" in str(e) \
            or "too many clients" in str(e) \
            or "remaining connection slots" in str(e), e
    # And when the agent is back, so are they.
    place.serve(verify)
    place.login(CURRENT).close()


def test_authentication_timeout_holds(place):
    place.server.configure(authentication_timeout="2s")
    place.serve(lambda *_: hang)
    begun = time.monotonic()
    place.refused(CURRENT)
    assert time.monotonic() - begun < 2
    # A client that does not answer is the server's affair, and the module
    # does not stand in the way.
    slow = RawLogin(place.server.port, b"sap", b"raw")
    assert slow.wants_password()
    begun = time.monotonic()
    with pytest.raises((EOFError, Refused)) as e:
        slow._message()
        raise EOFError
    slow.close()
    assert 1 < time.monotonic() - begun < 4, e
    place.serve(verify)
    place.login(CURRENT).close()


def test_signals_do_not_lengthen_the_wait(place):
    place.serve(lambda *_: hang)
    threads, ended = attempts(place, 1)
    wait_for(lambda: place.agent.requests, "the request")
    backend = max(place.server.children())
    while threads[0].is_alive():
        # SIGUSR1 is what servers tell each other all the time.
        with contextlib.suppress(ProcessLookupError):
            os.kill(backend, signal.SIGUSR1)
        time.sleep(0.002)
    assert TIMEOUT <= ended[0][0] < 2 * TIMEOUT


def test_fifty_clients_at_once_get_their_own_answers(place):
    threads, right = attempts(place, 25)
    more, wrong = attempts(place, 25, "wrong")
    for t in threads + more:
        t.join(60)
    assert [e for _, e in right] == [None] * 25
    assert len(wrong) == 25 and all(e is not None for _, e in wrong)


@pytest.mark.parametrize("password,asked", [
    (b"", False), (b"p" * 512, True), (b"p" * 513, False),
    (b"p" * 65000, False), (b"two\nlines", False),
    (CURRENT.encode() + b"\n", False), (b"\xff\xfe", False)],
    ids=["0", "512", "513", "65000", "newline", "newline behind", "no UTF-8"])
def test_what_cannot_be_a_password_is_not_asked_about(place, password, asked):
    login = RawLogin(place.server.port, b"sap", b"raw")
    assert login.wants_password()
    with pytest.raises(Refused) as e:
        login.send(password)
    login.close()
    assert e.value.code in ("28000", "28P01")
    assert bool(place.agent.requests) is asked


def test_a_password_packet_beyond_all_limits_is_the_servers_to_refuse(place):
    for password in (b"p" * 65535, CURRENT.encode() + b"\0more"):
        login = RawLogin(place.server.port, b"sap", b"raw")
        assert login.wants_password()
        with pytest.raises((Refused, EOFError)):
            login.send(password)
        login.close()
    assert place.agent.requests == []
    place.login(CURRENT).close()


@pytest.mark.parametrize("name", [
    b"ghost", b"x" * 9000, b"s\x1b[31map", b"sap\n", b"\xff\xfe\xfd",
    b"'; drop role sap; --"], ids=["unknown", "9000 bytes", "escape",
                                   "newline", "no UTF-8", "quotes"])
def test_a_name_that_nobody_has_is_refused(place, name):
    login = RawLogin(place.server.port, name, b"raw")
    try:
        with pytest.raises((Refused, EOFError)) as e:
            if login.wants_password():
                login.send(CURRENT.encode())
    finally:
        login.close()
    if isinstance(e.value, Refused):
        assert e.value.code == "28000"
    for operation, request in place.agent.requests:
        assert request["USER"] != "sap"
    place.login(CURRENT).close()


def test_a_role_name_of_64_kib_does_not_reach_the_agent(place):
    login = RawLogin(place.server.port, b"r" * 65536, b"raw")
    with contextlib.suppress(Refused, EOFError, ConnectionError):
        login.wants_password()
    login.close()
    assert place.agent.requests == []


# ---- PgBouncer -------------------------------------------------------------------

POOLER = """
[databases]
* = host=127.0.0.1 port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = pam
pool_mode = session
server_tls_sslmode = require
client_tls_sslmode = require
client_tls_cert_file = {folder}/cert.pem
client_tls_key_file = {folder}/key.pem
ignore_startup_parameters = extra_float_digits
server_login_retry = 1
"""


def pooler_program():
    found = [p for p in ("/usr/sbin/pgbouncer", "/usr/bin/pgbouncer")
             if os.path.exists(p)]
    assert found, "install pgbouncer (./dev test does)"
    return found[0]


@pytest.fixture
def pooler(place):
    """pooler(options): the port of a PgBouncer that asks the module, service
    "pgbouncer", with these options."""
    folder = os.path.join(place.server.folder, "pooler")
    os.makedirs(folder, exist_ok=True)
    own(folder)
    made = []

    def file(name, content):
        path = os.path.join(folder, name)
        with open(path, "w") as f:
            f.write(content)
        os.chmod(path, 0o600)
        own(path)
        return path

    def start(options="grace=no"):
        listen = free_port()
        cert, key = place.server.authority.issue("pooler")
        for name, source in (("cert.pem", cert), ("key.pem", key)):
            with open(source) as f:
                file(name, f.read())
        ini = file("pgbouncer.ini", POOLER.format(
            port=place.server.port, listen=listen, folder=folder))
        # Before it starts: the wrapper reads services once for a process.
        place.services.keyturn(
            "pgbouncer", f"socket={place.socket} timeout=200 {options}")
        process = subprocess.Popen(
            as_account([pooler_program(), "-q", ini]), cwd="/",
            env={**environment(), **place.services.environment},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        made.append(process)

        def answers():
            assert process.poll() is None, "PgBouncer ended"
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", listen)) == 0

        wait_for(answers, "PgBouncer to start")
        return listen

    yield start
    for process in made:
        process.terminate()
        process.wait()


def through(place, port, password):
    return place.login(password, port=port, sslmode="require")


def test_pgbouncer_asks_the_module(place, pooler):
    port = pooler()
    with through(place, port, CURRENT) as c:
        assert c.execute("select current_user").fetchone() == ("sap",)
    with pytest.raises(psycopg.OperationalError, match="PAM|auth"):
        through(place, port, "wrong")
    assert [r["SERVICE"] for _, r in place.agent.requests] \
        == ["pgbouncer", "keyturn", "pgbouncer"]


def test_the_previous_password_does_not_spoil_pgbouncers_connections(
        place, pooler):
    """With grace=no there, as docs/pam.md says: else it would log in to the
    server with it, for everybody."""
    port = pooler("grace=no")
    place.services.keyturn("keyturn", f"socket={place.socket} grace=no")
    with through(place, port, CURRENT) as c:
        with pytest.raises(psycopg.OperationalError):
            through(place, port, PREVIOUS)
        c.execute("select 1")
        with through(place, port, CURRENT) as d:
            d.execute("select 1")


def test_with_the_grace_in_both_the_previous_password_does_no_harm(
        place, pooler):
    port = pooler("grace=yes")
    with through(place, port, CURRENT) as c:
        with through(place, port, PREVIOUS) as d:
            assert d.execute("select 1").fetchone() == (1,)
            # The next server connection is made with that one.
            with through(place, port, CURRENT) as e:
                assert e.execute("select 1").fetchone() == (1,)
        assert c.execute("select 1").fetchone() == (1,)


def test_pgbouncer_lives_through_a_hung_agent(place, pooler):
    """One thread, a queue of 20: an open session waits for as many deadlines
    as there are logins over that."""
    port = pooler()
    with through(place, port, CURRENT) as c:
        place.serve(lambda *_: hang)
        crowd = []

        def attempt():
            try:
                through(place, port, CURRENT).close()
                crowd.append(None)
            except psycopg.Error as e:
                crowd.append(e)
        threads = [threading.Thread(target=attempt) for _ in range(30)]
        for t in threads:
            t.start()
        wait_for(lambda: place.agent.requests, "the first of the crowd")
        begun = time.monotonic()
        c.execute("select 42")
        waited = time.monotonic() - begun
        for t in threads:
            t.join(60)
        assert len(crowd) == 30 and None not in crowd
        assert waited < 30 * 0.2 + 1, waited
    place.serve(verify)
    through(place, port, CURRENT).close()


# ---- pamtester ---------------------------------------------------------------------

def test_pamtester_authenticates_and_is_refused(place):
    done = place.services.test("keyturn", "sap", "authenticate", "acct_mgmt",
                               said=CURRENT + "\n", rhost="192.0.2.7")
    assert done.returncode == 0, done.stderr
    assert place.agent.requests[-1][1]["RHOST"] == "192.0.2.7"
    done = place.services.test("keyturn", "sap", "authenticate",
                               said="wrong\n")
    assert done.returncode == 1
    assert "Authentication failure" in done.stderr
    done = place.services.test("keyturn", "ghost", "authenticate",
                               said="wrong\n")
    assert done.returncode == 1 and "User not known" in done.stderr
    done = place.services.test("keyturn", "sap", "acct_mgmt")
    assert done.returncode == 1
    place.serve(None)
    done = place.services.test("keyturn", "sap", "authenticate",
                               said=CURRENT + "\n")
    assert done.returncode == 1
    assert "cannot retrieve authentication info" in done.stderr


def test_pamtester_asks_for_a_rotation(place):
    done = place.services.test("keyturn", "sap", "chauthtok")
    assert done.returncode == 0, done.stderr
    assert "new password of sap was asked for" in done.stdout + done.stderr
    assert [o for o, _ in place.agent.requests] == ["VERSION", "ROTATE"]
    done = place.services.test("keyturn", "ghost", "chauthtok")
    assert done.returncode == 1


def test_the_stack_of_the_manual_opens_no_session(place):
    done = place.services.test("keyturn", "sap", "open_session")
    assert done.returncode == 1
