# SPDX-License-Identifier: PostgreSQL
"""The search for secrets: every password a test ever used, in every form it
could have been written in, in every place it must not be."""

import base64
import json
import os
import subprocess
import urllib.parse


def base64_cores(secret, alphabet=base64.b64encode):
    """What base64 of any text that contains the secret must contain."""
    for shift in range(3):
        coded = alphabet(b"\0" * shift + secret)
        first = (0, 2, 3)[shift]
        last = (shift + len(secret)) * 8 // 6
        yield coded[first:last]


def forms(secret):
    """The secret as it might be written: {bytes: name of the form}."""
    half = len(secret) // 2
    found = {
        secret: "raw",
        secret[:half]: "first half",
        secret[half:]: "second half",
        secret.hex().encode(): "hex",
        secret.hex().upper().encode(): "HEX",
        secret[::-1]: "reversed",
        urllib.parse.quote_from_bytes(secret, safe="").encode(): "URL",
        b"%" + secret.hex("%").encode(): "URL, every byte",
        json.dumps(secret.decode("utf-8", "replace"))[1:-1].encode(): "JSON",
        secret.decode("utf-8", "replace").encode("utf-16-le"): "UTF-16",
    }
    for core in base64_cores(secret):
        found.setdefault(core, "base64")
    for core in base64_cores(secret, base64.urlsafe_b64encode):
        found.setdefault(core, "base64url")
    return {form: name for form, name in found.items() if len(form) >= 8}


def search(files, secrets):
    """[(file, form)] of every hit.  secrets: {bytes: what it is}."""
    needles = {}
    for secret, what in secrets.items():
        for form, name in forms(secret).items():
            needles.setdefault(form, f"{what} ({name})")
    hits = []
    if not needles:
        return hits
    # grep finds thousands of needles in one pass; UTF-16 has NULs and newlines
    # may be in no needle, so the few others are looked for by hand.
    easy = [n for n in needles if b"\n" not in n and b"\0" not in n]
    hard = [n for n in needles if b"\n" in n or b"\0" in n]
    for file in files:
        if not os.path.isfile(file):
            continue
        done = subprocess.run(["grep", "-a", "-F", "-q", "-f", "-", "--",
                               file], input=b"\n".join(easy),
                              env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
                              capture_output=True)
        assert done.returncode in (0, 1), done.stderr
        with open(file, "rb") as f:
            content = f.read() if done.returncode == 0 or hard else b""
        hits += [(file, needles[n]) for n in hard if n in content]
        if done.returncode == 0:
            hits += [(file, needles[n]) for n in easy if n in content]
    return hits
