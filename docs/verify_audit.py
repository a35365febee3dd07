#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Verify an exported audit trail without keyturn.

usage: verify_audit.py PUBLIC-KEY [EXPORT]

PUBLIC-KEY is a copy of audit.key.pub; EXPORT is what `keyturn audit export`
printed (default: standard input).  Needs Python 3.8 and the openssl command.
Exit status 0: chain and signatures verify.  1: the first bad line is named.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile

EVENT = re.compile(rb'(\{.*),"seq":(\d+),"prev":"([0-9a-f]{64})",'
                   rb'"hash":"([0-9a-f]{64})"\}')


def bad(number, sentence):
    sys.exit(f"line {number}: {sentence}")


def signed(public_key, message, signature):
    """Is this an Ed25519 signature of the message?"""
    with tempfile.NamedTemporaryFile() as m, \
            tempfile.NamedTemporaryFile() as s:
        m.write(message)
        m.flush()
        s.write(signature)
        s.flush()
        return subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public_key,
             "-rawin", "-in", m.name, "-sigfile", s.name],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ).returncode == 0


def verify(public_key, lines):
    seq, head, checkpoints, covered = 0, "0" * 64, 0, 0
    for number, line in enumerate(lines, 1):
        line = line.rstrip(b"\n")
        found = EVENT.fullmatch(line)
        if found:
            # What was hashed: 0x01, the hash before, and the event's body.
            digest = hashlib.sha256(b"\x01" + bytes.fromhex(head)
                                    + found[1] + b"}").hexdigest()
            if int(found[2]) != seq + 1:
                bad(number, f"event {seq + 1} is missing")
            if found[3].decode() != head or found[4].decode() != digest:
                bad(number, f"event {seq + 1} was altered")
            json.loads(line)
            seq, head = seq + 1, digest
            continue
        try:
            c = json.loads(line)
            at, named, digest = c["at"], int(c["checkpoint"]), c["hash"]
            signature = base64.b64decode(c["signature"])
        except (ValueError, KeyError, TypeError):
            bad(number, "is neither an event nor a checkpoint")
        message = f"keyturn audit checkpoint 1\n{named}\n{digest}\n{at}\n"
        if named != seq or digest != head:
            bad(number, f"the checkpoint names another event {named}")
        if not signed(public_key, message.encode(), signature):
            bad(number, "the checkpoint is not signed by this key")
        checkpoints, covered = checkpoints + 1, seq
    print(f"{seq} events and {checkpoints} checkpoints verify, "
          f"{seq - covered} events after the last checkpoint, head {head}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    if len(sys.argv) == 3:
        with open(sys.argv[2], "rb") as f:
            verify(sys.argv[1], f.readlines())
    else:
        verify(sys.argv[1], sys.stdin.buffer.readlines())
