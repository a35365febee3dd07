# SPDX-License-Identifier: PostgreSQL
"""A test CA, made with the openssl command, whose certificates pass RFC 5280's
rules, which Python 3.13 asks for; must never sign for anything but a loopback
name."""

import os
import subprocess

CONFIG = """
[ca]
default_ca = test
[test]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
copy_extensions = copy
x509_extensions = leaf
unique_subject = no
[any]
commonName = supplied
[leaf]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Authority:
    def __init__(self, folder, name="keyturn test CA", days="3650"):
        self.folder = folder
        os.makedirs(folder)
        self.certificate = os.path.join(folder, "ca.pem")
        self._key = os.path.join(folder, "ca.key")
        self._config = os.path.join(folder, "ca.cnf")
        self._write("ca.cnf", CONFIG.format(folder=folder))
        self._write("index.txt", "")
        self._write("serial", "01\n")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-days", days,
                      "-subj", "/CN=" + name, "-addext",
                      "keyUsage=critical,keyCertSign,cRLSign",
                      "-keyout", self._key, "-out", self.certificate)

    def _write(self, name, content):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(content)

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def issue(self, name, hosts=("DNS:localhost", "IP:127.0.0.1", "IP:::1"),
              begins="20200101000000Z", ends="20990101000000Z"):
        """A server certificate: (certificate file, key file).  `ends` in the
        past makes an expired one, other `hosts` one for somebody else."""
        base = os.path.join(self.folder, name)
        self._openssl("req", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-subj",
                      "/CN=" + name, "-addext",
                      "subjectAltName=" + ",".join(hosts),
                      "-keyout", base + ".key", "-out", base + ".csr")
        self._openssl("ca", "-batch", "-notext", "-config", self._config,
                      "-cert", self.certificate, "-keyfile", self._key,
                      "-startdate", begins, "-enddate", ends,
                      "-in", base + ".csr", "-out", base + ".pem")
        return base + ".pem", base + ".key"
