# SPDX-License-Identifier: PostgreSQL
"""Compiles a test program with the product's own sources."""

import os
import shlex
import subprocess

from rig import once

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = os.path.dirname(os.path.dirname(HERE))


def build(name, layers, libraries):
    """tests/integration/NAME.c with all of the folders of src/ in `layers`: the
    program's path.  Once for all who ask."""
    return once.made(name, lambda path: compile(path, name, layers, libraries))


def compile(out, name, layers, libraries):
    sources = [os.path.join(HERE, name + ".c")]
    for layer in layers:
        path = os.path.join(SOURCE, "src", layer)
        sources += [os.path.join(path, f) for f in sorted(os.listdir(path))
                    if f.endswith(".c") and f != "wipe_malloc.c"]
    done = subprocess.run(
        [*shlex.split(os.environ.get("CC", "cc")), "-std=gnu11",
         "-D_GNU_SOURCE", "-pthread", "-I", os.path.join(SOURCE, "src"),
         "-o", out, *sources, *(f"-l{x}" for x in libraries)],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out
