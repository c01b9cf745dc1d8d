"""Collectors of HEP: a reader of our own, and Debian's kamailio, which Homer was built on."""

import json
import re
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path

from . import places
from .sipp import is_bound
from .waiting import wait_until


class Collector:
    """A UDP socket that reads HEP version 3."""

    def __init__(self, ip):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ip, 0))
        self._socket.settimeout(0.2)
        self.address = "{}:{}".format(*self._socket.getsockname())
        self.packets = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self):
        while not self._over.is_set():
            try:
                self.packets.append(chunks(self._socket.recv(65_535)))
            except TimeoutError:
                pass

    def also_over_tcp(self):
        """Listens at the same port for one connection."""
        listener = socket.create_server(self._socket.getsockname())
        listener.settimeout(30)

        def listen():
            with listener, listener.accept()[0] as stream, stream.makefile("rb") as octets:
                while head := octets.read(6):
                    length, = struct.unpack("!H", head[4:])
                    self.packets.append(chunks(head + octets.read(length - 6)))

        self._stream = threading.Thread(target=listen, daemon=True)
        self._stream.start()

    def of_kind(self, kind):
        return [packet for packet in self.packets if packet[11][0] == kind]

    def rtcp(self):
        """(Call-ID, source, destination, what is told) of each copy of RTCP."""
        return [(packet[17].decode(), _end(packet, 3, 7), _end(packet, 4, 8), json.loads(packet[15]))
                for packet in self.of_kind(5)]

    def stop(self):
        self._over.set()
        self._thread.join()
        self._socket.close()


def _end(packet, address, port):
    return socket.inet_ntoa(packet[address]), struct.unpack("!H", packet[port])[0]


def chunks(packet):
    magic, length = struct.unpack("!4sH", packet[:6])
    assert magic == b"HEP3" and length == len(packet)
    found, rest = {}, packet[6:]
    while rest:
        vendor, kind, length = struct.unpack("!HHH", rest[:6])
        assert vendor == 0 and kind not in found
        found[kind] = rest[6:length]
        rest = rest[length:]
    return found


_CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=1
disable_tcp=yes
listen=udp:{address}
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "db_text.so"
loadmodule "sipcapture.so"
modparam("xlog", "buf_size", 65536)
modparam("sipcapture", "db_url", "text://{database}")
modparam("sipcapture", "hep_capture_on", 1)
modparam("sipcapture", "nonsip_hook", 1)
event_route[sipcapture:request] {{
    xlog("L_WARN", "HEP $hep(0x00b)|$hep(0x003)|$hep(0x007)|$hep(0x004)|$hep(0x008)|$hep(0x011)|$hep(0x00f)\\n");
    drop;
}}
request_route {{
    drop;
}}
"""
class KamailioCollector:
    """A running kamailio that writes down what it reads of HEP over UDP. With `stream`, what comes over one
    TCP connection is cut into packets before, and given to it; with `pair` too under TLS, from holders of
    a certificate of `authority` alone where `demands` says so."""

    def __init__(self, directory, ip, stream=False, pair=None, authority=None, demands=False):
        self.ip, self.port = ip, places.free_port(ip)
        self.address = f"{ip}:{self.port}"
        self._stem = Path(directory) / f"collector-{self.port}"
        self._stem.mkdir()
        file = self._stem / "kamailio.cfg"
        file.write_text(_CONFIG.format(address=self.address, database=self._stem))
        self._log = (self._stem / "log").open("w")
        self._process = subprocess.Popen(
            ["kamailio", "-DD", "-E", "-f", str(file), "-Y", str(self._stem), "-m", "64", "-M", "8",
             "-P", str(self._stem / "pid")],
            cwd=self._stem, stdout=self._log, stderr=subprocess.STDOUT)
        wait_until(lambda: is_bound("udp", ip, self.port) or self._process.poll() is not None, 15,
                   lambda: f"kamailio listens: {self.log()[-2_000:]}")
        assert self._process.poll() is None, self.log()[-2_000:]
        if stream:
            context = pair and _context(pair, authority, demands)
            listener = socket.create_server((ip, self.port))
            listener.settimeout(30)
            threading.Thread(target=self._cut, args=(listener, context), daemon=True).start()

    def _cut(self, listener, context):
        with listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            plain, _ = listener.accept()
            try:
                stream = context.wrap_socket(plain, server_side=True) if context else plain
            except OSError:
                return
            with stream, stream.makefile("rb") as octets:
                while head := octets.read(6):
                    length, = struct.unpack("!4xH", head)
                    out.sendto(head + octets.read(length - 6), (self.ip, self.port))

    def log(self):
        return (self._stem / "log").read_text(errors="replace")

    def read(self):
        """(kind, source, destination, correlation, payload) of each packet."""
        lines = re.findall(r"HEP (\d+)\|([\d.]+)\|(\d+)\|([\d.]+)\|(\d+)\|([^|]*)\|(.*)", self.log())
        return [(int(kind), (source, int(source_port)), (destination, int(destination_port)), correlation,
                 payload)
                for kind, source, source_port, destination, destination_port, correlation, payload in lines]

    def rtcp(self):
        """(Call-ID, source, destination, what is told) of each copy of RTCP."""
        return [(correlation, source, destination, json.loads(payload))
                for kind, source, destination, correlation, payload in self.read() if kind == 5]

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._log.close()


def _context(pair, authority, demands):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED if demands else ssl.CERT_NONE
    return context
