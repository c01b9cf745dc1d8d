"""Drives a pjsua2 agent process."""

import json
import subprocess
import sys
import threading
from pathlib import Path

from . import places, tones
from .waiting import wait_until


class Pjsua:
    """A user agent. Events are kept in `events`; `wait` looks for the next one."""

    def __init__(self, directory, ip, name, hertz, user="+12065550111", transport="udp",
                 codec="PCMU", first_status=200, proxies=(), insists_on_100rel=False, pair=None,
                 authority=None, credentials=None, srtp=False, registrar=None):
        self.name = name
        self.port = places.free_port(ip)
        self.recording = Path(directory) / f"{name}.wav"
        self.log = Path(directory) / f"{name}.log"
        home = registrar.removeprefix("sip:") if registrar else f"{ip}:{self.port}"
        options = {
            "ip": ip, "port": self.port, "id": f"<sip:{user}@{home}>", "hertz": hertz,
            "recording": str(self.recording), "log": str(self.log), "transport": transport,
            "tls": [str(pair.certificate), str(pair.key), str(authority)] if pair else None,
            "registrar": registrar,
            "credentials": list(credentials) if credentials else None,
            "codec": codec, "first_status": first_status, "proxies": list(proxies),
            "insists_on_100rel": insists_on_100rel, "srtp": srtp,
        }
        self.events = []
        self._seen = 0
        self._errors = (Path(directory) / f"{name}.err").open("w")
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("pjsua_agent.py")), json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        self.wait("ready")

    def _read(self):
        for line in self._process.stdout:
            if line.startswith("{"):
                self.events.append(json.loads(line))

    def do(self, name, **arguments):
        self._process.stdin.write(json.dumps({"do": name, **arguments}) + "\n")
        self._process.stdin.flush()

    def wait(self, event, seconds=15, **fields):
        """The next event with these fields; those before it are passed over."""

        def look():
            while self._seen < len(self.events):
                found = self.events[self._seen]
                self._seen += 1
                if found["event"] == event and fields.items() <= found.items():
                    return found
            return None

        return wait_until(look, seconds, lambda: f"{self.name}: {event} {fields}; {self.events}")

    def statistics(self):
        self.do("statistics")
        return self.wait("statistics")

    def heard(self):
        return tones.read_wav(self.recording)

    def heard_seconds(self):
        if not self.recording.exists():
            return 0.0
        samples, rate = self.heard()
        return len(samples) / rate

    def wait_heard(self, seconds, within=20):
        """Waits until so much more was recorded, and returns that part."""
        start = self.heard_seconds()
        wait_until(lambda: self.heard_seconds() >= start + seconds, within,
                   lambda: f"{self.name} records {seconds} s more than {start:.1f} s; "
                   f"{self.heard_seconds():.1f} s are there")
        samples, rate = self.heard()
        return samples[int(start * rate):], rate

    def stop(self):
        if self._process.poll() is None:
            try:
                self.do("quit")
                self._process.wait(10)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait(10)
        self._errors.close()
