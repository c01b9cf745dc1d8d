#!/usr/bin/env python3
"""Instructions under callgrind and allocations: figures that a busy machine does not change."""

import argparse
import json
import re
import subprocess
from pathlib import Path

# What is counted, the program, its further arguments, the smaller number of rounds, the most
# instructions that the design allows.
COUNTS = [
    ("INVITE, message alone", "examples/parse_invite", ["parse"], 500, None),
    ("INVITE, with typed values", "examples/parse_invite", ["typed"], 500, 25_000),
    ("INVITE, validated", "examples/parse_invite", ["validate"], 500, None),
    ("packet, forwarded and measured", "examples/forward_packets", [], 10_000, None),
    ("packet to a listener's frame", "examples/hear_packets", [], 10_000, None),
    ("the same, a clock that drifts", "examples/hear_packets", ["drift"], 10_000, None),
    ("the same, G.722", "examples/hear_packets", ["g722"], 2_000, None),
    ("whole call through the call logic", "edge-call", [], 200, None),
]


def instructions(program, arguments, toggle):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [f"--toggle-collect={toggle}"] if toggle else []
    output = subprocess.run(
        [*command, str(program), *arguments], capture_output=True, text=True, check=True
    )
    return int(re.search(r"Collected : (\d+)", output.stderr).group(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    print(f"{'instructions for one':36}{'count':>12}{'at most':>12}")
    for name, program, arguments, times, limit in COUNTS:
        path = options.binaries / program
        toggle = "*edge_turn*" if program == "edge-call" else None
        once, twice = (
            instructions(path, [str(n), *arguments], toggle) for n in (times, 2 * times)
        )
        count = round((twice - once) / times)
        rows.append({"name": name, "instructions": count, "limit": limit})
        print(f"{name:36}{count:>12,}{limit or '-':>12}{' MISSED' if limit and count > limit else ''}")
    output = subprocess.run(
        [str(options.binaries / "edge-call"), "2000"], capture_output=True, text=True, check=True
    ).stdout
    allocations = float(re.search(r"allocations/call ([\d.]+)", output).group(1))
    octets = float(re.search(r"bytes allocated/call (\d+)", output).group(1))
    rows.append({"name": "allocations of a whole call", "allocations": allocations,
                 "bytes": octets})
    print(f"allocations of a whole call: {allocations} ({octets / 1024:.1f} KiB); of a parsed "
          "INVITE and of a packet: see the tests `allocations` and `zero_allocation`")
    options.output.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
