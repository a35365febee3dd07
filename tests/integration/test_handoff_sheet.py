# SPDX-License-Identifier: PostgreSQL
"""The sheet that a partner's administrator is given with a new credential."""

import hashlib
import html.parser
import json
import ssl

import pytest

from test_alternating import pair  # noqa: F401  (a fixture)

SETTINGS = """handoff = manual
handoff_deadline = 14d
handoff_partner = sap-engagement-cloud
handoff_schema = sales
handoff_contact = Database team, +49 30 1234 <dba@example.com>
"""


class Words(html.parser.HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self, page):
        super().__init__()
        self.words, self.tags = [], set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.words.append(data)


def sheet(made, *argv):
    return json.loads(made.run("handoff", "sheet", "sap", "--format", "json",
                               *argv).out)


def test_it_names_the_user_of_the_current_password(pair):  # noqa: F811
    pair.configure(SETTINGS)
    new = sheet(pair)
    assert (new["user_now"], new["user_next"], new["prepared_at"]) == \
        (None, "sap_a", None)
    pair.run("rotate", "sap")
    first = sheet(pair)
    assert (first["user_now"], first["user_next"], first["user_before"]) == \
        ("sap_a", "sap_b", None)
    pair.run("rotate", "sap")
    second = sheet(pair)
    assert (second["user_now"], second["user_next"],
            second["user_before"]) == ("sap_b", "sap_a", "sap_a")
    assert second["version"] == pair.site.current().id
    assert (second["host"], second["port"], second["dbname"]) == \
        ("127.0.0.1", str(pair.site.server.port), pair.site.database)
    assert {f["label"]: f["value"] for f in second["form"]["fields"]}[
        "Connection parameter"] == "currentSchema=sales"
    assert second["deadline"] > second["prepared_at"]
    # What it says is what works.
    with pair.login((second["user_now"], pair.told()[1])) as c:
        c.execute(second["test_query"])
    pair.run("retire", "sap", "--reason", "T-1")
    assert sheet(pair)["user_before"] is None


def test_it_is_for_people_in_two_languages_and_has_no_password(
        pair):  # noqa: F811
    pair.configure(SETTINGS)
    pair.run("rotate", "sap")
    password = pair.told()[1]
    english = pair.run("handoff", "sheet", "sap").out
    german = pair.run("handoff", "sheet", "sap", "--lang", "de").out
    assert "User name now                       sap_a\n" in english
    assert "Benutzername jetzt                  sap_a\n" in german
    assert "dba@example.com" in english and password not in english + german
    page = pair.run("handoff", "sheet", "sap", "--format", "html", "--lang",
                    "de").out
    words = Words(page)
    assert any("<dba@example.com>" in w for w in words.words)
    assert "script" not in words.tags and "dba@example.com" not in words.tags
    assert password not in page


def test_the_root_comes_with_it(pair, tmp_path):  # noqa: F811
    pair.configure(SETTINGS)
    pair.run("rotate", "sap")
    root = tmp_path / "root.pem"
    told = sheet(pair, "--root", str(root))
    pem = root.read_text()
    der = ssl.PEM_cert_to_DER_cert(pem)
    assert told["root_sha256"].replace(":", "") == \
        hashlib.sha256(der).hexdigest().upper()
    assert told["root_file"] == "root.pem"
    with open(pair.site.server.client["sslrootcert"]) as f:
        assert ssl.PEM_cert_to_DER_cert(f.read()) == der
    # What is there is not written over, and then nothing is printed.
    again = pair.run("handoff", "sheet", "sap", "--root", str(root), expect=6)
    assert again.out == "" and "root.pem" in again.err


def test_one_role_needs_no_server_for_it(site):
    site.configure(role_settings="handoff_schema = sales\n")
    site.run("rotate", "sap", expect=0)
    site.configure(role_settings="handoff_schema = sales\n",
                   conninfo=site.conninfo(port=1))
    told = json.loads(site.run("handoff", "sheet", "sap", "--json",
                               expect=0).out)
    assert (told["strategy"], told["user_now"], told["user_next"]) == \
        ("single", "sap", None)


@pytest.mark.parametrize("argv, exit, says", [
    (["sheet"], 2, "sheet"),
    (["sheet", "nonsuch"], 2, "nonsuch"),
    (["sheet", "sap", "--format", "pdf"], 2,
     "there is no format pdf for a sheet: text, html, json"),
    (["sheet", "sap", "--format", "raw"], 2, "there is no format raw"),
    (["sheet", "sap", "--lang", "fr"], 2, "there is no language fr: en, de"),
    (["paper", "sap"], 2, "handoff takes one role name"),
    (["sheet", "sap", "sap"], 2, "handoff takes one role name"),
    ([], 2, "handoff takes one role name"),
])
def test_bad_input_is_one_clear_sentence(site, argv, exit, says):
    site.configure()
    done = site.run("handoff", *argv, expect=exit)
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert says in done.err


def test_a_sheet_of_a_rotation_that_is_not_finished_is_refused(
        pair):  # noqa: F811
    """It would name the user of a password that nobody is given."""
    pair.configure(SETTINGS)
    pair.run("rotate", "sap")
    pair.run("retire", "sap", "--reason", "T-1")
    before = pair.site.marker()["live_version"]
    pair.site.stop_before(
        lambda _: pair.site.marker()["live_version"] != before,
        "rotate", "sap").kill()
    done = pair.run("handoff", "sheet", "sap", expect=6)
    assert "keyturn recover sap finishes that first" in done.err
    pair.run("recover", "sap")
    assert sheet(pair)["user_now"] == "sap_b"
