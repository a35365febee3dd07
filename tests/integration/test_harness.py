# SPDX-License-Identifier: PostgreSQL
"""The tests' own tools: what they cannot notice, no test proves."""

import base64
import os
import signal
import subprocess
import sys
import textwrap

import psycopg
import pytest

from rig import fault, leaks
from rig.server import wait_for

SECRET = b"kT7_secret.of-the-harness-9fQz-1"


# ---- Servers ----------------------------------------------------------------

def verifier(server, role, password):
    with server.connect() as c:
        return c.pgconn.encrypt_password(password, role.encode(),
                                         b"scram-sha-256").decode()


def attempt(server, password, **more):
    return psycopg.connect(host="127.0.0.1", port=server.port, user="probe",
                           dbname="postgres", password=password,
                           connect_timeout=5, passfile="/dev/null", **more)


@pytest.fixture
def probe(server):
    server.sql("create role probe login password '"
               + verifier(server, "probe", SECRET) + "'")
    yield server
    server.sql("drop role probe")


def test_a_right_password_logs_in_over_verified_tls(probe):
    with attempt(probe, SECRET.decode(), sslmode="verify-full",
                 sslrootcert=probe.authority.certificate) as c:
        assert c.execute("select ssl from pg_stat_ssl where pid = "
                         "pg_backend_pid()").fetchone() == (True,)


def test_a_wrong_password_is_refused_and_the_server_says_so(probe):
    mark = probe.mark()
    with pytest.raises(psycopg.OperationalError,
                       match="password authentication failed"):
        attempt(probe, "wrong", sslmode="verify-full",
                sslrootcert=probe.authority.certificate)
    assert probe.logins(mark, "probe") == (0, 1)


def test_nobody_comes_in_without_tls(probe):
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        attempt(probe, SECRET.decode(), sslmode="disable")


def test_an_expired_certificate_is_refused(probe):
    probe.set_certificate(*probe.authority.issue(
        "expired", ends="20210101000000Z"))
    probe.reload()
    try:
        with pytest.raises(psycopg.OperationalError, match="verify failed"):
            attempt(probe, SECRET.decode(), sslmode="verify-full",
                    sslrootcert=probe.authority.certificate)
    finally:
        probe.set_certificate(*probe.authority.issue("server"))
        probe.reload()


def test_every_statement_is_in_the_servers_log(server):
    mark = server.mark()
    server.sql("select 'seen by the log'")
    assert "statement: select 'seen by the log'" in server.log_since(mark)


def test_a_server_survives_a_crash_and_a_restore(new_server):
    server = new_server()
    server.sql("create table t (i int)")
    copy = server.keep_data("copy")
    server.sql("insert into t values (1)")
    server.restart("immediate")
    assert server.sql("select count(*) from t") == [(1,)]
    server.put_back_data(copy)
    assert server.sql("select count(*) from t") == [(0,)]


def test_a_standby_can_be_promoted(new_server):
    server = new_server()
    standby = new_server(standby_of=server)
    assert standby.sql("select pg_is_in_recovery()") == [(True,)]
    server.stop("immediate")
    standby.sql("select pg_promote()")
    assert standby.sql("select pg_is_in_recovery()") == [(False,)]


def has_ended(pid):
    """Also when nobody takes note of it, as in a container without an init."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_servers_end_when_the_tests_are_killed(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         "-s", __file__, "-k", "hangs_when_asked"],
        env={**os.environ, "HANG": "1"}, stdout=subprocess.PIPE, text=True)
    pid = next(int(line.split()[1]) for line in child.stdout
               if line.startswith("postmaster "))
    assert os.path.exists(f"/proc/{pid}")
    child.kill()
    child.wait()
    child.stdout.close()
    wait_for(lambda: has_ended(pid),
             "the server to end with the killed tests")


def test_a_run_hangs_when_asked(server):
    """Is the child of the test above; by itself only starts a server."""
    if os.environ.get("HANG"):
        print(f"\npostmaster {server.process.pid}", flush=True)
        signal.pause()
    assert server.answers()


# ---- Faults -----------------------------------------------------------------

PROGRAM = """
    import os, sqlite3, sys
    folder = sys.argv[1]
    def write(name, content):
        fd = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT)
        os.write(fd, content)
        os.fsync(fd)
        os.close(fd)
    write("a", b"1234")
    os.rename(os.path.join(folder, "a"), os.path.join(folder, "b"))
    base = sqlite3.connect(os.path.join(folder, "db"))
    base.execute("pragma journal_mode = wal")
    base.execute("pragma synchronous = full")
    base.execute("create table t (i)")
    base.commit()
    if len(sys.argv) > 2:
        import psycopg
        psycopg.connect(sys.argv[2]).execute("select 1")
    write("end", b"end")
"""


@pytest.fixture
def program(shim, tmp_path):
    def run(what, *arguments):
        folder = tmp_path / what.replace(":", "-")
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-B", "-c", textwrap.dedent(PROGRAM), folder,
             *arguments], capture_output=True, text=True,
            env={**os.environ, **fault.environment(
                shim, what, str(folder), str(folder) + ".trace")})
        return done, folder, fault.read_trace(str(folder) + ".trace")
    return run


def test_the_shim_counts_files_sqlite_and_libpq_under_tls(program, server):
    server.hba("hostssl all postgres 127.0.0.1/32 trust")
    done, _, effects = program(
        "count", f"host=127.0.0.1 port={server.port} user=postgres "
        "dbname=postgres sslmode=require")
    assert done.returncode == 0, done.stderr
    assert [e.number for e in effects] == list(range(1, len(effects) + 1))
    calls = [e.call for e in effects]
    assert calls[:3] == ["write", "fsync", "rename"]
    assert any(e.call.startswith("pwrite") and e.target.endswith("db-wal")
               for e in effects)
    assert any(e.call in ("fsync", "fdatasync") and e.target.endswith("db-wal")
               for e in effects)
    port = str(server.port)
    assert [e for e in effects if e.call == "connect" and e.target == port]
    # ClientHello, key exchange, startup, the query, goodbye at least.
    assert len([e for e in effects if e.sends and e.target == port]) >= 5


def test_the_shim_kills_before_within_and_after_an_effect(program):
    done, folder, _ = program("kill-before:1")
    assert done.returncode == -signal.SIGKILL
    assert (folder / "a").read_bytes() == b""
    done, folder, _ = program("kill-within:1")
    assert done.returncode == -signal.SIGKILL
    assert (folder / "a").read_bytes() == b"12"
    done, folder, _ = program("kill-after:1")
    assert done.returncode == -signal.SIGKILL
    assert (folder / "a").read_bytes() == b"1234"
    done, folder, _ = program("kill-before:3")
    assert not (folder / "b").exists()
    done, folder, _ = program("kill-after:3")
    assert (folder / "b").exists() and not (folder / "db").exists()


def test_the_shim_fills_the_disk_and_fails_one_effect(program):
    done, folder, _ = program("enospc-from:1")
    assert done.returncode == 1 and "No space left" in done.stderr
    done, folder, _ = program("enospc-from:4")
    assert done.returncode == 1 and "full" in done.stderr
    assert (folder / "b").exists() and not (folder / "end").exists()
    done, folder, _ = program("fail-at:2")
    assert done.returncode == 1 and "Input/output error" in done.stderr


def test_the_shim_refuses_what_it_does_not_understand(program):
    done, _, _ = program("kill-befor:1")
    assert done.returncode == 125
    done, _, _ = program("kill-before:x")
    assert done.returncode == 125


# ---- The search for secrets -------------------------------------------------

@pytest.mark.parametrize("written", [
    SECRET, b"x" + base64.b64encode(SECRET), base64.b64encode(b"u:" + SECRET),
    base64.b64encode(b"user:" + SECRET + b"more"), SECRET.hex().encode(),
    SECRET.hex().upper().encode(), SECRET[:16], SECRET[16:],
    SECRET.decode().encode("utf-16-le"), SECRET[::-1],
    b"%" + SECRET.hex("%").encode(),
], ids=lambda w: w[:12].hex())
def test_a_secret_is_found_in_any_form(tmp_path, written):
    file = tmp_path / "file"
    file.write_bytes(b"\0\xff noise\n" * 1000 + written + b"\0\n more")
    assert leaks.search([str(file)], {SECRET: "it"})


def test_nothing_is_found_where_nothing_is(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(os.urandom(1 << 20))
    assert leaks.search([str(file)], {SECRET: "it", b"a'b%c\n\0d": "odd"}) == []


def test_a_password_in_plain_sql_is_found_in_the_servers_log(server, tmp_path):
    mark = server.mark()
    server.sql(f"create role leaky password '{SECRET.decode()}'")
    server.sql("drop role leaky")
    file = tmp_path / "log"
    file.write_text(server.log_since(mark))
    assert leaks.search([str(file)], {SECRET: "it"})
