# SPDX-License-Identifier: PostgreSQL
"""The recipes of docs/clients.md, run as they stand there: each logs in before
and after a rotation, on a real server, with the real agent."""

import configparser
import os
import re
import secrets
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import psycopg
import pytest

from rig.agent import everything
from rig.helper import Helper
from rig.scripted_agent import SOURCE
from rig.server import as_account, free_port, own, wait_for

HERE = os.path.join(SOURCE, "tests", "integration", "clients")
JARS = ":".join(f"/usr/share/java/{jar}.jar" for jar in
                ("postgresql", "HikariCP", "slf4j-api", "slf4j-nop"))


def recipes():
    """{file name: content} of the page's blocks that have one."""
    with open(os.path.join(SOURCE, "docs", "clients.md")) as f:
        page = f.read()
    found = re.findall(r"^```\w+ (\S+)\n(.*?)^```$", page, re.M | re.S)
    assert len({name for name, _ in found}) == len(found) > 15
    return dict(found)


class Program:
    """One that answers each line of its standard input with one."""

    def __init__(self, helper, *argv, **options):
        self.helper = helper
        self.process = helper.popen(*argv, stdin=subprocess.PIPE, bufsize=0,
                                    **options)

    def ask(self, line="login", seconds=60):
        self.process.stdin.write(line.encode() + b"\n")
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        assert ready, "no answer"
        return self.process.stdout.readline().decode().strip()

    def close(self):
        _, err = self.process.communicate(timeout=60)
        self.helper.keep(err)
        assert self.process.returncode == 0, err


class Clients(Helper):
    """A user's home folder, into which recipes are written."""

    def __init__(self, *argv):
        super().__init__(*argv)
        self.recipes = recipes()
        server = self.site.server
        self.known = {"db.example.com": "127.0.0.1", "5432": str(server.port),
                      "shop": self.site.database,
                      "/etc/ssl/db.pem": server.authority.certificate}
        self.environment["CLASSPATH"] = f"{self.home}:{JARS}"
        self.write_file("report.sql", "select current_user;\n")

    def path(self, name):
        return os.path.join(self.home, name)

    def write_file(self, name, content):
        with open(self.path(name), "w") as f:
            f.write(content)
        return self.path(name)

    def copy(self, *names):
        for name in names:
            shutil.copy(os.path.join(HERE, name), self.home)

    def recipe(self, name, *places, **replace):
        """The block's text; `places` are examples of it that stand for the
        test's own, as are the keys of `replace`."""
        text = self.recipes[name]
        replace = {**{place: self.known[place] for place in places},
                   **replace}
        for example, ours in replace.items():
            assert example in text, f"{name} has no {example}"
            text = text.replace(example, ours)
        return text

    def write(self, name, *places, **replace):
        return self.write_file(name, self.recipe(name, *places, **replace))

    def around_a_rotation(self, program, asks=("login",)):
        """Each log-in before and after; no wrong password reaches the
        server."""
        server = self.site.server
        for _ in range(2):
            mark = server.mark()
            for ask in asks:
                assert program.ask(ask).split()[0] == "sap"
            right, wrong = server.logins(mark, "sap")
            assert right >= 1 and wrong == 0
            self.rotate()


@pytest.fixture
def clients(request, taken_over, new_agent, folder):
    agent = new_agent(taken_over, refresh=getattr(request, "param", "1s"),
                      roles={"sap": everything() + "\nevery = 30d\n"
                             "units = app.service"})
    return Clients(agent, taken_over, tempfile.mkdtemp(dir=folder))


@pytest.fixture(scope="session")
def fetched():
    """What prepare has fetched; kept between runs."""
    path = os.environ.get("KEYTURN_CLIENTS",
                          os.path.join(SOURCE, "build", "clients"))
    done = subprocess.run([os.path.join(HERE, "prepare"), path],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


def test_the_page_names_no_recipe_that_is_not_run_here():
    with open(__file__) as f:
        here = f.read()
    for name in recipes():
        assert f'"{name}"' in here, name


# -- libpq ---------------------------------------------------------------------

def test_programs_built_on_libpq(clients):
    for _ in range(2):
        for script in ("psql.sh", "report.sh"):
            done = clients.run("sh", clients.write(script), expect=0)
            assert done.out == "sap\n"
        dump = clients.write(
            "dump.sh", **{"shop.dump": clients.path("shop.dump")})
        clients.run("sh", dump, expect=0)
        with open(clients.path("shop.dump"), "rb") as f:
            assert f.read(5) == b"PGDMP"
        clients.rotate()


def test_pgadmin_runs_its_command_through_a_shell(clients, taken_over):
    # As web/pgadmin/utils/passexec.py does.
    command = clients.recipe("pgadmin.txt", **{
        "%HOSTNAME%": "127.0.0.1", "%PORT%": str(taken_over.server.port),
        "%USERNAME%": "sap"})
    for _ in range(2):
        done = subprocess.run(command, shell=True, timeout=60,
                              capture_output=True, text=True,
                              env=clients.environment)
        assert done.returncode == 0
        taken_over.must_log_in(done.stdout.strip())
        clients.rotate()


def test_psycopg_its_pool_and_sqlalchemy(clients, taken_over):
    for name in ("keyturn_psycopg.py", "keyturn_pool.py",
                 "keyturn_sqlalchemy.py"):
        clients.write(name)
    clients.copy("main.py")
    program = Program(clients, sys.executable, "main.py", environment={
        "PYTHONPATH": clients.home, "PYTHONDONTWRITEBYTECODE": "1"})
    before = program.ask("pool")
    assert program.ask("pool") == before
    clients.around_a_rotation(program, ("connect", "pool", "engine"))
    # drain() has replaced the sessions of before the rotations.
    wait_for(lambda: program.ask("pool").split()[1] != before.split()[1],
             "the pool to have another session")
    before = program.ask("engine")
    program.ask("dispose")
    assert program.ask("engine").split()[1] != before.split()[1]
    program.close()


@pytest.mark.parametrize("clients", ["1h"], indirect=True)
def test_psycopg_tries_once_more_with_a_newer_password(clients, taken_over):
    """The agent still has the old password: a rotation that it was not told
    of, which is what the moment in between looks like."""
    clients.write("keyturn_psycopg.py")
    wait_for(lambda: "PASSWORD" in clients.agent.get(), "the first password")
    taken_over.run("rotate", "sap", expect=0)
    mark = taken_over.server.mark()
    done = clients.run(
        sys.executable, "-B", "-c", "import keyturn_psycopg\n"
        "with keyturn_psycopg.connect() as c:\n"
        "    print(c.execute('select current_user').fetchone()[0])\n",
        environment={"PYTHONPATH": clients.home}, expect=0)
    assert done.out == "sap\n"
    assert taken_over.server.logins(mark, "sap") == (1, 1)
    # Without a newer one the first error stands, and there is one failure.
    taken_over.set_password("sap", "Changed-by-hand-not-by-keyturn-1")
    mark = taken_over.server.mark()
    done = clients.run(sys.executable, "-B", "-c",
                       "import keyturn_psycopg\nkeyturn_psycopg.connect()\n",
                       environment={"PYTHONPATH": clients.home}, expect=1)
    assert "password authentication failed" in done.err
    assert taken_over.server.logins(mark, "sap") == (0, 1)


# -- JDBC, Go, JavaScript, ODBC ------------------------------------------------

@pytest.fixture
def java(clients):
    clients.copy("PoolMain.java", "Report.java")
    clients.write("KeyturnPassword.java")
    clients.run("javac", "-d", clients.home, "PoolMain.java", "Report.java",
                "KeyturnPassword.java", expect=0)
    return clients


def test_pgjdbc_and_hikaricp(java):
    java.write("hikari.properties", "db.example.com", "5432", "shop",
               "/etc/ssl/db.pem")
    program = Program(java, "java", "-Xshare:auto", "PoolMain",
                      "hikari.properties")
    java.around_a_rotation(program)
    program.close()


def test_a_java_program_that_cannot_be_changed(java):
    for _ in range(2):
        done = java.run("sh", java.write("java.sh"), expect=0)
        assert done.out == "sap\n"
        java.rotate()


def test_pgx(clients, fetched):
    program = clients.path("pgx")
    source = os.path.join(fetched, "pgx")
    shutil.copytree(source, clients.path("source"))
    clients.write_file("source/keyturn.go", clients.recipe("keyturn.go"))
    clients.run("go", "build", "-o", program, ".", expect=0, timeout=300,
                cwd=clients.path("source"), environment={
                    "PATH": os.environ["PATH"],
                    "GOPATH": os.path.join(fetched, "go"),
                    "GOCACHE": os.path.join(fetched, "go-cache"),
                    "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"})
    where = f"127.0.0.1:{clients.site.server.port}/{clients.site.database}"
    running = Program(clients, program,
                      f"postgresql://sap@{where}?sslmode=verify-full")
    clients.around_a_rotation(running)
    running.close()


def test_node_postgres(clients, fetched):
    clients.copy("main.js")
    clients.write("keyturn.js")
    program = Program(clients, "node", "main.js", "127.0.0.1",
                      str(clients.site.server.port), clients.site.database,
                      environment={"NODE_PATH": os.path.join(
                          fetched, "node_modules")})
    clients.around_a_rotation(program)
    program.close()


def test_psqlodbc(clients, taken_over):
    places = ("db.example.com", "5432", "shop")
    isql = clients.write("isql.sh", "shop")
    for _ in range(2):
        ini = clients.write("odbc.ini", *places)
        done = clients.run("sh", isql, environment={"ODBCINI": ini}, expect=0)
        assert "sap" in done.out.split()
        # The file that keyturn keeps, without exec.
        sink = os.path.join(taken_over.sinks, "sap.pgpass")
        ini = clients.write("odbc-passfile.ini", *places,
                            **{"/var/lib/keyturn/sap.pgpass": sink})
        done = clients.run("isql", "-v", "-b", "-d,", taken_over.database,
                           stdin="select current_user\n",
                           environment={"ODBCINI": ini}, expect=0)
        assert "sap" in done.out.split()
        clients.rotate()


# -- PgBouncer -----------------------------------------------------------------

class Pooler:
    """A PgBouncer as the page sets it up."""

    def __init__(self, clients):
        self.clients = clients
        self.folder = tempfile.mkdtemp(prefix="pb-",
                                       dir=os.path.dirname(clients.home))
        own(self.folder)
        os.chmod(self.folder, 0o755)
        self.list = os.path.join(self.folder, "userlist.txt")
        self.port = free_port()
        self.passwords = {name: secrets.token_hex(16)
                          for name in ("app", "keyturn_ops")}
        self.write("userlist.txt", "".join(
            f'"{name}" "{password}"\n'
            for name, password in self.passwords.items()))
        self.write("pgbouncer.ini", self.recipe(
            "pgbouncer.ini", "5432", "db.example.com", "shop",
            "/etc/ssl/db.pem", **{"/run/pgbouncer": self.folder}))
        passfile = clients.write_file(
            ".pgpass", f"*:*:*:keyturn_ops:{self.passwords['keyturn_ops']}\n")
        os.chmod(passfile, 0o600)
        # `keyturn` of the scripts reads this installation's configuration.
        keyturn = os.path.join(clients.names, "keyturn")
        with open(keyturn, "w") as f:
            f.write(f'#!/bin/sh\nexec "{clients.site.binary}" --config '
                    f'"{clients.site.configuration}" "$@"\n')
        os.chmod(keyturn, 0o755)
        self.process = None

    def recipe(self, name, *places, **more):
        return self.clients.recipe(name, *places, **{
            "/etc/pgbouncer/userlist.txt": self.list,
            "6432": str(self.port), **more})

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(content)
        os.chmod(path, 0o600)
        own(path)

    def start(self):
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.process = subprocess.Popen(
            as_account(["pgbouncer", "pgbouncer.ini"]), cwd=self.folder,
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/sbin:/usr/bin:/bin"})
        wait_for(self.answers, "PgBouncer")

    def answers(self):
        assert self.process.poll() is None
        try:
            self.connect("keyturn_ops", "pgbouncer").close()
            return True
        except psycopg.OperationalError:
            return False

    def connect(self, user="app", dbname=None):
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, connect_timeout=20,
            dbname=dbname or self.clients.site.database, autocommit=True,
            password=self.passwords[user], prepare_threshold=None)

    def script(self, name, *places):
        return self.clients.write_file(name, self.recipe(name, *places))

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.log.close()
        self.clients.keep(open(os.path.join(self.folder, "log"), "rb").read())


@pytest.fixture
def pooler(clients):
    made = Pooler(clients)
    yield made
    made.stop()


def test_pgbouncer_is_paused_around_a_rotation(clients, pooler, taken_over):
    script = pooler.script("pgbouncer-rotate.sh", "shop")
    # The first run also puts the role's line into the list.
    pooler.start()
    clients.run("sh", script, expect=0)
    failures, done, stop = [], [0], threading.Event()

    def load():
        while not stop.is_set():
            try:
                with pooler.connect() as c:
                    assert c.execute("select current_user").fetchone() \
                        == ("sap",)
                done[0] += 1
            except psycopg.Error as e:
                failures.append(e)
    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    mark = taken_over.server.mark()
    for _ in range(5):
        clients.run("sh", script, expect=0)
        # So that each new password is also needed.
        taken_over.server.sql("select pg_terminate_backend(pid) from "
                              "pg_stat_activity where usename = 'sap' and "
                              "state = 'idle'")
        passed = done[0] + 5
        wait_for(lambda: done[0] >= passed or failures, "the load to go on")
    stop.set()
    for thread in threads:
        thread.join()
    # A session that was ended under a client is not the rotation's doing.
    failures = [e for e in failures if "server conn crashed" not in str(e)
                and "terminating connection" not in str(e)]
    right, wrong = taken_over.server.logins(mark, "sap")
    assert not failures and wrong == 0 and right >= 5
    taken_over.settled()
    assert os.stat(pooler.list).st_mode & 0o777 == 0o600
    clients.keep(clients.run("cat", script).out.encode())


def logs_in_through(pooler):
    """False when it gave out a session that was just ended."""
    try:
        with pooler.connect() as c:
            return c.execute("select current_user").fetchone() == ("sap",)
    except psycopg.errors.AdminShutdown:
        return False


def test_pgbouncer_follows_rotations_from_elsewhere(clients, pooler,
                                                    taken_over):
    pooler.start()
    process = clients.popen("sh", pooler.script("pgbouncer-follow.sh"),
                            start_new_session=True)
    try:
        for _ in range(3):
            line = process.stdout.readline().decode()
            assert line.split()[-1] == taken_over.current().id
            taken_over.server.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where usename = 'sap'")
            wait_for(lambda: logs_in_through(pooler), "a login through it")
            clients.rotate()
    finally:
        os.killpg(process.pid, 15)
        _, err = process.communicate(timeout=30)
    clients.keep(err)


def failing_get(clients):
    """keyturn-credential as it is, but for a `get` that fails."""
    real = os.path.realpath(os.path.join(clients.names, "keyturn-credential"))
    path = os.path.join(clients.names, "keyturn-credential")
    os.unlink(path)
    with open(path, "w") as f:
        f.write(f"""#!/bin/sh
test "$1" != get || {{ echo get >>{clients.path("asked")}; exit 5; }}
exec {real} "$@"
""")
    os.chmod(path, 0o755)


def test_a_password_that_cannot_be_had_replaces_none(clients, pooler):
    script = pooler.script("pgbouncer-rotate.sh", "shop")
    follow = pooler.script("pgbouncer-follow.sh")
    pooler.start()
    clients.run("sh", script, expect=0)
    with open(pooler.list) as f:
        before = f.read()
    assert '"sap" "' in before and '"sap" ""' not in before
    failing_get(clients)
    done = clients.run("sh", script)
    assert done.code == 5, done
    process = clients.popen("sh", follow, start_new_session=True)
    try:
        wait_for(lambda: open(clients.path("asked")).read().count("get") >= 3,
                 "the second script to ask again")
        assert process.poll() is None
    finally:
        os.killpg(process.pid, 15)
        process.communicate(timeout=30)
    with open(pooler.list) as f:
        assert f.read() == before


# -- containers ----------------------------------------------------------------

def in_a_container(clients, mount, command):
    """A shell in a mount namespace of its own, with `mount` done there; it
    waits for a line before it runs `command`."""
    process = clients.popen(
        "unshare", "--user", "--map-root-user", "--mount", "sh", "-ec",
        f"mount --bind {mount}; echo up; read go; {command}", stdin=-1)
    assert process.stdout.readline() == b"up\n"

    def go_on():
        out, err = process.communicate(b"\n", timeout=30)
        return process.returncode, out, err
    return go_on


def mounted(clients, place, ours):
    """What the page mounts at this place, which has to be the folder for which
    `ours` stands, and where it is mounted here."""
    (source,) = re.findall(rf"^docker run --mount type=bind,src=(\S+),"
                           rf"dst={place},readonly app$",
                           clients.recipe("containers.sh"), re.M)
    inside = clients.path("inside")
    os.mkdir(inside)
    os.chmod(inside, 0o755)
    assert source in ("/var/lib/keyturn/sap", "/run/keyturn")
    return ours, inside


def test_a_mounted_folder_follows_and_a_mounted_file_does_not(clients,
                                                              taken_over):
    old = taken_over.current().password
    sink = os.path.join(taken_over.sinks, "sap.pgpass")
    source, inside = mounted(clients, "/secrets", taken_over.sinks)
    single = clients.write_file("single", "")
    folder = in_a_container(clients, f"{source} {inside}",
                            f"cat {inside}/sap.pgpass")
    file = in_a_container(clients, f"{sink} {single}", f"cat {single}")
    clients.rotate()
    new = taken_over.current().password
    code, out, _ = folder()
    assert code == 0 and new in out.decode() and old not in out.decode()
    # What the page warns of.
    code, out, _ = file()
    assert code == 0 and old in out.decode()


def test_a_mounted_folder_reaches_an_agent_that_was_restarted(clients):
    source, inside = mounted(clients, "/run/keyturn", clients.agent.sockets)
    folder = in_a_container(
        clients, f"{source} {inside}",
        f"keyturn-credential get --role sap --socket {inside}/agent.sock")
    clients.agent.stop()
    clients.agent.start()
    code, out, err = folder()
    assert code == 0, err
    assert clients.site.current().password in out.decode()


def test_a_start_script_reads_an_env_sink(clients):
    """Which docker's --env-file would not: the values are quoted."""
    site = clients.site
    with open(os.path.join(SOURCE, "docs", "clients.md")) as f:
        line = re.search(r"\(`(set -a; \. /secrets/sap.env; set \+a; exec) app`",
                         f.read())
    file = os.path.join(site.sinks, "sap.env")
    site.configure(role_settings=f"sink = env {file}\n")
    clients.rotate()
    os.chmod(file, 0o644)
    script = line[1].replace("/secrets/sap.env", file) \
        + " psql -X -At -c 'select current_user'"
    done = clients.run("sh", "-c", script, expect=0)
    assert done.out == "sap\n", done


# -- systemd and cron ----------------------------------------------------------

def unit(text):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    return parser["Service"]


def test_a_service_is_started_by_exec(clients):
    service = unit(clients.recipe("report.service"))
    argv = shlex.split(service["ExecStart"])
    assert argv[0] == "/usr/bin/keyturn-credential"
    for _ in range(2):
        done = clients.run("keyturn-credential", *argv[1:], expect=0)
        assert done.out == "sap\n"
        clients.rotate()


def load_credential(service, sockets, name):
    """What systemd's manager reads (exec-credential.c)."""
    identity, path = service["LoadCredential"].split(":")
    path = os.path.join(sockets, os.path.basename(path))
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.bind(f"\0{secrets.randbits(64):x}/unit/{name}/{identity}")
        s.connect(path)
        s.shutdown(socket.SHUT_WR)
        return s.makefile("rb").read().decode()


def test_a_service_is_given_its_credential(clients, taken_over):
    service = unit(clients.recipe("app.service"))
    assert "%d/" + service["LoadCredential"].split(":")[0] \
        in service["ExecStart"]
    for _ in range(2):
        if os.geteuid() == 0:
            given = load_credential(service, clients.agent.sockets,
                                    "app.service")
            taken_over.must_log_in(given)
        else:
            # Nobody but systemd: it is root's word which unit asks.
            with pytest.raises(PermissionError):
                given = load_credential(service, clients.agent.sockets,
                                        "app.service")
                raise PermissionError if given == "" else AssertionError
        clients.rotate()
    if os.geteuid() == 0:
        assert load_credential(service, clients.agent.sockets,
                               "other.service") == ""


def test_cron_runs_it_with_next_to_no_environment(clients):
    path, line = clients.recipe("crontab").splitlines()
    assert path == "PATH=/usr/bin:/bin"
    *when, command = line.split(None, 5)
    assert len(when) == 5 and "%" not in command  # cron's newline
    environment = {name: clients.environment[name] for name in
                   ("HOME", "PATH", "KEYTURN_SOCKET", "PGSSLROOTCERT")}
    environment.update(SHELL="/bin/sh", LOGNAME="report")
    for _ in range(2):
        done = subprocess.run(["/bin/sh", "-c", command], cwd=clients.home,
                              env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "sap\n"), done.stderr
        clients.rotate()
