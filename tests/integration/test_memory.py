# SPDX-License-Identifier: PostgreSQL
"""Secrets in memory (rotation-safety.md section 4): nobody may look, and what
is left to see is in the arena, or nothing at all."""

import base64
import collections
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from rig import fault, leaks
from rig.installation import ADMIN_PASSWORD

HERE = os.path.dirname(os.path.abspath(__file__))

# Copies of the new password outside of the arena of locked memory.
#
# While the proof of the password is connected, libpq has its own two: the
# connection's `pgpass` and the parsed parameter (section 4.1, "unavoidable").
LIBPQ_COPIES = 2
# While a sink is being written: the kernel cannot read memfd_secret(2) memory,
# so the bytes go through a buffer that is wiped at once.
BOUNCE_COPIES = 1

FRAGMENT = 8  # bytes; shorter pieces are found by chance
# HMAC begins with its key, which for SCRAM is the password, masked with these.
MASKS = {"raw": 0, "inner pad": 0x36, "outer pad": 0x5c}
STRIDE = 4  # each FRAGMENT has a piece of STRIDE + 1 bytes that begins there


# ---- Where nothing can be locked --------------------------------------------

def test_a_want_of_locked_memory_names_the_limit_and_what_raises_it(site):
    wrapper = os.path.join(site.folder, "without-memory")
    # Root has no limit with that capability.
    drop = "setpriv --bounding-set=-ipc_lock " if os.geteuid() == 0 else ""
    with open(wrapper, "w") as f:
        f.write("#!/bin/sh\nexec prlimit --memlock=0:0 "
                f'{drop}{site.binary} "$@"\n')
    os.chmod(wrapper, 0o755)
    site.binary, real = wrapper, site.binary
    done = site.run("rotate", "sap")
    site.binary = real
    assert done.exit != 0
    assert "this process may lock 0 KiB: raise that (systemd: " \
        "LimitMEMLOCK=; containers: --ulimit memlock=; shells: ulimit -l), " \
        "or let it lock without a limit (--cap-add IPC_LOCK)" in done.text
    assert "out of memory" not in done.text
    helper = os.path.join(os.path.dirname(real), "keyturn-credential")
    done = subprocess.run(
        ["prlimit", "--memlock=0:0", *drop.split(), helper, "get", "--role",
         "sap"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot lock 36 KiB of memory for a secret: this process may lock " \
        "0 KiB: raise that" in done.stderr


# ---- Nobody may look --------------------------------------------------------

@pytest.fixture(scope="session")
def peek(folder):
    """peek(pid): {way: is it open}, for another process of the same user."""
    program = os.path.join(folder, "peek")
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-std=c11",
                    "-D_GNU_SOURCE", "-o", program,
                    os.path.join(HERE, "peek.c")], check=True)

    def run(pid):
        done = subprocess.run([*as_nobody(), program, str(pid)],
                              capture_output=True, text=True, check=True)
        return {line.split()[0]: line.split()[1] == "yes"
                for line in done.stdout.splitlines()}
    return run


def as_nobody():
    """Root may look into everything, so for root it is another user."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid", "65534", "--regid", "65534",
            "--clear-groups", "--"]


def give(site, uid):
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{uid}:{uid}", site.folder,
                        site.evidence], check=True)


@pytest.fixture
def ordinary(taken_over, folder):
    """A site whose keyturn is run by an ordinary user who may write cores."""
    site = taken_over
    copy = os.path.join(folder, "keyturn-of-nobody")
    shutil.copy2(site.binary, copy)
    os.chmod(copy, 0o755)
    wrapper = copy + ".sh"
    with open(wrapper, "w") as f:
        f.write("#!/bin/sh\nulimit -c unlimited 2>/dev/null\n"
                f"exec {' '.join(as_nobody())} {copy} \"$@\"\n")
    os.chmod(wrapper, 0o755)
    os.chmod(os.path.dirname(site.folder), 0o711)
    give(site, 65534)
    site.shipped, site.binary = site.binary, wrapper
    yield site
    take_back(site)


def take_back(site):
    site.binary = site.shipped
    give(site, os.geteuid())


def proving(site):
    """A rotation that is stopped when it is about to try the new password."""
    connects = []

    def wanted(effect):
        connects.extend([effect] if effect.call == "connect" else [])
        return len(connects) == 2
    return site.stop_before(wanted, "rotate", "sap")


def go_on_to_the_end(run):
    run.go_on()
    while run.wait_stopped():
        run.go_on()
    return run.finish()


def test_a_process_of_the_same_user_cannot_look_into_a_rotation(ordinary,
                                                                peek):
    run = proving(ordinary)
    with open(f"/proc/{run.pid}/status") as f:
        assert "Uid:\t0\t" not in f.read()
    ways = peek(run.pid)
    assert set(ways.values()) == {False}, ways
    for name in ("maps", "mem", "environ", "fd"):
        assert os.stat(f"/proc/{run.pid}/{name}").st_uid == 0, name
    assert go_on_to_the_end(run).exit == 0
    take_back(ordinary)
    ordinary.settled()


def test_into_any_other_process_it_can_look(peek):
    """So that the test above can fail."""
    other = subprocess.Popen([*as_nobody(), "sleep", "60"])
    try:
        while b"sleep\0" != open(f"/proc/{other.pid}/cmdline",
                                 "rb").read()[:6]:
            assert other.poll() is None
        ways = peek(other.pid)
        yama = "/proc/sys/kernel/yama/ptrace_scope"
        if os.path.exists(yama) and open(yama).read().strip() != "0":
            for way in ("ptrace", "process_vm_readv", "mem"):
                ways.pop(way)
        assert set(ways.values()) == {True}, ways
    finally:
        other.kill()
        other.wait()


def test_a_crash_writes_no_core(ordinary):
    run = proving(ordinary)
    with open(f"/proc/{run.pid}/limits") as f:
        (line,) = [x for x in f if x.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
    os.kill(run.pid, signal.SIGSEGV)
    ended = 0
    while not ended:  # another of its threads may stop it once more
        run.go_on()
        time.sleep(0.02)
        ended, status = os.waitpid(run.pid, os.WNOHANG)
    run.process.returncode = os.waitstatus_to_exitcode(status)
    assert os.WTERMSIG(status) == signal.SIGSEGV
    assert not os.WCOREDUMP(status)
    run.finish()
    take_back(ordinary)
    ordinary.run("recover", "sap", expect=0)
    ordinary.settled()


# ---- Nothing is left to see -------------------------------------------------

Hit = collections.namedtuple("Hit", "place form bytes address")


def records(look):
    """(address, name, bytes) of the pieces of memory in a look."""
    with open(look, "rb") as f:
        for line in f:
            address, size, name = line.split(None, 2)
            content = f.read(int(size))
            assert len(content) == int(size)
            yield int(address, 16), name.strip().decode(), content


def fragments(secret, content):
    """(start, length) of each piece of the secret in content that has at least
    FRAGMENT bytes."""
    found = set()
    for i in range(0, len(secret) - STRIDE, STRIDE):
        piece = secret[i:i + STRIDE + 1]
        at = content.find(piece)
        while at >= 0:
            begin, end = i, i + len(piece)
            while begin > 0 and at - i + begin > 0 and \
                    content[at - i + begin - 1] == secret[begin - 1]:
                begin -= 1
            while end < len(secret) and \
                    content[at - i + end:at - i + end + 1] == \
                    secret[end:end + 1]:
                end += 1
            if end - begin >= FRAGMENT:
                found.add((at - i + begin, end - begin))
            at = content.find(piece, at + 1)
    return found


def encoded(secret):
    """What the secret looks like when it was encoded: {bytes: name}."""
    return {form: name for form, name in leaks.forms(secret).items()
            if form not in secret}


def hits(look, secret):
    """Every Hit of the secret: whole, in pieces, encoded.  What a library has
    of its file is 20 MB, and is searched for the secret itself only."""
    found = []
    others = encoded(secret)
    masked = {form: bytes(b ^ mask for b in secret)
              for form, mask in MASKS.items()}
    for address, name, content in records(look):
        library = name.startswith("/")
        for form in MASKS if not library else ["raw"]:
            found += [Hit(name, form, n, address + at)
                      for at, n in fragments(masked[form], content)]
        for form, what in others.items() if not library else ():
            at = content.find(form)
            if at >= 0:
                found.append(Hit(name, what, len(form), address + at))
    return found


def outside(look, secret):
    return [h for h in hits(look, secret) if h.place != "arena"]


@pytest.fixture(scope="session")
def scanner(folder):
    return fault.compile_shim(HERE, os.path.join(folder, "scan.so"), "scan.c")


class Scanned:
    """A site, and runs of it that write out what they have in memory.  The
    looks hold passwords: they lie outside of what is searched for them."""

    def __init__(self, site, scanner, looks):
        self.site = site
        self.looks = looks
        self.shim = f"{site.shim}:{scanner}"

    def run(self, *argv, each=0, wipe_off=None, whole=False, fault="count",
            **options):
        for name in os.listdir(self.looks):
            os.unlink(os.path.join(self.looks, name))
        environment = {"KEYTURN_SCAN_DIR": self.looks,
                       "KEYTURN_SCAN_EACH": str(each)}
        if whole:
            environment["KEYTURN_SCAN_WHOLE"] = "1"
        if wipe_off:
            environment["KEYTURN_WIPE_OFF"] = wipe_off
        shim, self.site.shim = self.site.shim, self.shim
        try:
            return self.site.run(*argv, fault=fault, environment=environment,
                                 **options)
        finally:
            self.site.shim = shim

    def look(self, which):
        return os.path.join(self.looks, str(which))

    def keys(self):
        """The keys of store and audit, as they are used and as they are in
        their files."""
        with open(os.path.join(self.site.keys, "store.key"), "rb") as f:
            text = f.read().strip()
        with open(os.path.join(self.site.keys, "audit.key"), "rb") as f:
            pem = f.read().split(b"\n")[1]
        return {"store key": bytes.fromhex(text.decode()),
                "store key's file": text,
                "audit key": base64.b64decode(pem)[-32:]}

    def passwords(self):
        return {f"{v.label} {v.id}": v.password.encode()
                for v in self.site.versions()}

    def everything(self):
        return {**self.passwords(), **self.keys(),
                "administrator's password": ADMIN_PASSWORD.encode()}

    def nothing_left(self, which="exit"):
        left = {what: hits(self.look(which), secret)
                for what, secret in self.everything().items()}
        assert not any(left.values()), f"look {which}: {left}"


@pytest.fixture
def scanned(taken_over, scanner, folder):
    looks = tempfile.mkdtemp(prefix="looks-", dir=folder)
    yield Scanned(taken_over, scanner, looks)
    shutil.rmtree(looks)


class Timeline:
    """Where in a rotation's effects the new password is needed by others."""

    def __init__(self, site, effects):
        connects = [e.number for e in effects if e.call == "connect"]
        assert len(connects) == 2, "the administrator, and one proof"
        self.proof = range(connects[1], next(
            e.number for e in effects
            if e.number > connects[1] and not e.sends))
        self.writes = [e.number for e in effects if e.call == "write"
                       and e.target.startswith(site.sinks)
                       and e.number > connects[1]]
        assert self.writes
        self.close = max(e.number for e in effects if e.sends)
        self.end = effects[-1].number

    def worth_looking(self):
        """Effects from the staging on: those with a budget, and after the
        close, all; of the others some."""
        return [n for n in range(self.proof.start - 15, self.end + 1)
                if n > self.close or n % 3 == 0 or self.budget(n)
                or self.budget(n - 1)]

    def budget(self, number):
        if number in self.proof:
            return LIBPQ_COPIES
        return BOUNCE_COPIES if number in self.writes else 0


def test_a_rotation_has_its_secrets_in_the_arena_and_then_nowhere(scanned):
    done = scanned.run("rotate", "sap", each=1, whole=True, expect=0)
    site = scanned.site
    new, old = site.settled(), site.labelled("previous")
    line = Timeline(site, done.effects)
    counts = collections.Counter()
    for n in line.worth_looking():
        found = hits(scanned.look(n), new.password.encode())
        out = [h for h in found if h.place != "arena"]
        assert len(out) <= line.budget(n), (n, done.effects[n - 1], out)
        counts["arena"] += len(found) - len(out)
        counts["proof" if n in line.proof else "write"] += len(out)
        if n > line.close:
            assert found == [], (n, done.effects[n - 1], found)
    # What is counted was seen.
    assert counts["arena"] > 0
    assert counts["proof"] >= LIBPQ_COPIES
    assert counts["write"] == BOUNCE_COPIES * len(line.writes)
    for n in range(1, line.end, 7):
        assert not outside(scanned.look(n), old.password.encode()), n
        for what, secret in scanned.keys().items():
            assert not outside(scanned.look(n), secret), (n, what)
    scanned.nothing_left()


def test_without_the_wiping_free_it_would_show(scanned):
    """The negative control: as a build without libwipe.a.  What of it is not
    overwritten by chance depends on the libraries."""
    done = scanned.run("rotate", "sap", each=1, expect=0, wipe_off="free")
    new = scanned.site.settled().password.encode()
    line = Timeline(scanned.site, done.effects)
    over = [n for n in range(line.proof.start, line.writes[0])
            if len(outside(scanned.look(n), new)) > line.budget(n)]
    keys = [what for n in range(1, line.end, 7)
            for what, secret in scanned.keys().items()
            if outside(scanned.look(n), secret)]
    assert over or keys


def test_without_any_wiping_it_would_be_there_at_the_end(scanned):
    """The negative control of the arena."""
    scanned.run("rotate", "sap", expect=0, wipe_off="all")
    scanned.site.settled()
    with pytest.raises(AssertionError, match="look exit"):
        scanned.nothing_left()
    for secret in scanned.passwords().values():
        places = {h.place for h in hits(scanned.look("exit"), secret)}
        assert "arena" in places
        break


def test_a_rotation_that_fails_leaves_nothing_either(scanned):
    site = scanned.site
    effects = scanned.run("rotate", "sap", expect=0).effects
    codes = set()
    # Not what it sends: libpq takes a send that failed for one that the server
    # has yet to answer, and waits.
    files = [e for e in effects if e.kind == "file"]
    for effect in files[30::13]:
        done = scanned.run("rotate", "sap", fault=f"fail-at:{effect.number}")
        codes.add(done.exit)
        scanned.nothing_left()
        site.run("recover", "sap", expect=0)
    assert len(codes) > 1, "no effect that failed was noticed"


def test_what_gets_and_imports_leaves_nothing(scanned):
    site = scanned.site
    for argv in (("get", "sap"), ("get", "sap", "--json"),
                 ("get", "sap", "--label", "previous"), ("check",),
                 ("status",), ("audit", "verify")):
        scanned.run(*argv)
        scanned.nothing_left()
    password = secrets.token_urlsafe(24)
    site.set_password("sap", password)
    reader, writer = os.pipe()
    os.write(writer, password.encode())
    os.close(writer)
    try:
        scanned.run("import", "sap", "--password-fd", str(reader),
                    fds=(reader,), expect=0)
    finally:
        os.close(reader)
    assert site.settled().password == password
    scanned.nothing_left()


def test_several_rotations_at_once_leave_nothing(scanned):
    site = scanned.site
    for role in ("erp", "crm", "hr"):
        site.create_role(role)
    roles = ["sap", "erp", "crm", "hr"]
    site.configure(roles)
    scanned.run("rotate", *roles, expect=0)
    for role in roles:
        for version in site.versions(role):
            assert hits(scanned.look("exit"), version.password.encode()) == []
    scanned.nothing_left()
