# SPDX-License-Identifier: PostgreSQL
"""Users whom a directory service knows, while it is away and when it is back."""

import os
import tempfile

import pytest

from rig import fault
from rig.daemon import QUICK, Daemon
from rig.server import wait_for

HERE = os.path.dirname(os.path.abspath(__file__))


class Directory:
    def __init__(self, folder, file):
        self.file = file
        self.environment = {
            "LD_PRELOAD": fault.compile_shim(
                HERE, os.path.join(folder, "directory.so"), "directory.c"),
            "KEYTURN_DIRECTORY": file}

    def comes_back(self, uid):
        with open(self.file + ".new", "w") as f:
            f.write(str(uid) + "\n")
        os.chmod(self.file + ".new", 0o644)
        os.rename(self.file + ".new", self.file)


@pytest.fixture
def directory(folder):
    return Directory(folder, os.path.join(
        tempfile.mkdtemp(prefix="directory-", dir=folder), "somebody"))


@pytest.mark.slow
def test_the_agent_asks_again_for_a_user_that_could_not_be_looked_up(
        taken_over, new_agent, directory):
    agent = new_agent(taken_over, roles={"sap": "readers = user:somebody"},
                      start=False)
    agent.start(environment=directory.environment)
    assert 'sap: user "somebody" cannot be looked up: Input/output error' \
        in agent.said()
    assert agent.call("GET", role="sap").result == "DENIED"
    directory.comes_back(os.getuid())
    wait_for(lambda: agent.call("GET", role="sap").result == "OK",
             "the agent to ask again", 30)
    assert "1 users or groups that were not known have been found" \
        in agent.said()
    # A directory that goes away takes nobody's rights.
    os.unlink(directory.file)
    assert agent.call("GET", role="sap").result == "OK"


def test_a_directory_that_is_away_is_no_mistake_in_the_configuration(
        new_site, directory):
    """keyturnd does not end with 2, after which systemd would not start it
    again."""
    site = new_site(keyturn=QUICK)
    sink = directory.file + ".pgpass"
    site.configure(keyturn=QUICK,
                   role_settings=f"sink = pgpass {sink} owner=somebody\n")
    done = site.run("rotate", "sap", environment=directory.environment)
    assert done.exit == 1
    assert 'user "somebody" cannot be looked up: Input/output error; is the ' \
        "directory service up?" in done.text
    daemon = Daemon(site, environment=directory.environment)
    assert daemon.finish().exit == 1
    directory.comes_back(os.getuid())
    site.run("rotate", "sap", environment=directory.environment, expect=0)
    assert os.stat(sink).st_uid == os.getuid()
    Daemon(site, environment=directory.environment).ready().stop()
