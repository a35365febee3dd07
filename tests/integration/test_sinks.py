# SPDX-License-Identifier: PostgreSQL
"""Files of consumers, from configuration to what their programs read."""

import os
import subprocess
import sys

import pytest

from rig.scripted_agent import SOURCE
from rig.server import binaries, wait_for
from rig.verdict import finding, nothing_changed, sentence

REFUSED = 6
BEHIND = 18


def test_a_sink_that_cannot_be_replaced_refuses_the_rotation(taken_over):
    """What a delivery would say, before there is a password to deliver."""
    site = taken_over
    os.chmod(site.sinks, 0o777)
    with nothing_changed(site):
        sentence(site.run("rotate", "sap"), REFUSED, site.sinks, "chmod go-w")
        finding(site.run("check"), "chmod go-w")
    # A leaked password goes, whatever its consumers have.
    leaked = site.current()
    site.run("rotate", "--emergency", "--reason", "leak", "sap", expect=BEHIND)
    assert site.current().id != leaked.id
    site.must_log_in(site.current().password)
    os.chmod(site.sinks, 0o755)
    site.run("recover", "sap", expect=0)
    site.run("check", expect=0)
    assert site.sink() == site.current().password


def test_an_env_file_is_one_role_s(new_site):
    """Of two blocks the later counts: one partner would log in as the other."""
    site = new_site(roles=["sap", "crm"])
    shared = os.path.join(site.sinks, "app.env")
    site.configure(roles=("sap", "crm"), role_settings=f"sink = env {shared}")
    for command in (("rotate", "sap"), ("check",)):
        sentence(site.run(*command), 2, "keyturn.conf:", shared, "sap", "crm",
                 "holds one password")
    # Where the configuration cannot know it, the file does.
    site.configure(role_settings=f"sink = env {shared}")
    site.run("rotate", "sap", expect=0)
    site.configure(roles=("crm",), role_settings=f"sink = env {shared}")
    sentence(site.run("rotate", "crm"), REFUSED, shared, "line 1",
             "a file of its own")
    finding(site.run("check"), shared, "a file of its own")
    site.configure(roles=("sap", "crm"))
    os.unlink(shared)


def test_the_reader_of_a_role_s_sink_is_told_of_a_rotation(taken_over):
    """It reads the file when it is told, as PgBouncer does."""
    site = taken_over
    file, pidfile, got = (os.path.join(site.folder, name)
                          for name in ("users/list", "reader.pid", "got"))
    os.mkdir(os.path.dirname(file))
    reader = subprocess.Popen([sys.executable, "-c", f"""
import os, shutil, signal
signal.signal(signal.SIGHUP, lambda *_: shutil.copy({file!r}, {got!r}))
with open({pidfile!r} + ".new", "w") as f: f.write(str(os.getpid()))
os.rename({pidfile!r} + ".new", {pidfile!r})
while True: signal.pause()
"""])
    try:
        wait_for(lambda: os.path.exists(pidfile), "a reader")
        site.configure(role_settings=f"sink = pgbouncer {file} "
                       f"pidfile={pidfile}\n")
        site.run("check", expect=0)
        for _ in range(2):
            site.run("rotate", "sap", expect=0)

            def is_told():
                with open(file) as new, open(got) as seen:
                    return new.read() == seen.read()
            wait_for(lambda: os.path.exists(got) and is_told(), "the reader")
            with open(got) as f:
                assert site.current().password in f.read()
            os.unlink(got)
    finally:
        reader.kill()
        reader.wait()
    # It is gone: the file has the password, and that is said.
    os.unlink(pidfile)
    with nothing_changed(site):
        sentence(site.run("rotate", "sap"), REFUSED, pidfile)
    os.unlink(file)


def test_a_rotation_that_was_interrupted_is_finished_whatever_the_sink_says(
        taken_over):
    site = taken_over
    before = site.marker()["live_version"]
    site.stop_before(lambda e: e.sends and
                     site.marker()["live_version"] != before,
                     "rotate", "sap").kill()
    os.chmod(site.sinks, 0o777)
    site.run("recover", "sap", expect=BEHIND)
    assert site.current().id == site.marker()["live_version"] != before
    site.must_log_in(site.current().password)
    os.chmod(site.sinks, 0o755)


# -- the service file -------------------------------------------------------------

FOREIGN = """\
# of the partner
host=of-no-section
[crm]
host=crm.example.com
user=crm
"""


class Partner:
    """Programs that know a service by its name, and where two files are."""

    def __init__(self, site):
        self.site = site
        self.file = os.path.join(site.sinks, "pg_service.conf")
        # It has to come before ~/.pg_service.conf and what is set for libpq.
        self.environment = {
            "PATH": f"{binaries()}:/usr/bin:/bin", "HOME": site.folder,
            "LC_ALL": "C.UTF-8", "PGSERVICEFILE": self.file,
            "PGPASSFILE": os.path.join(site.sinks, "sap.pgpass"),
            "PGUSER": "nobody", "PGDATABASE": "nowhere"}

    def read(self):
        with open(self.file) as f:
            return f.read()

    def run(self, *argv, **environment):
        return subprocess.run(argv, env={**self.environment, **environment},
                              capture_output=True, text=True, timeout=120)

    def answers(self, *argv, **environment):
        done = self.run(*argv, **environment)
        assert done.returncode == 0, done
        return done.stdout.strip()

    def compile(self):
        source = os.path.join(SOURCE, "tests", "integration", "clients",
                              "Service.java")
        self.answers("javac", "-d", self.site.folder, source)

    def log_in(self, service="sap"):
        """psql, psycopg and pgjdbc, each by the service's name alone."""
        yield self.answers("psql", "-XAtwc", "select current_user",
                           PGSERVICE=service)
        yield self.answers("psql", "-XAtwc", "select current_user",
                           f"service={service}", PGHOST="elsewhere.invalid")
        # psycopg resolves PGHOST by itself, so none may be set.
        yield self.answers(
            sys.executable, "-B", "-c", "import psycopg\n"
            "with psycopg.connect() as c:\n"
            "    print(c.execute('select current_user').fetchone()[0])\n",
            PGSERVICE=service)
        # With TLS, as the section says.
        answer = self.answers(
            "java", "-Xshare:auto", "-cp",
            f"{self.site.folder}:/usr/share/java/postgresql.jar", "Service",
            service)
        user, encrypted = answer.split()
        assert encrypted == "true"
        yield user


@pytest.fixture
def partner(taken_over):
    return Partner(taken_over)


def test_programs_know_a_service_by_its_name(partner):
    """The file of the partner's, with our section in it, beside a pgpass file
    that has the password."""
    site = partner.site
    with open(partner.file, "w") as f:
        f.write(FOREIGN)
    os.chmod(partner.file, 0o644)
    site.configure(role_settings=f"sink = service {partner.file}\n"
                   "dbname = " + site.database)
    site.run("check", expect=0)
    assert partner.read() == FOREIGN
    partner.compile()
    for _ in range(2):
        before = site.current()
        site.run("rotate", "sap", expect=0)
        assert site.current().id != before.id
        mark = site.server.mark()
        assert list(partner.log_in()) == ["sap"] * 4
        assert site.server.logins(mark, "sap") == (4, 0)
    text = partner.read()
    assert text.startswith(
        f"{FOREIGN}# keyturn role=sap version={site.current().id} epoch=")
    ours = text[len(FOREIGN):].splitlines()[1:]
    certificate = site.server.authority.certificate
    assert ours == ["[sap]", "host=127.0.0.1", f"port={site.server.port}",
                    f"dbname={site.database}", "user=sap",
                    "sslmode=verify-full", f"sslrootcert={certificate}",
                    "# keyturn end role=sap"]
    assert site.current().password not in text
    # There is no secret in it: its mode stays what the partner chose.
    assert os.stat(partner.file).st_mode & 0o777 == 0o644


def test_settings_beside_a_section_go_with_it(partner):
    """What is added behind its end is of the section; and what consumers are
    told besides the password reaches the file without a rotation."""
    site = partner.site
    sink = f"sink = service {partner.file} name=shop.read mode=0640\n"
    site.configure(role_settings=sink)
    site.run("rotate", "sap", expect=0)
    with open(partner.file, "a") as f:
        f.write("application_name=report\noptions=-csearch_path=a\n")
    site.run("rotate", "sap", expect=0)
    assert partner.answers(
        "psql", "-XAtwc", "show application_name",
        PGSERVICE="shop.read") == "report"
    assert os.stat(partner.file).st_mode & 0o777 == 0o640
    site.configure(role_settings=sink, cluster="sslmode = verify-ca\n"
                   "sslrootcert = /etc/ssl/partner.pem\n")
    before = site.current()
    site.run("rotate", "--due", expect=0)
    assert site.current().id == before.id
    assert "sslmode=verify-ca\nsslrootcert=/etc/ssl/partner.pem\n# keyturn " \
        "end role=sap\napplication_name=report\n" in partner.read()


def test_a_service_file_that_cannot_serve_refuses_the_rotation(partner):
    site = partner.site
    sink = f"sink = service {partner.file}\n"
    site.configure(role_settings=sink)
    for text, says in (
            ("#" * 1022 + "\n", ("line 1", "shorten it")),
            ("# keyturn role=crm version=v epoch=1\n[sap]\nuser=crm\n"
             "# keyturn end role=crm\n", ("line 2", "another role")),
            ("[sap]\nuser=x\n# keyturn role=sap version=v epoch=1\n[sap]\n"
             "user=sap\n# keyturn end role=sap\npassword=x\n",
             ("line 7", "has to go from there"))):
        with open(partner.file, "w") as f:
            f.write(text)
        with nothing_changed(site):
            sentence(site.run("rotate", "sap"), REFUSED, partner.file, *says)
            finding(site.run("check"), partner.file, *says)
        assert partner.read() == text
    os.unlink(partner.file)
    # What no file could carry is found in the configuration.
    for settings, says in (
            (sink + 'rolname = "sap "\n', "cannot carry the user"),
            (f"sink = service {partner.file} name=a]b\n", '"a]b"'),
            (sink + sink, "twice"),
            (f"sink = service {partner.file} mode=0666\n", "0644")):
        site.configure(role_settings=settings)
        sentence(site.run("rotate", "sap"), 2, "keyturn.conf:", "sap", says)
    site.configure(roles=("sap", "crm"), role_settings=sink + "dbname = x\n")
    site.run("check", "sap", expect=0)
    site.configure(roles=("sap", "crm"),
                   role_settings=f"sink = service {partner.file} name=one\n")
    sentence(site.run("check"), 2, "keyturn.conf:", "[one]", "sap", "crm")
    site.configure()
