# SPDX-License-Identifier: PostgreSQL
"""Who changes the passwords: a minted token as the administrator's password, or
each role its own."""

import datetime
import http.server
import json
import os
import signal
import ssl
import threading

import pytest

from rig.installation import ADMIN, FIRST_PASSWORD
from rig.lakebase import ControlPlane, compile_module
from rig.server import wait_for
from rig.verdict import finding, nothing_changed, sentence

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG, REFUSED, AWAY, BUSY = 2, 6, 8, 13


def without_passfile(site):
    with open(site.configuration) as f:
        text = f.read()
    with open(site.configuration, "w") as f:
        f.write("".join(line for line in text.splitlines(True)
                        if not line.startswith("admin_passfile")))


def give(site, password, expect, role="sap"):
    """`keyturn import` with the password on a pipe."""
    read, write = os.pipe()
    site.remember(password, "a password given to import")
    os.write(write, password.encode())
    os.close(write)
    try:
        return site.run("import", role, "--password-fd", str(read),
                        expect=expect, fds=(read,))
    finally:
        os.close(read)


# ---- Each role its own ------------------------------------------------------

@pytest.fixture(params=["table", "none"])
def own(request, new_site):
    """A site without an administrator, its role imported."""
    site = new_site()
    site.marker_mode = request.param
    if request.param == "table":
        site.server.sql("create schema keyturn_sap authorization sap",
                        dbname=site.database)

    def configure(cluster="", **more):
        site.configure(conninfo=site.conninfo(user=None), cluster=(
            f"admin = self\nmarker = {request.param}\n" + cluster), **more)
        without_passfile(site)
    site.reconfigure = configure
    configure()
    give(site, FIRST_PASSWORD, 0)
    return site


def test_a_role_rotates_itself(own):
    site = own
    mark = site.server.mark()
    for _ in range(2):
        before = site.current()
        site.run("rotate", "sap", expect=0)
        assert site.settled().id != before.id
        site.must_not_log_in(before.password)
    assert site.server.logins(mark, ADMIN) == (0, 0)
    schemas = [n for n, in site.server.sql(
        "select nspname from pg_namespace where nspname like 'keyturn%'",
        dbname=site.database)]
    assert schemas == (["keyturn_sap"] if site.marker_mode == "table" else [])


def test_check_says_which_way_is_used_and_what_is_weaker(own):
    done = own.run("check", expect=0)
    assert "changes its own password (admin = self)" in done.out
    assert ("marker = none is weaker" in done.out) == \
        (own.marker_mode == "none")


def test_a_role_that_keyturn_has_no_password_of_must_be_imported(new_site):
    site = new_site()
    site.configure(conninfo=site.conninfo(user=None),
                   cluster="admin = self\nmarker = none\n")
    without_passfile(site)
    sentence(site.run("rotate", "sap"), REFUSED, "keyturn import sap")
    give(site, "Not.its-password.at-all-0815", REFUSED)
    site.must_log_in(FIRST_PASSWORD)
    assert site.versions() == []


def test_a_role_without_a_schema_is_told_the_sql(new_site):
    site = new_site()
    site.configure(conninfo=site.conninfo(user=None), cluster="admin = self\n")
    without_passfile(site)
    done = give(site, FIRST_PASSWORD, REFUSED)
    assert 'CREATE SCHEMA "keyturn_sap" AUTHORIZATION "sap"' in done.text


def test_a_password_changed_by_hand_is_told(own):
    site = own
    site.set_password("sap", "By.hand-4711-and-long-enough")
    before = site.versions()
    done = site.run("rotate", "sap")
    sentence(done, REFUSED, "it was changed", "keyturn import")
    assert site.versions() == before
    site.must_log_in("By.hand-4711-and-long-enough")
    give(site, "By.hand-4711-and-long-enough", 0)
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_restored_database_is_noticed(own):
    """PREVIOUS logs in: CURRENT is pointed at it, then it is rotated."""
    site = own
    site.run("rotate", "sap", expect=0)
    old = site.current()
    copy = site.server.sql("select rolpassword from pg_authid where rolname = "
                           "'sap'")[0][0]
    if site.marker_mode == "table":
        site.server.sql("create table kept as select * from "
                        "keyturn_sap.marker", dbname=site.database)
    site.run("rotate", "sap", expect=0)
    site.server.sql(f"alter role sap password '{copy}'")
    if site.marker_mode == "table":
        site.server.sql("begin; delete from keyturn_sap.marker; insert into "
                        "keyturn_sap.marker table kept; commit",
                        dbname=site.database)
    site.must_log_in(old.password)
    site.run("rotate", "sap", expect=0)
    assert site.settled().id != old.id
    assert "restore" in site.kinds()


def test_one_rotator_at_a_time(own):
    """The claim of a living session is waited for; recover ends it."""
    site = own
    first = site.stop_before(
        lambda e: e.sends and site.labelled("pending") is not None,
        "rotate", "sap")
    sentence(site.run("rotate", "sap"), BUSY, "claimed by another session")
    site.run("recover", "sap", expect=0)
    while first.process.returncode is None:
        first.go_on()
        first.wait_stopped()
    first.finish()
    wait_for(lambda: not site.server.keyturn_backends(), "its session's end")
    site.run("recover", "sap", expect=0)
    site.settled()


@pytest.mark.parametrize("command", ["rotate", "recover"])
def test_a_login_before_the_claim_is_no_news(own, command):
    """Another rotation comes and goes between a run's login and its claim: what
    logged in is dead by then, and no restored database."""
    site = own
    site.run("rotate", "sap", expect=0)
    late = site.stop_before(
        lambda e: e.sends and site.server.keyturn_backends() != [],
        command, "sap")
    site.run("rotate", "sap", expect=0)
    fresh = site.settled()
    while late.process.returncode is None:
        late.go_on()
        late.wait_stopped()
    done = late.finish()
    assert done.exit == 0, done.text
    assert (site.settled().id == fresh.id) == (command == "recover")
    assert "restore" not in site.kinds()


def test_kill_9_anywhere_in_a_rotation_by_the_role_itself(own):
    site = own
    site.run("rotate", "sap", expect=0)
    effects = site.run("rotate", "sap", fault="count", expect=0).effects
    points = [e for e in effects if e.sends or e.call.startswith("fdatasync")]
    assert len(points) > 10
    for effect in points:
        before = {v.id for v in site.versions()}
        done = site.run("rotate", "sap",
                        fault=f"kill-before:{effect.number}")
        assert done.exit in (-signal.SIGKILL, 0), done.text
        wait_for(lambda: not site.server.keyturn_backends(),
                 "the killed run's sessions to end")
        site.live()
        site.run("recover", "sap", expect=0)
        site.settled()
        assert len({v.id for v in site.versions()} - before) <= 1, \
            f"{effect}: a third password"


def test_a_role_that_rotates_itself_in_clear_may_be_forwarded(own, folder):
    """The only way on a Lakebase where nobody has rights on the role."""
    site = own
    module = compile_module("control_plane", HERE, folder)
    plane = ControlPlane(site.server)
    try:
        site.server.configure(session_preload_libraries=module,
                              log_statement="ddl")
        site.reconfigure("password_send = auto\n")
        site.run("rotate", "sap", expect=0)
        plane.fail(forward=True, times=50)
        if own.marker_mode == "none":
            # Nothing but a login says what is live, and it says so at once.
            site.run("rotate", "sap", expect=0)
            plane.heal()
            site.settled()
            assert len(set(plane.plaintext)) == 2
            return
        site.run("rotate", "sap", expect=9)
        candidate = site.labelled("pending")
        with plane.busy:
            site.must_log_in(candidate.password)
        plane.heal()
        site.run("recover", "sap", expect=0)
        assert site.settled().id == candidate.id
    finally:
        plane.stop()


def test_marker_none_is_for_roles_alone(site):
    site.configure(cluster="marker = none\n")
    assert "admin = self only" in site.run("rotate", "sap", expect=CONFIG).text


# ---- A token ----------------------------------------------------------------

class Workspace:
    """Mints: each token is the administrator's password from then on, until it
    expires, so that PostgreSQL itself enforces it."""

    def __init__(self, site, authority):
        self.site = site
        self.asked = []
        self.life = 3600
        self.spoil = 0  # how many of the next tokens are no good
        self.down = False
        self.native = {"enable_pg_native_login": True}
        self.endpoint = {"current_state": "IDLE",
                         "hosts": {"host": "127.0.0.1"}}
        self.knows = {  # what GET answers
            "projects/p": {"name": "projects/p", "status": self.native},
            "projects/p/branches/production/endpoints/primary": {
                "name": "projects/p/branches/production/endpoints/primary",
                "status": self.endpoint}}
        workspace = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size) or b"{}")
                status, answer = workspace.mint(self.path, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                path = self.path.removeprefix("/api/2.0/postgres/")
                known = path in workspace.knows
                data = json.dumps(workspace.knows[path] if known else {
                    "error_code": "NOT_FOUND", "message": "?"}).encode()
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("workspace"))
        self.server.socket = context.wrap_socket(self.server.socket,
                                                 server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True,
                         kwargs={"poll_interval": 0.05}).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def mint(self, path, body):
        self.asked.append((path, body))
        if self.down:
            return 403, {"error_code": "PERMISSION_DENIED",
                         "message": "no CAN USE on the project"}
        token = f"eyJ0-token-{len(self.asked)}-{os.urandom(12).hex()}"
        self.site.remember(token, "a token")
        ends = datetime.datetime.now(datetime.timezone.utc) \
            + datetime.timedelta(seconds=self.life)
        if self.spoil:
            self.spoil -= 1
        else:
            self.site.set_password(ADMIN, token)
            self.site.server.sql(f"alter role {ADMIN} valid until '{ends}'")
        return 200, {"token": token,
                     "expire_time": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}


@pytest.fixture
def minted(new_site, authority):
    site = new_site()
    workspace = Workspace(site, authority)
    pat = os.path.join(site.folder, "pat")
    with open(pat, "w") as f:
        f.write("dapi0123456789abcdef0123456789abcdef")
    os.chmod(pat, 0o600)
    site.remember("dapi0123456789abcdef0123456789abcdef", "the PAT")
    os.rename(pat, os.path.join(site.folder, "admin.pgpass"))  # may hold it

    def configure(token="", **more):
        site.configure(more=f"""[token admin]
type = databricks
workspace = {workspace.url}
endpoint = projects/p/branches/production/endpoints/primary
auth = pat
token_file = {site.passfile}
user = {ADMIN}
ca_file = {authority.certificate}
{token}
""", cluster="admin = token:admin\n", **more)
        without_passfile(site)
    site.reconfigure = configure
    site.workspace = workspace
    configure()
    yield site
    workspace.stop()


def test_the_administrator_may_be_a_token(minted):
    site = minted
    site.run("rotate", "sap", expect=0)
    site.settled()
    assert [body["endpoint"] for _, body in site.workspace.asked] == \
        ["projects/p/branches/production/endpoints/primary"]
    site.run("check", expect=0)


def test_check_tells_what_the_workspace_knows(minted):
    site = minted
    site.run("rotate", "sap", expect=0)
    done = site.run("check", expect=0)
    assert "native roles may log in to projects/p" in done.out
    assert "endpoints/primary is IDLE" in done.out
    assert "this is projects/p/branches/production" in done.out
    # The marker has that branch, too, from the token's endpoint.
    assert site.marker()["branch"] == "projects/p/branches/production"


@pytest.mark.parametrize("change, words", [
    (lambda w: w.native.update(enable_pg_native_login=False),
     ["native login", "switch enable_pg_native_login on"]),
    (lambda w: w.endpoint.update(disabled=True), ["endpoint", "disabled"]),
    (lambda w: w.endpoint.update(hosts={
        "host": "ep-a.example", "read_write_pooled_host": "127.0.0.1"}),
     ["pooler", "name ep-a.example in conninfo"]),
    (lambda w: w.endpoint.update(hosts={
        "host": "ep-a.example", "read_only_host": "127.0.0.1"}),
     ["read-only", "ep-a.example"]),
], ids=["native", "disabled", "pooler", "read-only"])
def test_check_names_the_cause_before_a_login_fails(minted, change, words):
    site = minted
    site.run("rotate", "sap", expect=0)
    change(site.workspace)
    finding(site.run("check"), *words)


def test_check_lives_with_a_workspace_that_tells_nothing(minted):
    site = minted
    site.run("rotate", "sap", expect=0)
    site.workspace.native.clear()
    site.workspace.endpoint.update(hosts={"host": "elsewhere.example"})
    done = site.run("check", expect=0)
    assert "does not say whether native roles may log in" in done.out
    assert "is not a host of" in done.out
    site.workspace.knows.clear()
    site.run("check", expect=0)


def test_its_user_is_the_tokens_when_conninfo_has_none(minted):
    site = minted
    site.reconfigure(conninfo=site.conninfo(user=None))
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_a_token_that_lives_too_short_is_not_used(minted):
    """Five times the longest step, before the claim."""
    site = minted
    site.workspace.life = 120
    done = site.run("rotate", "sap")
    assert done.exit != 0, done.text
    assert site.server.keyturn_backends() == []
    assert site.versions() == []


def test_a_token_that_is_refused_is_minted_anew_once(minted):
    site = minted
    site.workspace.spoil = 1
    site.run("rotate", "sap", expect=0)
    assert len(site.workspace.asked) == 2
    site.workspace.spoil = 100
    site.workspace.asked.clear()
    sentence(site.run("rotate", "sap"), REFUSED, "refuses the password")
    assert len(site.workspace.asked) == 2


def test_a_workspace_that_says_no_stops_before_anything(minted):
    site = minted
    site.run("rotate", "sap", expect=0)
    site.workspace.down = True
    with nothing_changed(site):
        done = site.run("rotate", "sap")
        assert done.exit == REFUSED, done.text
        assert "[token admin]" in done.text
        finding(site.run("check"), "[token admin]")


def test_a_token_goes_over_verified_tls_alone(minted):
    site = minted
    site.reconfigure(conninfo=site.conninfo(sslmode="require",
                                            sslrootcert=None))
    with open(site.configuration) as f:
        text = f.read().replace("admin = token:admin",
                                "insecure = yes\nadmin = token:admin")
    with open(site.configuration, "w") as f:
        f.write(text)
    done = site.run("rotate", "sap", expect=CONFIG)
    assert "verify-full" in done.text
    assert site.workspace.asked == []


@pytest.mark.parametrize("line, word", [
    ("admin = tokens", "must be passfile"),
    ("admin = token:", "must be passfile"),
    ("admin = token:nowhere", "nowhere"),
    ("admin = self\nadmin_passfile = /nowhere", "admin_passfile"),
    ("marker = maybe", "must be table"),
])
def test_settings_that_make_no_sense_are_told(site, line, word):
    site.configure(cluster=line + "\n")
    without = "admin_passfile" not in line
    if without:
        without_passfile(site)
    done = site.run("rotate", "sap")
    assert done.exit in (CONFIG, REFUSED) and word in done.text, done.text


# ---- Roles for partners -----------------------------------------------------

@pytest.fixture
def unborn(new_site):
    """A site whose role "sap" is configured and not there, a group for it, and
    something to read."""
    site = new_site(roles=())
    site.configure(("sap",))
    site.server.sql(f"create role partners nologin admin {ADMIN}")
    site.server.sql("create schema sales", dbname=site.database)
    site.server.sql(f"alter schema sales owner to {ADMIN}",
                    dbname=site.database)
    with site.server.connect(site.database) as c:
        c.execute(f"set session authorization {ADMIN}")
        c.execute("create table sales.orders (id int)")
    return site


def role_exists(site, role="sap"):
    return site.server.sql("select 1 from pg_roles where rolname = %s",
                           [role]) != []


def test_a_role_is_made_with_what_was_named_and_rotated_at_once(unborn):
    site = unborn
    site.run("role", "create", "sap", "--owner", "partners", "--in-database",
             site.database, "--grant", "USAGE ON SCHEMA sales", "--grant",
             "SELECT ON ALL TABLES IN SCHEMA sales", expect=0)
    site.settled()
    assert site.server.sql(
        "select rolcanlogin, rolsuper or rolcreaterole or rolcreatedb or "
        "rolreplication or rolbypassrls, pg_has_role('sap', 'partners', "
        "'member') from pg_roles where rolname = 'sap'") == \
        [(True, False, True)]
    assert site.server.sql(
        "select has_table_privilege('sap', 'sales.orders', 'select'), "
        "has_table_privilege('sap', 'sales.orders', 'insert')",
        dbname=site.database) == [(True, False)]
    kinds = site.kinds()
    assert kinds.index("role-create") < kinds.index("role-created") < \
        kinds.index("stage") < kinds.index("apply")


@pytest.mark.parametrize("owner, made_by", [
    ("databricks_superuser", "create role databricks_superuser createrole"),
    ("pg_write_all_data", None),
    ("postgres", None),
    ("strong", "create role strong nologin createdb"),
    ("sly", "create role sly nologin; grant pg_read_server_files to sly"),
    ("nobody_there", None),
])
def test_no_role_gets_a_share_of_an_all_powerful_one(unborn, owner, made_by):
    site = unborn
    for statement in (made_by or "").split(";"):
        if statement:
            site.server.sql(statement)
    done = site.run("role", "create", "sap", "--owner", owner)
    assert done.exit == REFUSED and owner in done.text, done.text
    assert not role_exists(site)
    assert site.versions() == []


@pytest.mark.parametrize("grant", [
    "pg_write_all_data",
    "SELECT ON sales.orders TO public; DROP TABLE sales.orders; GRANT x ON y",
    "SELECT ON sales.orders --",
    "SELECT ON sales.nothing",
    "CHOCOLATE ON sales.orders",
])
def test_a_grant_that_cannot_be_leaves_no_role(unborn, grant):
    site = unborn
    done = site.run("role", "create", "sap", "--in-database", site.database,
                    "--grant", "USAGE ON SCHEMA sales", "--grant", grant)
    assert done.exit == REFUSED, done.text
    assert not role_exists(site)
    assert site.server.sql("select count(*) from sales.orders",
                           dbname=site.database) == [(0,)]


def test_a_role_that_exists_is_not_made_again(site):
    done = site.run("role", "create", "sap")
    sentence(done, REFUSED, "already", "keyturn import")
    site.must_log_in(FIRST_PASSWORD)


@pytest.mark.parametrize("arguments", [
    (), ("create",), ("drop", "sap"), ("create", "sap", "--cluster", "main"),
    ("create", "sap", "--oauth", "user"),
    ("create", "sap", "--oauth", "robot", "--cluster", "main"),
])
def test_role_is_used_as_its_help_says(unborn, arguments):
    assert unborn.run("role", *arguments).exit == CONFIG
    assert not role_exists(unborn)


PRINCIPAL = "5e1c0de0-4711-4242-8888-0123456789ab"

# What databricks_auth promises: identities of the workspace only, three types,
# an OAuth session (here: that of the administrator) with CREATEROLE.
DATABRICKS_AUTH = """
create function public.databricks_create_role(name text, type text)
returns text language plpgsql security definer as $$
begin
  if type not in ('USER', 'SERVICE_PRINCIPAL', 'GROUP') then
    raise exception 'unknown identity type %', type using errcode = '22023';
  end if;
  if session_user <> 'keyturn_admin' then
    raise exception 'native sessions cannot' using errcode = '42501';
  end if;
  if name not in ('5e1c0de0-4711-4242-8888-0123456789ab',
                  'ada@example.com', 'Data People') then
    raise exception 'no such identity' using errcode = '22023';
  end if;
  execute format('create role %I login', name);
  return name;
end $$"""


@pytest.mark.parametrize("kind, name", [
    ("service-principal", PRINCIPAL), ("user", "ada@example.com"),
    ("group", "Data People")])
def test_an_oauth_role_is_made_by_databricks_auth(minted, kind, name):
    site = minted
    site.server.sql(DATABRICKS_AUTH, dbname=site.database)
    site.server.sql(f"create role partners nologin admin {ADMIN}")
    site.run("role", "create", name, "--oauth", kind, "--cluster", "main",
             "--owner", "partners", expect=0)
    assert site.server.sql(
        "select pg_has_role(oid, 'partners', 'member') from pg_roles where "
        "rolname = %s", [name]) == [(True,)]
    assert site.server.sql("select rolpassword from pg_authid where rolname = "
                           "%s", [name]) == [(None,)]


def test_an_oauth_role_that_cannot_be_is_told(minted):
    site = minted
    create = ("role", "create")
    on = ("--cluster", "main", "--oauth")
    sentence(site.run(*create, PRINCIPAL, *on, "service-principal"), REFUSED,
             "databricks_auth")
    site.server.sql(DATABRICKS_AUTH, dbname=site.database)
    other = PRINCIPAL.replace("5", "6")
    sentence(site.run(*create, other, *on, "service-principal"), REFUSED,
             "an identity of the workspace")
    sentence(site.run(*create, "sap", *on, "service-principal"), REFUSED,
             "not an application id")
    sentence(site.run(*create, "ada", *on, "user"), REFUSED, "e-mail")
    assert not role_exists(site, other)


def test_a_look_alike_of_databricks_auth_is_not_called(minted):
    site = minted
    site.server.sql(DATABRICKS_AUTH, dbname=site.database)
    site.server.sql("alter function public.databricks_create_role owner to "
                    "sap", dbname=site.database)
    sentence(site.run("role", "create", PRINCIPAL, "--oauth",
                      "service-principal", "--cluster", "main"), REFUSED,
             "databricks_auth")
    assert not role_exists(site, PRINCIPAL)


def test_only_an_oauth_session_makes_oauth_roles(site):
    sentence(site.run("role", "create", PRINCIPAL, "--oauth",
                      "service-principal", "--cluster", "main"), REFUSED,
             "admin = token:NAME")
