# SPDX-License-Identifier: PostgreSQL
"""What every test of a bad world asks: one clear sentence, and nothing lost."""

import contextlib
import os
import stat

from rig.installation import FIRST_PASSWORD


def sentence(done, exit, *words):
    """The run ended with this code and one sentence that has these words:
    the sentence."""
    assert done.exit == exit, done.text
    lines = [line for line in (done.out + done.err).splitlines() if line]
    assert len(lines) == 1, done.text
    line = lines[0]
    for word in words:
        assert str(word) in line, f"no {word!r} in: {line}"
    print(line)
    assert line.isprintable() and len(line.encode()) < 1200, line
    return line


def finding(done, *words):
    """`keyturn check` has a line "fail" with these words: the line."""
    assert done.exit != 0, done.text
    lines = [line for line in done.out.splitlines()
             if line.startswith("fail ")]
    for line in lines:
        if all(str(word) in line for word in words):
            return line
    raise AssertionError(f"no finding with {words}:\n{done.text}")


class Before:
    """What was true of a role, to be found unchanged later."""

    def __init__(self, site, role="sap"):
        self.site = site
        self.role = role
        self.versions = site.versions(role)
        self.applied = self._applied()
        self.sink = site.sink(role)
        current = site.current(role)
        self.password = current.password if current else FIRST_PASSWORD

    def _applied(self):
        marker = self.site.marker(self.role) or {}
        return [marker.get(k) for k in ("live_version", "applied_at",
                                        "fingerprint")]

    def holds(self, staged=False, login=True):
        """F0 of rotation-safety.md: the same password logs in, the store, the
        marker and the sink are as before.  `staged`: a PENDING that was never
        live may be left."""
        site = self.site
        now = site.versions(self.role)
        if staged:
            known = {v.id for v in self.versions}
            fresh = [v for v in now if v.id not in known]
            assert len(fresh) <= 1 and all(
                v.label in ("pending", "ring") for v in fresh), now
            for version in fresh if login else []:
                site.must_not_log_in(version.password, self.role)
            now = [v for v in now if v.id in known]
            assert {(v.id, v.password) for v in now} == \
                {(v.id, v.password) for v in self.versions}
            assert site.current(self.role) == \
                next((v for v in self.versions if v.label == "current"), None)
        else:
            assert now == self.versions
        assert self._applied() == self.applied
        assert site.sink(self.role) == self.sink
        if login:
            site.must_log_in(self.password, self.role)


@contextlib.contextmanager
def nothing_changed(site, role="sap", staged=False):
    before = Before(site, role)
    yield before
    before.holds(staged)


def without_override(site, tmp_path):
    """keyturn may no longer pass over modes: as root it otherwise may."""
    if os.geteuid() != 0:
        return
    wrapper = os.path.join(tmp_path, "keyturn-without-override")
    with open(wrapper, "w") as f:
        f.write("#!/bin/sh\nexec setpriv --bounding-set "
                "-dac_override,-dac_read_search,-fowner --inh-caps=-all "
                f"-- {site.binary} \"$@\"\n")
    os.chmod(wrapper, 0o755)
    site.binary = wrapper


@contextlib.contextmanager
def mode(path, bits):
    """The file's mode for a while."""
    before = stat.S_IMODE(os.stat(path).st_mode)
    os.chmod(path, bits)
    try:
        yield
    finally:
        os.chmod(path, before)


def line_of(path, text):
    """"FILE:LINE" of the first line with the text."""
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        for number, line in enumerate(f, 1):
            if text in line:
                return f"{path}:{number}"
    raise AssertionError(f"{text!r} is not in {path}")


def books_apart(site):
    """Move the ledger out of the store's folder, so that a fault can be on the
    disk of one only: (folder of the ledger, folder of the store)."""
    books = os.path.join(site.folder, "books")
    os.mkdir(books, 0o700)
    for name in os.listdir(site.state):
        if name.startswith("ledger.db"):
            os.rename(os.path.join(site.state, name),
                      os.path.join(books, name))
    with open(site.configuration) as f:
        text = f.read()
    with open(site.configuration, "w") as f:
        f.write(text.replace(f"{site.state}/ledger.db", f"{books}/ledger.db"))
    return books, site.state


def run_with_fault(site, folder, fault, *argv):
    """Run keyturn; only the files below `folder` count and fail."""
    whole = site.folder
    site.folder = folder
    try:
        return site.run(*argv, fault=fault)
    finally:
        site.folder = whole


def growing(effects):
    """The numbers of the effects that can find the disk full."""
    return [e.number for e in effects
            if e.call.startswith(("pwrite", "write", "fallocate",
                                  "posix_fallocate", "ftruncate"))]
