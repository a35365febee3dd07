# SPDX-License-Identifier: PostgreSQL
"""The steps of a rotation that touch Secrets Manager, with everything that can
go wrong there (rotation-safety.md section 3.2, S4, S5 and S8).

F0: the old password is live and current.  F1: the new one is.  In between a
password that logs in is always in the store."""

import copy

import pytest

from test_aws import (_double, amazon, double, new_aws_site, site,  # noqa: F401
                      taken_over)

ALWAYS = 1000


def f0(site, old):
    site.must_log_in(old.password)
    assert site.current() == old


def rotate_then_clean(site, double, old, exits=None):
    """A run with faults, and one without: (first result)."""
    done = site.run("rotate", "sap")
    if exits is not None:
        assert done.exit in exits, done.text
    site.live()  # INV1
    double.faults.clear()
    site.run("rotate", "sap", expect=0)
    site.settled()
    assert site.current() != old
    return done


# -- S4: stage ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["before", "after", "500", "500-after", "503",
                                  "throttle"])
def test_one_fault_of_staging_costs_a_retry_and_no_second_version(
        taken_over, double, kind):
    versions = len(taken_over.versions())
    double.fault("PutSecretValue", kind)
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()
    assert len(taken_over.versions()) == versions + 1


@pytest.mark.parametrize("kind", [
    "before", "500", "503", "throttle", "wrong", "redirect", "lie",
    "LimitExceededException", "EncryptionFailure", "InternalServiceError"])
def test_staging_that_never_succeeds_changes_nothing(taken_over, double, kind):
    old = taken_over.current()
    double.fault("PutSecretValue", kind, ALWAYS)
    done = taken_over.run("rotate", "sap")
    assert done.exit not in (0, 5), done.text
    f0(taken_over, old)
    double.faults.clear()
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


@pytest.mark.parametrize("kind", ["after", "500-after"])
def test_staging_whose_answer_never_comes_is_settled_by_reading(
        taken_over, double, kind):
    double.fault("PutSecretValue", kind, ALWAYS)
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


def test_a_staged_version_that_lands_late_is_resolved(taken_over, double):
    old = taken_over.current()
    double.fault("PutSecretValue", "late", 3)
    assert taken_over.run("rotate", "sap").exit != 0
    f0(taken_over, old)
    taken_over.run("rotate", "sap", expect=0)
    new = taken_over.settled()
    double.land()  # takes the label AWSPENDING, which nobody needs
    taken_over.must_log_in(taken_over.current().password)
    assert taken_over.current() == new
    taken_over.run("rotate", "sap", expect=0)
    assert taken_over.settled() != new


def test_a_late_version_between_apply_and_promote_does_not_harm(
        taken_over, double):
    """It takes AWSPENDING from the version that is live."""
    double.fault("PutSecretValue", "late", 3)
    assert taken_over.run("rotate", "sap").exit != 0
    double.fault("UpdateSecretVersionStage", "AccessDeniedException", ALWAYS)
    assert taken_over.run("rotate", "sap").exit != 0
    double.land()
    live = taken_over.live()
    assert live.label in ("ring", "pending")
    double.faults.clear()
    taken_over.run("recover", "sap", expect=0)
    taken_over.settled()


# -- S5: read-back -----------------------------------------------------------------


def test_other_bytes_than_were_staged_are_not_applied(taken_over, double):
    old = taken_over.current()
    double.fault("GetSecretValue", "lie")
    done = taken_over.run("rotate", "sap")
    assert done.exit == 17, done.text
    f0(taken_over, old)
    double.faults.clear()
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


@pytest.mark.parametrize("kind", ["stale", "before", "500", "throttle", "wrong",
                                  "ResourceNotFoundException"])
def test_one_bad_read_back_is_read_again(taken_over, double, kind):
    double.fault("GetSecretValue", kind)
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


@pytest.mark.parametrize("kind", ["stale", "before", "wrong",
                                  "DecryptionFailure"])
def test_a_version_that_cannot_be_read_back_is_not_applied(taken_over, double,
                                                           kind):
    old = taken_over.current()
    double.fault("GetSecretValue", kind, ALWAYS)
    rotate = taken_over.run("rotate", "sap")
    assert rotate.exit != 0
    double.faults.clear()
    f0(taken_over, old)
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


# -- S8: promote -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["before", "after", "500", "500-after", "503",
                                  "throttle", "wrong", "redirect"])
def test_one_fault_of_promoting_is_settled_by_reading(taken_over, double, kind):
    versions = len(taken_over.versions())
    double.fault("UpdateSecretVersionStage", kind)
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()
    assert len(taken_over.versions()) == versions + 1


@pytest.mark.parametrize("kind", ["before", "503", "AccessDeniedException",
                                  "wrong"])
def test_promoting_that_never_succeeds_is_finished_by_the_next_run(
        taken_over, double, kind):
    double.fault("UpdateSecretVersionStage", kind, ALWAYS)
    done = taken_over.run("rotate", "sap")
    assert done.exit == 9, done.text
    live = taken_over.live()
    assert live.label == "pending"
    double.faults.clear()
    taken_over.run("recover", "sap", expect=0)
    assert taken_over.settled().id == live.id


def test_a_label_that_moves_late_does_not_move_back(taken_over, double):
    double.fault("UpdateSecretVersionStage", "late")
    taken_over.run("rotate", "sap", expect=0)
    taken_over.run("rotate", "sap", expect=0)
    new = taken_over.settled()
    double.land()  # refused: RemoveFromVersionId is not AWSCURRENT any more
    assert taken_over.settled() == new


def test_an_old_description_after_promoting_is_looked_at_again(taken_over,
                                                               double):
    double.fault("UpdateSecretVersionStage", "after")
    double.fault("DescribeSecret", "stale", 1, skip=1)
    taken_over.run("rotate", "sap", expect=0)
    taken_over.settled()


@pytest.mark.parametrize("kind", ["lie", "silent", "silent-after"])
def test_a_move_that_only_seems_to_have_happened_is_made_by_the_next_run(
        new_aws_site, double, kind):
    site = new_aws_site(timeout="10s" if kind == "lie" else "2s")
    site.run("rotate", "sap", expect=0)
    site.fault("promote", kind, ALWAYS)
    site.run("rotate", "sap", timeout=90)
    live = site.live()
    site.clear_faults()
    site.run("recover", "sap", expect=0)
    assert site.settled().id == live.id


# -- a service that does not answer -------------------------------------------------


@pytest.mark.parametrize("step, said", [
    ("describe", "did not answer in time"), ("stage", "not in the store"),
    ("readback", "did not answer in time")])
def test_a_service_that_does_not_answer_ends_in_a_deadline(new_aws_site, double,
                                                           step, said):
    """Reading decides what became of a version that was sent."""
    site = new_aws_site(timeout="1s")
    site.run("rotate", "sap", expect=0)
    old = site.current()
    site.fault(step, "hang-before", ALWAYS)
    done = site.run("rotate", "sap", timeout=90)
    assert done.exit == 7 and done.seconds < 60, done.text
    assert said in done.text, done.text
    site.clear_faults()
    f0(site, old)
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_service_that_is_not_there_is_said(taken_over, double):
    old = taken_over.current()
    with open(taken_over.configuration) as f:
        text = f.read()
    with open(taken_over.configuration, "w") as f:
        f.write(text.replace(double.url, "http://127.0.0.1:1"))
    done = taken_over.run("rotate", "sap")
    assert done.exit == 7 and "127.0.0.1:1" in done.text, done.text
    with open(taken_over.configuration, "w") as f:
        f.write(text)
    f0(taken_over, old)


# -- whole runs --------------------------------------------------------------------


@pytest.fixture
def other_host(taken_over):
    other = taken_over.second_host(taken_over.folder + "-2")
    yield other
    assert not other.leaks()


@pytest.mark.parametrize("by", ["this host", "another host"])
def test_killed_before_each_request_the_next_run_settles(
        taken_over, other_host, double, by):
    """The other host has nothing but the configuration: its ledger knows of no
    run."""
    next_one = taken_over if by == "this host" else other_host
    port = str(double.port)
    n = 0
    while True:
        sends = -1
        for running, effect in taken_over.step("rotate", "sap"):
            sends += effect.sends and effect.target.endswith(port)
            if sends == n:
                running.kill()
                break
        else:
            break
        n += 1
        taken_over.live()
        next_one.run("recover", "sap", expect=0)
        next_one.settled()
    assert n >= 5, "the requests were not seen"


def test_a_late_version_is_resolved_by_another_host(taken_over, other_host,
                                                    double):
    old = taken_over.current()
    double.fault("PutSecretValue", "late", 3)
    assert taken_over.run("rotate", "sap").exit != 0
    f0(taken_over, old)
    double.land()
    other_host.run("rotate", "sap", expect=0)
    new = other_host.settled()
    assert new != old
    taken_over.run("recover", "sap", expect=0)
    assert taken_over.settled() == new


def test_two_hosts_take_turns(taken_over, other_host):
    """Each sees what the other did, and the keys of others live through it."""
    seen = {taken_over.current().id}
    for host in 2 * [taken_over, other_host]:
        host.run("rotate", "sap", expect=0)
        seen.add(host.settled().id)
    assert len(seen) == 5


def test_two_rotators_of_one_role_end_with_one_password(taken_over):
    for _ in range(3):
        both = [taken_over.start("rotate", "sap") for _ in range(2)]
        exits = sorted(run.finish().exit for run in both)
        assert exits[0] == 0, exits
        taken_over.run("recover", "sap", expect=0)
        taken_over.settled()


def test_a_store_that_was_rolled_back_freezes_the_role(taken_over, double):
    snapshot = copy.deepcopy(double.manager.secrets)
    for _ in range(2):
        taken_over.run("rotate", "sap", expect=0)
    live = taken_over.settled()
    double.manager.secrets = snapshot
    done = taken_over.run("rotate", "sap")
    assert done.exit == 5, done.text
    taken_over.must_log_in(live.password)
    taken_over.run("thaw", "sap", expect=0)
    taken_over.run("rotate", "sap", "--emergency", expect=0)
    taken_over.settled()


def test_a_database_that_was_restored_is_followed_into_the_history(taken_over):
    """The live version has no label any more, and is found by its id."""
    taken_over.verifier = taken_over.server.sql(
        "select rolpassword from pg_authid where rolname = 'sap'")[0][0]
    first, marker = taken_over.current(), taken_over.marker()
    for _ in range(3):
        taken_over.run("rotate", "sap", expect=0)
    assert {v.id: v.label for v in taken_over.versions()}[first.id] == "ring"
    # What a restore does, as far as this role goes: the verifier and the
    # marker's row as they were.
    columns = [k for k in marker if k != "role_oid"]
    with taken_over.server.connect(taken_over.database) as c:
        c.execute("update keyturn.marker set "
                  + ", ".join(f"{k} = %s" for k in columns)
                  + " where role_oid = %s",
                  [marker[k] for k in columns] + [marker["role_oid"]])
        c.execute("update pg_authid set rolpassword = %s where rolname = 'sap'",
                  [taken_over.verifier])
    taken_over.must_log_in(first.password)
    taken_over.run("rotate", "sap", expect=0)
    assert taken_over.settled() != first
    assert "restore" in taken_over.kinds()
