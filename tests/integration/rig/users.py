# SPDX-License-Identifier: PostgreSQL
"""Processes of several uids: root's own right, or for an ordinary user a user
namespace with the ids of /etc/subuid (newuidmap, Debian: uidmap)."""

import ctypes
import os
import subprocess

from rig.server import wait_for

UNSHARE = ["unshare", "--user", "--map-auto", "--map-root-user", "--"]


class Users:
    """`prefix` starts a program where the ids are; become() makes the calling
    process, a child of the test, one of them."""

    def __init__(self):
        self.holder = None
        self.prefix = []
        if os.geteuid() == 0:
            return
        self.holder = subprocess.Popen([*UNSHARE, "sleep", "infinity"])
        self.space = f"/proc/{self.holder.pid}/ns/user"
        ours = os.readlink("/proc/self/ns/user")
        wait_for(lambda: self.holder.poll() is not None
                 or self._mapped(ours), "the user namespace")
        assert self.holder.poll() is None, \
            "no user namespace; install uidmap and give this user ids in " \
            "/etc/subuid and /etc/subgid"
        self.prefix = ["nsenter", f"--user={self.space}",
                       "--preserve-credentials", "--"]

    def _mapped(self, ours):
        with open(f"/proc/{self.holder.pid}/uid_map") as f:
            return len(f.read().split()) > 3 \
                and os.readlink(self.space) != ours

    def become(self, uid, gid, groups):
        if self.holder:
            fd = os.open(self.space, os.O_RDONLY)
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(fd, 0x10000000) != 0:  # CLONE_NEWUSER
                raise OSError(ctypes.get_errno(), "setns")
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)

    def close(self):
        if self.holder:
            self.holder.kill()
            self.holder.wait()
