# SPDX-License-Identifier: PostgreSQL
"""Rotation of a login that lives in gateways alone: promoted, proved at each,
and both passwords good for a while."""

import json
import os
import random
import shutil
import signal
import threading
import time

import pytest

from rig.gateway import verifiers

CLUSTER = """[cluster gw]
type = gateway
connect_timeout = 5s
prove_deadline = {deadline}
min_grace = 0s
{endpoints}

[role sap]
cluster = gw
sink = pgpass {sinks}/sap.pgpass
grace = {grace}
{settings}
"""


class Place:
    """A site whose "sap" is the login of one or two gateways."""

    def __init__(self, site, new_gateway, new_agent, grace="1h", n=1, deadline="5s",
                 settings=""):
        self.site = site
        self.grace = grace
        self.deadline = deadline
        site.configure(roles=())
        # An agent may wait half a second before it takes the one before.
        self.gateways = [new_gateway(site, agent=self.make_agent(new_agent),
                                     grace=grace, service="timeout=3000")
                         for _ in range(n)]
        self.configure(settings)

    def make_agent(self, new_agent):
        """Its clients here have one address, and wrong passwords in plenty."""
        return new_agent(self.site, roles={"sap": verifiers(self.grace)},
                         agent="wrong_passwords = 1000")

    def configure(self, settings="", **changed):
        endpoints = "\n".join(f"endpoint = {g.endpoint}"
                              for g in self.gateways)
        values = {"endpoints": endpoints, "sinks": self.site.sinks,
                  "grace": self.grace, "deadline": self.deadline,
                  "settings": settings, **changed}
        self.site.configure(roles=(), more=CLUSTER.format(**values))

    def run(self, *argv, expect=0):
        return self.site.run(*argv, expect=expect)

    def current(self):
        return self.site.current().password

    def previous(self):
        return self.site.labelled("previous").password

    def let_in(self, password):
        """By which of the gateways."""
        return [g.lets_in(password) for g in self.gateways]


@pytest.fixture
def new_place(new_site, new_gateway, new_agent):
    def make(**settings):
        return Place(new_site(roles=()), new_gateway, new_agent,
                     **settings)
    return make


@pytest.fixture
def place(new_place):
    return new_place()


def test_a_login_is_rotated_with_an_overlap(place):
    """Nothing in the database is touched: there is not even a role."""
    place.run("rotate", "sap")
    first = place.current()
    assert place.let_in(first) == [True]
    place.run("rotate", "sap")
    assert place.previous() == first and place.current() != first
    assert place.let_in(place.current()) == [True]
    assert place.let_in(first) == [True]
    assert place.let_in("wrong") == [False]
    assert place.site.sink() == place.current()
    with place.site.server.connect() as c:
        assert c.execute("select 1 from pg_roles where rolname = 'sap'"
                         ).fetchone() is None
    steps = [e.get("kind") for e in place.site.audit()
             if e.get("role") == "sap"]
    assert steps.index("promote") < steps.index("prove")
    assert "overlap" in steps and "evidence" in steps
    assert "apply" not in steps and "claim" not in steps


def test_no_rotation_cuts_a_grace_short(place):
    place.run("rotate", "sap")
    place.run("rotate", "sap")
    kept = place.current(), place.previous()
    done = place.run("rotate", "sap", expect=None)
    assert "in its grace" in done.text and done.exit == 19
    assert "other login role" not in done.text, done.text
    assert "the old password may still be in use" in done.text
    assert (place.current(), place.previous()) == kept
    assert place.let_in(kept[1]) == [True]
    # By command it is.
    place.run("rotate", "sap", "--force")
    assert place.let_in(kept[1]) == [False]
    assert place.let_in(kept[0]) == [True]


def test_the_old_password_is_shown_to_be_refused(place):
    place.run("rotate", "sap")
    place.run("rotate", "sap")
    old = place.previous()
    place.run("retire", "sap")
    assert place.let_in(old) == [False]
    assert place.let_in(place.current()) == [True]
    retired = [e for e in place.site.audit() if e.get("kind") == "retired"]
    assert [e["ended_by"] for e in retired] == ["withdrawn"]
    refuted = [e for e in place.site.audit() if e.get("kind") == "refute"]
    assert refuted[-1]["status"] == "OK"  # an agent may take it for a second
    # And once more there is nothing to do.
    again = place.run("retire", "sap").text
    assert "there is no old password" in again and "member" not in again
    assert len([e for e in place.site.audit()
                if e.get("kind") == "retired"]) == 1


def test_nothing_is_due_in_a_grace_and_nothing_is_wrong(new_place):
    place = new_place(settings="every = 30d")
    place.run("rotate", "sap")
    place.run("rotate", "sap")
    done = place.run("rotate", "--due", expect=3)
    assert "error" not in done.text and "remember" not in done.text, done.text


def test_by_schedule_the_grace_ends_and_is_shown(new_place):
    place = new_place(grace="5s", settings="every = 1h")
    place.run("rotate", "sap")
    place.run("rotate", "sap", "--force")
    old = place.previous()
    place.run("rotate", "--due", expect=None)
    assert place.let_in(old) == [True]
    status = json.loads(place.run("status", "--json").out)[0]
    assert "grace of the password before ends" in json.dumps(status)
    time.sleep(5.5)
    assert place.let_in(old) == [False]  # the agent's own doing
    place.run("rotate", "--due")
    assert [e["ended_by"] for e in place.site.audit()
            if e.get("kind") == "retired"] == ["withdrawn"]
    # That was all.
    place.run("rotate", "--due", expect=None)
    assert len([e for e in place.site.audit()
                if e.get("kind") == "retired"]) == 1


def test_an_agent_that_cannot_know_undoes_the_rotation(new_place):
    """Its store is away for it, and not for keyturn: the new password is proved
    nowhere, so the label goes back and no one is locked out."""
    place = new_place(n=2)
    place.run("rotate", "sap")
    old = place.current()
    deaf = place.gateways[1].agent
    stale = place.site.folder + "/old-store"
    shutil.copytree(place.site.state, stale)
    deaf.stop()
    conf = open(deaf.configuration).read()
    with open(deaf.configuration, "w") as f:
        f.write(conf.replace(f"path = {place.site.state}/store.db",
                             f"path = {stale}/store.db"))
    deaf.start()
    done = place.run("rotate", "sap", expect=None)
    assert done.exit != 0
    port = place.gateways[1].port
    assert f"port {port} does not take the new password" in done.text
    assert place.current() == old
    assert place.let_in(old) == [True, True]
    assert place.site.versions()  # what was given up has no label
    assert not any(v.label == "previous" for v in place.site.versions())
    assert place.site.sink() == old
    assert any(e.get("kind") == "back" for e in place.site.audit())


def says_that_it_is_away(done, *gateways):
    """... and nothing else of it."""
    for gateway in gateways:
        assert f"127.0.0.1 port {gateway.port} does not answer" in done.text
    for word in ("admin_passfile", "certificate", "client_tls", "TLS"):
        assert word not in done.text, done.text


def test_all_gateways_are_down(new_place):
    place = new_place(n=2)
    place.run("rotate", "sap")
    for gateway in place.gateways:
        gateway.stop()
    done = place.run("rotate", "sap", expect=8)
    says_that_it_is_away(done, place.gateways[0])
    says_that_it_is_away(place.run("check", expect=8), *place.gateways)


def test_two_gateways_and_one_is_down(new_place):
    place = new_place(n=2)
    place.run("rotate", "sap")
    old = place.current()
    down = place.gateways[1]
    down.stop()
    done = place.run("rotate", "sap", expect=8)
    says_that_it_is_away(done, down)
    says_that_it_is_away(place.run("check", expect=8), down)
    assert place.current() == old
    down.start()
    place.run("rotate", "sap")
    assert place.let_in(place.current()) == [True, True]
    assert place.let_in(old) == [True, True]


def test_a_compromise_cuts_the_grace_at_once(new_place):
    place = new_place(n=2)
    place.run("rotate", "sap")
    leaked = place.current()
    done = place.run("rotate", "sap", "--compromised", "--reason", "a leak")
    assert "refused on 2 endpoints" in done.text
    assert place.let_in(leaked) == [False, False]
    assert place.let_in(place.current()) == [True, True]


def test_back_by_command(place):
    place.run("rotate", "sap")
    first = place.current()
    place.run("rotate", "sap")
    second = place.current()
    place.run("rollback", "sap", "--reason", "the partner cannot type it")
    assert place.current() == first
    assert place.let_in(first) == [True] and place.let_in(second) == [True]
    assert place.site.sink() == first


def test_the_password_that_a_partner_has_is_taken_over(place):
    have = "What.the-partner-typed-in.4711"
    place.site.remember(have, "the partner's own")
    read, write = os.pipe()
    os.write(write, have.encode())
    os.close(write)
    place.site.run("import", "sap", "--password-fd", str(read), fds=(read,),
                   expect=0)
    os.close(read)
    assert place.current() == have and place.let_in(have) == [True]
    place.run("rotate", "sap")
    assert place.let_in(have) == [True]


def test_a_gateway_that_takes_any_password(place):
    """The control, before a login is taken over and at each rotation."""
    gateway = place.gateways[0]
    anybody = "auth required pam_permit.so\naccount required pam_permit.so\n"
    gateway.service(stack=anybody)
    done = place.run("rotate", "sap", expect=None)
    assert done.exit != 0 and "wrong password" in done.text
    assert place.site.versions() == []
    gateway.service("timeout=3000")
    place.run("rotate", "sap")
    old = place.current()
    gateway.service(stack=anybody)
    done = place.run("rotate", "sap", expect=None)
    assert done.exit != 0 and "wrong password" in done.text
    assert place.current() == old


def test_a_gateway_that_asks_for_no_password(place):
    place.gateways[0].stop()
    place.gateways[0].configure(auth_type="any")
    place.gateways[0].start()
    done = place.run("rotate", "sap", expect=None)
    assert done.exit != 0 and place.site.versions() == []
    assert "without asking" in done.text or "wrong password" in done.text


def test_a_gateway_that_takes_passwords_in_clear(place):
    gateway = place.gateways[0]
    gateway.configure(client_tls_sslmode="allow")
    gateway.stop()
    gateway.start()
    done = place.run("rotate", "sap", expect=None)
    assert done.exit != 0 and "without TLS" in done.text
    assert "client_tls_sslmode = require" in done.text
    assert place.site.versions() == []


def test_a_certificate_that_does_not_fit(place):
    gateway = place.gateways[0]
    gateway.certificate(*gateway.authority.issue(
        "other.example", hosts=("DNS:other.example",)))
    gateway.stop()
    gateway.start()
    done = place.run("rotate", "sap", expect=None)
    assert done.exit != 0 and place.site.versions() == []


def test_an_agent_that_does_not_answer(place):
    place.run("rotate", "sap")
    old = place.current()
    place.gateways[0].hang_agent()
    done = place.run("rotate", "sap", expect=None)
    assert done.exit != 0 and place.current() == old
    assert "keyturn-agent" in done.text
    place.gateways[0].agent_goes_on()


@pytest.mark.parametrize("settings,words", [
    ({"settings": "strategy = alternating\nmembers = a b\n"
                   "sink = env /tmp/none.env"}, "is a gateway"),
    ({"settings": "end_sessions = yes"}, "KILL"),
    ({"grace": "0s"}, "needs grace"),
    ({"grace": "2h", "settings": "every = 1h"}, "not shorter"),
    ({"grace": "2h", "settings": "schedule = 0 * * * *"}, "not shorter"),
])
def test_settings_that_do_not_go_together(place, settings, words):
    place.configure(**settings)
    done = place.run("check", expect=None)
    assert done.exit != 0 and words in done.text, done.text
    assert place.site.configuration in done.text


def test_two_clusters_with_one_gateway(place):
    text = open(place.site.configuration).read()
    with open(place.site.configuration, "a") as f:
        f.write("[cluster other]\ntype = gateway\n"
                f"endpoint = {place.gateways[0].endpoint}\n")
    done = place.run("check", expect=None)
    assert done.exit != 0 and "have one gateway" in done.text
    assert text


def test_an_hour_is_the_least(place):
    with open(place.site.configuration) as f:
        text = f.read()
    with open(place.site.configuration, "w") as f:
        f.write(text.replace("min_grace = 0s", "").replace(
            "grace = 1h", "grace = 59m"))
    done = place.run("check", expect=None)
    assert "shorter than min_grace" in done.text


def test_check_says_how_it_is(place):
    place.run("rotate", "sap")
    done = place.run("check")
    assert "logs in at each gateway" in done.text
    place.gateways[0].agent.stop()
    done = place.run("check", expect=None)
    assert done.exit != 0 and "keyturn-agent" in done.text


def test_killed_anywhere_it_is_finished_or_undone(place):
    """Before or after an effect; afterwards recover, and all the while what the
    partner has is good."""
    place.run("rotate", "sap")
    place.run("rotate", "sap", "--force")
    argv = "rotate", "sap", "--force"
    effects = place.site.run(*argv, fault="count", expect=0).effects
    chance = random.Random(13)
    sends = [e.number for e in effects if not e.call.startswith("pwrite")]
    sends = sends[:len(sends) * 4 // 5]  # not each run has as many
    for n in sorted(chance.sample(sends, 12)):
        how = chance.choice(("kill-before", "kill-after"))
        has = place.site.sink()
        done = place.site.run(*argv, fault=f"{how}:{n}")
        assert done.exit == -signal.SIGKILL, (how, n, done.text)
        assert place.let_in(has) == [True], (how, n)
        place.run("recover", "sap")
        assert place.let_in(place.current()) == [True], (how, n)
        assert place.let_in(has) == [True], (how, n)
        assert place.site.sink() == place.current(), (how, n)
    place.run("audit", "verify")


class Partner(threading.Thread):
    """Logs in over and over with the password that it has typed in; `every`
    rotations it types the one that is current then, None: never."""

    def __init__(self, place, every):
        super().__init__(daemon=True)
        self.place = place
        self.every = every
        self.has = place.current()
        self.fine = 0
        self.refused = []  # which password, and when that was answered
        self.taken = {}  # by password: when a login began that was the last
        self.broken = None  # what else went wrong
        self.stop = threading.Event()

    def told(self, rotation):
        if self.every and rotation % self.every == 0:
            self.has = self.place.current()

    def run(self):
        try:
            while not self.stop.is_set():
                self.log_in()
        except Exception as e:
            self.broken = e

    def log_in(self):
        has, began = self.has, time.time()
        if self.place.gateways[0].lets_in(has):
            self.fine += 1
            self.taken[has] = began
        else:
            self.refused.append((has, time.time()))


def test_partners_that_are_slow(new_place):
    """One reads what is current after each rotation, one after every third, one
    never: no login fails before a grace ends, and then theirs alone.
    $KEYTURN_GATEWAY_ROTATIONS: how many."""
    rotations = int(os.environ.get("KEYTURN_GATEWAY_ROTATIONS", "6"))
    grace = 4
    place = new_place(grace=f"{grace}s", settings="every = 1h")
    place.run("rotate", "sap")
    partners = [Partner(place, every) for every in (1, 3, None)]
    ends = {}  # of which password, and not before when
    for p in partners:
        p.start()
    for n in range(1, rotations + 1):
        old = place.current()
        began = time.time()
        place.run("rotate", "sap")
        ends[old] = began + grace
        for p in partners:
            p.told(n)
        time.sleep(max(0, time.time() - began + grace))
        place.run("rotate", "--due")  # the end of the grace, and its proof
    for p in partners:
        p.stop.set()
    for p in partners:
        p.join()
        assert p.fine > 0 and p.broken is None, (p.every, p.broken)
        # A login under way when a grace ends may be answered after that.
        early = [(has, at) for has, at in p.refused
                 if at < ends.get(has, float("inf"))]
        assert not early, (p.every, len(early), p.fine)
    # It was good nearly to its end, and not just at its beginning.
    first = partners[2].has
    assert partners[2].taken[first] > ends[first] - grace / 2
    assert not partners[0].refused
    assert partners[1].refused and partners[2].refused
    retired = [e for e in place.site.audit() if e.get("kind") == "retired"]
    assert len(retired) == rotations
    place.run("audit", "verify")


def test_the_sheet_and_the_notice_say_that_there_is_a_while(place):
    place.configure("every = 30d\nhandoff = manual")
    place.run("rotate", "sap")
    place.run("rotate", "sap")
    sheet = place.run("handoff", "sheet", "sap").out
    assert "good beside the new one until" in sheet
    assert "not valid any more" not in sheet and "ended" not in sheet
    notice = place.run("notice", "sap").out
    assert "stays valid beside the new one" in " ".join(notice.split())


def test_what_got_out_is_replaced_when_a_grace_is_over(new_place):
    """And when a retirement was interrupted: neither is what is to end now."""
    place = new_place(grace="3s")
    place.run("rotate", "sap")
    place.run("rotate", "sap")
    time.sleep(3.5)
    leaked = place.current()
    place.run("rotate", "sap", "--compromised", "--reason", "a leak")
    assert place.let_in(leaked) == [False]
    assert place.let_in(place.current()) == [True]
    place.run("rotate", "sap")
    effects = place.site.run("retire", "sap", fault="count",
                             expect=0).effects
    place.run("rotate", "sap")
    for e in random.Random(7).sample(effects[len(effects) // 2:], 2):
        leaked = place.current()
        done = place.site.run("retire", "sap", fault=f"kill-after:{e.number}")
        assert done.exit in (0, -signal.SIGKILL)
        place.run("rotate", "sap", "--compromised", "--reason", "a leak")
        assert place.let_in(leaked) == [False]
        assert place.let_in(place.current()) == [True]
        place.run("rotate", "sap")


def test_a_rollback_outlives_an_agent(new_place):
    """The one that is left has a grace of its own, which a restarted agent and
    another host count as we do."""
    place = new_place(grace="8s")
    place.run("rotate", "sap")
    time.sleep(8.5)
    place.run("rotate", "sap")
    left = place.current()
    place.run("rollback", "sap", "--reason", "cannot type it")
    place.gateways[0].agent.stop()
    place.gateways[0].agent.start()
    assert place.let_in(left) == [True]
    assert place.let_in(place.current()) == [True]


def test_an_agent_with_a_shorter_grace_is_noticed(place):
    place.run("rotate", "sap")
    place.run("rotate", "sap")
    agent = place.gateways[0].agent
    conf = open(agent.configuration).read()
    agent.stop()
    with open(agent.configuration, "w") as f:
        f.write(conf.replace("grace = 1h", "grace = 1s"))
    agent.start()
    time.sleep(1.5)
    done = place.run("check", expect=None)
    assert done.exit != 0 and "grace in the agent.conf" in done.text


def test_a_store_that_was_rolled_back_is_noticed(place):
    place.run("rotate", "sap")
    backup = place.site.folder + "/backup"
    shutil.copytree(place.site.state, backup)
    place.run("rotate", "sap")
    for name in os.listdir(backup):
        if name.startswith("store.db"):
            shutil.copy(os.path.join(backup, name), place.site.state)
    done = place.run("check", expect=None)
    assert done.exit != 0 and "rolled back" in done.text
    done = place.run("rotate", "sap", expect=None)
    assert done.exit != 0 and "rolled back" in done.text


def test_no_gateway_goes_unverified(place):
    """It is given the password in clear: `insecure` is for those who are not."""
    text = open(place.site.configuration).read()
    with open(place.site.configuration, "w") as f:
        f.write(text.replace("type = gateway\n", "type = gateway\ninsecure = yes\n"))
    done = place.run("check", expect=None)
    assert done.exit == 2 and "insecure" in done.text
    assert "no effect in a cluster of type gateway" in done.text
