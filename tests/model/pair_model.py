# SPDX-License-Identifier: PostgreSQL
"""Two login roles in turn (strategy alternating), as a model: what may happen
to database and store, and what each run of keyturn may do then.

Runs rotate, retire, clear and roll back.  Any number of them may be under way
on any number of hosts; each may die anywhere; what one has sent may arrive at
any time later, in any order, or never; the database may be restored to any
moment.  Members are A and B; OWNER is a login role that was adopted as owner of
the pair, and is retired like a member when the first rotation has replaced it.
A credential is (version, member).

AWS compares no revision, but the label that is moved: a request names the version
that loses it, and is refused when that one has it no more.  Labels come back to
where they were, so that a late request may be good again.  So before a member is
retired there CURRENT gets a version that no earlier request knows, with the same
password: whatever was sent before names another one as CURRENT's, for ever.

A server may refuse NOLOGIN or PASSWORD NULL: a password that no one has (NOBODYS)
then takes the old one's place, and a member with it may keep LOGIN.

What is one step here and several in keyturn:

  Claim, reading marker, catalog and store, and the first effect.  Between them
  a run only reads, what it reads in the database does not change under its
  claim, and its first effect may land as late as it likes.

  Reading that something has happened, and sending what comes next, for the same
  reason.

A run that dies simply does nothing more, so a crash needs no step of its own; a
run that has sent its last effect is gone, too.  What can never have an effect
any more (an apply under a claim that is not the marker's) is forgotten at once.

`without` names one defence that is switched off: see the cases in `pair`.
"""
from typing import FrozenSet, NamedTuple, Optional, Tuple

A, B, OWNER = 0, 1, 2
MEMBERS = (A, B, OWNER)
Version = Tuple[int, int]  # of a password; beside 0, under another id
NOBODYS = (-1, 0)  # the version of a password that is kept nowhere
Credential = Tuple[Version, int]


def name(member):
    return ("A", "B", "the owner")[member]


def show(credential):
    (password, copy), member = credential
    return f"{password}{'+' + str(copy) if copy else ''} of {name(member)}"


def ordered(items):
    """Sets have another order in each process; what is found should not."""
    return items if len(items) < 2 else sorted(items, key=repr)


def replace(values, index, value):
    return values[:index] + (value,) + values[index + 1:]


class Database(NamedTuple):
    """The pair's row of the marker, and the catalog.  The row says the version
    of each member's password, too: an administrator cannot read whether there
    is one."""
    live: Credential  # in the marker; its member is the active one
    claim: int  # in the marker
    passwords: Tuple[Optional[Version], ...]  # of each member, or NULL
    logins: Tuple[bool, ...]  # who may log in

    def takes(self, credential):
        version, member = credential
        has = self.passwords[member]
        return self.logins[member] and has is not None and \
            has[0] == version[0]

    def others(self):
        """Who may log in beside the active member, with a password that somebody
        has."""
        return [m for m in MEMBERS if m != self.live[1] and self.logins[m]
                and self.passwords[m] != NOBODYS]


class Store(NamedTuple):
    current: Credential
    pending: Optional[Credential]
    previous: Optional[Credential]
    known: FrozenSet[Credential]  # with a label, or in the ring
    revision: int  # what is compared; always 0 in a store that has none


class Write(NamedTuple):
    """A request to the store, under way.

    stage: PENDING := credential.  promote: CURRENT := credential, the old one
    becomes PREVIOUS.  withdraw: PREVIOUS goes into the ring.
    """
    kind: str
    expect: object  # the revision, or what has the label
    credential: Optional[Credential]


class Change(NamedTuple):
    """A transaction in the database, under way: under the claim.

    apply: LOGIN, this password, live.  retire: NOLOGIN.  clear: PASSWORD NULL.
    seal: a password of nobody's, instead of NOLOGIN.
    revive: LOGIN again.  revert: live, without a new password.  renew: the live
    password has this version from now on.
    """
    kind: str
    claim: int
    credential: Credential


class Run(NamedTuple):
    """A run that waits for something to have happened.

    stages: PENDING reads back; then it applies.  withdraws: the store without
    PREVIOUS reads back; then it retires.  revives: a log-in with the credential
    succeeds; then it reverts.  ends: the member has lost LOGIN; then it clears.
    moves: the marker calls the credential live; then it sends `write`.  Of AWS:
    renews: PENDING reads back; then the marker gets it.  renewed: the marker has
    it; then it sends `write`.  replaced: CURRENT reads back; then it withdraws
    PREVIOUS, and `old` is retired.
    """
    kind: str
    claim: int
    credential: Credential
    store: Optional[Store] = None  # what must be read back
    write: Optional[Write] = None
    old: Optional[Credential] = None


class State(NamedTuple):
    database: Database
    store: Store
    changes: FrozenSet[Change]
    writes: FrozenSet[Write]
    runs: FrozenSet[Run]
    backup: Optional[Database]
    claims: int  # so many have been made
    version: int  # the next one
    restores: int  # so many may come
    lived: FrozenSet[Credential]  # was live once
    restored: bool  # and what consumers read need not log in yet
    broken: Optional[str]  # an invariant of a step, not of a state


class Pair:
    """The model within bounds.

    aws: the store compares labels instead of a revision.  owner: begins with an
    adopted login role instead of a member.  nologin, null: the server takes
    NOLOGIN, and PASSWORD NULL.  runs, versions, restores: how many
    there may be from each root on.  without: the defence that is off, or None.
    """

    def __init__(self, aws=False, owner=False, runs=3, versions=2, restores=0,
                 nologin=True, null=True, without=None):
        self.aws = aws
        self.nologin = nologin
        self.null = null
        self.owner = owner
        self.runs = runs
        self.versions = versions
        self.restores = restores
        self.without = without

    # ---- Where it begins ----------------------------------------------------

    def databases(self):
        """A pair before its first rotation, after it, with the old member
        retired, and cleared.  The claims of these runs are gone."""
        old, new = (OWNER, A) if self.owner else (A, B)
        nobody = (False, False, False)
        nothing = (None, None, None)
        first = Database(((0, 0), old), -1, replace(nothing, old, (0, 0)),
                         replace(nobody, old, True))
        both = Database(((1, 0), new), -1,
                        replace(first.passwords, new, (1, 0)),
                        replace(first.logins, new, True))
        if not self.nologin:
            return [first, both, both._replace(
                passwords=replace(both.passwords, old, NOBODYS))]
        retired = both._replace(logins=replace(both.logins, old, False))
        cleared = retired._replace(passwords=replace(both.passwords, old,
                                                     self.nothing()))
        return [first, both, retired, cleared]

    def nothing(self):
        """What a cleared member has."""
        return None if self.null else NOBODYS

    def roots(self):
        """Each of them, with each earlier one as a backup."""
        databases = self.databases()
        old, new = databases[0].live, databases[1].live
        stores = [Store(old, None, None, frozenset([old]), 0)]
        stores += [Store(new, None, previous, frozenset([old, new]), 0)
                   for previous in (old, None, None)]
        for n, (database, store) in enumerate(zip(databases, stores)):
            for backup in [None] + databases[:n if self.restores else 0]:
                yield State(database, store, frozenset(), frozenset(),
                            frozenset(), backup, 0, 2, self.restores,
                            store.known, False, None)

    # ---- What must hold -----------------------------------------------------

    def broken(self, s):
        """INV2 and INV6 are suspended from a restore of the database until a
        run has retired a member, or everything is at rest and they hold."""
        db, store = s.database, s.store
        if s.broken:
            return s.broken
        for member in MEMBERS:
            version = db.passwords[member]
            if db.logins[member] and version is None:
                return "INV7 who may log in has no password"
            if db.logins[member] and version != NOBODYS and \
                    (version, member) not in store.known:
                return "INV1 a password that logs in is unknown to the store"
        if not db.takes(db.live):
            return "INV3 what the marker calls live does not log in"
        if len(db.others()) > 1:
            return "INV9 two passwords log in beside the live one"
        if store.current not in s.lived:
            return "INV4 CURRENT names what was never live"
        if not s.restored and not db.takes(store.current):
            return "INV2 CURRENT does not log in"
        if not s.restored and store.previous and not db.takes(store.previous):
            return "INV6 PREVIOUS does not log in"
        return None

    def serves(self, s):
        """What consumers may have read logs in."""
        return s.database.takes(s.store.current) and (
            not s.store.previous or s.database.takes(s.store.previous))

    def rests(self, s):
        return not s.changes and not s.writes and not s.runs

    def quiet(self, s):
        """CURRENT is live, and nothing else logs in, nor the owner."""
        return self.rests(s) and self.serves(s) and \
            s.store.current == s.database.live and not s.database.others() \
            and s.database.live[1] != OWNER

    def has_time(self, s):
        """For one run each to point CURRENT, to withdraw PREVIOUS and to
        retire a member; to rotate away from an owner and to retire it, too."""
        if self.owner:
            return s.claims + 5 <= self.runs and \
                s.version < 2 + self.versions
        return s.claims + 3 <= self.runs

    # ---- What happens -------------------------------------------------------

    def steps(self, s):
        for step in (self.land_change, self.land_write, self.go_on, self.begin,
                     self.restore):
            for what, after in step(s):
                yield what, self.settle(after)

    def settle(self, s):
        """Forget what can never have an effect, and notice that everything is
        well again after a restore."""
        changes = frozenset(c for c in s.changes if not self.is_fenced(s, c))
        writes = frozenset(w for w in s.writes if not self.is_refused(s, w))
        runs = frozenset(r for r in s.runs if not self.has_ended(s, r))
        if len(changes) + len(writes) + len(runs) < \
                len(s.changes) + len(s.writes) + len(s.runs):
            s = s._replace(changes=changes, writes=writes, runs=runs)
        if s.restored and self.rests(s) and self.serves(s):
            s = s._replace(restored=False)
        return s

    def is_fenced(self, s, change):
        return change.claim != s.database.claim and \
            self.without != change.kind + " is not fenced"

    def is_refused(self, s, write):
        """For ever: revisions only grow.  Labels come back to where they
        were."""
        return not self.aws and write.expect != s.store.revision and \
            self.without != "writes are not compared"

    def has_ended(self, s, run):
        """Whatever it sends next would have no effect."""
        if run.write and self.is_refused(s, run.write):
            return True
        then = {"stages": "apply", "withdraws": self.end(), "renews": "renew",
                "replaced": self.end(), "revives": "revert",
                "ends": "clear"}.get(run.kind)
        return then is not None and self.is_fenced(
            s, Change(then, run.claim, run.credential))

    def land_change(self, s):
        for change in ordered(s.changes):
            what = f"{change.kind} {show(change.credential)}"
            rest = s._replace(changes=s.changes - {change})
            yield f"{what} is committed", self.commit(rest, change)
            yield f"{what} is lost", rest

    def commit(self, s, change):
        """Its claim is the marker's, or it has no fence: see is_fenced()."""
        db = s.database
        version, member = change.credential
        may = db.logins[member]
        if change.kind == "apply":
            if may and db.passwords[member] not in (version, NOBODYS):
                s = s._replace(broken="INV5 a password was replaced while its "
                                      "member may log in")
            if member == OWNER:
                s = s._replace(broken="INV8 the owner was given a password")
            db = db._replace(live=change.credential,
                             passwords=replace(db.passwords, member, version),
                             logins=replace(db.logins, member, True))
            s = s._replace(lived=s.lived | {change.credential})
        elif change.kind == "retire":
            db = db._replace(logins=replace(db.logins, member, False))
        elif change.kind == "clear":
            if may:
                s = s._replace(broken="INV5 a password was cleared while its "
                                      "member may log in")
            db = db._replace(passwords=replace(db.passwords, member,
                                               self.nothing()))
        elif change.kind == "seal":
            db = db._replace(passwords=replace(db.passwords, member, NOBODYS))
        elif change.kind == "revive":
            db = db._replace(logins=replace(db.logins, member, True))
        else:
            db = db._replace(live=change.credential)
            if change.kind == "renew":
                db = db._replace(passwords=replace(db.passwords, member,
                                                   version))
                s = s._replace(lived=s.lived | {change.credential})
        s = s._replace(database=db)
        if change.kind in ("retire", "seal"):
            s = s._replace(restored=False)
        return s

    def land_write(self, s):
        for write in ordered(s.writes):
            what = f"{write.kind} {show(write.credential or s.store.current)}"
            rest = s._replace(writes=s.writes - {write})
            yield f"{what} is lost", rest
            after = self.written(s.store, write)
            if after:
                yield f"{what} arrives", rest._replace(store=after)

    def written(self, store, write):
        """The store after it, None when it is refused or changes nothing."""
        x = write.credential
        if self.aws:
            # Tokens of versions are known, labels are moved from where they
            # are said to be; to stage compares nothing.
            if write.kind == "stage":
                refused = x in store.known
            elif write.kind == "withdraw":
                refused = write.expect != store.previous
            else:
                refused = write.expect != store.current or x == store.current
        else:
            refused = False  # see is_refused()
        if refused:
            return None
        if not self.aws:
            store = store._replace(revision=store.revision + 1)
        if write.kind == "stage":
            return store._replace(pending=x, known=store.known | {x})
        if write.kind == "withdraw":
            return store._replace(previous=None)
        return self.moved(store, write)

    def moved(self, store, write):
        """CURRENT.  AWS moves no other label then, but PREVIOUS."""
        old = store.current
        if not self.aws:  # there the label stays on what was pending
            store = store._replace(pending=None)
        if old == write.credential:
            return store
        return store._replace(current=write.credential, previous=old)

    def restore(self, s):
        """Sessions die with the database, and with them the runs that need
        theirs; one that only waits for the marker reads it in a new one."""
        if not s.restores:
            return
        if s.backup is None:
            yield "BACKUP", s._replace(backup=s.database)
        elif s.backup != s.database:
            yield "RESTORE", s._replace(
                database=s.backup, backup=None, restores=s.restores - 1,
                changes=frozenset(), restored=True,
                runs=self.surviving(s.runs))

    def surviving(self, runs):
        """Who renewed may yet point CURRENT there, but retire nobody."""
        outlives = self.without == "a renewal outlives its session"
        return frozenset(
            r if r.kind != "renewed" or outlives else
            r._replace(kind="moves", old=None)
            for r in runs if r.kind in ("moves", "renewed", "confirms"))

    # ---- What a run does ----------------------------------------------------

    def begin(self, s):
        """A run takes the claim, looks and sends its first effect.  One that
        has nothing to do is not a step."""
        if s.claims == self.runs:
            return
        claim = s.claims
        s = s._replace(claims=claim + 1,
                       database=s.database._replace(claim=claim))
        for what, after in self.decide(s):
            yield f"run {claim} {what}", after

    def decide(self, s):
        first = list(self.finish(s))
        yield from first
        if not first:
            yield from self.rotate(s)
            yield from self.clear(s)
            yield from self.roll_back(s)
        if not first or self.without == "retire finishes nothing first":
            yield from self.retire(s)

    def compared(self, store, kind, credential):
        """A request that names what was seen."""
        if not self.aws:
            expect = store.revision
        elif kind == "stage":
            expect = None
        elif kind == "withdraw":
            expect = store.previous
        else:
            expect = store.current
        return Write(kind, expect, credential)

    def send(self, s, kind, credential, run=None):
        return s._replace(
            writes=s.writes | {self.compared(s.store, kind, credential)},
            runs=s.runs | {run} if run else s.runs)

    def change(self, s, kind, claim, credential, run=None):
        return s._replace(
            changes=s.changes | {Change(kind, claim, credential)},
            runs=s.runs | {run} if run else s.runs)

    def finish(self, s):
        """What an earlier run or a restore has left open comes before anything
        else."""
        db, store = s.database, s.store
        if store.current != db.live:
            if db.live in store.known:
                yield (f"points CURRENT at {show(db.live)}",
                       self.send(s, "promote", db.live))
            else:
                yield "freezes: what is live is unknown", s
        elif store.previous and not db.takes(store.previous) and \
                self.without != "a stale PREVIOUS is kept":
            yield "withdraws a stale PREVIOUS", self.send(s, "withdraw", None)

    def rotate(self, s):
        db, claim = s.database, s.database.claim
        if s.version == 2 + self.versions:
            return
        target = B if db.live[1] == A else A
        used = db.others()
        if self.without == "no vacancy":
            used = []
        if self.without == "rotation does not wait for the owner":
            used = [m for m in used if m != OWNER]
        if self.without == "the owner is a member" and db.live[1] != OWNER:
            target = OWNER
        if used:
            return  # deferred: somebody may still use the old one
        x = ((s.version, 0), target)
        s = s._replace(version=s.version + 1)
        yield (f"stages {show(x)}",
               self.send(s, "stage", x, Run("stages", claim, x)))

    def end(self):
        return "retire" if self.nologin else "seal"

    def retire(self, s):
        db, store, claim = s.database, s.store, s.database.claim
        old = db.others()
        if self.without == "retire looks at CURRENT":
            old = [store.current[1]]
        if self.without == "the owner is never retired":
            old = [m for m in old if m != OWNER]
        for member in old:
            x = (db.passwords[member], member)
            if self.without == "no withdrawal":
                yield f"retires {show(x)}", self.change(s, self.end(), claim,
                                                        x)
                continue
            if self.aws and self.without != "CURRENT is not renewed":
                yield self.renew(s, x)
                continue
            write = self.compared(store, "withdraw", None)
            if store.previous is None and \
                    (self.aws or self.without == "nothing to withdraw, "
                     "nothing written"):
                yield (f"has nothing to withdraw before {show(x)}",
                       s._replace(runs=s.runs | {
                           Run("withdraws", claim, x, store)}))
            else:
                run = Run("withdraws", claim, x, self.written(store, write))
                yield (f"withdraws PREVIOUS before {show(x)}",
                       self.send(s, "withdraw", None, run))

    def renew(self, s, old):
        """Another id for the live password."""
        (password, _), member = s.database.live
        copy = ((password, s.claims), member)  # one a claim
        run = Run("renews", s.database.claim, copy, old=old)
        return (f"stages {show(copy)} before {show(old)} is retired",
                self.send(s, "stage", copy, run))

    def clear(self, s):
        db, claim = s.database, s.database.claim
        for member in MEMBERS:
            version = db.passwords[member]
            may = db.logins[member] and \
                self.without != "cleared while it may log in"
            if self.without == "the active member is cleared":
                wanted = member == db.live[1]
            else:
                wanted = member != db.live[1] and not may
            if wanted and version not in (None, NOBODYS):
                yield (f"clears {name(member)}",
                       self.change(s, "clear", claim, (version, member)))

    def roll_back(self, s):
        """To the member that may still log in, or to a retired one whose
        password was kept: by the marker, since PREVIOUS was withdrawn."""
        db, store, claim = s.database, s.store, s.database.claim
        for member in db.others() or MEMBERS:
            x = (db.passwords[member], member)
            if self.without == "rollback goes by the store" and \
                    member not in db.others():
                x = max((k for k in store.known if k[1] == member),
                        default=x)
            if member == db.live[1] or x not in store.known:
                continue
            if db.takes(x):
                yield self.revert(s, claim, x)
                continue
            run = Run("revives", claim, x, None,
                      self.compared(store, "promote", x))
            yield (f"brings {show(x)} back",
                   self.change(s, "revive", claim, x, run))

    def revert(self, s, claim, x, write=None):
        """The proof was had."""
        write = write or self.compared(s.store, "promote", x)
        return (f"rolls back to {show(x)}",
                self.change(s, "revert", claim, x,
                            Run("moves", claim, x, None, write)))

    def go_on(self, s):
        for run in ordered(s.runs):
            rest = s._replace(runs=s.runs - {run})
            yield f"run {run.claim} dies", rest
            after = getattr(self, "after_" + run.kind)(rest, run)
            if after:
                what, state = after
                yield f"run {run.claim} {what}", state

    def after_stages(self, s, run):
        x = run.credential
        if s.store.pending != x and self.without != "no readback":
            return None
        write = self.compared(s.store, "promote", x)
        return (f"applies {show(x)}",
                self.change(s, "apply", run.claim, x,
                            Run("moves", run.claim, x, None, write)))

    def after_moves(self, s, run):
        if s.database.live != run.credential and \
                self.without != "promoted without the marker":
            return None
        return (f"points CURRENT at {show(run.credential)}",
                s._replace(writes=s.writes | {run.write},
                           runs=s.runs | {run._replace(kind="confirms",
                                                       write=None)}
                           if self.aws else s.runs))

    def after_confirms(self, s, run):
        """What was refused is sent again by what is read then, as long as the
        label says that nothing was staged since.  Nobody asks the marker."""
        x, store = run.credential, s.store
        if store.pending != x or x in (store.current, store.previous):
            return None
        return (f"points CURRENT at {show(x)} once more",
                s._replace(writes=s.writes | {
                    self.compared(store, "promote", x)}))

    def after_renews(self, s, run):
        x = run.credential
        if s.store.pending != x and \
                self.without != "what renews is not read back":
            return None
        write = self.compared(s.store, "promote", x)
        run = run._replace(kind="renewed", write=write)
        if self.without == "the marker is not told of it":
            return (f"points CURRENT at {show(x)}",
                    s._replace(writes=s.writes | {write},
                               runs=s.runs | {run._replace(kind="replaced",
                                                           write=None)}))
        return (f"calls {show(x)} live",
                self.change(s, "renew", run.claim, x, run))

    def after_renewed(self, s, run):
        x = run.credential
        if s.database.live != x:
            return None
        write, runs = run.write, s.runs
        if not self.is_fenced(s, Change("retire", run.claim, run.old)):
            runs |= {run._replace(kind="replaced", write=None)}
        return (f"points CURRENT at {show(x)}",
                s._replace(writes=s.writes | {write}, runs=runs))

    def after_replaced(self, s, run):
        """PREVIOUS is what CURRENT was then: the same password, or one that a
        late request had moved there."""
        if s.store.current != run.credential and \
                self.without != "what CURRENT is then is not read back":
            return None
        x = run.old
        if self.without == "what was CURRENT then is not withdrawn":
            return (f"retires {show(x)}",
                    self.change(s, "retire", run.claim, x))
        then = Run("withdraws", run.claim, x, s.store)
        return (f"withdraws PREVIOUS before {show(x)}",
                self.send(s, "withdraw", None, then))

    def after_revives(self, s, run):
        if not s.database.takes(run.credential) and \
                self.without != "rollback is not proved":
            return None
        return self.revert(s, run.claim, run.credential, run.write)

    def after_withdraws(self, s, run):
        """Read back, never known by the reply alone."""
        if self.without == "the withdrawal is not read back":
            pass
        elif self.aws:  # in which more may have happened meanwhile
            if s.store.previous or s.store.current != run.store.current:
                return None
        elif s.store != run.store:
            return None
        return (f"retires {show(run.credential)}",
                self.change(s, self.end(), run.claim, run.credential,
                            self.then_ends(run)))

    def then_ends(self, run):
        """At once: who has retired a member goes on to clear it, under the same
        claim.  One that stops there is one that has died.  What was sealed is
        over."""
        return run._replace(kind="ends", store=None) if self.nologin else None

    def after_ends(self, s, run):
        if s.database.logins[run.credential[1]] and \
                self.without != "cleared before the retirement is seen":
            return None
        return (f"clears {name(run.credential[1])} at once",
                self.change(s, "clear", run.claim, run.credential))
