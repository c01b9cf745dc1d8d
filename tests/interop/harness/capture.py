"""Recordings of `tandem relay`: capture files, as tshark reads them, and what is written beside."""

import json
import shutil
import struct
import subprocess
from pathlib import Path

from . import tones


class Recordings:
    """The files of a directory."""

    def __init__(self, directory):
        self.directory = Path(directory)

    def names(self):
        return sorted(file.stem for file in self.directory.glob("*.pcap"))

    def notes(self, name):
        return json.loads((self.directory / f"{name}.json").read_text())

    def packets(self, name):
        """(seconds, source, destination, payload) of each packet, over IPv4 and UDP."""
        data = (self.directory / f"{name}.pcap").read_bytes()
        magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", data)
        assert (magic, link) == (0xA1B23C4D, 101)
        at, found = 24, []
        while at < len(data):
            seconds, nanos, length, whole = struct.unpack_from("<IIII", data, at)
            assert length == whole
            packet = data[at + 16:at + 16 + length]
            source, destination = (".".join(map(str, packet[start:start + 4])) for start in (12, 16))
            ports = struct.unpack_from("!HH", packet, 20)
            found.append((seconds + nanos / 1e9, (source, ports[0]), (destination, ports[1]),
                          packet[28:]))
            at += 16 + length
        return found

    def audio_from(self, name, source):
        """The samples of all G.711 from an address."""
        payloads = [packet[12:] for _, came_from, _, packet in self.packets(name)
                    if came_from == source and packet[1] & 0x7F == 0]
        return tones.from_ulaw(b"".join(payloads))

    def checked_by_tshark(self, name):
        """How many packets tshark finds, all of them with good checksums; `None` without tshark."""
        if not shutil.which("tshark"):
            return None
        out = subprocess.run(
            ["tshark", "-r", self.directory / f"{name}.pcap", "-o", "udp.check_checksum:TRUE", "-o",
             "ip.check_checksum:TRUE", "-T", "fields", "-e", "udp.checksum.status", "-e",
             "ip.checksum.status"], capture_output=True, text=True, check=True).stdout.splitlines()
        assert set(out) <= {"1\t1"}, set(out)
        return len(out)
