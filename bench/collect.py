#!/usr/bin/env python3
"""Puts the parts' results together as results/latest.json, with the machine they are from.

What was not measured this time stays there with its date, if it is from a machine like this one.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path


def machine() -> dict:
    def field(path: str, name: str, separator: str) -> str:
        lines = Path(path).read_text().splitlines()
        found = (line.split(separator, 1)[1] for line in lines if line.startswith(name))
        return next(found, "unknown").strip().strip('"')

    return {
        "processor": field("/proc/cpuinfo", "model name", ":"),
        "cores": os.cpu_count(),
        "memory": field("/proc/meminfo", "MemTotal", ":"),
        "kernel": platform.release().split("-")[0],
        "system": field("/etc/os-release", "PRETTY_NAME", "="),
        "virtual": "hypervisor" in Path("/proc/cpuinfo").read_text(),
    }


def before(path: Path, here: dict) -> dict:
    """The parts of the last time. The kernel may be another one: machines like this one are updated."""
    try:
        last = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    same = {key: value for key, value in here.items() if key not in ("kernel", "memory")}
    if same != {key: last["machine"].get(key) for key in same}:
        print(f"{path} was of another machine: what was not measured now is left out")
        return {}
    return last


PARTS = (
    "signalling",
    "tls",
    "media",
    "media-AES_CM_128_HMAC_SHA1_80",
    "media-AEAD_AES_128_GCM",
    "micro",
    "outbox",
    "minutes",
    "audio-pcmu",
    "audio-g722",
    "audio-opus",
    "audio-to-memory",
    "audio-to-files",
    "audio-to-put-media",
    "audio-to-wav",
    "rooms",
)
directory = Path(sys.argv[1])
here = machine()
latest = {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": here}
last = before(directory / "latest.json", here)
for part in PARTS:
    path = directory / f"{part}.json"
    date = f"{part}_date"
    if path.exists():
        latest[part] = json.loads(path.read_text())
        latest[date] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(path.stat().st_mtime))
    elif part in last:
        latest[part] = last[part]
        latest[date] = last[date]
(directory / "latest.json").write_text(json.dumps(latest, indent=2) + "\n")
print(f"\nall figures: {directory / 'latest.json'}")
