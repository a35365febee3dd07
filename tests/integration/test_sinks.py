# SPDX-License-Identifier: PostgreSQL
"""Files of consumers, from configuration to what their programs read."""

import os
import subprocess
import sys

from rig.server import wait_for
from rig.verdict import finding, nothing_changed, sentence

REFUSED = 6
BEHIND = 18


def test_a_sink_that_cannot_be_replaced_refuses_the_rotation(taken_over):
    """What a delivery would say, before there is a password to deliver."""
    site = taken_over
    os.chmod(site.sinks, 0o777)
    with nothing_changed(site):
        sentence(site.run("rotate", "sap"), REFUSED, site.sinks, "chmod go-w")
        finding(site.run("check"), "chmod go-w")
    # A leaked password goes, whatever its consumers have.
    leaked = site.current()
    site.run("rotate", "--emergency", "--reason", "leak", "sap", expect=BEHIND)
    assert site.current().id != leaked.id
    site.must_log_in(site.current().password)
    os.chmod(site.sinks, 0o755)
    site.run("recover", "sap", expect=0)
    site.run("check", expect=0)
    assert site.sink() == site.current().password


def test_an_env_file_is_one_role_s(new_site):
    """Of two blocks the later counts: one partner would log in as the other."""
    site = new_site(roles=["sap", "crm"])
    shared = os.path.join(site.sinks, "app.env")
    site.configure(roles=("sap", "crm"), role_settings=f"sink = env {shared}")
    for command in (("rotate", "sap"), ("check",)):
        sentence(site.run(*command), 2, "keyturn.conf:", shared, "sap", "crm",
                 "holds one password")
    # Where the configuration cannot know it, the file does.
    site.configure(role_settings=f"sink = env {shared}")
    site.run("rotate", "sap", expect=0)
    site.configure(roles=("crm",), role_settings=f"sink = env {shared}")
    sentence(site.run("rotate", "crm"), REFUSED, shared, "line 1",
             "a file of its own")
    finding(site.run("check"), shared, "a file of its own")
    site.configure(roles=("sap", "crm"))
    os.unlink(shared)


def test_the_reader_of_a_role_s_sink_is_told_of_a_rotation(taken_over):
    """It reads the file when it is told, as PgBouncer does."""
    site = taken_over
    file, pidfile, got = (os.path.join(site.folder, name)
                          for name in ("users/list", "reader.pid", "got"))
    os.mkdir(os.path.dirname(file))
    reader = subprocess.Popen([sys.executable, "-c", f"""
import os, shutil, signal
signal.signal(signal.SIGHUP, lambda *_: shutil.copy({file!r}, {got!r}))
with open({pidfile!r} + ".new", "w") as f: f.write(str(os.getpid()))
os.rename({pidfile!r} + ".new", {pidfile!r})
while True: signal.pause()
"""])
    try:
        wait_for(lambda: os.path.exists(pidfile), "a reader")
        site.configure(role_settings=f"sink = pgbouncer {file} "
                       f"pidfile={pidfile}\n")
        site.run("check", expect=0)
        for _ in range(2):
            site.run("rotate", "sap", expect=0)

            def is_told():
                with open(file) as new, open(got) as seen:
                    return new.read() == seen.read()
            wait_for(lambda: os.path.exists(got) and is_told(), "the reader")
            with open(got) as f:
                assert site.current().password in f.read()
            os.unlink(got)
    finally:
        reader.kill()
        reader.wait()
    # It is gone: the file has the password, and that is said.
    os.unlink(pidfile)
    with nothing_changed(site):
        sentence(site.run("rotate", "sap"), REFUSED, pidfile)
    os.unlink(file)


def test_a_rotation_that_was_interrupted_is_finished_whatever_the_sink_says(
        taken_over):
    site = taken_over
    before = site.marker()["live_version"]
    site.stop_before(lambda e: e.sends and
                     site.marker()["live_version"] != before,
                     "rotate", "sap").kill()
    os.chmod(site.sinks, 0o777)
    site.run("recover", "sap", expect=BEHIND)
    assert site.current().id == site.marker()["live_version"] != before
    site.must_log_in(site.current().password)
    os.chmod(site.sinks, 0o755)
