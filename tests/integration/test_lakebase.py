# SPDX-License-Identifier: PostgreSQL
"""PostgreSQL that is not quite PostgreSQL (Neon's kind, Lakebase): verifiers
are refused at COMMIT, a failed COMMIT may have changed the password all the
same, a proxy remembers passwords, and the server sleeps."""

import glob
import os
import re
import signal
import threading
import time

import pytest

from rig.lakebase import ControlPlane, Proxy, compile_module
from rig.server import wait_for
from rig.verdict import finding, nothing_changed, sentence

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG, FROZEN, REFUSED, AWAY, UNKNOWN = 2, 5, 6, 8, 9
AUTO = "password_send = auto\n"
PLAIN = "password_send = plain\n"


@pytest.fixture(scope="session")
def control_plane_module(folder):
    return compile_module("control_plane", HERE, folder)


@pytest.fixture
def control(control_plane_module, server):
    """The control plane of the server, which takes no verifier from here on."""
    made = ControlPlane(server)
    made.module = control_plane_module
    made.begin = lambda: server.configure(
        session_preload_libraries=control_plane_module, log_statement="ddl")
    yield made
    made.stop()


@pytest.fixture
def plane(control, taken_over):
    """The control plane of `taken_over`'s server."""
    control.begin()
    taken_over.configure(cluster=AUTO)
    return control


@pytest.fixture
def proxy(taken_over, authority):
    """A proxy in front of `taken_over`'s server."""
    site = taken_over
    site.server.hba("local all sap,sap_remembered,keyturn_admin "
                    "scram-sha-256")
    made = Proxy(site.server, authority)

    def configure(settings):
        site.configure(conninfo=site.conninfo(port=made.port),
                       cluster=settings)
    made.configure = configure
    configure("")
    # The role is proved through it: no login comes before what a test wants.
    site.run("rotate", "sap", expect=0)
    made.logins.clear()
    yield made
    made.stop()


def new_ids(site, before):
    return {v.id for v in site.versions()} - {v.id for v in before}


# ---- Verifiers are refused --------------------------------------------------

def test_a_server_that_takes_no_verifier_gets_the_password_in_clear(
        taken_over, plane):
    site = taken_over
    site.run("rotate", "sap", expect=0)
    current = site.settled()
    # One verifier, then the password itself, of the same version.
    assert [p.startswith("SCRAM-SHA-256$") for _, p in plane.given] == \
        [True, False]
    assert plane.plaintext == [current.password]
    applied = [e for e in site.audit() if e.get("kind") == "apply"][-1]
    assert "in clear inside verified TLS" in applied["detail"]


def test_what_a_cluster_refuses_is_remembered(taken_over, plane):
    site = taken_over
    site.run("rotate", "sap", expect=0)
    plane.given.clear()
    site.run("rotate", "sap", expect=0)
    assert plane.plaintext == [site.settled().password]
    assert len(plane.given) == 1
    # check knows it, too.
    done = site.run("check", expect=0)
    assert "passwords are sent in clear inside verified TLS" in done.out


def test_a_server_that_takes_verifiers_never_sees_a_password(
        taken_over, plane):
    site = taken_over
    plane.takes_verifiers = True
    site.run("rotate", "sap", expect=0)
    site.settled()
    assert len(plane.given) == 1 and plane.plaintext == []


def test_with_scram_the_refusal_is_told_and_nothing_changes(taken_over, plane):
    site = taken_over
    site.configure(cluster="password_send = scram\n")
    with nothing_changed(site, staged=True):
        sentence(site.run("rotate", "sap"), REFUSED, "takes no SCRAM verifier",
                 "password_send = auto")
    assert plane.plaintext == []


def test_plain_is_sent_at_once(taken_over, plane):
    site = taken_over
    site.configure(cluster=PLAIN)
    site.run("rotate", "sap", expect=0)
    assert plane.given == [("sap", site.settled().password)]


def test_a_role_of_any_name_can_be_rotated_in_clear(new_site, control):
    """The name goes through format('%I'), the password through %L."""
    control.begin()
    name = 'o"dd; drop role x --'
    site = new_site(roles=(), cluster=PLAIN)
    site.create_role(name)
    quoted = name.replace('"', '\\"')
    with open(site.configuration, "a") as f:
        f.write(f'[role odd]\ncluster = main\nrolname = "{quoted}"\n'
                f"sink = pgpass {site.sinks}/odd.pgpass\n")
    site.run("rotate", "odd", expect=0)
    password = site.current("odd").password
    assert control.given == [(name, password)]
    site.must_log_in(password, name)


# ---- What would be written down ---------------------------------------------

@pytest.mark.parametrize("settings", [
    {"log_statement": "all"},
    {"log_min_duration_statement": "0"},
    {"log_transaction_sample_rate": "1"},
    {"log_min_duration_sample": "0"},
    {"auto_explain.log_min_duration": "0"},
    {"deadlock_timeout": "100ms", "log_lock_waits": "on"},
], ids=lambda s: list(s)[-1])
def test_no_password_goes_in_clear_where_it_would_be_logged(
        taken_over, plane, settings):
    site = taken_over
    if "auto_explain.log_min_duration" in settings:
        site.server.sql("load 'auto_explain'")
        site.server.sql("alter system set session_preload_libraries = "
                        f"'{plane.module}', 'auto_explain'")
    site.server.configure(**settings)
    name = list(settings)[-1]
    for mode in (AUTO, PLAIN):
        site.configure(cluster=mode)
        with nothing_changed(site, staged=True):
            sentence(site.run("rotate", "sap"), REFUSED, "in clear only",
                     name)
        finding(site.run("check"), "in clear only", name)
    assert plane.plaintext == []
    # Without parameters in the log it may.
    if name == "log_lock_waits":  # or when no wait can last that long
        site.server.configure(deadlock_timeout="1s")
        site.run("rotate", "sap", expect=0)
        site.settled()
    elif name.startswith("log_"):
        site.server.configure(log_parameter_max_length="0")
        site.run("rotate", "sap", expect=0)
        site.settled()


def test_what_the_session_may_switch_off_is_switched_off(taken_over, plane):
    site = taken_over
    site.server.configure(log_parameter_max_length_on_error="-1",
                          debug_print_parse="on", debug_print_plan="on",
                          debug_print_rewritten="on",
                          log_min_error_statement="debug5")
    plane.fail(times=1)  # an error, with its statement
    site.run("rotate", "sap", expect=0)
    site.settled()  # and the search of the log afterwards


def test_an_alter_role_that_fails_inside_logs_no_password(taken_over, plane):
    """A lock that is not free, a statement that is cancelled: errors whose
    CONTEXT would hold the statement."""
    site = taken_over
    site.configure(cluster=PLAIN)
    with site.server.connect() as other:
        other.autocommit = False
        other.execute("alter role sap connection limit 7")
        done = site.run("rotate", "sap")
        other.rollback()
    assert done.exit == AWAY, done.text
    site.run("recover", "sap", expect=0)
    site.settled()
    assert "ALTER ROLE sap PASSWORD" not in \
        site.server.log_since(site.marks[site.server])


def test_no_password_goes_in_clear_without_verified_tls(taken_over, plane):
    site = taken_over
    loose = {"conninfo": site.conninfo(sslmode="require", sslrootcert=None)}
    site.configure(cluster=AUTO + "insecure = yes\n", **loose)
    with nothing_changed(site, staged=True):
        sentence(site.run("rotate", "sap"), REFUSED, "verify-full")
    site.configure(cluster=PLAIN + "insecure = yes\n", **loose)
    assert site.run("rotate", "sap").exit == CONFIG
    assert plane.plaintext == []


def test_settings_that_make_no_sense_are_told(taken_over):
    site = taken_over
    for settings, word in (("password_send = md5\n", "must be scram"),
                           (AUTO + "statement_timeout = 20s\n", "26s"),
                           ("refusal_wait = 5m\n", "prove_deadline")):
        site.configure(cluster=settings)
        done = site.run("rotate", "sap")
        assert done.exit == CONFIG and word in done.text, done.text


# ---- Commits that fail, or take long ----------------------------------------

def test_a_slow_commit_is_waited_for(taken_over, plane):
    site = taken_over
    site.configure(cluster=PLAIN)
    plane.slow = 1.5
    done = site.run("rotate", "sap", expect=0)
    assert done.seconds > 1.5
    site.settled()


@pytest.mark.parametrize("code", [500, 0], ids=["refused", "lost"])
@pytest.mark.parametrize("forward", [False, True],
                         ids=["unchanged", "changed"])
def test_a_failed_commit_is_resolved_within_the_run(taken_over, plane, code,
                                                    forward):
    site = taken_over
    before = site.versions()
    plane.fail(code, forward=forward, times=2)
    site.run("rotate", "sap", expect=0)
    plane.heal()
    current = site.settled()
    # One password, however often it had to be sent.
    assert new_ids(site, before) == {current.id}
    assert set(plane.plaintext) == {current.password}
    assert len(plane.plaintext) == 3


@pytest.mark.parametrize("forward", [False, True],
                         ids=["unchanged", "changed"])
def test_commits_that_keep_failing_leave_a_candidate_and_never_a_third(
        taken_over, plane, forward):
    site = taken_over
    before = site.versions()
    old = site.current()
    plane.fail(forward=forward, times=50)
    done = site.run("rotate", "sap", expect=UNKNOWN)
    assert "may have kept it all the same" in done.text
    candidate = site.labelled("pending")
    assert new_ids(site, before) == {candidate.id}
    assert site.current() == old
    # Who is right can only be found out by trying; keyturn must not assume.
    with plane.busy:
        (site.must_log_in if forward else site.must_not_log_in)(
            candidate.password)
    assert site.status()["open_run"]
    if forward:
        assert "keyturn recover applies that again" in \
            site.run("check", expect=0).out
    done = site.run("rotate", "sap", expect=UNKNOWN)
    assert new_ids(site, before) == {candidate.id}
    plane.heal()
    site.run("recover", "sap", expect=0)
    assert site.settled().id == candidate.id
    assert site.settled().password == candidate.password
    # What was asked for is still to be had.
    site.run("rotate", "sap", expect=0)
    assert site.settled().id != candidate.id


def test_a_rotation_that_was_asked_for_follows_the_one_that_waited(
        taken_over, plane):
    site = taken_over
    before = site.versions()
    plane.fail(forward=True, times=50)
    site.run("rotate", "sap", expect=UNKNOWN)
    candidate = site.labelled("pending")
    plane.heal()
    done = site.run("rotate", "sap", "--json", expect=0)
    assert done.lines[0]["finished_earlier"] is True
    current = site.settled()
    assert current.id != candidate.id
    assert new_ids(site, before) == {candidate.id, current.id}


def test_what_waits_can_be_replaced_by_command(taken_over, plane):
    """A control plane that does not like the candidate would refuse it for
    ever."""
    site = taken_over
    plane.fail(400, '{"error":"password is too weak"}', times=50)
    site.run("rotate", "sap", expect=UNKNOWN)
    candidate = site.labelled("pending")
    plane.heal()
    site.run("rotate", "sap", "--emergency", expect=0)
    assert site.settled().id != candidate.id
    assert candidate.password not in plane.plaintext[-1:]


def test_the_very_first_rotation_may_be_forwarded(new_site, control):
    plane = control
    plane.begin()
    site = new_site(cluster=AUTO)
    plane.fail(forward=True, times=50)
    site.run("rotate", "sap", expect=UNKNOWN)
    candidate = site.labelled("pending")
    plane.heal()
    site.must_log_in(candidate.password)
    site.run("recover", "sap", expect=0)
    assert site.settled().id == candidate.id


# ---- A proxy that remembers -------------------------------------------------

def test_a_proxy_that_remembers_the_old_password_is_waited_for(
        taken_over, proxy):
    site = taken_over
    proxy.configure("refusal_wait = 20s\nprove_deadline = 30s\n")
    proxy.remember("sap", refusals=3)
    site.run("rotate", "sap", expect=0)
    site.settled()
    assert [s for r, s in proxy.logins if r == "sap"][:4] == \
        ["28P01"] * 3 + ["ok"]
    assert site.status()["state"] == "ok"


def test_a_refusal_counts_when_it_lasts(taken_over, proxy):
    """And the text of a proxy, whose SQLSTATE says nothing, is a refusal."""
    site = taken_over
    proxy.configure("refusal_wait = 2s\nprove_deadline = 30s\n")
    proxy.remember("sap", refusals=1000)
    done = site.run("rotate", "sap", expect=FROZEN)
    assert "refuses the new password" in done.text
    assert len([s for r, s in proxy.logins if r == "sap"]) > 2
    assert site.labelled("pending") is not None


def test_time_that_runs_out_before_a_refusal_counts_proves_nothing(
        taken_over, proxy):
    site = taken_over
    proxy.configure("refusal_wait = 2s\nprove_deadline = 3s\n")
    proxy.remember("sap", refusals=1)
    # After the one refusal the proxy sleeps, and answers no more.
    proxy.say("57P03", "the database system is starting up", times=0)
    run = site.start("rotate", "sap")
    wait_for(lambda: ("sap", "28P01") in proxy.logins, "a refusal")
    proxy.sleep()
    done = run.finish()
    assert done.exit == UNKNOWN, done.text
    proxy.wake()
    site.run("recover", "sap", expect=0)
    site.settled()


# ---- Scale to zero ----------------------------------------------------------

WAKING = [
    ("57P03", "the database system is starting up"),
    ("XX000", "Couldn't connect to compute node"),
    ("XX000", "Control plane request failed: endpoint is temporarily "
              "unavailable. Check your quotas and/or contact our support."),
    ("XX000", "Too many connections attempts"),
    ("XX000", "Failed to acquire permit to connect to the database. Too many "
              "database connection attempts are currently ongoing."),
    ("08006", "connection failure"),
]


def test_a_server_that_wakes_up_is_waited_for(taken_over, proxy):
    site = taken_over
    proxy.configure("wake_timeout = 30s\n")
    for sqlstate, text in WAKING:
        proxy.say(sqlstate, text)
    site.run("rotate", "sap", expect=0)
    site.settled()
    assert [s for _, s in proxy.logins][:len(WAKING)] == [s for s, _ in WAKING]


@pytest.mark.parametrize("sqlstate, text", WAKING[:3])
def test_without_wake_timeout_the_cause_is_told(taken_over, proxy, sqlstate,
                                                text):
    site = taken_over
    with nothing_changed(site):
        proxy.say(sqlstate, text)
        sentence(site.run("rotate", "sap"), AWAY, "try again")


def test_a_port_that_nobody_listens_on_may_wake_up(taken_over, proxy):
    site = taken_over
    proxy.configure("wake_timeout = 30s\n")
    proxy.sleep()
    run = site.start("rotate", "sap")
    time.sleep(0.3)  # in any order it must end well
    proxy.wake()
    done = run.finish()
    assert done.exit == 0, done.text
    site.settled()


def test_a_server_that_does_not_wake_up_is_given_up(taken_over, proxy):
    site = taken_over
    proxy.configure("wake_timeout = 1s\n")
    proxy.sleep()
    with nothing_changed(site):
        done = site.run("rotate", "sap", expect=AWAY)
    assert 0.5 < done.seconds < 20


def test_an_endpoint_that_is_disabled_is_not_waited_for(taken_over, proxy):
    site = taken_over
    proxy.configure("wake_timeout = 60s\n")
    proxy.say("XX000", "Control plane request failed: endpoint is disabled",
              times=100)
    with nothing_changed(site):
        done = site.run("rotate", "sap")
        sentence(done, REFUSED, "disabled")
    assert done.seconds < 20


@pytest.mark.parametrize("sqlstate, text", WAKING)
def test_waking_is_never_read_as_a_wrong_password(taken_over, proxy, sqlstate,
                                                  text):
    """The server falls asleep between the apply and the proof."""
    site = taken_over
    run = site.stop_before(
        lambda e: e.sends and proxy.logins and
        site.marker()["live_version"] != site.current().id, "rotate", "sap")
    proxy.say(sqlstate, text)
    proxy.say(sqlstate, text, late=True)
    while run.process.returncode is None:
        run.go_on()
        run.wait_stopped()
    done = run.finish()
    assert done.exit == 0, done.text
    assert proxy.logins.count(("sap", sqlstate)) == 2
    site.settled()


# ---- Death ------------------------------------------------------------------

def test_kill_9_anywhere_in_a_rotation_in_clear(taken_over, plane):
    """Before each byte that goes to the server, and at each write of the
    store; every other time the commit fails and was forwarded."""
    site = taken_over
    site.run("rotate", "sap", expect=0)
    effects = site.run("rotate", "sap", fault="count", expect=0).effects
    points = [e for e in effects if e.sends or e.call.startswith("fdatasync")]
    assert len(points) > 10
    for i, effect in enumerate(points):
        if i % 2:
            plane.fail(forward=True)
        before = {v.id for v in site.versions()}
        done = site.run("rotate", "sap",
                        fault=f"kill-before:{effect.number}")
        assert done.exit in (-signal.SIGKILL, 0), done.text
        wait_for(lambda: not site.server.keyturn_backends(),
                 "the killed run's sessions to end")
        with plane.busy:
            site.live()
        plane.heal()
        site.run("recover", "sap", expect=0)
        current = site.settled()
        assert len({v.id for v in site.versions()} - before) <= 1, \
            f"{effect}: a third password"
        site.must_log_in(current.password)


# ---- Branches ---------------------------------------------------------------

@pytest.fixture
def branches(new_server, new_site):
    """A site on the branch "production", and a copy of its server."""
    server = new_server()
    site = new_site(on=server, cluster="branch = production\n")
    site.run("rotate", "sap", expect=0)
    child = new_server(standby_of=server)
    child.sql("select pg_promote()")
    wait_for(lambda: child.sql("select pg_is_in_recovery()") == [(False,)],
             "the copy to be writable")
    # Passwords come along: that is the trap.
    site.must_log_in(site.current().password, server=child)
    return site, child


def on_branch(site, child, branch, section="sap"):
    site.configure(roles=(section,), conninfo=site.conninfo(port=child.port),
                   cluster=f"branch = {branch}\n" if branch else "",
                   role_settings="rolname = sap\n")


def test_a_branch_is_not_rotated_into_its_parents_secret(branches):
    site, child = branches
    before = site.versions()
    on_branch(site, child, "dev")
    sentence(site.run("rotate", "sap"), REFUSED, "another branch",
             "rolname = sap")
    finding(site.run("check"), "another branch")
    assert site.versions() == before
    assert site.marker()["branch"] == "production"
    site.must_log_in(site.current().password, server=child)
    # With a secret of its own it is rotated there ...
    on_branch(site, child, "dev", "sap_dev")
    site.run("check", "sap_dev", expect=0)
    site.run("rotate", "sap_dev", expect=0)
    fresh = site.current("sap_dev")
    site.must_log_in(fresh.password, "sap", server=child)
    site.must_not_log_in(site.current("sap").password, "sap", server=child)
    # ... and its parent knows nothing of it.
    assert site.versions("sap") == before
    site.must_log_in(before[0].password, "sap")
    site.must_not_log_in(fresh.password, "sap")
    site.run("rotate", "sap_dev", expect=0)
    site.configure(roles=("sap", "sap_dev"))


def test_the_server_may_say_which_branch_it_is(branches):
    """Neon's compute has it as a setting."""
    site, child = branches
    for server, name in ((site.server, "production"), (child, "0f1e")):
        server.sql(f"alter database {site.database} set neon.timeline_id = "
                   f"'{name}'")
    on_branch(site, child, "")
    sentence(site.run("rotate", "sap"), REFUSED, "another branch")
    on_branch(site, site.server, "")
    site.run("rotate", "sap", expect=0)


def test_a_branch_restored_in_place_gets_its_secret_by_command(taken_over):
    """It is another branch by name: a person says that it is not a child."""
    site = taken_over
    site.configure(cluster="branch = before\n")
    site.run("rotate", "sap", expect=0)
    before = site.versions()
    site.configure(cluster="branch = after\n")
    sentence(site.run("rotate", "sap"), REFUSED, "rotate --emergency")
    site.run("recover", "sap", expect=REFUSED)
    assert site.versions() == before
    site.run("rotate", "--emergency", "sap", expect=0)
    assert site.marker()["branch"] == "after"
    site.settled()
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_without_a_branch_nothing_is_compared(taken_over):
    site = taken_over
    assert site.marker()["branch"] is None
    site.configure(cluster="branch = b\n")
    site.run("rotate", "sap", expect=0)
    assert site.marker()["branch"] == "b"
    # An older keyturn leaves the column as it is.
    site.configure()
    site.run("rotate", "sap", expect=0)
    assert site.marker()["branch"] == "b"
    site.settled()


# ---- The manual -------------------------------------------------------------

def manual():
    with open(os.path.join(HERE, "..", "..", "docs", "lakebase.md")) as f:
        return f.read()


def sentences_of_the_sources():
    """Every string of the C sources, adjacent literals joined."""
    text = ""
    for path in glob.glob(os.path.join(HERE, "..", "..", "src", "**", "*.c"),
                          recursive=True):
        with open(path) as f:
            text += re.sub(r'"\s*\n\s*"', "", f.read())
    return text.replace('\\"', '"').replace("%s ", "").replace("%s", "")


def test_the_manual_quotes_what_keyturn_says():
    table = manual().split("## What it says, and what to do")[1]
    texts = [text for line in table.splitlines() if line.startswith("| `")
             for text in re.findall(r"`([^`]+)`", line.split("|")[1])]
    assert len(texts) > 15
    said = sentences_of_the_sources()
    for text in texts:
        for part in re.split(r"\.\.\.|log_statement = all|ep-\S+|5432", text):
            part = part.strip(" '\"")
            if len(part) > 6 and "SQLSTATE XX000" not in part:
                found = part in said
                assert found, part


def test_the_manuals_configuration_is_one(site, tmp_path):
    blocks = re.findall(r"```ini\n(.*?)```", manual(), re.S)
    text = "\n".join(blocks).replace("cluster = dev", "cluster = dev").replace(
        "token:lakebase-dev", "token:lakebase-admin")
    file = tmp_path / "keyturn.conf"
    file.write_text(text)
    done = site.run("--config", str(file), "config", "show", expect=0,
                    configured=False)
    assert "sap_engagement_dev" in done.out
