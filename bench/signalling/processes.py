"""Starts servers, and reads what they cost from /proc."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path


class Server:
    """The processes of one server under test, with everything that they fork."""

    def __init__(self, name, commands, log_directory):
        self.name = name
        self.commands = commands
        self.log_directory = log_directory
        self.running = []

    def __enter__(self):
        for number, command in enumerate(self.commands):
            if shutil.which(command[0]) is None:
                raise SystemExit(f"{command[0]} is not there: run `make bench`, which installs it")
            log = open(self.log_directory / f"{self.name}-{number}.log", "wb")
            self.running.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
            time.sleep(0.7)
        time.sleep(0.5)
        for process in self.running:
            if process.poll() is not None:
                self.__exit__()
                raise SystemExit(
                    f"{self.name} did not start; see {self.log_directory}/{self.name}-*.log"
                )
        return self

    def __exit__(self, *_):
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                # The group is ours: the process was started as the leader of a session.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.running = []

    def pids(self):
        """Every process, children included."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
        found = [process.pid for process in self.running]
        for pid in found:
            found.extend(parents.get(pid, []))
        return found

    def cpu_seconds(self):
        """CPU time of every living thread, in the scheduler's nanoseconds."""
        total = 0
        for pid in self.pids():
            try:
                tasks = list(Path(f"/proc/{pid}/task").iterdir())
            except OSError:
                continue
            for task in tasks:
                try:
                    total += int((task / "schedstat").read_text().split()[0])
                except OSError:
                    continue
        return total / 1e9

    def memory_kib(self):
        """Proportional set size: memory shared among a server's processes counts once."""
        total = 0
        for pid in self.pids():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total
