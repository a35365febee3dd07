# SPDX-License-Identifier: PostgreSQL
"""keyturn-agent as a service: sockets and descriptors from the manager, what it
tells, and what survives a restart; and as a process: what others can see."""

import fcntl
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from rig import leaks, wire
from rig.agent import everything
from rig.manager import Manager
from rig.server import wait_for
from test_agent import away, rotate

F_GET_SEALS = 1034
SEALS = 0xf  # seal, shrink, grow, write
F_SEAL_EXEC = 0x20


@pytest.fixture
def manager(folder):
    made = Manager(tempfile.mkdtemp(prefix="sd-", dir=folder))
    yield made
    made.close()


def kept(manager):
    return wait_for(lambda: manager.store and "FDSTOREREMOVE"
                    in manager.messages[-1] and dict(manager.store),
                    "a kept cache")


# -- the service --------------------------------------------------------------

def test_it_tells_the_manager_how_it_is(taken_over, new_agent, folder):
    manager = Manager(tempfile.mkdtemp(prefix="sd-", dir=folder),
                      watchdog_us=400000)
    agent = new_agent(taken_over, start=False)
    manager.start(agent)
    wait_for(lambda: manager.said("READY"), "READY=1")
    wait_for(lambda: len(manager.said("WATCHDOG")) > 3, "WATCHDOG=1")
    wait_for(lambda: any("1 secrets, 0 of them stale" in s
                         for s in manager.said("STATUS")), "STATUS=")
    before = len(manager.said("READY"))
    agent.reload()
    wait_for(lambda: manager.said("RELOADING") == ["1"], "RELOADING=1")
    assert int(manager.said("MONOTONIC_USEC")[0]) > 0
    wait_for(lambda: len(manager.said("READY")) == before + 1, "READY=1")
    agent.stop()
    wait_for(lambda: manager.said("STOPPING"), "STOPPING=1")
    manager.close()


def test_sockets_of_the_manager_are_used_and_stay(taken_over, new_agent,
                                                  manager):
    agent = new_agent(taken_over, start=False)
    for name, mode in (("agent", 0o666), ("creds", 0o600), ("admin", 0o600)):
        manager.listen(name, agent.path(name), mode)
    # Who comes before it runs waits in the queue.
    early = agent.connect()
    early.sendall(wire.request("GET", role="sap"))
    manager.start(agent)
    assert wire.read_reply(early, "GET").result == "OK"
    early.close()
    agent.stop()
    assert os.path.exists(agent.path())
    late = agent.connect()
    late.sendall(wire.request("GET", role="sap"))
    manager.start(agent)
    assert wire.read_reply(late, "GET").result == "OK"
    late.close()


def test_a_cache_that_the_manager_did_not_take_is_sent_again(
        taken_over, new_agent, manager):
    """Soon, not only when its times are renewed."""
    agent = new_agent(taken_over, refresh="1h", start=False)
    manager.start(agent)
    agent.get()
    kept(manager)
    os.rename(manager.path, manager.path + ".away")
    current = rotate(taken_over)
    agent.push(version=current.id)
    agent.wait_version(current.id)
    time.sleep(3)  # in which it tries in vain
    os.rename(manager.path + ".away", manager.path)
    wait_for(lambda: current.id.encode()
             in b"".join(os.pread(fd, 65536, 0)
                         for fd in list(manager.store.values())),
             "the cache with the new password", 15)


def test_a_restart_during_an_outage_keeps_the_cache(taken_over, new_agent,
                                                    manager):
    agent = new_agent(taken_over, start=False, refresh="1h", roles={
        "sap": everything() + "\ngrace = 1h"})
    manager.start(agent)
    old = taken_over.current()
    agent.get()
    new = rotate(taken_over)
    agent.push(version=new.id)
    agent.wait_version(new.id)
    wait_for(lambda: len(manager.said("FDSTORE")) >= 2, "the kept cache")
    back = away(taken_over)
    agent.kill()  # not even a chance to say goodbye
    manager.start(agent)
    assert "1 secrets were kept" in agent.said()
    reply = agent.get()
    assert reply["PASSWORD"] == new.password
    assert int(reply["STALE"]) >= 1
    assert agent.verify(new.password) == "OK"
    assert agent.verify(old.password) == "OK_PREVIOUS"
    assert agent.verify("something") == "MISMATCH"
    # And once more, with what the second kept.
    agent.stop()
    manager.start(agent)
    assert agent.get()["PASSWORD"] == new.password
    back()
    wait_for(lambda: "STALE" not in agent.get(wait_ms=0), "the store")


def test_what_is_kept_is_a_sealed_memfd_of_its_own(taken_over, new_agent,
                                                   manager):
    agent = new_agent(taken_over, start=False)
    manager.start(agent)
    agent.get()
    (name, fd), = kept(manager).items()
    assert re.fullmatch("cache-[01]", name)
    # From Linux 6.3 on it is sealed against being executed, too.
    assert fcntl.fcntl(fd, F_GET_SEALS) & ~F_SEAL_EXEC == SEALS
    assert "memfd:keyturn-cache" in os.readlink(f"/proc/self/fd/{fd}")
    assert os.fstat(fd).st_mode & 0o777 == 0o600
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)
    # One at a time, under two names in turns.
    for _ in range(3):
        new = rotate(taken_over)
        agent.wait_version(new.id)
        wait_for(lambda: name not in manager.store, "the other name")
        (name, _), = kept(manager).items()


def test_without_the_outage_a_kept_version_is_not_the_last_word(
        taken_over, new_agent, manager):
    agent = new_agent(taken_over, start=False, refresh="1h")
    manager.start(agent)
    agent.get()
    kept(manager)
    agent.kill()
    new = rotate(taken_over)
    manager.start(agent)
    agent.wait_version(new.id)


def test_what_is_too_old_or_not_wanted_any_more_is_not_taken_back(
        taken_over, new_agent, manager):
    agent = new_agent(taken_over, start=False, agent="max_stale = 3s")
    manager.start(agent)
    agent.get()
    kept(manager)
    back = away(taken_over)
    agent.kill()
    wait_for(lambda: manager.start(agent) and agent.get().result
             == "UNAVAILABLE" or agent.kill(), "the end of max_stale",
             pause=1)
    agent.kill()
    agent.configure(roles={"sap": "verifiers = uid:4711"},
                    agent="max_stale = 1h")
    manager.start(agent)
    assert agent.get().result == "DENIED"
    back()


@pytest.mark.parametrize("content, seal", [
    (b"", True), (b"keyturn-cache-1\n", True),
    (b"keyturn-cache-1\n" + b"\xff" * 40, True),
    (b"keyturn-cache-1\n" + b"\1" + b"\0" * 39 + b"\xff" * 400, True),
    (b"keyturn-cache-1\n" + b"\1" + b"\0" * 39 + b"\4\0\0\0\xff\xff\0\0",
     True),
    (None, False),
], ids=["empty", "magic", "no key", "lengths", "inner length", "unsealed"])
def test_a_kept_cache_that_is_none_is_passed_over(
        taken_over, new_agent, manager, content, seal):
    agent = new_agent(taken_over, start=False)
    if content is None:  # a good one, but for its seals
        manager.start(agent)
        agent.get()
        (_, good), = kept(manager).items()
        content = os.pread(good, 1 << 20, 0)
        taken_over.remember(agent.get()["PASSWORD"], "kept")
        agent.stop()
        for name in list(manager.store):
            manager._keep(name, None)
    fd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    if seal:
        fcntl.fcntl(fd, 1033, SEALS)  # F_ADD_SEALS
    manager.store["cache-0"] = fd
    manager.start(agent)
    assert "1 secrets were kept" not in agent.said()
    assert agent.get().result == "OK"


# -- the process --------------------------------------------------------------

def test_it_links_no_libpq_and_has_no_administrators_half(agent):
    linked = subprocess.run(["ldd", agent.binary], capture_output=True,
                            text=True, check=True).stdout
    assert "libcrypto" in linked and "libpq" not in linked
    symbols = subprocess.run(["nm", agent.binary], capture_output=True,
                             text=True, check=True).stdout
    assert " agent_run" in symbols
    for name in ("PQ", "pg_connect", "cluster_", "runner_", "open_engine_"):
        assert not re.search(rf" {name}", symbols), name
    if os.geteuid() == 0:  # nobody else may look
        with open(f"/proc/{agent.process.pid}/maps") as f:
            assert "libpq" not in f.read()


def test_the_manual_has_every_option(agent):
    said = agent.command("--help", expect=0).stdout
    manual = os.path.join(os.path.dirname(__file__), "..", "..", "docs",
                          "keyturn-agent.8")
    with open(manual) as f:
        text = f.read()
    options = re.findall(r"--([a-z]+)", said)
    assert options
    for option in options:
        assert re.search(rf"^\.It Fl (h , )?-{option}\b", text, re.M), option
    assert agent.command("--version", expect=0).stdout.startswith(
        "keyturn-agent ")
    assert agent.command("--no-such-option").returncode == 2


def test_it_is_closed_to_its_own_user(agent):
    pid = agent.process.pid
    with open(f"/proc/{pid}/status") as f:
        status = dict(line.split(":\t") for line in f if ":\t" in line)
    if os.environ.get("KEYTURN_SANITIZED") is None:
        assert status["NoNewPrivs"].strip() == "1"
        assert status["Seccomp"].strip() == "2"
    with open(f"/proc/{pid}/limits") as f:
        limits = f.read()
    assert re.search(r"Max core file size +0 ", limits), \
        [line for line in limits.splitlines() if "core" in line]
    # Not dumpable: /proc belongs to root, whoever runs it.
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0
    as_user = ["setpriv", "--reuid", "65534", "--clear-groups"] \
        if os.geteuid() == 0 else []
    script = ("import ctypes, os, sys\n"
              "libc = ctypes.CDLL(None, use_errno=True)\n"
              f"if libc.ptrace(16, {pid}, 0, 0) == 0:\n"
              "    sys.exit('attached')\n"
              "try:\n"
              f"    open('/proc/{pid}/mem', 'rb')\n"
              "except PermissionError:\n"
              "    sys.exit(0)\n"
              "sys.exit('read')\n")
    done = subprocess.run([*as_user, "/usr/bin/env", "python3", "-c", script],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_crash_leaves_no_core_and_no_secret(taken_over, new_agent):
    agent = new_agent(taken_over)
    agent.get()
    core = open("/proc/sys/kernel/core_pattern").read().strip()
    agent.signal(signal.SIGSEGV)
    agent.process.wait(20)
    agent.process = None
    assert not [f for f in os.listdir(".") if f.startswith("core")]
    if not core.startswith(("|", "/")):
        for folder in (agent.folder, taken_over.folder):
            assert not [f for f in os.listdir(folder)
                        if f.startswith("core")]


def test_no_secret_is_in_its_arguments_environment_or_log(agent, taken_over):
    agent.get()
    agent.verify(taken_over.current().password)
    taken_over.learn()
    found = taken_over.folder + "/agent-proc"
    with open(found, "wb") as out:
        for file in ("cmdline", "environ", "status"):
            try:
                with open(f"/proc/{agent.process.pid}/{file}", "rb") as f:
                    out.write(f.read())
            except PermissionError:
                assert file == "environ"  # not even we may read that
    assert leaks.search([found, agent.log], taken_over.secrets) == []


def test_descriptors_that_run_out_are_waited_for(taken_over, new_agent):
    agent = new_agent(taken_over)
    agent.get()
    pid = agent.process.pid
    have = len(os.listdir(f"/proc/{pid}/fd")) if os.geteuid() == 0 else 30
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (have + 2, limits[1]))
    held = [agent.connect() for _ in range(20)]
    before = os.times()
    late = agent.connect()
    late.sendall(wire.request("GET", role="sap"))
    for sock in held:
        sock.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert wire.read_reply(late, "GET").result == "OK"
    assert os.times().elapsed - before.elapsed < 5
    late.close()


def test_a_second_agent_does_not_take_the_sockets(taken_over, new_agent):
    agent = new_agent(taken_over)
    other = new_agent(taken_over, start=False)
    other.configure(agent=f"; {sys.platform}")
    other.sockets = agent.sockets
    other.configure()
    other.start(ready=False)
    assert other.process.wait(20) == 6
    assert "another agent is running" in other.said()
    other.process = None
    assert agent.get().result == "OK"


def test_a_folder_that_others_may_write_to_is_refused(taken_over, new_agent):
    agent = new_agent(taken_over, start=False)
    os.chmod(agent.sockets, 0o777)
    agent.start(ready=False)
    assert agent.process.wait(20) == 2
    assert "no other user may write to it" in agent.said()
    agent.process = None
