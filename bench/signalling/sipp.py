"""Runs sipp at both ends and reads its statistics."""

import csv
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CONNECTOR = "abcdef1ghij2klmno3pqr4.voiceconnector.tandem.localhost"
CALLER = ("127.0.0.1", "5070")
CALLEE = ("127.0.0.2", "5080")
SERVER = "127.0.0.1:5060"


@dataclass
class Outcome:
    """What both ends saw of a run."""

    calls: int
    failed: int
    retransmissions: int
    achieved_rate: float


class Callee:
    """The answering end; one lives through all runs of a server."""

    def __init__(self, directory):
        self.statistics = directory / "callee.csv"
        self.process = None

    def __enter__(self):
        self.statistics.unlink(missing_ok=True)
        self.process = start("callee", CALLEE, self.statistics, [])
        time.sleep(0.3)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def retransmissions(self):
        time.sleep(1.1)
        return number(last_row(self.statistics), "Retransmissions(C)")


class Caller:
    """The calling end: `calls` calls at `rate`, each held for `hold_ms`."""

    def __init__(self, directory, rate, calls, hold_ms):
        self.statistics = directory / "caller.csv"
        self.statistics.unlink(missing_ok=True)
        self.rate = rate
        self.process = start(
            "caller",
            CALLER,
            self.statistics,
            [
                *("-r", str(rate), "-m", str(calls), "-d", str(hold_ms)),
                *("-l", str(max(calls, 1)), "-key", "connector", CONNECTOR),
                *("-recv_timeout", "20000", SERVER),
            ],
        )

    def wait(self, timeout):
        """Waits for the last call; ends what hangs."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGUSR1)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        rows = rows_of(self.statistics)
        row = rows[-1] if rows else {}
        created = [number(r, "OutgoingCall(P)") for r in rows]
        busy = [c for c in created if c > 0]
        # The first and the last second are cut short by the start and the end.
        inner = busy[1:-1] or busy
        total = number(row, "TotalCallCreated")
        done = number(row, "SuccessfulCall(C)")
        return Outcome(
            calls=done,
            failed=max(total - done, number(row, "FailedCall(C)")),
            retransmissions=number(row, "Retransmissions(C)"),
            achieved_rate=sum(inner) / len(inner) if inner else 0.0,
        )


def start(scenario, address, statistics, arguments):
    command = [
        *("sipp", "-sf", str(HERE / "sipp" / f"{scenario}.xml")),
        *("-i", address[0], "-p", address[1], "-nostdin", "-buff_size", "4000000"),
        *("-trace_stat", "-stf", str(statistics), "-fd", "1"),
        *arguments,
    ]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=statistics.parent,
    )


def rows_of(path):
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def last_row(path):
    rows = rows_of(path)
    return rows[-1] if rows else {}


def number(row, name):
    try:
        return int(row.get(name) or 0)
    except ValueError:
        return 0
