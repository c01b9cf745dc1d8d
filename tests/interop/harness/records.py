"""Records of calls that never were, as files of a node: what `tandem report` makes of them."""

import json
import subprocess

from .configuration import CONNECTOR
from .edge import BINARY

ID = "00000000-0000-4000-8000-000000000007"
BEGAN = 1_700_000_000_000


def rung(at, leg, direction, line, peer=None, protocol="udp", **more):
    """One message of the ladder."""
    peer = peer or {"A": "127.0.0.3:5070", "B": "127.0.0.2:5080"}[leg]
    return {"offset_ms": at, "leg": leg, "direction": direction, "protocol": protocol,
            "peer": peer, "start_line": line, **more}


def interval(at, lost=0, jitter=2_000, mos=4.4, expected=3_000):
    return {"offset_ms": at, "expected": expected, "lost": lost, "jitter_max_us": jitter,
            "rtt_us": 21_000, "mos": mos}


def quality(intervals, **changes):
    """What was measured of one leg."""
    expected = sum(each["expected"] for each in intervals)
    lost = sum(each["lost"] for each in intervals)
    return {
        "codec": "PCMU", "received_packets": expected - lost, "received_bytes": 172 * expected,
        "received_rtcp_packets": 14, "expected_packets": expected, "lost_packets": lost,
        "jitter_us": 1_500, "jitter_max_us": max((i["jitter_max_us"] for i in intervals), default=0),
        "reordered": 0, "duplicated": 0, "burst_ratio": 1.0, "wrong_source": 0, "malformed": 0,
        "sent_packets": expected, "sent_bytes": 172 * expected, "sent_rtcp_packets": 14,
        "send_dropped": 0, "peer_lost_packets": 0, "peer_jitter_us": 900, "rtt_us": 21_000,
        "rtt_max_us": 24_000, "mos": 4.4, "intervals": intervals, **changes}


def record(ladder, measured=(None, None), answered=300, lasts=60_000, **changes):
    """A call of one connector."""
    return {
        "transaction_id": ID, "node": "edge-1", "region": "us-east-1",
        "voice_connector_id": CONNECTOR, "direction": "Outbound",
        "call_id": "a84b4c76e66710@pbx.example.com", "from_user": "+12065550100",
        "from_country": "US", "to_user": "+81312345678", "to_country": "JP",
        "source": "127.0.0.3:5070",
        "times": {"attempted": BEGAN, "ringing": None,
                  "answered": None if answered is None else BEGAN + answered,
                  "ended": BEGAN + lasts},
        "routes": [{"offset_ms": 3, "attempt": 1, "carrier": "pstn-1",
                    "destination": "127.0.0.2:5080", "protocol": "udp"}],
        "end": {"status": 200, "cause": "BYE", "ended_by": "leg_a", "refusal": None},
        "ladder": ladder, "ladder_omitted": 0, "quality": list(measured), **changes}


class Node:
    """The files of a node that is not running."""

    def __init__(self, configuration, directory):
        self.data_dir = configuration.data_dir
        self.file = directory / "tandem.toml"
        self.file.write_text(configuration.text())

    def keep(self, call, messages=()):
        """Writes a record and its messages: (ms after the call's beginning, text) each."""
        calls = self.data_dir / "calls"
        calls.mkdir(parents=True, exist_ok=True)
        (calls / "2023-11-14.jsonl").write_text(json.dumps(call, separators=(",", ":")) + "\n")
        logs = self.data_dir / "logs/aws/ChimeVoiceConnectorSipMessages"
        logs.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"voice_connector_id": CONNECTOR, "aws_region": "us-east-1",
                             "event_timestamp": BEGAN + at, "call_id": call["transaction_id"],
                             "sip_message": message}) for at, message in messages]
        (logs / f"{CONNECTOR}.jsonl").write_text("".join(line + "\n" for line in lines))

    def report(self, call, *arguments):
        done = subprocess.run(
            [BINARY, "report", call["transaction_id"], "--config", self.file, *arguments],
            capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
