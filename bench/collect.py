#!/usr/bin/env python3
"""Puts the parts' results together as results/latest.json, with the machine they are from."""

import json
import os
import platform
import sys
import time
from pathlib import Path

directory = Path(sys.argv[1])
latest = {
    "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    "cores": os.cpu_count(),
    "kernel": platform.release(),
}
for part in ("signalling", "tls", "media", "media-AES_CM_128_HMAC_SHA1_80", "media-AEAD_AES_128_GCM", "micro"):
    path = directory / f"{part}.json"
    if path.exists():
        latest[part] = json.loads(path.read_text())
        latest[f"{part}_date"] = time.strftime(
            "%Y-%m-%dT%H:%M:%SZ", time.gmtime(path.stat().st_mtime)
        )
(directory / "latest.json").write_text(json.dumps(latest, indent=2) + "\n")
print(f"\nall figures: {directory / 'latest.json'}")
