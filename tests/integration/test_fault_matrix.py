# SPDX-License-Identifier: PostgreSQL
"""The fault matrix of rotation-safety.md section 3.2: every column, at every
step that touches the store, for every store, with a real PostgreSQL.

The services are hit by a gate in front of them, a double or a real one; the
local store's file by the shim under the real binary.  F0: the old password is
live and CURRENT.  F1: the new one is.  FR: the restored one is, and CURRENT was
pointed at it.  FQ: frozen, and an emergency rotation by command mends it.
Whatever happens, the run makes no third password, and what logs in is in the
store, unless somebody rolled the store back."""

import contextlib
import copy
import glob
import os
import shutil
import signal
import tempfile

import pytest

import test_aws
import test_vault
from rig.aws_site import Amazon, AmazonSite
from rig.daemon import QUICK
from rig.gate import Gate, wait_until
from rig.installation import Installation
from rig.lakebase import Proxy, error_response
from rig.server import wait_for
from rig.vault_site import Vault, VaultSite
from rig.verdict import books_apart, nothing_changed, run_with_fault
from test_kill_sweep import no_keyturn_backend

FROZEN = 5
REFUSED = 6
BEHIND = 18
STAYS = 99  # the fault lasts as long as the run

COLUMNS = ["crash-before", "crash-after", "timeout-before", "timeout-after",
           "late", "wrong", "concurrent", "restore", "rollback", "full"]

# What a cell of the matrix asks for; one step may end as either of two, when
# the run itself got over the fault.
EXPECTED = {
    #               cr-b  cr-a  to-b  to-a  late  wrong conc  rest  roll  full
    "S0 canary":   ["F0", "F0", "F0", "F0", "-",  "F0", "F1", "FR", "FQ", "F0"],
    "S2 resolve":  ["F0", "F0", "F0", "F0", "-",  "F0", "F1", "FR", "FQ", "F0"],
    "S3 try":      ["F0", "F0", "F0", "F0", "-",  "F0", "F1", "FR", "FQ", "F0"],
    "S4 stage":    ["F0", "F0", "F0", "F0", "F0", "F0", "F1", "FR", "FQ", "F0"],
    "S5 readback": ["F0", "F0", "F0", "F0", "-",  "F0", "F1", "FR", "FQ", "F0"],
    "S8 promote":  ["F1", "F1", "F1", "F1", "F1", "F1", "F1", "FR", "FQ", "F1"],
    "S9 deliver":  ["F1", "F1", "F1", "F1", "-",  "F1", "F1", "FR", "FQ", "F1"],
}


# ---- the database, restored ----------------------------------------------------

class Snapshot:
    """What a restore would bring back, as far as one role goes."""

    def __init__(self, site):
        self.site, self.marker = site, site.marker()
        self.verifier = site.server.sql("select rolpassword from pg_authid "
                                        "where rolname = 'sap'")[0][0]
        self.version = site.current()

    def put_back(self):
        """No session outlives a restore."""
        site = self.site
        site.server.sql("select pg_terminate_backend(pid) from "
                        "pg_stat_activity where application_name like "
                        "'keyturn%'")
        wait_for(lambda: not site.server.keyturn_backends(), "sessions to end")
        columns = [k for k in self.marker if k != "role_oid"]
        with site.server.connect(site.database) as c:
            c.execute("update keyturn.marker set "
                      + ", ".join(f"{k} = %s" for k in columns)
                      + " where role_oid = %s",
                      [self.marker[k] for k in columns]
                      + [self.marker["role_oid"]])
            c.execute("update pg_authid set rolpassword = %s "
                      "where rolname = 'sap'", [self.verifier])


# ---- stores, and how their steps are hit ---------------------------------------

class Service:
    """A store behind a gate.  requests: step -> (method, expression, skip)."""

    def __init__(self, site, gate):
        self.site, self.gate = site, gate

    def prepare(self, step, column):
        """A password that was proved just now is not read to be tried."""
        self.site.configure(
            timeout=self.patience(column),
            keyturn=QUICK + ("control_interval = 0s\n"
                             if step == "S3 try" else ""))

    def does(self, step, column):
        return step in self.requests and (
            EXPECTED[step][COLUMNS.index(column)] != "-")

    def on(self, step, act, times=1):
        method, what, skip = self.requests[step]
        return self.gate.fault(method, what, act, times, skip=skip)

    def hit(self, step, column, act):
        """Run into the fault: the Result."""
        runs = []

        def dying(then):
            def die():
                wait_until(lambda: runs)
                runs[0].process.kill()
                runs[0].process.wait()
                return then
            return die
        act, times = {
            "crash-before": (dying("reset-before"), 1),
            "crash-after": (dying(None), 1),
            "timeout-before": (self.silence + "-before", 1),
            "timeout-after": (self.silence + "-after", 1),
            "late": ("late", 1),
            "wrong": ("garbage", STAYS),
            "full": ("500", STAYS),
        }.get(column, (act, 1))
        fault = self.on(step, act, times)
        runs.append(self.site.start("rotate", "sap"))
        done = runs[0].finish()
        assert fault.left < times, f"never came to {step}: {done.text}"
        fault.left = 0
        return done


class VaultStore(Service):
    silence = "hang"

    def __init__(self, site):
        super().__init__(site, site.gate)
        secret = rf"/data/{site.prefix}sap$"
        record = rf"/data/{site.prefix}\.keyturn/sap"
        self.requests = {
            "S0 canary": ("POST", r"\.keyturn/\.canary", 0),
            "S2 resolve": ("GET", secret, 0),
            "S3 try": ("GET", record + "$", 1),
            "S4 stage": ("PATCH", record + "$", 0),
            "S5 readback": ("GET", record + r"\?version=", 0),
            "S8 promote": ("PATCH", secret, 0),
            "S9 deliver": ("GET", record + "$", 1),
        }

    @staticmethod
    def patience(column):
        """Nobody is patient with a server that says nothing."""
        return "1s" if column.startswith("timeout") else "20s"

    def keep(self):
        return self.site.value(), self.site.record()

    def roll_back(self, kept):
        for path, data in zip((self.site.path(), self.site.record_path()),
                              kept):
            self.site.kv.create_or_update_secret(path, data,
                                                 mount_point=self.site.mount)


class AmazonStore(Service):
    """Without a canary (docs/aws.md says why)."""

    silence = "hang"
    requests = {
        "S2 resolve": ("POST", "^DescribeSecret$", 0),
        "S3 try": ("POST", "^GetSecretValue$", 0),
        "S4 stage": ("POST", "^PutSecretValue$", 0),
        "S5 readback": ("POST", "^GetSecretValue$", 0),
        "S8 promote": ("POST", "^UpdateSecretVersionStage$", 0),
        "S9 deliver": ("POST", "^GetSecretValue$", 1),
    }

    @staticmethod
    def patience(column):
        return "1s"

    def does(self, step, column):
        # A snapshot of the real service cannot be put back.
        return super().does(step, column) and (
            column != "rollback" or self.site.amazon.double)

    def keep(self):
        return copy.deepcopy(self.site.amazon.double.manager.secrets)

    def roll_back(self, kept):
        self.site.amazon.double.manager.secrets = kept


class LocalStore:
    """Steps that write; what only reads is no effect of the shim, and is hit by
    test_bad_store.py.  A file has no writes on their way: nothing is late."""

    steps = ["S0 canary", "S4 stage", "S8 promote"]

    def __init__(self, site):
        self.site = site

    def does(self, step, column):
        return step in self.steps and column not in ("late", "wrong")

    @staticmethod
    def writes(effects):
        """The store's transactions: [[first, last]] effects."""
        found, apart = [], True
        for effect in effects:
            mine = effect.target.endswith("/store.db-wal") and \
                effect.call in ("pwrite64", "fdatasync")
            if mine and apart:
                found.append([effect.number, effect.number])
            elif mine:
                found[-1][1] = effect.number
            # The folder of a new file is synchronised in between.
            apart = not mine and not effect.target.endswith("/state")
        return found

    def run(self, fault):
        """Only the store's files and what is sent count: each run is like the
        last."""
        return run_with_fault(self.site, self.site.state, fault, "rotate",
                              "sap")

    def prepare(self, step, column):
        if os.path.exists(os.path.join(self.site.state, "ledger.db")):
            books_apart(self.site)
        done = self.run("count")
        assert done.exit == 0, done.text
        self.trace = done.effects
        self.spans = self.writes(self.trace)
        assert len(self.spans) >= len(self.steps)

    def hit(self, step, column, act):
        place = self.steps.index(step)
        first, last = self.spans[place]
        if column in ("concurrent", "restore", "rollback"):
            return self.at_its_door(first, act)
        shim, number = {"crash-before": ("kill-before", first),
                        "crash-after": ("kill-after", last),
                        "timeout-before": ("fail-at", first),
                        "timeout-after": ("fail-at", last),
                        "full": ("enospc-from", first)}[column]
        done = self.run(f"{shim}:{number}")
        begun = [span[0] for span in self.writes(done.effects)]
        assert begun[place:place + 1] == [first], "another run than the last"
        return done

    def at_its_door(self, first, act):
        """Do something just before the step begins, while the file is free."""
        before = [e.number for e in self.trace if e.number < first
                  and "/store.db" not in e.target]
        if not before:
            return self.after_opening(act)
        door = before[-1]
        whole, self.site.folder = self.site.folder, self.site.state
        running = self.site.start("rotate", "sap",
                                  fault=f"stop-before:{door}")
        self.site.folder = whole
        assert running.wait_stopped()
        act()
        running.go_on()
        return running.finish()

    def after_opening(self, act):
        """The first step has only the ledger's effects before it."""
        opened = False
        for running, effect in self.site.step("rotate", "sap"):
            opened = opened or "/store.db" in effect.target
            if opened and "/ledger.db" in effect.target:
                act()
                running.go_on()
                while running.wait_stopped():
                    running.go_on()
                return running.finish()
        raise AssertionError("the store was not opened before the intent")

    def files(self):
        return glob.glob(os.path.join(self.site.state, "store.db*"))

    def keep(self):
        folder = tempfile.mkdtemp(dir=os.path.dirname(self.site.folder))
        for file in self.files():
            shutil.copy2(file, folder)
        return folder

    def roll_back(self, kept):
        for file in self.files():
            os.unlink(file)
        for name in os.listdir(kept):
            shutil.copy2(os.path.join(kept, name), self.site.state)


# ---- the cells -----------------------------------------------------------------

class Cell:
    """One fault in one run, and what comes of it."""

    def __init__(self, site, store, step, column):
        self.site, self.store = site, store
        self.step, self.column = step, column
        self.wanted = EXPECTED[step][COLUMNS.index(column)]

    def ids(self):
        return {v.id for v in self.site.versions()}

    def act(self):
        """What happens in the middle of the run."""
        if self.column == "concurrent":
            self.other = self.second.run("rotate", "sap")
        elif self.column == "restore":
            self.snapshot.put_back()
        else:
            self.store.roll_back(self.kept)

    def prepare(self, second):
        site, self.second = self.site, second
        self.store.prepare(self.step, self.column)
        if self.column in ("restore", "rollback"):
            self.snapshot = Snapshot(site)
            if self.store.does(self.step, "rollback"):
                self.kept = self.store.keep()
            site.run("rotate", "sap", expect=0)
            if isinstance(self.store, LocalStore):
                self.store.prepare(self.step, self.column)
        self.was, self.before = site.current(), self.ids()
        self.events = len(site.kinds())

    def go(self, second):
        self.prepare(second)
        self.done = self.store.hit(self.step, self.column, self.act)
        no_keyturn_backend(self.site)
        getattr(self, "judge_" + self.column.partition("-")[0],
                self.judge_fault)()
        self.site.settled()

    def judge_fault(self):
        """INV1; no third password; F0, or F1 when the step is behind it or the
        run itself got over the fault."""
        site = self.site
        live = site.live()
        new = self.ids() - self.before
        assert len(new) <= 1, "a third password"
        if self.wanted == "F1":
            assert live.id in new, self.done.text
        elif self.done.exit == 0:
            assert live.id in new, self.done.text
            assert self.column.startswith(("timeout", "late", "full"))
        else:
            assert live == self.was, self.done.text
            assert site.current() == self.was
        self.heal()
        assert site.current().id == live.id

    def heal(self):
        """A store that could not be read for the sinks is there again: --due
        delivers.  All else is for recover."""
        site = self.site
        if self.step != "S9 deliver" or self.column not in ("wrong", "full"):
            site.run("recover", "sap", expect=0)
            return
        assert self.done.exit == BEHIND, self.done.text
        assert site.status()["last_status"] == "UNDELIVERED"
        wait_for(lambda: site.run("rotate", "--due").exit == 0,
                 "the delivery by --due")

    judge_timeout = judge_wrong = judge_full = judge_fault

    def judge_crash(self):
        assert self.done.exit == -signal.SIGKILL, self.done.text
        self.judge_fault()

    def judge_late(self):
        """The write comes when the next runs are over, and changes nothing."""
        site = self.site
        self.judge_fault()
        site.run("rotate", "sap", expect=0)
        settled = site.settled()
        assert self.store.gate.let_go()
        assert site.current() == settled
        site.must_log_in(settled.password)
        site.run("recover", "sap", expect=0)

    def judge_concurrent(self):
        """One claim wins; the other changed nothing."""
        wait_until(lambda: hasattr(self, "other"), 30)
        exits = sorted((self.done.exit, self.other.exit))
        assert exits in ([0, 0], [0, 13]), (self.done.text, self.other.text)
        live = self.site.live()
        assert live.id in self.ids() - self.before
        self.site.run("recover", "sap", expect=0)
        assert self.site.current().id == live.id

    def judge_restore(self):
        """The restored version is in the store, is noticed, and replaced by a
        newer one: by the run itself, whose claim is void, or by the next."""
        site = self.site
        if self.done.exit != 0 or self.wanted == "F1":
            assert site.live().id == self.snapshot.version.id
        site.run("recover", "sap", expect=0)
        assert "restore" in site.kinds()[self.events:]
        live = site.live()
        assert live.id == site.current().id
        assert live.id != self.was.id

    def judge_rollback(self):
        """What is live is not in the store: no run replaces it by itself.
        Secrets Manager stages without compare-and-swap, so there a rotation
        that was under way may have put something newer in and made it live."""
        site, mark = self.site, self.site.marker()["live_version"]
        if mark in self.ids():
            assert (self.step, AmazonStore) == ("S4 stage", type(self.store))
            site.run("recover", "sap", expect=0)
            assert site.current().id == mark
            return
        assert site.run("rotate", "sap").exit == FROZEN
        assert site.marker()["live_version"] == mark
        site.run("thaw", "sap", expect=0)
        site.run("rotate", "sap", "--emergency", expect=0)


@contextlib.contextmanager
def at(step, column):
    try:
        yield
    except BaseException as e:
        e.add_note(f"in the cell {step}, {column}")
        raise


def walk(site, store, step, folder):
    """All columns of one step."""
    second = site.second_host(os.path.join(folder, "second"))
    seen = [c for c in COLUMNS if store.does(step, c)]
    assert len(seen) > 5
    for column in seen:
        with at(step, column):
            Cell(site, store, step, column).go(second)
    hits = second.leaks()
    assert not hits, hits[:5]


# ---- the cluster, while CURRENT is tried ---------------------------------------

CONTROL, PRESENT = 1, 2  # the logins of a trial on each endpoint


class Endpoint(Proxy):
    """Another endpoint of the cluster, at one of whose logins something
    happens."""

    def __init__(self, site, authority):
        super().__init__(site.server, authority)
        self.as_neon = False
        self.seen, self.at, self.act = 0, 0, None
        site.server.hba("local all sap scram-sha-256")
        site.configure(keyturn="control_interval = 0s",
                       cluster=f"endpoint = {site.conninfo(port=self.port)}\n"
                               "connect_timeout = 2s\n")

    def _login(self, client, code, parameters):
        self.seen += 1
        if self.seen != self.at or not self.act(client):
            super()._login(client, code, parameters)

    def hit(self, site, login, column):
        """Run into the fault: the Result."""
        runs = []

        def down(client):
            """This login is answered, and no other one."""
            self.sleep()

        def away(client):
            site.server.stop("immediate")
            return True

        def lost(client):
            return True

        def silent(client):
            client.recv(1)
            return True

        def says(sqlstate, text):
            def answer(client):
                client.sendall(error_response(sqlstate, text))
                return True
            return answer

        def late(client):
            """When the password has been sent."""
            self.say("57P03", "the database system is shutting down",
                     late=True)

        def killed(client):
            wait_until(lambda: runs)
            runs[0].process.kill()
            runs[0].process.wait()
            return True

        self.seen, self.at, self.act = 0, login, {
            "away": away, "lost": lost, "silent": silent, "late": late,
            "killed": killed,
            "refused": says("28000", "pg_hba.conf rejects connection"),
            "full": says("53300", "sorry, too many clients already"),
            "wrong": says("28P01", "password authentication failed"),
        }.get(column)
        if column == "down" and login == CONTROL:
            self.sleep()
        elif column == "down":
            self.at, self.act = login - 1, down
        runs.append(site.start("rotate", "sap"))
        done = runs[0].finish()
        assert self.listener is None or self.seen == login, done.text
        self.at = 0
        self.late_says.clear()
        if self.listener is None:
            self.wake()
        if column == "away":
            site.server.start()
        return done


@pytest.fixture
def place(folder):
    path = tempfile.mkdtemp(prefix="kt-", dir=folder)
    yield path


@pytest.fixture
def begun(place, tools, server):
    """Make a site of a class, after its first rotation."""
    made = []

    def begin(kind, *more, **settings):
        site = kind(tools, server, os.path.join(place, "site"), "partner",
                    *more)
        made.append(site)
        site.create(("sap",), **settings)
        site.run("rotate", "sap", expect=0)
        return site
    yield begin
    for site in made:
        site.close()
    hits = [hit for site in made for hit in site.leaks()]
    assert not hits, hits[:20]


@pytest.mark.slow
@pytest.mark.parametrize("step", LocalStore.steps)
def test_every_fault_at_a_step_of_the_local_store(begun, place, step):
    site = begun(Installation)
    walk(site, LocalStore(site), step, place)


def not_begun(site, done):
    """F0 without anything staged; said by exit code, status and trail."""
    assert site.labelled("pending") is None
    no_keyturn_backend(site)
    status = site.status()
    if done.exit == -signal.SIGKILL:
        assert status["state"] == "open"
    else:
        assert done.exit == REFUSED, done.text
        assert "nothing was changed" in done.text
        assert (status["state"], status["last_status"]) == \
            ("failed", "REFUSED")
    site.run("audit", "verify", expect=0)
    site.run("recover", "sap", expect=0)
    site.settled()


@pytest.mark.slow
@pytest.mark.parametrize("login", [CONTROL, PRESENT],
                         ids=["control", "present"])
def test_every_fault_of_a_cluster_while_the_present_password_is_tried(
        begun, authority, login):
    site = begun(Installation)
    endpoint = Endpoint(site, authority)
    # A refusal is what the control asks for, and nobody is let in by it.
    columns = ["away", "down", "lost", "silent", "refused", "full", "killed"] \
        + ["wrong", "late"] * (login == PRESENT)
    try:
        for column in columns:
            with at(f"login {login}", column):
                with nothing_changed(site):
                    done = endpoint.hit(site, login, column)
                assert (done.exit == -signal.SIGKILL) == (column == "killed")
                not_begun(site, done)
        before = site.current()
        endpoint.seen = 0
        site.run("rotate", "sap", expect=0)
        assert endpoint.seen == PRESENT + 1  # the proof
        assert site.settled().id != before.id
    finally:
        endpoint.stop()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_is_killed_while_it_tries_a_sink_changed_nothing(
        begun, when):
    site = begun(Installation)
    claim, before = site.marker()["claim"], sorted(os.listdir(site.sinks))

    def tries(effect):
        return effect.target.startswith(site.sinks) and \
            site.marker()["claim"] != claim
    with nothing_changed(site):
        run = site.stop_before(tries, "rotate", "sap")
        if when == "after":
            # Up to the last effect of the trial.
            run.go_on()
            while run.wait_stopped() and tries(run.effects()[-1]):
                run.go_on()
        assert site.labelled("pending") is None
        done = run.kill()
    not_begun(site, done)
    assert sorted(os.listdir(site.sinks)) == before


@pytest.fixture(scope="module")
def vault(folder):
    found = Vault(folder, test_vault.doubles.Double)
    yield found
    found.stop()


@pytest.mark.slow
@pytest.mark.parametrize("step", EXPECTED)
def test_every_fault_at_a_step_of_vault(begun, place, vault, step):
    site = begun(VaultSite, vault)
    walk(site, VaultStore(site), step, place)


@pytest.fixture
def amazon():
    double = None if test_aws.REAL else test_aws.aws.Double()
    found = Amazon(double)
    gate = Gate(found.url)
    found.url, found.gate = gate.url, gate
    yield found
    gate.stop()
    if double:
        double.stop()


@pytest.mark.slow
@pytest.mark.parametrize("step", AmazonStore.requests)
def test_every_fault_at_a_step_of_secrets_manager(begun, place, amazon, step):
    site = begun(AmazonSite, amazon, timeout="1s")
    walk(site, AmazonStore(site, amazon.gate), step, place)
