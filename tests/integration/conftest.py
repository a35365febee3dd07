# SPDX-License-Identifier: PostgreSQL
"""Fixtures of the integration tests.

    server        one PostgreSQL for the whole session; settings and
                  pg_hba.conf are put back after each test
    new_server    makes further ones: new_server(), new_server(standby_of=s)
    site          a keyturn installation with the role "sap", on `server`
    new_site      makes others: new_site(on=..., roles=..., cluster=...)
    taken_over    `site` after its first rotation
    agent         a keyturn-agent that serves `taken_over`, with all rights for
                  the user of the tests
    new_agent     makes others: new_agent(site, roles={...}, ...)
    new_gateway   a PgBouncer with an agent of its own: new_gateway(site)
    users         for agents with peers of several uids: users=users

The program under test is $KEYTURN_BIN, or keyturn in $KEYTURN_BUILD, or in
build/default.  After each test everything that it left is searched for every
password that it used; a hit fails the test.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from types import SimpleNamespace

import pytest

from rig import fault, once, program, server as servers
from rig.agent import Agent
from rig.authority import Authority
from rig.gateway import Gateway, verifiers
from rig.installation import Installation
from rig.users import Users

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
PREFIX = "keyturn-it-"


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than ten seconds")
    # A terminated test run must put its servers away like an interrupted one.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))
    # nohup and shells in the background ignore these, which programs inherit.
    for number, usual in ((signal.SIGHUP, signal.SIG_DFL),
                          (signal.SIGINT, signal.default_int_handler),
                          (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)
    # A user of Debian's has 002, and folders that a group may write to are
    # refused.
    os.umask(0o022)
    if not hasattr(config, "workerinput"):
        remove_left_overs()
        once.begin(PREFIX)


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        once.end()


def binary():
    if os.environ.get("KEYTURN_BIN"):
        return os.path.abspath(os.environ["KEYTURN_BIN"])
    folders = [os.environ["KEYTURN_BUILD"]] if "KEYTURN_BUILD" in os.environ \
        else [os.path.join(SOURCE, "build", "default"),
              os.path.join(SOURCE, "build")]
    for folder in folders:
        file = os.path.join(os.path.abspath(folder), "keyturn")
        if os.path.isfile(file):
            return file
    pytest.exit("no keyturn in " + " or ".join(folders)
                + "; set KEYTURN_BIN or KEYTURN_BUILD", 2)


def compile_dump():
    """store_dump.c with the store's own code."""
    return program.build("store_dump",
                         ("store", "store/local", "lite", "crypto", "base"),
                         ("sqlite3", "ssl", "crypto"))


def remove_left_overs():
    """Folders of runs that were killed; their servers ended with them."""
    for name in os.listdir(tempfile.gettempdir()):
        found = re.fullmatch(re.escape(PREFIX) + r"(\d+)-.*", name)
        if found and not os.path.exists("/proc/" + found[1]):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name),
                          ignore_errors=True)


@pytest.fixture(scope="session")
def folder():
    """A short path: sockets live below it.  KEYTURN_KEEP=1 keeps it."""
    remove_left_overs()
    path = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
    os.chmod(path, 0o755)
    yield path
    if not os.environ.get("KEYTURN_KEEP"):
        shutil.rmtree(path, ignore_errors=True)
    remove_left_overs()


@pytest.fixture(scope="session")
def authority(folder):
    return Authority(os.path.join(folder, "ca"))


@pytest.fixture(scope="session")
def template():
    return once.made("template", servers.make_template)


@pytest.fixture(scope="session")
def shim():
    return once.made("preload.so",
                     lambda path: fault.compile_shim(HERE, path))


@pytest.fixture(scope="session")
def tools(shim):
    return SimpleNamespace(
        binary=binary(), shim=shim,
        dump=compile_dump())


@pytest.fixture(scope="session")
def _shared_server(folder, authority, template):
    server = servers.Server(os.path.join(folder, "pg"), authority, template)
    server.start()
    yield server
    server.stop("immediate")


@pytest.fixture
def server(_shared_server):
    yield _shared_server
    if _shared_server.process is None:
        _shared_server.start()
    _shared_server.unconfigure()
    empty(_shared_server)


def empty(server):
    """Drop what a test made: databases first, then roles."""
    server.forget_connections()
    for (name,) in server.sql("select datname from pg_database where datname "
                              "not in ('postgres', 'template0', 'template1')"):
        server.sql(f'drop database {quoted(name)} with (force)')
    # At once, for since 16 one may hang on what it granted to another.
    roles = [quoted(name) for (name,) in server.sql(
        "select rolname from pg_roles where oid >= 16384")]
    if roles:
        server.sql("drop role " + ", ".join(roles))


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture
def new_server(folder, authority, template):
    made = []

    def make(standby_of=None):
        path = tempfile.mkdtemp(prefix="pg-", dir=folder)
        os.chmod(path, 0o755)
        if standby_of:
            server = standby_of.standby(path)
        else:
            server = servers.Server(path, authority, template)
        made.append(server)
        return server.start()

    yield make
    for server in reversed(made):
        with contextlib.suppress(Exception):
            server.stop("immediate")


@pytest.fixture
def new_site(folder, tools, server, new_server):
    made = []

    def make(on=None, roles=("sap",), **settings):
        path = tempfile.mkdtemp(prefix="kt-", dir=folder)
        site = Installation(tools, on or server, os.path.join(path, "site"),
                            f"partner{len(made)}")
        made.append(site)
        return site.create(roles, **settings)

    yield make
    # Fixtures are put away in the reverse order: the servers still run.
    for site in made:
        site.close()
    hits = [hit for site in made for hit in site.leaks()]
    assert not hits, "secrets where none may be: " + "; ".join(
        f"{what} in {file}" for file, what in hits[:20])


@pytest.fixture(scope="session")
def users():
    made = Users()
    yield made
    made.close()


@pytest.fixture
def new_agent(folder):
    made = []

    def make(site, start=True, **settings):
        sockets = tempfile.mkdtemp(prefix="ag-", dir=folder)
        os.chmod(sockets, 0o755)
        agent = Agent(site, sockets, **settings)
        made.append(agent)
        return agent.start() if start else agent

    yield make
    for agent in made:
        agent.close()


@pytest.fixture
def new_gateway(folder, new_agent):
    """new_gateway(site, agent=None, start=True, grace="1h", roles=(...),
    **settings of Gateway): the agent is one of its own, unless given."""
    made = []

    def make(site, agent=None, start=True, grace="1h", roles=None, **settings):
        agent = agent or new_agent(site, start=start, roles={
            name: verifiers(grace) for name in roles or site.roles()})
        made.append(Gateway(site, agent, folder, **settings))
        return made[-1].start() if start else made[-1]

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture
def agent(taken_over, new_agent):
    return new_agent(taken_over)


@pytest.fixture
def site(new_site):
    return new_site()


@pytest.fixture
def taken_over(site):
    site.run("rotate", "sap", expect=0)
    site.settled()
    return site
