#!/usr/bin/env python3
"""Puts the parts' results together as results/latest.json, with the machine they are from."""

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


directory = Path(sys.argv[1])
latest = {
    "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    "machine": machine(),
}
for part in ("signalling", "tls", "media", "media-AES_CM_128_HMAC_SHA1_80", "media-AEAD_AES_128_GCM", "micro", "outbox", "minutes",
             "audio-pcmu", "audio-g722", "audio-opus", "audio-to-memory", "audio-to-files", "audio-to-put-media",
             "audio-to-wav", "rooms"):
    path = directory / f"{part}.json"
    if path.exists():
        latest[part] = json.loads(path.read_text())
        latest[f"{part}_date"] = time.strftime(
            "%Y-%m-%dT%H:%M:%SZ", time.gmtime(path.stat().st_mtime)
        )
(directory / "latest.json").write_text(json.dumps(latest, indent=2) + "\n")
print(f"\nall figures: {directory / 'latest.json'}")
