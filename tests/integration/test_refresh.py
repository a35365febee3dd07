# SPDX-License-Identifier: PostgreSQL
"""Files that are kept fresh with tokens: keyturn refresh, and what status says
of them."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "doubles"))

import workspace as doubles  # noqa: E402
from workspace import Refusal  # noqa: E402
from rig.installation import lock_sink, wait_for  # noqa: E402
from rig.token_site import Place, TokenSite  # noqa: E402

MINT = "/api/2.0/postgres/credentials"


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("workspace")


@pytest.fixture
def place(authority, certificate, monkeypatch):
    monkeypatch.delenv("KEYTURN_TEST_DATABRICKS_HOST", raising=False)
    place = Place(lambda: doubles.Workspace(*certificate),
                  authority.certificate)
    yield place
    place.stop()


@pytest.fixture
def double(place):
    return place.double


@pytest.fixture
def site(folder, tools, server, place):
    path = tempfile.mkdtemp(prefix="kt-", dir=folder)
    site = TokenSite(tools, server, os.path.join(path, "site"), "tokens",
                     place)
    site.create()
    files(site)
    yield site
    site.close()
    hits = site.leaks()
    assert not hits, "secrets where none may be: " + "; ".join(
        f"{what} in {file}" for file, what in hits[:20])


def files(site, *settings, kind="pgpass", name="app", more="", **token):
    """[sink app] as the one file; its path."""
    path = os.path.join(site.sinks, name)
    lines = [f"[sink {name}]", "token = lake", f"file = {kind} {path}",
             *settings]
    site.set_tokens(host="db.example.com", dbname="shop",
                    more="\n".join(lines) + "\n" + more, **token)
    return path


def read(path):
    with open(path) as f:
        return f.read()


def password(path):
    return [line for line in read(path).splitlines()
            if line[0] not in "#;"][0].rsplit(":", 1)[1]


def status(site, expect=0):
    done = site.run("status", "--json", expect=expect)
    return [o for o in json.loads(done.out) if "sink" in o]


def test_a_file_is_made_and_left_alone_while_it_is_fresh(site, double):
    path = os.path.join(site.sinks, "app")
    done = site.run("refresh", expect=0)
    assert re.match(r"app: refreshed, expires 20", done.out)
    assert password(path) == double.minted[0][0]
    assert os.stat(path).st_mode & 0o777 == 0o600
    before = os.stat(path)
    assert site.run("refresh", expect=0).out == ""
    after = os.stat(path)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino,
                                                 before.st_mtime_ns)
    assert len(double.minted) == 1


def test_a_file_is_refreshed_before_its_token_ends(site, double):
    path = os.path.join(site.sinks, "app")
    # Of an hour, twenty minutes before the end at the latest.
    double.life = 19 * 60
    site.run("refresh", expect=0)
    double.life = None
    site.run("refresh", expect=0)
    assert password(path) == double.minted[1][0]
    assert len(double.minted) == 2


def test_half_of_a_short_life_is_enough(site, double):
    files(site, "min_life = 1m", ttl="10m")
    double.life = 6 * 60
    site.run("refresh", expect=0)
    assert site.run("refresh", expect=0).out == ""
    assert len(double.minted) == 1


def test_an_alarm_would_come_later_than_the_refresh(site, double):
    files(site, "min_life = 30m")
    double.life = 30 * 60 + 30
    site.run("refresh", expect=0)
    double.life = None
    site.run("refresh", expect=0)
    assert len(double.minted) == 2


def test_the_old_file_stays_when_there_is_no_new_token(site, double):
    path = os.path.join(site.sinks, "app")
    double.life = 15 * 60
    site.run("refresh", expect=0)
    was = read(path)
    double.fail("POST", MINT, Refusal(403, "PERMISSION_DENIED", ""))
    done = site.run("refresh", expect=4)
    assert "sink app: [token lake]: the workspace answers 403" in done.err
    assert read(path) == was
    assert status(site)[0]["state"] == "ok"


def test_status_tells_an_alarm(site, double):
    path = os.path.join(site.sinks, "app")
    found = status(site, expect=4)
    assert [(f["sink"], f["state"], f["file"]) for f in found] == [
        ("app", "alarm", path)]
    site.run("refresh", expect=0)
    found = status(site)[0]
    assert found["state"] == "ok" and 3500 < found["life_seconds"] <= 3600
    assert "holds a token of lake for another 59m" in site.run(
        "status", expect=0).out
    double.life = 5 * 60
    site.run("refresh", "--force", expect=0)
    done = site.run("status", expect=4)
    assert "sink app: ALARM" in done.out
    double.life = 3
    site.run("refresh", "--force", expect=0)
    wait_for(lambda: "ended" in site.run("status").out, "its end")


def test_a_refresh_is_in_the_audit_before_the_file(site, double):
    site.run("refresh", expect=0)
    event = [e for e in site.audit() if e["kind"] == "handout"][0]
    assert event["role"] == "token:lake"
    assert event["detail"].startswith("sink app, expires ")
    ledger = os.path.join(site.state, "ledger.db")
    path = os.path.join(site.sinks, "app")
    was = read(path)
    os.rename(ledger, ledger + ".away")
    os.mkdir(ledger)
    assert site.run("refresh", "--force").exit != 0
    assert read(path) == was
    os.rmdir(ledger)
    os.rename(ledger + ".away", ledger)


def test_a_second_writer_waits_and_finds_it_done(site, double):
    """Both find that it is due; each writes a whole file, under the lock."""
    path = os.path.join(site.sinks, "app")
    lock = lock_sink(path)
    runs = [site.start("refresh") for _ in range(2)]
    wait_for(lambda: len(double.minted) == 2, "two tokens")
    assert not os.path.exists(path)
    lock.close()
    assert [r.finish().exit for r in runs] == [0, 0]
    assert password(path) in [m[0] for m in double.minted]
    assert read(path).count("\n") == 2


def test_a_token_never_replaces_one_that_lives_longer(site, double):
    path = os.path.join(site.sinks, "app")
    site.run("refresh", expect=0)
    with open(path) as f:
        text = f.read()
    # As another writer's: it ends later than any of ours will.
    end = int(re.search(r"epoch=(\d+)", text)[1])
    os.unlink(path)
    lock = lock_sink(path)
    run = site.start("refresh")
    wait_for(lambda: len(double.minted) == 2, "a token")
    with open(path, "w") as f:
        f.write(text.replace(f"epoch={end}", f"epoch={end + 600}"))
    os.chmod(path, 0o600)
    lock.close()
    assert run.finish().exit == 0
    assert password(path) == double.minted[0][0]


def test_other_lines_of_a_file_stay(site, double):
    path = files(site, "sslmode = require", "user = someone", kind="env")
    with open(path, "w") as f:
        f.write("A='1'\n")
    os.chmod(path, 0o640)
    for _ in range(2):
        site.run("refresh", "--force", expect=0)
    text = read(path)
    assert text.startswith("A='1'\n# keyturn role=sink%3Aapp version=")
    assert "PGUSER='someone'" in text and "PGSSLMODE='require'" in text
    assert text.count("PGPASSWORD=") == 1
    assert double.minted[1][0] in text


def test_a_service_file_stands_beside_the_token(site, double):
    """It has all but the token, and is written anew with each."""
    path = files(site, "sslmode = require", "user = someone",
                 kind="service", more="[sink two]\ntoken = lake\nfile = "
                 f"pgpass {site.sinks}/two mode=0600\nuser = someone\n")
    with open(path, "w") as f:
        f.write("[mine]\nuser=me\n")
    os.chmod(path, 0o644)
    for _ in range(2):
        site.run("refresh", "--force", expect=0)
    text = read(path)
    assert text.startswith(
        "[mine]\nuser=me\n# keyturn role=sink%3Aapp version=")
    assert text.endswith(
        "\n[app]\nhost=db.example.com\nport=5432\ndbname=shop\n"
        "user=someone\nsslmode=require\n# keyturn end role=sink%3Aapp\n")
    assert not any(token in text for token, *_ in double.minted)
    assert password(os.path.join(site.sinks, "two")) in [
        token for token, *_ in double.minted]
    assert os.stat(path).st_mode & 0o777 == 0o644


def test_a_pooler_logs_in_with_the_token(site, double):
    """Two files of one token are lines of one pgbouncer.ini."""
    path = os.path.join(site.sinks, "ini")
    text = "[databases]\nshop = host=h{}\ncrm = host=h{}\n[pgbouncer]\n"
    with open(path, "w") as f:
        f.write(text.format("", ""))
    os.chmod(path, 0o600)
    site.set_tokens(host="db.example.com", dbname="shop", more="".join(
        f"[sink {name}]\ntoken = lake\nfile = pgbouncer_ini {path} "
        f"database={name}\nuser = someone\n" for name in ("shop", "crm")))
    for _ in range(2):
        site.run("refresh", "--force", expect=0)
        found = read(path)
        assert found.count("; keyturn role=sink%3Ashop version=") == 1
        assert found.count("; keyturn role=sink%3Acrm version=") == 1
        token = double.minted[-1][0]
        who = f" user='someone' password='{token}'"
        assert "".join(line for line in found.splitlines(True)
                       if line[0] != ";") == text.format(who, who)


def test_a_reader_is_told_by_a_signal(site, double):
    pidfile = os.path.join(site.folder, "reader.pid")
    got = os.path.join(site.folder, "got")
    reader = subprocess.Popen([sys.executable, "-c", f"""
import signal, os, sys
def hup(*_):
    with open({got!r}, "a") as f: f.write("x")
signal.signal(signal.SIGHUP, hup)
with open({pidfile!r}, "w") as f: f.write(str(os.getpid()) + "\\n")
while True: signal.pause()
"""])
    try:
        wait_for(lambda: os.path.exists(pidfile) and read(pidfile), "a reader")
        files(site, f"pidfile = {pidfile}", kind="pgbouncer")
        site.run("refresh", expect=0)
        wait_for(lambda: os.path.exists(got) and read(got) == "x", "SIGHUP")
        site.run("refresh", expect=0)  # nothing changed, nobody is told
    finally:
        reader.kill()
        reader.wait()
    assert read(got) == "x"
    # The file is fresh, and that its reader is gone is said.
    done = site.run("refresh", "--force", expect=4)
    assert "is fresh, but its reader was not told" in done.err
    assert double.minted[1][0] in read(os.path.join(site.sinks, "app"))


def test_only_what_is_named_is_refreshed(site, double):
    files(site, more="[sink two]\ntoken = lake\n"
          f"file = pgpass {site.sinks}/two\n")
    site.run("refresh", "two", expect=0)
    assert not os.path.exists(os.path.join(site.sinks, "app"))
    site.run("refresh", expect=0)
    assert os.path.exists(os.path.join(site.sinks, "app"))
    done = site.run("refresh", "three", expect=11)
    assert "no [sink three]" in done.err


def test_two_files_share_a_token(site, double):
    files(site, more="[sink two]\ntoken = lake\n"
          f"file = pgpass {site.sinks}/two\n")
    site.run("refresh", expect=0)
    assert len(double.minted) == 1
    assert password(os.path.join(site.sinks, "two")) == double.minted[0][0]


@pytest.mark.parametrize("setting, sentence", [
    ("token = sea\nfile = env /x/y", "there is no [token sea]"),
    ("token = lake\nfile = yaml /x/y",
     "pgbouncer_ini, pgbouncer_databases or service"),
    ("token = lake\nfile = pgpass y", "not the absolute path"),
    ("token = lake\nfile = pgpass /x/y mode=0644", "too open"),
    ("token = lake\nfile = env /x/y\nport = 0", "out of range"),
    ("file = env /x/y", 'lacks the setting "token"'),
])
def test_a_sink_that_makes_no_sense_is_refused(site, setting, sentence):
    site.set_tokens(more=f"[sink bad]\n{setting}\n")
    done = site.run("refresh", expect=2)
    assert sentence in done.err and "keyturn.conf:" in done.err
