# SPDX-License-Identifier: PostgreSQL
"""Several rotators on one role at once: one claim wins, no password is lost."""

import random
import time

import pytest

BUSY = 13


def at_once(*sites):
    runs = [site.start("rotate", "sap") for site in sites]
    return [run.finish() for run in runs]


def check_round(site, results, before):
    codes = [r.exit for r in results]
    assert set(codes) <= {0, BUSY}, "\n".join(r.text for r in results)
    assert 0 in codes, "nobody rotated: " + "\n".join(r.text for r in results)
    current = site.current()
    assert current.id != before.id
    assert site.live().id == current.id
    site.must_not_log_in(before.password)
    return current


@pytest.mark.slow
def test_two_rotators_of_one_installation_twenty_times(taken_over):
    current = taken_over.current()
    for _ in range(20):
        results = at_once(taken_over, taken_over)
        current = check_round(taken_over, results, current)
    taken_over.run("recover", "sap", expect=0)
    assert taken_over.settled().id == current.id


@pytest.mark.slow
def test_two_rotators_with_ledgers_of_their_own_twenty_times(taken_over):
    """As two hosts: nothing but the marker and the store is between them."""
    other = taken_over.second_host(taken_over.folder + "-2")
    current = taken_over.current()
    for _ in range(20):
        results = at_once(taken_over, other)
        current = check_round(taken_over, results, current)
    taken_over.run("recover", "sap", expect=0)
    assert taken_over.settled().id == current.id
    assert not other.leaks()


@pytest.mark.slow
def test_three_rotators_of_which_one_is_killed_fifteen_times(taken_over):
    other = taken_over.second_host(taken_over.folder + "-2")
    chance = random.Random(4711)
    for _ in range(15):
        runs = [s.start("rotate", "sap")
                for s in (taken_over, other, taken_over)]
        time.sleep(chance.uniform(0.0, 0.15))
        victim = chance.choice(runs)
        if victim.process.poll() is None:
            victim.process.kill()
        results = [run.finish() for run in runs]
        # Who comes after a dead claim may be told that it lives.
        assert {r.exit for r in results} <= {0, -9, BUSY, 9}, \
            "\n".join(r.text for r in results)
        taken_over.live()
    taken_over.run("recover", "sap", expect=0)
    taken_over.settled()
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()
    assert not other.leaks()


def test_a_second_rotator_is_told_that_one_is_running(taken_over):
    site = taken_over
    claim = site.marker()["claim"]
    first = site.stop_before(
        lambda e: e.sends and site.marker()["claim"] != claim,
        "rotate", "sap")
    second = site.run("rotate", "sap", "--json", expect=BUSY)
    (line,) = second.lines
    assert line["status"] in ("BUSY", "CONFLICT") and line["exit"] == BUSY
    # Who was told so left its run open, in case the first does not finish.
    assert site.status()["open_run"]
    first.go_on()
    while first.wait_stopped():
        first.go_on()
    assert first.finish().exit == 0
    site.settled()


def test_a_rotator_whose_claim_was_replaced_is_fenced(taken_over):
    """By whom does not matter: what counts is the row, at the moment of the
    ALTER ROLE."""
    site = taken_over
    before = site.current()
    late = site.stop_before(
        lambda e: e.sends and site.labelled("pending") is not None,
        "rotate", "sap")
    site.server.sql("update keyturn.marker set claim = gen_random_uuid(), "
                    "epoch = epoch + 1", dbname=site.database)
    mark = site.server.mark()
    late.go_on()
    while late.wait_stopped():
        late.go_on()
    done = late.finish()
    assert "ALTER ROLE" not in site.server.log_since(mark), \
        "was not fenced: ALTER ROLE ran without the claim"
    assert done.exit == BUSY, done.text
    assert site.live().id == before.id
    site.run("recover", "sap", expect=0)
    assert site.settled().id == before.id
