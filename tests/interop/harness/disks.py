"""Disks that get full."""

import contextlib
import errno
import subprocess

import pytest


@contextlib.contextmanager
def small_disk(directory, mebibytes):
    """A file system that can be filled without harm."""
    directory.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0700", "tmpfs",
                              str(directory)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(file):
    """Writes until there is no room."""
    with file.open("ab", buffering=0) as ballast:
        for size in [65_536, 4_096, 1]:
            full = None
            while full is None:
                try:
                    ballast.write(bytes(size))
                except OSError as error:
                    full = error
            assert full.errno == errno.ENOSPC
