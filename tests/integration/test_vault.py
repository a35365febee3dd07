# SPDX-License-Identifier: PostgreSQL
"""Rotations with the secret in Vault or OpenBao, KV version 2.

The server is real when KEYTURN_TEST_VAULT_ADDR and KEYTURN_TEST_VAULT_TOKEN name
one or `bao` or `vault` is on PATH, else the double of tests/doubles/vault.py.
Faults come from a gate in front of either.  What keyturn wrote is read by hvac.
"""

import datetime
import os
import subprocess
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

hvac = pytest.importorskip("hvac")

import vault as doubles  # noqa: E402
from rig import program  # noqa: E402
from rig.installation import FIRST_PASSWORD  # noqa: E402
from rig.vault_site import Vault, VaultSite  # noqa: E402
from rig.verdict import finding  # noqa: E402


@pytest.fixture(scope="module")
def _vault(folder):
    vault = Vault(folder, doubles.Double)
    yield vault
    vault.stop()


@pytest.fixture
def vault(_vault):
    yield _vault
    _vault.gate.clear()
    if _vault.double:
        _vault.double.sealed, _vault.double.standby = False, None


@pytest.fixture
def new_vault_site(folder, tools, server, vault):
    made = []

    def make(roles=("sap",), on=None, **settings):
        path = tempfile.mkdtemp(prefix="kt-", dir=folder)
        site = VaultSite(tools, on or server, os.path.join(path, "site"),
                         f"vault{len(made)}", vault)
        made.append(site)
        return site.create(roles, **settings)

    yield make
    vault.gate.clear()
    for site in made:
        site.close()
    hits = [hit for site in made for hit in site.leaks()]
    assert not hits, "secrets where none may be: " + "; ".join(
        f"{what} in {file}" for file, what in hits[:20])


@pytest.fixture
def site(new_vault_site):
    return new_vault_site()


@pytest.fixture
def taken_over(site):
    site.run("rotate", "sap", expect=0)
    site.settled()
    return site


# ---- rotations ---------------------------------------------------------------

def test_the_first_rotation_takes_the_role_over(site):
    site.run("rotate", "sap", expect=0)
    current = site.settled()
    assert site.value() == {
        "engine": "postgres", "host": "127.0.0.1",
        "port": str(site.server.port), "dbname": site.database,
        "username": "sap", "password": current.password,
        "keyturn_version": current.id}
    site.must_not_log_in(FIRST_PASSWORD)


def test_a_reader_that_knows_only_the_password_logs_in(taken_over):
    for _ in range(2):
        answer = taken_over.vault.client.read(
            f"{taken_over.mount}/data/{taken_over.path()}")
        taken_over.must_log_in(answer["data"]["data"]["password"])
        taken_over.run("rotate", "sap", expect=0)
    assert taken_over.get() != ""


def test_superseded_versions_are_previous_and_then_in_the_ring(taken_over):
    first = taken_over.current()
    for _ in range(7):
        taken_over.run("rotate", "sap", expect=0)
    versions = taken_over.versions()
    assert [v.label for v in versions] == ["current", "previous"] + 6 * ["ring"]
    assert versions[-1].id == first.id
    assert versions[-1].password == first.password
    taken_over.configure(store="ring = 4")
    taken_over.run("rotate", "sap", expect=0)
    # The new one, what was labelled when it was staged, and the ring.
    assert [v.label for v in taken_over.versions()] == [
        "current", "previous"] + 5 * ["ring"]
    taken_over.settled()


def test_what_was_never_current_leaves_the_ring_first(taken_over):
    """A day of failed runs, and a database that is restored to before."""
    taken_over.configure(store="ring = 4", timeout="1s")
    lived = [taken_over.current().id]
    for _ in range(5):
        taken_over.run("rotate", "sap", expect=0)
        lived.append(taken_over.current().id)
    _, path = taken_over.step_of("readback")
    taken_over.gate.fault("GET", path, "400", times=999)
    for _ in range(6):
        assert taken_over.run("rotate", "sap").exit == 7
    taken_over.gate.clear()
    kept = [v.id for v in taken_over.versions()]
    # CURRENT, PREVIOUS, and of the ring all but one that was PENDING just now.
    assert set(lived[-5:]) <= set(kept), (lived, kept)
    assert len(kept) == 1 + 2 + 4
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


def test_keys_of_others_are_kept(taken_over):
    taken_over.kv.patch(taken_over.path(), {"owner": "sales", "port": 5432},
                        mount_point=taken_over.mount)
    taken_over.run("rotate", "sap", expect=0)
    assert taken_over.value()["owner"] == "sales"
    taken_over.settled()


def test_a_secret_that_was_there_before_is_taken_over_with_its_keys(site):
    site.kv.create_or_update_secret(
        site.path(), {"password": FIRST_PASSWORD, "note": "by hand"},
        mount_point=site.mount)
    site.run("rotate", "sap", expect=0)
    site.settled()
    assert site.value()["note"] == "by hand"


def test_an_import_stores_the_present_password(site):
    r, w = os.pipe()
    os.write(w, FIRST_PASSWORD.encode())
    os.close(w)
    site.run("import", "sap", "--password-fd", str(r), expect=0, fds=(r,))
    os.close(r)
    assert site.settled().password == FIRST_PASSWORD


def test_other_tools_are_told_version_and_times(taken_over):
    told = taken_over.kv.read_secret_metadata(
        taken_over.path(), mount_point=taken_over.mount)["data"][
            "custom_metadata"]
    assert told["keyturn_version"] == taken_over.current().id
    rotated, due = (datetime.datetime.fromisoformat(
        told[key].replace("Z", "+00:00"))
        for key in ("keyturn_rotated_at", "keyturn_next_due"))
    now = datetime.datetime.now(datetime.timezone.utc)
    assert now - datetime.timedelta(minutes=2) < rotated <= now
    assert due - rotated == datetime.timedelta(days=30)
    with open(taken_over.configuration) as f:
        text = f.read()
    with open(taken_over.configuration, "w") as f:
        f.write(text.replace("every = 30d\n", ""))
    taken_over.run("rotate", "sap", expect=0)
    told = taken_over.kv.read_secret_metadata(
        taken_over.path(), mount_point=taken_over.mount)["data"][
            "custom_metadata"]
    assert told["keyturn_version"] == taken_over.current().id
    assert told["keyturn_next_due"] == "by command"


def test_one_version_of_each_document_is_enough(taken_over):
    for path in (taken_over.path(), taken_over.record_path()):
        taken_over.kv.update_metadata(path, max_versions=1,
                                      mount_point=taken_over.mount)
    for _ in range(3):
        taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()
    assert len(taken_over.versions()) == 4


def test_check_and_set_may_be_required(taken_over):
    taken_over.kv.update_metadata(taken_over.path(), cas_required=True,
                                  mount_point=taken_over.mount)
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


def test_a_rotation_of_its_own_costs_five_requests_on_one_connection(
        taken_over):
    """And one more for a sink."""
    begun = taken_over.gate.connections
    done, calls = taken_over.calls_of("rotate", "sap", expect=0)
    mine = [c for c in calls if "/data/" in c[1] and ".canary" not in c[1]]
    assert [m for m, _ in mine] == ["GET", "GET", "PATCH", "GET", "PATCH",
                                   "GET"], \
        calls
    assert taken_over.gate.connections - begun == 1


def test_roles_rotated_together_share_login_and_connections(new_vault_site):
    roles = ("a", "b", "c", "d", "e", "f")
    site = new_vault_site(roles=roles, keyturn="jobs = 3")
    begun = site.gate.connections
    done, calls = site.calls_of("rotate", *roles)
    assert done.exit == 0, done.text
    assert site.gate.connections - begun <= 3
    assert sum(path == "auth/token/lookup-self" for _, path in calls) == 1
    assert sum("/ui/mounts/" in path for _, path in calls) <= 3
    for role in roles:
        site.settled(role)


@pytest.fixture(scope="module")
def turns():
    return program.build(
        "vault_turns", ("store", "store/vault", "http", "json", "crypto",
                        "base"),
        ("curl", "jansson", "ssl", "crypto", "m"))


def test_a_rotation_in_the_steady_state_costs_three_requests(site, turns):
    with site.gate.watch() as calls:
        done = subprocess.run(
            [turns, site.gate.url, site.token_file, site.mount, site.prefix,
             "steady", "5"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *described, current = done.stdout.split()
    assert described == ["asked"] + 4 * ["remembered"]
    assert site.value("steady")["keyturn_version"] == current
    assert len(site.versions("steady")) == 5
    data = [m for m, path, _ in calls if "/data/" in path]
    # Of the last describe, the first is remembered and the second asks.
    assert data[2:] == ["POST", "GET", "POST"] + 4 * [
        "PATCH", "GET", "PATCH"] + ["GET", "GET"]
    # What other tools are told is not told each time, nor is it asked each
    # time whether the clock deletes secret or record.
    beside = [m for m, path, _ in calls if "/metadata/" in path]
    assert sorted(beside) == ["GET", "GET", "PATCH", "PATCH"], beside


# ---- what others do to the secret --------------------------------------------

def frozen(site, *words):
    before = site.live()
    done = site.run("rotate", "sap")
    assert done.exit == 5, done.text
    for word in words:
        assert word in done.text, done.text
    assert site.live() == before
    return done


def test_a_deleted_current_freezes_until_it_is_undeleted(taken_over):
    _, number = taken_over.document(taken_over.path())
    taken_over.kv.delete_latest_version_of_secret(
        taken_over.path(), mount_point=taken_over.mount)
    frozen(taken_over, "deleted", "undelete")
    finding(taken_over.run("check"), "drift", "deleted", "undelete")
    done = taken_over.run("get", "sap")
    assert done.exit == 11 and "undelete" in done.text, done.text
    taken_over.kv.undelete_secret_versions(
        taken_over.path(), [number], mount_point=taken_over.mount)
    taken_over.run("thaw", "sap", expect=0)
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


def test_a_destroyed_current_is_written_over_only_by_command(taken_over):
    _, number = taken_over.document(taken_over.path())
    taken_over.kv.destroy_secret_versions(
        taken_over.path(), [number], mount_point=taken_over.mount)
    line = frozen(taken_over, "destroyed", "no undelete brings it back",
                  "--emergency").text
    assert "vault kv undelete" not in line
    finding(taken_over.run("check"), "drift", "destroyed", "--emergency")
    taken_over.run("thaw", "sap", expect=0)
    frozen(taken_over, "destroyed")
    taken_over.run("thaw", "sap", expect=0)
    taken_over.run("rotate", "sap", "--emergency", expect=0)
    taken_over.settled()


def test_a_secret_edited_by_hand_is_put_right(taken_over):
    good = taken_over.current()
    taken_over.kv.patch(taken_over.path(), {"password": "typed-by-hand-4711"},
                        mount_point=taken_over.mount)
    taken_over.remember("typed-by-hand-4711", "typed by hand")
    taken_over.run("recover", "sap")
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()
    assert good.id in [v.id for v in taken_over.versions()]


def test_a_current_rolled_back_in_vault_is_pointed_at_the_live_one(taken_over):
    old = taken_over.value()
    taken_over.run("rotate", "sap", expect=0)
    taken_over.kv.create_or_update_secret(taken_over.path(), old,
                                          mount_point=taken_over.mount)
    lost = taken_over.live()
    assert lost.id != old["keyturn_version"]
    taken_over.run("recover", "sap", expect=0)
    assert taken_over.settled().id == lost.id
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


def test_a_store_rolled_back_to_a_snapshot_freezes(taken_over):
    old, record = taken_over.value(), taken_over.record()
    taken_over.run("rotate", "sap", expect=0)
    lost = taken_over.current()
    for path, data in ((taken_over.path(), old),
                       (taken_over.record_path(), record)):
        taken_over.kv.create_or_update_secret(path, data,
                                              mount_point=taken_over.mount)
    done = taken_over.run("rotate", "sap")
    assert done.exit == 5, done.text
    taken_over.must_log_in(lost.password)
    taken_over.run("thaw", "sap", expect=0)
    taken_over.run("rotate", "sap", "--emergency", expect=0)
    taken_over.settled()


def test_a_lost_record_is_made_again_with_current_in_it(taken_over):
    current = taken_over.current()
    taken_over.kv.delete_metadata_and_all_versions(
        taken_over.record_path(), mount_point=taken_over.mount)
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()
    assert taken_over.labelled("previous") == type(current)(
        "previous", current.id, current.password)


def test_a_damaged_record_stops_the_rotation(taken_over):
    taken_over.kv.patch(taken_over.record_path(), {"order": ["x"]},
                        mount_point=taken_over.mount)
    done = taken_over.run("rotate", "sap")
    assert done.exit == 17 and "edited" in done.text, done.text
    taken_over.must_log_in(taken_over.value()["password"])


# ---- faults --------------------------------------------------------------------

BEFORE = ["reset-before", "hang-before", "429", "503", "412", "garbage"]
AFTER = ["reset-after", "hang-after", "lie"]
OPEN = ["500"]  # nothing was done, and nobody can know that


def heal(site):
    """The next runs bring the role to F0 or F1."""
    site.gate.clear()
    for _ in range(2):
        done = site.run("rotate", "sap")
        if done.exit == 0:
            break
    assert done.exit == 0, done.text
    return site.settled()


@pytest.mark.parametrize("act", [a for a in BEFORE + AFTER + OPEN
                                 if not a.startswith("hang")])
@pytest.mark.parametrize("step", ["describe", "stage", "readback", "promote"])
def test_a_fault_in_a_step_leaves_f0_or_f1(taken_over, step, act):
    """The fault stays for as long as the run lasts.  Once each, they are in
    test_fault_matrix.py."""
    taken_over.configure(timeout="1s")
    was = taken_over.current()
    method, path = taken_over.step_of(step)
    if step in ("stage", "promote"):
        method = "PATCH"  # they are read, too
    taken_over.gate.fault(method, path, act, times=50)
    done = taken_over.run("rotate", "sap")
    taken_over.gate.clear()
    live = taken_over.live()
    if step == "promote":
        assert live.id != was.id
    elif done.exit == 0:
        # A write that was done, and that reading back found.
        assert step == "stage" and act in AFTER and live.id != was.id
    else:
        # Nothing was applied; a PENDING may be left.
        assert live.id == was.id, done.text
    heal(taken_over)


@pytest.mark.parametrize("act", BEFORE + AFTER + OPEN)
@pytest.mark.parametrize("step", ["stage", "promote"])
def test_a_passing_fault_costs_no_rotation(taken_over, step, act):
    was = taken_over.current()
    _, path = taken_over.step_of(step)
    taken_over.configure(timeout="1s")
    taken_over.gate.fault("PATCH", path, act, times=1)
    done = taken_over.run("rotate", "sap")
    taken_over.gate.clear()
    if done.exit == 0:
        assert taken_over.settled().id != was.id
    else:
        # A write that was not answered and is not there: no second try.
        assert act in ("hang-before", "reset-before", "garbage", "500"), \
            done.text
        heal(taken_over)


@pytest.mark.parametrize("act, words", [
    ("503", "HTTP 503"), ("412", "HTTP 412"), ("429", "HTTP 429"),
    ("500", "HTTP 500")])
def test_a_promotion_that_fails_for_long_says_why_and_nothing_untrue(
        taken_over, act, words):
    """The consumers' password is dead by then."""
    was = taken_over.current()
    _, path = taken_over.step_of("promote")
    taken_over.gate.fault("PATCH", path, act, times=99)
    done = taken_over.run("rotate", "sap")
    taken_over.gate.clear()
    assert done.exit == 9 and words in done.text, done.text
    assert "recover" in done.text and "nothing was changed" not in done.text
    taken_over.must_not_log_in(was.password)
    taken_over.run("recover", "sap", expect=0)
    taken_over.settled()


def test_a_staging_that_fails_for_long_says_why(taken_over):
    _, path = taken_over.step_of("stage")
    taken_over.gate.fault("PATCH", path, "500", times=99)
    done = taken_over.run("rotate", "sap")
    taken_over.gate.clear()
    assert done.exit == 7 and "HTTP 500" in done.text, done.text
    heal(taken_over)


# ---- a store that hangs --------------------------------------------------------

@pytest.fixture
def hanging(new_vault_site):
    """Three roles in a Vault that takes connections and says nothing, and one
    in a store that is well."""
    roles = ("a", "b", "c")
    site = new_vault_site(roles=roles, timeout="1s", keyturn="jobs = 2")
    site.create_role("well")
    with open(site.configuration, "a") as f:
        f.write("[role well]\ncluster = main\nstore = local\n")
    return site


def waited(site, *argv):
    """Run keyturn: (Result, how often it was left waiting)."""
    with site.gate.watch() as calls:
        done = site.run(*argv)
    return done, [c[:2] for c in calls if c[2] == "hang-before"]


def test_a_store_that_hangs_is_waited_for_once_by_status(hanging):
    hanging.gate.fault("*", "", "hang-before", times=999)
    done, calls = waited(hanging, "status")
    assert done.exit == 0, done.text
    assert done.text.count("did not answer in time") == 3, done.text
    assert len(set(calls)) == 1 and len(calls) <= 3, calls


def test_a_store_that_hangs_is_waited_for_once_by_due(hanging):
    """None of them is known to the ledger, so the store was asked what it knows
    before each run, in it and after."""
    hanging.gate.fault("*", "", "hang-before", times=999)
    done, calls = waited(hanging, "rotate", "--due")
    assert done.exit == 7, done.text
    assert done.text.count("did not answer in time") == 3, done.text
    assert len(set(calls)) == 1 and len(calls) <= 3, calls


@pytest.mark.parametrize("command", ["check", "rotate"])
def test_a_store_that_hangs_is_waited_for_once_for_all_roles(hanging, command):
    hanging.gate.fault("*", "", "hang-before", times=999)
    argv = (command, "a", "b", "c", "well")
    done, calls = waited(hanging, *argv)
    assert done.exit != 0, done.text
    assert len(set(calls)) == 1 and len(calls) <= 3, calls
    if command == "rotate":
        assert done.exit == 4, done.text
        assert done.text.count("did not answer in time") == 3, done.text
        hanging.must_not_log_in(FIRST_PASSWORD, "well")


@pytest.mark.parametrize("step", ["stage", "promote"])
def test_a_write_that_lands_late_is_refused_by_its_cas(taken_over, step):
    _, path = taken_over.step_of(step)
    taken_over.gate.fault("PATCH", path, "late", times=1)
    taken_over.run("rotate", "sap")
    taken_over.run("rotate", "sap")
    settled = heal(taken_over)
    assert taken_over.gate.held == []
    taken_over.gate.fault("PATCH", path, "late", times=1)
    taken_over.run("rotate", "sap")
    done = taken_over.run("rotate", "sap")
    done = taken_over.run("rotate", "sap") if done.exit else done
    assert done.exit == 0, done.text
    settled = taken_over.settled()
    assert taken_over.gate.let_go() == [400]
    assert taken_over.settled() == settled


def test_a_stale_read_back_is_waited_for(taken_over):
    was = taken_over.current()
    _, path = taken_over.step_of("readback")
    taken_over.gate.fault("GET", path, "stale", times=1)
    taken_over.run("rotate", "sap")
    assert heal(taken_over).id != was.id


def test_two_rotators_never_lose_a_password(taken_over, tmp_path):
    other = taken_over.second_host(str(tmp_path / "other"))
    for _ in range(3):
        runs = [taken_over.start("rotate", "sap"), other.start("rotate", "sap")]
        ends = [r.finish() for r in runs]
        assert any(d.exit == 0 for d in ends), [d.text for d in ends]
        assert all(d.exit in (0, 13) for d in ends), [d.text for d in ends]
        taken_over.live()
    heal(taken_over)
