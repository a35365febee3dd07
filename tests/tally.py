#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Count what a test run passed, failed and skipped.

usage: tally.py KIND PATH [KIND PATH]...
       with check BUILD, junit FILE, mutations LOG

`check` reads automake's .trs files under BUILD/tests.  A cmocka program counts
its tests, any other program (a lint) counts as one; cmocka's own skips do not
show in the exit code, so they are read from the log.  `junit` reads pytest's
junit file, `mutations` the sums that tests/mutations/run prints.

Prints "PASSED FAILED SKIPPED"; names of what failed or was skipped go to
standard error.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree

RESULT = re.compile(r"^:test-result: (\w+)", re.MULTILINE)
PASSED = re.compile(r"^\[  PASSED  \] (?:.*: )?(\d+) test", re.MULTILINE)
FAILED = re.compile(r"^\[  FAILED  \] (?:.*: )?(\d+) test", re.MULTILINE)
SKIPPED = re.compile(r"^\[  SKIPPED \] (?:.*: )?(\d+) test", re.MULTILINE)


def total(pattern, text):
    return sum(int(n) for n in pattern.findall(text))


def count_program(trs):
    """(passed, failed, skipped) of one test program of `make check`."""
    found = RESULT.search(trs.read_text())
    result = found.group(1) if found else "NONE"
    log = trs.with_suffix(".log").read_text(errors="replace")
    passed = total(PASSED, log)
    failed = total(FAILED, log)
    skipped = total(SKIPPED, log)
    if "[==========]" not in log:
        passed, failed = int(result == "PASS"), 0
    if result == "SKIP":
        skipped = max(skipped, 1)
    elif result != "PASS":
        failed = max(failed, 1)  # also a crash half-way, XPASS, ERROR
    return passed, failed, skipped


def count_check(build):
    counts = [0, 0, 0]
    for trs in sorted(pathlib.Path(build, "tests").rglob("*.trs")):
        one = count_program(trs)
        counts = [a + b for a, b in zip(counts, one)]
        for number, word in zip(one[1:], ("failed", "skipped")):
            if number:
                print(f"{word}: {number} in {trs.with_suffix('.log')}",
                      file=sys.stderr)
    return counts


def count_junit(path):
    counts = [0, 0, 0]
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        place = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            counts[1] += 1
            print(f"failed: {place}", file=sys.stderr)
        elif (skip := case.find("skipped")) is not None:
            counts[2] += 1
            print(f"skipped: {place}: {skip.get('message')}", file=sys.stderr)
        else:
            counts[0] += 1
    return counts


def count_mutations(path):
    log = pathlib.Path(path).read_text(errors="replace")
    sums = re.findall(r"^(\w+): (\d+) noticed, (\d+) (?:not|survived)$", log,
                      re.MULTILINE)
    if "mutations" not in [kind for kind, _, _ in sums]:
        return [0, 1, 0]  # it did not come to its end
    return [sum(int(n) for _, n, _ in sums), sum(int(n) for _, _, n in sums), 0]


KINDS = {"check": count_check, "junit": count_junit,
         "mutations": count_mutations}


def main():
    pairs = list(zip(sys.argv[1::2], sys.argv[2::2]))
    if not pairs or len(sys.argv) % 2 == 0 or \
            any(kind not in KINDS for kind, _ in pairs):
        sys.exit(__doc__)
    counts = [0, 0, 0]
    for kind, path in pairs:
        one = KINDS[kind](path)
        if not any(one):
            print(f"{path}: no test ran", file=sys.stderr)
            one[1] = 1
        counts = [a + b for a, b in zip(counts, one)]
    print(*counts)


main()
