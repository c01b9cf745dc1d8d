"""Hosts of their own on this machine: network namespaces on one virtual switch.

A thread that is `at` a host opens its sockets and starts its processes there; both stay there.
"""

import contextlib
import ctypes
import os
import platform
import subprocess
import threading

_PREFIX = "198.18.0"  # RFC 2544
EDGE = f"{_PREFIX}.1"
CALLER = f"{_PREFIX}.2"
CALLEE = f"{_PREFIX}.3"
RELAY = f"{_PREFIX}.4"
# On the caller's host, too, and no part of any call.
STRANGER = f"{_PREFIX}.9"
_HOSTS = {"edge": [EDGE], "caller": [CALLER, STRANGER], "callee": [CALLEE],
          "relay": [RELAY]}

_CLONE_NEWNET = 0x4000_0000
_BPF_SYSTEM_CALL = {"x86_64": 321, "aarch64": 280}
_BPF_PROG_QUERY = 16
_BPF_TCX_INGRESS = 46

_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """Why there are no such hosts on this machine."""


class Network:
    """An edge, a caller, a callee and a relay with one interface (`eth0`) each."""

    def __init__(self):
        self._name = f"ti{os.getpid() % 10_000}"
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            self._build()
        except Unavailable:
            self.remove()
            raise

    def _build(self):
        switch = self._namespace("switch")
        for place in ["switch", *_HOSTS]:
            _ip("netns", "add", self._namespace(place))
        _ip("-n", switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", switch, "link", "set", "br0", "up")
        for place, addresses in _HOSTS.items():
            here = self._namespace(place)
            _ip("-n", here, "link", "add", "eth0", "type", "veth", "peer", "name", place,
                "netns", switch)
            _ip("-n", switch, "link", "set", place, "master", "br0", "up")
            for address in addresses:
                _ip("-n", here, "addr", "add", f"{address}/24", "dev", "eth0")
            for interface in ("lo", "eth0"):
                _ip("-n", here, "link", "set", interface, "up")

    def _namespace(self, place):
        return f"{self._name}-{place}"

    @contextlib.contextmanager
    def at(self, place):
        """The calling thread is on this host until the end of the block."""
        there = os.open(f"/run/netns/{self._namespace(place)}", os.O_RDONLY)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(self._home)

    def programs(self, place="edge"):
        """How many eBPF programs are attached to the ingress of a host's interface."""
        number = _BPF_SYSTEM_CALL[platform.machine()]
        with self.at(place), open("/proc/thread-self/net/dev_mcast") as file:
            index = next(int(line.split()[0]) for line in file if line.split()[1] == "eth0")
            query = _Query(target=index, attach_type=_BPF_TCX_INGRESS)
            failed = _libc.syscall(number, _BPF_PROG_QUERY, ctypes.byref(query),
                                   ctypes.sizeof(query))
        if failed:
            raise OSError(ctypes.get_errno(), "BPF_PROG_QUERY")
        return query.count

    def remove(self):
        for place in ["switch", *_HOSTS]:
            # The cables go with their ends.
            subprocess.run(["ip", "netns", "del", self._namespace(place)], capture_output=True)
        os.close(self._home)


class _Query(ctypes.Structure):
    """`union bpf_attr`, its part `query` (linux/bpf.h)."""

    _fields_ = [
        ("target", ctypes.c_uint32), ("attach_type", ctypes.c_uint32),
        ("query_flags", ctypes.c_uint32), ("attach_flags", ctypes.c_uint32),
        ("ids", ctypes.c_uint64), ("count", ctypes.c_uint32), ("padding", ctypes.c_uint32),
        ("attach_flags_of", ctypes.c_uint64), ("link_ids", ctypes.c_uint64),
        ("link_attach_flags", ctypes.c_uint64), ("revision", ctypes.c_uint64),
    ]


def _enter(descriptor):
    # It moves the calling thread alone; threads and processes that it starts follow.
    assert threading.current_thread() is threading.main_thread()
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments):
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        raise Unavailable("iproute2 (`ip`) is missing: run tests/setup.sh") from None
    if done.returncode:
        raise Unavailable(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
