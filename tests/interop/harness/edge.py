"""The `tandem` binary under test: started, asked, reloaded and stopped as an operator would."""

import json
import os
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

from . import places
from .configuration import CONNECTOR, CONNECTOR_HOST
from .waiting import wait_until

_ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("TANDEM_BIN", _ROOT / "target/debug/tandem"))


class Edge:
    """A running edge. Its output is kept, for assertions and for the report of a failed test."""

    def __init__(self, configuration, directory, role="all", environment=None):
        """`environment` is added to that of the tests."""
        self.configuration = configuration
        self.data_dir = Path(configuration.data_dir)
        self.file = Path(directory) / ("relay.toml" if role == "relay" else "tandem.toml")
        self.file.write_text(configuration.text())
        self.port = configuration.sip_port
        self.address = (configuration.host, self.port)
        self.lines = []
        self._process = subprocess.Popen(
            [BINARY, "run", "--config", self.file, "--role", role], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "RUST_BACKTRACE": "1", **(environment or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(lambda: "ready" in self.lines or self._process.poll() is not None, 20,
                   lambda: f"the edge is ready; it said {self.lines}")
        assert self._process.poll() is None, f"the edge did not start: {self.lines}"

    def _read(self):
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def said(self, text):
        return any(text in line for line in self.lines)

    def uri(self, user, transport="udp"):
        """Where a PBX sends a call: the connector's name, resolved by an outbound proxy."""
        return f"sip:{user}@{CONNECTOR_HOST};transport={transport}"

    def signal(self, number):
        self._process.send_signal(number)

    def reload(self):
        """SIGHUP; returns when the file was taken or refused."""
        before = len(self.lines)
        self.signal(signal.SIGHUP)
        verdict = lambda: next((line for line in self.lines[before:]
                                if "read again" in line or "not taken" in line), None)
        return wait_until(verdict, 10, lambda: f"a verdict on the file: {self.lines[before:]}")

    def is_running(self):
        return self._process.poll() is None

    def wait_stopped(self, seconds=30):
        """Waits for the end that was asked for and asserts that it was a clean one."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s: {self.lines[-5:]}") from None
        self._reader.join(5)
        assert code == 0, f"exit status {code}: {self.lines[-40:]}"
        panics = [line for line in self.lines if "panicked" in line]
        assert not panics, panics
        return code

    def stop(self):
        if self.is_running():
            self.signal(signal.SIGTERM)
        self.wait_stopped()

    def kill(self):
        if self.is_running():
            self._process.kill()
            self._process.wait(10)

    def calls(self):
        """`tandem calls --json`."""
        return json.loads(self.command("calls", "--config", str(self.file), "--json"))

    def command(self, *arguments):
        done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"tandem {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def rss_kib(self):
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def open_files(self):
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    # What is left behind -----------------------------------------------------------------------

    def metrics(self):
        """The Prometheus page as {name: [(labels, value)]}."""
        url = f"http://{places.EDGE}:{self.configuration.prometheus_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as page:
            text = page.read().decode()
        found = {}
        for name, labels, value in re.findall(r"^(\w+)(?:\{([^}]*)\})? (\S+)", text, re.M):
            parsed = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            found.setdefault(name, []).append((parsed, float(value)))
        return found

    def asked(self, page):
        """What a page of the Prometheus listener says: (status, JSON)."""
        url = f"http://{places.EDGE}:{self.configuration.prometheus_port}/{page}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def metric(self, name, **labels):
        """The sum of a metric's samples that have all of `labels`; 0 when there is none."""
        return sum(value for have, value in self.metrics().get(name, [])
                   if labels.items() <= have.items())

    def wait_metric(self, name, value, seconds=5, **labels):
        """Waits until a metric has the value: the page follows the traffic by a moment."""
        wait_until(lambda: self.metric(name, **labels) == value, seconds,
                   lambda: f"{name}{labels} is {value}; it is {self.metrics().get(name)}")

    def media_log(self, connector=CONNECTOR):
        return _lines(self.data_dir / f"logs/aws/ChimeVoiceConnectorLogs/{connector}.jsonl")

    def sip_log(self):
        return _lines(self.data_dir / f"logs/aws/ChimeVoiceConnectorSipMessages/{CONNECTOR}.jsonl")

    def metric_data(self):
        """The lines for CloudWatch: bodies of PutMetricData."""
        return _lines(self.data_dir / "cloudwatch/metrics.jsonl")

    def embedded_metrics(self):
        """The log events in Embedded Metric Format."""
        return _lines(self.data_dir / "logs/aws/ChimeVoiceConnectorMetrics.jsonl")

    def events(self):
        """What rules would be told, of meetings also."""
        return _lines(self.data_dir / "events/events.jsonl")

    def call_records(self):
        return [record for file in sorted(self.data_dir.glob("calls/*.jsonl"))
                for record in _lines(file)]

    def detail_records(self):
        root = self.data_dir / f"s3/Amazon-Chime-Voice-Connector-CDRs/json/{CONNECTOR}"
        return [json.loads(file.read_text()) for file in sorted(root.glob("*/*/*/*"))
                if file.is_file()]

    def wait_records(self, count, seconds=15):
        """Waits until `count` calls have left their record, and returns the records."""
        wait_until(lambda: len(self.call_records()) >= count, seconds,
                   lambda: f"{count} call records; there are {len(self.call_records())}")
        return self.call_records()

    def last_media_lines(self):
        """The last media log line of each call, by transaction id."""
        return {line["call_id"]: line for line in self.media_log()}

    def wait_idle(self, seconds=20):
        """Waits until no call and no port is left."""
        wait_until(lambda: not self.calls() and self.metric("tandem_relay_ports", state="used") == 0,
                   seconds, lambda: f"no call and no port in use: {len(self.calls())} calls, "
                   f"{self.metric('tandem_relay_ports', state='used')} ports")


def _lines(file):
    """The complete lines of a file that is perhaps being written."""
    if not file.exists():
        return []
    whole, _, _ = file.read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]
