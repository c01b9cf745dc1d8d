"""Addresses and ports of a test: each party has a loopback address of its own."""

import socket

EDGE = "127.0.0.1"
CARRIER = "127.0.0.2"
PBX = "127.0.0.3"
SECOND_CARRIER = "127.0.0.4"
STRANGER = "127.0.0.9"
RELAY = "127.0.0.6"
# IPv6 has one loopback address: there the parties differ by their ports alone.
IPV6 = "::1"
# baresip sends RTP and TCP from whatever address the system picks: to the edge, the edge's own.
BARESIP = EDGE

NUMBER = "+12065550100"  # belongs to the voice connector
US_NUMBER = "+13125550199"
JP_NUMBER = "+81312345678"
GB_NUMBER = "+442079460100"  # in no calling region

# Above what clients take by themselves and below the system's ephemeral ports.
MEDIA_PORTS = (20_000, 27_999)

_given = set()


def authority(ip, port):
    """Address and port as a URI has them."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def free_port(ip):
    """A port that is free for UDP and TCP on `ip` and was not given out before."""
    for port in range(7_000, 19_000, 4):
        if (ip, port) not in _given and _is_free(ip, port):
            _given.add((ip, port))
            return port
    raise RuntimeError(f"no free port on {ip}")


def _is_free(ip, port):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ip, port))
            except OSError:
                return False
    return True
