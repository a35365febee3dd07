# SPDX-License-Identifier: PostgreSQL
"""Bad configuration: the sentence names file, line and setting, says what to
do, and nothing was tried.  Then the names that are odd and not bad: those must
work everywhere."""

import json
import os
import re
import shutil
import stat
import subprocess

import psycopg
import pytest

from rig.installation import ADMIN
from rig.server import binaries
from rig.verdict import (finding, line_of, mode, nothing_changed, sentence,
                         without_override)

CONFIGURATION = 2
REFUSED = 6


def write(site, text):
    with open(site.configuration, "w", encoding="utf-8",
              errors="surrogateescape") as f:
        f.write(text)


def read(site):
    with open(site.configuration) as f:
        return f.read()


@pytest.fixture
def edited(taken_over):
    """edited(old, new): the configuration with one place changed."""
    def edit(old, new):
        text = read(taken_over)
        assert old in text
        write(taken_over, text.replace(old, new, 1))
        return taken_over
    return edit


# ---- What the file says -----------------------------------------------------

COMMANDS = [("rotate", "sap"), ("rotate", "--due"), ("rotate", "--all"),
            ("check",), ("status",), ("history",), ("recover",),
            ("get", "sap"), ("freeze", "sap", "--reason", "test"),
            ("thaw", "sap"), ("audit", "verify"), ("audit", "export"),
            ("config", "show")]


def test_an_unknown_key_stops_every_command(edited):
    site = edited("every = 30d", "evry = 30d")
    where = line_of(site.configuration, "evry")
    with nothing_changed(site):
        for command in COMMANDS:
            sentence(site.run(*command), CONFIGURATION, where, "evry",
                     "keyturn: ")


MEANT = [
    ("[role sap]", "[rolle sap]", "[rolle sap]", ["unknown section"]),
    ("[role sap]", "[role]", "[role]", ["lacks a name"]),
    ("[keyturn]", "[keyturn main]", "[keyturn main]", ["takes no name"]),
    ("[role sap]", "[role sap", "[role sap", ['lacks its "]"']),
    ("every = 30d", "every", "every", []),
    ("every = 30d", "every =", "every", ["every"]),
    ("every = 30d", "every = 30d\nevery = 20d", "every = 20d",
     ["every", "already"]),
    ("cluster = main", "cluster = mian", "cluster = mian",
     ["there is no [cluster mian]"]),
    ("cluster = main\n", "", "[role sap]", ["cluster"]),
    ("every = 30d", "every = 30d\nschedule = 0 3 * * *", "every = 30d",
     ["schedule", "one or the other"]),
    ("every = 30d", "schedule = 61 3 * * *", "[role sap]", ["61"]),
    ("every = 30d", "every = 30d\nwindow = 25:00-26:00", "[role sap]",
     ["25:00"]),
    ("timezone = UTC", "timezone = Mars/Olympus", "timezone",
     ["Mars/Olympus"]),
    ("every = 30d", "every = 30d\nsink = pgpass relative", "[role sap]",
     ["absolute"]),
    ("every = 30d", "every = 30d\nstrategy = twice",
     "strategy = twice", ["twice", "must be single or alternating"]),
    ("[store local]", "[store local]\ntype = floppy", "type = floppy",
     ["floppy"]),
    ("user=keyturn_admin", "user=keyturn_admin password=x",
     "conninfo =", ["password", "admin_passfile"]),
    ("sslmode=verify-full", "sslmode=verify-full colour=blue",
     "[cluster main]", ["conninfo"]),
]


def test_what_cannot_be_meant_is_named_with_its_line(taken_over, subtests):
    site = taken_over
    good = read(site)
    with nothing_changed(site):
        for old, new, at, words in MEANT:
            with subtests.test(new):
                assert old in good
                write(site, good.replace(old, new, 1))
                sentence(site.run("rotate", "sap"), CONFIGURATION,
                         line_of(site.configuration, at), *words)
        write(site, good)


def test_a_server_that_could_be_anybody_needs_leave(edited):
    site = edited("conninfo = host=127.0.0.1", "conninfo = host=db.invalid")
    edited("sslmode=verify-full", "sslmode=require")
    sentence(site.run("rotate", "sap"), CONFIGURATION, "sslmode=require",
             "verify-full", "insecure = yes",
             line_of(site.configuration, "[cluster main]"))


def test_a_duplicate_section_names_both_places(edited):
    site = edited("\n[role sap]", "\n[role sap]\ncluster = main\n[role sap]")
    first = line_of(site.configuration, "[role sap]")
    file, line = first.rsplit(":", 1)
    with nothing_changed(site):
        sentence(site.run("rotate", "sap"), CONFIGURATION,
                 f"{file}:{int(line) + 2}", "[role sap]", first)


def test_a_section_twice_in_conf_d_is_a_duplicate_too(taken_over):
    folder = os.path.join(taken_over.keys, "conf.d")
    os.mkdir(folder)
    other = os.path.join(folder, "more.conf")
    with open(other, "w") as f:
        f.write("[role sap]\ncluster = main\n")
    with nothing_changed(taken_over):
        sentence(taken_over.run("rotate", "sap"), CONFIGURATION, other + ":1",
                 line_of(taken_over.configuration, "[role sap]"))


def test_two_sections_for_one_login_are_refused(edited):
    site = edited("\n[role sap]", "\n[role erp]\ncluster = main\n"
                  "rolname = sap\n\n[role sap]")
    with nothing_changed(site):
        sentence(site.run("rotate", "sap"), CONFIGURATION, "[role erp]",
                 "[role sap]", "same role",
                 line_of(site.configuration, "[role erp]"))


VALUES = [
    ("keyturn", "jobs", "many", ["not a whole number"]),
    ("keyturn", "jobs", "0", ["1 to 64"]),
    ("keyturn", "jobs", "65", ["1 to 64"]),
    ("keyturn", "jobs", "-1", []),
    ("keyturn", "jobs", "4 or 5", []),
    ("keyturn", "jobs", "99999999999999999999", []),
    ("keyturn", "jobs", "1e1", []),
    ("keyturn", "control_interval", "8d", ["604800"]),
    ("store local", "ring", "3", ["4 to 64"]),
    ("cluster main", "statement_timeout", "5 parsecs", []),
    ("cluster main", "statement_timeout", "0s", ["1s to 600s"]),
    ("cluster main", "insecure", "perhaps", ["yes", "no"]),
    ("cluster main", "port", "65536", ["1 to 65535"]),
    ("policy p", "length", "19", ["20 to 512"]),
    ("policy p", "length", "513", ["20 to 512"]),
    ("policy p", "symbols", "\N{EURO SIGN}", []),
    ("policy p", "require", "upper emoji", ["emoji"]),
    ("role sap", "every", "soon", []),
    ("role sap", "every", "0d", ["greater than zero"]),
]


def test_a_bad_value_is_named_with_what_would_be_good(taken_over, subtests):
    site = taken_over
    good = read(site)
    with nothing_changed(site):
        for section, key, value, words in VALUES:
            with subtests.test(f"{key} = {value}"):
                text = good.replace("every = 30d\n", "") \
                    if key == "every" else good + "\n[policy p]\n"
                write(site, text.replace(f"[{section}]",
                                         f"[{section}]\n{key} = {value}"))
                line = sentence(site.run("rotate", "sap"), CONFIGURATION,
                                f"[{section}]", key, *words)
                # What the schedule and the policy judge is named by section.
                assert line_of(site.configuration, f"{key} = {value}") in line \
                    or line_of(site.configuration, f"[{section}]") in line
        write(site, good)


def test_a_policy_too_weak_to_be_safe_is_refused(taken_over):
    write(taken_over, read(taken_over) + "policy = p\n\n[policy p]\n"
          "length = 20\nsymbols =\nrequire = upper lower digit\n")
    with nothing_changed(taken_over):
        done = taken_over.run("rotate", "sap")
        sentence(done, CONFIGURATION, "fewer than 128", "[policy p]",
                 taken_over.configuration)


# ---- The files themselves ---------------------------------------------------

def test_a_configuration_that_is_not_there(taken_over):
    site = taken_over
    with nothing_changed(site):
        os.rename(site.configuration, site.configuration + ".away")
        done = site.run("rotate", "sap")
        os.rename(site.configuration + ".away", site.configuration)
    sentence(done, CONFIGURATION, site.configuration)


def test_a_configuration_that_may_not_be_read(taken_over, tmp_path):
    site = taken_over
    without_override(site, tmp_path)
    # A copy: after each run the rig itself reads the site's own.
    copy = shutil.copy(site.configuration, tmp_path / "unreadable.conf")
    with nothing_changed(site), mode(copy, 0o000):
        done = site.run("--config", str(copy), "rotate", "sap",
                        configured=False)
    sentence(done, CONFIGURATION, copy)


def test_a_configuration_that_is_a_folder(taken_over):
    done = taken_over.run("--config", taken_over.keys, "status",
                          configured=False)
    sentence(done, CONFIGURATION, taken_over.keys)


NO_CONFIGURATION = {
    "NUL": b"[keyturn]\nledger = /x\0y\n",
    "binary": b"\x7fELF\x02\x01\x01\0\0\0",
    "no UTF-8": b"[role \xff\xfe]\ncluster = main\n",
    "outside": b"colour = blue\n",
    "long": b"[keyturn]\nledger = " + b"x" * 100000 + b"\n",
    "control": b"\x1b[2J[keyturn]\n",
}


def test_a_configuration_that_is_no_configuration(new_site, tmp_path,
                                                  subtests):
    site = new_site(roles=())
    file = tmp_path / "keyturn.conf"
    for name, content in NO_CONFIGURATION.items():
        with subtests.test(name):
            file.write_bytes(content)
            done = site.run("--config", str(file), "status", configured=False)
            sentence(done, CONFIGURATION, str(file))


@pytest.mark.parametrize("key", ["store.key", "audit.key"])
def test_a_key_that_others_may_read_or_write_is_refused(taken_over, key):
    site = taken_over
    path = os.path.join(site.keys, key)
    with nothing_changed(site):
        for bits in (0o644, 0o660, 0o602):
            with mode(path, bits):
                sentence(site.run("rotate", "sap"), CONFIGURATION, path,
                         "chmod")
    site.run("rotate", "sap", expect=0)
    site.settled()


def test_an_admin_passfile_that_others_may_read_is_refused(taken_over):
    site = taken_over
    with nothing_changed(site):
        with mode(site.passfile, 0o640):
            sentence(site.run("rotate", "sap"), REFUSED, site.passfile,
                     "chmod 600")
            finding(site.run("check"), site.passfile, "chmod 600")


@pytest.mark.parametrize("key", ["store.key", "audit.key"])
def test_a_key_that_may_not_be_read_stops_all(taken_over, tmp_path, key):
    site = taken_over
    without_override(site, tmp_path)
    path = os.path.join(site.keys, key)
    with nothing_changed(site):
        with mode(path, 0o000):
            done = site.run("rotate", "sap")
    sentence(done, 12, path, "Permission denied", "run keyturn as")


@pytest.mark.parametrize("file", ["store.key", "audit.key", "passfile"])
def test_a_key_that_is_not_there_stops_all(taken_over, file):
    site = taken_over
    path = site.passfile if file == "passfile" else \
        os.path.join(site.keys, file)
    with nothing_changed(site):
        os.rename(path, path + ".away")
        done = site.run("rotate", "sap")
        again = os.path.exists(path)
        os.rename(path + ".away", path)
    assert not again, "a lost key was replaced by a new one"
    if file == "passfile":
        sentence(done, REFUSED, path, "admin_passfile")
    else:
        sentence(done, CONFIGURATION, path, "backup")


def test_a_store_key_that_is_none(taken_over):
    site = taken_over
    path = os.path.join(site.keys, "store.key")
    with nothing_changed(site):
        shutil.copy2(path, path + ".away")
        for content in ("", "short\n", "g" * 64 + "\n", "0" * 63 + "\n",
                        "0" * 65 + "\n"):
            with open(path, "w") as f:
                f.write(content)
            sentence(site.run("rotate", "sap"), CONFIGURATION, path, "hex")
        os.replace(path + ".away", path)


# ---- Roles that are never rotated -------------------------------------------

def test_a_superuser_is_refused(new_site):
    site = new_site()
    site.server.sql("alter role sap superuser")
    with nothing_changed(site):
        sentence(site.run("rotate", "sap"), REFUSED, "sap", "superuser",
                 "never rotate", "give the partner a role without")
        finding(site.run("check"), "sap", "superuser")


def test_a_superuser_is_refused_also_by_a_superuser(new_site):
    site = new_site()
    site.server.sql(f"alter role {ADMIN} superuser")
    site.server.sql("alter role sap superuser")
    with nothing_changed(site):
        sentence(site.run("rotate", "sap"), REFUSED, "sap", "superuser")


@pytest.mark.parametrize("name", ["pg_monitor", "postgres", ADMIN])
@pytest.mark.parametrize("rights", ["createrole", "superuser"])
def test_roles_of_the_server_or_of_keyturn_are_refused(new_site, name, rights):
    site = new_site()
    site.server.sql(f"alter role {ADMIN} {rights}")
    write(site, read(site) + f"\n[role other]\ncluster = main\n"
          f"rolname = {name}\n")
    before = site.server.sql("select rolname, rolpassword from pg_authid "
                             "order by 1")
    sentence(site.run("rotate", "other"), REFUSED, name)
    sentence(site.run("rotate", "other", "--emergency"), REFUSED, name)
    finding(site.run("check", "other"), name)
    assert before == site.server.sql("select rolname, rolpassword from "
                                     "pg_authid order by 1")
    assert site.versions("other") == []


def test_a_role_that_does_not_exist(new_site):
    site = new_site()
    write(site, read(site) + "\n[role other]\ncluster = main\n")
    sentence(site.run("rotate", "other"), REFUSED, "no role other", "create")
    finding(site.run("check", "other"), "no role other")
    assert site.versions("other") == []


def test_an_admin_without_the_right_says_which_is_missing(new_site):
    site = new_site()
    site.server.sql(f"alter role {ADMIN} nocreaterole")
    with nothing_changed(site):
        sentence(site.run("rotate", "sap"), REFUSED, ADMIN, "sap",
                 "CREATEROLE")


# ---- Names that are odd, and right ------------------------------------------

NAMES = {
    "quotes": 'sap"o\'hara',
    "injection": "x'; drop role sap; --",
    "semicolon": "a;b # c",
    "spaces": "two  words and more",
    "outer spaces": " inner ",
    "non-ASCII": "Pärtner-日本-ñ",
    "63 bytes": "p" * 63,
    "63 bytes of UTF-8": "é" * 31 + "x",
    "keyword": "select",
    "user": "user",
    "upper case": "SaP",
    "percent": "100%s%n%20",
    "backslash": "a\\b\\",
    "colon": "a:b@c/d?e=f&g",
    "dollar": "$HOME`id`",
    "brackets": "[x]=y",
}


def quoted_word(value):
    """A value of a libpq connection string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_setting(value):
    """A value of keyturn.conf."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def identifier(value):
    return '"' + value.replace('"', '""') + '"'


def connect(site, name, **how):
    with psycopg.connect(
            sslmode="verify-full", gssencmode="disable",
            sslrootcert=site.server.authority.certificate,
            connect_timeout=10, **how) as c:
        assert c.execute("select current_user, current_database()") \
            .fetchone() == (name, name)


def own_passfile(tmp_path, name, content):
    file = tmp_path / name
    file.write_text(content)
    file.chmod(0o600)
    return str(file)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_an_odd_name_of_role_and_database_works_everywhere(new_site, tmp_path,
                                                           name):
    site = new_site(roles=())
    server = site.server
    site.create_role(name)
    server.sql(f"create database {identifier(name)} owner "
               f"{identifier(ADMIN)}")
    site.database = name
    env = os.path.join(site.sinks, "odd.env")
    site.configure(
        ("odd",),
        conninfo=site.conninfo(dbname=quoted_word(name)).replace(
            " dbname=", "\n dbname="),
        role_settings=f"rolname = {quoted_setting(name)}\n"
        f"dbname = {quoted_setting(name)}\nsink = env {env}")
    site.run("rotate", "odd", expect=0)
    site.run("rotate", "odd", expect=0)
    site.run("check", expect=0)
    current = site.current("odd")
    site.must_log_in(current.password, name)
    site.must_not_log_in(site.labelled("previous", "odd").password, name)
    assert site.marker(name)["live_version"] == current.id
    where = {"host": "127.0.0.1", "port": server.port}

    # The sinks, as libpq and a shell read them.
    connect(site, name, user=name, dbname=name, **where,
            passfile=os.path.join(site.sinks, "odd.pgpass"))
    psql = [os.path.join(binaries(), "psql"), "-XAtwc", "select current_user"]
    done = subprocess.run(
        ["sh", "-c", 'set -a; . "$0"; exec "$@"', env, *psql],
        env={"PATH": "/usr/bin:/bin", "PGSSLMODE": "verify-full",
             "PGSSLROOTCERT": server.authority.certificate,
             "PGPASSFILE": "/dev/null"}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (name + "\n", "")

    # The formats of `get`, as a consumer reads them.
    def get(form):
        done = site.run("get", "odd", "--format", form, expect=0)
        return done.out

    assert get("raw") == current.password
    entry = json.loads(get("json"))
    assert (entry["username"], entry["dbname"], entry["password"]) == \
        (name, name, current.password)
    for form in ("uri", "conninfo"):
        connect(site, name, conninfo=get(form).strip(), passfile="/dev/null")
    connect(site, name, user=name, dbname=name, **where,
            passfile=own_passfile(tmp_path, "pgpass", get("pgpass")))
    script = own_passfile(tmp_path, "env", get("env"))
    done = subprocess.run(
        ["sh", "-c", 'set -a; . "$0"; exec "$@"', script, *psql],
        env={"PATH": "/usr/bin:/bin", "PGSSLMODE": "verify-full",
             "PGSSLROOTCERT": server.authority.certificate,
             "PGPASSFILE": "/dev/null"}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (name + "\n", "")
    assert [r["role"] for r in json.loads(
        site.run("status", "--json", expect=0).out)] == ["odd"]


def test_a_name_that_postgresql_cannot_hold_is_refused(new_site, subtests):
    site = new_site()
    good = read(site)
    with nothing_changed(site):
        for name in ("p" * 64, "\u00e9" * 32, "a\tb", ""):
            with subtests.test(name[:2]):
                write(site, good + "\n[role odd]\ncluster = main\n"
                      f"rolname = {name}\n")
                sentence(site.run("rotate", "odd"), CONFIGURATION,
                         line_of(site.configuration, "rolname"), "rolname")
        write(site, good)


def test_a_63_byte_name_is_not_mistaken_for_its_own_beginning(new_site):
    """The server would cut a longer name to the one of somebody else."""
    site = new_site(roles=("p" * 63,))
    with nothing_changed(site, "p" * 63):
        write(site, read(site) + "\n[role odd]\ncluster = main\n"
              f"rolname = {'p' * 64}\n")
        assert site.run("rotate", "odd").exit == CONFIGURATION
        site.configure(("p" * 63,))


def test_init_writes_keys_that_only_their_owner_reads(site):
    for name in ("store.key", "audit.key"):
        bits = os.stat(os.path.join(site.keys, name)).st_mode
        assert stat.S_IMODE(bits) == 0o600
    for file in site.store_files() + [os.path.join(site.state, "ledger.db")]:
        assert stat.S_IMODE(os.stat(file).st_mode) & 0o077 == 0
    with open(os.path.join(site.keys, "store.key")) as f:
        assert re.fullmatch(r"[0-9a-f]{64}\n", f.read())
