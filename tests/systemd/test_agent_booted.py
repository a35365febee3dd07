# SPDX-License-Identifier: PostgreSQL
"""keyturn-agent under a systemd that has booted, set up as docs/agent.md
says."""

import json

import pytest

from documents import block
from machine import wait_for

SECRET = "from the vault"


@pytest.fixture(autouse=True)
def at_rest(served):
    served.machine.run("systemctl start keyturn-agent.socket "
                       "keyturn-creds.socket keyturn-admin.socket")


def test_the_first_client_starts_it_by_its_socket(served):
    machine = served.machine
    machine.run("systemctl stop keyturn-agent.service\n"
                "systemctl start keyturn-agent.socket keyturn-creds.socket "
                "keyturn-admin.socket")
    assert machine.show("keyturn-agent", "ActiveState") == "inactive"
    assert served.get() == SECRET
    assert machine.show("keyturn-agent", "ActiveState") == "active"
    pid = machine.main_pid("keyturn-agent")
    assert machine.run(f"stat -c %U /proc/{pid}").stdout == "keyturn\n"
    assert served.get("partner") == SECRET
    assert served.get("other", expect=4) == ""


def test_each_socket_is_open_to_those_whom_it_is_for(served):
    machine = served.machine
    found = machine.run("cd /run/keyturn; stat -c '%n %U %a' *.sock").stdout
    assert found.splitlines() == ["admin.sock keyturn 600",
                                  "agent.sock root 666",
                                  "creds.sock root 600"]


def test_the_unit_is_exposed_by_one_and_a_half_at_most(served):
    assert 0 < served.exposed <= 1.5


CREDENTIAL = block("agent.md", "LoadCredential=", "ini")


def load(served, credential, unit="sap-export"):
    """What a unit with that LoadCredential= finds."""
    machine = served.machine
    machine.write(f"/etc/systemd/system/{unit}.service",
                  "[Service]\nType=oneshot\nUser=partner\n"
                  f"LoadCredential={credential}:/run/keyturn/creds.sock\n"
                  "ExecStart=/bin/sh -c 'cat \"$CREDENTIALS_DIRECTORY\"/* "
                  ">/home/partner/found'\n")
    machine.run(f"systemctl daemon-reload; systemctl start {unit}")
    return machine.run("cat /home/partner/found; "
                       "rm /home/partner/found").stdout


def test_the_documents_unit_finds_the_password(served):
    machine = served.machine
    machine.write("/etc/systemd/system/sap-export.service", CREDENTIAL +
                  "Type=oneshot\nExecStart=/bin/sh -c "
                  "'cat \"$CREDENTIALS_DIRECTORY\"/* >/root/found'\n")
    machine.run("systemctl daemon-reload; systemctl start sap-export")
    assert machine.run("cat /root/found; rm /root/found").stdout == SECRET


def test_every_suffix_has_its_form_and_a_bare_name_is_the_password(served):
    assert load(served, "sap_engagement") == SECRET
    assert load(served, "sap_engagement.password") == SECRET
    assert load(served, "sap_engagement.pgpass") == \
        f"db.example.com:5432:shop:sap_engagement:{SECRET}\n"
    whole = json.loads(load(served, "sap_engagement.json"))
    assert whole["password"] == SECRET
    assert whole["username"] == "sap_engagement"


def test_an_unknown_suffix_is_named_in_the_log(served):
    assert load(served, "sap_engagement.txt") == ""
    assert ".txt" in served.machine.journal("keyturn-agent", 5)


def test_another_unit_finds_nothing(served):
    assert load(served, "sap_engagement.password", "another") == ""
    assert "not among the role's units" in \
        served.machine.journal("keyturn-agent", 5)


def test_the_cache_outlives_a_restart_and_ends_with_a_stop(served):
    machine = served.machine
    assert served.get() == SECRET
    served.vault.stop()
    try:
        machine.run("systemctl restart keyturn-agent")
        assert served.get() == SECRET
        # As after a crash.
        pid = machine.main_pid("keyturn-agent")
        machine.run("systemctl kill -s KILL keyturn-agent")
        wait_for(lambda: machine.main_pid("keyturn-agent") not in (0, pid),
                 "the restart")
        assert served.get() == SECRET
        assert int(machine.show("keyturn-agent", "NFileDescriptorStore")) > 0
        machine.run("systemctl stop keyturn-agent")
        served.get(expect=5)
    finally:
        served.vault.start()


def test_another_user_can_run_it_who_sees_no_file_of_keyturnds(served):
    """The last test: the machine stays so."""
    machine = served.machine
    machine.write("/etc/systemd/system/keyturn-agent.service.d/user.conf",
                  block("agent.md", "Setting it up", "ini", "User="))
    machine.run(block("agent.md", "Setting it up", "sh", "chown") +
                "systemctl daemon-reload; systemctl restart keyturn-agent")
    assert served.get() == SECRET
    pid = machine.main_pid("keyturn-agent")
    assert machine.run(f"stat -c %U /proc/{pid}").stdout == "keyturn-agent\n"
    assert machine.run("stat -c %U /var/lib/keyturn-agent "
                       "/var/lib/keyturn-agent/ledger.db").stdout \
        == "keyturn-agent\nkeyturn-agent\n"
    refused = machine.run("ls /var/lib/keyturn", user="keyturn-agent",
                          expect=None)
    assert refused.returncode != 0
    assert load(served, "sap_engagement") == SECRET
