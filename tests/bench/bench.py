# SPDX-License-Identifier: PostgreSQL
"""What the benchmarks share: a server with fsync, keyturn's configuration, the
floors, and runs with a clock."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

from rig.authority import Authority  # noqa: E402
from rig.server import Server, make_template  # noqa: E402

ADMIN_PASSWORD = "bench-admin-password"

# Debian gives users 002, and keyturn refuses folders that a group may write to.
os.umask(0o022)


def write(path, text, mode=0o600):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


@contextlib.contextmanager
def server_for(prefixes, count):
    """(folder, server, floor): PostgreSQL with fsync and COUNT login roles for
    each prefix, in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="keyturn-bench-") as folder:
        os.chmod(folder, 0o755)
        authority = Authority(os.path.join(folder, "ca"))
        template = make_template(os.path.join(folder, "template"))
        server = Server(os.path.join(folder, "server"), authority, template)
        server._write("bench.conf", "fsync = on\nfull_page_writes = on\n"
                      "synchronous_commit = on\nlog_statement = none\n"
                      "log_connections = on\nmax_connections = 100\n")
        server._write("postgresql.conf", "include 'bench.conf'\n", "a")
        server.start()
        try:
            server.sql("create role keyturn_admin login createrole password "
                       f"'{ADMIN_PASSWORD}'")
            server.sql("grant create on database postgres to keyturn_admin")
            for prefix in prefixes:
                for i in range(count):
                    server.sql(f"create role {prefix}{i} login")
            yield folder, server, compile_floor(folder, "floor", "libpq")
        finally:
            server.stop("immediate")


def compile_floor(folder, name, library):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", library],
                           capture_output=True, text=True, check=True)
    target = os.path.join(folder, name)
    subprocess.run(["cc", "-O2", "-pthread", "-o", target,
                    os.path.join(HERE, name + ".c")] + flags.stdout.split(),
                   check=True)
    return target


def configuration(site, server, roles, more="", extra="every = 30d\n"):
    text = (f"[keyturn]\nledger = {site}/state/ledger.db\n"
            f"audit_key = {site}/etc/audit.key\n"
            f"[store local]\npath = {site}/state/store.db\n"
            f"key = {site}/etc/store.key\n"
            f"[cluster main]\nconninfo = host=127.0.0.1 port={server.port}\n"
            f"\tdbname=postgres user=keyturn_admin sslmode=verify-full\n"
            f"\tsslrootcert={server.authority.certificate}\n"
            f"admin_passfile = {site}/etc/admin.pgpass\n{more}")
    for name in roles:
        text += f"[role {name}]\ncluster = main\n{extra}"
    write(f"{site}/etc/keyturn.conf", text)


def make_site(keyturn, folder, server, roles, **settings):
    subprocess.run([keyturn, "init", f"{folder}/etc", "--state",
                    f"{folder}/state"], check=True, stdout=subprocess.DEVNULL)
    write(f"{folder}/etc/admin.pgpass", f"*:*:*:*:{ADMIN_PASSWORD}\n")
    configuration(folder, server, roles, **settings)


def timed(argv):
    began = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    return time.monotonic() - began, done


def run_floor(floor, server, prefix, count, jobs):
    tls = (f"host=127.0.0.1 port={server.port} dbname=postgres "
           f"sslmode=verify-full sslrootcert={server.authority.certificate} "
           "gssencmode=disable")
    done = subprocess.run(
        [floor, f"{tls} user=keyturn_admin password={ADMIN_PASSWORD}", tls,
         prefix, str(count), str(jobs)],
        capture_output=True, text=True, check=True)
    return float(done.stdout)


def run_keyturn(keyturn, site, jobs, configuration="keyturn.conf"):
    took, done = timed([keyturn, "--config", f"{site}/etc/{configuration}",
                        "rotate", "--all", "--jobs", str(jobs), "--quiet"])
    assert done.returncode == 0, done.stdout + done.stderr
    return took


@contextlib.contextmanager
def logins_of(server, prefix):
    """{"good": n, "bad": n}, as the server logs them meanwhile."""
    mark, found = server.mark(), {}
    yield found
    text = server.log_since(mark)
    found["good"] = len(re.findall(
        f"connection authorized: user={prefix}", text))
    found["bad"] = len(re.findall("password authentication failed", text))
