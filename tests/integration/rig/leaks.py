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


def files_with(needles, files):
    """Those of the files that have any of the needles.  grep finds thousands
    of needles in one pass."""
    done = subprocess.run(["grep", "-a", "-F", "-l", "-f", "-", "--", *files],
                          input=b"\n".join(needles), capture_output=True,
                          env={"LC_ALL": "C", "PATH": os.environ["PATH"]})
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.decode().splitlines()


def search(files, secrets):
    """[(file, form)] of every hit.  secrets: {bytes: what it is}."""
    needles = {}
    for secret, what in secrets.items():
        for form, name in forms(secret).items():
            needles.setdefault(form, f"{what} ({name})")
    files = [f for f in files if os.path.isfile(f)]
    # What grep cannot be given on lines is looked for by hand.
    odd = {n for n in needles if b"\n" in n or b"\0" in n}
    plain = [n for n in needles if n not in odd]
    suspects = set()
    for i in range(0, len(files), 500):
        if plain:
            suspects.update(files_with(plain, files[i:i + 500]))
    hits = []
    for file in files:
        with open(file, "rb") as f:
            content = f.read()
        if file in suspects:
            hits += [(file, needles[n]) for n in plain if n in content]
        has_nul = b"\0" in content
        hits += [(file, needles[n]) for n in odd
                 if (has_nul or b"\0" not in n) and n in content]
    return hits
