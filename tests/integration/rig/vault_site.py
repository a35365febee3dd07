# SPDX-License-Identifier: PostgreSQL
"""An installation whose roles are kept in Vault or OpenBao: a real server that
the environment names, a `bao` or `vault` on PATH, or the double.  What is in the
store is read by hvac, and keyturn talks through a gate that has the faults."""

import contextlib
import os
import shutil
import subprocess
import time
import uuid

import hvac

from rig.gate import Gate
from rig.installation import Installation, Version
from rig.server import free_port, wait_for


class Vault:
    """A server, with a root token, and a way to it that is not keyturn's."""

    def __init__(self, folder, make_double):
        self.double = self.process = None
        if os.environ.get("KEYTURN_TEST_VAULT_ADDR"):
            self.url = os.environ["KEYTURN_TEST_VAULT_ADDR"].rstrip("/")
            self.token = os.environ["KEYTURN_TEST_VAULT_TOKEN"]
        else:
            program = shutil.which("bao") or shutil.which("vault")
            if program:
                self.start(program, folder)
            else:
                self.double = make_double()
                self.url, self.token = self.double.url, self.double.root
        self.client = hvac.Client(url=self.url, token=self.token)
        self.mount = "keyturn-test-" + uuid.uuid4().hex[:12]
        self.client.sys.enable_secrets_engine(
            "kv", path=self.mount, options={"version": "2"})
        self.wait_for_mount()
        self.gate = Gate(self.url)

    def start(self, program, folder):
        self.token = "root-" + uuid.uuid4().hex
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        with open(os.path.join(folder, "vault.log"), "wb") as log:
            self.process = subprocess.Popen(
                [program, "server", "-dev", "-dev-root-token-id=" + self.token,
                 f"-dev-listen-address=127.0.0.1:{port}"],
                stdout=log, stderr=log, cwd=folder,
                env={**os.environ, "HOME": folder})
        client = hvac.Client(url=self.url)

        def up():
            assert self.process.poll() is None, f"{program} has ended"
            with contextlib.suppress(Exception):
                return not client.sys.is_sealed()
        wait_for(up, f"{program} to come up", 30)

    def wait_for_mount(self):
        for _ in range(100):
            with contextlib.suppress(Exception):
                self.client.secrets.kv.v2.read_configuration(
                    mount_point=self.mount)
                return
            time.sleep(0.1)
        raise AssertionError("the server does not come up")

    def stop(self):
        self.gate.stop()
        with contextlib.suppress(Exception):
            self.client.sys.disable_secrets_engine(self.mount)
        if self.double:
            self.double.stop()
        if self.process:
            self.process.kill()
            self.process.wait()


class VaultSite(Installation):
    def __init__(self, tools, server, folder, database, vault):
        super().__init__(tools, server, folder, database)
        self.vault = vault
        self.gate = vault.gate
        self.kv = vault.client.secrets.kv.v2
        self.mount = vault.mount
        self.prefix = uuid.uuid4().hex[:8] + "/"
        self.tokens = os.path.join(folder, "tokens")
        os.mkdir(self.tokens, mode=0o700)
        self.token_file = self.put("token", vault.token)

    def put(self, name, text, mode=0o600):
        """A file with a token or the like, which is no place of leaks."""
        path = os.path.join(self.tokens, name)
        with open(path, "w") as f:
            f.write(text + "\n")
        os.chmod(path, mode)
        if text:
            self.remember(text, "what " + name + " holds")
        return path

    def places(self):
        return [f for f in super().places()
                if not f.startswith(self.tokens + "/")]

    def configure(self, roles=("sap",), auth=None, address=None, mount=None,
                  store="", more="", role_settings="", timeout="2s",
                  **settings):
        auth = auth if auth is not None \
            else f"auth = token\ntoken_file = {self.token_file}"
        section = ["[store vault]", "type = vault",
                   f"address = {address or self.gate.url}",
                   f"mount = {mount or self.mount}",
                   f"prefix = {self.prefix}", f"timeout = {timeout}", auth,
                   store]
        super().configure(roles, more="\n".join(section) + "\n" + more,
                          role_settings="store = vault\n" + role_settings,
                          **settings)

    def second_host(self, folder):
        other = super().second_host(folder)
        other.__class__ = VaultSite
        return other

    # -- what is where ---------------------------------------------------------

    def path(self, role="sap"):
        return self.prefix + role

    def record_path(self, role="sap"):
        return self.prefix + ".keyturn/" + role

    def document(self, path, version=None):
        """(data or None, version number)."""
        try:
            answer = self.kv.read_secret_version(
                path, version=version, mount_point=self.mount,
                raise_on_deleted_version=False)["data"]
        except hvac.exceptions.InvalidPath:
            return None, 0
        return answer["data"], answer["metadata"]["version"]

    def value(self, role="sap"):
        return self.document(self.path(role))[0]

    def record(self, role="sap"):
        return self.document(self.record_path(role))[0]

    def versions(self, role="sap", state=None):
        """As Installation's, from the two documents as src/store/vault/vault.c says."""
        value, record = self.value(role) or {}, self.record(role) or {}
        current = value.get("keyturn_version")
        previous = value.get("keyturn_previous")
        found = []
        order = list(record.get("order", []))
        if current and current not in order:
            order.insert(0, current)
        for one in order:
            password = record.get("versions", {}).get(one, value)["password"]
            label = "ring"
            if one == current:
                label, password = "current", value["password"]
            elif one == previous:
                label = "previous"
            elif one == record.get("pending"):
                label = "pending"
            self.remember(password, f"version {one} of {role}")
            found.append(Version(label, one, password))
        return found

    def store_files(self):
        return [self.state]  # there is something to learn

    def calls_of(self, *argv, **options):
        """Run keyturn: (Result, [(method, path)] behind /v1/)."""
        with self.gate.watch() as calls:
            done = self.run(*argv, **options)
        return done, [(method, path[4:]) for method, path, _ in calls]

    # -- faults ----------------------------------------------------------------

    def step_of(self, step, role="sap"):
        """(method, path expression) of a step's request."""
        current = rf"/data/{self.prefix}{role}$"
        record = rf"/data/{self.prefix}\.keyturn/{role}"
        return {"describe": ("GET", current),
                "stage": ("*", record + "$"),
                "readback": ("GET", record + r"\?version="),
                "promote": ("*", current)}[step]
