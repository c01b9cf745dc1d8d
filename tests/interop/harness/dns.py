"""A name server on real sockets, UDP and TCP, whose zone and manners a test changes as it goes."""

import socket
import struct
import threading

from . import places

_TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "AAAA": 28, "SRV": 33, "NAPTR": 35}
_NAMES = {number: name for name, number in _TYPES.items()}
_NAME_ERROR = 3


def _name(text):
    labels = [label.encode() for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _text(text):
    return bytes([len(text)]) + text.encode()


def _data(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "CNAME":
        return _name(value)
    if kind == "SRV":
        priority, weight, port, target = value
        return struct.pack("!HHH", priority, weight, port) + _name(target)
    order, preference, flags, service, replacement = value
    return (struct.pack("!HH", order, preference) + _text(flags) + _text(service) + _text("")
            + _name(replacement))


class NameServer:
    """`zone` maps a name to a list of (type, seconds, data); `asked` has every (type, name)."""

    def __init__(self, ip=places.EDGE):
        self.ip, self.port = ip, places.free_port(ip)
        self.zone = {}
        self.asked = []
        self.silent = False
        self.lies = False
        self.truncates = False
        self._stop = threading.Event()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((ip, self.port))
        self._tcp = socket.create_server((ip, self.port))
        for each in (self._udp, self._tcp):
            each.settimeout(0.1)
        self._threads = [threading.Thread(target=serve, daemon=True)
                         for serve in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    @property
    def address(self):
        return f"{self.ip}:{self.port}"

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()

    def add(self, name, kind, seconds, data):
        self.zone.setdefault(name, []).append((kind, seconds, data))

    def srv(self, name, seconds, *servers):
        """SRV records of `name`; each server is (priority, weight, port, ip)."""
        self.zone[name] = []
        for number, (priority, weight, port, ip) in enumerate(servers):
            host = f"server{number}-{ip.replace('.', '-')}.{name.split('.', 2)[2]}"
            self.add(name, "SRV", seconds, (priority, weight, port, host))
            self.zone[host] = [("A", seconds, ip)]

    def _serve_udp(self):
        while not self._stop.is_set():
            try:
                query, source = self._udp.recvfrom(4096)
            except TimeoutError:
                continue
            if self.silent:
                self._note(query)
                continue
            answer = self._answer(query)
            if self.lies:
                self._lie(query, source)
            if self.truncates:
                answer = self._cut(answer, query)
            self._udp.sendto(answer, source)

    def _serve_tcp(self):
        while not self._stop.is_set():
            try:
                stream, _ = self._tcp.accept()
            except TimeoutError:
                continue
            with stream:
                stream.settimeout(5)
                length, = struct.unpack("!H", stream.recv(2, socket.MSG_WAITALL))
                answer = self._answer(stream.recv(length, socket.MSG_WAITALL))
                stream.sendall(struct.pack("!H", len(answer)) + answer)

    def _note(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        kind, = struct.unpack("!H", query[at + 1:at + 3])
        found = _NAMES.get(kind, str(kind)), ".".join(labels)
        self.asked.append(found)
        return found, query[12:at + 5]

    def _answer(self, query, forged=None):
        (kind, name), question = self._note(query) if forged is None else (forged, query[12:])
        records = []
        known = name in self.zone
        for of_kind, seconds, data in self.zone.get(name, ()):
            if of_kind == kind:
                value = _data(kind, data)
                records.append(_name(name) + struct.pack("!HHIH", _TYPES[kind], 1, seconds, len(value))
                               + value)
        code = 0 if known else _NAME_ERROR
        authority = b""
        if not records:
            soa = _name("ns.test") + _name("admin.test") + struct.pack("!IIIII", 1, 1, 1, 1, 1)
            authority = _name("test") + struct.pack("!HHIH", _TYPES["SOA"], 1, 1, len(soa)) + soa
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), bool(authority), 0)
        return head + question + b"".join(records) + authority

    def _cut(self, answer, query):
        end = 12 + query[12:].index(b"\0") + 5
        return answer[:2] + struct.pack("!HHHHH", 0x8380, 1, 0, 0, 0) + answer[12:end]

    def _lie(self, query, source):
        """What an attacker beside the path would send: all addresses are the stranger's."""
        end = 12 + query[12:].index(b"\0") + 5
        record = struct.pack("!HHHIH", 0xC00C, 1, 1, 3600, 4) + socket.inet_aton(places.STRANGER)
        forged = struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0) + query[12:end] + record
        wrong_id = bytes([query[0] ^ 0x55, query[1]])
        self._udp.sendto(wrong_id + forged, source)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((self.ip, 0))
            other.sendto(query[:2] + forged, source)
        question = _name("other.test") + query[end - 4:end]
        self._udp.sendto(query[:2] + forged[:10] + question + record, source)
        self._udp.sendto(query[:2] + b"\xff" * 4000, source)
