#!/usr/bin/env python3
"""TLS beside Kamailio: CPU per handshake, and CPU per call over one TLS connection."""

import argparse
import json
import re
import socket
import ssl
import statistics
import subprocess
import tempfile
from pathlib import Path

import sipp
from processes import Server

HERE = Path(__file__).parent
SERVER = ("127.0.0.1", 5061)
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
# Calls under way at a time.
WINDOW = 20


def context(version=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def handshake(made):
    with socket.create_connection(SERVER, 10) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A new connection without a kept ticket is a full handshake.
        with made.wrap_socket(plain) as secure:
            return secure.cipher()[0]


def handshakes_a_core(server, version, count):
    made = context(version)
    for _ in range(50):
        cipher = handshake(made)
    before = server.cpu_seconds()
    for _ in range(count):
        handshake(made)
    return count / (server.cpu_seconds() - before), cipher


class Caller:
    """Calls over one TLS connection, a bounded number at a time."""

    def __init__(self):
        plain = socket.create_connection(SERVER, 10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = context().wrap_socket(plain)
        self.host, self.port = self.stream.getsockname()
        self.buffer = b""
        self.begun = 0

    def send(self, method, number, target, to, routes=(), cseq=1, body=""):
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/TLS {self.host}:{self.port};branch=z9hG4bK{number}{method}{cseq};rport",
            *(f"Route: {route}" for route in routes),
            "Max-Forwards: 70",
            f"From: <sip:+12065550100@{sipp.CONNECTOR}>;tag=t{number}",
            f"To: {to}",
            f"Call-ID: tls-{id(self)}-{number}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:caller@{self.host}:{self.port};transport=tls>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self.stream.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def begin(self):
        self.begun += 1
        target = f"sip:+12065550123@{sipp.CONNECTOR}"
        body = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n")
        self.send("INVITE", self.begun, target, f"<{target}>", body=body)

    def messages(self):
        """Complete messages, one after the other."""
        while True:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if end:
                length = int(re.search(rb"(?im)^content-length:\s*(\d+)", head).group(1))
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    yield head.decode()
                    continue
            octets = self.stream.recv(65_536)
            if not octets:
                raise SystemExit("the server closed the connection")
            self.buffer += octets

    def run(self, calls):
        """Places `calls` calls; returns how many were answered and hung up."""
        self.stream.settimeout(20)
        for _ in range(min(WINDOW, calls)):
            self.begin()
        last, over, good = self.begun - min(WINDOW, calls) + calls, 0, 0
        for head in self.messages():
            status = int(head.split(" ", 2)[1])
            if status < 200:
                continue
            number = int(value(head, "Call-ID")[0].rsplit("-", 1)[1])
            cseq = value(head, "CSeq")[0]
            if cseq.endswith("INVITE") and status == 200:
                target = re.search(r"<([^>]*)>", value(head, "Contact")[0]).group(1)
                routes = [part.strip() for line in value(head, "Record-Route")
                          for part in line.split(",")][::-1]
                to = value(head, "To")[0]
                self.send("ACK", number, target, to, routes)
                self.send("BYE", number, target, to, routes, 2)
                continue
            over += 1
            good += status == 200 and cseq.endswith("BYE")
            if over == calls:
                return good
            if self.begun < last:
                self.begin()


def value(head, name):
    return re.findall(rf"(?im)^{name}\s*:\s*(.*?)\s*$", head)


def cpu_a_call(server, calls):
    caller = Caller()
    caller.run(200)
    before = server.cpu_seconds()
    good = caller.run(calls)
    used = server.cpu_seconds() - before
    if good != calls:
        print(f"  {server.name}: only {good} of {calls} calls were good")
    return used / max(good, 1) * 1e6


def make_pair(directory):
    certificate, key = directory / "edge.pem", directory / "edge.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "10", "-subj", "/CN=bench"],
        check=True, capture_output=True)
    key.chmod(0o644)
    config = directory / "tls.cfg"
    config.write_text("[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\n"
                      f"require_certificate = no\nprivate_key = {key}\n"
                      f"certificate = {certificate}\n")
    return certificate, key, config


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binaries", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    arguments.add_argument("--handshakes", type=int, default=2_000)
    arguments.add_argument("--calls", type=int, default=4_000)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-tls-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        certificate, key, config = make_pair(directory)
        kamailio = (HERE / "configs/kamailio.cfg").read_text().replace("TLS_CONFIG", str(config))
        file = directory / "kamailio.cfg"
        file.write_text(kamailio)
        servers = {
            "kamailio": [["kamailio", "-f", str(file), "-A", "WITH_TLS", "-DD", "-E",
                          "-m", "512", "-M", "32", "-w", str(directory)]],
            "tandem, no relay": [[str(chosen.binaries / "signalling-only"), str(certificate),
                                  str(key)]],
        }
        rows = {name: {} for name in servers}
        for _ in range(chosen.rounds):
            for name, commands in servers.items():
                with Server(name, commands, directory) as server, sipp.Callee(directory):
                    measure(server, chosen, rows[name])
    figures = {name: {what: statistics.median(values) for what, values in row.items()}
               for name, row in rows.items()}
    chosen.output.write_text(json.dumps(figures, indent=2) + "\n")
    show(figures)


def measure(server, chosen, row):
    for version, number in VERSIONS.items():
        rate, cipher = handshakes_a_core(server, number, chosen.handshakes)
        print(f"  {server.name}: {version} {cipher}, {rate:.0f} handshakes/s and core", flush=True)
        row.setdefault(f"{version} handshakes/s and core", []).append(rate)
    used = cpu_a_call(server, chosen.calls)
    print(f"  {server.name}: {used:.0f} µs a call", flush=True)
    row.setdefault("CPU µs a call", []).append(used)
    row.setdefault("calls/s and core", []).append(1e6 / used)


def show(figures):
    peer = figures["kamailio"]
    print(f"\n| | {' | '.join(peer)} |\n|{'---|' * (len(peer) + 1)}")
    for name, row in figures.items():
        cells = (f"{row[what]:,.0f} ({row[what] / peer[what]:.2f}x)" for what in peer)
        print(f"| {name} | {' | '.join(cells)} |")


main()
