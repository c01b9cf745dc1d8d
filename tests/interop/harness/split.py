"""An edge and its relay as two processes, each with a certificate that the other knows."""

import hashlib
import ssl
import subprocess

from . import places
from .configuration import Configuration
from .edge import Edge
from .tls import Pair
from .waiting import wait_until


def certificate(directory, name):
    """A self-signed pair."""
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", pair.key, "-out",
                    pair.certificate, "-days", "10", "-subj", f"/CN={name}"],
                   check=True, capture_output=True)
    return pair


def fingerprint(pair):
    der = ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())
    return hashlib.sha256(der).hexdigest()


class Split:
    """Stands in for a stage's single process: `start_edge` starts the relay too."""

    def __init__(self, stage):
        self.stage = stage
        self.directory = stage.directory
        self.pairs = {name: certificate(stage.directory, name) for name in ("edge", "relay")}
        self.port = places.free_port(places.RELAY)
        address = f"{places.RELAY}:{self.port}"
        heartbeat = {"heartbeat": "100ms", "heartbeat_timeout": "2s"}
        self.relay_configuration = Configuration(stage.directory / "relay-data")
        self.relay_configuration.name = "relay-t"
        self.relay_configuration.host = places.RELAY
        self.relay_configuration.relay_control = {
            "listen": address, **self._pair("relay"),
            "fingerprints": fingerprint(self.pairs["edge"]), "orphan_timeout": "30s", **heartbeat}
        stage.configuration.relay_control = {
            "relays": [address], **self._pair("edge"),
            "fingerprints": fingerprint(self.pairs["relay"]), **heartbeat}
        stage.start_edge = self.start_both
        self.relay = None

    def _pair(self, name):
        pair = self.pairs[name]
        return {"certificate": str(pair.certificate), "key": str(pair.key)}

    def start_relay(self):
        self.relay = Edge(self.relay_configuration, self.directory, role="relay")
        return self.relay

    def start_edge(self):
        self.stage.edge = Edge(self.stage.configuration, self.directory, role="edge")
        return self.stage.edge

    def start_both(self):
        self.start_relay()
        edge = self.start_edge()
        self.wait_connected()
        return edge

    def wait_connected(self, up=1):
        self.stage.edge.wait_metric("tandem_relay_link_up", up, 10)

    def relay_ports(self):
        return self.relay.metric("tandem_relay_ports", state="used")

    def wait_free(self):
        """Until the relay has no port in use."""
        wait_until(lambda: self.relay_ports() == 0, 10,
                   lambda: f"no port in use; there are {self.relay_ports()}")
