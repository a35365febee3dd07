# SPDX-License-Identifier: PostgreSQL
"""keyturn-credential with the real agent, a real store and a real PostgreSQL:
clients that know nothing of keyturn log in with the current password, also
while it changes."""

import base64
import json
import os
import re
import sys
import tempfile
import threading
import time

import psycopg
import pytest

from rig.agent import everything
from rig.helper import Helper
from rig.server import wait_for

ROTATIONS = 100


@pytest.fixture
def agent(taken_over, new_agent):
    return new_agent(taken_over,
                     roles={"sap": everything() + "\nevery = 30d"})


@pytest.fixture
def helper(agent, taken_over, folder):
    return Helper(agent, taken_over, tempfile.mkdtemp(dir=folder))


# -- get ----------------------------------------------------------------------

def test_every_form_logs_in(helper, taken_over):
    current = taken_over.current()
    assert helper.get().out == current.password + "\n"
    for form in ("uri", "conninfo"):
        given = helper.get("-f", form, "-z").out
        with psycopg.connect(given, connect_timeout=10,
                             sslrootcert=helper.environment["PGSSLROOTCERT"],
                             passfile="/dev/null") as c:
            assert c.execute("select current_user").fetchone() == ("sap",)
    found = json.loads(helper.get("-f", "json").out)
    assert found["password"] == current.password
    assert found["version"] == current.id and found["stale"] is False
    assert found["expires_at"] > found["rotated_at"] > "2020"
    assert taken_over.login(found["password"], found["username"])
    # A passfile and an env file, written by their users.
    helper.run("sh", "-c", "umask 077; keyturn-credential get -r sap -f pgpass"
               " >mine.pgpass && PGPASSFILE=mine.pgpass psql -w -h 127.0.0.1"
               f" -p {taken_over.server.port} -U sap -d"
               f" {taken_over.database} -c 'select 1'", expect=0)
    helper.run("sh", "-c", "umask 077; keyturn-credential get -r sap -f env"
               " >mine.env && set -a && . ./mine.env && psql -w -c 'select 1'",
               expect=0)
    os.unlink(os.path.join(helper.home, "mine.pgpass"))
    os.unlink(os.path.join(helper.home, "mine.env"))


def test_a_role_is_found_by_its_connection(helper, taken_over):
    port = str(taken_over.server.port)
    password = taken_over.current().password
    for keys in (["--user", "sap"], ["-U", "sap", "-h", "127.0.0.1"],
                 ["-U", "sap", "-h", "127.0.0.1", "-p", port, "-d",
                  taken_over.database, "--realm", "main"]):
        assert helper.credential("get", *keys, expect=0).out \
            == password + "\n"
    helper.credential("get", "-U", "sap", "-h", "other", expect=3)
    helper.credential("get", "-U", "sap", "-p", "1", expect=3)
    helper.credential("get", "-r", "sap", "--realm", "other", expect=3)
    helper.credential("get", "-r", "nobody", expect=3)


def test_who_may_not_read_is_denied(taken_over, new_agent, folder):
    rights = f"listers = uid:{os.getuid()}"
    agent = new_agent(taken_over, roles={"sap": rights})
    helper = Helper(agent, taken_over, tempfile.mkdtemp(dir=folder))
    done = helper.credential("get", "-r", "sap", expect=4)
    assert done.out == "" and "not permitted" in done.err
    helper.execute("true", expect=4)
    assert helper.credential("list", expect=0).out == "sap\n"
    row, = json.loads(helper.credential("list", "-f", "json", expect=0).out)
    assert row["version"] == taken_over.current().id


def test_each_hand_out_is_in_the_agents_audit(helper, agent, taken_over):
    helper.get()
    helper.execute("true", expect=0)
    # The same again within a minute is counted, and written with the next.
    event = agent.events("handout")[0]
    assert event["role"] == "sap" and f"uid {os.getuid()}" in event["actor"]
    assert event["version"] == taken_over.current().id


def test_waiting_for_another_version_bridges_a_rotation(helper, agent,
                                                        taken_over):
    old = taken_over.current()
    begun = time.monotonic()
    helper.credential("get", "-r", "sap", "--not-version", old.id, "--wait",
                      "1s", expect=6)
    assert 0.9 < time.monotonic() - begun < 8
    waiting = helper.popen("keyturn-credential", "get", "-r", "sap",
                           "--not-version", old.id, "--wait", "30s",
                           "-f", "json")
    helper.rotate()
    out, _ = waiting.communicate(timeout=30)
    found = json.loads(out)
    new = taken_over.current()
    assert waiting.returncode == 0 and new.id != old.id
    assert (found["version"], found["password"]) == (new.id, new.password)
    # Whoever comes later is not kept waiting.
    helper.get("--not-version", old.id, "--wait", "5s")


def test_refresh_asks_the_store(taken_over, new_agent, folder):
    agent = new_agent(taken_over, refresh="1h")
    helper = Helper(agent, taken_over, tempfile.mkdtemp(dir=folder))
    old = taken_over.current()
    helper.get()
    taken_over.run("rotate", "sap", expect=0)
    assert helper.get().out == old.password + "\n"
    helper.get("--refresh", "--not-version", old.id, "--wait", "10s")
    assert helper.get().out == taken_over.current().password + "\n"


def test_watch_tells_of_rotations(helper, agent, taken_over):
    versions = [taken_over.current().id]
    process = helper.popen("keyturn-credential", "watch", "-r", "sap")
    lines = [process.stdout.readline().decode()]
    for _ in range(2):
        helper.rotate()
        versions.append(taken_over.current().id)
        lines.append(process.stdout.readline().decode())
    process.terminate()
    _, err = process.communicate()
    helper.keep(err + "".join(lines).encode())
    assert [line.split()[1:] for line in lines] == [["sap", v]
                                                    for v in versions]


def test_version_names_the_agent(helper):
    out = helper.credential("version", expect=0).out
    assert re.fullmatch(r"keyturn-credential \S+\nagent: keyturn-agent \S+\n",
                        out)


# -- exec ---------------------------------------------------------------------

PSYCOPG = """
import psycopg
with psycopg.connect() as c:
    print(c.execute("select current_user || ' ' || count(*) from "
                    "pg_stat_ssl where pid = pg_backend_pid() and ssl")
          .fetchone()[0])
"""


def test_libpq_programs_log_in_under_exec(helper, taken_over):
    mark = taken_over.server.mark()
    done = helper.execute("psql", "-w", "-Atc", "select current_user",
                          expect=0)
    assert done.out == "sap\n"
    # Its children too, and other databases of the server.
    done = helper.execute("sh", "-c", "psql -wAtc 'select 1'; psql -wAtc "
                          "'select current_database()' -d postgres", expect=0)
    assert done.out == "1\npostgres\n"
    done = helper.execute("pg_dump", "-w", "--schema-only", "--no-comments",
                          "-N", "keyturn", expect=0)
    assert "PostgreSQL database dump complete" in done.out
    # -C: a login for each transaction.
    done = helper.execute("pgbench", "-n", "-C", "-t", "5", "-c", "2", "-f",
                          "/dev/stdin", stdin="select 1;\n", expect=0)
    assert "10/10" in done.out
    done = helper.execute(sys.executable, "-c", PSYCOPG, expect=0)
    assert done.out == "sap 1\n"
    right, wrong = taken_over.server.logins(mark, "sap")
    assert right >= 16 and wrong == 0
    assert helper.files() == []


def test_nothing_is_to_be_seen_of_the_password(helper, taken_over):
    before = set(os.listdir("/dev/shm"))
    process = helper.popen("keyturn-credential", "exec", "-r", "sap", "--",
                           "sh", "-c", "psql -w -c 'select pg_sleep(60)'; :")

    def session():
        return taken_over.server.sql(
            "select pid from pg_stat_activity where usename = 'sap' and "
            "query like '%pg_sleep(60)%'")
    wait_for(session, "psql's session")
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as f:
        child, = f.read().split()
    with open(f"/proc/{child}/cmdline") as f:
        assert "pg_sleep" in f.read()
    for pid in (process.pid, child):
        helper.keep_process(pid)
    assert helper.files() == [] and set(os.listdir("/dev/shm")) <= before
    # The search would have found it, had it been there.
    passfile = [fd for fd in os.listdir(f"/proc/{child}/fd")
                if "keyturn-pgpass" in os.readlink(f"/proc/{child}/fd/{fd}")]
    with open(f"/proc/{child}/fd/{passfile[0]}") as f:
        assert taken_over.current().password in f.read()
    taken_over.server.sql("select pg_terminate_backend(%s)", session()[0])
    process.communicate(timeout=30)


def test_a_password_of_the_caller_is_not_used(helper):
    old = {"PGPASSWORD": "wrong", "PGPASSFILE": "/nowhere/pgpass"}
    assert helper.execute("psql", "-wAtc", "select 1", environment=old,
                          expect=0).out == "1\n"


def test_another_server_is_not_given_the_password(helper, taken_over,
                                                  new_server):
    other = new_server()
    other.sql("create role sap login password 'x'")
    done = helper.execute("psql", "-w", "-h", "127.0.0.1", "-p",
                          str(other.port), "-d", "postgres", expect=2)
    assert "no password supplied" in done.err


# -- exec while the password changes ------------------------------------------

def in_the_gap(site):
    """A rotation that has applied the new password and stands before making
    it current."""
    mark = site.server.mark()
    old = site.current()

    def applied(effect):
        return "alter role" in site.server.log_since(mark).lower() and \
            not site.login(old.password)
    return old, site.stop_before(applied, "rotate", "sap")


def test_exec_without_retry_fails_in_the_gap(helper, taken_over):
    _, rotation = in_the_gap(taken_over)
    done = helper.execute("psql", "-w", "-c", "select 1", expect=2)
    assert "password authentication failed" in done.err
    finish_step_by_step(rotation)
    helper.agent.push(version=taken_over.current().id)
    helper.agent.wait_version(taken_over.current().id)
    helper.execute("psql", "-w", "-c", "select 1", expect=0)


def test_exec_with_retry_bridges_the_gap(helper, agent, taken_over):
    old, rotation = in_the_gap(taken_over)
    mark = taken_over.server.mark()
    process = helper.popen("keyturn-credential", "exec", "-r", "sap",
                           "--retry=2", "--wait", "30s", "--", "psql", "-wAtc",
                           "select 1")
    wait_for(lambda: taken_over.server.logins(mark, "sap")[1] == 1,
             "a failed login")
    assert process.poll() is None
    finish_step_by_step(rotation)
    new = taken_over.current()
    agent.push(version=new.id)
    out, err = process.communicate(timeout=60)
    helper.keep(err)
    assert process.returncode == 0 and out == b"1\n"
    assert f"{old.id} is superseded by {new.id}" in err.decode()
    assert taken_over.server.logins(mark, "sap")[1] == 1


def finish_step_by_step(rotation):
    """Let a run that is stopped before each of its effects go on to its
    end."""
    while True:
        rotation.go_on()
        if not rotation.wait_stopped():
            break
    assert rotation.finish().exit == 0


@pytest.mark.slow
def test_a_loop_of_exec_never_fails_across_100_rotations(helper, agent,
                                                         taken_over):
    mark = taken_over.server.mark()
    failures, again, runs = [], [0], [0]
    stop = threading.Event()

    def loop():
        while not stop.is_set():
            done = helper.execute("psql", "-wAtc", "select current_user",
                                  options=("--retry=2",))
            again[0] += "once more" in done.err
            if (done.code, done.out) != (0, "sap\n"):
                failures.append(done)
            runs[0] += 1
    loops = [threading.Thread(target=loop) for _ in range(2)]
    for thread in loops:
        thread.start()
    try:
        for _ in range(ROTATIONS):
            helper.rotate()
            # A second rotation within one command's life is beyond what one
            # repetition can bridge, and beyond any schedule.
            passed = runs[0] + 4
            wait_for(lambda: runs[0] >= passed or failures,
                     "the loops to go on", 60)
            assert not failures
    finally:
        stop.set()
        for thread in loops:
            thread.join()
    assert not failures
    right, wrong = taken_over.server.logins(mark, "sap")
    assert runs[0] >= 2 * ROTATIONS
    # The rotations were met, or this would prove nothing.
    assert again[0] >= 5, (again, wrong)
    assert wrong == again[0], "a failed login was not that of a repetition"


# -- protocols ----------------------------------------------------------------

def git(helper, *argv, stdin, **options):
    return helper.run("git", "-c", "credential.helper=", "-c",
                      "credential.helper=keyturn", "credential", *argv,
                      stdin=stdin,
                      environment={"GIT_TERMINAL_PROMPT": "0",
                                   "GIT_CONFIG_NOSYSTEM": "1"}, **options)


def test_git_fills_and_rejects_through_it(helper, agent, taken_over):
    port = taken_over.server.port
    asked = f"protocol=postgresql\nhost=127.0.0.1:{port}\nusername=sap\n\n"
    done = git(helper, "fill", stdin=asked, expect=0)
    found = dict(line.split("=", 1) for line in done.out.splitlines())
    assert found["password"] == taken_over.current().password
    # git itself knows this one since 2.40 and drops it before.
    given = helper.run("git-credential-keyturn", "get", stdin=asked, expect=0)
    expiry = re.search(r"^password_expiry_utc=(\d+)$", given.out, re.M)
    assert time.time() < int(expiry[1]) < time.time() + 31 * 86400
    git(helper, "approve", stdin=done.out, expect=0)
    git(helper, "reject", stdin=done.out, expect=0)
    # What is not ours is left to other helpers, without a word.
    for other in ("protocol=https\nhost=example.com\n\n",
                  f"protocol=postgresql\nhost=127.0.0.1:{port}\n"
                  "username=nobody\n\n",
                  "protocol=postgresql\nhost=127.0.0.1\n\n"):
        done = helper.run("git-credential-keyturn", "get", stdin=other,
                          expect=0)
        assert (done.out, done.err) == ("", "")
    helper.run("git-credential-keyturn", "frobnicate", stdin="", expect=0)


def test_git_reject_makes_the_agent_ask_the_store(taken_over, new_agent,
                                                  folder):
    agent = new_agent(taken_over, refresh="1h")
    helper = Helper(agent, taken_over, tempfile.mkdtemp(dir=folder))
    old = helper.get().out.strip()
    taken_over.run("rotate", "sap", expect=0)
    git(helper, "reject", expect=0, stdin="protocol=postgresql\n"
        f"host=127.0.0.1\nusername=sap\npassword={old}\n\n")
    agent.wait_version(taken_over.current().id)


def test_docker_gets_its_json_and_its_errors(helper, taken_over):
    port = taken_over.server.port
    url = f"postgresql://sap@127.0.0.1:{port}/{taken_over.database}"

    def docker(operation, stdin="", expect=0):
        done = helper.run("docker-credential-keyturn", operation, stdin=stdin,
                          expect=expect)
        assert done.err == ""
        return done.out
    assert json.loads(docker("get", url)) == {
        "ServerURL": url, "Username": "sap",
        "Secret": taken_over.current().password}
    assert json.loads(docker("list")) == {url: "sap"}
    assert docker("get", f"postgresql://nobody@127.0.0.1:{port}", 1) \
        == "credentials not found in native keychain\n"
    assert docker("get", "https://index.docker.io/v1/", 1) \
        == "credentials not found in native keychain\n"
    assert docker("get", "\n", 1) == "no credentials server URL\n"
    assert docker("store", '{"ServerURL":"x","Secret":"y"}', 1) \
        == "no credentials username\n"
    assert docker("fetch", "", 1) \
        == "docker-credential-keyturn: unknown action: fetch\n"
    foreign = {"ServerURL": "registry.example.com", "Username": "a"}
    said = docker("store", json.dumps({**foreign, "Secret": "y"}), 1)
    assert "credHelpers" in said and "y" not in said.split(), said
    assert docker("get", "postgresql://sap@/", 1) \
        == "credentials not found in native keychain\n"
    stored = json.dumps({"ServerURL": url, "Username": "sap", "Secret": "y"})
    assert docker("store", stored) == "" and docker("erase", url) == ""
    assert docker("version").startswith("docker-credential-keyturn (")


def test_docker_lists_what_it_gets(taken_over, new_agent, folder):
    agent = new_agent(taken_over, cluster="host = a.example.com,127.0.0.1")
    helper = Helper(agent, taken_over, tempfile.mkdtemp(dir=folder))
    name = "docker-credential-keyturn"
    end = f"{taken_over.server.port}/{taken_over.database}"
    listed = json.loads(helper.run(name, "list", expect=0).out)
    assert listed == {f"postgresql://sap@{host}:{end}": "sap"
                      for host in ("a.example.com", "127.0.0.1")}
    for url in (*listed, f"postgresql://sap@A.Example.Com:{end}"):
        found = json.loads(helper.run(name, "get", stdin=url, expect=0).out)
        assert found["Secret"] == taken_over.current().password


def test_bazel_gets_headers_and_more(helper, taken_over):
    port = taken_over.server.port
    done = helper.run("keyturn-bazel", "get", expect=0, stdin=json.dumps(
        {"uri": f"postgresql://sap@127.0.0.1:{port}", "later": [1]}))
    found = json.loads(done.out)
    assert found["headers"] == {} and found["username"] == "sap"
    assert found["password"] == taken_over.current().password
    assert found["expires"].endswith("Z")
    done = helper.run("keyturn-bazel", "get", expect=0,
                      stdin='{"uri":"https://example.com/x"}')
    assert json.loads(done.out) == {"headers": {}}


def test_summon_calls_and_streams(helper, taken_over):
    current = taken_over.current()

    def call(path, expect=0):
        return helper.run("keyturn-summon", path, expect=expect).out.strip()
    assert call("sap") == call("main/sap/password") == current.password
    assert call("sap/username") == "sap"
    assert call("main/sap/version") == current.id
    assert call("nobody", 3) == call("other/sap", 3) == ""
    done = helper.run("keyturn-summon", "sap/nofield", expect=3)
    assert '"nofield" is not a field' in done.err, done.err
    with psycopg.connect(call("sap/uri"), passfile="/dev/null",
                         sslrootcert=helper.environment["PGSSLROOTCERT"]):
        pass
    # As summon does: all paths are written while the answers are read, and
    # standard input stays open.
    process = helper.popen("keyturn-summon", stdin=-1, bufsize=0)
    for path, value in (("sap", current.password),
                        ("main/sap/username", "sap"),
                        ("sap/version", current.id)):
        process.stdin.write(path.encode() + b"\n")
        line = process.stdout.readline()
        assert base64.b64decode(line, validate=False).decode() == value
    process.stdin.write(b"nobody\nsap\n")
    out, err = process.communicate(timeout=30)
    # Values are paired with paths by their order: none after a failure.
    assert process.returncode == 3 and out == b"" and b"nobody" in err
    assert "--version" and helper.run("keyturn-summon", "--version",
                                      expect=0).out.strip()


def test_botocore_takes_it_as_a_credential_process(helper, taken_over,
                                                   monkeypatch):
    from botocore.credentials import ProcessProvider
    for name, value in helper.environment.items():
        monkeypatch.setenv(name, value)
    provider = ProcessProvider("keyturn", lambda: {"profiles": {"keyturn": {
        "credential_process":
            "keyturn-credential get --role sap --format aws"}}})
    found = provider.load().get_frozen_credentials()
    assert found.access_key == "sap"
    assert found.secret_key == taken_over.current().password
