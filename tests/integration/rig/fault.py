# SPDX-License-Identifier: PostgreSQL
"""Builds and drives preload.c: the real binary, killed or stopped at a chosen
effect."""

import os
import shlex
import signal
import subprocess
from dataclasses import dataclass


def compile_shim(source_folder, target, source="preload.c", *libraries):
    compiler = shlex.split(os.environ.get("CC", "cc"))
    command = [*compiler, "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall",
               "-Wextra", "-shared", "-fPIC", "-o", target,
               os.path.join(source_folder, source), *libraries, "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@dataclass(frozen=True)
class Effect:
    number: int
    call: str
    kind: str  # "file" or "socket"
    target: str  # path or port

    @classmethod
    def parse(cls, line):
        number, call, kind, target = line.split(" ", 3)
        return cls(int(number), call, kind, target)

    @property
    def sends(self):
        return self.kind == "socket" and self.call.startswith("send")


def read_trace(path):
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return [Effect.parse(line.rstrip("\n")) for line in f]


def environment(shim, fault, folder, trace):
    return {"LD_PRELOAD": shim, "KEYTURN_FAULT": fault,
            "KEYTURN_FAULT_DIR": folder, "KEYTURN_FAULT_TRACE": trace}


def wait_until_stopped(process):
    """True when the process has stopped, False when it has ended (its return
    code is then set).  Call it once per stop."""
    if process.returncode is not None:
        return False
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return True
    process.returncode = os.waitstatus_to_exitcode(status)
    return False


def go_on(process):
    os.kill(process.pid, signal.SIGCONT)
