# SPDX-License-Identifier: PostgreSQL
"""Two login roles in turn, and clients that log in without pause through whole
cycles, with what the files say: none fails."""

import os
import threading
import time

import psycopg
import pytest

from rig.server import wait_for
from test_alternating import PAIR, Pair, pair  # noqa: F401

SERVICE = PAIR + "sink = service {sinks}/service\n"
LOGIN = "select session_user::text, current_user::text"


class Loop:
    """Logs in again and again, in threads; each answer is kept."""

    def __init__(self, login, threads=2):
        self.login, self.failures, self.users = login, [], []
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run)
                         for _ in range(threads)]

    def _run(self):
        while not self._ending.is_set():
            try:
                self.users.append(self.login())
            except Exception as e:
                self.failures.append(str(e))
                time.sleep(0.1)

    def __enter__(self):
        for t in self._threads:
            t.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for t in self._threads:
            t.join()

    def moved_to(self, user):
        """Every thread has logged in as that user, and does so again."""
        def moved():
            assert not self.failures, self.failures[0]
            last = self.users[-4 * len(self._threads):]
            return len(last) == 4 * len(self._threads) and set(last) == {user}
        wait_for(moved, f"logins as {user}")


def free(pair, user):  # noqa: F811
    """Nobody is logged in as that user any more."""
    wait_for(lambda: pair.site.server.sql(
        "select count(*) from pg_stat_activity where usename = %s",
        [user]) == [(0,)], f"{user} to have no session")


def cycle(pair, loops, rounds=3):  # noqa: F811
    """Rotate and retire, so that each member has its turn."""
    for turn in range(rounds):
        old, new = (("sap_a", "sap_b"), ("sap_b", "sap_a"))[turn % 2]
        pair.run("rotate", "sap")
        for loop in loops:
            loop.moved_to(new)
        free(pair, old)
        pair.run("retire", "sap")
        for loop in loops:
            loop.moved_to(new)
    for loop in loops:
        assert loop.failures == []
        assert {"sap_a", "sap_b"} <= set(loop.users)


@pytest.fixture
def told(pair, monkeypatch):  # noqa: F811
    """A pair whose users are told by a service and a pgpass file."""
    pair.site.configure(
        role_settings=SERVICE.format(sinks=pair.site.sinks))
    monkeypatch.setenv("PGSERVICEFILE",
                       os.path.join(pair.site.sinks, "service"))
    monkeypatch.setenv("PGPASSFILE",
                       os.path.join(pair.site.sinks, "sap.pgpass"))
    pair.run("rotate", "sap")
    return pair


def by_service(**more):
    with psycopg.connect("service=sap connect_timeout=20 gssencmode=disable",
                         **more) as c:
        session, current = c.execute(LOGIN).fetchone()
        assert current == "sap"
        return session


def lines(pair):  # noqa: F811
    with open(os.path.join(pair.site.sinks, "sap.pgpass")) as f:
        return [line.split(":")[3] for line in f if line[0] != "#"]


def test_who_has_read_the_user_a_moment_ago_finds_its_password(told):
    assert by_service() == "sap_a" and lines(told) == ["sap_a"]
    told.run("rotate", "sap")
    # The service file was read before, the pgpass file is read now.
    assert by_service(user="sap_a") == "sap_a"
    assert by_service() == "sap_b"
    assert lines(told) == ["sap_b", "sap_a"]
    told.run("retire", "sap")
    assert lines(told) == ["sap_b"]
    told.run("rollback", "sap", "--reason", "T-1")
    assert by_service() == "sap_a" and lines(told) == ["sap_a", "sap_b"]
    told.run("retire", "sap")
    told.run("retire", "sap", "--now")
    assert lines(told) == ["sap_a"]


def test_libpq_logs_in_through_whole_cycles(told):
    with Loop(by_service) as loop:
        loop.moved_to("sap_a")
        cycle(told, [loop])
