# SPDX-License-Identifier: PostgreSQL
"""The password on its way to the partner: encrypted for its administrators, or on a
terminal.  The partner is played with openssl, a mail program's parser and psycopg."""

import contextlib
import datetime
import email
import email.policy
import json
import os
import pty
import re
import select
import signal
import sqlite3
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rig.server import wait_for
from test_alternating import NOT_PERMITTED, pair  # noqa: F401
from test_handoff import (MANUAL, hook, manual, reached, told,  # noqa: F401
                          trail)
from test_retire import session

KEYS = {}
DAY = datetime.timedelta(days=1)


def key_of(kind):
    if kind not in KEYS:
        KEYS[kind] = {
            "rsa": lambda: rsa.generate_private_key(65537, 2048),
            "weak": lambda: rsa.generate_private_key(65537, 1024),
            "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
            "k1": lambda: ec.generate_private_key(ec.SECP256K1()),
            "ed": ed25519.Ed25519PrivateKey.generate,
        }[kind]()
    return KEYS[kind]


class Partner:
    """An administrator at the partner's, with a certificate."""

    def __init__(self, folder, name, kind="rsa", begins=-1, ends=30,
                 extensions=()):
        self.key = os.path.join(folder, name + ".key")
        self.cert = os.path.join(folder, name + ".pem")
        key = key_of(kind)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME,
                                                name)])
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(subject) \
            .issuer_name(subject).public_key(key.public_key()) \
            .serial_number(x509.random_serial_number()) \
            .not_valid_before(now + begins * DAY) \
            .not_valid_after(now + ends * DAY)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        made = builder.sign(key, None if kind == "ed" else hashes.SHA256())
        self.print = made.fingerprint(hashes.SHA256()).hex().upper()
        with open(self.cert, "wb") as f:
            f.write(made.public_bytes(serialization.Encoding.PEM))
        with open(self.key, "wb") as f:
            f.write(key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption()))

    def opens(self, message):
        """What it says, by `openssl cms`: a dict."""
        done = subprocess.run(
            ["openssl", "cms", "-decrypt", "-text", "-recip", self.cert,
             "-inkey", self.key], input=message, capture_output=True)
        assert done.returncode == 0, done.stderr
        return dict(line.split(": ", 1)
                    for line in done.stdout.decode().splitlines())


def usage(**given):
    names = ("digital_signature", "content_commitment", "key_encipherment",
             "data_encipherment", "key_agreement", "key_cert_sign",
             "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{n: given.get(n, False) for n in names})


def structure(message):
    """openssl's words for the message's parts."""
    return subprocess.run(["openssl", "cms", "-cmsout", "-print", "-noout"],
                          input=message, capture_output=True,
                          check=True).stdout.decode()


# ---- the whole story ---------------------------------------------------------------


def test_a_partner_from_the_rotation_to_the_end_of_the_old_password(
        manual, hook, tmp_path):  # noqa: F811
    made = manual("handoff_partner = sap-engagement-cloud\n")
    version = made.site.current().id
    ito = Partner(str(tmp_path), "ito")
    file = str(tmp_path / "sap.eml")
    # The operator sends the sheet and the message.
    sheet = json.loads(made.run("handoff", "sheet", "sap", "--json").out)
    made.run("handoff", "offer", "sap", "--to", ito.cert, "--out", file)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    with open(file, "rb") as f:
        message = f.read()
    # The partner opens it, and types it in.
    got = ito.opens(message)
    assert (got["user"], got["host"], got["port"], got["database"],
            got["version"]) == (sheet["user_now"], sheet["host"],
                                sheet["port"], sheet["dbname"], version)
    with session(made, (got["user"], got["password"]), "etl") as c:
        c.execute(sheet["test_query"])
        made.run("adoption", "--look")
    made.run("handoff", "confirm", "sap")
    made.run("retire", "sap")
    made.refused(made.first, NOT_PERMITTED)
    assert made.works((got["user"], got["password"]))
    # All of it is written down.
    assert trail(made, version) == [
        ("prepared", "rotate"), ("offered", "cms"), ("seen", "session"),
        ("confirmed", "command"), ("retired", "retire")]
    assert reached(made) == ["prepared", "offered", "seen", "confirmed",
                             "retired"]
    assert [e["state"] for e in hook.events() if e["event"] == "handoff"
            and e["version"] == version] == [s for s, _ in
                                             trail(made, version)]
    handout, = [e for e in made.site.audit() if e.get("kind") == "handout"]
    assert handout["recipient"].replace(":", "") == "sha256" + ito.print
    assert (handout["label"], handout["version"]) == ("current", version)
    assert "CN=ito" in handout["detail"]
    made.run("audit", "verify")


# ---- the message ---------------------------------------------------------------------


def test_each_of_several_opens_it_and_nobody_else(
        manual, tmp_path):  # noqa: F811
    made = manual(rotations=1)
    ito = Partner(str(tmp_path), "ito")
    roe = Partner(str(tmp_path), "roe", "ec", extensions=[
        usage(key_agreement=True), x509.ExtendedKeyUsage(
            [x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])])
    message = made.run("handoff", "offer", "sap", "--to", ito.cert, "--to",
                       roe.cert).out.encode()
    password = made.told()[1]
    assert ito.opens(message)["password"] == password
    assert roe.opens(message)["password"] == password
    assert password.encode() not in message
    other = Partner(str(tmp_path), "other")
    KEYS.pop("rsa")
    other = Partner(str(tmp_path), "other")
    with pytest.raises(AssertionError):
        other.opens(message)
    parts = structure(message)
    assert "aes-256-cbc" in parts and "rsaesOaep" in parts
    assert "dhSinglePass-stdDH-sha256kdf-scheme" in parts
    assert "sha1" not in parts.lower().replace("sha1withrsa", "")
    assert sum(e.get("kind") == "handout" and "recipient" in e
               for e in made.site.audit()) == 2


def test_a_mail_program_takes_it_for_an_encrypted_message(
        manual, tmp_path):  # noqa: F811
    made = manual(rotations=1)
    ito = Partner(str(tmp_path), "ito")
    message = made.run("handoff", "offer", "sap", "--to", ito.cert).out
    mail = email.message_from_string(message, policy=email.policy.default)
    assert not mail.defects
    assert mail["Subject"] == "database credential of sap"
    assert mail["MIME-Version"] == "1.0"
    assert mail.get_content_type() == "application/pkcs7-mime"
    assert mail["Content-Type"].params["smime-type"] == "enveloped-data"
    assert mail.get_filename() == "smime.p7m"
    assert mail.get_content()[:1] == b"\x30"  # DER


# ---- certificates ----------------------------------------------------------------------


BAD = {
    "ended": (dict(begins=-30, ends=-1), "the certificate has ended"),
    "early": (dict(begins=1), "the certificate is not valid yet"),
    "weak": (dict(kind="weak"), "its RSA key is too weak"),
    "curve": (dict(kind="k1"), "its curve is not one of P-256, P-384 and P-521"),
    "signs": (dict(kind="ed"), "its key takes no messages"),
    "usage": (dict(extensions=[usage(digital_signature=True)]),
              "the certificate is for another use: its key usage"),
    "server": (dict(extensions=[x509.ExtendedKeyUsage(
        [x509.ExtendedKeyUsageOID.SERVER_AUTH])]),
        "the certificate is for another use: its extended key usage"),
}


def test_a_bad_certificate_is_one_clear_sentence_and_nothing_is_written(
        manual, tmp_path):  # noqa: F811
    made = manual(rotations=1)
    good = Partner(str(tmp_path), "good")
    bad = {name: (Partner(str(tmp_path), name, **how).cert, says)
           for name, (how, says) in BAD.items()}
    none = tmp_path / "none.pem"
    none.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n"
                    "-----END CERTIFICATE-----\n")
    both = tmp_path / "both.pem"
    both.write_text(open(good.cert).read() * 2)
    private = tmp_path / "private.pem"
    private.write_text(open(good.cert).read() + open(good.key).read())
    bad["none"] = (str(none), "there is no certificate (PEM) in it")
    bad["both"] = (str(both), "there are several certificates in it")
    bad["private"] = (str(private), "there is a private key in it")
    bad["missing"] = (str(tmp_path / "missing.pem"), "missing.pem")
    bad["folder"] = (str(tmp_path), str(tmp_path))
    out = str(tmp_path / "sap.eml")
    for name, (cert, says) in bad.items():
        for to in (["--to", cert], ["--to", good.cert, "--to", cert],
                   ["--to", cert, "--to", good.cert]):
            done = made.run("handoff", "offer", "sap", *to, "--out", out,
                            expect=6)
            assert says in done.err and cert in done.err, (name, done.err)
            assert done.err.count("\n") == 1 and done.out == ""
            assert not os.path.exists(out)
    assert "offered" not in reached(made)
    assert "handout" not in made.site.kinds()


@pytest.mark.parametrize("argv, exit, says", [
    ([], 2, "handoff offer takes --to CERT.pem, or --show on a terminal"),
    (["--show"], 6, "this is not a terminal"),
    (["--show", "--to", "x"], 2, "handoff offer takes --to CERT.pem, or"),
    (["--show", "--out", "x"], 2, "--show writes no file"),
    (["--to", "x"] * 17, 2, "more than 16 times --to"),
    (["--to", "x", "--lang", "de"], 2, "does not take --lang"),
])
def test_bad_input_offers_nothing(manual, argv, exit, says):  # noqa: F811
    made = manual(rotations=1)
    done = made.run("handoff", "offer", "sap", *argv, expect=exit)
    assert says in done.err and done.err.count("\n") == 1
    assert done.out == "" and "handout" not in made.site.kinds()


def test_what_is_there_is_not_written_over(manual, tmp_path):  # noqa: F811
    made = manual(rotations=1)
    ito = Partner(str(tmp_path), "ito")
    out = tmp_path / "sap.eml"
    out.write_text("mine")
    done = made.run("handoff", "offer", "sap", "--to", ito.cert, "--out",
                    str(out), expect=6)
    assert "is there already" in done.err and out.read_text() == "mine"
    assert "handout" not in made.site.kinds()


def test_a_role_that_is_not_handed_off_has_no_offer(site, tmp_path):
    ito = Partner(str(tmp_path), "ito")
    site.configure()
    site.run("rotate", "sap", expect=0)
    assert "that takes handoff = manual" in site.run(
        "handoff", "offer", "sap", "--to", ito.cert, expect=6).err
    site.configure(role_settings=MANUAL, roles=("sap", "other"))
    assert "has no password yet" in site.run(
        "handoff", "offer", "other", "--to", ito.cert, expect=6).err


def test_a_ledger_of_before_offers_nothing(manual, tmp_path):  # noqa: F811
    """It would call the new password by the old version."""
    made = manual(rotations=1)
    ito = Partner(str(tmp_path), "ito")
    ledger = os.path.join(made.site.state, "ledger.db")
    kept = tmp_path / "ledger.db"
    with contextlib.closing(sqlite3.connect(ledger)) as now, \
            contextlib.closing(sqlite3.connect(kept)) as backup:
        now.backup(backup)
    made.run("rotate", "sap")
    with contextlib.closing(sqlite3.connect(ledger)) as now, \
            contextlib.closing(sqlite3.connect(kept)) as backup:
        backup.backup(now)
    done = made.run("handoff", "offer", "sap", "--to", ito.cert, expect=6)
    assert "the store's current version is another one than the ledger's; " \
        "keyturn recover sap" in done.err
    assert done.out == "" and "handout" not in made.site.kinds()


def test_where_nothing_can_be_recorded_nothing_is_offered(
        manual, tmp_path):  # noqa: F811
    made = manual(rotations=1)
    ito = Partner(str(tmp_path), "ito")
    ledger = sqlite3.connect(os.path.join(made.site.state, "ledger.db"),
                             isolation_level=None)
    ledger.execute("begin immediate")
    done = made.run("handoff", "offer", "sap", "--to", ito.cert, expect=14)
    assert done.out == ""
    ledger.close()
    assert "handout" not in made.site.kinds()


# ---- a terminal -------------------------------------------------------------------------


@pytest.mark.parametrize("key", [b"\n", b"\x03", b"\x1a", signal.SIGTERM,
                                 signal.SIGHUP],
                         ids=["enter", "ctrl-c", "ctrl-z", "term", "hup"])
def test_on_a_terminal_it_is_shown_until_enter(manual, key):  # noqa: F811
    made = manual(rotations=1)
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(made.site.binary, [
            made.site.binary, "--config", made.site.configuration, "handoff",
            "offer", "sap", "--show"])
    seen = b""

    def reads():
        nonlocal seen
        while select.select([fd], [], [], 0)[0]:
            try:
                piece = os.read(fd, 4096)
            except OSError:
                return True
            if not piece:
                return True
            seen += piece
        return b"Press Enter" in seen
    wait_for(reads, "the credential")
    user, password = made.told()
    shown = seen.decode()
    assert f"user: {user}\r" in shown and f"password: {password}\r" in shown
    # On a screen of its own, which is left.
    assert shown.index("\x1b[?1049h") < shown.index(password)
    assert "\x1b[?1049l" not in shown
    # It is recorded before it is shown.
    assert reached(made)[:3] == ["prepared", "offered", "fetched"]
    # Whoever ends it otherwise leaves nothing on the screen, too.
    os.write(fd, key) if isinstance(key, bytes) else os.kill(pid, key)
    wait_for(lambda: reads() and b"\x1b[?1049l" in seen, "the end")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(fd)
    assert told(made)["states"]["fetched"]["source"] == "terminal"
    assert re.search("shown on a terminal", json.dumps(made.site.audit()))
