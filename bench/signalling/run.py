#!/usr/bin/env python3
"""The signalling bench: Tandem and Kamailio in one run. See bench/README.md."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from capture import Capture
from collector import Collector
from processes import Server
from sipp import Callee, Caller

HERE = Path(__file__).parent
CALLEE_PORT = 5080
SERVER_PORT = 5060
PEER_OF = {
    "tandem, no relay": "kamailio",
    "tandem": "kamailio + rtpengine",
    "tandem, logs on": "kamailio + rtpengine",
    "tandem, traces on": "kamailio + rtpengine",
}


def setups(binaries, work, collector):
    kamailio = [
        *("kamailio", "-DD", "-m", "2048", "-M", "32", "-Y", str(work)),
        *("-f", str(HERE / "configs/kamailio.cfg")),
    ]
    rtpengine = [
        *("rtpengine", "--foreground", "--table=-1", "--interface=127.0.0.1"),
        *("--listen-ng=127.0.0.1:2223", "--port-min=10000", "--port-max=60000"),
        # By default it keeps a call for 30 s after its end, and runs out of ports.
        *("--delete-delay=0", "--log-level=2", "--log-stderr"),
    ]

    def tandem(logging=False, more=""):
        text = (HERE / "configs/tandem.toml").read_text()
        data = tempfile.mkdtemp(dir=work)
        text = text.replace("@DATA@", data).replace("@LOGGING@", "true" if logging else "false") + more
        path = Path(data) / "tandem.toml"
        path.write_text(text)
        return [str(binaries / "tandem"), "run", "--config", str(path)]

    return {
        "kamailio": [kamailio],
        "tandem, no relay": [[str(binaries / "signalling-only")]],
        "kamailio + rtpengine": [rtpengine, [*kamailio, "-A", "WITH_RTPENGINE"]],
        "tandem": [tandem()],
        "tandem, logs on": [tandem(logging=True)],
        "tandem, traces on": [tandem(more=f'\n[traces]\nendpoint = "{collector.endpoint}"\n')],
    }


def measure_rate(server, callee, work, rate, seconds, hold_ms):
    retransmitted = callee.retransmissions()
    cpu = server.cpu_seconds()
    caller = Caller(work, rate, rate * seconds, hold_ms)
    outcome = caller.wait(seconds + 12)
    cpu = server.cpu_seconds() - cpu
    retransmitted = callee.retransmissions() - retransmitted
    clean = (
        outcome.failed == 0
        and outcome.retransmissions + retransmitted == 0
        and outcome.achieved_rate >= 0.95 * rate
    )
    return {
        "rate": rate,
        "calls": outcome.calls,
        "failed": outcome.failed,
        "retransmissions": outcome.retransmissions + retransmitted,
        "achieved_rate": round(outcome.achieved_rate, 1),
        "cpu_us_per_call": round(cpu * 1e6 / max(outcome.calls, 1), 1),
        "clean": clean,
    }


def measure_latency(work, rate, seconds, hold_ms):
    with Capture((SERVER_PORT, CALLEE_PORT)) as capture:
        Caller(work, rate, rate * seconds, hold_ms).wait(seconds + 12)
    delays = capture.microseconds()
    if not delays:
        return None
    return {
        "rate": rate,
        "samples": len(delays),
        "p50_us": round(delays[len(delays) // 2]),
        "p99_us": round(delays[len(delays) * 99 // 100]),
    }


def measure_memory(server, work, calls, rate):
    """Memory that `calls` established calls add, on a server that has already served some."""
    Caller(work, rate, rate, 100).wait(15)
    time.sleep(1)
    before = server.memory_kib()
    hold_ms = int((calls / rate + 4) * 1000)
    caller = Caller(work, rate, calls, hold_ms)
    time.sleep(calls / rate + 2)
    during = server.memory_kib()
    outcome = caller.wait(hold_ms / 1000 + 10)
    return {
        "calls": calls,
        "failed": outcome.failed,
        "idle_kib": before,
        "kib_per_call": round((during - before) / calls, 2),
    }


def measure(name, commands, work, options):
    result = {"setup": name, "rates": []}
    with Callee(work) as callee, Server(name.replace(" ", "-"), commands, work) as server:
        result["memory"] = measure_memory(server, work, options.held_calls, 400)
        # The first run only warms up; its calls are as many as those of a measured second.
        Caller(work, options.rates[0], options.rates[0], options.hold_ms).wait(15)
        dirty = 0
        for rate in options.rates:
            row = measure_rate(server, callee, work, rate, options.seconds, options.hold_ms)
            result["rates"].append(row)
            print(f"  {name} @{rate}: {row}", file=sys.stderr)
            dirty = 0 if row["clean"] else dirty + 1
            if dirty == 2 or row["failed"] > row["calls"]:
                break
            time.sleep(options.settle)
        time.sleep(2 if dirty else 0)
        result["invite_delay"] = measure_latency(work, 500, options.seconds, options.hold_ms)
    clean = [row["rate"] for row in result["rates"] if row["clean"]]
    result["highest_clean_rate"] = max(clean, default=0)
    return result


def table(results):
    by_name = {result["setup"]: result for result in results}
    rates = sorted({row["rate"] for result in results for row in result["rates"]})
    lines = ["Server CPU per complete call, µs (× its peer in this run; ! = not clean)"]
    lines.append(f"{'':22}" + "".join(f"{'@' + str(rate):>16}" for rate in rates)
                 + f"{'clean up to':>13}{'KiB/call':>16}{'INVITE p50/p99 µs':>20}")
    for result in results:
        peer = by_name.get(PEER_OF.get(result["setup"]))
        peer_rows = {row["rate"]: row for row in peer["rates"]} if peer else {}
        cells = ""
        for rate in rates:
            row = next((r for r in result["rates"] if r["rate"] == rate), None)
            cells += f"{cell(row, peer_rows.get(rate)):>16}"
        memory = f"{result['memory']['kib_per_call']:.1f}"
        if peer and peer["memory"]["kib_per_call"] > 0:
            ratio = result["memory"]["kib_per_call"] / peer["memory"]["kib_per_call"]
            memory += f" ({ratio:.2f}x)"
        delay = result["invite_delay"]
        delay = f"{delay['p50_us']} / {delay['p99_us']}" if delay else "-"
        lines.append(f"{result['setup']:22}{cells}{result['highest_clean_rate']:>13}"
                     f"{memory:>16}{delay:>20}")
    return "\n".join(lines)


def cell(row, peer):
    if row is None or row["calls"] == 0:
        return "-"
    text = f"{row['cpu_us_per_call']:.0f}"
    if peer and peer["calls"]:
        text += f" ({row['cpu_us_per_call'] / peer['cpu_us_per_call']:.2f}x)"
    return text + ("" if row["clean"] else " !")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rates", type=lambda t: [int(r) for r in t.split(",")],
                        default=[500, 1000, 1500, 2000])
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--hold-ms", type=int, default=200)
    parser.add_argument("--held-calls", type=int, default=1500)
    parser.add_argument("--settle", type=float, default=1.0)
    parser.add_argument("--only", action="append", help="a setup's name; may be repeated")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("the INVITE delay is read from a packet socket: run as root or with sudo")
    work = Path(tempfile.mkdtemp(prefix="tandem-bench-"))
    results = []
    try:
        with Collector() as collector:
            for name, commands in setups(options.binaries, work, collector).items():
                if options.only and name not in options.only:
                    continue
                results.append(measure(name, commands, work, options))
                if "traces" in name and not collector.requests():
                    raise SystemExit("no trace was sent: the figures are of something else")
    finally:
        if os.environ.get("KEEP"):
            print(f"logs are kept in {work}", file=sys.stderr)
        else:
            shutil.rmtree(work, ignore_errors=True)
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
