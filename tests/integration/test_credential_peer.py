# SPDX-License-Identifier: PostgreSQL
"""keyturn-credential against an agent that lies, stalls and refuses, and a
caller that closes, fills and floods: no secret goes where it must not, and the
exit code says what was wrong."""

import json
import os
import pty
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from rig.scripted_agent import (OPERATION, RESULT, SOURCE, ScriptedAgent,
                                fields, frame, reply)

FIRST = "cc464a44-9f1a-4a55-8f0e-3f6f6f1c2d3e"
SECOND = "dd464a44-9f1a-4a55-8f0e-3f6f6f1c2d3e"
PASSWORD = "S3cret-'of\\the:test"


def description(**more):
    return {"ROLE": "sap", "USER": "sap", "HOST": "127.0.0.1", "PORT": "5432",
            "DBNAME": "shop", "SSLMODE": "require", "VERSION": FIRST, **more}


def secret(**more):
    return reply("GET", **{**description(), "PASSWORD": PASSWORD, **more})


class Caller:
    """Runs keyturn-credential against what `answer` says."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = folder
        self.agent = ScriptedAgent(
            folder, lambda operation, request:
            self.answer(operation, request))
        self.answer = lambda operation, request: (
            secret() if operation == "GET" else reply(operation))
        self.environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C",
                            "KEYTURN_SOCKET": self.agent.path}

    @property
    def asked(self):
        return [operation for operation, _ in self.agent.requests]

    def popen(self, *argv, program=None, environment=None, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(
            [self.binary if program is None else program, *argv],
            env={**self.environment, **(environment or {})}, **options)

    def run(self, *argv, stdin=b"", expect=None, secret_out=False, **options):
        """stdin: what to send through a pipe, or a descriptor."""
        piped = isinstance(stdin, bytes)
        process = self.popen(
            *argv, stdin=subprocess.PIPE if piped else stdin, **options)
        out, err = process.communicate(stdin if piped else None, 30)
        assert PASSWORD.encode() not in err
        if not secret_out and process.returncode != 0:
            assert PASSWORD.encode() not in (out or b"")
        if expect is not None:
            assert process.returncode == expect, (out, err)
        return subprocess.CompletedProcess(argv, process.returncode,
                                           (out or b"").decode(), err.decode())


@pytest.fixture
def caller(tools, tmp_path):
    os.chmod(tmp_path, 0o700)
    made = Caller(os.path.join(os.path.dirname(tools.binary),
                               "keyturn-credential"), str(tmp_path))
    yield made
    made.agent.close()


# -- what comes back ----------------------------------------------------------

def test_the_program_needs_the_c_library_and_nothing_else(caller):
    done = subprocess.run(["readelf", "-d", caller.binary],
                          capture_output=True, text=True, check=True)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", done.stdout)
    # The sanitizers' own libraries are linked statically or say so.
    assert [n for n in needed if not re.match(r"lib(asan|ubsan|m|gcc_s)\.so",
                                              n)] == ["libc.so.6"]


def test_every_result_has_its_exit_code_and_sentence(caller):
    with open(os.path.join(SOURCE, "src", "wire", "wire.def")) as f:
        rows = re.findall(r'^WIRE_RESULT\((\w+), \d+, (\d+), \w+, "(.*)"\)',
                          f.read(), re.M)
    assert len(rows) == len(RESULT) > 5
    for name, code, sentence in rows:
        if code == "0":
            continue
        caller.answer = lambda operation, _: reply(operation, name)
        done = caller.run("get", "-r", "sap", expect=int(code))
        assert sentence in done.stderr and 'role "sap"' in done.stderr
        assert done.stdout == ""
    caller.answer = lambda operation, _: reply(operation, "DENIED",
                                               SENTENCE="not on Sundays")
    assert "not on Sundays" in caller.run("get", "-r", "sap", expect=4).stderr


def cut(size):
    return lambda: secret()[:size]


LIES = {
    "nothing": lambda: None,
    "half a header": cut(5),
    "half a frame": cut(60),
    "one byte too few": cut(-1),
    "one byte too many": lambda: secret() + b"x",
    "another protocol": lambda: b"HTTP/1.1 200 OK\r\n\r\n",
    "another version": lambda: secret()[:2] + b"\x02" + secret()[3:],
    "a request": lambda: frame(OPERATION["GET"], fields([("ROLE", "sap")])),
    "an answer to something else": lambda: reply("LIST"),
    "a length of 4 GiB": lambda: b"KT\x01\x82\xff\xff\xff\xff",
    "an unknown field": lambda: frame(
        OPERATION["GET"] | 0x80, fields([("RESULT", 0)]) + b"\xf0\0\0"),
    "an unknown result": lambda: frame(
        OPERATION["GET"] | 0x80, fields([("RESULT", 77)])),
    "a result that is no number": lambda: frame(
        OPERATION["GET"] | 0x80, fields([("RESULT", "x")])),
    "no result": lambda: frame(
        OPERATION["GET"] | 0x80, fields([("PASSWORD", PASSWORD)])),
    "a field twice": lambda: frame(
        OPERATION["GET"] | 0x80, fields([("RESULT", 0), ("USER", "a"),
                                         ("USER", "b")])),
    "no password": lambda: reply("GET", **description()),
    "an empty password": lambda: secret(PASSWORD=""),
    "another role": lambda: secret(ROLE="other"),
    "a newline in the password": lambda: secret(PASSWORD=PASSWORD + "\nx"),
    "an escape in the password": lambda: secret(PASSWORD=PASSWORD + "\x1b[m"),
    "a NUL in the user": lambda: secret(USER="a\0b"),
    "a newline in the host": lambda: secret(HOST="a\nb"),
    "bytes that are no UTF-8": lambda: secret(HOST=b"\xff"),
    "a user of 256 bytes": lambda: secret(USER="u" * 256),
    "a time before 1970": lambda: secret(EXPIRES_AT=-1),
    "a negative staleness": lambda: secret(STALE=-1),
    "a port that is none": lambda: secret(PORT="x"),
    "a port too high": lambda: secret(PORT="70000"),
    "an sslmode that is none": lambda: secret(SSLMODE="maybe"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_agent_is_not_believed(caller, lie):
    caller.answer = lambda *_: LIES[lie]()
    done = caller.run("get", "-r", "sap", "-f", "conninfo")
    # "nothing" is an agent that went away, any other is no agent.
    assert done.returncode == (5 if lie == "nothing" else 1), done
    assert done.stdout == "" and done.stderr.count("\n") == 1


def test_no_field_carries_a_control_character_in_either_direction(caller):
    controls = ["\n", "\r", "\t", "\x1b", "\x7f", "\x01", "\0"]
    names = ["ROLE", "REALM", "USER", "HOST", "DBNAME", "SSLMODE", "VERSION",
             "SENTENCE", "PASSWORD"]
    for i, name in enumerate(names):
        bad = "a" + controls[i % len(controls)] + "b"
        caller.answer = lambda *_: secret(**{name: bad})
        done = caller.run("get", "-r", "sap", "-f", "json", expect=1)
        assert done.stderr[:-1].isprintable(), (name, done.stderr)
        caller.answer = lambda *_: reply("GET", "DENIED", **{name: bad})
        done = caller.run("get", "-r", "sap", expect=1)
        assert done.stderr[:-1].isprintable(), (name, done.stderr)
    asked = len(caller.asked)
    for i, option in enumerate(("--role", "--realm", "--user", "--host",
                                "--port", "--dbname", "--not-version")):
        bad = "a" + controls[i % 6] + "b"
        done = caller.run("get", "-r", "sap", option, bad, expect=2)
        assert done.stderr[:-1].isprintable(), (option, done.stderr)
    assert len(caller.asked) == asked


@pytest.mark.parametrize("form, host", [("pgpass", "*"), ("pgpass", "a,*"),
                                        ("pgpass", "#x")])
def test_what_a_form_would_misread_is_refused(caller, form, host):
    caller.answer = lambda *_: secret(HOST=host)
    caller.run("get", "-r", "sap", "-f", form, expect=1)


def test_a_list_of_hosts_and_a_socket_folder_fit_every_form(caller):
    caller.answer = lambda *_: secret(HOST="a,/run/pg")
    lines = caller.run("get", "-r", "sap", "-f", "pgpass",
                       expect=0).stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["a", "/run/pg",
                                                      "localhost"]
    done = caller.run("get", "-r", "sap", "-f", "uri", expect=0)
    assert "@a:5432,%2Frun%2Fpg:5432/shop" in done.stdout
    done = caller.run("get", "-r", "sap", "-f", "env", expect=0)
    assert "PGHOST='a,/run/pg'" in done.stdout


def test_another_user_or_the_unwanted_version_is_not_believed(caller):
    caller.run("get", "--user", "other", expect=1)
    done = caller.run("get", "-r", "sap", "--not-version", FIRST, expect=1)
    assert "version that was not wanted" in done.stderr
    done = caller.run("get", "-r", "sap", "--not-version", SECOND,
                      "--wait", "5s", expect=0)
    assert done.stdout == PASSWORD + "\n"
    assert caller.agent.requests[-1][1]["WAIT_MS"] == "5000"


def test_the_deadline_holds_against_a_hanging_and_a_dripping_agent(caller):
    def hang(_, closed):
        closed.wait(30)

    def drip(connection, closed):
        for byte in secret():
            connection.sendall(bytes([byte]))
            if closed.wait(0.1):
                return
    for behaviour in (hang, drip):
        caller.answer = lambda *_: behaviour
        begun = time.monotonic()
        done = caller.run("get", "-r", "sap", "--timeout", "1s", expect=6)
        assert 0.9 < time.monotonic() - begun < 5
        assert done.stdout == ""


def test_without_an_agent_it_is_unavailable(caller):
    environment = {"KEYTURN_SOCKET": caller.folder + "/none.sock"}
    caller.run("get", "-r", "sap", environment=environment, expect=5)
    caller.run("get", "-r", "sap", "--socket", caller.folder + "/none.sock",
               expect=5)


def test_a_socket_in_a_folder_of_others_is_not_trusted(caller):
    os.chmod(caller.folder, 0o777)
    done = caller.run("get", "-r", "sap", expect=4)
    os.chmod(caller.folder, 0o700)
    assert "trusted" in done.stderr and caller.asked == []


def test_an_agent_whose_list_has_no_end_is_left(caller):
    pages = {"order": [("ROLE", "b"), ("ROLE", "a")],
             "twice": [("ROLE", "a"), ("ROLE", "a")],
             "empty": [], "again": [("ROLE", "a")]}
    for page in pages.values():
        caller.answer = lambda operation, _: frame(
            OPERATION["LIST"] | 0x80,
            fields([("RESULT", 0), ("MORE", 1), *page]))
        caller.agent.requests.clear()
        caller.run("list", expect=1)
        assert len(caller.asked) <= 2


def test_list_asks_for_all_pages_and_describes_without_a_secret(caller):
    names = [f"role{i:04}" for i in range(1000)]

    def answer(operation, request):
        if operation == "DESCRIBE":
            if request["ROLE"] == "role0001":
                return reply(operation, "NOT_FOUND")
            return reply(operation, **description(ROLE=request["ROLE"]))
        rest = [n for n in names if n > request.get("AFTER", "")][:300]
        more = [("MORE", 1)] if rest[-1:] != names[-1:] else []
        return frame(OPERATION[operation] | 0x80, fields(
            [("RESULT", 0), *more, *[("ROLE", n) for n in rest]]))
    caller.answer = answer
    assert caller.run("list", expect=0).stdout.split() == names
    assert caller.asked == ["LIST"] * 4
    names = names[:3]
    rows = json.loads(caller.run("list", "-f", "json", expect=0).stdout)
    assert [row["role"] for row in rows] == ["role0000", "role0002"]
    assert rows[0]["host"] == "127.0.0.1" and rows[0]["version"] == FIRST
    assert "GET" not in caller.asked


# -- where it goes ------------------------------------------------------------

def test_what_cannot_be_written_is_a_failure(caller):
    with open("/dev/full", "wb") as full:
        done = caller.run("get", "-r", "sap", stdout=full, expect=1)
    assert "No space left" in done.stderr
    read, write = os.pipe()
    os.close(read)
    done = caller.run("get", "-r", "sap", stdout=write, expect=1)
    os.close(write)
    assert "Broken pipe" in done.stderr
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" get -r sap >&-', caller.binary],
        env=caller.environment, capture_output=True, text=True)
    assert done.returncode == 1 and "closed" in done.stderr


def test_a_terminal_gets_the_password_and_a_warning(caller):
    ours, theirs = pty.openpty()
    done = caller.run("get", "-r", "sap", stdout=theirs, expect=0)
    os.close(theirs)
    assert os.read(ours, 1000).decode().strip() == PASSWORD
    os.close(ours)
    assert "terminal" in done.stderr


def test_a_stale_secret_is_handed_out_with_a_warning(caller):
    caller.answer = lambda *_: secret(STALE=90)
    done = caller.run("get", "-r", "sap", "-f", "json", expect=0)
    assert json.loads(done.stdout)["stale"] is True
    assert "90 seconds" in done.stderr
    caller.answer = lambda *_: secret()
    assert caller.run("get", "-r", "sap", expect=0).stderr == ""


def test_bad_input_does_not_reach_the_agent(caller):
    flood = b"protocol=postgresql\nhost=" + b"a" * 70000
    for argv, stdin, code in (
            (["get", "-r", "a\nb"], b"", 2),
            (["get", "-r", "r" * 128], b"", 2),
            (["get", "-r", b"\xff"], b"", 2),
            (["get", "-U", "u" * 256], b"", 2),
            (["get", "-U", "a\x7f"], b"", 2),
            (["get", "-f", "git"], flood, 1),
            (["get", "-f", "git"], b"protocol=postgresql\nhost=a\0b\n\n", 2),
            (["get", "-f", "git"],
             b"protocol=postgresql\nhost=" + b"a" * 60000 + b"\n\n", 2),
            (["get", "-f", "docker"], b"postgresql://" + b"a" * 60000, 1),
            (["get", "-f", "docker"], b"postgresql://a\x1bb@c", 1),
            (["get", "-f", "bazel"], b"[" * 60000, 2),
            (["get", "-f", "bazel"], b'{"uri":"postgresql://a\\u0000@b"}', 2),
            (["get", "-f", "summon"], b"a" * 60000, 2),
            (["get", "-f", "summon"], b"a\x01b\n", 2)):
        done = caller.run(*argv, stdin=stdin, expect=code)
        # A sentence, on one line, with nothing a terminal would obey.
        said = done.stdout if "docker" in argv else done.stderr
        assert said.count("\n") == 1 and said[:-1].isprintable(), done
    assert caller.asked == []


def test_a_stream_of_paths_that_cannot_be_read_is_a_failure(caller):
    folder = os.open(caller.folder, os.O_RDONLY)
    try:
        process = caller.popen("get", "-f", "summon", stdin=folder)
        _, err = process.communicate(timeout=30)
    finally:
        os.close(folder)
    assert process.returncode == 1 and b"cannot read standard input" in err
    assert caller.asked == []


# Both as the same user, who owns both: attach, read the memory, end with a
# core file.
PRYING = """
import ctypes, os, resource, signal, subprocess, sys, time
if os.geteuid() == 0:
    os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)
# Does this user see into a process that is not hardened?
other = subprocess.Popen(["sleep", "60"])
time.sleep(0.2)
seen = os.access(f"/proc/{other.pid}/mem", os.R_OK)
other.kill()
assert seen
helper = subprocess.Popen([sys.argv[1], "get", "-r", "sap", "--timeout",
                           "30s"], stdout=subprocess.DEVNULL)
end = time.monotonic() + 20
while not os.path.exists(sys.argv[2]):
    assert time.monotonic() < end, "the agent was not asked"
    time.sleep(0.02)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.ptrace(16, helper.pid, 0, 0) == -1, "PTRACE_ATTACH succeeded"
assert ctypes.get_errno() == 1, ctypes.get_errno()
assert not os.access(f"/proc/{helper.pid}/mem", os.R_OK)
assert not os.access(f"/proc/{helper.pid}/environ", os.R_OK)
helper.send_signal(signal.SIGSEGV)
_, status = os.waitpid(helper.pid, 0)
assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status), status
"""


def test_its_owner_cannot_look_into_it(tools, folder):
    """ptrace and core files are refused while it waits for the agent."""
    place = tempfile.mkdtemp(dir=folder)
    os.chmod(place, 0o755)
    caller = Caller(os.path.join(os.path.dirname(tools.binary),
                                 "keyturn-credential"), place)
    os.chmod(caller.agent.path, 0o666)
    asked = os.path.join(place, "asked")

    def hang(*_):
        open(asked, "w").close()
        return lambda connection, closed: closed.wait(30)
    caller.answer = hang

    def with_core_files():
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    done = subprocess.run([sys.executable, "-c", PRYING, caller.binary, asked],
                          env=caller.environment, capture_output=True,
                          text=True, cwd="/", preexec_fn=with_core_files)
    caller.agent.close()
    assert done.returncode == 0, done.stderr


# -- exec ---------------------------------------------------------------------

SHOW = """import os, json, resource, sys
file = os.environ["PGPASSFILE"]
print(json.dumps({
    "pgpass": open(file).read(), "mode": os.stat(file).st_mode & 0o7777,
    "environment": dict(os.environ),
    "umask": os.umask(0), "core": resource.getrlimit(resource.RLIMIT_CORE),
    "locked": resource.getrlimit(resource.RLIMIT_MEMLOCK),
    "argv": sys.argv[1:], "target": os.readlink(file)}))
"""


def show(caller, *argv, environment=None, **options):
    done = caller.run("exec", "-r", "sap", *argv, "--", sys.executable, "-c",
                      SHOW, "a b", environment=environment, expect=0,
                      **options)
    return json.loads(done.stdout)


@pytest.mark.parametrize("retry", [[], ["--retry"]])
def test_exec_gives_a_private_passfile_in_memory(caller, retry):
    seen = show(caller, *retry, environment={"PGPASSWORD": "old",
                                             "PGPASSFILE": "/old",
                                             "PGHOST": "elsewhere",
                                             "PGOPTIONS": "-c a=b",
                                             "SSLKEYLOGFILE": "/keys"})
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    assert seen["pgpass"] == f"127.0.0.1:5432:*:sap:{escaped}\n"
    assert seen["mode"] == 0o600 and seen["target"].startswith("/memfd:")
    assert seen["argv"] == ["a b"]
    environment = seen["environment"]
    assert PASSWORD not in str(environment)
    assert "PGPASSWORD" not in environment
    assert environment["PGPASSFILE"].startswith("/proc/self/fd/")
    # What the caller has set stays.
    assert environment["PGHOST"] == "elsewhere"
    assert environment["PGOPTIONS"] == "-c a=b"
    assert environment["SSLKEYLOGFILE"] == "/keys"
    assert environment["PGPORT"] == "5432" and environment["PGUSER"] == "sap"
    assert environment["PGDATABASE"] == "shop"
    assert environment["PGSSLMODE"] == "require"


@pytest.mark.parametrize("retry", [[], ["--retry"]])
def test_exec_gives_the_command_its_own_limits_back(caller, retry):
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    core = 4096 if most == resource.RLIM_INFINITY else most
    locked = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]

    def set_limits():
        os.umask(0o027)
        resource.setrlimit(resource.RLIMIT_CORE, (core, core))
        resource.setrlimit(resource.RLIMIT_MEMLOCK,
                           (locked if 0 < locked < 65536 else 65536, locked))
    seen = show(caller, *retry, preexec_fn=set_limits)
    assert seen["umask"] == 0o027 and seen["core"] == [core, core]
    assert seen["locked"][0] <= 65536


def test_the_passfile_cannot_be_changed(caller):
    done = caller.run(
        "exec", "-r", "sap", "--", sys.executable, "-c",
        "import os, fcntl\n"
        "fd = int(os.environ['PGPASSFILE'].rsplit('/', 1)[1])\n"
        "assert fd >= 100, fd\n"
        "assert fcntl.fcntl(fd, 1034) & 15 == 15\n"  # F_GET_SEALS
        "for change in (lambda: os.pwrite(fd, b'x', 0),"
        " lambda: os.truncate(fd, 0)):\n"
        "    try: change()\n"
        "    except PermissionError: continue\n"
        "    raise SystemExit(9)\n", expect=0)
    assert done.stderr == ""


def test_each_host_of_a_list_has_its_line(caller):
    caller.answer = lambda *_: secret(HOST="a,b,/var/run/postgresql")
    seen = show(caller)
    assert [line.split(":")[0] for line in seen["pgpass"].splitlines()] == [
        "a", "b", "/var/run/postgresql", "localhost"]
    assert seen["environment"]["PGHOST"] == "a,b,/var/run/postgresql"


def test_no_host_of_a_long_list_is_left_out(caller):
    hosts = [f"db{i}" for i in range(40)]
    caller.answer = lambda *_: secret(HOST=",".join(hosts))
    seen = show(caller)
    assert [line.split(":")[0] for line in seen["pgpass"].splitlines()] == hosts


@pytest.mark.parametrize("name, value", [
    ("PGHOST", "elsewhere"), ("PGPORT", "6432"), ("PGUSER", "other")])
def test_a_setting_that_the_passfile_does_not_cover_is_told(caller, name,
                                                            value):
    caller.answer = lambda *_: secret(HOST="db1,db2")
    done = caller.run("exec", "-r", "sap", "--", "true", expect=0,
                      environment={name: value})
    assert name in done.stderr and value in done.stderr
    done = caller.run("exec", "-r", "sap", "--", "true", expect=0,
                      environment={"PGHOST": "db2", "PGPORT": "5432",
                                   "PGUSER": "sap"})
    assert done.stderr == ""


def test_a_command_that_changes_its_user_is_told_the_other_way_round(caller):
    program = os.path.join(caller.folder, "su")
    os.symlink("/bin/true", program)
    done = caller.run("exec", "-r", "sap", "--", program, "-c", "psql",
                      expect=0)
    assert "su ... keyturn-credential exec" in done.stderr


def test_without_proc_the_passfile_is_missed_before_the_command_runs(caller):
    helper = shlex.quote(caller.binary)
    done = caller.run(
        "--user", "--map-root-user", "--mount", "--", "sh", "-c",
        f"mount -t tmpfs none /proc && exec {helper} exec -r sap -- echo ran",
        program="unshare", expect=1)
    assert "/proc" in done.stderr and "ran" not in done.stdout


@pytest.mark.parametrize("hosts", ["db1,", ",db1", "db1,,db2"])
def test_an_empty_host_of_a_list_is_not_any_host(caller, hosts):
    caller.answer = lambda *_: secret(HOST=hosts)
    done = caller.run("exec", "-r", "sap", "--", "true", expect=1)
    assert hosts in done.stderr and "--host" in done.stderr


def test_a_password_for_no_known_host_is_not_for_any(caller):
    known = description(PASSWORD=PASSWORD)
    del known["HOST"]
    caller.answer = lambda *_: reply("GET", **known)
    done = caller.run("exec", "-r", "sap", "--", "true", expect=1)
    assert "--host" in done.stderr
    assert show(caller, "-h", "db")["pgpass"].startswith("db:5432:*:sap:")


def test_a_pooler_may_stand_in_front_of_the_role(caller):
    seen = show(caller, "-h", "::1", "-p", "6432", "-d", "other")
    assert seen["pgpass"].startswith("\\:\\:1:6432:*:sap:")
    assert seen["environment"]["PGHOST"] == "::1"
    assert seen["environment"]["PGDATABASE"] == "other"
    assert caller.agent.requests[-1][1] == {"ROLE": "sap"}
    done = caller.run("get", "-r", "sap", "-h", "::1", "-f", "uri", expect=0)
    assert "@[::1]:5432/shop" in done.stdout


@pytest.mark.parametrize("retry", [[], ["--retry=9"]])
def test_exec_ends_as_the_command_ends(caller, retry):
    for script, code in (("exit 0", 0), ("exit 7", 7), ("exit 125", 125),
                         ("kill -TERM $$", -signal.SIGTERM),
                         ("kill -KILL $$", -signal.SIGKILL)):
        caller.run("exec", "-r", "sap", *retry, "--", "sh", "-c", script,
                   expect=code)
    done = caller.run("exec", "-r", "sap", *retry, "--", "/no/such/program",
                      expect=127)
    assert "/no/such/program" in done.stderr
    caller.run("exec", "-r", "sap", *retry, "--", caller.folder, expect=126)


def test_exec_becomes_the_command(caller):
    process = caller.popen("exec", "-r", "sap", "--", "sh", "-c", "echo $$")
    out, _ = process.communicate(timeout=30)
    assert int(out) == process.pid


def test_the_supervisor_passes_signals_on(caller):
    script = ("trap 'echo term; exit 3' TERM; trap 'echo usr1' USR1; echo up; "
              "while :; do sleep 0.05; done")
    process = caller.popen("exec", "-r", "sap", "--retry=9", "--", "sh", "-c",
                           script)
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == b"usr1\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert out == b"term\n" and process.returncode == 3


def memory_of(pid):
    """Every byte that the process can read of itself."""
    with open(f"/proc/{pid}/maps") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            area, mode, *_ = line.split()
            begin, end = (int(x, 16) for x in area.split("-"))
            if mode[0] == "r" and "[v" not in line:
                memory.seek(begin)
                try:
                    yield memory.read(end - begin)
                except OSError:
                    pass  # a guard page


def test_the_supervisor_has_forgotten_the_password(caller):
    process = caller.popen("exec", "-r", "sap", "--retry=9", "--", "sh", "-c",
                           "echo up; exec sleep 60")
    assert process.stdout.readline() == b"up\n"
    try:
        if os.geteuid() == 0:
            content = b"".join(memory_of(process.pid))
            assert caller.agent.path.encode() in content
            for part in (PASSWORD[:9], PASSWORD[9:]):
                assert part.encode() not in content
        else:
            with pytest.raises(PermissionError):
                b"".join(memory_of(process.pid))
    finally:
        process.terminate()
        process.communicate()


def test_an_ignored_signal_stays_ignored(caller):
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    process = caller.popen(
        "exec", "-r", "sap", "--retry=9", "--", sys.executable, "-c",
        "import os, re\n"
        "print(re.search('SigIgn:.*', open('/proc/self/status').read())[0],"
        " flush=True)\n"
        "os.kill(os.getppid(), 1); os._exit(4)", preexec_fn=ignore)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 4
    ignored = int(out.split()[1], 16)
    assert ignored & 1 << signal.SIGHUP - 1
    assert ignored & 1 << signal.SIGCHLD - 1


class Rotation:
    """An agent whose secret changes when it is told of a failure."""

    def __init__(self, caller, changes):
        self.version, self.changes = FIRST, changes
        caller.answer = self.answer

    def answer(self, operation, request):
        if operation == "FEEDBACK":
            if self.changes:
                self.version = SECOND
            return reply(operation)
        if request.get("NOT_VERSION") == self.version:
            return reply(operation, "TIMEOUT")
        return secret(VERSION=self.version,
                      PASSWORD=PASSWORD if self.version == FIRST else "new")


# Counts its runs, and fails as often as it is told.
FAILS = ("echo run >>{count}; read word; echo $word; "
         'test $(wc -l <{count}) -gt {times} || exit {code}')


def fails(caller, times, code=2, retry="--retry", stdin=subprocess.DEVNULL):
    count = os.path.join(caller.folder, "count")
    if os.path.exists(count):
        os.unlink(count)
    done = caller.run("exec", "-r", "sap", retry, "--wait", "1s", "--", "sh",
                      "-c", FAILS.format(count=count, times=times, code=code),
                      stdin=stdin)
    with open(count) as f:
        return done, len(f.readlines())


def test_a_command_that_failed_for_a_rotation_is_run_once_more(caller):
    Rotation(caller, changes=True)
    done, runs = fails(caller, times=1)
    assert (done.returncode, runs) == (0, 2), done
    assert SECOND in done.stderr and FIRST in done.stderr
    assert [(o, r.get("VERSION"), r.get("NOT_VERSION"))
            for o, r in caller.agent.requests] == [
        ("GET", None, None), ("FEEDBACK", FIRST, None), ("GET", None, FIRST)]


def test_a_pipe_that_was_read_is_not_read_again(caller):
    Rotation(caller, changes=True)
    done, runs = fails(caller, times=1, stdin=b"one\ntwo\n")
    assert (done.returncode, runs) == (2, 1), done
    assert "not run again" in done.stderr and "/dev/null" in done.stderr


def test_a_file_is_read_again_from_where_the_first_run_began(caller):
    Rotation(caller, changes=True)
    name = os.path.join(caller.folder, "input")
    with open(name, "w+") as f:
        f.write("skipped\none\ntwo\n")
    fd = os.open(name, os.O_RDONLY)
    os.lseek(fd, len("skipped\n"), os.SEEK_SET)
    done, runs = fails(caller, times=1, stdin=fd)
    os.close(fd)
    assert (done.returncode, runs) == (0, 2), done
    assert done.stdout == "one\none\n"


STOPS = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]


def hear_stops():
    """A job in the background of a script was started to ignore some."""
    for sig in STOPS:
        signal.signal(sig, signal.SIG_DFL)


@pytest.mark.parametrize("sig", STOPS)
def test_a_command_that_was_told_to_stop_is_not_run_again(caller, sig):
    Rotation(caller, changes=True)
    ran = os.path.join(caller.folder, "ran")
    process = caller.popen(
        "exec", "-r", "sap", "--retry=9", "--wait", "1s", "--", "sh", "-c",
        f"test -e {ran} && exit 3; : >{ran}; "
        "trap 'exit 9' HUP INT QUIT TERM; echo up; "
        "while :; do sleep 0.05; done", preexec_fn=hear_stops)
    assert process.stdout.readline() == b"up\n"
    process.send_signal(sig)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (9, b"")
    assert caller.asked == ["GET"]


def test_a_command_is_never_run_a_third_time(caller):
    Rotation(caller, changes=True)
    done, runs = fails(caller, times=9)
    assert (done.returncode, runs) == (2, 2)


def test_without_a_newer_version_a_failure_is_just_that(caller):
    Rotation(caller, changes=False)
    done, runs = fails(caller, times=1)
    assert (done.returncode, runs) == (2, 1)


def test_only_the_named_codes_are_tried_again(caller):
    Rotation(caller, changes=True)
    done, runs = fails(caller, times=1, code=1, retry="--retry=2,3")
    assert (done.returncode, runs) == (1, 1)
    assert "FEEDBACK" not in caller.asked


def test_a_success_is_not_repeated_and_nobody_is_told(caller):
    Rotation(caller, changes=True)
    done, runs = fails(caller, times=0)
    assert (done.returncode, runs) == (0, 1)
    assert caller.asked == ["GET"]


# -- watch and version --------------------------------------------------------

def test_watch_says_what_changes_and_never_a_secret(caller):
    state = {"version": FIRST, "denied": True}

    def answer(operation, request):
        if state["denied"] and operation == "DESCRIBE":
            return reply(operation, "DENIED")
        more = {"PASSWORD": PASSWORD} if operation == "GET" else {}

        def when_it_is_news(connection, closed):
            while request.get("NOT_VERSION") == state["version"]:
                if closed.wait(0.05):
                    return  # the test is over
            connection.sendall(reply(operation, **description(
                VERSION=state["version"], ROTATED_AT=1700000000000000,
                **more)))
        return when_it_is_news
    caller.answer = answer
    process = caller.popen("watch", "-r", "sap")
    try:
        line = process.stdout.readline().decode()
        assert line == f"2023-11-14T22:13:20.000000Z sap {FIRST}\n"
        state["version"] = SECOND
        assert SECOND in process.stdout.readline().decode()
    finally:
        process.terminate()
        out, err = process.communicate()
    assert PASSWORD.encode() not in out + err


def test_watch_waits_for_an_agent_that_is_restarted(caller):
    answers = [reply("DESCRIBE", **description()), None,
               reply("DESCRIBE", "UNAVAILABLE"),
               reply("DESCRIBE", **description(VERSION=SECOND))]

    def answer(*_):
        return answers.pop(0) if answers else \
            lambda connection, closed: closed.wait(30)
    caller.answer = answer
    process = caller.popen("watch", "-r", "sap")
    lines = [process.stdout.readline() for _ in range(2)]
    process.terminate()
    _, err = process.communicate()
    assert FIRST.encode() in lines[0] and SECOND.encode() in lines[1]
    assert err.count(b"waiting") == 1


def test_watch_ends_when_nobody_reads_it(caller):
    caller.answer = lambda operation, request: (
        reply(operation, "TIMEOUT") if "NOT_VERSION" in request
        else reply(operation, **description()))
    process = caller.popen("watch", "-r", "sap")
    assert FIRST.encode() in process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 1
    assert b"not read any more" in process.stderr.read()
    process.stderr.close()


def test_watch_ends_when_there_is_no_such_role(caller):
    caller.answer = lambda operation, _: reply(operation, "NOT_FOUND")
    caller.run("watch", "-r", "sap", expect=3)


def test_version_tells_both(caller):
    caller.answer = lambda operation, _: reply(operation, SERVER="agent 7")
    assert caller.run("version", expect=0).stdout.endswith("agent: agent 7\n")
    done = caller.run("version", expect=5,
                      environment={"KEYTURN_SOCKET": "/none/agent.sock"})
    assert done.stdout.startswith("keyturn-credential ")
    caller.run("--version", expect=0,
               environment={"KEYTURN_SOCKET": "/none/agent.sock"})


def test_the_manual_has_every_word_of_the_help(caller):
    with open(os.path.join(SOURCE, "docs", "keyturn-credential.1")) as f:
        manual = f.read()
    said = caller.run("--help", expect=0).stdout
    options = set(re.findall(r"--([a-z-]+)", said)) - {"with", "role"}
    words = options | set(re.findall(r"^  ([a-z0-9]+) ", said, re.M))
    assert len(words) > 25
    for word in words:
        assert re.search(rf"(^|[ -]){re.escape(word)}\b", manual, re.M), word
