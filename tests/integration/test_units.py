# SPDX-License-Identifier: PostgreSQL
"""The systemd units, as they are installed: hardened, complete, and letting
through what the programs need.  No running systemd is needed."""

import glob
import os
import re
import shutil
import subprocess

import pytest

from rig.daemon import QUICK, Daemon, binary, overdue
from rig.server import wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
SERVICES = ("keyturnd", "keyturn-agent", "keyturn-rotate")


def analyze(*argv):
    """What systemd-analyze says.  It may want to make /run/systemd; where there is
    none, as in a container, it gets a /run of its own."""
    command = ["systemd-analyze", *argv]
    if os.geteuid() != 0 and not os.path.isdir("/run/systemd"):
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh",
                   "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh",
                   *command]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def units(tools, tmp_path):
    """All units in one folder, with the programs of the build."""
    build = os.path.dirname(tools.binary)
    for name in SERVICES:
        with open(os.path.join(build, "systemd", name + ".service")) as f:
            text = f.read()
        text = re.sub(r"^ExecStart=\S*/", f"ExecStart={build}/", text,
                      flags=re.M)
        (tmp_path / (name + ".service")).write_text(text)
    for kind in ("socket", "timer"):
        for file in glob.glob(os.path.join(SOURCE, "systemd", "*." + kind)):
            shutil.copy(file, tmp_path)
    return tmp_path


def settings(unit):
    """{key: [values]} as systemd reads it: an empty value resets a list."""
    found = {}
    for line in unit.read_text().splitlines():
        if line and line[0] not in "#[":
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_exposed_by_one_and_a_half_at_most(units, service):
    file = str(units / (service + ".service"))
    done = analyze("security", "--offline=yes", "--threshold=15", file)
    assert done.returncode == 0, done.stdout
    # And the check can fail.
    assert analyze("security", "--offline=yes", "--threshold=5",
                   file).returncode != 0


def test_systemd_accepts_the_units(units):
    files = [str(f) for f in units.iterdir()]
    assert len(files) == 7
    done = analyze("verify", "--man=no", *files)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.parametrize("service", ("keyturnd", "keyturn-agent"))
def test_a_daemon_is_watched_and_has_no_secret_in_its_environment(units,
                                                                  service):
    text = (units / (service + ".service")).read_text()
    found = settings(units / (service + ".service"))
    assert found["Type"] == ["notify"]
    assert int(found["WatchdogSec"][0]) > 0
    assert found["ExecReload"] == ["/bin/sh -c 'kill -HUP $MAINPID'"]
    assert "#LoadCredential=" in text
    assert not {"Environment", "EnvironmentFile", "PassEnvironment"} \
        .intersection(found)
    assert found["LimitCORE"] == ["0"] and found["MemorySwapMax"] == ["0"]


def test_the_agent_sees_who_asks_and_keeps_its_cache(units):
    found = settings(units / "keyturn-agent.service")
    assert found["PrivateUsers"] == ["no"]
    assert int(found["FileDescriptorStoreMax"][0]) >= 4
    modes = {}
    for name in ("agent", "creds", "admin"):
        s = settings(units / f"keyturn-{name}.socket")
        assert s["ListenStream"] == [f"/run/keyturn/{name}.sock"]
        assert s["FileDescriptorName"] == [name]
        assert s["Service"] == ["keyturn-agent.service"]
        modes[name] = s["SocketMode"][0], s["SocketUser"][0]
    assert modes == {"agent": ("0666", "root"), "creds": ("0600", "root"),
                     "admin": ("0600", "keyturn")}


def test_no_two_users_own_one_state_directory(units):
    """systemd gives a state directory, with all in it, to the unit's user."""
    owned = {}
    for name in SERVICES:
        found = settings(units / (name + ".service"))
        owned.setdefault(found["StateDirectory"][0], set()).add(name)
    assert owned == {"keyturn": {"keyturnd", "keyturn-rotate"},
                     "keyturn-agent": {"keyturn-agent"}}
    agent = settings(units / "keyturn-agent.service")
    assert agent["ReadWritePaths"] == ["-/var/lib/keyturn"]
    with open(os.path.join(SOURCE, "systemd", "sysusers.d",
                           "keyturn.conf")) as f:
        users = [line.split()[1] for line in f if line.startswith("u ")]
    assert users == ["keyturn", "keyturn-agent"]
    with open(os.path.join(SOURCE, "docs", "agent.md")) as f:
        assert "ledger = /var/lib/keyturn-agent/" in f.read()


# ---- what the filter of system calls lets through ---------------------------------

def call_sets():
    """{"@set": {names and other sets}}"""
    sets, now = {}, None
    for line in analyze("syscall-filter").stdout.splitlines():
        word = line.strip().split(" ")[0]
        if line.startswith("@"):
            now = sets.setdefault(word, set())
        elif line.startswith("#"):
            now = None
        elif word and not word.startswith("#") and now is not None:
            now.add(word)
    return sets


def expand(sets, word):
    if not word.startswith("@"):
        return {word}
    return set().union(*(expand(sets, w) for w in sets[word]))


def allowed(unit):
    sets = call_sets()
    # What systemd needs to start a program is never filtered.
    calls = expand(sets, "@default") | {"execve"}
    for value in settings(unit)["SystemCallFilter"]:
        words = value.lstrip("~").split()
        for word in words:
            if value.startswith("~"):
                calls -= expand(sets, word) - expand(sets, "@default")
            else:
                calls |= expand(sets, word)
    return calls


def traced(file):
    with open(file, errors="replace") as f:
        return set(re.findall(r"^(?:\d+ +)?(?:<\.\.\. )?(\w+)(?:\(| resumed)",
                              f.read(), re.M))


def test_what_keyturnd_calls_is_let_through(units, new_site):
    """With a hook, a sink, metrics, a reload and a hand-over to the next
    start: whatever it needs the kernel for, under strace."""
    site = new_site(keyturn=QUICK)
    metrics = os.path.join(site.folder, "keyturn.prom")
    told = os.path.join(site.folder, "told")
    site.configure(
        keyturn=QUICK + f"metrics = {metrics}\n",
        more="[hook note]\ncommand = /bin/sh\ncommand = -c\n"
             f"command = cat >>{told}\n")
    site.run("rotate", "sap", expect=0)
    os.unlink(told)
    before = site.current()
    overdue(site)
    calls = site.next_file("calls")
    wrapper = os.path.join(site.folder, "traced")
    with open(wrapper, "w") as f:
        f.write(f"#!/bin/sh\nexec strace -f -qq -e signal=none -o {calls} "
                f'{binary(site)} "$@"\n')
    os.chmod(wrapper, 0o755)
    daemon = Daemon(site, binary_file=wrapper)
    wait_for(lambda: site.current().id != before.id, "the rotation", 60)
    wait_for(lambda: os.path.exists(told) and os.path.exists(metrics),
             "hook and metrics", 30)
    # strace passes no signal on: its child is told.
    with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children") as f:
        child = int(f.read().split()[0])
    os.kill(child, 1)
    daemon.wait_log("the new configuration is in force")
    os.kill(child, 15)
    assert daemon.finish().exit == 0
    found = traced(calls)
    assert {"connect", "fchown", "fdatasync", "renameat", "signalfd4",
            "vfork"} <= found, sorted(found)
    refused = found - allowed(units / "keyturnd.service")
    assert not refused, f"the unit refuses {sorted(refused)}"
