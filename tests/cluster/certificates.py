"""A certificate authority for one run, and a certificate for this machine's loopback: made by openssl, not by us."""

import os
import pathlib
import subprocess

import install

DAYS = "2"


class Certificates:
    """Files in a folder: `ca`, `certificate` and `key` (PKCS #8, which every server here reads)."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ca, self.certificate, self.key = (self.folder / name for name in ("ca.pem", "server.pem", "server-key.pem"))
        # A certificate and its key in one file, as Kafka wants it.
        self.both = self.folder / "server-both.pem"
        ca_key = self.folder / "ca-key.pem"
        self.key_pair(ca_key)
        self.openssl("req", "-x509", "-new", "-key", ca_key, "-subj", "/CN=Tests of a cluster", "-days", DAYS, "-out", self.ca)
        self.key_pair(self.key)
        request, names = self.folder / "server.csr", self.folder / "names"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
        self.openssl("req", "-new", "-key", self.key, "-subj", "/CN=localhost", "-out", request)
        signs = ["-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", DAYS, "-extfile", names]
        self.openssl("x509", "-req", "-in", request, *signs, "-out", self.certificate)
        self.both.write_bytes(self.key.read_bytes() + self.certificate.read_bytes() + self.ca.read_bytes())
        self.both.chmod(0o600)

    def key_pair(self, path):
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
        path.chmod(0o600)

    @staticmethod
    def openssl(*words):
        command = [install.openssl(), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "RANDFILE": os.devnull})
        if done.returncode:
            raise install.Missing(f"{' '.join(command)}: {done.stderr}")
