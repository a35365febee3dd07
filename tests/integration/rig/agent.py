# SPDX-License-Identifier: PostgreSQL
"""A keyturn-agent of a test: its configuration, its sockets in a folder of its
own, and clients of any uid."""

import json
import os
import signal
import socket
import subprocess
import tempfile

from rig import wire
from rig.server import wait_for

CONFIGURATION = """[keyturn]
ledger = {state}/ledger.db
audit_key = {state}/audit.key
timezone = UTC

[agent]
sockets = {sockets}
{agent}

[store local]
path = {store}/store.db
key = {keys}/store.key
{store_settings}

[cluster main]
conninfo = {conninfo}
dbname = {dbname}
sslmode = verify-full
{cluster}
{more}
"""


def everything(uid=None):
    """Settings of a role that let a user do everything."""
    uid = os.getuid() if uid is None else uid
    return "\n".join(f"{right} = uid:{uid}" for right in
                     ("readers", "verifiers", "listers", "requesters"))


class Agent:
    """`site` is an Installation whose local store is served.  `roles` are
    settings of [role NAME] by name; without it the caller may do everything
    with each role of the site.  `agent`, `more`, ... are lines of sections.
    With `users` (rig.users) it serves peers of any uid."""

    def __init__(self, site, sockets, roles=None, refresh="1s", agent="",
                 more="", cluster="", store_settings="", binary=None,
                 users=None):
        self.site = site
        self.users = users
        self.binary = binary or os.path.join(os.path.dirname(site.binary),
                                             "keyturn-agent")
        self.sockets = sockets
        self.folder = tempfile.mkdtemp(prefix="agent-", dir=site.folder)
        self.configuration = os.path.join(self.folder, "agent.conf")
        self.process = None
        self.log = None
        self.environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8",
                            **{k: v for k, v in os.environ.items()
                               if k.endswith("SAN_OPTIONS")}}
        self.settings = dict(refresh=refresh, agent=agent, more=more,
                             cluster=cluster, store_settings=store_settings)
        self.roles = roles if roles is not None else \
            {name: everything() for name in site.roles()}
        self.configure()
        self.command("--init", expect=0)

    def path(self, name="agent"):
        return os.path.join(self.sockets, name + ".sock")

    def configure(self, roles=None, **changed):
        """Write agent.conf; what is not given stays as it was."""
        self.settings.update(changed)
        if roles is not None:
            self.roles = roles
        s = dict(self.settings)
        s["agent"] = f"refresh = {s.pop('refresh')}\n{s['agent']}"
        text = CONFIGURATION.format(
            state=self.folder, sockets=self.sockets, store=self.site.state,
            keys=self.site.keys, conninfo=self.site.conninfo(),
            dbname=self.site.database, **s)
        for name, settings in self.roles.items():
            cluster = "" if "cluster =" in settings else "cluster = main\n"
            text += f"\n[role {name}]\n{cluster}{settings}\n"
        with open(self.configuration, "w") as f:
            f.write(text)

    # -- running it ----------------------------------------------------------

    def argv(self, *more):
        return [self.binary, "--config", self.configuration, *more]

    def command(self, *argv, expect=None):
        """Run keyturn-agent to its end."""
        done = subprocess.run(self.argv(*argv), capture_output=True, text=True,
                              env=self.environment, timeout=60)
        if expect is not None:
            assert done.returncode == expect, done.stderr
        return done

    def start(self, ready=True, prefix=(), fds=(), environment=None,
              preexec=None):
        self.log = self.site.next_file("agent") + ".err"
        with open(self.log, "wb") as err:
            self.process = subprocess.Popen(
                [*prefix, *(self.users.prefix if self.users else ()),
                 *self.argv()], stdout=err, stderr=err,
                stdin=subprocess.DEVNULL, pass_fds=fds, preexec_fn=preexec,
                env={**self.environment, **(environment or {})})
        if ready:
            wait_for(self.is_ready, "the agent's sockets")
        return self

    def is_ready(self):
        assert self.process.poll() is None, self.said()
        try:
            with wire.connect(self.path("admin")):
                return True
        except OSError:
            return False

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self):
        """SIGHUP, and wait until it was read."""
        mark = len(self.said())
        self.signal(signal.SIGHUP)
        wait_for(lambda: "read " in self.said()[mark:]
                 or "stays as it was" in self.said()[mark:], "the reload")

    def stop(self, expect=0):
        self.signal(signal.SIGTERM)
        code = self.process.wait(30)
        assert code == expect, f"exit {code}: {self.said()}"
        self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def close(self):
        """End it, and look at what its audit has become."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.events()

    # -- asking it -----------------------------------------------------------

    def connect(self, name="agent", uid=None, gid=None, groups=(),
                abstract=None):
        """A connection of that user: the kernel notes who connects, so a child
        connects and gives the connection back.  Needs `users`."""
        if uid is None:
            return wire.connect(self.path(name), abstract=abstract)
        gid = uid if gid is None else gid
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                self.users.become(uid, gid, groups)
                with wire.connect(self.path(name),
                                  abstract=abstract) as sock:
                    socket.send_fds(theirs, [b"x"], [sock.fileno()])
                code = 0
            finally:
                os._exit(code)
        theirs.close()
        try:
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        finally:
            ours.close()
            os.waitpid(child, 0)
        assert fds, f"uid {uid} could not connect"
        sock = socket.socket(fileno=fds[0])
        sock.settimeout(20)
        return sock

    def call(self, operation, through="agent", uid=None, gid=None, groups=(),
             **fields):
        """One request on a connection of its own: the Reply."""
        with self.connect(through, uid, gid, groups) as sock:
            return wire.call(sock, operation, **fields)

    def credential(self, unit, name, uid=0, digits="adf9d86b6eda275e"):
        """What systemd would get for LoadCredential=NAME: the bytes."""
        with self.connect("creds", uid if self.users else None,
                          abstract=f"{digits}/unit/{unit}/{name}") as sock:
            sock.shutdown(socket.SHUT_WR)
            found = b""
            while more := sock.recv(65536):
                found += more
        return found

    def get(self, role="sap", **fields):
        reply = self.call("GET", role=role, **fields)
        if "PASSWORD" in reply:
            self.site.remember(reply["PASSWORD"], f"a password of {role}")
        return reply

    def verify(self, password, role="sap", **fields):
        return self.call("VERIFY", role=role, password=password,
                         **fields).result

    def push(self, role="sap", version=None):
        return self.call("REFRESH", "admin", role=role, version=version)

    def wait_version(self, version, role="sap"):
        """Until GET gives that version."""
        return wait_for(lambda: self.get(role).get("VERSION") == version,
                        f"version {version} of {role} at the agent")

    # -- its audit -----------------------------------------------------------

    def audit(self, *argv):
        return self.site.run("--config", self.configuration, "audit", *argv,
                             configured=False)

    def events(self, kind=None):
        """The events of its audit trail, which must verify."""
        if not os.path.exists(os.path.join(self.folder, "ledger.db")):
            return []
        done = self.audit("verify")
        assert done.exit == 0, done.text
        found = [json.loads(line) for line in
                 self.audit("export").out.splitlines()]
        return [e for e in found if "kind" in e
                and (kind is None or e["kind"] == kind)]
