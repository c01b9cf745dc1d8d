"""sipp as caller and as called party, with scenarios of our own and real audio."""

import csv
import ipaddress
import re
import subprocess
from pathlib import Path

from . import places, tones
from .configuration import CONNECTOR_HOST
from .message import Message
from .waiting import wait_until

_SCENARIOS = Path(__file__).resolve().parents[1] / "sipp"


class Sipp:
    """One sipp process."""

    def __init__(self, scenario, directory, ip, *arguments, transport="udp", calls=1, port=None,
                 hertz=440, talk_ms=3_000, name=None, moved="", outcome="", replaces="", end=None, recorded=None,
                 lines=None, offer=None):
        """`end` has the media in sipp's place, see `ends.py`. `recorded` is metadata, and the labels of
        two lines; `lines` are the ports of a recorder's two; `offer` is a description."""
        self.name = name or scenario
        self.port = port or places.free_port(ip)
        self._stem = Path(directory) / f"sipp-{self.name}-{self.port}"
        self._stem.mkdir()
        audio = tones.write_ulaw(self._stem / "tone.ul", hertz)
        text = (_SCENARIOS / f"{scenario}.xml").read_text()
        if ":" in ip:
            text = text.replace("IN IP4 [local_ip]", "IN IP6 [media_ip]")
            text = text.replace("IN IP4 [media_ip]", "IN IP6 [media_ip]")
        file = self._stem / "scenario.xml"
        for mark, value in [("AUDIO", audio), ("TALK", talk_ms), ("MOVED", moved),
                            ("OUTCOME", outcome), ("REPLACES", replaces),
                            *zip(("METADATA", "LABEL_A", "LABEL_B"), recorded or ()),
                            *zip(("LINE_A", "LINE_B"), lines or ()),
                            ("OFFER", _indented(offer or ""))]:
            text = text.replace(f"@{mark}@", str(value))
        if end:
            text = text.replace("[rtpstream_audio_port]", str(end.sound.port))
            lines = "".join(f"      {line}\n" for line in end.camera.line().decode().splitlines())
            # Not where a scenario begins with sound alone.
            text = text.replace("a=ptime:20\n    ]]>", f"a=ptime:20\n{lines}    ]]>")
        file.write_text(text)
        command = [
            "sipp", "-sf", str(file), "-i", ip, "-p", str(self.port), "-mi", ip,
            "-m", str(calls), "-l", str(max(calls, 1)), "-nostdin",
            "-t", {"udp": "u1", "tcp": "t1"}[transport], "-max_socket", "4000",
            "-trace_stat", "-stf", str(self._stem / "statistics.csv"), "-fd", "1",
            "-trace_err", "-error_file", str(self._stem / "errors.log"),
            *(["-trace_msg", "-message_file", str(self._stem / "messages.log")]
              if end or offer else []),
            "-timeout", "120", "-timeout_error", *arguments,
        ]
        self._output = (self._stem / "screen.log").open("w")
        self._process = subprocess.Popen(command, stdout=self._output, stderr=subprocess.STDOUT,
                                         cwd=self._stem)

    def wait(self, seconds):
        """Waits for the end; asserts that every call succeeded. Returns the last statistics."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name}: not done after {seconds} s\n{self.errors()}") from None
        assert code == 0, f"{self.name}: exit status {code}\n{self.errors()}"
        return self.statistics()

    def received(self, start):
        """The messages that came and whose first line begins so."""
        file = self._stem / "messages.log"
        log = file.read_text(errors="replace") if file.exists() else ""
        came = re.findall(r"message received \[\d+\] bytes ?:\n\n(.*?)(?=\n-{40,}|\Z)", log, re.S)
        return [Message("\r\n".join(text.splitlines()).encode()) for text in came
                if text.startswith(start)]

    def wait_described(self, start="", count=1):
        """(ip, port) of each line in the last description that came, once there are so many."""
        def look():
            found = [message for message in self.received(start) if message.body.startswith(b"v=0")]
            return found[-1] if len(found) >= count else None

        message = wait_until(look, 15, lambda: f"{self.name}: {start} has come {count} times with a "
                             f"description\n{self.errors()}")
        return message.places()

    def statistics(self):
        file = self._stem / "statistics.csv"
        rows = list(csv.DictReader(file.open(), delimiter=";")) if file.exists() else []
        return rows[-1] if rows else {}

    def errors(self):
        file = self._stem / "errors.log"
        screen = (self._stem / "screen.log").read_text(errors="replace")
        return (file.read_text(errors="replace")[:3_000] if file.exists() else "") + screen[-1_500:]

    def stop(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        self._output.close()


def _indented(description):
    return "\n".join(f"      {line}" for line in description.splitlines())


def uas(directory, ip, scenario="uas", **options):
    """A called party that is listening when this returns."""
    server = Sipp(scenario, directory, ip, **options)
    protocol = options.get("transport", "udp")
    wait_until(lambda: is_bound(protocol, ip, server.port) or server._process.poll() is not None,
               10, lambda: f"sipp listens: {server.errors()}")
    return server


def uac(directory, ip, edge, called, *arguments, calling="+12065550111", host=CONNECTOR_HOST,
        rate=10, scenario="uac", **options):
    return Sipp(scenario, directory, ip, places.authority(*edge.address), "-r", str(rate),
                "-key", "called", called, "-key", "calling", calling, "-key", "host", host,
                *arguments, **options)


def is_bound(protocol, ip, port):
    """Whether some process has the address, by the kernel's table."""
    packed = ipaddress.ip_address(ip).packed
    words = [int.from_bytes(packed[at:at + 4], "little") for at in range(0, len(packed), 4)]
    wanted = "".join(f"{word:08X}" for word in words) + f":{port:04X}"
    family = "6" if ":" in ip else ""
    rows = Path(f"/proc/net/{protocol}{family}").read_text().splitlines()[1:]
    listening = {"udp": "07", "tcp": "0A"}[protocol]
    return any(row.split()[1] == wanted and row.split()[3] == listening for row in rows)
