"""Certificates by OpenSSL, TLS connections and a TLS server for tests."""

import os
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from . import places


@dataclass
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path

    def become(self, other):
        """Takes the content of another pair, as an operator's renewal does."""
        for ours, theirs in ((self.key, other.key), (self.certificate, other.certificate)):
            fresh = ours.with_suffix(ours.suffix + ".new")
            fresh.write_bytes(theirs.read_bytes())
            os.replace(fresh, ours)


class Authority:
    """Signs certificates that are valid for ten days."""

    def __init__(self, directory, name="test"):
        self._directory = Path(directory)
        self.certificate = self._directory / "ca.pem"
        self._key = self._directory / "ca.key"
        _openssl("req", "-x509", *_key_options(self._key), "-days", "10", "-subj", f"/CN={name}",
                 "-out", self.certificate, "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name, *more, common_name=None):
        """For a DNS name; `more` are further names such as `IP:127.0.0.3`."""
        names = ",".join([f"DNS:{name}", *more])
        return self._sign(name, common_name or name, ["-addext", f"subjectAltName={names}"])

    def issue_bare(self, name):
        """With a common name and no alternative ones, as they were before 2000."""
        return self._sign(f"bare.{name}", name, [])

    def _sign(self, file, name, extensions):
        stem = self._directory / file
        pair = Pair(stem.with_suffix(".leaf.pem"), stem.with_suffix(".leaf.key"))
        _openssl("req", "-x509", *_key_options(pair.key), "-days", "10", "-subj", f"/CN={name}",
                 "-CA", self.certificate, "-CAkey", self._key, "-out", pair.certificate,
                 *extensions, "-addext", "basicConstraints=critical,CA:FALSE")
        return pair


def _key_options(key):
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key]


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def context(pair=None):
    """A client's context that takes any certificate and shows `pair`."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if pair:
        made.load_cert_chain(pair.certificate, pair.key)
    return made


def server_context(pair):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.certificate, pair.key)
    return made


def connect(ip, port, pair=None, source=places.PBX, source_port=0):
    plain = socket.create_connection((ip, port), 10, (source, source_port))
    return context(pair).wrap_socket(plain)


class Server:
    """Takes TLS connections and keeps them; it says nothing."""

    def __init__(self, ip, pair):
        self.port = places.free_port(ip)
        self._context = server_context(pair)
        self._listener = socket.create_server((ip, self.port))
        self._kept = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                self._kept.append(self._context.wrap_socket(plain, server_side=True))
            except (ssl.SSLError, OSError):
                plain.close()

    def stop(self):
        self._listener.close()
        for connection in self._kept:
            connection.close()
