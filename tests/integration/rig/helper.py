# SPDX-License-Identifier: PostgreSQL
"""keyturn-credential as its users run it: beside an agent, with a home folder
of its own, and with everything it says searched for secrets."""

import contextlib
import os
import subprocess
from dataclasses import dataclass

from rig.server import binaries


@dataclass
class Done:
    argv: list
    code: int
    out: str
    err: str


class Helper:
    def __init__(self, agent, site, folder):
        self.agent = agent
        self.site = site
        self.home = folder
        self.build = os.path.dirname(site.binary)
        self.names = os.path.join(folder, "bin")
        os.makedirs(self.names)
        for name in ("keyturn-credential", "git-credential-keyturn",
                     "docker-credential-keyturn", "keyturn-summon",
                     "keyturn-bazel"):
            os.symlink(os.path.join(self.build, "keyturn-credential"),
                       os.path.join(self.names, name))
        self.environment = {
            "PATH": f"{self.names}:{binaries()}:/usr/bin:/bin",
            "HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8",
            "KEYTURN_SOCKET": agent.path(),
            "PGSSLROOTCERT": site.server.authority.certificate}

    def popen(self, *argv, environment=None, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, "cwd": self.home, **options}
        environment = {**self.environment, **(environment or {})}
        ours = os.path.join(self.names, argv[0])
        program = ours if os.path.exists(ours) else argv[0]
        return subprocess.Popen([program, *argv[1:]], env=environment,
                                **options)

    def run(self, *argv, stdin=None, expect=None, timeout=120, **options):
        """Any program with the helper in its PATH."""
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
            stdin = stdin.encode() if isinstance(stdin, str) else stdin
        process = self.popen(*argv, **options)
        out, err = process.communicate(stdin, timeout)
        self.keep(err)
        done = Done(list(argv), process.returncode,
                    (out or b"").decode(), (err or b"").decode())
        if expect is not None:
            assert done.code == expect, done
        return done

    def credential(self, *argv, **options):
        return self.run("keyturn-credential", *argv, **options)

    def execute(self, *command, options=(), **more):
        return self.credential("exec", "-r", "sap", *options, "--", *command,
                               **more)

    def get(self, *argv, **options):
        return self.credential("get", "-r", "sap", *argv, expect=0, **options)

    def rotate(self):
        """As keyturnd on this host does it: the agent is told."""
        self.site.run("rotate", "sap", expect=0)
        version = self.site.current().id
        self.agent.push(version=version)
        self.agent.wait_version(version)

    def keep(self, text):
        """Where no secret may be: the search after the test looks at it."""
        with open(self.site.next_file("helper"), "wb") as f:
            f.write(text or b"")

    def keep_process(self, pid):
        """The same for what everybody may see of a process."""
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    content = f.read()
                assert content, f"{name} of {pid} is empty"
                self.keep(content)

    def files(self):
        """What is in the home folder but for the links of the programs."""
        return sorted(os.path.join(top, name)
                      for top, _, names in os.walk(self.home)
                      for name in names if top != self.names)
