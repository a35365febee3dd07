# SPDX-License-Identifier: PostgreSQL
"""The audit trail, verified by docs/verify_audit.py, which shares no code with
keyturn: what docs/auditors.md says of the format is true."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "..", "..", "docs", "verify_audit.py")


def export(site):
    return site.run("audit", "export", expect=0).out.splitlines()


def verify(site, lines, key=None):
    """How the script ends, and what it says."""
    path = site.next_file("trail")
    with open(path, "w") as f:
        f.write("".join(line + "\n" for line in lines))
    done = subprocess.run(
        [sys.executable, SCRIPT, key or os.path.join(site.keys,
                                                     "audit.key.pub"), path],
        capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def trail(taken_over):
    """With two checkpoints and an event after them."""
    taken_over.run("rotate", "sap", "--reason", "\"quoted\", \u00fc and\ttab",
                   expect=0)
    taken_over.run("freeze", "sap", "--reason", "quiet", expect=0)
    return export(taken_over)


def test_an_export_verifies_without_keyturn(taken_over, trail):
    own = json.loads(taken_over.run("audit", "verify", "--json",
                                    expect=0).out)
    assert own["checkpoints"] >= 2 and own["unsigned_tail"] == 1
    assert verify(taken_over, trail) == (
        0, f"{own['events']} events and {own['checkpoints']} checkpoints "
           f"verify, 1 events after the last checkpoint, head {own['head']}\n")


def test_a_later_export_begins_with_the_earlier_one(taken_over, trail):
    taken_over.run("thaw", "sap", expect=0)
    taken_over.run("rotate", "sap", expect=0)
    later = export(taken_over)
    assert len(later) > len(trail) and later[:len(trail)] == trail
    assert verify(taken_over, later)[0] == 0


@pytest.mark.parametrize("number", [0, 3, -1], ids=["first", "middle", "last"])
def test_an_altered_event_is_named(taken_over, trail, number):
    event = json.loads(trail[number])
    assert "seq" in event
    trail[number] = trail[number].replace('"role":"sap"', '"role":"erp"')
    assert verify(taken_over, trail) == (
        1, f"line {number % len(trail) + 1}: event {event['seq']} was "
           "altered\n")


def test_a_missing_event_is_named(taken_over, trail):
    del trail[2]
    assert verify(taken_over, trail) == (1, "line 3: event 3 is missing\n")


def test_another_key_is_not_believed(taken_over, trail):
    key = taken_over.next_file("other")
    for command in (["genpkey", "-algorithm", "ed25519", "-out", key],
                    ["pkey", "-in", key, "-pubout", "-out", key + ".pub"]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    code, said = verify(taken_over, trail, key + ".pub")
    assert code == 1 and "is not signed by this key" in said
