# SPDX-License-Identifier: PostgreSQL
"""What all test processes of a run can share is made by the first that asks: what
initdb makes, and programs that have to be compiled."""

import fcntl
import os
import shutil
import tempfile

VARIABLE = "KEYTURN_TEST_SHARED"


def begin(prefix):
    """In the process that starts the others."""
    folder = tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-")
    os.chmod(folder, 0o755)
    os.environ[VARIABLE] = folder


def end():
    shutil.rmtree(os.environ.pop(VARIABLE), ignore_errors=True)


def made(name, make):
    """What make(path) returns, for the path of that name; make() must return the
    same each time.  After it failed the next who asks tries again."""
    path = os.path.join(os.environ[VARIABLE], name)
    with open(path + ".result", "a+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.seek(0)
        result = f.read()
        if not result:
            result = make(path)
            f.write(result)
        return result
