# SPDX-License-Identifier: PostgreSQL
"""A Debian that systemd has booted, in a container of systemd-nspawn, with a
network of its own in which nothing but itself can be reached.  What is changed
in it is gone when it stops; must never leave a process, a mount or a control
group behind.  Only for root."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import threading
import time

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
GROUPS = "/sys/fs/cgroup"
CLONE_NEWNET = 0x40000000
# What keyturn's secrets lie in, and what nspawn's filter leaves out.
CALLS = "@memlock memfd_secret"


def wait_for(condition, what, seconds=30):
    """The first true value of `condition`."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.1)


class Machine:
    def __init__(self, root, log):
        """Boot the Debian in the folder `root`, which stays as it is."""
        self.log, self.group, self.environment = log, None, dict(os.environ)
        keep = ["--register=no"]
        if not os.path.isdir("/run/systemd/system"):
            keep.append("--keep-unit")
        if not os.path.exists(GROUPS + "/cgroup.controllers"):
            self.environment["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "0"
            self.group = pathlib.Path(GROUPS, "systemd",
                                      f"keyturn-{os.getpid()}")
            self.group.mkdir()
        with open(log, "wb") as console:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "systemd-nspawn", *keep,
                 "--quiet", "--console=pipe", "--boot", "--private-network",
                 "--volatile=overlay", "--system-call-filter=" + CALLS,
                 "--capability=CAP_IPC_LOCK,CAP_SYS_RESOURCE",
                 "--directory=" + root],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                env=self.environment, start_new_session=True,
                preexec_fn=self.join)
        try:
            self.leader = wait_for(self.child, "systemd-nspawn", 30)
            wait_for(self.up, "the machine to boot", 90)
            # Addresses that the documents use.
            self.run("ip address add 192.0.2.10/32 dev lo")
        except BaseException:
            self.stop()
            raise

    def join(self):
        if self.group:
            (self.group / "cgroup.procs").write_text(str(os.getpid()))

    def output(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def child(self):
        assert self.process.poll() is None, \
            "systemd-nspawn cannot boot a Debian here: " + self.output()
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="ascii") as f:
            pids = f.read().split()
        for pid in pids:
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/exe").endswith("/systemd"):
                    return int(pid)
        return None

    def up(self):
        assert self.process.poll() is None, \
            "systemd-nspawn cannot boot a Debian here: " + self.output()
        state = self.run("systemctl is-system-running", expect=None)
        assert state.stdout.strip() != "maintenance", self.output()
        return state.stdout.strip() in ("running", "degraded")

    def path(self, inside):
        """How the file `inside` is reached from here."""
        return pathlib.Path(f"/proc/{self.leader}/root{inside}")

    def write(self, inside, text, mode=0o644, owner=None):
        file = self.path(inside)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        if owner:
            self.run(f"chown {owner} {inside}")

    def run(self, script, user=None, expect=0, text="", timeout=120):
        """bash reads `script` as root, or as `user`."""
        argv = ["nsenter", f"--target={self.leader}", "--all", "--",
                "env", "-i", "PATH=" + PATH, "LANG=C.UTF-8", "HOME=/root",
                "TERM=dumb"]
        if user:
            argv += ["runuser", "-u", user, "--"]
        done = subprocess.run([*argv, "bash", "-ec", script], input=text,
                              capture_output=True, text=True,
                              start_new_session=True, timeout=timeout,
                              check=False)
        if expect is not None:
            assert done.returncode == expect, \
                f"{script}\nended with {done.returncode}\n" \
                f"{done.stdout}{done.stderr}{self.journal(lines=30)}"
        return done

    def journal(self, unit=None, lines=1000):
        words = f"-u {unit}" if unit else ""
        return self.run(f"journalctl --no-pager -o cat -n {lines} {words}",
                        expect=None).stdout

    def show(self, unit, key):
        return self.run(f"systemctl show -P {key} {unit}").stdout.strip()

    def main_pid(self, unit):
        return int(self.show(unit, "MainPID"))

    def in_network(self, make):
        """What `make` returns, whose sockets are in the machine's network."""
        found = []

        def act():
            libc = ctypes.CDLL(None, use_errno=True)
            fd = os.open(f"/proc/{self.leader}/ns/net", os.O_RDONLY)
            try:
                assert libc.setns(fd, CLONE_NEWNET) == 0
            finally:
                os.close(fd)
            found.append(make())
        # A thread of its own, which ends in that namespace.
        thread = threading.Thread(target=act)
        thread.start()
        thread.join()
        assert found, "nothing could be made in the machine's network"
        return found[0]

    def stop(self):
        """Shut down, as far as it does within some seconds."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None:
                break
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(45)
        if self.group:
            wait_for(self.remove_group, "the control group to be empty", 10)

    def remove_group(self):
        for folder, _, _ in os.walk(self.group, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                return False
        return True
