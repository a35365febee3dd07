# SPDX-License-Identifier: PostgreSQL
"""How long a password may live: settings against the policy, in check, status
and the metrics."""

import json
import os

import pytest

from rig.daemon import QUICK, Daemon, overdue
from rig.server import wait_for
from rig.verdict import finding
from test_keyturnd_agent import metrics

DAY = 86400


@pytest.fixture
def limited(taken_over):
    """configure(settings of the role, max_life) under a policy with a limit."""
    def configure(settings, max_life="30d", **more):
        taken_over.configure(
            role_settings=f"policy = partner\n{settings}\n",
            more=f"[policy partner]\nmax_life = {max_life}\n", **more)
        # The rig's own schedule goes, and the clocks are put back once a year.
        with open(taken_over.configuration) as f:
            text = f.read()
        assert text.count("every = 30d\n") == 1
        with open(taken_over.configuration, "w") as f:
            f.write(text.replace("every = 30d\n", "").replace(
                "timezone = UTC\n", "timezone = Europe/Berlin\n"))
        return taken_over
    return configure


def status(site):
    return json.loads(site.run("status", "--json", "sap", expect=0).out)[0]


def lives(site):
    """What check says of it, whether it ends well or not."""
    return [line.split(": ", 2)[2] for line in
            site.run("check", "sap").out.splitlines() if ": life: " in line]


@pytest.mark.parametrize("settings,longest", [
    ("every = 7d", 7 * DAY),
    ("every = 29d\ngrace = 24h", 30 * DAY),
    ("schedule = 0 3 * * sun\ngrace = 12h", 7 * DAY + 3600 + 12 * 3600)])
def test_a_life_within_the_limit_is_said_with_its_numbers(limited, settings,
                                                          longest):
    site = limited(settings)
    site.run("check", expect=0)
    said, = lives(site)
    assert said.startswith("a password lives at most ")
    assert said.endswith("max_life of the policy is 30d")
    now = status(site)
    assert (now["longest_life_seconds"], now["max_life_seconds"],
            now["outlives"]) == (longest, 30 * DAY, False)
    assert "; max_life 30d" in site.run("status", "sap", expect=0).out


@pytest.mark.parametrize("settings,longest,says", [
    # Rotated by hand as the window closes, it waits a day for the opening.
    ("every = 29d\nwindow = 04:00-05:00\ngrace = 2h", 30 * DAY + 7200,
     ("may live 30d 2h (30d to the next rotation, 2h of grace)",
      "by 2h in all")),
    ("schedule = 0 3 1 */2 *", 62 * DAY, ("may live 62d", "by 32d in all")),
    ("", None, ("rotated by command only", "set every or schedule"))])
def test_a_life_beyond_the_limit_fails_the_check(limited, settings, longest,
                                                 says):
    """It stops no rotation, and the last line does not say so."""
    site = limited(settings)
    done = site.run("check", expect=6)
    finding(done, "life", "max_life of the policy is 30d", *says)
    assert done.err.strip().endswith(
        "the passwords of 1 role may live longer than max_life")
    now = status(site)
    assert (now["longest_life_seconds"], now["outlives"]) == (longest, True)
    assert "over max_life 30d" in site.run("status", "sap", expect=0).out
    site.run("rotate", "sap", expect=0)


def test_a_password_that_is_too_old_is_said(limited):
    site = limited("every = 7d")
    overdue(site)
    assert status(site)["outlives"]
    assert "older than max_life 30d" in site.run("status", expect=0).out
    good, old = lives(site)
    assert good.startswith("a password lives at most 7d")
    assert old.startswith("the present password is 40d") \
        and old.endswith("keyturn rotate sap")
    site.run("rotate", "sap", expect=0)
    assert not status(site)["outlives"]
    # Without a limit nothing is said, whatever the schedule.
    site.configure(role_settings="grace = 1d\n")
    assert lives(site) == []
    now = status(site)
    assert (now["longest_life_seconds"], now["max_life_seconds"],
            now["outlives"]) == (None, None, False)


def test_the_metrics_have_it(limited):
    def measured(site):
        found = metrics(os.path.join(site.folder, "keyturn.prom")) or {}
        return [found.get((f"keyturn_role_{name}", (
            ("cluster", "main"), ("role", "sap"))))
            for name in ("longest_life_seconds", "max_life_seconds",
                         "outlives")]

    folder = limited("").folder
    quick = QUICK + f"metrics = {folder}/keyturn.prom\n"
    site = limited("every = 7d\ngrace = 1d", keyturn=quick)
    daemon = Daemon(site).ready()
    wait_for(lambda: measured(site) == [8 * DAY, 30 * DAY, 0], "the numbers")
    limited("every = 31d", keyturn=quick)
    daemon.hang_up()
    wait_for(lambda: measured(site) == [31 * DAY, 30 * DAY, 1], "the others")
    limited("", keyturn=quick)
    daemon.hang_up()
    wait_for(lambda: measured(site) == [0, 30 * DAY, 1], "no bound")
    daemon.stop()
