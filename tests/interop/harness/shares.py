"""Two runs of the tests at once that share the files out between them, and what failed in one."""

import os
from itertools import chain, pairwise
from pathlib import Path


def pytest_addoption(parser):
    parser.addoption("--share", metavar="DIRECTORY", type=Path,
                     help="runs only files that no other run with this directory has begun")
    parser.addoption("--failed-to", metavar="FILE", type=Path,
                     help="where the names of tests that failed are written, a line each")


class _Failed:
    def __init__(self, file):
        self.file, self.names = file, []

    def pytest_runtest_logreport(self, report):
        if report.failed and report.nodeid not in self.names:
            self.names.append(report.nodeid)

    def pytest_sessionfinish(self):
        self.file.write_text("".join(f"{name}\n" for name in self.names))


def pytest_configure(config):
    if file := config.getoption("--failed-to"):
        config.pluginmanager.register(_Failed(file))


def _claimed(items, directory):
    """Tests of files that are nobody's yet; those with the most tests first. A file stays whole."""
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    for path, tests in sorted(files.items(), key=lambda file: (-len(file[1]), file[0])):
        try:
            os.close(os.open(directory / path.name, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        yield from tests


def pytest_runtestloop(session):
    directory = session.config.getoption("--share")
    if directory is None or session.testsfailed or session.config.option.collectonly:
        return None
    # The next file is taken when the last test of one begins, so that what lives for the whole run
    # is not stopped in between.
    for item, after in pairwise(chain(_claimed(session.items, directory), [None])):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    return True
