"""Storage that speaks S3: three servers that others wrote, which agree on little beside the protocol.

moto keeps all services; nanio computes signatures itself and knows no conditional requests; localbucket
knows them, and looks at no signature.
"""

import os
import socket
import subprocess
import sys
import tempfile

from . import places
from .waiting import wait_until

KINDS = ["moto", "nanio", "localbucket"]
# Those that refuse to put an object that is there, when they are asked not to (If-None-Match).
CONDITIONAL = {"moto", "localbucket"}


class Objects:
    """nanio or localbucket, with a directory of its own."""

    def __init__(self, kind, ip, key, secret):
        self.port = places.free_port(ip)
        self._directory = tempfile.TemporaryDirectory(prefix=f"{kind}-")
        root, port = self._directory.name, str(self.port)
        arguments = {
            "nanio": ["serve", "--data-dir", root, "--host", ip, "--port", port, "--no-access-log"],
            "localbucket": [root, "--host", ip, "--port", port],
        }[kind]
        environment = {**os.environ, "NANIO_ACCESS_KEY": key, "NANIO_SECRET_KEY": secret}
        self._server = subprocess.Popen(
            [sys.executable, "-m", kind, *arguments], env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: self._is_up(ip), 60, f"{kind} answers")

    def _is_up(self, ip):
        assert self._server.poll() is None, "the storage ended"
        with socket.socket() as probe:
            return probe.connect_ex((ip, self.port)) == 0

    def stop(self):
        self._server.terminate()
        self._server.wait(20)
        self._directory.cleanup()
